"""The sheet has year and month in separate columns."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add the month as one text, year_month; other columns as published."""
    return raw.with_columns(pl.concat_str("month", "year", separator=" ").alias("year_month"))
