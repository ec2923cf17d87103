"""Grain latest: a place's own newest figure, where it has none for the newest period of a measure.

Publishers of different nations seldom end on one day. A need with `carry` then uses each place's own newest figure.
"""

import polars as pl

from checks import CARRIED_FORWARD
from pipelines.core.periods import format_period
from pipelines.declarations.base import add_age
from pipelines.declarations.catalogue import Problem

NO_FIGURE_REASONS = ["not_returned", "none_or_not_reported", "withdrawn", "nation_not_covered", "coarser_only"]
"""Reasons that mean that a place has no row in the newest period."""
_CARRIED_SCHEMA = {
    "measure": pl.String,
    "place_code": pl.String,
    "reference_start": pl.Date,
    "reference_end": pl.Date,
    "time_evidence": pl.String,
}


def carry_place_figures(joined: pl.DataFrame, answers: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """Replace cells without a row in the newest period by the place's own newest figure, where the need carries one.

    Takes the requested cells joined to the figures of their periods, and all figures with the same columns (measure,
    reference_start, reference_end, place_code, ...). The figure has the caveat `carried_forward`, and its evidence
    names both periods. Only for grain latest; `carry` is the greatest age beside the newest period.
    """
    ages = {name: need.carry for name, need in problem.header.measure_needs.items() if need.carry}
    if problem.header.grain != "latest" or not ages:
        return joined
    empty = joined.filter(
        pl.col("measure").is_in(list(ages)),
        pl.col("time_reason").is_null(),
        pl.col("placed_reason").is_in(NO_FIGURE_REASONS),
    )
    older = answers.filter(pl.col("value").is_not_null()).join(
        empty.select("measure", "place_code", pl.col("reference_end").alias("newest_end")), on=["measure", "place_code"]
    )
    own = (
        older.filter(pl.col("reference_end") < pl.col("newest_end"))
        .sort("reference_end", "reference_start")
        .unique(["measure", "place_code"], keep="last", maintain_order=True)
    )
    rows = [
        (measure, place, start, end, _describe(start, end, newest, ages[measure]))
        for measure, place, start, end, newest in own.select(
            "measure", "place_code", "reference_start", "reference_end", "newest_end"
        ).iter_rows()
        if add_age(end, ages[measure]) >= newest
    ]
    if not rows:
        return joined
    carried = pl.DataFrame(rows, schema=_CARRIED_SCHEMA, orient="row").with_columns(
        pl.lit(CARRIED_FORWARD).alias("time_caveat")
    )
    key = ["measure", "place_code"]
    figures = answers.drop(set(answers.columns) & {"time_evidence", "time_caveat"})
    replaced = joined.join(carried, on=key, how="semi").select(
        [name for name in joined.columns if name not in figures.columns or name in key]
    )
    replaced = replaced.drop("time_evidence", "time_caveat").join(carried, on=key)
    new = replaced.join(figures, on=[*key, "reference_start", "reference_end"]).select(joined.columns)
    return pl.concat([joined.join(carried, on=key, how="anti", maintain_order="left"), new])


def _describe(start: object, end: object, newest: object, carry: str) -> str:
    return (
        f"figure for {format_period(start, end)}, the newest of the place; other places have one to "  # type: ignore[arg-type]
        f"{format_period(newest, newest)}; the problem allows {carry}"  # type: ignore[arg-type]
    )
