"""A list with a row for each food bank, which is counted by district; a district without a row has no figure."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Count rows by district: code, listed, both text."""
    counted = raw.group_by(pl.col("Area code").alias("code"), maintain_order=True)
    return counted.agg(pl.len().cast(pl.String).alias("listed"), pl.col("_row").min())
