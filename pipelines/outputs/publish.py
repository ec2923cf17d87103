"""The last steps of a build: a gap report for each problem, and the analyst's file of them all."""

from pathlib import Path

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.output_files import write_outputs
from pipelines.core.store import out_path, state_path, table_key, write_table
from pipelines.declarations.fingerprints import code_key, hashed, keys, rests_on
from pipelines.declarations.project import Project
from pipelines.gaps import answer_is_fresh, ledger_path
from pipelines.outputs.csvw import metadata
from pipelines.outputs.load import gather
from pipelines.outputs.report import as_json, cells_csv, render_html
from pipelines.outputs.spreadsheet import spreadsheet

FORMS = ("html", "csv", "csv-metadata.json", "json", "xlsx")
"""Endings of the files of a report."""


def report_problem(project: Project, name: str) -> list[Path]:
    """Write the gap report of one problem as HTML, CSV with its metadata, JSON and spreadsheet, where not there."""
    key, done, files = report_key(project, name), state_path(project.home, "report", name), report_files(project, name)
    if not report_is_fresh(project, name):
        made = keys(project.catalogue, project.home, project.as_of)
        if not answer_is_fresh(project.home, name, made):
            raise CommongroundError(f"{name}: its tables are not of this build; run `commonground build {name}`")
        report = gather(project, project.catalogue.problems[name], made)
        texts = (render_html(report), cells_csv(report), metadata(report), as_json(report))
        contents = (*(text.encode("utf-8") for text in texts), spreadsheet(report))
        named = zip((path.name for path in files), contents, strict=True)
        write_outputs(project.home, f"report {name}", rests_on(project.catalogue, [name]), named, staying=())
        write_table(done, pl.DataFrame({"file": [path.name for path in files]}), key)
    return files


def report_files(project: Project, name: str) -> list[Path]:
    """Name the files of one problem's report."""
    return [out_path(project.home, f"{name}.{ending}") for ending in FORMS]


def report_key(project: Project, name: str) -> str:
    """Give the key that one problem's report should have now."""
    current = keys(project.catalogue, project.home, project.as_of)
    followed = (state_path(project.home, "verdict", name), ledger_path(project.home, name))
    reviewed = [path.read_text(encoding="utf-8") for path in sorted(reviewed_folder(project).glob(f"{name}.*.yaml"))]
    return hashed(
        code_key("outputs"),
        current.answer[name],
        current.boundaries,
        *(table_key(path) or "" for path in followed),
        *reviewed,
    )


def reviewed_folder(project: Project) -> Path:
    return project.catalogue.root / "pipelines" / "problems"


def report_is_fresh(project: Project, name: str) -> bool:
    """Tell whether one problem's report is there and made from what is there."""
    made = table_key(state_path(project.home, "report", name)) == report_key(project, name)
    return made and all(path.is_file() for path in report_files(project, name))
