"""Every problem as a data set: its files, periods, sources and licences, for programs that look for data."""

import json
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.store import output_path, state_path
from pipelines.declarations.project import Project
from pipelines.outputs.answer_sentence import KIND_NOUNS
from pipelines.outputs.freshness import report_record_path
from pipelines.outputs.last_changed import last_change, read_file_changes
from pipelines.outputs.view_columns import view_meaning


class FileKind(NamedTuple):
    """A kind of file: its title, its media type, and its name of the format."""

    title: str
    media_type: str
    format: str


_PARQUET = "application/vnd.apache.parquet"
FILE_KINDS = {
    "csv": FileKind("Every cell, with its value or its gap reason", "text/csv", "csv"),
    "cells.parquet": FileKind("Every cell, with its value or its gap reason", _PARQUET, "parquet"),
    "view.parquet": FileKind("One row for each place, or place and period", _PARQUET, "parquet"),
    "partnerships.csv": FileKind("Every cell of the partnerships", "text/csv", "csv"),
    "partnerships.cells.parquet": FileKind("Every cell of the partnerships", _PARQUET, "parquet"),
    "partnerships.view.parquet": FileKind(
        "One row for each partnership, or partnership and period", _PARQUET, "parquet"
    ),
    "map.csv": FileKind("Figures of the map", "text/csv", "csv"),
    "trend.csv": FileKind("Figures of the chart over time", "text/csv", "csv"),
    "geojson": FileKind("One row for each place, with its boundary", "application/geo+json", "geojson"),
    "xlsx": FileKind("Spreadsheet", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    "json": FileKind("Summary, requests and sources", "application/json", "json"),
}
"""Kinds of data files, by the ending of their names. The page and the description of the CSV file are no data."""
OGL_TEXT, OGL_ADDRESS = (
    "Open Government Licence v3.0",
    "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
)


class DataFile(NamedTuple):
    """A file of a data set: its name, the ending that states its kind, its size in bytes and its hash."""

    name: str
    ending: str
    size: int
    sha256: str


class Dataset(NamedTuple):
    """A problem as a data set. `sources` has title, publisher and page; `view` has the type and meaning of columns."""

    name: str
    question: str
    decision: str
    owner: str
    places: str
    issued: str | None
    first_day: str | None
    last_day: str | None
    changed: date | None
    licences: tuple[str, ...]
    sources: tuple[tuple[str, str, str], ...]
    files: tuple[DataFile, ...]
    view: dict[str, tuple[pl.DataType, str]]


def list_datasets(project: Project, problems: dict[str, int]) -> list[Dataset]:
    """Return the problems that have a report, with their numbers of places, as data sets."""
    return [_describe(project, name, places) for name, places in problems.items()
            if output_path(project.home, f"{name}.json").is_file()]  # fmt: skip


def _describe(project: Project, name: str, places: int) -> Dataset:
    catalogue = project.catalogue
    problem = catalogue.problems[name]
    header = problem.header
    sources = [catalogue.sources[source] for source in catalogue.problem_sources(problem)]
    available = [source for source in sources if source.is_available]
    summary: dict[str, Any] = json.loads(output_path(project.home, f"{name}.json").read_bytes())
    changes = read_file_changes(report_record_path(project.home, name))
    schema = pl.read_parquet_schema(state_path(project.home, "view", name))
    meanings = view_meaning(problem, project, list(schema))[1]
    nouns = KIND_NOUNS.get(header.geography.rsplit("_", 1)[0], ("place", "places"))
    return Dataset(
        name, header.question, header.decision, header.owner,
        f"{places:,} {nouns[places != 1]} ({header.geography})",
        summary["newest_release"], summary["figures_from"], summary["figures_to"], last_change(changes),
        tuple(sorted({source.licence for source in available})),
        tuple(sorted({(source.title, source.publisher, source.page) for source in available})),
        tuple(_list_files(project, name, changes)),
        {column: (dtype, meanings[column]) for column, dtype in schema.items()},
    )  # fmt: skip


def _list_files(project: Project, name: str, changes: pl.DataFrame) -> list[DataFile]:
    """Return the data files of a report, in the order of FILE_KINDS."""
    hashes = dict(changes.select("file", "sha256").iter_rows())
    files = {ending: f"{name}.{ending}" for ending in FILE_KINDS}
    return [
        DataFile(file, ending, output_path(project.home, file).stat().st_size, hashes[file])
        for ending, file in files.items() if file in hashes and output_path(project.home, file).is_file()
    ]  # fmt: skip


def licence_address(licence: str) -> str | None:
    """Return the address of a licence, or None for a presumed or unknown licence."""
    return OGL_ADDRESS if licence.startswith(OGL_TEXT) and "presumed" not in licence else None
