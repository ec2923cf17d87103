"""No view, export or report turns a missing figure into zero: one test for each of seven known ways.

One place of the problem is suppressed, one has no row, one is blank in the file, and one has a true zero.
"""

import csv
import io
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.app import steps
from pipelines.core.errors import CommongroundError
from pipelines.core.store import output_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.outputs.publish import report_problem
from pipelines.outputs.warehouse_tables import publish_warehouse
from tests.apportionment.test_rates import cell, placed
from tests.gaps.test_cells import CUMBERLAND, MERTON, OLD, Case, cell_of, project_of, with_peers

NOUGHT, BLANK, ABSENT = "E09000001", "E09000002", "E08000035"
ROWS = with_peers(f"{MERTON},x,2023,c", f"{BLANK},x,2023,", f"{NOUGHT},x,2023,0")
MISSING = {MERTON, BLANK, ABSENT}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = project_of(Case(None, MERTON, ROWS), tmp_path_factory.mktemp("built"))
    steps.prepare_store(project)
    answering.answer_problem(project, "a_problem")
    report_problem(project, "a_problem")
    publish_warehouse(project)
    return project


def answered(folder: Path, column: str, after: str = "") -> pl.DataFrame:
    """Answer the problem with an extra column in its SELECT."""
    project = project_of(Case(None, MERTON, ROWS), folder)
    path = project.catalogue.root / "pipelines" / "problems" / "a_problem.sql"
    text = path.read_text().replace("figure.value as figure", column)
    path.write_text(text.rstrip() + f" {after}\n")
    project = project._replace(catalogue=load_catalogue(project.catalogue.root))
    project.catalogue.refuse_excluded_problems()
    steps.prepare_store(project)
    return answering.answer_problem(project, "a_problem")


@pytest.mark.parametrize(
    "column",
    [
        "coalesce(figure.value, 0) as figure",
        "ifnull(figure.value, 0) as figure",
        "case when figure.value is null then 0 else figure.value end as figure",
        "greatest(figure.value, 0) as figure",
    ],
)
def test_one_default_for_a_missing_figure_is_refused(tmp_path: Path, column: str) -> None:
    with pytest.raises(CommongroundError, match=r"would hide a gap|where all of its measures are missing"):
        answered(tmp_path, column)


def test_two_join_that_drops_places_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommongroundError, match="expected one for each of 361 place_code"):
        answered(tmp_path, "figure.value as figure", "where figure.value is not null")


def test_three_sum_over_no_figures_is_not_zero(tmp_path: Path) -> None:
    hidden = [f"{code},x,2023,c" for code in ("E07000026", "E07000028", "E07000029")]
    cell_found = cell_of(Case("children_incomplete", CUMBERLAND, hidden, source=OLD), tmp_path)
    assert cell_found["value"] is None and cell_found["reason"]


def test_four_count_of_missing_figures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommongroundError, match="where all of its measures are missing"):
        answered(
            tmp_path,
            "(select count(f.value) from lad_2023.figure as f where f.place_code = place.place_code) as figure",
        )


def test_five_mean_does_not_skip_missing_figures() -> None:
    people = [cell("people", "A", 300.0), cell("people", "B", 100.0)]
    actual = placed([cell("rate", "A", 2.0), cell("rate", "B", None)], people)
    assert (actual["value"], actual["reason"]) == (None, "children_incomplete")


def test_six_wide_view_has_nulls_and_pivot_is_refused(built: Project, tmp_path: Path) -> None:
    with duckdb.connect(str(output_path(built.home, "commonground.duckdb")), read_only=True) as con:
        view = dict(con.sql("select place_code, figure from problem.a_problem").fetchall())
        gaps = {code for (code,) in con.sql("select place_code from gaps").fetchall()}
    assert {view[code] for code in MISSING} == {None} and view[NOUGHT] == 0.0
    assert len(view) == 361 and gaps == {code for code, value in view.items() if value is None}
    project = project_of(Case(None, MERTON, ROWS), tmp_path)
    path = project.catalogue.root / "pipelines" / "problems" / "a_problem.sql"
    head = path.read_text().split("select")[0]
    path.write_text(f"{head}pivot lad_2023.figure on period_start using sum(value)\n")
    with pytest.raises(CommongroundError, match="without PIVOT"):
        load_catalogue(project.catalogue.root).refuse_excluded_problems()


def test_seven_blank_is_not_zero_in_the_file_or_any_export(built: Project) -> None:
    table = list(csv.DictReader(io.StringIO(output_path(built.home, "a_problem.csv").read_text(encoding="utf-8"))))
    exported = {row["place_code"]: row["value"] for row in table}
    assert {exported[code] for code in MISSING} == {""} and float(exported[NOUGHT]) == 0
    result = {
        item["place_code"]: item
        for item in pl.read_parquet(output_path(built.home, "a_problem.cells.parquet")).to_dicts()
    }
    assert {result[code]["value"] for code in MISSING} == {None} and result[NOUGHT]["value"] == 0
    assert result[BLANK]["reason"] == "not_available"


@pytest.mark.parametrize("code", sorted(MISSING))
def test_seven_page_shows_a_reason_and_not_zero_for_a_gap(built: Project, code: str) -> None:
    with duckdb.connect(str(output_path(built.home, "commonground.duckdb")), read_only=True) as con:
        ((name,),) = con.sql(f"select place_name from cells where place_code = '{code}'").fetchall()
    html = output_path(built.home, "a_problem.html").read_text(encoding="utf-8")
    (row,) = [row for row in re.findall(r"<tr.*?</tr>", html, re.S) if re.search(rf">\s*{name}\s*<", row)][:1]
    cells = [re.sub(r"<[^>]*>", " ", item).strip() for item in re.findall(r"<td.*?</td>", row, re.S)]
    assert cells and not {"0", "0.0", "0.00"} & set(cells), cells


def test_place_with_a_true_zero_shows_it_in_every_output(built: Project) -> None:
    with duckdb.connect(str(output_path(built.home, "commonground.duckdb")), read_only=True) as con:
        rows = con.sql(f"select value, reason from cells where place_code = '{NOUGHT}'").fetchall()
    assert rows == [(0.0, None)]
