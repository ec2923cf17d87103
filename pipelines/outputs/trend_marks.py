"""Marks of figures over time: the first after a break in the series, a revised and a provisional figure."""

from collections.abc import Sequence

import polars as pl


def may_break() -> pl.Expr:
    """Return whether a figure may be the first after a break; every break has such a figure in its line."""
    return (pl.col("obs_status") == "break") | pl.col("caveats").str.contains("definition_break")


def mark_of_point(key: Sequence[str]) -> pl.Expr:
    """Return the mark of a figure among those of its key, which are in order of period; blank for none."""
    known = pl.col("value").is_not_null()
    after = (
        pl.when(known).then(pl.col("caveats").fill_null("").str.contains("definition_break")).forward_fill().over(key)
    )
    is_break = known & (pl.col("obs_status") == "break").fill_null(False) | (
        after & ~after.shift(1).over(key).fill_null(True)
    ).fill_null(False)
    status = pl.when(pl.col("obs_status").is_in(["revised", "provisional"])).then("obs_status").otherwise(pl.lit(""))
    return pl.when(is_break).then(pl.lit("break")).otherwise(pl.when(known).then(status).otherwise(pl.lit("")))
