"""Each source matches the reviewed table and sums to its published total, or the difference is explained."""

import pytest

from tests.breadth import wide
from tests.golden_sources import COLUMNS, Row, read_reviewed, rows

FIGURES = [column for column in COLUMNS if column != "explained"]


@pytest.fixture(scope="module")
def current_rows() -> list[Row]:
    return rows()


@wide
def test_every_starter_release_matches_the_reviewed_table(current_rows: list[Row]) -> None:
    """After an intended change, run `python -m tests.golden_sources` and read the diff."""
    assert [{name: row[name] for name in FIGURES} for row in read_reviewed()] == [
        {name: row[name] for name in FIGURES} for row in current_rows
    ]


@wide
def test_difference_from_a_published_total_is_explained(current_rows: list[Row]) -> None:
    apart = {(row["source"], row["file"]) for row in current_rows if row["difference"] not in ("", "0")}
    explained = {(row["source"], row["file"]) for row in read_reviewed() if row["explained"]}
    assert apart - explained == set()


@wide
def test_every_explanation_has_a_difference() -> None:
    assert [row["file"] for row in read_reviewed() if row["explained"] and row["difference"] == "0"] == []
