"""Writing of the gap report of a problem in all its formats."""

from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.output_files import write_outputs
from pipelines.core.store import hash_bytes, output_path, state_path, table_key, write_table
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts, program_key, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps import is_answer_current, ledger_path
from pipelines.outputs.csvw import build_csv_metadata
from pipelines.outputs.last_changed import date_file_changes, read_file_changes
from pipelines.outputs.load import load_report
from pipelines.outputs.report import cells_csv, render_html, report_json
from pipelines.outputs.spreadsheet import build_spreadsheet

FILE_ENDINGS = ("html", "csv", "csv-metadata.json", "json", "xlsx")
"""File name endings of a report."""


def report_problem(project: Project, name: str) -> list[Path]:
    """Write the gap report of a problem as HTML, CSV with metadata, JSON and spreadsheet, unless it is up to date."""
    key, done, files = report_key(project, name), report_record_path(project.home, name), report_files(project, name)
    if not report_is_fresh(project, name):
        current_keys = compute_table_keys(project.catalogue, project.home, project.as_of)
        if not is_answer_current(project.home, name, current_keys):
            raise CommongroundError(
                f"{name}: the tables in the store are from an earlier build; run `commonground build {name}`"
            )
        report = load_report(project, project.catalogue.problems[name], current_keys)
        texts = (render_html(report), cells_csv(report), build_csv_metadata(report), report_json(report))
        contents = (*(text.encode("utf-8") for text in texts), build_spreadsheet(report))
        contents_by_name = dict(zip((path.name for path in files), contents, strict=True))
        hashes = {file: hash_bytes(content) for file, content in contents_by_name.items()}
        write_outputs(
            project.home,
            f"report {name}",
            public_input_sources(project.catalogue, [name]),
            contents_by_name.items(),
            staying=(),
        )
        write_table(done, date_file_changes(read_file_changes(done), hashes, project.as_of), key)
    return files


def report_record_path(home: Path, name: str) -> Path:
    """Return the path of the table that records the files of a problem's report (last_changed.FILE_CHANGE)."""
    return state_path(home, "report", name)


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
