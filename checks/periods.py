"""Reference periods: the check that every table of cells must pass before it is stored or published."""

from collections.abc import Collection

import polars as pl

CARRIED_FORWARD = "carried_forward"
"""Caveat of a figure for an earlier period that a problem carries forward."""


COARSER_PERIOD = "coarser_period"
"""Caveat of a figure for a longer period that a problem accepts; gap reason where it does not."""


def is_carried_forward() -> pl.Expr:
    """Select cells (schema.CELL_COLUMNS) with a figure that was carried forward."""
    return pl.col("caveats").str.split(",").list.contains(CARRIED_FORWARD).fill_null(False)


def is_of_longer_period() -> pl.Expr:
    """Select cells (schema.CELL_COLUMNS) with a figure for a longer period than the one requested."""
    return pl.col("caveats").str.split(",").list.contains(COARSER_PERIOD).fill_null(False)


def find_other_periods(cells: pl.DataFrame, grain: str, instants: Collection[str]) -> pl.DataFrame:
    """Return cells (schema.CELL_COLUMNS) with a figure for another period, unless marked with a caveat.

    A figure answers a period with the same days. A figure for an instant (measures in `instants`) answers a period that
    contains it. A figure with the caveat `carried_forward`, or for grain latest, must end by the end of the period. One
    with the caveat `coarser_period` must be for a longer period that contains it.
    """
    is_known, has_ended = pl.col("value").is_not_null(), pl.col("reference_end") <= pl.col("period_end")
    if grain == "latest":
        return cells.filter(is_known, ~has_ended.fill_null(False))
    same = (pl.col("reference_start") == pl.col("period_start")) & (pl.col("reference_end") == pl.col("period_end"))
    inside = (
        (pl.col("reference_start") == pl.col("reference_end"))
        & (pl.col("reference_start") >= pl.col("period_start"))
        & has_ended
    )
    instant = pl.coalesce("proxy_measure", "measure").is_in(sorted(instants))
    around = (pl.col("reference_start") <= pl.col("period_start")) & (pl.col("reference_end") >= pl.col("period_end"))
    allowed = (is_carried_forward() & has_ended) | (is_of_longer_period() & around)
    # Nearly all figures are for the same days; caveats are texts and take longer.
    others = cells.filter(is_known, ~same.fill_null(False))
    return others.filter(~((instant & inside) | allowed).fill_null(False))
