"""The sheet gives year and month in columns of their own."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add the month as one text: year_month; all else as published."""
    return raw.with_columns(pl.concat_str("month", "year", separator=" ").alias("year_month"))
