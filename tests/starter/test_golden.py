"""What each source gives is as reviewed, and adds to what its publisher prints, or the difference is explained."""

import pytest

from tests.golden_sources import COLUMNS, Row, held, rows

FIGURES = [column for column in COLUMNS if column != "explained"]


@pytest.fixture(scope="module")
def found() -> list[Row]:
    return rows()


def test_every_release_of_the_starter_edition_reads_as_reviewed(found: list[Row]) -> None:
    """After a change that is meant: `python -m tests.golden_sources`, and read the diff."""
    assert [{name: row[name] for name in FIGURES} for row in held()] == [
        {name: row[name] for name in FIGURES} for row in found
    ]


def test_a_sum_that_is_not_the_publishers_total_is_explained(found: list[Row]) -> None:
    apart = {(row["source"], row["file"]) for row in found if row["difference"] not in ("", "0")}
    explained = {(row["source"], row["file"]) for row in held() if row["explained"]}
    assert apart - explained == set()


def test_no_explanation_has_outlived_its_difference() -> None:
    assert [row["file"] for row in held() if row["explained"] and row["difference"] == "0"] == []
