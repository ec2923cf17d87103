"""Which measures of a problem an engine places: large counts and stocks; and why the others stay here."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.apportionment import EngineSlices
from pipelines.core.schema import OBSERVATION_COLUMNS
from pipelines.core.slices import SLICE_KEY
from pipelines.core.sql_engine import EngineSetting
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.measure import ADDITIVE_KINDS
from pipelines.declarations.project import Project
from pipelines.fetch import open_engine
from pipelines.observations import (
    SourceTables,
    load_source_tables,
    newest_of_slices,
    number_slices,
    read_slices,
    write_plain_files,
)


class MeasureRun(NamedTuple):
    """Where a measure is placed: its rows in use, and why it stays here, blank where an engine places it."""

    problem: str
    measure: str
    rows: int
    obstacle: str


class _Chosen(NamedTuple):
    """The runs of a source's measures without a problem, and the slices and plain files of those an engine places."""

    runs: list[tuple[str, int, str]]
    slices: pl.DataFrame
    files: list[Path]


def list_measure_runs(project: Project, problem: Problem) -> list[MeasureRun]:
    """List where each measure of a problem is placed. Without an engine the list is empty."""
    if not project.engine:
        return []
    names = [name for name in project.catalogue.problem_sources(problem) if _has_figures(project, name)]
    chosen = [_choose(project, project.engine, problem.measures, name) for name in names]
    return [MeasureRun(problem.name, *run) for one in chosen for run in one.runs]


def choose_engine_slices(
    project: Project, measures: Sequence[str], name: str, flags: Sequence[pl.DataFrame]
) -> EngineSlices | None:
    """Return the slices of some measures of a source that an engine places; null where there are none.

    `flags` are the tables of flags that become caveats. Plain files that the engine lacks are written first.
    """
    if not project.engine:
        return None
    chosen = _choose(project, project.engine, measures, name)
    if chosen.slices.is_empty():
        return None
    return EngineSlices(open_engine(project.engine.address), chosen.slices, chosen.files, flags)


def read_engine_slices(project: Project, asked: EngineSlices) -> pl.DataFrame:
    """Read the observations of slices that an engine can not place: those without a crosswalk."""
    columns = [*OBSERVATION_COLUMNS, "order"]
    return read_slices(project.home, asked.slices.drop("slice"), columns, asked.flags[0])


def _has_figures(project: Project, name: str) -> bool:
    return name in project.catalogue.observation_sources() and bool(project.catalogue.sources[name].geography)


def _choose(project: Project, setting: EngineSetting, measures: Sequence[str], name: str) -> _Chosen:
    tables = load_source_tables(project, name)
    numbered = number_slices(tables.slice)
    chosen = _Chosen([], numbered.clear(), [])
    for measure in measures:
        slices = newest_of_slices(numbered.filter(pl.col("measure") == measure))
        if slices.is_empty():
            continue
        rows, files = int(slices["rows"].sum()), list[Path]()
        obstacle = _find_obstacle(project, tables, slices, setting.least_rows)
        if not obstacle:
            files, obstacle = write_plain_files(project.home, slices)
        chosen.runs.append((measure, rows, obstacle))
        if not obstacle:
            chosen = chosen._replace(slices=chosen.slices.vstack(slices), files=chosen.files + files)
    return chosen


def _find_obstacle(project: Project, tables: SourceTables, slices: pl.DataFrame, least_rows: int) -> str:
    """Return why a measure stays here, as far as the tables of its source tell; blank where nothing speaks for it."""
    if project.catalogue.measures[slices["measure"][0]].kind not in ADDITIVE_KINDS:
        return "not a count or a stock"
    if slices["rows"].sum() < least_rows:
        return f"under {least_rows:,} rows"
    retired = tables.total.filter(pl.col("role") == "retired_code", pl.col("place_code").is_not_null())
    if retired.join(slices, on=[*SLICE_KEY, "order"], how="semi").height:
        return "figures under retired codes"
    return ""
