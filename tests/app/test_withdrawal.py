"""Private figures: every command first removes them from all outputs."""

import os
import re
import shlex
import shutil
import stat
import zipfile
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from rich.console import Console

from pipelines.app import assets, steps
from pipelines.app.build import build_problems, report_scenario
from pipelines.app.project_resource import ProjectResource, dagster_resources
from pipelines.app.withdrawal import withdraw_outputs
from pipelines.core.errors import CommongroundError
from pipelines.core.manifest import manifest_path
from pipelines.core.snapshots import read_log, snapshots_dir
from pipelines.core.store import TABLE_KEY_METADATA, list_state_files, output_path, read_table, state_path, table_key
from pipelines.core.table_cache import STREAM_SUFFIX, read_stream
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.fingerprints import compute_table_keys
from pipelines.declarations.project import Project
from pipelines.gaps.answer import answer_problem
from pipelines.gaps.plan import plan_requests
from pipelines.gaps.refusals import storing_refusal
from pipelines.outputs.letters import write_letters
from pipelines.outputs.publish import report_problem
from pipelines.outputs.site import publish_pages
from pipelines.outputs.warehouse_tables import publish_warehouse
from tests.breadth import cases, wide
from tests.command import run
from tests.gaps.test_cells import AS_OF, MERTON, Case, project_of, with_peers

SECRET = "7654321"
MARK = re.compile(rf"(?<!\d)({SECRET}|7,654,321)(?!\d)")
"""A figure like nothing else in an output, as programs and as people write it. A hash may have it among its digits."""
SOURCE = "period_kind: year\ngeography: lad_2023\ndata_owner: The keeper\n"
CASE = Case(None, "x", with_peers(f"{MERTON},x,2023,{SECRET}"), source=SOURCE)
OTHER = """/*
question: q
decision: d
owner: o
geography: lad_2023
grain: latest
needs: {unheld: {}}
*/
select place.place_code, unheld.value as unheld from lad_2023.place join lad_2023.unheld using (place_code)
"""
PLAN = f"""title: A plan
day: 2027-04-01
plan: https://example.org
geography: lad_2023
replaces: {MERTON}
new:
  - {{code: PLAN-NEW, name: New, districts: [{MERTON}]}}
"""


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with two problems and all kinds of output, from public sources."""
    tmp_path = tmp_path_factory.mktemp("built")
    project = project_of(CASE, tmp_path)
    source = project.catalogue.sources_dir / "a_source.yaml"
    source.write_text(source.read_text().replace("range: [0, 1000], ", ""))
    (project.catalogue.root / "pipelines" / "problems" / "other.sql").write_text(OTHER)
    project = project._replace(catalogue=load_catalogue(project.catalogue.root))
    steps.prepare_store(project)
    for name in project.catalogue.problems:
        answer_problem(project, name)
        report_problem(project, name)
    publish_warehouse(project)
    publish_pages(project)
    (tmp_path / "plan.yaml").write_text(PLAN)
    report_scenario(project, str(tmp_path / "plan.yaml"), ["a_problem"], Console(quiet=True))
    write_letters(project, plan_requests(project, None, None, None), output_path(project.home, "letters"))
    assert traces(project.home) >= SHOWN
    return tmp_path


@pytest.fixture
def built(once: Path, tmp_path: Path) -> Project:
    """Return a copy of the project for tests that change it."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return Project(load_catalogue(tmp_path / "project"), tmp_path / "store", AS_OF)


def hide(project: Project) -> Project:
    """Remove the release of the source from its declaration."""
    path = project.catalogue.sources_dir / "a_source.yaml"
    path.write_text(path.read_text() + "access: private\n")
    return project._replace(catalogue=load_catalogue(project.catalogue.root))


def traces(home: Path) -> set[str]:
    """List the outputs and tables that contain the figure."""
    files = [path for part in ("out", "state") for path in (home / part).rglob("*") if path.is_file()]
    return {str(path.relative_to(home)) for path in files if MARK.search(_text(path))}


def _text(path: Path) -> str:
    """Return all text of an output or a table."""
    if path.suffix == ".parquet":
        return str(duckdb.sql(f"select * from read_parquet('{path}')").fetchall())
    if path.suffix == STREAM_SUFFIX:
        return str([table.to_dicts() for table in read_stream(path)])
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as con:
            names = con.sql("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
            return str([con.sql(f"select * from {name}").fetchall() for (name,) in names])
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            return "".join(book.read(name).decode() for name in book.namelist())
    return path.read_text(encoding="utf-8")


SHOWN = {
    "out/commonground.duckdb", "out/scenario_plan_cells.csv", "out/scenario_plan_a_problem.csv",
    f"out/places/{MERTON}.html", "state/slice/a_source.parquet", "state/cell/a_problem.parquet",
    *(f"out/a_problem.{ending}" for ending in ("html", "csv", "cells.parquet", "view.parquet", "xlsx")),
}  # fmt: skip
COMMANDS = [
    "build other", "build", "refresh", "sql 'select * from cells'", "gaps other", "gaps",
    f"explain a_problem {MERTON} figure", "plan", "list sources", "list places", "snapshots",
    "revisions", "verify", "places Merton", "crosswalk lad_2021 lad_2023", "scenario PLAN",
    "add a_source PLAN --released 2024-05-02", "new local-source another",
]  # fmt: skip


@pytest.mark.parametrize("command", cases(COMMANDS[3::2], wide=COMMANDS))
def test_every_command_withdraws_the_figure_first(built: Project, tmp_path: Path, command: str) -> None:
    hide(built)
    words = [str(tmp_path / "plan.yaml") if word == "PLAN" else word for word in shlex.split(command)]
    done = run(*words, store=built.home, project=built.catalogue.root)
    assert SECRET not in done.stdout + done.stderr
    assert "withdrawn:" in done.stderr and "a_source" in done.stderr, done.stderr
    assert traces(built.home) == set()


def test_outputs_of_public_sources_stay(built: Project) -> None:
    project = hide(built)
    result = withdraw_outputs(project.catalogue, project.home)
    assert result and all("a_source" in line for line in result)
    there = {path.name for path in output_path(project.home, "").iterdir()}
    assert {"other.html", "other.csv"} <= there and "a_problem.html" not in there
    assert state_path(project.home, "cell", "other").is_file()
    assert withdraw_outputs(project.catalogue, project.home) == [], "once it is gone, there is nothing to tell"


def test_removed_or_restricted_source_is_not_public(built: Project) -> None:
    for name in ("a_source.yaml", "a_problem.sql"):
        next(built.catalogue.root.rglob(name)).unlink()
    project = built._replace(catalogue=load_catalogue(built.catalogue.root))
    assert withdraw_outputs(project.catalogue, project.home)
    assert traces(project.home) == set()


def test_changed_file_moves_to_a_private_folder(built: Project) -> None:
    path = output_path(built.home, "a_problem.csv")
    mine = path.read_bytes() + b"my remark\n"
    path.write_bytes(mine)
    project = hide(built)
    result = withdraw_outputs(project.catalogue, project.home)
    new = project.home / "withdrawn" / "a_problem.csv"
    assert new.read_bytes() == mine and any(str(new) in line for line in result)
    assert stat.S_IMODE(new.stat().st_mode) == 0o600 and stat.S_IMODE(new.parent.stat().st_mode) == 0o700
    assert traces(project.home) == set()


def test_command_stops_if_a_figure_cannot_be_withdrawn(built: Project) -> None:
    output_path(built.home, "a_problem.csv").write_bytes(SECRET.encode())
    (built.home / "withdrawn").write_text("no folder")
    hide(built)
    done = run("sql", "select 1", store=built.home, project=built.catalogue.root)
    assert done.returncode == 1 and "a_problem.csv" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_store_of_an_earlier_version_is_withdrawn(built: Project) -> None:
    manifest_path(built.home).unlink()
    for path in list_state_files(built.home):
        _forget(path)
    assert withdraw_outputs(built.catalogue, built.home) == []
    assert traces(built.home) >= SHOWN
    project = hide(built)
    withdraw_outputs(project.catalogue, project.home)
    assert traces(project.home) == set()


def _forget(path: Path) -> None:
    """Write a table in the format of an earlier version, which had only Parquet and recorded only the key."""
    key, when, table = table_key(path), path.stat(), read_table(path)
    path.unlink()
    earlier = path.with_suffix(".parquet")
    table.write_parquet(earlier, metadata={TABLE_KEY_METADATA: key or ""})
    os.utime(earlier, ns=(when.st_atime_ns, when.st_mtime_ns))


def test_private_snapshots_are_readable_by_the_owner_only(built: Project) -> None:
    names = {entry.source: entry.sha256 for entry in read_log(built.home)}
    path, other = (snapshots_dir(built.home) / names[name] for name in ("a_source", "ons_lad_register"))
    usual = stat.S_IMODE(other.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == usual
    project = hide(built)
    withdraw_outputs(project.catalogue, project.home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(other.stat().st_mode) == usual
    path.unlink()
    steps.prepare_store(project)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "also one that is stored when the source is private already"


def test_outputs_use_only_tables_of_this_build(built: Project) -> None:
    path = built.catalogue.root / "pipelines" / "problems" / "a_problem.sql"
    path.write_text(path.read_text().replace("question: q", "question: altered"))
    project = built._replace(catalogue=load_catalogue(built.catalogue.root))
    with pytest.raises(CommongroundError, match="a_problem: the tables in the store are from an earlier build"):
        report_problem(project, "a_problem")
    with duckdb.connect(str(publish_warehouse(project)), read_only=True) as con:
        assert con.sql("select distinct problem from cells").fetchall() == [("other",)]
        assert con.sql("select count(*) from duckdb_tables() where schema_name = 'problem'").fetchall() == [(1,)]
    publish_pages(project)
    pages = list(output_path(project.home, "places").glob("*.html"))
    assert len(pages) == 361 and not any("altered" in page.read_text(encoding="utf-8") for page in pages)


def test_refusal_that_quotes_a_figure_is_withdrawn_with_what_shows_it(built: Project) -> None:
    path = built.catalogue.root / "pipelines" / "problems" / "a_problem.sql"
    path.write_text(path.read_text().replace("question: q", "question: altered"))
    project = built._replace(catalogue=load_catalogue(built.catalogue.root))
    keys = compute_table_keys(project.catalogue, project.home, AS_OF)
    with pytest.raises(CommongroundError), storing_refusal(project, "a_problem", keys):
        raise CommongroundError(f"could not convert {SECRET}")
    publish_pages(project)
    publish_warehouse(project)
    shown = {"out/index.html", "out/commonground.duckdb", "state/refusal/a_problem.parquet"}
    assert shown <= traces(project.home)
    withdraw_outputs(hide(project).catalogue, project.home)
    assert not traces(project.home)


@wide
def test_build_of_one_problem_rebuilds_outdated_answers(built: Project) -> None:
    path = built.catalogue.root / "pipelines" / "problems" / "a_problem.sql"
    path.write_text(path.read_text().replace("question: q", "question: altered"))
    project = built._replace(catalogue=load_catalogue(built.catalogue.root))
    assert build_problems(project, ["other"], Console(quiet=True)) == []
    with duckdb.connect(str(output_path(project.home, "commonground.duckdb")), read_only=True) as con:
        assert con.sql("select distinct problem from cells order by 1").fetchall() == [("a_problem",), ("other",)]


def test_dagster_does_not_publish_a_newly_private_source(built: Project) -> None:
    place, warehouse = ProjectResource(built.home, AS_OF), assets._warehouse_asset(built.catalogue)
    hide(built)
    output_path(built.home, "commonground.duckdb").unlink()
    done = dg.materialize([warehouse], resources=dagster_resources(place), raise_on_error=False)
    assert not done.success
    assert not output_path(built.home, "commonground.duckdb").exists()
