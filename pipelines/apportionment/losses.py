"""What is lost on the way: figures of places that lead nowhere in a problem's place system, named one by one.

What was published is always what was moved and what is named here: the weights of a place add to 1, those of the
share that leads nowhere among them (`moving.road` refuses any others).
"""

import polars as pl

from pipelines.core.schema import NUMBER, OBSERVATION_COLUMNS, TEXT, Column, conform_table, empty_table
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

RESIDUAL: dict[str, Column] = {
    "problem": Column(TEXT, "Problem whose place system the figure was to be moved to"),
    **{
        name: OBSERVATION_COLUMNS[name]
        for name in ("measure", "place_code", "place_system", "period_start", "period_end")
    },
    "to_system": Column(TEXT, "Place system of the problem"),
    "share": Column(NUMBER, "Share of the place that leads to no place of it, 0 to 1"),
    "value": Column(NUMBER, "That share of the figure, in the measure's unit: in no cell of the problem"),
    **{name: OBSERVATION_COLUMNS[name] for name in ("unit", "source", "release")},
}


def list_residuals(observation: pl.DataFrame, crosswalk: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Give the part of each count or stock that leads nowhere: RESIDUAL, but for the problem and its place system.

    Takes observations (schema.OBSERVATION_COLUMNS) of the releases in use, and a crosswalk with from_code, to_code and
    weight: a row without to_code is a share that leads nowhere. Rates are of nobody, and are not lost.
    """
    additive = [name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS]
    unallocated = crosswalk.filter(pl.col("to_code").is_null(), pl.col("weight") > 0).select(
        pl.col("from_code").alias("place_code"), pl.col("weight").alias("share")
    )
    counts = observation.filter(pl.col("measure").is_in(additive), pl.col("value").is_not_null())
    residuals = counts.join(unallocated, on="place_code").with_columns(pl.col("value") * pl.col("share"))
    return conform_table(residuals, RESIDUAL).sort("measure", "period_start", "place_code")


def whole_residuals(observation: pl.DataFrame, mapped_codes: set[str], measures: dict[str, Measure]) -> pl.DataFrame:
    """Give the counts and stocks of places none of which leads anywhere: RESIDUAL, as `losses` does."""
    codes = observation.select(pl.col("place_code").alias("from_code")).unique()
    parts = pl.col("from_code").str.split("+").list.set_intersection(sorted(mapped_codes))
    crosswalk = codes.filter(parts.list.len() == 0).with_columns(
        pl.lit(None, pl.String).alias("to_code"), pl.lit(1.0).alias("weight")
    )
    return list_residuals(observation, crosswalk, measures)


def problem_residuals(residuals: list[pl.DataFrame], problem: str, system: str) -> pl.DataFrame:
    """Put the losses of a problem's sources together, in one order: RESIDUAL."""
    every = pl.concat([empty_table(RESIDUAL), *residuals])
    labelled = every.with_columns(pl.lit(problem).alias("problem"), pl.lit(system).alias("to_system"))
    return labelled.sort("measure", "period_start", "place_code")
