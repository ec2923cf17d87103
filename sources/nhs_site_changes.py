"""Successors of sites: the list has organisations of every kind."""

import polars as pl

_SITE = r"^(?:R[0-9A-Z]|T[A-Z]|7A)[0-9A-Z]{3}$"
"""A site's code until 2020: its trust's three characters and two more."""


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return each site with a successor, in the layout of code changes."""
    sites = raw.filter(pl.col("old_code").str.contains(_SITE), pl.col("old_code") != pl.col("new_code"))
    after, before = (pl.len().over(column) for column in ("old_code", "new_code"))
    kind = pl.when(after > 1).then(pl.lit("split")).when(before > 1).then(pl.lit("merged"))
    return sites.select(
        pl.col("old_code").alias("from_code"),
        pl.col("new_code").alias("to_code"),
        kind.otherwise(pl.lit("recoded")).alias("kind"),
        pl.col("date").alias("changed_on"),
        pl.lit("NHS Organisation Data Service").alias("authority"),
    )
