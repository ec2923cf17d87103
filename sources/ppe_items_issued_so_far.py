"""Rows of items issued so far state their first day. Their last day is the day of the release."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of items issued so far, with their first and last day in `days`."""
    since = pl.col("period").str.strip_prefix("cumulative since ").str.to_date("%d %B %Y")
    until = pl.col("release").str.to_date("%d-%B-%Y")
    rows = raw.filter(pl.col("period").str.starts_with("cumulative since "))
    return rows.with_columns(
        pl.concat_str(since.cast(pl.String), until.cast(pl.String), separator=" to ").alias("days")
    )
