"""From 21 March 2021 the table has times in UTC: 23:00 is the next day, and each day has two half-filled rows."""

import polars as pl

_BEDS = ["CC Adult Open", "CC Adult Occ", "G&A Beds Open", "G&A beds occ'd"]


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each trust and day: Code, Name, day, and the columns of beds; figures replace blanks.

    `CC Adult Free` is the beds open less those occupied on the day, blank where one of them is.
    """
    after = pl.when(pl.col("Date").str.ends_with("23:00:00")).then(1).otherwise(0)
    day = pl.col("Date").str.slice(0, 10).str.to_date() + pl.duration(days=after)
    filled = [pl.col(name).filter(pl.col(name) != "").first().fill_null("").alias(name) for name in _BEDS]
    # England has two rows under one code, for all trusts and for type 1 trusts: the name identifies the second.
    code = pl.when(pl.col("Name").str.contains("Type 1", literal=True)).then("Name").otherwise("Code").alias("Code")
    # A trust that merged in 2021 has rows under two names.
    whole = raw.with_columns(day.cast(pl.String).alias("day"), code).group_by("Code", "day", maintain_order=True)
    beds = whole.agg(*filled, pl.col("Name").first(), pl.col("_row").min())
    is_given = (pl.col("CC Adult Open") != "") & (pl.col("CC Adult Occ") != "")
    free = pl.col("CC Adult Open").cast(pl.Float64, strict=False) - pl.col("CC Adult Occ").cast(
        pl.Float64, strict=False
    )
    text = pl.when(is_given).then(free.cast(pl.Int64, strict=False).cast(pl.String)).fill_null("")
    return beds.with_columns(text.alias("CC Adult Free"))
