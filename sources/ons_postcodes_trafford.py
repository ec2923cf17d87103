"""Postcodes of Trafford: a postcode is written without a space, as codes are."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Name the columns after the geographies."""
    return raw.select(
        pl.col("postcode").str.replace_all(" ", "").alias("area_code"),
        pl.col("ward_code").alias("ward_2024"),
        pl.col("lsoa_code").alias("lsoa_2021"),
        pl.col("msoa_code").alias("msoa_2021"),
        pl.col("la_code").alias("lad_2024"),
    )
