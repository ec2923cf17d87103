"""Builds from the same tables: one file has their last day, and no gap is written again."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.core.clock import clock_at
from pipelines.core.store import hash_file, state_path, write_table
from pipelines.declarations.project import Project
from pipelines.gaps.ledger import add_build, ledger_as_at
from pipelines.gaps.ledger_load import (
    forget_last_day,
    ledger_path,
    read_last_days,
    read_ledger,
    record_repeated_builds,
    write_ledger,
)
from tests.gaps.plain import catalogue_of
from tests.gaps.test_ledger import DAY, cells, ledger_by_place, story


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A store with one build of problem p, of the first day."""
    write_table(state_path(tmp_path, "cell", "p"), cells(a="late", b=None), "k")
    write_ledger(tmp_path, "p", story(cells(a="late", b=None)), "k")
    return tmp_path


def repeat(home: Path, day: date, *problems: str) -> None:
    record_repeated_builds(Project(catalogue_of(), home, day), problems or ["p"])


def test_repeated_build_moves_last_seen_without_writing_the_ledger(recorded: Path) -> None:
    before = hash_file(ledger_path(recorded, "p"))
    repeat(recorded, DAY[4])
    assert hash_file(ledger_path(recorded, "p")) == before
    ledger = read_ledger(recorded, "p")
    assert ledger.builds.select("build", "day", "last_day").rows() == [(1, DAY[0], DAY[4])]
    assert ledger_by_place(ledger)["a"]["last_seen"] == DAY[4] and ledger_by_place(ledger)["a"]["first_seen"] == DAY[0]
    assert ledger_by_place(ledger_as_at(ledger, DAY[2]))["a"]["last_seen"] == DAY[2]


def test_gap_that_closes_was_last_seen_in_the_repeated_build(recorded: Path) -> None:
    repeat(recorded, DAY[3])
    write_ledger(recorded, "p", add_build(read_ledger(recorded, "p"), cells(a=None, b=None), DAY[5], "n"), "n")
    forget_last_day(recorded, "p")
    ledger = read_ledger(recorded, "p")
    assert read_last_days(recorded) == {} and ledger.builds["last_day"].to_list() == [DAY[3], DAY[5]]
    assert [ledger_by_place(ledger)["a"][name] for name in ("last_seen", "closed")] == [DAY[3], DAY[5]]


def test_last_day_moves_back_only_from_the_future(recorded: Path) -> None:
    repeat(recorded, DAY[5])
    repeat(recorded, DAY[3])
    assert read_last_days(recorded) == {"p": DAY[5]}
    with clock_at(datetime(2026, 1, 4, tzinfo=UTC)):
        repeat(recorded, DAY[3])
    assert read_last_days(recorded) == {"p": DAY[3]}


def test_other_tables_and_unknown_problems_are_not_recorded(recorded: Path) -> None:
    repeat(recorded, DAY[0])
    repeat(recorded, DAY[4], "another")
    write_table(state_path(recorded, "cell", "p"), cells(a=None), "other")
    repeat(recorded, DAY[4])
    assert read_last_days(recorded) == {}


def test_damaged_file_of_last_days_loses_no_gap(recorded: Path) -> None:
    (recorded / "ledger" / "days.json").write_text("{")
    assert read_ledger(recorded, "p").builds["last_day"].to_list() == [DAY[0]]
    repeat(recorded, DAY[4])
    assert json.loads((recorded / "ledger" / "days.json").read_text()) == {"p": DAY[4].isoformat()}
