"""The service gave a row for each council and day; a month has a sum only where every day has a row."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Sum cases by month: areaCode, areaName, month, cases, all text; blank where a day has no figure.

    The series of a council starts with its first case: earlier days have no row and no case.
    """
    days = raw.filter(pl.col("date") != "date").with_columns(
        pl.col("date").str.to_date(), pl.col("newCasesBySpecimenDate").cast(pl.Int64, strict=False).alias("new")
    )
    month = pl.col("date").dt.truncate("1mo").alias("month")
    last = pl.col("date").dt.month_end().first()
    first = pl.max_horizontal(pl.col("month").first(), pl.col("started").first())
    whole = (pl.len() == (last - first).dt.total_days() + 1) & (pl.col("new").null_count() == 0)
    summed = (
        days.with_columns(month, pl.col("date").min().over("areaCode").alias("started"))
        .group_by("areaCode", "areaName", "month", maintain_order=True)
        .agg(pl.when(whole).then(pl.col("new").sum().cast(pl.String)).otherwise(pl.lit("")).alias("cases"),
             pl.col("_row").min())
    )  # fmt: skip
    return summed.with_columns(pl.col("month").dt.strftime("%Y-%m"))
