"""The file names a quarter by its first day."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add the column `quarter`, such as 2019 Q2."""
    day = pl.col("date").str.to_date()
    quarter = pl.concat_str(day.dt.year(), pl.lit(" Q"), day.dt.quarter())
    return raw.with_columns(quarter.alias("quarter"))
