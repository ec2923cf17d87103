"""Local contracts: drafted by a command, completed by a person, tested cell by cell, private until released."""

import csv
import io
import zipfile
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.app import steps
from pipelines.app.acquire import add_release
from pipelines.app.console import console
from pipelines.core.errors import DeclarationError, FetchError
from pipelines.core.snapshots import Snapshot, source_snapshots
from pipelines.core.store import state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.gaps.placing import read_denominators
from pipelines.observations.intake import inspect_file
from pipelines.outputs.freshness import report_files
from pipelines.outputs.publish import report_problem
from pipelines.outputs.warehouse_tables import publish_warehouse
from tests.breadth import wide
from tests.command import run
from tests.gaps.test_cells import AS_OF, MERTON, SUTTON, Case, project_of, with_peers
from tests.small import small_project

SECRET = "7654"
ROWS = with_peers(f"{MERTON},x,2023,{SECRET}")
PRIVATE = "period_kind: year\ngeography: lad_2023\naccess: private\ndata_owner: The keeper\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return small_project(tmp_path)


def test_contract_is_drafted_completed_tested_and_added(copy: Path, tmp_path: Path) -> None:
    home = tmp_path / "store"
    begun = run("new", "local-source", "rough_sleepers", store=home, project=copy)
    assert begun.returncode == 0, begun.stderr
    source = load_catalogue(copy).sources["rough_sleepers"]
    assert not source.is_public and source.measures["rough_sleepers"].kind == "index", (
        "what is not known is never moved"
    )
    example = copy / "sources" / "rough_sleepers.example.csv"
    rows = list(csv.reader(io.StringIO(example.read_text(encoding="utf-8"))))
    assert rows[0] == ["place_code", "place_name", "period", "value"]
    assert [row[-1] for row in rows[1:]] == ["12", "*", ".."]
    page = (copy / "sources" / "rough_sleepers.page.html").read_text(encoding="utf-8")
    assert "* for confidential" in page and rows[1][0] in page and "<script" not in page
    kept = run("add", "rough_sleepers", str(example), "--released", "2026-11-01", store=home, project=copy)
    assert kept.returncode == 0, kept.stderr
    assert "private: no output shows its figures" in kept.stdout


def test_existing_declaration_remains_and_its_page_is_rewritten(copy: Path, tmp_path: Path) -> None:
    run("new", "local-source", "rough_sleepers", "--period", "year", store=tmp_path, project=copy)
    path = copy / "sources" / "rough_sleepers.yaml"
    path.write_text(path.read_text().replace("TODO unit", "people & <dogs>"))
    again = run("new", "local-source", "rough_sleepers", store=tmp_path, project=copy)
    assert again.returncode == 0 and "people & <dogs>" in path.read_text()
    page = (copy / "sources" / "rough_sleepers.page.html").read_text(encoding="utf-8")
    assert "people &amp; &lt;dogs&gt;" in page and "{{" not in page
    assert "The figures are private" in page, "a source begun by `new local-source` is private"


def test_contract_can_be_weekly(copy: Path, tmp_path: Path) -> None:
    weekly = run("new", "local-source", "parcels_given", "--period", "week", store=tmp_path, project=copy)
    assert weekly.returncode == 0, weekly.stderr
    declared = load_catalogue(copy).sources["parcels_given"]
    assert (declared.cadence, declared.period_kind) == ("weekly", ("week",))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("Rough",), 3),
        (("claimant_rate",), 3),
        (("x", "--places", "wards_2023"), 2),
        (("x", "--places", "lad_2999"), 2),
        (("../x",), 3),
    ],
)
def test_invalid_contract_leaves_no_file(copy: Path, tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    before = sorted(copy.rglob("*"))
    done = run("new", "local-source", *words, store=tmp_path, project=copy)
    assert done.returncode == code and "Traceback" not in done.stderr
    assert sorted(copy.rglob("*")) == before
    load_catalogue(copy)


def returned(folder: Path, *rows: str) -> tuple[Project, Path]:
    project = project_of(Case(None, MERTON, ROWS, source=PRIVATE), folder)
    path = folder / "return.csv"
    path.write_text("\n".join(["code,name,period,figure", *rows]) + "\n", encoding="utf-8")
    return project, path


def test_each_unusable_cell_is_reported_for_correction(tmp_path: Path) -> None:
    rows = [
        f"{MERTON},Merton,2023,about ten", "E09000999,Suton,2023,5", f"{SUTTON},Sutton,23,5",
        "E08000038,Barnsley,2023,5", "E09000001,City,2023,2000", "E09000002,x,2023,1", "E09000002,x,2023,2",
        "E09000003,x,2023,c",
    ]  # fmt: skip
    project, path = returned(tmp_path, *rows)
    steps.prepare_store(project)
    stored = Snapshot("a_source", "", AS_OF, "", "", "", path.name, 0, "")
    result = inspect_file(project, path.read_bytes(), stored)
    assert result == [
        "row 2, column figure: found 'about ten', expected a number, one of 'c', 'z', or nothing",
        result[1],
        "row 4, column period: found '23', expected a year, as 2026",
        "row 5, column code: found 'E08000038', expected a code of lad_2023; a code of another vintage "
        "than lad_2023, in use from 1 April 2025",
        "row 6, column figure: found '2000', expected a figure from 0 to 1000",
        "row 7, column figure: found '1', expected one row for each place and period (2 rows of the file, 2 different "
        "figures)",
        "row 8, column figure: found '2', expected one row for each place and period (2 rows of the file, 2 different "
        "figures)",
    ]
    assert result[1].startswith("row 3, column code: found 'E09000999', expected a code of lad_2023; a London borough")
    assert "E09000029 Sutton" in result[1]
    with pytest.raises(FetchError, match="7 values in it cannot be used"):
        add_release(project, "a_source", path, AS_OF, console)
    assert not [item for item in source_snapshots(project.home, "a_source") if item.file == "return.csv"]
    add_release(project, "a_source", path, AS_OF, console, accept=True)
    assert [item.file for item in source_snapshots(project.home, "a_source")][-1] == "return.csv"


@pytest.mark.parametrize("text", ["code,name\nE09000024,Merton\n", "<html>", ""])
def test_unreadable_file_is_rejected_with_the_expected_form(tmp_path: Path, text: str) -> None:
    project, path = returned(tmp_path)
    path.write_text(text)
    with pytest.raises(FetchError, match="expected"):
        add_release(project, "a_source", path, AS_OF, console)


def outputs(project: Project) -> str:
    """Return everything that a build publishes."""
    steps.prepare_store(project)
    answering.answer_problem(project, "a_problem")
    report_problem(project, "a_problem")
    path = publish_warehouse(project)
    with duckdb.connect(str(path), read_only=True) as con:
        tables = [name for (name,) in con.sql("select table_name from information_schema.tables").fetchall()]
        names = [f"problem.{name}" if name == "a_problem" else name for name in tables]
        dumped = [str(con.sql(f"select * from {name}").fetchall()) for name in names]
    return "\n".join([*(_read(file) for file in report_files(project, "a_problem")), *dumped])


def _read(file: Path) -> str:
    """Return all text of an output, and of the packed parts of a workbook."""
    if file.suffix == ".parquet":
        return str(pl.read_parquet(file).to_dicts())
    if file.suffix != ".xlsx":
        return file.read_text(encoding="utf-8")
    with zipfile.ZipFile(file) as book:
        return "\n".join(book.read(name).decode("utf-8") for name in book.namelist())


def test_private_figures_are_in_no_output_and_their_cells_have_a_reason(tmp_path: Path) -> None:
    project = project_of(Case(None, MERTON, ROWS, source=PRIVATE), tmp_path)
    project = _with_range(project)
    result = outputs(project)
    assert SECRET not in result and "2024-05-01.csv" not in result
    cells = pl.read_parquet(state_path(project.home, "cell", "a_problem"))
    assert cells.select("value", "reason", "evidence", "data_owner").unique().rows() == [
        (None, "not_open", "a_source is private; its data owner has not released its figures", "The keeper")
    ]


def _with_range(project: Project) -> Project:
    path = project.catalogue.sources_dir / "a_source.yaml"
    path.write_text(path.read_text().replace("range: [0, 1000], ", ""))
    return project._replace(catalogue=load_catalogue(project.catalogue.root))


@wide
def test_figures_that_become_private_are_removed_from_outputs(tmp_path: Path) -> None:
    case = Case(None, MERTON, ROWS, source=PRIVATE.replace("access: private\n", ""))
    project = _with_range(project_of(case, tmp_path))
    assert SECRET in outputs(project)
    path = project.catalogue.sources_dir / "a_source.yaml"
    path.write_text(path.read_text() + "access: private\n")
    again = project._replace(catalogue=load_catalogue(project.catalogue.root))
    assert SECRET not in outputs(again)
    kept = b"".join(file.read_bytes() for file in (project.home / "out").iterdir())
    assert SECRET.encode() not in kept
    assert not list((project.home / "state").rglob("a_source/*"))
    assert not list((project.home / "state").rglob("a_source.*"))


def test_private_denominator_is_not_used_as_a_weight(tmp_path: Path) -> None:
    project = project_of(Case(None, MERTON, ROWS, source=PRIVATE), tmp_path)
    steps.prepare_store(project)
    assert read_denominators(project, project.catalogue.sources["a_source"]).is_empty()
    assert project.catalogue.observation_sources() == {}


@pytest.mark.parametrize("text", ["access: private\nprovides: boundary\n"])
def test_private_applies_only_to_stored_figures(tmp_path: Path, text: str) -> None:
    with pytest.raises(DeclarationError, match="private"):
        project_of(Case(None, MERTON, ROWS, source=f"period_kind: year\ngeography: lad_2023\n{text}"), tmp_path)
