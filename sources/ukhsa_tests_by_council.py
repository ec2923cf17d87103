"""The file has the sum of the seven days to each day."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add the column `days`: the first and last day of each sum."""
    last = pl.col("date").str.to_date()
    days = pl.concat_str(last.dt.offset_by("-6d").cast(pl.String), last.cast(pl.String), separator=" to ")
    return raw.with_columns(days.alias("days"))
