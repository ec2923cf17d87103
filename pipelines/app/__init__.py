"""The command line, Dagster's assets, and builds: it calls the other rooms and decides nothing about figures.

Nothing may import it. Dagster is known here alone.
"""
