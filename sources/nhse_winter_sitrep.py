"""From 21 March 2021 the table has times in UTC: 23:00 is the next day, and each day has two half-filled rows."""

import polars as pl

_BEDS = ["CC Adult Open", "CC Adult Occ", "G&A Beds Open", "G&A beds occ'd"]


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each trust and day: Code, Name, day, and the columns of beds; figures replace blanks."""
    after = pl.when(pl.col("Date").str.ends_with("23:00:00")).then(1).otherwise(0)
    day = pl.col("Date").str.slice(0, 10).str.to_date() + pl.duration(days=after)
    filled = [pl.col(name).filter(pl.col(name) != "").first().fill_null("").alias(name) for name in _BEDS]
    # England has two rows under one code, for all trusts and for type 1 trusts: the name identifies the second.
    code = pl.when(pl.col("Name").str.contains("Type 1", literal=True)).then("Name").otherwise("Code").alias("Code")
    # A trust that merged in 2021 has rows under two names.
    whole = raw.with_columns(day.cast(pl.String).alias("day"), code).group_by("Code", "day", maintain_order=True)
    return whole.agg(*filled, pl.col("Name").first(), pl.col("_row").min())
