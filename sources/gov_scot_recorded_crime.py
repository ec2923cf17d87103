"""The sheet is of one police force, and gives year and month in columns of their own."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add the code of the force and the month as one text; all else as published."""
    month = pl.concat_str("month", "year", separator=" ")
    return raw.with_columns(pl.lit("S23000009").alias("force"), month.alias("year_month"))
