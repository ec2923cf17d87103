"""Compare what an engine placed with what the build placed: numbers within 1e-12, everything else equal."""

import polars as pl

from pipelines.core.sql_engine import EngineSetting
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.project import Project
from pipelines.gaps.answer import place_observations
from pipelines.gaps.engine_choice import list_measure_runs
from pipelines.geography import load_geography, load_places

KEY = ["measure", "period_start", "period_end", "to_code", "source"]
LOST_KEY = ["measure", "place_code", "period_start", "period_end", "source"]
TOLERANCE = 1e-12


def place(project: Project, problem: Problem) -> list[pl.DataFrame]:
    """Return the placed figures, the rows set aside and the residuals of a problem."""
    target = set(load_geography(project, problem.header.geography).places["place_code"])
    return list(place_observations(project, problem, load_places(project), target))


def with_engine(project: Project, address: str) -> Project:
    """Return the project with an engine that places every measure that it can."""
    return project._replace(engine=EngineSetting(address, 0))


def count_engine_runs(project: Project, problem: Problem) -> int:
    """Return the number of measures of a problem that the engine places."""
    return sum(not run.obstacle for run in list_measure_runs(project, problem))


def find_differences(ours: pl.DataFrame, theirs: pl.DataFrame, key: list[str]) -> list[str]:
    """List the columns in which two tables differ."""
    one, other = ours.sort(key), theirs.sort(key)
    if one.columns != other.columns or one.height != other.height:
        return [f"{one.height} rows and {other.height} rows, columns {one.columns}"]
    return [
        f"{name}: {pair}" for name in one.columns if (pair := _first_difference(one[name], other[name])) is not None
    ]


def _first_difference(one: pl.Series, other: pl.Series) -> tuple[object, object] | None:
    differs = ~one.eq_missing(other)
    if one.dtype == pl.Float64:
        near = ((one - other).abs() <= TOLERANCE * one.abs()).fill_null(False)
        differs &= ~near
    at = differs.arg_true()
    return (one[int(at[0])], other[int(at[0])]) if len(at) else None
