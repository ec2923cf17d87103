"""Marks of figures over time: whole columns of marks."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.outputs.trend_marks import mark_of_point, may_break

SCHEMA = pl.Schema({"place": pl.String, "value": pl.Float64, "obs_status": pl.String, "caveats": pl.String,
                    "period_start": pl.Date})  # fmt: skip
BREAK = "rounded,definition_break"


def point(
    caveats: str | None = None, status: str | None = "normal", value: float | None = -1.0, place: str = "a"
) -> dict[str, Any]:
    return {"place": place, "value": value, "obs_status": status, "caveats": caveats}


def marks(*points: dict[str, Any]) -> list[str]:
    rows = [{"period_start": date(2000 + number, 1, 1), **own} for number, own in enumerate(points)]
    return pl.DataFrame(rows, schema=SCHEMA).select(mark_of_point(["place"]).alias("mark"))["mark"].to_list()


def test_status_of_a_known_figure_is_its_mark() -> None:
    assert marks() == [] and marks(point()) == [""]
    statuses = ("revised", "provisional", "break", "estimated", None, "normal")
    assert marks(*(point(status=status) for status in statuses)) == ["revised", "provisional", "break", "", "", ""]
    assert marks(*(point(status=status, value=None) for status in statuses)) == [""] * 6


def test_first_figure_with_another_definition_is_a_break_and_later_ones_are_not() -> None:
    assert marks(point(), point(BREAK), point(BREAK), point(BREAK)) == ["", "break", "", ""]
    assert marks(point(), point("rounded"), point(BREAK, "revised"), point(BREAK, "revised")) == [
        "", "", "break", "revised",
    ]  # fmt: skip
    # A line may begin after the break, and end it.
    assert marks(point(BREAK), point(BREAK)) == ["", ""]
    assert marks(point(BREAK), point(), point(BREAK)) == ["", "", "break"]


def test_break_at_a_gap_is_marked_at_the_next_figure() -> None:
    gap = point(BREAK, value=None)
    assert marks(point(), gap, point(BREAK), point(BREAK)) == ["", "", "break", ""]
    assert marks(gap, gap, point(BREAK)) == ["", "", ""]
    assert marks(point(), gap, point()) == ["", "", ""]
    assert marks(point(BREAK), gap, point(BREAK)) == ["", "", ""]


def test_places_have_lines_of_their_own() -> None:
    assert marks(point(), point(BREAK, place="b"), point(BREAK), point(BREAK, place="b")) == ["", "", "break", ""]


@pytest.mark.parametrize(
    ("status", "caveats", "expected"),
    [("break", None, True), ("normal", BREAK, True), ("normal", "rounded", False), ("revised", "", False),
     ("break", "rounded", True)],
)  # fmt: skip
def test_every_marked_break_is_in_a_line_that_may_have_one(status: str, caveats: str | None, expected: bool) -> None:
    table = pl.DataFrame([point(caveats, status)], schema=SCHEMA)
    assert table.select(may_break().alias("mark"))["mark"].to_list() == [expected]
