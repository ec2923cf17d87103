"""Bundled problems answered by an engine: the same cells, views and other tables as a build without one stores.

Two more are in tests/app/test_engine_build.py.
"""

from contextlib import nullcontext
from pathlib import Path

import pytest

from pipelines.core.store import read_table, state_path
from pipelines.declarations.fingerprints import ANSWER_TABLES
from pipelines.declarations.project import Project
from pipelines.gaps import answer_problem
from tests.engines import sail_address
from tests.placed_by_engine import count_engine_runs, find_differences, with_engine


@pytest.fixture
def unanswered(starter: Project, tmp_path: Path) -> Project:
    """The edition with its sources read and its problems not answered, in a folder of its own."""
    (tmp_path / "state").mkdir()
    for path in [*starter.home.iterdir(), *(starter.home / "state").iterdir()]:
        if path.name not in ("engine", "out", "state", *ANSWER_TABLES):
            (tmp_path / path.relative_to(starter.home)).symlink_to(path)
    return starter._replace(home=tmp_path)


@pytest.mark.parametrize("engine", ["duckdb", "sail"])
def test_engine_answers_a_problem_as_the_build_does(starter: Project, unanswered: Project, engine: str) -> None:
    runs = 0
    with sail_address() if engine == "sail" else nullcontext("duckdb") as address:
        there = with_engine(unanswered, address)
        for name in sorted(there.catalogue.problems):
            answer_problem(there, name)
            for kind in ANSWER_TABLES:
                stored, answered = (read_table(state_path(home, kind, name)) for home in (starter.home, there.home))
                assert find_differences(stored, answered) == [], f"{kind} of {name}"
            runs += count_engine_runs(there, there.catalogue.problems[name])
    assert runs > 40
