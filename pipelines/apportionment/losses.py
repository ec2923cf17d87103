"""Unallocated residuals: the part of each figure with no target place in a problem's geography, listed by place.

The published total always equals the apportioned total plus the residuals. The weights of a place, with its
unallocated share, add to 1 (`sparse.build_matrix` rejects others).
"""

import polars as pl

from pipelines.core.schema import NUMBER, OBSERVATION_COLUMNS, TEXT, Column, conform_table, empty_table
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

RESIDUAL: dict[str, Column] = {
    "problem": Column(TEXT, "Problem that needs the figure in its geography"),
    **{
        name: OBSERVATION_COLUMNS[name] for name in ("measure", "place_code", "geography", "period_start", "period_end")
    },
    "to_geography": Column(TEXT, "Geography of the problem"),
    "share": Column(NUMBER, "Share of the place without a target place in that geography, 0 to 1"),
    "value": Column(NUMBER, "That share of the figure, in the measure's unit; in no cell of the problem"),
    **{name: OBSERVATION_COLUMNS[name] for name in ("unit", "source", "release")},
}


def list_residuals(observation: pl.DataFrame, crosswalk: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Return the unallocated part of each count or stock: RESIDUAL, without the problem and its geography.

    Takes observations (schema.OBSERVATION_COLUMNS) of the releases in use, and a crosswalk with from_code, to_code and
    weight. A row without to_code is an unallocated share. Rates have no residual.
    """
    additive = [name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS]
    unallocated = crosswalk.filter(pl.col("to_code").is_null(), pl.col("weight") > 0).select(
        pl.col("from_code").alias("place_code"), pl.col("weight").alias("share")
    )
    if unallocated.is_empty():
        return empty_table(RESIDUAL)
    lost = observation.filter(pl.col("place_code").is_in(unallocated["place_code"].implode()))
    counts = lost.filter(pl.col("measure").is_in(additive), pl.col("value").is_not_null())
    residuals = counts.join(unallocated, on="place_code").with_columns(pl.col("value") * pl.col("share"))
    return conform_table(residuals, RESIDUAL).sort("measure", "period_start", "place_code")


def whole_residuals(observation: pl.DataFrame, mapped_codes: set[str], measures: dict[str, Measure]) -> pl.DataFrame:
    """Return the counts and stocks of places without any target place: RESIDUAL, as `list_residuals` does."""
    codes = observation.select(pl.col("place_code").alias("from_code")).unique()
    parts = pl.col("from_code").str.split("+").list.set_intersection(sorted(mapped_codes))
    crosswalk = codes.filter(parts.list.len() == 0).with_columns(
        pl.lit(None, pl.String).alias("to_code"), pl.lit(1.0).alias("weight")
    )
    return list_residuals(observation, crosswalk, measures)


def problem_residuals(residuals: list[pl.DataFrame], problem: str, system: str) -> pl.DataFrame:
    """Combine the residuals of a problem's sources, in one order: RESIDUAL."""
    every = pl.concat([empty_table(RESIDUAL), *residuals])
    labelled = every.with_columns(pl.lit(problem).alias("problem"), pl.lit(system).alias("to_geography"))
    return labelled.sort("measure", "period_start", "place_code")
