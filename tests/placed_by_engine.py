"""Compare tables of a build with an engine and of one without: numbers within 1e-12, everything else equal."""

from collections.abc import Sequence

import polars as pl

from pipelines.core.sql_engine import EngineSetting
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.project import Project
from pipelines.gaps.engine_choice import list_measure_runs

TOLERANCE = 1e-12


def with_engine(project: Project, address: str) -> Project:
    """Return the project with an engine that places every measure that it can."""
    return project._replace(engine=EngineSetting(address, 0))


def count_engine_runs(project: Project, problem: Problem) -> int:
    """Return the number of measures of a problem that the engine places."""
    return sum(not run.obstacle for run in list_measure_runs(project, problem))


def find_differences(ours: pl.DataFrame, theirs: pl.DataFrame, key: Sequence[str] = ()) -> list[str]:
    """List the columns in which two tables differ, as they are ordered, or sorted by a key."""
    one, other = (table.sort(key) if key else table for table in (ours, theirs))
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
