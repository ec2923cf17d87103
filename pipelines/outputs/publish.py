"""Writing of the gap report of a problem in all its formats."""

from collections.abc import Iterator
from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.output_files import write_outputs
from pipelines.core.store import hash_bytes, output_path, state_path, table_key, write_table
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts, program_key, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps import current_answer_key, is_answer_current, ledger_path
from pipelines.outputs.csvw import build_csv_metadata
from pipelines.outputs.last_changed import date_file_changes, read_file_changes
from pipelines.outputs.load import load_report
from pipelines.outputs.report import cells_csv, credited_cells, encode_parquet, render_html, report_json
from pipelines.outputs.report_model import Report
from pipelines.outputs.spreadsheet import build_spreadsheet

FILE_ENDINGS = ("html", "json", "cells.parquet", "view.parquet")
"""File name endings of a report."""
TABLE_ENDINGS = ("csv", "csv-metadata.json", "xlsx")
"""Further endings of the report of a problem with at most MAX_TABLE_CELLS cells."""


def report_problem(project: Project, name: str) -> list[Path]:
    """Write the gap report of a problem in all its formats, unless it is up to date. Return its files, HTML first."""
    key, done = report_key(project, name), report_record_path(project.home, name)
    if not report_is_fresh(project, name):
        current_keys = compute_table_keys(project.catalogue, project.home, project.as_of)
        if not is_answer_current(project.home, name, current_keys):
            raise CommongroundError(
                f"{name}: the tables in the store are from an earlier build; run `commonground build {name}`"
            )
        report = load_report(project, project.catalogue.problems[name], current_keys)
        contents = {f"{name}.{ending}": content for ending, content in report_contents(report)}
        hashes = {file: hash_bytes(content) for file, content in contents.items()}
        sources = public_input_sources(project.catalogue, [name])
        write_outputs(project.home, f"report {name}", sources, contents.items(), staying=())
        write_table(done, date_file_changes(read_file_changes(done), hashes, project.as_of), key)
    return report_files(project, name)


def report_contents(report: Report) -> Iterator[tuple[str, bytes]]:
    """Yield the ending and the content of each file of a report: FILE_ENDINGS, and TABLE_ENDINGS up to their size."""
    yield "html", render_html(report).encode("utf-8")
    yield "json", report_json(report).encode("utf-8")
    yield "cells.parquet", encode_parquet(credited_cells(report))
    yield "view.parquet", encode_parquet(report.view)
    if not report.is_large:
        yield "csv", cells_csv(report).encode("utf-8")
        yield "csv-metadata.json", build_csv_metadata(report).encode("utf-8")
        yield "xlsx", build_spreadsheet(report)


def report_record_path(home: Path, name: str) -> Path:
    """Return the path of the table that records the files of a problem's report (last_changed.FILE_CHANGE)."""
    return state_path(home, "report", name)


def report_files(project: Project, name: str) -> list[Path]:
    """Return the file paths of the report of a problem, HTML first."""
    recorded = read_file_changes(report_record_path(project.home, name))["file"].to_list()
    return [output_path(project.home, file) for file in recorded or [f"{name}.{ending}" for ending in FILE_ENDINGS]]


def report_key(project: Project, name: str) -> str:
    """Return the key of an up-to-date report of a problem."""
    current = compute_table_keys(project.catalogue, project.home, project.as_of)
    tables = (state_path(project.home, "verdict", name), ledger_path(project.home, name))
    reviewed_texts = [
        path.read_text(encoding="utf-8") for path in sorted(problems_folder(project).glob(f"{name}.*.yaml"))
    ]
    return hash_texts(
        program_key("outputs"),
        current_answer_key(project.home, name, current) or "",
        current.boundaries,
        *(table_key(path) or "" for path in tables),
        *reviewed_texts,
        *acceptances_in_force(project, name),
    )


def acceptances_in_force(project: Project, name: str) -> list[str]:
    """Return the part of a report's key that changes on the day on which an acceptance begins or ends."""
    acceptances = project.catalogue.acceptances.get(name, ())
    return [f"{project.as_of >= acceptance.when} {project.as_of <= acceptance.until}" for acceptance in acceptances]


def problems_folder(project: Project) -> Path:
    """Return the folder of the problems, with their accepted gaps and costs."""
    return project.catalogue.root / "pipelines" / "problems"


def report_is_fresh(project: Project, name: str) -> bool:
    """Return whether the report of a problem exists and matches the tables in the store."""
    key_matches = table_key(report_record_path(project.home, name)) == report_key(project, name)
    return key_matches and all(path.is_file() for path in report_files(project, name))
