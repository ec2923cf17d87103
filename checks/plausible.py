"""Figures that are far from what their place's own history and their peers in the period both make likely.

Each function takes checks.expected.expected and gives doubts of one reason. A figure must stand apart from both:
a place that is always unlike others is no fault, and neither is a period that was unlike others everywhere.
"""

from math import log

import polars as pl

from checks.doubt import doubts_of
from checks.expected import FACTOR, FAR, FEWEST_PEERS, FEWEST_PERIODS, NEAR_ZERO, PERIOD, times_its
from pipelines.core.text import printed

FAR_BEFORE = 8.0
"""The same by the periods before alone, which tell less."""
INCREDIBLE = 1e-6
"""Greatest chance of a nought, by the count model, that is taken to be incredible."""


def suspected_zero(fitted: pl.DataFrame, additive: list[str]) -> pl.DataFrame:
    """Find noughts that the place's history makes incredible.

    For counts by a negative binomial whose variance is that of the place's history: with mean m and variance
    m(1 + m s^2), the chance of a nought is (1 + m s^2)^(-1/s^2), which is Poisson's exp(-m) where s is 0
    (Hilbe 2011). For rates by how many spreads half the smallest step is away.
    """
    mean, spread2 = _likely(), pl.col("own_spread").clip(lower_bound=1e-3) ** 2
    chance = (-(1 + mean * spread2).log() / spread2).exp()
    counts = pl.col("measure").is_in(additive) & (chance < INCREDIBLE)
    rates = ~pl.col("measure").is_in(additive) & _far_below("apart", FAR)
    above = (pl.col("value") > 0).sum().over(PERIOD).alias("above")
    found = fitted.with_columns(above).filter(_judged(), pl.col("value") == 0, counts | rates, _far_among_peers())
    evidence = pl.format("0, where {} is likely by its other {} periods; {} of {} others have a figure above 0",
                         printed("expected"), pl.col("periods") - 1, "above", pl.col("peers") - 1)  # fmt: skip
    return doubts_of("suspected_zero", _worded(_compared(found, _likely()), evidence))


def near_zero_leak(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find figures above 0 that are next to nothing beside what the place has in its better periods, or around."""
    around = _far_below("apart", FAR) & (pl.col("apart") < log(NEAR_ZERO))
    long = _far_below("apart_long", FAR) & (pl.col("apart_long") < log(NEAR_ZERO))
    found = fitted.filter(_judged(), pl.col("value") > 0, around | long)
    return doubts_of("near_zero_leak", _low(_compared(found, _likely())))


def partial_return(fitted: pl.DataFrame, additive: list[str]) -> pl.DataFrame:
    """Find counts that are a fraction of what they are around that period, or were before it, and are later again.

    Takes what upheld.with_kept_levels gives: a level that the place goes on at is no part of a return.
    """
    around = _far_below("apart", FAR) & (pl.col("apart") < -log(FACTOR))
    before = _far_below("apart_before", FAR_BEFORE) & (pl.col("apart_before") < -log(FACTOR))
    found = fitted.filter(
        _judged(), pl.col("value") > 0, pl.col("measure").is_in(additive), around | before, ~pl.col("kept")
    )
    return doubts_of("partial_return", _low(_compared(found, pl.max_horizontal("usual", "before"))))


def implausible(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find figures, high or low, far from both their own history and their peers."""
    apart = [times_its(spread).abs() > FAR for spread in ("own_spread", "peer_spread")]
    found = fitted.filter(_judged(), pl.all_horizontal(apart), pl.col("apart").abs() > log(FACTOR))
    evidence = pl.format(
        "{}, where {} is likely: {} times its own usual spread away by {} other periods, {} times that of {} peers",
        printed("value"), printed("expected"), pl.col("own_history").abs(), pl.col("periods") - 1,
        pl.col("peers_apart").abs(), pl.col("peers") - 1,
    )  # fmt: skip
    return doubts_of("implausible", _worded(_compared(found, pl.col("usual")), evidence))


def _judged() -> pl.Expr:
    return (pl.col("periods") >= FEWEST_PERIODS) & (pl.col("peers") >= FEWEST_PEERS)


def _likely() -> pl.Expr:
    """The greater of what the periods around and the better periods make likely: a long silence is no norm."""
    return pl.max_horizontal("usual", "long_run")


def _far_below(apart: str, times: float) -> pl.Expr:
    return pl.all_horizontal(times_its(spread, apart) < -times for spread in ("own_spread", "peer_spread"))


def _far_among_peers() -> pl.Expr:
    """Most peers have a figure above 0: where noughts are common, one more is none."""
    return pl.col("above") > 0.5 * (pl.col("peers") - 1)


def _compared(found: pl.DataFrame, expected: pl.Expr) -> pl.DataFrame:
    return found.with_columns(
        expected.alias("expected"),
        times_its("own_spread").round(1).alias("own_history"),
        times_its("peer_spread").round(1).alias("peers_apart"),
        pl.lit("own history, and how peers moved in the period").alias("compared_with"),
    )


def _low(told: pl.DataFrame) -> pl.DataFrame:
    share = (100 * pl.col("value") / pl.col("expected")).round(1)
    evidence = pl.format(
        "{}, {} % of the {} that its other {} periods and {} peers make likely",
        printed("value"), share, printed("expected"), pl.col("periods") - 1, pl.col("peers") - 1,
    )  # fmt: skip
    return _worded(told, evidence)


def _worded(told: pl.DataFrame, evidence: pl.Expr) -> pl.DataFrame:
    others = (pl.col("periods") - 1).cast(pl.Int64).alias("others")
    return told.with_columns(evidence.alias("evidence"), others, pl.col("peers_apart").alias("peers"))
