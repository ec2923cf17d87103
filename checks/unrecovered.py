"""Counts after a short return: still far below the figures before it, or back at their level.

A provider that sends a fraction of two years may send half of the third. The periods around such a figure are short
themselves, and say little about the level. The flag keeps the figure, with a caveat, because a new level is possible.
A count that is back at the level before is not implausible because the short ones beside it are low.
"""

from math import log
from typing import Any

import numpy as np
import polars as pl

from checks.expected import FIGURE_COLUMNS, LEAST_FACTOR, ODD_SPREADS, Fit
from checks.flags import FIGURE_KEY, PLAUSIBILITY_FLAG, build_flags, no_flags
from pipelines.core.schema import empty_frame
from pipelines.core.text import format_figure_column

Numbers = np.ndarray[Any, np.dtype[Any]]
AFTER_LOW = {**{name: column.dtype for name, column in PLAUSIBILITY_FLAG.items()}, "low_start": pl.Date,
             "low_end": pl.Date}  # fmt: skip
"""A flag that holds if the figure of the period before, `low_start` to `low_end`, keeps its own flag."""
RECOVERED = {name: AFTER_LOW[name] for name in (*FIGURE_KEY, "low_start", "low_end")}
"""A count near the level before a low figure."""


def list_unrecovered(fit: Fit, rows: pl.DataFrame, low: Numbers) -> pl.DataFrame:
    """List the counts after low figures that are still far below what the periods before those predict (AFTER_LOW).

    Takes the rows of a measure and the numbers of its low figures. A count is far below where it is less than
    1 / LEAST_FACTOR of the expected one, and more than ODD_SPREADS from it by its own history and by its peers.
    """
    low, after, apart = _compare_after(fit, low)
    spreads = [np.sqrt(spread**2 + fit.noise[after])
               for spread in (fit.own_spread[fit.place[after]], fit.peer_spread[fit.period[after]])]  # fmt: skip
    is_far = apart < -log(LEAST_FACTOR)
    for spread in spreads:
        is_far &= apart < -ODD_SPREADS * spread
    if not is_far.any():
        return empty_frame(AFTER_LOW)
    figures = _select_after(fit, rows, low[is_far]).with_columns(
        pl.Series("expected", np.exp(fit.base[after] + fit.before[low])[is_far]),
        pl.Series("own_history", (apart / spreads[0])[is_far]).round(1),
        pl.Series("peers", (apart / spreads[1])[is_far]).round(1),
        pl.Series("others", fit.by_period.sizes[fit.period[after]][is_far].astype(np.int64) - 1),
    )  # fmt: skip
    return _describe(figures)


def list_recovered(fit: Fit, rows: pl.DataFrame, low: Numbers) -> pl.DataFrame:
    """List the counts after low figures that are near what the periods before those predict (RECOVERED)."""
    low, _, apart = _compare_after(fit, low)
    is_near = np.abs(apart) <= log(LEAST_FACTOR)
    if not is_near.any():
        return empty_frame(RECOVERED)
    figures = _select_after(fit, rows, low[is_near])
    return figures.select(pl.col(name).cast(dtype) for name, dtype in RECOVERED.items())


def drop_recovered(flags: pl.DataFrame, recovered: pl.DataFrame, low: pl.DataFrame) -> pl.DataFrame:
    """Drop the flags (PLAUSIBILITY_FLAG) of counts back at the level before a figure with a flag for being low."""
    if recovered.is_empty() or flags.is_empty():
        return flags
    return flags.join(_select_confirmed(recovered, low), on=FIGURE_KEY, how="anti", maintain_order="left")


def _compare_after(fit: Fit, low: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return low figures with a next one, the numbers of those, and their distance from what came before both."""
    low = low[low + 1 < len(fit.rest)]
    low = low[fit.place[low] == fit.place[low + 1]]
    return low, low + 1, fit.rest[low + 1] - fit.before[low]


def _select_after(fit: Fit, rows: pl.DataFrame, low: Numbers) -> pl.DataFrame:
    """Select the rows of the figures after low ones, with the first and last day of the low one."""
    after: pl.DataFrame = rows.select(FIGURE_COLUMNS)[fit.row[low + 1]]
    return after.with_columns(rows[f"period_{end}"][fit.row[low]].alias(f"low_{end}") for end in ("start", "end"))


def flag_unrecovered(after_low: pl.DataFrame, low: pl.DataFrame) -> pl.DataFrame:
    """Return the flags (PLAUSIBILITY_FLAG) of counts after figures that keep a flag for being low.

    Takes AFTER_LOW and the flags of low figures that remain.
    """
    if after_low.is_empty():
        return no_flags()
    return _select_confirmed(after_low, low).select(list(PLAUSIBILITY_FLAG)).sort(FIGURE_KEY)


def _select_confirmed(after_low: pl.DataFrame, low: pl.DataFrame) -> pl.DataFrame:
    before = low.select("measure", "place_code", low_start="period_start", low_end="period_end").unique()
    return after_low.join(before, on=["measure", "place_code", "low_start", "low_end"], how="semi")


def _describe(figures: pl.DataFrame) -> pl.DataFrame:
    share = (100 * pl.col("value") / pl.col("expected")).round(1)
    evidence = pl.format(
        "{}, {} % of the {} expected from the periods before a short return, and the movement of {} peers",
        format_figure_column("value"), share, format_figure_column("expected"), "others",
    )  # fmt: skip
    flags = build_flags("implausible", figures.with_columns(
        evidence.alias("evidence"), pl.lit("the periods before a short return").alias("compared_with")
    ))  # fmt: skip
    whole = pl.concat([flags, figures.select("low_start", "low_end")], how="horizontal")
    return whole.select(pl.col(name).cast(dtype) for name, dtype in AFTER_LOW.items())
