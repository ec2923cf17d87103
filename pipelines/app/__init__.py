"""Command line, Dagster assets and builds. This room calls the other rooms and contains no rules about figures.

No other room may import it. It is the only room that uses Dagster.
"""
