"""Figures that are far from what both their place's history and their peers in the period predict.

Each function takes figures of checks.expected.describe_figures and returns flags of one reason. A figure must differ
from both expectations: a place that always differs from others is no fault, nor is a period that differs everywhere.
"""

from math import log
from typing import Any

import numpy as np
import polars as pl

from checks.expected import (
    FAR_SPREADS,
    FAR_SPREADS_BEFORE,
    FEWEST_PEERS,
    FEWEST_PERIODS,
    LEAST_FACTOR,
    NEAR_ZERO,
    Fit,
    greatest_spread,
    spreads_away,
)
from checks.flags import build_flags
from pipelines.core.text import format_figure_column

Numbers = np.ndarray[Any, np.dtype[Any]]
LEAST_ZERO_CHANCE = 1e-6
"""Greatest chance of a zero, by the count model, at which the zero is flagged."""


_MARGIN = 0.99
"""Share of each limit from which figures are compared in full: arrays and columns may differ in the last digit."""


def select_suspects(fit: Fit, is_additive: bool) -> Numbers:
    """Select the numbers of figures that any rule of this module or of checks.units for one figure may flag."""
    factor, near_zero = _MARGIN * log(LEAST_FACTOR), _MARGIN * log(NEAR_ZERO)
    apart, before, long = fit.rest - fit.near, fit.rest - fit.before, fit.rest - fit.long[fit.place]
    is_zero = fit.value == 0
    chosen = np.flatnonzero((np.abs(apart) > factor) | (before < -factor) | (long < near_zero) | is_zero)
    enough = (fit.by_place.sizes >= FEWEST_PERIODS)[fit.place[chosen]]
    chosen = chosen[enough & (fit.by_period.sizes >= FEWEST_PEERS)[fit.period[chosen]]]
    apart, before, long, is_zero = apart[chosen], before[chosen], long[chosen], is_zero[chosen]
    reach = _MARGIN * greatest_spread(fit, chosen)
    suspects = (np.abs(apart) > FAR_SPREADS * reach) & ((np.abs(apart) > factor) | is_zero)
    suspects |= (before < -FAR_SPREADS_BEFORE * reach) & (before < -factor)
    suspects |= (long < -FAR_SPREADS * reach) & (long < near_zero)
    if is_additive:
        # No model gives a zero a smaller chance than Poisson's.
        likely = fit.base[chosen] + np.fmax(fit.near[chosen], fit.long[fit.place[chosen]])
        suspects |= is_zero & (likely > log(-_MARGIN * log(LEAST_ZERO_CHANCE)))
    return np.asarray(chosen[suspects])


def find_suspected_zeros(fitted: pl.DataFrame, additive: list[str]) -> pl.DataFrame:
    """Find implausible zeros, by the history of their place.

    For counts the model is a negative binomial with the variance of the place's history. With mean m and variance m(1 +
    m s^2), the chance of a zero is (1 + m s^2)^(-1/s^2), which is Poisson's exp(-m) where s is 0 (Hilbe 2011). Rates
    are judged by the distance of half the smallest step, in spreads.
    """
    mean, spread2 = _likely_figure(), pl.col("own_spread").clip(lower_bound=1e-3) ** 2
    chance = (-(1 + mean * spread2).log() / spread2).exp()
    counts = pl.col("measure").is_in(additive) & (chance < LEAST_ZERO_CHANCE)
    rates = ~pl.col("measure").is_in(additive) & _is_far_below("apart", FAR_SPREADS)
    suspects = fitted.filter(_has_enough_data(), pl.col("value") == 0, counts | rates, _is_rare_among_peers())
    evidence = pl.format(
        "0, where {} is expected from its other {} periods; {} of {} peers have a figure above 0",
        format_figure_column("expected"),
        pl.col("periods") - 1,
        "above",
        pl.col("peers") - 1,
    )
    return build_flags("suspected_zero", _add_evidence(_add_comparison(suspects, _likely_figure()), evidence))


def find_near_zero_leaks(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find figures above 0 that are near zero beside the place's better periods, or the periods around."""
    around = _is_far_below("apart", FAR_SPREADS) & (pl.col("apart") < log(NEAR_ZERO))
    long = _is_far_below("apart_long", FAR_SPREADS) & (pl.col("apart_long") < log(NEAR_ZERO))
    suspects = fitted.filter(_has_enough_data(), pl.col("value") > 0, around | long)
    return build_flags("near_zero_leak", _describe_low(_add_comparison(suspects, _likely_figure())))


def find_partial_returns(fitted: pl.DataFrame, additive: list[str]) -> pl.DataFrame:
    """Find counts that are a fraction of the expected figure, where the place later returns to its level.

    Takes `kept` too, of upheld.add_kept_levels: a level at which the place continues is not a partial return.
    """
    around = _is_far_below("apart", FAR_SPREADS) & (pl.col("apart") < -log(LEAST_FACTOR))
    before = _is_far_below("apart_before", FAR_SPREADS_BEFORE) & (pl.col("apart_before") < -log(LEAST_FACTOR))
    suspects = fitted.filter(
        _has_enough_data(), pl.col("value") > 0, pl.col("measure").is_in(additive), around | before, ~pl.col("kept")
    )
    return build_flags("partial_return", _describe_low(_add_comparison(suspects, pl.max_horizontal("usual", "before"))))


def find_implausible_figures(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find figures, high or low, that are far from both their history and their peers."""
    apart = [spreads_away(spread).abs() > FAR_SPREADS for spread in ("own_spread", "peer_spread")]
    suspects = fitted.filter(_has_enough_data(), pl.all_horizontal(apart), pl.col("apart").abs() > log(LEAST_FACTOR))
    evidence = pl.format(
        "{}, where {} is expected: {} spreads away by its {} other periods, {} spreads by its {} peers",
        format_figure_column("value"),
        format_figure_column("expected"),
        pl.col("own_history").abs(),
        pl.col("periods") - 1,
        pl.col("peers_apart").abs(),
        pl.col("peers") - 1,
    )
    return build_flags("implausible", _add_evidence(_add_comparison(suspects, pl.col("usual")), evidence))


def _has_enough_data() -> pl.Expr:
    return (pl.col("periods") >= FEWEST_PERIODS) & (pl.col("peers") >= FEWEST_PEERS)


def _likely_figure() -> pl.Expr:
    """Return the greater expectation of the periods around and the better periods, since long silence is no norm."""
    return pl.max_horizontal("usual", "long_run")


def _is_far_below(apart: str, times: float) -> pl.Expr:
    return pl.all_horizontal(spreads_away(spread, apart) < -times for spread in ("own_spread", "peer_spread"))


def _is_rare_among_peers() -> pl.Expr:
    """Return whether most peers have a figure above 0, since a zero is plausible where zeros are common."""
    return pl.col("above") > 0.5 * (pl.col("peers") - 1)


def _add_comparison(suspects: pl.DataFrame, expected: pl.Expr) -> pl.DataFrame:
    return suspects.with_columns(
        expected.alias("expected"),
        spreads_away("own_spread").round(1).alias("own_history"),
        spreads_away("peer_spread").round(1).alias("peers_apart"),
        pl.lit("its own history and the movement of its peers").alias("compared_with"),
    )


def _describe_low(suspects: pl.DataFrame) -> pl.DataFrame:
    share = (100 * pl.col("value") / pl.col("expected")).round(1)
    evidence = pl.format(
        "{}, {} % of the {} expected from its other {} periods and {} peers",
        format_figure_column("value"),
        share,
        format_figure_column("expected"),
        pl.col("periods") - 1,
        pl.col("peers") - 1,
    )
    return _add_evidence(suspects, evidence)


def _add_evidence(suspects: pl.DataFrame, evidence: pl.Expr) -> pl.DataFrame:
    others = (pl.col("periods") - 1).cast(pl.Int64).alias("others")
    return suspects.with_columns(evidence.alias("evidence"), others, pl.col("peers_apart").alias("peers"))
