"""Low figures that are confirmed: a figure published beside them or later agrees with them.

A total confirms a zero where all its places have a figure, their sum agrees, and no other figure in it is flagged as
low. Several flags at once suggest a provider that sent nothing, with a total of the same short return. A total from a
file without the places is an independent publication and confirms any figure. A fraction of the usual figure is a new
level where the place continues at it and its return was otherwise complete.
"""

from math import log
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from checks.expected import LEAST_FACTOR, Fit
from checks.flags import FIGURE_KEY
from checks.series import Slices
from pipelines.core.schema import empty_frame
from pipelines.core.slices import SLICE_KEY, sum_by_total
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

Numbers = np.ndarray[Any, np.dtype[Any]]
RETURN_KEY = ["place_code", "period_start", "period_end"]
"""Columns that identify the figures of one return."""
RETURNED = {"measure": pl.String, "place_code": pl.String, "period_start": pl.Date, "period_end": pl.Date,
            "usual": pl.Boolean}  # fmt: skip
"""One figure of a count, and whether it is as usual."""
LEAST_LATER_PERIODS = 3
"""Fewest later periods at a level that confirm it, whatever else is known of the return."""


class LargerAreas(NamedTuple):
    """Figures of a source for larger areas (totals.TOTAL), and their places (totals.MEMBER_SCHEMA) by place system."""

    total: pl.DataFrame
    members: dict[str, pl.DataFrame]


COMPARED_TOTAL = {
    "geography": pl.String, "measure": pl.String, "period_start": pl.Date, "period_end": pl.Date, "order": pl.Int64,
    "total_code": pl.String, "places_due": pl.UInt32, "apart": pl.Boolean, "agrees": pl.Boolean,
}  # fmt: skip
"""A published total beside the sum of its places: one row for each release of the total."""


def compare_totals(
    low: pl.DataFrame, slices: Slices, is_used: Numbers, larger: LargerAreas | None, measure: Measure
) -> pl.DataFrame:
    """Compare published totals with the sums of their places, for totals that contain a figure in `low`.

    Takes flags of figures of one measure that seem too low, and the rows of all its releases; `is_used` selects those
    in use. Returns COMPARED_TOTAL.
    """
    nothing = empty_frame(COMPARED_TOTAL)
    if larger is None or low.is_empty() or measure.kind not in ADDITIVE_KINDS:
        return nothing
    stated = larger.total.filter(pl.col("role") == "total", pl.col("measure").is_in(low["measure"].unique().implode()))
    if stated.is_empty():
        return nothing
    texts = [pl.col(name).cast(pl.String) for name in ("measure", "place_code", "geography", "obs_status")]
    marked = slices.rows.lazy().with_columns(pl.Series("_used", is_used), *texts)
    slice_rows = marked.group_by(*SLICE_KEY, "order").agg(pl.col("_used").any()).collect()
    compared = []
    for system, member in larger.members.items():
        inside = low.select(*SLICE_KEY, "place_code").join(member, on="place_code").select(*SLICE_KEY, "total_code")
        totals = _list_totals(stated, inside.unique(), slice_rows)
        if totals.is_empty():
            continue
        members = member.join(totals.select("total_code").unique(), on="total_code", how="semi")
        current = marked.filter("_used", pl.col("geography") == system).join(
            totals.lazy().select(SLICE_KEY).unique(), on=SLICE_KEY, how="semi"
        )
        compared.append(_sum_places(current.collect(), totals, members, (measure.rounding or 0.0) / 2, system))
    return pl.concat([nothing, *compared])


def _list_totals(total: pl.DataFrame, inside: pl.DataFrame, slice_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the totals in `inside` from releases in use and from releases without places: `total` and `apart`."""
    totals = (
        total.filter(pl.col("value").is_not_null())
        .select(*SLICE_KEY, "order", pl.col("place_code").alias("total_code"), pl.col("value").alias("total"))
        .join(inside, on=[*SLICE_KEY, "total_code"], how="semi")
    )
    of_release = totals.join(slice_rows, on=[*SLICE_KEY, "order"], how="left", maintain_order="left")
    apart = pl.col("_used").is_null()
    return of_release.with_columns(apart.alias("apart")).filter(apart | pl.col("_used")).drop("_used")


def _sum_places(
    current: pl.DataFrame, totals: pl.DataFrame, member: pl.DataFrame, half: float, system: str
) -> pl.DataFrame:
    due = member.group_by("total_code").agg(pl.len().alias("places_due"))
    sums = sum_by_total(current, member)
    summed = totals.join(sums, on=[*SLICE_KEY, "total_code"]).join(due, on="total_code")
    rounding = half * (pl.col("figures") + 1) + 1e-9 * (1 + pl.col("total").abs())
    agrees = (pl.col("places_given") == pl.col("places_due")) & (
        (pl.col("total") - pl.col("sum_of_places")).abs() <= rounding
    )
    named = summed.with_columns(agrees.alias("agrees"), pl.lit(system).alias("geography"))
    return named.select(pl.col(name).cast(dtype) for name, dtype in COMPARED_TOTAL.items())


def drop_confirmed_flags(low: pl.DataFrame, compared: pl.DataFrame, members: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Drop the flags of figures that agree with the totals of all larger areas that contain them.

    Takes flags (doubt.PLAUSIBILITY_FLAG) of figures that seem too low, and their totals (COMPARED_TOTAL).
    """
    agreeing = [
        _find_agreement(low, totals, members[str(system)])
        for (system,), totals in compared.group_by("geography", maintain_order=True)
    ]
    return low.join(pl.concat(agreeing), on=FIGURE_KEY, how="anti", maintain_order="left") if agreeing else low


def _find_agreement(low: pl.DataFrame, totals: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Return the FIGURE_KEY of flagged figures that agree with every published total that contains them."""
    inside = low.join(member, on="place_code").join(totals, on=[*SLICE_KEY, "total_code"])
    alone = pl.len().over(*SLICE_KEY, "total_code", "order") == 1
    relevant = inside.with_columns(alone.alias("alone")).filter(
        pl.col("apart") | (pl.col("reason") == "suspected_zero")
    )
    confirmed = relevant.sort("places_due", "total_code").group_by(FIGURE_KEY).agg(
        pl.col("agrees").all(), (pl.col("alone").first() | pl.col("apart").any()).alias("confirms")
    )  # fmt: skip
    return confirmed.filter("agrees", "confirms").select(FIGURE_KEY)


def add_kept_levels(fitted: pl.DataFrame) -> pl.DataFrame:
    """Add `level` and `later` to all figures of some places (expected.describe_expected), in the order of time.

    `level` is whether the place continues at the figure's level. It then has a figure in every later period of the
    measure, and all of them are nearer to this figure than to the expected one. `later` is the number of these periods.
    """
    rest = pl.col("rest")
    near = pl.min_horizontal(-pl.min_horizontal("apart", "apart_before") / 2, pl.lit(log(LEAST_FACTOR)))
    dated = fitted.with_columns(
        rest.cum_max(reverse=True).shift(-1).over("place_number").alias("_most"),
        rest.cum_min(reverse=True).shift(-1).over("place_number").alias("_least"),
        (rest.cum_count(reverse=True) - 1).over("place_number").cast(pl.Int64).alias("later"),
    )
    level = (
        (pl.col("_most") - rest < near)
        & (rest - pl.col("_least") < near)
        & (pl.col("later") == pl.col("later_periods"))
    )
    return dated.with_columns(level.fill_null(False).alias("level")).drop("_most", "_least")


def list_returned_figures(fit: Fit, slices: Slices, periods: pl.Series) -> pl.DataFrame:
    """Return the figures of a count in some periods, by their first days: RETURNED."""
    if periods.is_empty():
        return empty_frame(RETURNED)
    wanted = slices.rows["period_start"].is_in(periods.implode()).to_numpy()
    chosen = np.flatnonzero(wanted[fit.row])
    is_usual = (fit.value > 0) & (fit.rest - fit.near > -log(LEAST_FACTOR) / 2)
    rows = slices.rows[fit.row[chosen]].select(pl.col("measure", "place_code").cast(pl.String), *RETURN_KEY[1:])
    return rows.with_columns(pl.Series("usual", is_usual[chosen]))


def find_whole_returns(figures: pl.DataFrame, returned: pl.DataFrame) -> pl.DataFrame:
    """Return the figures (FIGURE_KEY) of places with other counts in the period, all as usual (RETURNED).

    Their return was complete.
    """
    others = figures.select(FIGURE_KEY).join(returned.rename({"measure": "other"}), on=RETURN_KEY)
    whole = others.filter(pl.col("other") != pl.col("measure")).group_by(FIGURE_KEY).agg(pl.col("usual").all())
    return whole.filter("usual").select(FIGURE_KEY)
