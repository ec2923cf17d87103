"""Changes of unit: figures ten, a hundred or a thousand times too high or too low."""

from math import log
from typing import Any

import numpy as np
import polars as pl

from checks.expected import FAR_SPREADS, FEWEST_PEERS, FEWEST_PERIODS, PERIOD_KEY, Fit, spreads_away
from checks.flags import FIGURE_KEY, build_flags, no_flags
from checks.medians import group_figures, group_medians
from checks.series import Slices, select_releases
from pipelines.core.text import format_figure_column

Numbers = np.ndarray[Any, np.dtype[Any]]
LOG_TEN = log(10)
POWER_TOLERANCE = log(1.15)
"""Tolerance around a power of ten for the median of a period: all places move a little between periods."""
PLACE_TOLERANCE = log(1.5)
"""Distance from the other places of its period within which a place counts as having moved with them."""
LEAST_MOVING_SHARE = 0.8
"""Least share of places that must have moved by the same power of ten."""


def describe_periods(fit: Fit, rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each period of a measure: `movement` and `peers`, with `off`, its distance from the usual.

    Only periods that are off by a power of ten are returned, by PERIOD_KEY and `period_number`.
    """
    is_far = np.abs(fit.movement - np.median(fit.movement)) > LOG_TEN - 2 * POWER_TOLERANCE if len(fit.row) else fit.row
    if not is_far.any():
        return rows.clear()
    sizes, first = fit.by_period.sizes, np.zeros(len(fit.by_period.sizes), dtype=np.intp)
    first[fit.period] = fit.row
    moved = rows.select(PERIOD_KEY)[first].with_columns(
        pl.Series("movement", fit.movement), pl.Series("peers", sizes),
        pl.Series("period_number", np.arange(len(sizes))),
    )  # fmt: skip
    return find_changed_periods(moved)


def find_changed_periods(moved: pl.DataFrame) -> pl.DataFrame:
    """Find the periods of one measure (PERIOD_KEY, `movement`, `peers`) that are `off` by a power of ten."""
    off = moved.with_columns((pl.col("movement") - pl.col("movement").median()).alias("off"))
    return off.filter(_is_power_of_ten("off"), pl.len() >= FEWEST_PERIODS, pl.col("peers") >= FEWEST_PEERS)


def select_moved_figures(fit: Fit, periods: pl.DataFrame) -> Numbers:
    """Select the numbers of figures that moved with the other places of some periods (describe_periods)."""
    is_moved = np.zeros(len(fit.by_period.sizes), dtype=bool)
    is_moved[periods["period_number"].to_numpy()] = True
    return np.flatnonzero(is_moved[fit.period] & (np.abs(fit.rest - fit.near) <= PLACE_TOLERANCE))


def find_unit_changes(fitted: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Find periods in which all figures are off by a power of ten, and single figures too high by one.

    Takes all figures of `periods` (find_changed_periods) that moved with the others, and suspects of other periods. A
    single figure too low by a power of ten may be a near-zero return, and is flagged as that.
    """
    return pl.concat([_flag_changed_periods(fitted, periods), _find_changed_figures(fitted)])


def _flag_changed_periods(fitted: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    if periods.is_empty():
        return no_flags()
    cells = fitted.join(periods.select(*PERIOD_KEY, "off"), on=PERIOD_KEY, maintain_order="left").filter(
        pl.col("apart").abs() < PLACE_TOLERANCE
    )
    jumped = pl.len().over(PERIOD_KEY) >= LEAST_MOVING_SHARE * pl.col("peers")
    return _flag_changes(cells.filter(jumped), pl.col("off"), "the same measure in other periods")


def _find_changed_figures(fitted: pl.DataFrame) -> pl.DataFrame:
    apart = [spreads_away(spread) > FAR_SPREADS for spread in ("own_spread", "peer_spread")]
    enough = (pl.col("periods") >= FEWEST_PERIODS) & (pl.col("peers") >= FEWEST_PEERS)
    figures = fitted.filter(enough, pl.all_horizontal(apart), _is_power_of_ten("apart"))
    return _flag_changes(figures, pl.col("apart"), "its own history and the movement of its peers")


def _is_power_of_ten(apart: str) -> pl.Expr:
    """Return whether a difference of logarithms is close to a power of ten, up or down."""
    powers = (pl.col(apart) / LOG_TEN).round()
    return (powers != 0) & ((pl.col(apart) - powers * LOG_TEN).abs() < POWER_TOLERANCE)


def _flag_changes(figures: pl.DataFrame, off: pl.Expr, compared: str) -> pl.DataFrame:
    times = off.exp()
    plain = pl.when(times >= 1).then(times.round(1)).otherwise(times.round(5))
    evidence = pl.format(
        "{} is {} times the figure expected from {}", format_figure_column("value"), plain, pl.lit(compared)
    )
    return build_flags("unit_change", figures.with_columns(
        evidence.alias("evidence"), (pl.col("value") / times).alias("expected"),
        pl.lit(compared).alias("compared_with"), spreads_away("own_spread").round(1).alias("own_history"),
        (pl.col("peers") - 1).cast(pl.Int64).alias("others"), spreads_away("peer_spread").round(1).alias("peers"),
    ))  # fmt: skip


def select_rescaled(slices: Slices, is_used: Numbers) -> tuple[Numbers, Numbers]:
    """Select the rows of both releases in reference periods that moved by nearly ten times or more, at the median.

    `is_used` selects the release in use of each period; it is compared with the one before it.
    """
    is_older = select_releases(slices, back=1)
    published = slices.rows["value"].cast(pl.Float64).to_numpy()
    old, new = (np.flatnonzero(chosen & (published > 0)) for chosen in (is_older, is_used))
    if not len(old):
        return old, old
    periods = int(slices.slice.max()) + 1
    keys = [slices.place[rows].astype(np.int64) * periods + slices.slice[rows] for rows in (old, new)]
    ordered = np.argsort(keys[0], kind="stable")
    at = np.minimum(np.searchsorted(keys[0][ordered], keys[1]), len(old) - 1)
    match = ordered[at]
    is_both = keys[0][match] == keys[1]
    ratio = np.log(published[new[is_both]] / published[old[match[is_both]]])
    of_ratio = slices.slice[new[is_both]]
    middle = group_medians(ratio, group_figures(of_ratio, periods))
    is_far = np.abs(middle) > LOG_TEN - 3 * POWER_TOLERANCE
    return tuple(np.flatnonzero(chosen & is_far[slices.slice]) for chosen in (is_older, is_used))  # type: ignore[return-value]


def find_changes_between_releases(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Find measures with most figures off by a power of ten from the previous release.

    Takes the observations of both releases; returns flags of the newer release's figures.
    """
    both = new.join(old.select(*FIGURE_KEY, pl.col("value").alias("was")), on=FIGURE_KEY).filter(
        pl.col("value") > 0, pl.col("was") > 0
    )
    ratio = both.with_columns((pl.col("value") / pl.col("was")).log().alias("off"))
    slices = ["measure", "period_start", "period_end"]
    same = ratio.filter(
        _is_power_of_ten("off"), pl.col("off").median().over(slices).sub(pl.col("off")).abs() < POWER_TOLERANCE
    )
    shares = ratio.group_by(slices).agg(pl.len().alias("all"))
    figures = same.join(shares, on=slices).filter(
        pl.len().over(slices) >= LEAST_MOVING_SHARE * pl.col("all"), pl.col("all") >= FEWEST_PEERS
    )
    evidence = pl.format(
        "{} is {} times the {} in the previous release, as for {} places",
        format_figure_column("value"), pl.col("off").exp().round(5), format_figure_column("was"),
        pl.len().over(slices),
    )  # fmt: skip
    return build_flags("unit_change", figures.with_columns(
        evidence.alias("evidence"), pl.col("was").alias("expected"),
        pl.lit("the previous release").alias("compared_with"),
        pl.len().over(slices).cast(pl.Int64).alias("others"),
    ))  # fmt: skip
