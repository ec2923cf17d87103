"""Jobcentres in October 2015, under their postcodes, because they have no codes."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return each office in the layout of the register, in use on the days of the list."""
    return raw.select(
        pl.lit("jobcentre").alias("ENTITYCD"),
        pl.col("Postcode").str.replace_all(" ", "").alias("GEOGCD"),
        pl.col("JC Name").alias("GEOGNM"),
        pl.lit("").alias("GEOGNMW"),
        pl.lit("").alias("PARENTCD"),
        pl.lit("2015-10-01").alias("OPER_DATE"),
        pl.lit("2015-12-31").alias("TERM_DATE"),
    )
