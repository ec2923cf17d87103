"""What many tests look at and none changes: the starter edition, built once, by the command itself."""

import os
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock

from pipelines.core.store import out_path
from pipelines.declarations.catalogue import load
from pipelines.declarations.project import Project
from tests.app.test_cli import AS_OF, ROOT, run


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of all problems. Of several workers the first that needs it builds it for all."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "starter" / "store"
    home.parent.mkdir(exist_ok=True)
    with FileLock(home.parent / "lock"):
        if not (built_whole := home.parent / "built").is_file():
            built = run("build", store=home)
            assert built.returncode == 0, built.stderr
            assert "jobs_recovery" in built.stdout and "not_collected" in built.stdout
            assert str(out_path(home, "commonground.duckdb")) in built.stdout
            built_whole.touch()
    return home


@pytest.fixture(scope="session")
def starter(store: Path) -> Project:
    """The project whose store that is."""
    return Project(load(ROOT), store, date.fromisoformat(AS_OF))
