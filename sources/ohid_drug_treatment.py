"""The file has a row for each council, year, sex, age group and drug group; alcohol alone is one of the groups."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Subtract people treated for alcohol only from all, by council and year; blank where a figure is missing."""
    everyone = (pl.col("sex").str.to_lowercase() == "total") & (pl.col("age_group").str.to_lowercase() == "total")
    group = pl.col("drug_group").str.to_lowercase()
    number = pl.col("intreatment_allintx").cast(pl.Int64, strict=False)
    people = number.filter(group == "total").first() - number.filter(group == "alcohol only").first()
    by_council = raw.filter(everyone).group_by("Area", "ReportingPeriod", maintain_order=True)
    return by_council.agg(people.cast(pl.String).fill_null("").alias("people"), pl.col("_row").min())
