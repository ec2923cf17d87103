"""Shared fixtures: the starter edition and a small project, each built once for all workers."""

import gc
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from pipelines.app.steps import prepare_store
from pipelines.core.store import output_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from tests.breadth import wide
from tests.command import AS_OF, ROOT, run, run_apart
from tests.small import copied, furlough_project, small_project

gc.set_threshold(50_000, 20, 20)
"""Frames and declarations leave little garbage: collecting after each 700 objects takes a twentieth of the run."""


settings.register_profile("quick", max_examples=30, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=600, deadline=None)
# `make test` draws the same examples each time; `make test-deep SEED=7` draws twenty times as many by a seed.
settings.load_profile("quick")


STORES = {
    "small": 2.0, "furlough": 1.0, "own_store": 0.4, "built_small": 0.2, "edition": 0.1, "starter": 0.1, "store": 0.1,
}  # fmt: skip
"""Processor seconds of a test with a fixture of a store, where its file is not listed."""
DEAR_FILES = {
    "starter/test_edition.py": 102, "app/test_new_release.py": 69, "app/test_year.py": 64,
    "road/test_inputs_that_kill.py": 56, "app/test_definitions.py": 35, "outputs/test_warehouse_update.py": 29,
    "app/test_cli.py": 29, "app/test_withdrawal.py": 27, "app/test_repeated_build.py": 27,
    "outputs/test_warehouse_tables.py": 26, "app/test_engine_build.py": 24, "app/test_ledger_repair.py": 19,
    "observations/test_draft.py": 18, "app/test_bucket_store.py": 17, "gaps/test_scenario.py": 17,
    "browser/test_accessibility.py": 17, "outputs/test_partitioned_tables.py": 16, "gaps/test_answer.py": 16,
    "observations/test_draft_measures.py": 16, "browser/test_firefox.py": 15, "starter/test_golden.py": 15,
    "app/test_next_day.py": 14, "browser/test_axe.py": 13, "gaps/test_cells.py": 13, "app/test_parallel.py": 13,
    "browser/test_search.py": 12, "app/test_validation.py": 12, "geography/test_small_areas.py": 12,
    "checks/test_seeded_faults.py": 12, "observations/test_slice_store_kills.py": 12, "app/test_places.py": 12,
    "road/test_earlier_store.py": 11, "observations/test_values.py": 11, "geography/test_sites.py": 11,
    "apportionment/test_weighted_rules.py": 10, "starter/test_els_gaps.py": 10,
    "observations/test_local_contract.py": 10, "road/test_walk.py": 10, "declarations/test_corrections.py": 9,
    "browser/test_answer_page.py": 9, "checks/test_figures_in_full.py": 9, "app/test_place_lookup.py": 9,
    "road/test_bad_input.py": 9, "gaps/test_refine.py": 8, "gaps/test_cell_blocks.py": 8,
    "browser/test_report_page.py": 8, "app/test_build_events.py": 8, "outputs/test_validators.py": 8,
    "declarations/test_fingerprints.py": 8, "outputs/test_report.py": 8, "apportionment/test_weighted.py": 7,
    "starter/test_engine_edition.py": 7, "browser/test_trend_chart.py": 7, "observations/test_ingest.py": 7,
    "app/test_new_problem.py": 6, "checks/test_rules.py": 6, "gaps/test_placing.py": 6, "outputs/test_site.py": 6,
    "geography/test_systems.py": 6, "gaps/test_ledger.py": 6, "app/test_imports.py": 6, "test_words.py": 6,
    "starter/test_published_moves.py": 6, "starter/test_published_areas.py": 6, "outputs/test_small_areas.py": 6,
    "app/test_undeclared_columns.py": 5, "geography/test_catchments.py": 5, "observations/test_reconciliation.py": 5,
    "readers/test_csv.py": 4, "starter/test_aggregation.py": 4, "app/test_refresh.py": 4,
    "geography/test_public_cases.py": 4,
}  # fmt: skip
"""Processor seconds of the files with the longest tests, measured once: they only decide which file begins first.

Files that wait for a browser or for a time-out count more.
"""
AHEAD = 10
"""Files that cost as much and need no edition begin while another worker builds it."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the whole edition, and those in a browser, as wide: before tests are chosen by their marks."""
    for item in items:
        if "store" in getattr(item, "fixturenames", ()) or item.get_closest_marker("browser"):
            item.add_marker(wide)


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def pytest_order_files(items: list[pytest.Item]) -> None:
    """Put the files that cost most first, so that workers end together: each file has one worker.

    The first file builds the edition. The other workers do not wait for it: they begin with files that need none.
    """
    costs, waiting = dict.fromkeys((item.path for item in items), 0.0), set()
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        costs[item.path] += max((STORES.get(name, 0) for name in names), default=0) or 0.02
        if "store" in names:
            waiting.add(item.path)
    costs = {path: DEAR_FILES.get(f"{path.parent.name}/{path.name}", cost) for path, cost in costs.items()}
    # Equal costs are ordered by path: all workers must collect in one order.
    first = max(waiting, key=lambda path: (costs[path], str(path)), default=None)
    order = {path: (path != first, path in waiting or cost < AHEAD, -cost, str(path)) for path, cost in costs.items()}
    items.sort(key=lambda item: order[item.path])


@pytest.fixture(scope="session", autouse=True)
def _unsynced() -> Iterator[None]:
    """Leave it to the system when a file reaches the disk.

    A file is complete for each process at once. Only after a loss of power does it matter, which no test can make.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: None)
        yield


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a read-only folder for tests; the first of several workers builds it for all."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (whole := folder / "whole").is_file():
            make(folder)
            whole.touch()
    return folder


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of all problems, built by the command line."""
    return made_once(tmp_path_factory, "starter", _build_edition) / "store"


def _build_edition(folder: Path) -> None:
    home = folder / "store"
    built = run_apart("build", store=home)
    assert built.returncode == 0, built.stderr
    assert "jobs_recovery" in built.stdout and "not_collected" in built.stdout
    assert str(output_path(home, "commonground.duckdb")) in built.stdout


@pytest.fixture(scope="session")
def starter(store: Path) -> Project:
    """The project of that store."""
    return Project(load_catalogue(ROOT), store, date.fromisoformat(AS_OF))


@pytest.fixture(scope="session")
def edition(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The starter edition with its tables and no outputs; tables that tests of this worker build stay in its store."""
    home = copied(store, tmp_path_factory.mktemp("edition") / "store", "out")
    return Project(load_catalogue(ROOT), home, date.fromisoformat(AS_OF))


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The starter project with its files stored and no source read; tables that tests of this worker build stay."""
    project = Project(load_catalogue(ROOT), tmp_path_factory.mktemp("bundled"), date.fromisoformat(AS_OF))
    prepare_store(project)
    return project


@pytest.fixture(scope="session")
def own_store(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the tables of all sources, for projects with problems of their own."""
    return copied(store, tmp_path_factory.mktemp("own") / "store", "out", "cell", "view", "verdict")


@pytest.fixture(scope="session")
def built_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small project and its store, built by the command line, for tests that only read them."""
    return made_once(tmp_path_factory, "small", lambda folder: _build(folder, small_project))


@pytest.fixture(scope="session")
def built_furlough(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project of one problem about three boroughs and its store, for tests that only read them."""
    return made_once(tmp_path_factory, "furlough", lambda folder: _build(folder, furlough_project))


def _build(folder: Path, write: Callable[[Path], Path]) -> None:
    built = run("build", store=folder / "store", project=write(folder))
    assert built.returncode == 0, built.stderr


@pytest.fixture
def small(built_small: Path, tmp_path: Path) -> Project:
    """A copy of the small project and its store, for a test that changes them."""
    return _copied_project(built_small, tmp_path)


@pytest.fixture
def furlough(built_furlough: Path, tmp_path: Path) -> Project:
    """A copy of the project of three boroughs and its store, for a test that changes them."""
    return _copied_project(built_furlough, tmp_path)


def _copied_project(built: Path, folder: Path) -> Project:
    for name in ("project", "store"):
        copied(built / name, folder / name)
    return Project(load_catalogue(folder / "project"), folder / "store", date.fromisoformat(AS_OF))
