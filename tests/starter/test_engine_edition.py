"""Every bundled problem placed by an engine: the same figures, statuses, reasons and words as without one."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from pipelines.declarations.project import Project
from tests.engines import sail_address
from tests.placed_by_engine import KEY, LOST_KEY, count_engine_runs, find_differences, place, with_engine


@pytest.fixture
def linked(starter: Project, tmp_path: Path) -> Project:
    """The built edition, in a folder of its own for the files of an engine."""
    for path in starter.home.iterdir():
        if path.name not in ("engine", "out"):
            (tmp_path / path.name).symlink_to(path)
    return starter._replace(home=tmp_path)


@pytest.mark.parametrize("engine", ["duckdb", "sail"])
def test_engine_places_every_problem_as_the_build_does(linked: Project, engine: str) -> None:
    runs = 0
    with sail_address() if engine == "sail" else nullcontext("duckdb") as address:
        for name, problem in linked.catalogue.problems.items():
            there = with_engine(linked, address)
            (placed, _, lost), (placed_there, _, lost_there) = place(linked, problem), place(there, problem)
            assert find_differences(placed, placed_there, KEY) == [], name
            assert find_differences(lost, lost_there, LOST_KEY) == [], name
            runs += count_engine_runs(there, problem)
    assert runs > 30
