"""Figures that say too little: the publisher repeats the one before, or rounds and does not say so."""

from math import pi, sqrt

import polars as pl

from checks.doubt import doubts_of
from checks.expected import FEWEST_PEERS, PERIOD, PLACE
from pipelines.core.text import printed

CHANCE = 1e-6
"""Greatest chance of a run of repeats that is taken to be incredible."""
COMMON = 0.2
"""Where a larger share of places repeats the figure before, repeating is how the series works."""
BASES = (5.0, 10.0, 50.0, 100.0, 1000.0)
FEWEST_FIGURES = 20
FEWEST_KINDS = 5
"""Where fewer different figures are, as where all places have the same one, nothing is told by what divides them."""


def repeated_values(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find runs of the very same figure where peers vary, and where chance does not give one so long.

    The chance of one repeat is that of a normal error of the place's usual spread falling within one step of
    none, given how all places moved; that of a run is their product.
    """
    before = {name: pl.col(name).shift(1).over(PLACE) for name in ("value", "movement")}
    again = fitted.with_columns(
        (pl.col("value") == before["value"]).fill_null(False).alias("again"),
        (pl.col("movement") - before["movement"]).alias("due"),
    )
    share = pl.col("again").mean().over(PERIOD)
    run = (~pl.col("again")).cum_sum().over(PLACE).alias("run")
    told = again.with_columns(share.alias("share"), run, _chance().alias("chance"))
    runs = told.filter("again", pl.col("share") <= COMMON, pl.col("value") > 0, pl.col("peers") >= FEWEST_PEERS)
    together = runs.with_columns(
        pl.col("chance").log().sum().over(*PLACE, "run").exp().alias("by_chance"),
        pl.len().over(*PLACE, "run").alias("repeats"),
    )
    found = together.filter(pl.col("by_chance") < CHANCE)
    evidence = pl.format("{} again, {} times running; {} % of peers repeat theirs in this period", printed("value"),
                         "repeats", (100 * pl.col("share")).round(1))  # fmt: skip
    return doubts_of("repeated_value", found.drop("peers").with_columns(
        evidence.alias("evidence"), pl.col("usual").alias("expected"),
        pl.lit("the period before, and peers in this one").alias("compared_with"),
        pl.col("repeats").cast(pl.Int64).alias("others"),
    ))  # fmt: skip


def _chance() -> pl.Expr:
    """Chance that a figure falls on the same step as the one before."""
    width = pl.col("step") / pl.col("value")
    # A small figure, were it a count, would vary by its own noise, whatever the place usually has.
    spread2 = 2 * (pl.col("own_spread") ** 2 + pl.max_horizontal("noise", width))
    density = (-(pl.col("due") ** 2) / (2 * spread2)).exp() / (sqrt(2 * pi) * spread2.sqrt())
    return width * density


def rounded_unsaid(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find slices of which every figure is a multiple of a base that the source does not declare.

    Of figures that are not rounded one in five is a multiple of 5: twenty such in a row come once in 10^13.
    """
    tables = [_of_base(fitted, base) for base in sorted(BASES, reverse=True)]
    return pl.concat(tables).unique(["measure", "place_code", "period_start", "period_end"], maintain_order=True)


def _of_base(fitted: pl.DataFrame, base: float) -> pl.DataFrame:
    fine = fitted.filter(pl.col("step") < base, pl.col("value") > 0)
    steps = pl.col("value") / pl.col("step")
    whole = ((steps - steps.round()).abs() < 1e-6).all().over(PERIOD)
    even = (pl.col("value") / base - (pl.col("value") / base).round()).abs() < 1e-9
    found = fine.filter(whole, even.all().over(PERIOD), pl.len().over(PERIOD) >= FEWEST_FIGURES,
                        pl.col("value").n_unique().over(PERIOD) >= FEWEST_KINDS)  # fmt: skip
    evidence = pl.format("all {} figures of the period are multiples of {}; no such rounding is declared",
                         pl.len().over(PERIOD), pl.lit(base))  # fmt: skip
    return doubts_of("rounded", found.drop("peers").with_columns(
        evidence.alias("evidence"), pl.lit("the rounding that is declared").alias("compared_with"),
        (pl.len().over(PERIOD) - 1).cast(pl.Int64).alias("others"),
    ))  # fmt: skip
