"""Since 2019 the rows of regions and of England have their code beside the region's name, not with the councils'."""

import polars as pl

CODES = ("ONS Code", "ONS code", "Local authority ONS code", "Local Authority ONS code")


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Put the codes and names of regions and of England where those of councils are; other rows stay as they are."""
    if "Region ONS code" not in raw.columns:
        return raw
    code = next(name for name in raw.columns if name in CODES)
    label = next(name for name in raw.columns if name in ("Local Authority", "Local authority"))
    total = pl.col(code).fill_null("").str.contains("^E0[6-9]").not_() & pl.col("Region ONS code").str.contains("^E")
    return raw.with_columns(
        pl.when(total).then("Region ONS code").otherwise(code).alias(code),
        pl.when(total).then("Region").otherwise(label).alias(label),
    )
