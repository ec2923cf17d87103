"""Figures with less information than they seem to have: repeated from the previous period, or rounded undeclared."""

from math import pi, sqrt

import polars as pl

from checks.doubt import build_flags
from checks.expected import FEWEST_PEERS, PERIOD_KEY, SERIES_KEY
from pipelines.core.text import format_figure_column

LEAST_REPEAT_CHANCE = 1e-6
"""Greatest chance of a run of repeats at which the run is flagged."""
COMMON_SHARE = 0.2
"""Share of places that repeat the previous figure above which repeats are usual for the series."""
ROUNDING_BASES = (5.0, 10.0, 50.0, 100.0, 1000.0)
FEWEST_FIGURES = 20
FEWEST_VALUES = 5
"""Fewest different figures in a period from which a common divisor is evidence of rounding."""


def find_repeated_values(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find runs of an identical figure where peers vary and chance does not explain the length of the run.

    The chance of one repeat follows from a normal error with the place's usual spread, within one step of zero, given
    the movement of all places. The chance of a run is the product.
    """
    before = {name: pl.col(name).shift(1).over(SERIES_KEY) for name in ("value", "movement")}
    again = fitted.with_columns(
        (pl.col("value") == before["value"]).fill_null(False).alias("again"),
        (pl.col("movement") - before["movement"]).alias("due"),
    )
    share = pl.col("again").mean().over(PERIOD_KEY)
    run = (~pl.col("again")).cum_sum().over(SERIES_KEY).alias("run")
    with_chance = again.with_columns(share.alias("share"), run, _repeat_chance().alias("chance"))
    runs = with_chance.filter(
        "again", pl.col("share") <= COMMON_SHARE, pl.col("value") > 0, pl.col("peers") >= FEWEST_PEERS
    )
    together = runs.with_columns(
        pl.col("chance").log().sum().over(*SERIES_KEY, "run").exp().alias("by_chance"),
        pl.len().over(*SERIES_KEY, "run").alias("repeats"),
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


def find_undeclared_rounding(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find slices in which every figure is a multiple of an undeclared base.

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
