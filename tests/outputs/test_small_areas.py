"""Outputs of a problem over LSOAs: Parquet files, a report by district, and no page for each area."""

import gc
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.build_project import Figures, load_areas, make_figures_project
from pipelines.core.store import output_path, read_table, state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.fingerprints import compute_table_keys
from pipelines.declarations.project import Project
from pipelines.outputs import load, publish, report_model, site
from pipelines.outputs import report as report_page
from pipelines.outputs.freshness import report_record_path
from pipelines.outputs.site import publish_pages
from tests.command import build_by_steps
from tests.outputs.test_report import Page
from tests.small import copied_unanswered


@pytest.fixture(scope="module")
def areas(built_small: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one month of synthetic figures of LSOAs, built with limits below its size."""
    folder = tmp_path_factory.mktemp("areas")
    make_figures_project(folder, Figures(1), "lsoa_2021")
    # The tables of places are in this store already.
    copied_unanswered(built_small / "store", folder / "store")
    project = Project(load_catalogue(folder / "project"), folder / "store", date(2026, 11, 24))
    with pytest.MonkeyPatch.context() as patch:
        for module in (load, report_model, report_page, site):
            patch.setattr(module, "MAX_TABLE_CELLS", 30_000)
        publish_pages(build_by_steps(project))
    return project


@pytest.fixture(scope="module")
def report(areas: Project) -> Page:
    return Page(output_path(areas.home, "synthetic.html").read_text(encoding="utf-8"))


def test_cells_and_view_of_a_large_problem_are_parquet_only(areas: Project) -> None:
    out = output_path(areas.home, "")
    names = {path.name for path in out.glob("synthetic.*")}
    assert names == {"synthetic.html", "synthetic.json", "synthetic.cells.parquet", "synthetic.view.parquet"}
    cells = read_table(state_path(areas.home, "cell", "synthetic")).sort("cell_id")
    assert cells.height == load_areas().height
    assert pl.read_parquet(out / "synthetic.cells.parquet", columns=cells.columns).equals(cells)
    view = read_table(state_path(areas.home, "view", "synthetic"))
    assert pl.read_parquet(out / "synthetic.view.parquet").equals(view)


def test_page_of_a_large_problem_is_the_page_from_all_columns(areas: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (load, report_model, report_page):
        monkeypatch.setattr(module, "MAX_TABLE_CELLS", 30_000)
    monkeypatch.setattr(report_page, "CELLS_OF_A_PART", 10_000)
    keys = compute_table_keys(areas.catalogue, areas.home, areas.as_of)
    lean = load.load_report(areas, areas.catalogue.problems["synthetic"], keys)
    whole = lean._replace(cells=read_table(state_path(areas.home, "cell", "synthetic")), cells_file=None)
    assert lean.cells.equals(whole.cells.select(lean.cells.columns)) and lean.cells.width < whole.cells.width
    for render in (report_page.render_html, report_page.report_json):
        assert render(lean) == render(whole)
    files = [pl.read_parquet(report_page.encode_cells(report)) for report in (lean, whole)]
    assert files[0].equals(files[1]) and files[0].schema == files[1].schema


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [0, 2, 1, 3]])
def test_cells_of_a_large_problem_are_in_order_whatever_the_order_of_the_file(
    areas: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, order: list[int]
) -> None:
    monkeypatch.setattr(report_page, "CELLS_OF_A_PART", 2)
    keys = compute_table_keys(areas.catalogue, areas.home, areas.as_of)
    report = load.load_report(areas, areas.catalogue.problems["synthetic"], keys)
    some = read_table(state_path(areas.home, "cell", "synthetic")).sort("cell_id").head(4)
    some[order].write_parquet(tmp_path / "cells.parquet")
    written = pl.read_parquet(report_page.encode_cells(report._replace(cells_file=tmp_path / "cells.parquet")))
    assert written.select(some.columns).equals(some)


def test_cells_of_a_large_problem_are_not_in_memory_while_they_are_written(
    areas: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (load, report_model, report_page):
        monkeypatch.setattr(module, "MAX_TABLE_CELLS", 30_000)
    seen = list[int]()

    def count_cells(table: pl.DataFrame) -> bytes:
        gc.collect()
        seen.append(sum(one.shape == shape for one in gc.get_objects() if isinstance(one, pl.DataFrame)))
        return encode(table)

    encode = publish.encode_parquet
    monkeypatch.setattr(publish, "encode_parquet", count_cells)
    report_record_path(areas.home, "synthetic").unlink()
    keys = compute_table_keys(areas.catalogue, areas.home, areas.as_of)
    shape = load.load_report(areas, areas.catalogue.problems["synthetic"], keys).cells.shape
    assert shape[0] == load_areas().height
    publish.report_problem(areas, "synthetic")
    assert seen == [0]


def test_report_counts_every_cell_once_by_district(areas: Project, report: Page) -> None:
    districts = load_areas().group_by("to_code").len()
    cells = [text for tag, text in report.texts if tag == "td" and text.endswith(" available")]
    counts = [text.removesuffix(" available").replace(",", "").split(" of ") for text in cells]
    assert len(counts) == districts.height
    known = read_table(state_path(areas.home, "cell", "synthetic"))["value"].count()
    assert [sum(int(pair[side]) for pair in counts) for side in (0, 1)] == [known, load_areas().height]


def test_report_states_why_it_has_no_spreadsheet_and_no_row_for_each_place(report: Page) -> None:
    text = " ".join(text for _, text in report.texts)
    assert "This problem has 35,672 cells. A spreadsheet and a CSV file are written for at most 30,000 cells" in text
    assert "This problem has 35,672 places, and a report lists at most 2,000." in text
    assert "No figures over time are kept for this page." in text and "Only one period" not in text


def test_small_areas_have_no_pages_and_the_index_has_their_problem(areas: Project) -> None:
    assert not list(output_path(areas.home, "places").glob("*.html"))
    index = Page(output_path(areas.home, "index.html").read_text(encoding="utf-8"))
    links = {attrs["href"] for tag, attrs in index.tags if tag == "a" and "synthetic" in (attrs["href"] or "")}
    assert links == {"synthetic.html", "synthetic.cells.parquet"}
