"""Writing of the gap report of a problem in all its formats."""

from pathlib import Path

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.output_files import write_outputs
from pipelines.core.store import output_path, state_path, table_key, write_table
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts, program_key, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps import is_answer_current, ledger_path
from pipelines.outputs.csvw import build_csv_metadata
from pipelines.outputs.load import load_report
from pipelines.outputs.report import cells_csv, render_html, report_json
from pipelines.outputs.spreadsheet import build_spreadsheet

FILE_ENDINGS = ("html", "csv", "csv-metadata.json", "json", "xlsx")
"""File name endings of a report."""


def report_problem(project: Project, name: str) -> list[Path]:
    """Write the gap report of a problem as HTML, CSV with metadata, JSON and spreadsheet, unless it is up to date."""
    key, done, files = report_key(project, name), state_path(project.home, "report", name), report_files(project, name)
    if not report_is_fresh(project, name):
        current_keys = compute_table_keys(project.catalogue, project.home, project.as_of)
        if not is_answer_current(project.home, name, current_keys):
            raise CommongroundError(
                f"{name}: the tables in the store are from an earlier build; run `commonground build {name}`"
            )
        report = load_report(project, project.catalogue.problems[name], current_keys)
        texts = (render_html(report), cells_csv(report), build_csv_metadata(report), report_json(report))
        contents = (*(text.encode("utf-8") for text in texts), build_spreadsheet(report))
        contents_by_name = zip((path.name for path in files), contents, strict=True)
        write_outputs(
            project.home,
            f"report {name}",
            public_input_sources(project.catalogue, [name]),
            contents_by_name,
            staying=(),
        )
        write_table(done, pl.DataFrame({"file": [path.name for path in files]}), key)
    return files


def report_files(project: Project, name: str) -> list[Path]:
    """Return the file paths of the report of a problem."""
    return [output_path(project.home, f"{name}.{ending}") for ending in FILE_ENDINGS]


def report_key(project: Project, name: str) -> str:
    """Return the key of an up-to-date report of a problem."""
    current = compute_table_keys(project.catalogue, project.home, project.as_of)
    tables = (state_path(project.home, "verdict", name), ledger_path(project.home, name))
    reviewed_texts = [
        path.read_text(encoding="utf-8") for path in sorted(problems_folder(project).glob(f"{name}.*.yaml"))
    ]
    return hash_texts(
        program_key("outputs"),
        current.answer[name],
        current.boundaries,
        *(table_key(path) or "" for path in tables),
        *reviewed_texts,
    )


def problems_folder(project: Project) -> Path:
    """Return the folder of the problems, with their accepted gaps and costs."""
    return project.catalogue.root / "pipelines" / "problems"


def report_is_fresh(project: Project, name: str) -> bool:
    """Return whether the report of a problem exists and matches the tables in the store."""
    key_matches = table_key(state_path(project.home, "report", name)) == report_key(project, name)
    return key_matches and all(path.is_file() for path in report_files(project, name))
