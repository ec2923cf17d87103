"""Providers that return the figures of several places: a shortfall shows in their sum before it shows in one place.

A police force that sends two thirds of a year marks all its constituencies. Three neighbours at a new level do not.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from checks.expected import FAR_SPREADS, FAR_SPREADS_BEFORE
from checks.flags import build_flags, no_flags
from checks.medians import DEVIATIONS_PER_MAD
from pipelines.core.reasons import WITHHOLDING_REASONS
from pipelines.core.text import format_figure_column

Numbers = np.ndarray[Any, np.dtype[np.float64]]

LARGEST_SHARE = 0.85
"""Share of the expected sum above which a provider's return is no shortfall."""
LARGEST_STEP = 0.9
"""Share of each period beside it above which a sum is no shortfall: at a new level it is near the period after."""
WITHHELD_SHARE = 0.5
"""Share of the expected sum below which the figures of a provider's places are withheld."""
FEWEST_PROVIDERS, FEWEST_PLACES = 10, 2
"""Fewest providers with a figure in a period, and fewest places of a provider, for a comparison."""
LEAST_SUM = 100
"""Least expected sum of a provider: smaller sums vary too much by chance."""


class _Period(NamedTuple):
    """Sums of providers in one period, and their expectation from the periods beside it over the same places."""

    period: int
    has_later: bool
    total: Numbers
    beside: Numbers
    """Sums in the period before and, where stored, the period after: one row each."""
    places: Numbers

    @property
    def expected(self) -> Numbers:
        """Geometric mean of the periods beside it."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(np.mean(np.log(self.beside), axis=0)))


def find_provider_shortfalls(observation: pl.DataFrame, providers: pl.DataFrame, noun: str) -> pl.DataFrame:
    """Find figures of places where the sum of their provider falls short; return PLAUSIBILITY_FLAG.

    Takes the newest figures of one count (schema.OBSERVATION_COLUMNS), the provider of each place (place_code,
    provider, name), and the noun for providers in the plural. Sums are over the places with a figure that no other
    check withholds in the period and beside it. The expectation is the geometric mean of the periods before and after,
    or the period before for the newest, times the median movement of all providers. A shortfall is under 85 % of the
    expectation, more than 4.5 robust standard deviations (8 for the newest) below it, and under 90 % of each period
    beside it. Its reason is `provider_shortfall`, or `partial_return` where under half came.
    """
    figures = observation.join(providers, on="place_code").filter(pl.col("value").is_not_null())
    periods = figures.select("period_start", "period_end").unique().sort("period_start", "period_end")
    names = providers.select("provider", "name").unique().sort("provider")
    if periods.height < 2 or names.height < FEWEST_PROVIDERS:
        return no_flags()
    numbered = _number_rows(figures.filter(~_is_withheld()), periods, names)
    flags = [no_flags()]
    for period in _compare_periods(numbered, periods, names.height):
        flags += _flag_period(period, figures.join(periods[period.period], on=periods.columns), names, noun)
    return pl.concat(flags)


def _is_withheld() -> pl.Expr:
    codes = pl.col("caveats").fill_null("").str.split(",")
    return codes.list.set_intersection(sorted(WITHHOLDING_REASONS)).list.len() > 0


def _number_rows(figures: pl.DataFrame, periods: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Return for each place with a provider its figure in each period, as columns of their number."""
    placed = figures.join(periods.with_row_index("_period"), on=periods.columns)
    wide = placed.pivot(on="_period", index=["place_code", "provider"], values="value", aggregate_function="first")
    missing = [pl.lit(None, pl.Float64).alias(str(n)) for n in range(periods.height) if str(n) not in wide.columns]
    return wide.with_columns(*missing).join(names.with_row_index("_provider"), on="provider")


def _compare_periods(numbered: pl.DataFrame, periods: pl.DataFrame, providers: int) -> Iterator[_Period]:
    value = numbered.select(str(n) for n in range(periods.height)).to_numpy()
    provider = numbered["_provider"].to_numpy()
    starts, ends = periods["period_start"].to_list(), periods["period_end"].to_list()
    abuts = [before + timedelta(days=1) == start for before, start in zip(ends, starts[1:], strict=False)]
    for n in range(1, len(starts)):
        has_later = n + 1 < len(starts)
        if not abuts[n - 1] or (has_later and not abuts[n]):
            continue
        beside = [n - 1, n + 1] if has_later else [n - 1]
        known = np.isfinite(value[:, [n, *beside]]).all(axis=1)
        sums = [np.bincount(provider[known], value[known, m], providers).astype(float) for m in (n, *beside)]
        places = np.bincount(provider[known], minlength=providers).astype(float)
        yield _Period(n, has_later, sums[0], np.array(sums[1:]), places)


def _flag_period(period: _Period, figures: pl.DataFrame, names: pl.DataFrame, noun: str) -> list[pl.DataFrame]:
    """Flag the figures of one period of the providers with a shortfall."""
    compared = (period.places >= FEWEST_PLACES) & (period.expected >= LEAST_SUM) & (period.total > 0)
    if compared.sum() < FEWEST_PROVIDERS:
        return []
    apart = _measure_distance(period.total, period.expected, compared)
    spread = DEVIATIONS_PER_MAD * float(np.nanmedian(np.abs(apart)))
    spreads = FAR_SPREADS if period.has_later else FAR_SPREADS_BEFORE
    is_short = (apart < -spreads * spread) & (apart < np.log(LARGEST_SHARE))
    for beside in period.beside:
        is_short &= _measure_distance(period.total, beside, compared) < np.log(LARGEST_STEP)
    short = names.with_columns(
        pl.Series("share", np.exp(apart)),
        pl.Series("total", period.total),
        pl.Series("places", period.places),
    ).filter(pl.Series(is_short))
    if short.is_empty():
        return []
    basis = "the periods before and after" if period.has_later else "the period before"
    others = int(compared.sum()) - 1
    expected = pl.col("total") / pl.col("share")
    evidence = pl.format(
        "{}: {} in {} places, {} % of the {} expected from " + basis + " and the movement of {} other {}",
        "name", format_figure_column("total"), _whole("places"), (100 * pl.col("share")).round(0).cast(pl.Int64),
        expected.round(0).cast(pl.Int64), others, pl.lit(noun),
    )  # fmt: skip
    flagged = figures.join(short.drop("name"), on="provider").join(names, on="provider", suffix="_of").with_columns(
        evidence.alias("evidence"), (pl.col("value") / pl.col("share")).alias("expected"),
        pl.lit("the other figures of its provider").alias("compared_with"), pl.lit(others, pl.Int64).alias("others"),
    )  # fmt: skip
    low = pl.col("share") < WITHHELD_SHARE
    return [build_flags("partial_return", flagged.filter(low)), build_flags("provider_shortfall", flagged.filter(~low))]


def _measure_distance(total: Numbers, expected: Numbers, compared: np.ndarray[Any, np.dtype[np.bool_]]) -> Numbers:
    """Return the logarithm of each sum over the expected one, less the median; NaN where it is not compared."""
    apart = np.full(len(total), np.nan)
    apart[compared] = np.log(total[compared] / expected[compared])
    return np.asarray(apart - np.nanmedian(apart))


def _whole(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64)
