"""Since 2019 the rows of regions and England have their codes in the column by the region's name."""

import polars as pl

CODES = ("ONS Code", "ONS code", "Local authority ONS code", "Local Authority ONS code", "Local Authority Code")
LABELS = ("Local Authority", "Local authority", "Local Authority Name")
REGIONS = (("Region ONS code", "Region"), ("Region Code", "Region Name"))


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Move the codes and names of regions and England to the columns of councils; leave other rows unchanged."""
    region = next((pair for pair in REGIONS if pair[0] in raw.columns), None)
    if region is None:
        return raw
    code = next(name for name in raw.columns if name in CODES)
    label = next(name for name in raw.columns if name in LABELS)
    total = pl.col(code).fill_null("").str.contains("^E0[6-9]").not_() & pl.col(region[0]).str.contains("^E")
    return raw.with_columns(
        pl.when(total).then(region[0]).otherwise(code).alias(code),
        pl.when(total).then(region[1]).otherwise(label).alias(label),
    )
