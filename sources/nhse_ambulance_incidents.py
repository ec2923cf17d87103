"""The file has the year and the month in two columns."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add the month, such as 2026-09."""
    return raw.with_columns(pl.concat_str("Year", pl.lit("-"), pl.col("Month").str.zfill(2)).alias("month"))
