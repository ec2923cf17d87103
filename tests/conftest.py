"""What many tests look at and none changes: the starter edition, built once, by the command itself."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.catalogue import load
from pipelines.steps import Project
from pipelines.store import out_path
from tests.test_cli import AS_OF, ROOT, run


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of all problems. Tests that use it are marked `xdist_group("starter")`: one worker builds it once."""
    home = tmp_path_factory.mktemp("starter") / "store"
    built = run("build", store=home)
    assert built.returncode == 0, built.stderr
    assert "jobs_recovery" in built.stdout and "not_collected" in built.stdout
    assert str(out_path(home, "commonground.duckdb")) in built.stdout
    return home


@pytest.fixture(scope="session")
def starter(store: Path) -> Project:
    """The project whose store that is."""
    return Project(load(ROOT), store, date.fromisoformat(AS_OF))
