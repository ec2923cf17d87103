"""A row for each camera and hour, with dates in three forms; a month has a figure where every hour has a row."""

import polars as pl

_WAYS = ("%d/%m/%Y", "%Y-%m-%d", "%d-%b-%y", "%d-%b-%Y")


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Sum the hours of all cameras by month: code (of Leeds), month, passings, all text.

    A month without an hour of a camera has no figure, because a smaller sum would look like fewer people.
    """
    day = pl.coalesce(pl.col("Date").str.to_date(way, strict=False) for way in _WAYS)
    hours = raw.with_columns(day.alias("day"), pl.col("InCount").cast(pl.Int64, strict=False).alias("people"))
    cameras = raw["LocationName"].n_unique()
    whole = pl.len() == cameras * 24 * pl.col("day").first().dt.month_end().dt.day().cast(pl.UInt32)
    sound = whole & (pl.col("people").null_count() == 0)
    return hours.group_by(pl.col("day").dt.strftime("%Y-%m").alias("month"), maintain_order=True).agg(
        pl.lit("E08000035").alias("code"),
        pl.when(sound).then(pl.col("people").sum().cast(pl.String)).otherwise(pl.lit("")).alias("passings"),
        pl.col("_row").min(),
    )
