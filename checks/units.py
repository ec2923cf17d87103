"""Changes of unit: figures ten, a hundred or a thousand times too high or too low."""

from math import log

import polars as pl

from checks.doubt import FIGURE_KEY, build_flags
from checks.expected import FAR_SPREADS, FEWEST_PEERS, FEWEST_PERIODS, PERIOD_KEY, spreads_away
from pipelines.core.text import format_figure_column

LOG_TEN = log(10)
POWER_TOLERANCE = log(1.15)
"""Tolerance around a power of ten for the median of a period: all places move a little between periods."""
PLACE_TOLERANCE = log(1.5)
"""Distance from the other places of its period within which a place counts as having moved with them."""
LEAST_MOVING_SHARE = 0.8
"""Least share of places that must have moved by the same power of ten."""


def find_unit_changes(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find periods in which all figures are off by a power of ten, and single figures too high by one.

    A single figure too low by a power of ten may be a near-zero return, and is flagged as that.
    """
    return pl.concat([_find_changed_periods(fitted), _find_changed_figures(fitted)])


def _find_changed_periods(fitted: pl.DataFrame) -> pl.DataFrame:
    moved = fitted.select(*PERIOD_KEY, "movement", "peers").unique(PERIOD_KEY).sort(PERIOD_KEY)
    middle = pl.col("movement").median().over("measure")
    off = moved.with_columns((pl.col("movement") - middle).alias("off"), pl.len().over("measure").alias("spans"))
    periods = off.filter(_is_power_of_ten("off"), pl.col("spans") >= FEWEST_PERIODS, pl.col("peers") >= FEWEST_PEERS)
    cells = fitted.join(periods.select(*PERIOD_KEY, "off"), on=PERIOD_KEY).filter(
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
