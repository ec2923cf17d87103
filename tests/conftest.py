"""Shared fixtures: the starter edition and a small project, each built once for all workers."""

import gc
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from pipelines.core.store import output_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from tests.command import AS_OF, ROOT, run, run_apart
from tests.small import copied, small_project

gc.set_threshold(50_000, 20, 20)
"""Frames and declarations leave little garbage: collecting after each 700 objects takes a twentieth of the run."""


settings.register_profile("quick", max_examples=30, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=600, deadline=None)
# `make test` draws the same examples each time; `make test-deep SEED=7` draws twenty times as many by a seed.
settings.load_profile("quick")


COSTS = {"built_small": 5, "edition": 5, "own_store": 5, "small": 5, "starter": 5, "store": 5}
"""Cost of a test with a fixture of a project or a store, relative to a test that writes files; others cost nothing."""
DEAR_FILES = {
    "test_year.py": 100, "test_ui.py": 100, "test_inputs_that_kill.py": 150, "test_fingerprints.py": 50,
    "test_els_gaps.py": 80, "test_published.py": 80, "test_warehouse_update.py": 50, "test_figures_in_full.py": 50,
    "test_weighted.py": 50, "test_rules.py": 40, "test_earlier_store.py": 30, "test_withdrawal.py": 60,
}  # fmt: skip
"""Cost of other files with tests that compute or start processes for long, on the same scale."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that cost most first, so that workers end together: each file has one worker."""
    costs = {item.path: DEAR_FILES.get(item.path.name, 0) for item in items}
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        cost = max((COSTS.get(name, 0) for name in names), default=0) or int("tmp_path_factory" in names)
        costs[item.path] += cost
    items.sort(key=lambda item: -costs[item.path])


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
def own_store(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the tables of all sources, for projects with problems of their own."""
    return copied(store, tmp_path_factory.mktemp("own") / "store", "out", "cell", "view", "verdict")


@pytest.fixture(scope="session")
def built_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small project and its store, built by the command line, for tests that only read them."""
    return made_once(tmp_path_factory, "small", _build_small)


def _build_small(folder: Path) -> None:
    built = run("build", store=folder / "store", project=small_project(folder))
    assert built.returncode == 0, built.stderr


@pytest.fixture
def small(built_small: Path, tmp_path: Path) -> Project:
    """A copy of the small project and its store, for a test that changes them."""
    for name in ("project", "store"):
        copied(built_small / name, tmp_path / name)
    return Project(load_catalogue(tmp_path / "project"), tmp_path / "store", date.fromisoformat(AS_OF))
