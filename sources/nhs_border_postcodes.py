"""Postcodes are written without a space, as codes are."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Name the columns after the geographies."""
    return raw.select(
        pl.col("GEOGCD").alias("area_code"), pl.col("POSTCODE").str.replace_all(" ", "").alias("postcode_2022")
    )
