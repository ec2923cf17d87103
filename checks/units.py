"""Figures whose unit has changed: ten, a hundred, a thousand times what they were, or a part of it."""

from math import log

import polars as pl

from checks.doubt import KEY, doubts_of
from checks.expected import FAR, FEWEST_PEERS, FEWEST_PERIODS, PERIOD, times_its
from pipelines.core.text import printed

TEN = log(10)
WITHIN = log(1.15)
"""How near to a power of ten the middle of a period must be: all places move a little from one to the next."""
ALIKE = log(1.5)
"""How far a place may be from the others of its period to count as having moved with them."""
TOGETHER = 0.8
"""Least share of places that must have moved by the same power of ten."""


def unit_change(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find periods of which all figures are a power of ten off the others, and single figures far too high by one.

    A single figure that is a power of ten too low may as well be a return that is next to nothing, and is told
    as that.
    """
    return pl.concat([_whole_period(fitted), _single(fitted)])


def _whole_period(fitted: pl.DataFrame) -> pl.DataFrame:
    moved = fitted.select(*PERIOD, "movement", "peers").unique(PERIOD).sort(PERIOD)
    middle = pl.col("movement").median().over("measure")
    off = moved.with_columns((pl.col("movement") - middle).alias("off"), pl.len().over("measure").alias("spans"))
    found = off.filter(_power("off"), pl.col("spans") >= FEWEST_PERIODS, pl.col("peers") >= FEWEST_PEERS)
    cells = fitted.join(found.select(*PERIOD, "off"), on=PERIOD).filter(pl.col("apart").abs() < ALIKE)
    jumped = pl.len().over(PERIOD) >= TOGETHER * pl.col("peers")
    return _told(cells.filter(jumped), pl.col("off"), "the same measure in other periods")


def _single(fitted: pl.DataFrame) -> pl.DataFrame:
    apart = [times_its(spread) > FAR for spread in ("own_spread", "peer_spread")]
    enough = (pl.col("periods") >= FEWEST_PERIODS) & (pl.col("peers") >= FEWEST_PEERS)
    found = fitted.filter(enough, pl.all_horizontal(apart), _power("apart"))
    return _told(found, pl.col("apart"), "own history, and how peers moved in the period")


def _power(apart: str) -> pl.Expr:
    """Tell whether a difference of logarithms is 10, 100, 1000 ... times, or a part of it, but for a little."""
    powers = (pl.col(apart) / TEN).round()
    return (powers != 0) & ((pl.col(apart) - powers * TEN).abs() < WITHIN)


def _told(found: pl.DataFrame, off: pl.Expr, compared: str) -> pl.DataFrame:
    times = off.exp()
    plain = pl.when(times >= 1).then(times.round(1)).otherwise(times.round(5))
    evidence = pl.format("{} is {} times what {} make likely", printed("value"), plain, pl.lit(compared))
    return doubts_of("unit_change", found.with_columns(
        evidence.alias("evidence"), (pl.col("value") / times).alias("expected"),
        pl.lit(compared).alias("compared_with"), times_its("own_spread").round(1).alias("own_history"),
        (pl.col("peers") - 1).cast(pl.Int64).alias("others"), times_its("peer_spread").round(1).alias("peers"),
    ))  # fmt: skip


def unit_change_between(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Find measures of which a release gives most figures a power of ten off the release before it.

    Takes the observations of both releases; gives doubts of the newer one's figures.
    """
    both = new.join(old.select(*KEY, pl.col("value").alias("was")), on=KEY).filter(
        pl.col("value") > 0, pl.col("was") > 0
    )
    ratio = both.with_columns((pl.col("value") / pl.col("was")).log().alias("off"))
    slices = ["measure", "period_start", "period_end"]
    same = ratio.filter(_power("off"), pl.col("off").median().over(slices).sub(pl.col("off")).abs() < WITHIN)
    shares = ratio.group_by(slices).agg(pl.len().alias("all"))
    found = same.join(shares, on=slices).filter(
        pl.len().over(slices) >= TOGETHER * pl.col("all"), pl.col("all") >= FEWEST_PEERS
    )
    evidence = pl.format("{} is {} times the {} of the release before, as for {} places", printed("value"),
                         pl.col("off").exp().round(5), printed("was"), pl.len().over(slices))  # fmt: skip
    return doubts_of("unit_change", found.with_columns(
        evidence.alias("evidence"), pl.col("was").alias("expected"),
        pl.lit("the release before").alias("compared_with"),
        pl.len().over(slices).cast(pl.Int64).alias("others"),
    ))  # fmt: skip
