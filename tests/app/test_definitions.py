"""Dagster: definitions come from the declarations, and a run gives the same outputs as the command."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from itertools import permutations
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from checks import Runner
from pipelines.app import build as building
from pipelines.app import build_checks, check_results
from pipelines.app.assets import WAREHOUSE_KEY, answer_key, observation_key, snapshot_key
from pipelines.app.build import build_problems
from pipelines.app.build_checks import StepCallback, check_tables
from pipelines.app.check_results import CheckResult
from pipelines.app.checked_tables import CheckedTable
from pipelines.app.definitions import define_project
from pipelines.app.outcome import BuildOutcome
from pipelines.app.place_lookup import read_stored_lookup
from pipelines.core.schema import PLACE_COLUMNS, table_from_records
from pipelines.core.store import read_table
from pipelines.declarations.catalogue import Catalogue, load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps.ledger_load import read_last_build
from pipelines.geography.register import find_overlapping_codes
from pipelines.outputs.freshness import FILE_ENDINGS
from pipelines.outputs.publish import TABLE_ENDINGS
from tests.breadth import wide
from tests.small import small_project

QUIET = Console(quiet=True)
ROOT = Path(__file__).resolve().parent.parent.parent
AS_OF = date(2026, 11, 24)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT)


@pytest.fixture(scope="module")
def defs(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return define_project(catalogue, tmp_path_factory.mktemp("store"), AS_OF)


def test_every_source_and_problem_is_an_asset(catalogue: Catalogue, defs: dg.Definitions) -> None:
    keys = {key for asset in defs.resolve_all_asset_specs() for key in [asset.key]}
    expected = {observation_key(name) for name in catalogue.observation_sources()}
    expected |= {answer_key(name) for name in catalogue.problems} | {WAREHOUSE_KEY}
    expected |= {dg.AssetKey(["report", name]) for name in catalogue.problems}
    assert expected <= keys
    assert {snapshot_key(name) for name in catalogue.open_sources()} <= keys


def test_dependencies_of_a_problem_come_from_its_sql(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    parents = {key.path[-1] for key in graph.get(answer_key("jobs_recovery")).parent_keys}
    assert parents == {"register", "ons_residents_16_64", "ons_claimant_rate", "dwp_uc_households", "hmrc_furlough"}


def test_assets_have_descriptions_and_owners(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.group_name != "default", spec.key
        assert spec.kinds, spec.key
    by_key = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    assert by_key[answer_key("jobs_recovery")].owners
    assert "page" in by_key[observation_key("ons_claimant_rate")].metadata


def test_every_check_is_blocking(catalogue: Catalogue, defs: dg.Definitions) -> None:
    specs = [spec for asset in defs.assets or [] for spec in getattr(asset, "check_specs", [])]
    observing, problems = len(catalogue.observation_sources()), len(catalogue.problems)
    assert len(specs) == 11 * observing + 6 * problems + 1
    assert all(spec.blocking and spec.description for spec in specs)


def test_schedules_run_on_london_time_from_the_start(catalogue: Catalogue, defs: dg.Definitions) -> None:
    schedules = {schedule.name: schedule for schedule in defs.schedules or []}
    assert "build_every_morning" in schedules
    roads = catalogue.refreshable_sources()
    wanted = {f"refresh_{name}_{source.cadence}" for name, source in roads.items() if source.has_proven_road}
    assert 0 < len(wanted) <= len(roads) < len(catalogue.open_sources())
    assert set(schedules) == wanted | {"build_every_morning"}
    for schedule in schedules.values():
        assert schedule.execution_timezone == "Europe/London"
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


@pytest.mark.parametrize(
    ("resource", "key"), [("place", "home"), ("place", "as_of"), ("io_manager", "base_dir")], ids=str
)
def test_launch_cannot_set_a_path(tmp_path: Path, resource: str, key: str) -> None:
    copy, elsewhere = small_project(tmp_path), tmp_path / "elsewhere"
    kept = elsewhere / "out" / "analysis.sql"
    kept.parent.mkdir(parents=True)
    kept.write_text("select 1")
    job = define_project(load_catalogue(copy), tmp_path / "store").resolve_job_def("build")
    with pytest.raises(dg.DagsterInvalidConfigError, match="Received unexpected config entr"):
        job.execute_in_process(run_config={"resources": {resource: {"config": {key: str(elsewhere)}}}})
    assert [path for path in elsewhere.rglob("*") if path.is_file()] == [kept] and kept.read_text() == "select 1"
    assert not (tmp_path / "store").exists()


def _run_in_a_location(project: Path, folder: Path) -> None:
    """Start the job in its own code location, as the web UI does."""
    surroundings = {
        **os.environ,
        "DAGSTER_HOME": str(folder / "dagster"),
        "COMMONGROUND_PROJECT": str(project),
        "COMMONGROUND_STORE": str(folder / "one"),
        "COMMONGROUND_AS_OF": AS_OF.isoformat(),
    }
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pipelines.app.definitions", "-j", "build"]
    done = subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True)
    assert "RUN_SUCCESS" in done.stderr, done.stderr[-3000:]


def _run_in_this_process(project: Path, folder: Path) -> None:
    job = define_project(load_catalogue(project), folder / "one", AS_OF).resolve_job_def("build")
    assert job.execute_in_process().success


@wide
@pytest.mark.parametrize("run_job", [_run_in_this_process, _run_in_a_location])
def test_dagster_run_gives_the_same_outputs_as_the_command(
    built_furlough: Path, tmp_path: Path, run_job: Callable[[Path, Path], None]
) -> None:
    home = built_furlough / "store"
    run_job(built_furlough / "project", tmp_path)
    for kind in ("cell", "view", "slice", "values/*", "finding"):
        made = sorted((tmp_path / "one" / "state").glob(f"{kind}/*"))
        assert made
        for path in made:
            assert read_table(path).equals(read_table(home / path.relative_to(tmp_path / "one"))), path
    outputs = sorted((home / "out").glob("*.*"))
    assert len(outputs) > 5
    for path in outputs:
        if path.suffix != ".duckdb":
            assert path.read_bytes() == (tmp_path / "one" / "out" / path.name).read_bytes(), path
    # The next command reads neither the declarations nor the tables of places from files again.
    assert read_stored_lookup(tmp_path / "one", load_catalogue(built_furlough / "project").contents, AS_OF)


@wide
def test_failing_problem_keeps_its_last_answer_and_others_continue(small: Project) -> None:
    copy, home = small.catalogue.root, small.home
    before = read_table(home / "state" / "cell" / "jobs_recovery.parquet")
    path = copy / "pipelines" / "problems" / "jobs_recovery.sql"
    path.write_text(path.read_text().replace("place.region,", "place.no_such_column,"))
    faults = build_problems(Project(load_catalogue(copy), home, AS_OF), [], QUIET)
    assert any("no_such_column" in fault for fault in faults)
    assert read_table(home / "state" / "cell" / "jobs_recovery.parquet").equals(before)
    assert (home / "out" / "commonground.duckdb").is_file()


@pytest.mark.parametrize(
    ("step", "broken", "answered"),
    [
        ("check_source", "hmrc_furlough", ()),
        ("check_source", "ons_lad_register", ("jobs_recovery", "jobs_south_london")),
        ("check_answer", "jobs_recovery", ("jobs_south_london",)),
    ],
    ids=str,
)
def test_fault_stops_only_what_rests_on_it(
    small: Project, monkeypatch: pytest.MonkeyPatch, step: str, broken: str, answered: tuple[str, ...]
) -> None:
    check = getattr(build_checks, step)

    def refuse(project: Project, name: str, runner: Runner) -> CheckedTable:
        if name == broken:
            raise OSError("the disk is full")
        return check(project, name, runner)

    monkeypatch.setattr(build_checks, step, refuse)
    sources = [broken] if step == "check_source" else []
    outcome = check_tables(small, sources, ["jobs_recovery", "jobs_south_london"], lambda _: None)
    assert outcome == BuildOutcome([f"{broken}: the disk is full"], frozenset(answered), True)


def edit_problems(root: Path) -> None:
    """Change the text of every problem, and not its meaning, so that a build answers them again."""
    for path in (root / "pipelines" / "problems").glob("*.sql"):
        path.write_text(path.read_text().replace("/*", "/*\n# edited", 1))


@wide
def test_only_stale_tables_are_checked(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def check_stale(project: Project, sources: list[str], problems: list[str], on_step: StepCallback) -> BuildOutcome:
        ran.append([*sources, *problems])
        return check_tables(project, sources, problems, on_step)

    monkeypatch.setattr(build_checks, "check_tables", check_stale)
    path = small.catalogue.root / "pipelines" / "problems" / "jobs_recovery.sql"
    path.write_text(path.read_text().replace("/*", "/*\n# edited", 1))
    assert build_problems(small._replace(catalogue=load_catalogue(small.catalogue.root)), [], QUIET) == []
    assert ran == [["jobs_recovery"]]
    assert build_problems(small._replace(catalogue=load_catalogue(small.catalogue.root)), [], QUIET) == []
    assert len(ran) == 1


@wide
def test_table_with_an_error_is_not_published(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, home = small.catalogue.root, small.home
    edit_problems(copy)
    published = {path: path.read_bytes() for path in (home / "out").rglob("*") if path.is_file()}
    twice = check_results.problem_results

    def broken(cells: pl.DataFrame) -> list[CheckResult]:
        first = cells.head(1).filter(pl.col("problem") == "jobs_recovery")
        return twice(pl.concat([cells, first]))

    monkeypatch.setattr(check_results, "problem_results", broken)
    faults = build_problems(Project(load_catalogue(copy), home, date(2026, 12, 24)), [], QUIET)
    assert any("every_cell_once" in fault for fault in faults), faults
    assert read_last_build(home, "jobs_recovery") == (1, AS_OF)
    assert read_last_build(home, "jobs_south_london") == (2, date(2026, 12, 24))
    changed = {path.name for path, content in published.items() if path.read_bytes() != content}
    assert changed and changed <= {f"jobs_south_london.{ending}" for ending in (*FILE_ENDINGS, *TABLE_ENDINGS)}


def test_register_with_duplicates_stops_the_build(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, home = small.catalogue.root, small.home
    edit_problems(copy)
    kept = {path: path.read_bytes() for part in ("out", "ledger") for path in (home / part).rglob("*.*")}
    cells = read_table(home / "state" / "cell" / "jobs_recovery.parquet")
    for module in (check_results, building):
        monkeypatch.setattr(module, "find_overlapping_codes", lambda _: ["E09000024"])
    faults = build_problems(Project(load_catalogue(copy), home, date(2026, 12, 24)), [], QUIET)
    assert any("sound" in fault for fault in faults), faults
    assert {path: path.read_bytes() for path in kept} == kept
    assert read_table(home / "state" / "cell" / "jobs_recovery.parquet").equals(cells)


def test_code_with_overlapping_periods_is_reported() -> None:
    span = {"place_code": "E09000024", "valid_from": date(2009, 1, 1), "valid_to": None}
    other = {"place_code": "E09000029", "valid_from": date(2009, 1, 1), "valid_to": date(2011, 3, 31)}
    sound = table_from_records(
        [span, other, {**other, "valid_from": date(2011, 4, 1), "valid_to": None}], PLACE_COLUMNS
    )
    assert find_overlapping_codes(sound) == []
    assert find_overlapping_codes(pl.concat([sound, sound.head(1)])) == ["E09000024"]


def test_empty_period_of_use_overlaps_nothing_in_any_row_order() -> None:
    spans = [(date(2022, 1, 1), date(2022, 12, 31)), (date(2022, 1, 1), date(2021, 12, 31)), (date(2023, 1, 1), None)]
    rows = [{"place_code": "E05014284", "valid_from": first, "valid_to": last} for first, last in spans]
    schema = {name: PLACE_COLUMNS[name].dtype for name in ("place_code", "valid_from", "valid_to")}
    for item in permutations(rows):
        assert find_overlapping_codes(pl.DataFrame(item, schema=schema)) == []
    longer = [*rows, {"place_code": "E05014284", "valid_from": date(2021, 1, 1), "valid_to": date(2023, 6, 30)}]
    for item in permutations(longer):
        assert set(find_overlapping_codes(pl.DataFrame(item, schema=schema))) == {"E05014284"}
