"""Expected figures: each figure as its place's history and its peers in the period predict it.

Figures are compared as logarithms: the level of the place, plus the movement of all places in the period, plus the
place's deviation around that period (a median polish, after Tukey 1977). Spread is estimated twice, from the place's
history and from its peers in the period, by the median absolute deviation. Counts add their counting noise (one over
the expected count). Only medians are used, so a few faults, or a provider without returns for years, do not hide
themselves.
"""

from math import log
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs

from checks.medians import (
    DEVIATIONS_PER_MAD,
    Groups,
    group_figures,
    group_medians,
    group_upper_quarters,
    nearby_medians,
)
from checks.series import Slices, order_in_time, renumber
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

Numbers = np.ndarray[Any, np.dtype[Any]]
FIGURE_COLUMNS = ["source", "release", "measure", "place_code", "place_label", "period_start", "period_end", "value",
                  "file"]  # fmt: skip
"""Columns of an observation that checks of figures use."""
PERIOD_KEY = ["measure", "period_start"]
FEWEST_PERIODS = 5
"""Fewest periods of a place for a comparison with its own history."""
FEWEST_PEERS = 10
"""Fewest places in a period for a comparison with peers."""
NEAR_ZERO = 0.1
"""Share of the expected figure below which a figure is near zero, not merely low."""
FAR_SPREADS = 4.5
"""Distance at which a figure is flagged, in spreads of its own history and of its peers."""
FAR_SPREADS_BEFORE = 8.0
"""Distance at which a figure is flagged by the periods before alone, which are weaker evidence."""
LEAST_FACTOR = 1.6
"""Least ratio between a figure and the expected figure; docs/detection.md describes the data that it was fitted on."""
ODD_SPREADS = 3.0
"""Distance at which a figure is left out of the comparison of its neighbours in time."""
_AROUND, _BEFORE = 2, 3
"""Periods on either side, and before, that form the expectation; two fit best on the series in docs/detection.md."""
_STEPS = [n for n in range(-_AROUND, _AROUND + 1) if n]
_ROUNDS = 3


class Fit(NamedTuple):
    """Figures of one measure in the order of place and time, each with its expected value.

    `row` is the number of its row. `place` and `period` are the numbers of its groups, by which `own_spread` and `long`
    (by place) and `movement` and `peer_spread` (by period) are found. Logarithms: `base` is the level of the place and
    the movement of the period, `rest` the figure less both; `near` and `before` are what the periods around and before
    predict of `rest`, and `long` is its upper quarter. `noise` is a variance. NaN where there is nothing to compare.
    """

    row: Numbers
    place: Numbers
    period: Numbers
    by_place: Groups
    by_period: Groups
    value: Numbers
    step: float
    base: Numbers
    movement: Numbers
    rest: Numbers
    long: Numbers
    near: Numbers
    before: Numbers
    own_spread: Numbers
    peer_spread: Numbers
    noise: Numbers


def fit_expected(slices: Slices, is_used: Numbers, measure: Measure) -> Fit:
    """Fit the expected figure of each figure of 0 or more of one measure, by its own history and its peers.

    `is_used` selects one release for each reference period.
    """
    published = slices.rows["value"].cast(pl.Float64).to_numpy()
    chosen = np.flatnonzero(is_used & (published >= 0) & np.isfinite(published))
    row = chosen[order_in_time(slices.place[chosen], slices.slice[chosen])]
    place, value = slices.place[row].astype(np.intp), published[row]
    period = renumber(slices.period[row]).astype(np.intp)
    by_place = group_figures(place, int(place.max(initial=-1)) + 1)
    by_period = group_figures(period, int(period.max(initial=-1)) + 1)
    step = find_smallest_step(value, measure)
    logs = _take_logarithms(value, step)
    level, movement = _polish_medians(logs, by_place, by_period)
    rest, base = logs - level[place] - movement[period], level[place] + movement[period]
    long = group_upper_quarters(rest, by_place)
    nothing = np.full(len(row), np.nan)
    fit = Fit(row, place, period, by_place, by_period, value, step, base, movement, rest, long,
              nothing, nothing, nothing, nothing, nothing)  # fmt: skip
    is_additive = measure.kind in ADDITIVE_KINDS
    # A figure near zero beside the place's better periods does not form the expectation of those around it.
    is_sound = rest - long[place] > log(NEAR_ZERO)
    sound = np.where(is_sound, rest, np.nan)
    near = _find_near(nearby_medians(sound, place, _STEPS), fit, slice(None))
    first = _add_spreads(fit._replace(near=near), is_sound, is_additive)
    odd = _find_odd(first)
    if not len(odd):
        return first._replace(before=nearby_medians(sound, place, range(1, _BEFORE + 1)))
    # Outliers distort the expectation of their neighbours in time, which are compared again without them.
    is_sound[odd], sound[odd] = False, np.nan
    again = np.unique(np.clip(np.add.outer(odd, _STEPS), 0, len(row) - 1))
    near[again] = _find_near(nearby_medians(sound, place, _STEPS, again), fit, again)
    before = nearby_medians(sound, place, range(1, _BEFORE + 1))
    return _add_spreads(fit._replace(near=near, before=before), is_sound, is_additive)


def _find_near(near: Numbers, fit: Fit, chosen: Numbers | slice) -> Numbers:
    """Return what the sound figures around some figures predict: their median, or the upper quarter without any."""
    return np.where(np.isnan(near), fit.long[fit.place[chosen]], near)


def find_smallest_step(value: Numbers, measure: Measure) -> float:
    """Find the step of a measure: its rounding base, 1 for counts, else its smallest positive figure, or NaN."""
    if measure.rounding:
        return measure.rounding
    if measure.kind in ADDITIVE_KINDS:
        return 1.0
    smallest = value.min(where=value > 0, initial=np.inf)
    return float(smallest) if np.isfinite(smallest) else float("nan")


def _take_logarithms(value: Numbers, step: float) -> Numbers:
    """Take logarithms; zero counts as half the smallest step, which rounds to zero."""
    least = 1.0 if np.isnan(step) else step
    return np.asarray(np.log(np.where(value > 0, value, least / 2)))


def _polish_medians(logs: Numbers, by_place: Groups, by_period: Groups) -> tuple[Numbers, Numbers]:
    """Return the level of each place and the movement of each period, by rounds of medians."""
    movement = np.zeros(len(by_period.sizes))
    for _ in range(_ROUNDS):
        level = group_medians(logs - movement[by_period.of_figure], by_place)
        movement = group_medians(logs - level[by_place.of_figure], by_period)
    return level, movement


def _add_spreads(fit: Fit, is_sound: Numbers, is_additive: bool) -> Fit:
    """Add the spreads of sound figures around what those near them predict, and the noise."""
    distance = np.where(is_sound, np.abs(fit.rest - fit.near), np.nan)
    usual = np.exp(fit.base + fit.near)
    # The figure's own noise, plus about half as much for the few figures in the comparison.
    noise = 1.5 / np.maximum(usual, 0.5) if is_additive else (fit.step / usual) ** 2 / 12
    return fit._replace(
        own_spread=group_medians(distance, fit.by_place) * DEVIATIONS_PER_MAD,
        peer_spread=group_medians(distance, fit.by_period) * DEVIATIONS_PER_MAD,
        noise=noise,
    )


def greatest_spread(fit: Fit, chosen: Numbers) -> Numbers:
    """Return for some figures the greater of their two spreads, with the noise of counting or rounding."""
    spread = np.maximum(fit.own_spread[fit.place[chosen]], fit.peer_spread[fit.period[chosen]])
    return np.asarray(np.sqrt(spread**2 + fit.noise[chosen]))


def _find_odd(fit: Fit) -> Numbers:
    """Find the numbers of figures far from both expectations, and further than the figures before and after."""
    apart = np.abs(fit.rest - fit.near)
    far = np.flatnonzero(apart > log(LEAST_FACTOR))
    far = far[apart[far] > ODD_SPREADS * greatest_spread(fit, far)]
    for step in (-1, 1):
        beside = np.clip(far - step, 0, len(apart) - 1)
        is_nearer = (fit.place[beside] != fit.place[far]) | (apart[beside] <= apart[far])
        far = far[is_nearer]
    return np.asarray(far)


def count_later_periods(fit: Fit) -> Numbers:
    """Count for each figure the later periods of its measure that have figures."""
    return np.asarray(len(fit.by_period.sizes) - 1 - fit.period)


def describe_figures(fit: Fit, rows: pl.DataFrame, chosen: Numbers) -> pl.DataFrame:
    """Return some figures as rows (FIGURE_COLUMNS), with their expected values (describe_expected).

    Where none is chosen, no column is added.
    """
    if not len(chosen):
        return rows.clear()
    return pl.concat([rows.select(FIGURE_COLUMNS)[fit.row[chosen]], describe_expected(fit, chosen)], how="horizontal")


def describe_expected(fit: Fit, chosen: Numbers) -> pl.DataFrame:
    """Return the expected values of some figures.

    In the measure's unit, `usual` (from the periods around), `before` (from the periods before) and `long_run` (from
    the upper quarter of all periods). As logarithms `rest`, and the distances from each: `apart`, `apart_before` and
    `apart_long`. Then `own_spread`, `peer_spread`, `noise`, the `movement` of all places in the period, and the
    smallest `step`. Then the numbers of `periods`, of `peers`, of figures `above` 0 in the period, and of
    `later_periods` of the measure. `place_number` and `period_number` are numbers of groups.
    """
    place, period = fit.place[chosen], fit.period[chosen]
    rest, long, before = fit.rest[chosen], fit.long[place], fit.before[chosen]
    base = fit.base[chosen]
    columns = {
        "usual": np.exp(base + fit.near[chosen]), "before": np.exp(base + before), "long_run": np.exp(base + long),
        "rest": rest, "apart": rest - fit.near[chosen], "apart_before": rest - before, "apart_long": rest - long,
        "own_spread": fit.own_spread[place], "peer_spread": fit.peer_spread[period], "noise": fit.noise[chosen],
        "movement": fit.movement[period], "periods": fit.by_place.sizes[place], "peers": fit.by_period.sizes[period],
        "above": np.bincount(fit.period[fit.value > 0], minlength=len(fit.by_period.sizes))[period],
        "place_number": place, "period_number": period, "later_periods": count_later_periods(fit)[chosen],
        "step": np.full(len(chosen), fit.step),
    }  # fmt: skip
    return pl.DataFrame(columns).with_columns(cs.float().fill_nan(None))


def spreads_away(spread: str, apart: str = "apart") -> pl.Expr:
    """Return the distance from the expected figure, in spreads plus the noise of counting or rounding."""
    return pl.col(apart) / (pl.col(spread) ** 2 + pl.col("noise")).sqrt()
