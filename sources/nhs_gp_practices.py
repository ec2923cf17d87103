"""GP practices: a postcode is written without a space, as codes are."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Name the columns after the geographies."""
    return raw.select(
        pl.col("PRACTICE_CODE").alias("area_code"),
        pl.col("PRACTICE_POSTCODE").str.replace_all(" ", "").alias("postcode_2020"),
        pl.col("ONS_CCG_CODE").alias("ccg_2020"),
        pl.col("ONS_STP_CODE").alias("stp_2020"),
        pl.col("ONS_COMM_REGION_CODE").alias("nhs_region_2020"),
    )
