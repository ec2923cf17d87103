"""The sheet is of one nation, and does not say so in a column."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add the code of Scotland to every row; all else as published."""
    return raw.with_columns(pl.lit("S92000003").alias("nation"))
