"""Writing of the gap report of a problem in all its formats."""

import gc
from collections.abc import Iterator
from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.output_files import write_outputs
from pipelines.core.store import hash_bytes, write_table
from pipelines.core.table_cache import forget_results
from pipelines.declarations.fingerprints import compute_table_keys, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps import is_answer_current
from pipelines.outputs.csvw import build_csv_metadata
from pipelines.outputs.freshness import report_files, report_is_fresh, report_key, report_record_path
from pipelines.outputs.last_changed import date_file_changes, read_file_changes
from pipelines.outputs.load import load_report
from pipelines.outputs.open_files import (
    GEOJSON_ENDING,
    MAP_ENDING,
    TREND_ENDING,
    has_geojson,
    map_csv,
    problem_geojson,
    trend_csv,
)
from pipelines.outputs.report import (
    cells_csv,
    credited_cells,
    encode_cells,
    encode_parquet,
    find_page_charts,
    render_html,
    report_json,
)
from pipelines.outputs.report_model import Report
from pipelines.outputs.spreadsheet import build_spreadsheet

PARTNERSHIP_ENDINGS = ("partnerships.csv", "partnerships.csv-metadata.json", "partnerships.cells.parquet",
                       "partnerships.view.parquet")  # fmt: skip
"""Endings of the tables of partnerships, which are in no table of places."""
TABLE_ENDINGS = ("csv", "csv-metadata.json", "xlsx", MAP_ENDING, TREND_ENDING, GEOJSON_ENDING, *PARTNERSHIP_ENDINGS)
"""Endings after FILE_ENDINGS: tables of at most MAX_TABLE_CELLS cells, of a map and a chart, and with boundaries."""


def report_problem(project: Project, name: str) -> list[Path]:
    """Write the gap report of a problem in all its formats, unless it is up to date. Return its files, HTML first."""
    key, done = report_key(project, name), report_record_path(project.home, name)
    if not report_is_fresh(project, name):
        current_keys = compute_table_keys(project.catalogue, project.home, project.as_of)
        if not is_answer_current(project.home, name, current_keys):
            raise CommongroundError(
                f"{name}: the tables in the store are from an earlier build; run `commonground build {name}`"
            )
        # No name here keeps the report: report_contents frees the cells of a large one.
        parts = report_contents(load_report(project, project.catalogue.problems[name], current_keys))
        contents = {f"{name}.{ending}": content for ending, content in parts}
        hashes = {file: hash_bytes(content) for file, content in contents.items()}
        sources = public_input_sources(project.catalogue, [name])
        write_outputs(project.home, f"report {name}", sources, contents.items(), staying=())
        write_table(done, date_file_changes(read_file_changes(done), hashes, project.as_of), key)
    return report_files(project, name)


def report_contents(report: Report) -> Iterator[tuple[str, bytes]]:
    """Yield the ending and the content of each file of a report: FILE_ENDINGS, and TABLE_ENDINGS where they apply.

    The files of all cells are last: their copy of the cells, and CSV as the largest file, are in memory with no other.
    """
    charts = find_page_charts(report)
    yield "html", render_html(report, charts).encode("utf-8")
    yield "json", report_json(report, charts).encode("utf-8")
    if report.cells_file is not None:
        report = _drop_cells(report)
    yield "view.parquet", encode_parquet(report.view)
    if not report.is_large:
        yield "csv-metadata.json", build_csv_metadata(report).encode("utf-8")
        yield "xlsx", build_spreadsheet(report)
    if report.header.groups:
        yield from zip(PARTNERSHIP_ENDINGS, _partnership_tables(report.of_partnerships), strict=True)
    if charts.answer and charts.rankings and not report.is_by_larger_place:
        yield MAP_ENDING, map_csv(charts.answer).encode("utf-8")
    if charts.trend and charts.trend["table"]:
        yield TREND_ENDING, trend_csv(charts.trend["table"], charts.trend["band"]).encode("utf-8")
    if has_geojson(report):
        yield GEOJSON_ENDING, problem_geojson(report, charts.answer)
    if report.is_large:
        yield "cells.parquet", encode_cells(report)
        forget_results(report, report.cells)
        return
    cells = credited_cells(report)
    # From here on, no step needs what others keep of this report.
    forget_results(report, report.cells)
    del report, charts
    yield "cells.parquet", encode_parquet(cells)
    yield "csv", cells_csv(cells)


def _drop_cells(report: Report) -> Report:
    """Return a large report without cells and verdicts: its other files are made from those in the store.

    Steps keep what they computed from the tables of the last reports, and a page that was rendered its values.
    """
    forget_results(report, report.cells)
    gc.collect()
    history = report.history._replace(verdicts=report.history.verdicts.clear())
    return report._replace(cells=report.cells.clear(), history=history)


def _partnership_tables(report: Report) -> Iterator[bytes]:
    """Yield the tables of partnerships, in the order of PARTNERSHIP_ENDINGS."""
    cells = credited_cells(report)
    yield cells_csv(cells)
    yield build_csv_metadata(report, PARTNERSHIP_ENDINGS[0], "partnership").encode("utf-8")
    yield encode_parquet(cells)
    yield encode_parquet(report.view)
