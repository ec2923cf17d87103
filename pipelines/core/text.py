"""Figures as people read them, inside sentences."""

import polars as pl


def printed(column: str) -> pl.Expr:
    """Write a figure for a person: to two decimals, and without any where it is whole."""
    return pl.col(column).round(2).cast(pl.String).str.strip_suffix(".0")
