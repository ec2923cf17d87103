"""Gaps of draft declarations: dropped where the next declaration closes them on the same files, and only there."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.schema import table_from_records
from pipelines.gaps.ledger_drafts import DeclarationHashes, drop_drafts
from pipelines.gaps.sightings import SIGHTING

CLOSED = "answered"
States = dict[int, str | None]
"""Reason of a gap at each build that saw another; null where it is closed."""


def day_of(build: int) -> date:
    return date(2026, 1, build)


def builds_of(*declared: DeclarationHashes | None, measure: str = "m") -> list[Any]:
    """Make a build a day, each with the declaration and the files of one measure, or without the measure."""
    return [(n, day_of(n), {measure: hashes} if hashes else {}) for n, hashes in enumerate(declared, 1)]


def sightings_of(states: States, gap: str = "g", measure: str = "m", closure: str = CLOSED) -> list[dict[str, Any]]:
    return [
        {"gap_id": gap, "build": build, "measure": measure, "reason": reason, "place_name": f"{gap} at {build}",
         "closure_reason": None if reason else closure}
        for build, reason in states.items()
    ]  # fmt: skip


def drop(rows: list[dict[str, Any]], builds: list[Any]) -> pl.DataFrame:
    table = table_from_records(rows, SIGHTING)
    actual = drop_drafts(table, builds)
    assert drop_drafts(table.reverse(), builds).equals(actual) and actual.schema == table.schema
    return actual


def history(states: States, *declared: DeclarationHashes | None, closure: str = CLOSED) -> list[tuple[Any, ...]]:
    """Return build and reason of each sighting of one gap that stays, and how it was closed."""
    actual = drop(sightings_of(states, closure=closure), builds_of(*declared))
    return [
        (build, reason or closed) for build, reason, closed in actual.select("build", "reason", "closure_reason").rows()
    ]


A, B, C = ("a", "1"), ("b", "1"), ("c", "1")
A2, B2, C2 = ("a", "2"), ("b", "2"), ("c", "2")


@pytest.mark.parametrize("declared", [(A, B), (None, A, B), (A, A, B), (A, B, C)])
def test_gap_of_the_first_declaration_is_dropped_where_the_next_closes_it(declared: tuple[Any, ...]) -> None:
    first = next(n for n, hashes in enumerate(declared, 1) if hashes)
    assert history({first: "late", len(declared): None}, *declared) == []


def test_gap_that_a_file_closes_was_one() -> None:
    assert history({1: "late", 2: None}, A, A2) == [(1, "late"), (2, "answered")]
    assert history({1: "late", 2: None}, A, B2) == [(1, "late"), (2, "answered")], "a file and a declaration"
    assert history({1: "late", 2: None}, A, B2, C2) == [(1, "late"), (2, "answered")]
    assert history({1: "late", 3: None}, A, B, B2) == [(1, "late"), (3, "answered")]


def test_gap_between_files_is_no_draft_though_a_declaration_closes_it() -> None:
    """The first declaration opened it on other files; the record says that a declaration closed it."""
    assert history({1: "late", 3: None}, A, A2, B2) == [(1, "late"), (3, "declared_otherwise")]
    assert history({2: "late", 3: None}, A, A2, B2) == [(2, "late"), (3, "declared_otherwise")]
    assert history({2: "late", 3: None}, A, A, B) == [(2, "late"), (3, "declared_otherwise")], "the date opened it"
    other = history({2: "late", 3: None}, A, A2, B2, closure="no_longer_asked")
    assert other == [(2, "late"), (3, "no_longer_asked")]


def test_gap_that_the_date_closes_stays() -> None:
    assert history({2: "late", 3: None}, A, B, B) == [(2, "late"), (3, "answered")]


def test_gap_of_a_later_draft_is_dropped_with_its_closing() -> None:
    assert history({2: "late", 3: None}, A, B, C) == []
    assert history({1: None, 2: "late", 3: None}, A, B, C)[1:] == []


def test_measure_that_was_away_begins_again() -> None:
    """A declaration after a build without the measure corrects none before it."""
    assert history({1: "late", 3: None}, A, None, B, C) == [(1, "late"), (3, "answered")]
    assert history({3: "late", 4: None}, A, None, B, C) == []
    assert history({1: "late", 2: None}, A, None, B, C) == [(1, "late"), (2, "answered")]
    assert history({1: "late", 4: None}, A, None, B2, C2) == []


def test_corrected_reason_applies_since_the_draft_began() -> None:
    assert history({1: "late", 2: "split"}, A, B) == [(1, "split")]
    assert history({1: "late", 2: "split", 3: "stale"}, A, B, C) == [(1, "stale")]
    assert history({2: "late", 3: "split"}, A, A2, B2) == [(2, "late"), (3, "split")]


def test_draft_between_two_states_leaves_the_states() -> None:
    """A file opens the gap in build 2; build 3 drafts another reason, or closes it, and build 4 corrects that."""
    declared = (A, A2, B2, C2)
    assert history({2: "late", 3: "split", 4: "late"}, *declared) == [(2, "late")]
    assert history({2: "late", 3: None, 4: "late"}, *declared) == [(2, "late")]
    assert history({2: "late", 3: "split", 4: "stale"}, *declared) == [(2, "late"), (4, "stale")]
    assert history({2: "late", 3: "split", 4: None}, *declared) == [(2, "late"), (4, "declared_otherwise")]


def test_other_gaps_and_measures_are_whole_and_in_order() -> None:
    """A measure without a corrected declaration keeps its rows; rows are sorted by gap and build."""
    rows = [
        *sightings_of({1: "late", 2: None}, "z"), *sightings_of({1: "late", 2: None}, "y", "other"),
        *sightings_of({1: "late"}, "x"), *sightings_of({2: "late", 3: None}, "w"), *sightings_of({1: "late"}, "v"),
    ]  # fmt: skip
    builds = [(n, day_of(n), {"m": hashes, "other": A}) for n, hashes in enumerate((A, B, B), 1)]
    actual = drop(rows, builds)
    kept = [row for row in rows if row["gap_id"] != "z"]
    assert actual.equals(table_from_records(kept, SIGHTING).sort("gap_id", "build"))
    assert drop([], builds).is_empty()
    assert drop(rows, [(n, day_of(n), {}) for n in (1, 2, 3)]).height == len(rows)


@pytest.mark.parametrize(
    ("states", "days", "closure", "stays"),
    [
        ({1: "late", 2: None}, (1, 1), "no_longer_asked", False),
        ({1: "late", 2: None}, (1, 2), "no_longer_asked", True),
        ({1: "late", 2: None}, (1, 1), "answered", True),
        ({1: "late"}, (1,), "no_longer_asked", True),
        ({1: "late", 2: None, 3: "late"}, (1, 1, 1), "no_longer_asked", True),
        ({1: "late", 2: None, 3: "late", 4: None}, (1, 1, 2, 2), "no_longer_asked", True),
    ],
)
def test_gap_of_one_day_that_the_problem_stopped_asking_for_was_a_draft(
    states: States, days: tuple[int, ...], closure: str, stays: bool
) -> None:
    builds = [(n, day_of(day), {"m": A}) for n, day in enumerate(days, 1)]
    rows = sightings_of(states, closure=closure) + sightings_of({1: "late"}, "other")
    assert drop(rows, builds).height == (len(rows) if stays else 1)
