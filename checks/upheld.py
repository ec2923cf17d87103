"""Low figures that stand: what is published beside them, or afterwards, agrees with them.

A total says that a nought is one where all its places have a figure, these add to it, and no other figure of it is
doubted for being low. Several at once are a provider that sent nothing, and the total is of the same short return. A
total from a file that has none of the places is published apart: it speaks for any figure. A fraction of what was
usual is a new level where the place goes on at it, and its return was whole otherwise.
"""

from math import log
from typing import NamedTuple

import polars as pl

from checks.doubt import FIGURE_KEY
from checks.expected import LEAST_FACTOR, SERIES_KEY
from pipelines.core.slices import SLICE_KEY, sum_by_total
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

LEAST_LATER_PERIODS = 3
"""A level that so many later periods keep is one, whatever else is known of the return."""


class LargerAreas(NamedTuple):
    """What a source says of larger places (totals.TOTAL), and the places of each (totals.MEMBER_SCHEMA) by
    place system."""

    total: pl.DataFrame
    members: dict[str, pl.DataFrame]


def drop_confirmed_flags(
    low: pl.DataFrame,
    observation: pl.DataFrame,
    current: pl.DataFrame,
    larger: LargerAreas,
    measures: dict[str, Measure],
) -> pl.DataFrame:
    """Take out of doubts those of figures that agree with the totals of all larger places they are in.

    Takes doubts (doubt.PLAUSIBILITY_FLAG) that figures are too low to be whole, the observations of all releases, and
    those in use (schema.OBSERVATION_COLUMNS and `order`).
    """
    if low.is_empty() or not any(measure.kind in ADDITIVE_KINDS for measure in measures.values()):
        return low
    agreeing = [_find_agreement(low, observation, frame, larger.total, member, measures)
                for system, member in larger.members.items()
                if (frame := current.filter(pl.col("place_system") == system)).height]  # fmt: skip
    return low.join(pl.concat(agreeing), on=FIGURE_KEY, how="anti", maintain_order="left") if agreeing else low


def _find_agreement(
    low: pl.DataFrame, observation: pl.DataFrame, current: pl.DataFrame, total: pl.DataFrame, member: pl.DataFrame,
    measures: dict[str, Measure],
) -> pl.DataFrame:  # fmt: skip
    """Give the KEY of doubted figures with which every total agrees that is stated for a larger place."""
    totals = _compare_totals(observation, current, total, member, measures)
    inside = low.join(member, on="place_code").join(totals, on=[*SLICE_KEY, "total_code"])
    alone = pl.len().over(*SLICE_KEY, "total_code", "order") == 1
    relevant = inside.with_columns(alone.alias("alone")).filter(
        pl.col("apart") | (pl.col("reason") == "suspected_zero")
    )
    confirmed = relevant.sort("places_due").group_by(FIGURE_KEY).agg(
        pl.col("agrees").all(), (pl.col("alone").first() | pl.col("apart").any()).alias("told")
    )  # fmt: skip
    return confirmed.filter("agrees", "told").select(FIGURE_KEY)


def _compare_totals(
    observation: pl.DataFrame, current: pl.DataFrame, total: pl.DataFrame, member: pl.DataFrame,
    measures: dict[str, Measure],
) -> pl.DataFrame:  # fmt: skip
    """Give the totals of the releases in use and of those without places, and whether all places add to each."""
    adding = {
        name: (measure.rounding or 0.0) / 2 for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS
    }
    of_slice = [*SLICE_KEY, "order"]
    with_places = observation.select(of_slice).unique().with_columns(pl.lit(False).alias("apart"))
    used = current.select(of_slice).unique().with_columns(pl.lit(True).alias("beside"))
    due = member.group_by("total_code").agg(pl.len().alias("places_due"))
    rows = total.filter(pl.col("role") == "total", pl.col("value").is_not_null(), pl.col("measure").is_in(list(adding)))
    totals = rows.select(*of_slice, pl.col("place_code").alias("total_code"), pl.col("value").alias("total"))
    with_releases = totals.join(with_places, on=of_slice, how="left").join(used, on=of_slice, how="left")
    relevant = with_releases.with_columns(pl.col("apart").fill_null(True)).filter(pl.col("apart") | pl.col("beside"))
    summed = relevant.join(sum_by_total(current, member), on=[*SLICE_KEY, "total_code"]).join(due, on="total_code")
    half = pl.col("measure").replace_strict(adding, return_dtype=pl.Float64)
    rounding = half * (pl.col("figures") + 1) + 1e-9 * (1 + pl.col("total").abs())
    agrees = (pl.col("places_given") == pl.col("places_due")) & ((pl.col("total") - pl.col("local")).abs() <= rounding)
    return summed.select(*of_slice, "total_code", "places_due", "apart", agrees.alias("agrees"))


def add_kept_levels(fitted: pl.DataFrame, additive: list[str]) -> pl.DataFrame:
    """Add `kept` to what is expected (expected.fit_expected): that the place goes on at the level of this figure.

    All later periods of the measure have a figure nearer to this one than to what was expected of it. They are
    LEAST_LATER_PERIODS at least; or one, where the other counts of the same place and period are as usual.
    """
    rest = pl.col("rest")
    near = pl.min_horizontal(-pl.min_horizontal("apart", "apart_before") / 2, pl.lit(log(LEAST_FACTOR)))
    number = pl.col("period_start").rank("dense").over("measure").cast(pl.Int64)
    dated = fitted.with_columns(
        number.alias("_number"),
        rest.cum_max(reverse=True).shift(-1).over(SERIES_KEY).alias("_most"),
        rest.cum_min(reverse=True).shift(-1).over(SERIES_KEY).alias("_least"),
        (rest.cum_count(reverse=True) - 1).over(SERIES_KEY).cast(pl.Int64).alias("_later"),
        _has_whole_return(additive).alias("_whole"),
    )
    due = pl.col("_number").max().over("measure") - pl.col("_number")
    level = (pl.col("_most") - rest < near) & (rest - pl.col("_least") < near) & (pl.col("_later") == due)
    enough = (pl.col("_later") >= LEAST_LATER_PERIODS) | ((pl.col("_later") >= 1) & pl.col("_whole"))
    return dated.with_columns((level & enough).alias("kept")).drop("^_(number|most|least|later|whole)$")


def _has_whole_return(additive: list[str]) -> pl.Expr:
    """Tell whether a place has other counts in the period, all as usual: then its return was not cut short."""
    spot = ["place_code", "period_start", "period_end"]
    count = pl.col("measure").is_in(additive)
    usual = (count & (pl.col("value") > 0) & (pl.col("apart") > -log(LEAST_FACTOR) / 2)).fill_null(False)
    others = count.sum().over(spot) - count
    return (others > 0) & (usual.sum().over(spot) - usual == others)
