"""Since 2019 the rows of regions and England have their codes in the column by the region's name."""

import polars as pl

CODES = ("ONS Code", "ONS code", "Local authority ONS code", "Local Authority ONS code")


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Move the codes and names of regions and England to the columns of councils; leave other rows unchanged."""
    if "Region ONS code" not in raw.columns:
        return raw
    code = next(name for name in raw.columns if name in CODES)
    label = next(name for name in raw.columns if name in ("Local Authority", "Local authority"))
    total = pl.col(code).fill_null("").str.contains("^E0[6-9]").not_() & pl.col("Region ONS code").str.contains("^E")
    return raw.with_columns(
        pl.when(total).then("Region ONS code").otherwise(code).alias(code),
        pl.when(total).then("Region").otherwise(label).alias(label),
    )
