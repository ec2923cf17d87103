"""A list of hubs of one council, which it does not name; other councils have no figure."""

import polars as pl

TRAFFORD = "E08000009"


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Count the hubs: code, listed, both text."""
    return raw.select(pl.lit(TRAFFORD).alias("code"), pl.len().cast(pl.String).alias("listed"), pl.col("_row").min())
