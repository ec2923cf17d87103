"""Figures with less information than they seem to have: repeated from the previous period, or rounded undeclared."""

from math import log, pi, sqrt
from typing import Any

import numpy as np
import polars as pl

from checks.expected import FEWEST_PEERS, PERIOD_KEY, Fit, describe_figures
from checks.flags import build_flags
from checks.medians import shift_within_groups
from pipelines.core.text import format_figure_column

Numbers = np.ndarray[Any, np.dtype[Any]]
LEAST_REPEAT_CHANCE = 1e-6
"""Greatest chance of a run of repeats at which the run is flagged."""
COMMON_SHARE = 0.2
"""Share of places that repeat the previous figure above which repeats are usual for the series."""
ROUNDING_BASES = (5.0, 10.0, 50.0, 100.0, 1000.0)
_LOOSE = 1e-6
"""Distance from a multiple of the smallest base at which a figure is no multiple of any base."""
FEWEST_FIGURES = 20
FEWEST_VALUES = 5
"""Fewest different figures in a period from which a common divisor is evidence of rounding."""


def describe_repeats(fit: Fit, rows: pl.DataFrame, most: float = LEAST_REPEAT_CHANCE) -> pl.DataFrame:
    """Return the figures above 0 that repeat their place's figure before (expected.describe_figures).

    Adds the `share` of places that repeat theirs in the period, the movement of all places that was `due` since the
    figure before, and the number of the `run` of repeats. Runs well above the chance `most` are left out.
    """
    again = fit.value == shift_within_groups(fit.value, fit.place, 1)
    share = np.bincount(fit.period[again], minlength=len(fit.by_period.sizes)) / np.maximum(fit.by_period.sizes, 1)
    may_flag = (share <= COMMON_SHARE) & (fit.by_period.sizes >= FEWEST_PEERS)
    chosen = np.flatnonzero(again & (fit.value > 0) & may_flag[fit.period])
    if not len(chosen):
        return rows.clear()
    due, run = fit.movement[fit.period[chosen]] - fit.movement[fit.period[chosen - 1]], np.cumsum(~again)[chosen]
    is_rare = _find_rare_runs(_log_repeat_chance(fit, chosen, due), run, most)
    chosen, due, run = chosen[is_rare], due[is_rare], run[is_rare]
    if not len(chosen):
        return rows.clear()
    return describe_figures(fit, rows, chosen).with_columns(
        pl.Series("share", share[fit.period[chosen]]), pl.Series("due", due), pl.Series("run", run)
    )


_MARGIN = 0.99
"""Share of a limit, as a logarithm, from which runs are compared in full: arrays differ in the last digit."""


def _log_repeat_chance(fit: Fit, chosen: Numbers, due: Numbers) -> Numbers:
    """Return the logarithm of _repeat_chance for some figures; NaN where there is nothing to compare."""
    width = fit.step / fit.value[chosen]
    spread2 = 2 * (fit.own_spread[fit.place[chosen]] ** 2 + np.fmax(fit.noise[chosen], width))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(width) - due**2 / (2 * spread2) - np.log(sqrt(2 * pi) * np.sqrt(spread2)))


def _find_rare_runs(chances: Numbers, run: Numbers, most: float) -> Numbers:
    """Return whether the run of each figure has at most some chance: the sum of logarithms. An unknown one is 1."""
    _, number = np.unique(run, return_inverse=True)
    total = np.bincount(number, weights=np.where(np.isnan(chances), 0.0, chances))
    return np.asarray(total[number] < _MARGIN * log(most))


def find_repeated_values(repeats: pl.DataFrame) -> pl.DataFrame:
    """Find runs of an identical figure (describe_repeats) where peers vary and chance does not explain their length.

    The chance of one repeat follows from a normal error with the place's usual spread, within one step of zero, given
    the movement of all places. The chance of a run is the product.
    """
    runs = repeats.filter(
        pl.col("share") <= COMMON_SHARE, pl.col("value") > 0, pl.col("peers") >= FEWEST_PEERS
    ).with_columns(_repeat_chance().alias("chance"))
    together = runs.with_columns(
        pl.col("chance").log().sum().over("run").exp().alias("by_chance"), pl.len().over("run").alias("repeats")
    )
    improbable = together.filter(pl.col("by_chance") < LEAST_REPEAT_CHANCE)
    evidence = pl.format(
        "{} repeated {} times in a row; {} % of peers repeat theirs in this period",
        format_figure_column("value"),
        "repeats",
        (100 * pl.col("share")).round(1),
    )
    return build_flags("repeated_value", improbable.drop("peers").with_columns(
        evidence.alias("evidence"), pl.col("usual").alias("expected"),
        pl.lit("the previous period, and peers in this period").alias("compared_with"),
        pl.col("repeats").cast(pl.Int64).alias("others"),
    ))  # fmt: skip


def _repeat_chance() -> pl.Expr:
    """Return the chance that a figure falls on the same step as the one before."""
    width = pl.col("step") / pl.col("value")
    # A small count varies at least by its counting noise, whatever the usual spread of the place.
    spread2 = 2 * (pl.col("own_spread") ** 2 + pl.max_horizontal("noise", width))
    density = (-(pl.col("due") ** 2) / (2 * spread2)).exp() / (sqrt(2 * pi) * spread2.sqrt())
    return width * density


def describe_multiples(fit: Fit, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the figures above 0 of periods in which all of them are multiples of the smallest base, nearly."""
    steps = fit.value / ROUNDING_BASES[0]
    is_other = (np.abs(steps - np.rint(steps)) > _LOOSE) & (fit.value > 0)
    others, positive = (np.bincount(fit.period[chosen], minlength=len(fit.by_period.sizes))
                        for chosen in (is_other, fit.value > 0))  # fmt: skip
    may_flag = (others == 0) & (positive >= FEWEST_FIGURES)
    return describe_figures(fit, rows, np.flatnonzero(may_flag[fit.period] & (fit.value > 0)))


def find_undeclared_rounding(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find periods (describe_multiples) in which every figure is a multiple of an undeclared base.

    Without rounding one figure in five is a multiple of 5, so twenty in a row have a chance of one in 10^13.
    """
    tables = [_find_multiples(fitted, base) for base in sorted(ROUNDING_BASES, reverse=True)]
    return pl.concat(tables).unique(["measure", "place_code", "period_start", "period_end"], maintain_order=True)


def _find_multiples(fitted: pl.DataFrame, base: float) -> pl.DataFrame:
    fine = fitted.filter(pl.col("step") < base, pl.col("value") > 0)
    steps = pl.col("value") / pl.col("step")
    whole = ((steps - steps.round()).abs() < 1e-6).all().over(PERIOD_KEY)
    even = (pl.col("value") / base - (pl.col("value") / base).round()).abs() < 1e-9
    multiples = fine.filter(whole, even.all().over(PERIOD_KEY), pl.len().over(PERIOD_KEY) >= FEWEST_FIGURES,
                        pl.col("value").n_unique().over(PERIOD_KEY) >= FEWEST_VALUES)  # fmt: skip
    evidence = pl.format("all {} figures in the period are multiples of {}; no such rounding is declared",
                         pl.len().over(PERIOD_KEY), pl.lit(base))  # fmt: skip
    return build_flags("rounded", multiples.drop("peers").with_columns(
        evidence.alias("evidence"), pl.lit("the declared rounding").alias("compared_with"),
        (pl.len().over(PERIOD_KEY) - 1).cast(pl.Int64).alias("others"),
    ))  # fmt: skip
