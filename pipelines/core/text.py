"""Figures formatted for sentences."""

import polars as pl


def format_figure_column(column: str) -> pl.Expr:
    """Format a column of figures to two decimal places, without decimals for whole numbers."""
    return pl.col(column).round(2).cast(pl.String).str.strip_suffix(".0")
