"""The file has a row for each hospital and specialty, with the last day of the quarter."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Sum beds by quarter: nation, quarter, available and occupied, all text; blank where a row has no figure."""
    day = pl.col("date").str.to_date()
    quarter = pl.concat_str(day.dt.year(), pl.lit(" Q"), day.dt.quarter()).alias("quarter")
    beds = {"available": "average_available_beds", "occupied": "average_occupied_beds"}
    numbers = raw.with_columns(pl.col(name).cast(pl.Decimal(12, 1), strict=False) for name in beds.values())
    sums = (
        pl.when(pl.col(name).null_count() == 0)
        .then(pl.col(name).sum().cast(pl.String))
        .otherwise(pl.lit(""))
        .alias(column)
        for column, name in beds.items()
    )
    summed = numbers.group_by(quarter, maintain_order=True).agg(*sums, pl.col("_row").min())
    return summed.with_columns(pl.lit("N92000002").alias("nation"))
