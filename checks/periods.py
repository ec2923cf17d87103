"""No figure of another period: what every table of cells must satisfy before it is stored or shown."""

from collections.abc import Collection

import polars as pl

CARRIED_FORWARD = "carried_forward"
"""The caveat of a figure of an earlier period that a problem lets be shown."""


def is_carried_forward() -> pl.Expr:
    """Tell the cells (schema.CELL_COLUMNS) with a figure that was carried forward."""
    return pl.col("caveats").str.split(",").list.contains(CARRIED_FORWARD).fill_null(False)


def find_other_periods(cells: pl.DataFrame, grain: str, instants: Collection[str]) -> pl.DataFrame:
    """Give the cells (schema.CELL_COLUMNS) with a figure that is not of the period asked about, nor said to be older.

    A figure is of a period where both have the same days; one of an instant (measures in `instants`) where it lies
    inside. One with the caveat `carried_forward`, or for grain latest, must only have ended by then.
    """
    known = cells.filter(pl.col("value").is_not_null())
    has_ended = pl.col("value_end") <= pl.col("period_end")
    if grain == "latest":
        return known.filter(~has_ended.fill_null(False))
    same = (pl.col("value_start") == pl.col("period_start")) & (pl.col("value_end") == pl.col("period_end"))
    inside = (
        (pl.col("value_start") == pl.col("value_end")) & (pl.col("value_start") >= pl.col("period_start")) & has_ended
    )
    instant = pl.coalesce("stand_in", "measure").is_in(sorted(instants))
    return known.filter(~(same | (instant & inside) | (is_carried_forward() & has_ended)).fill_null(False))
