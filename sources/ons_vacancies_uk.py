"""A series that names no place: all of it is of the United Kingdom."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Give every row the code of the United Kingdom in the column place."""
    return raw.with_columns(pl.lit("K02000001").alias("place"))
