"""Low figures that are confirmed: a figure published beside them or later agrees with them.

A total confirms a zero where all its places have a figure, their sum agrees, and no other figure in it is flagged as
low. Several flags at once suggest a provider that sent nothing, with a total of the same short return. A total from a
file without the places is an independent publication and confirms any figure. A fraction of the usual figure is a new
level where the place continues at it and its return was otherwise complete.
"""

from math import log
from typing import NamedTuple

import polars as pl

from checks.doubt import FIGURE_KEY
from checks.expected import LEAST_FACTOR, SERIES_KEY
from pipelines.core.slices import SLICE_KEY, sum_by_total
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

LEAST_LATER_PERIODS = 3
"""Fewest later periods at a level that confirm it, whatever else is known of the return."""


class LargerAreas(NamedTuple):
    """Figures of a source for larger areas (totals.TOTAL), and their places (totals.MEMBER_SCHEMA) by place system."""

    total: pl.DataFrame
    members: dict[str, pl.DataFrame]


def drop_confirmed_flags(
    low: pl.DataFrame,
    observation: pl.DataFrame,
    current: pl.DataFrame,
    larger: LargerAreas,
    measures: dict[str, Measure],
) -> pl.DataFrame:
    """Drop the flags of figures that agree with the totals of all larger areas that contain them.

    Takes flags (doubt.PLAUSIBILITY_FLAG) of figures that seem too low, the observations of all releases, and those in
    use (schema.OBSERVATION_COLUMNS and `order`).
    """
    if low.is_empty() or not any(measure.kind in ADDITIVE_KINDS for measure in measures.values()):
        return low
    agreeing = [_find_agreement(low, observation, frame, larger.total, member, measures)
                for system, member in larger.members.items()
                if (frame := current.filter(pl.col("geography") == system)).height]  # fmt: skip
    return low.join(pl.concat(agreeing), on=FIGURE_KEY, how="anti", maintain_order="left") if agreeing else low


def _find_agreement(
    low: pl.DataFrame, observation: pl.DataFrame, current: pl.DataFrame, total: pl.DataFrame, member: pl.DataFrame,
    measures: dict[str, Measure],
) -> pl.DataFrame:  # fmt: skip
    """Return the FIGURE_KEY of flagged figures that agree with every published total that contains them."""
    totals = _compare_totals(observation, current, total, member, measures)
    inside = low.join(member, on="place_code").join(totals, on=[*SLICE_KEY, "total_code"])
    alone = pl.len().over(*SLICE_KEY, "total_code", "order") == 1
    relevant = inside.with_columns(alone.alias("alone")).filter(
        pl.col("apart") | (pl.col("reason") == "suspected_zero")
    )
    confirmed = relevant.sort("places_due").group_by(FIGURE_KEY).agg(
        pl.col("agrees").all(), (pl.col("alone").first() | pl.col("apart").any()).alias("confirms")
    )  # fmt: skip
    return confirmed.filter("agrees", "confirms").select(FIGURE_KEY)


def _compare_totals(
    observation: pl.DataFrame, current: pl.DataFrame, total: pl.DataFrame, member: pl.DataFrame,
    measures: dict[str, Measure],
) -> pl.DataFrame:  # fmt: skip
    """Return the totals of releases in use and of releases without places, and whether the places add up to each."""
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
    agrees = (pl.col("places_given") == pl.col("places_due")) & (
        (pl.col("total") - pl.col("sum_of_places")).abs() <= rounding
    )
    return summed.select(*of_slice, "total_code", "places_due", "apart", agrees.alias("agrees"))


def add_kept_levels(fitted: pl.DataFrame, additive: list[str]) -> pl.DataFrame:
    """Add `kept` to expected figures (expected.fit_expected): whether the place continues at the figure's level.

    All later periods of the measure are nearer to this figure than to the expected one. There are at least
    LEAST_LATER_PERIODS of them, or one where the other counts of the same place and period are as usual.
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
    """Return whether a place has other counts in the period, all as usual, so that its return was complete."""
    spot = ["place_code", "period_start", "period_end"]
    count = pl.col("measure").is_in(additive)
    usual = (count & (pl.col("value") > 0) & (pl.col("apart") > -log(LEAST_FACTOR) / 2)).fill_null(False)
    others = count.sum().over(spot) - count
    return (others > 0) & (usual.sum().over(spot) - usual == others)
