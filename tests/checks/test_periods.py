"""No figure of another period: which cells are of the period asked about, carried forward, or of an instant in it."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from checks.periods import find_other_periods, is_carried_forward
from pipelines.core.schema import CELL_COLUMNS, table_from_records

START, END = date(2023, 1, 1), date(2023, 12, 31)
BEFORE, AFTER = date(2022, 12, 31), date(2024, 1, 1)
MIDDLE = date(2023, 6, 30)
SOUND = {
    "measure": "m",
    "value": 1.0,
    "period_start": START,
    "period_end": END,
    "reference_start": START,
    "reference_end": END,
}


def cell(**given: Any) -> pl.DataFrame:
    return table_from_records([{**SOUND, **given}], CELL_COLUMNS)


def span(start: date | None, end: date | None, **given: Any) -> dict[str, Any]:
    return {"reference_start": start, "reference_end": end, **given}


CARRIED = {"caveats": "provisional,carried_forward"}
STOCK, ALSO = {"measure": "stock"}, {"proxy_measure": "stock"}
LONGER = {"caveats": "provisional,coarser_period"}
CASES: list[tuple[dict[str, Any], bool]] = [
    (span(BEFORE, AFTER, **LONGER), False), (span(START, AFTER, **LONGER), False), (span(BEFORE, END, **LONGER), False),
    (span(MIDDLE, AFTER, **LONGER), True), (span(BEFORE, MIDDLE, **LONGER), True), (span(BEFORE, AFTER), True),
    ({}, False), (span(START, MIDDLE), True), (span(MIDDLE, END), True), (span(BEFORE, END), True),
    (span(START, AFTER), True), (span(None, None), True), (span(BEFORE, AFTER, value=None), False),
    (span(BEFORE, BEFORE), True), (span(MIDDLE, MIDDLE), True),
    (span(MIDDLE, MIDDLE, **STOCK), False), (span(START, START, **STOCK), False), (span(END, END, **STOCK), False),
    (span(BEFORE, BEFORE, **STOCK), True), (span(AFTER, AFTER, **STOCK), True), (span(START, MIDDLE, **STOCK), True),
    (span(MIDDLE, END, **STOCK), True), (span(None, None, **STOCK), True), (span(MIDDLE, MIDDLE, **ALSO), False),
    (span(MIDDLE, MIDDLE, measure="stock", proxy_measure="other"), True),
    (span(BEFORE, BEFORE, **CARRIED), False), (span(START, END, **CARRIED), False),
    (span(MIDDLE, AFTER, **CARRIED), True), (span(None, None, **CARRIED), True),
    (span(BEFORE, BEFORE, caveats="not_carried_forward"), True),
]  # fmt: skip


@pytest.mark.parametrize(("given", "other"), CASES)
def test_figure_is_for_the_requested_period_or_marked_as_older(given: dict[str, Any], other: bool) -> None:
    asked = cell(**given)
    assert find_other_periods(asked, "year", {"stock"}).equals(asked if other else asked.clear())


@pytest.mark.parametrize(
    ("given", "other"),
    [
        ({}, False), (span(BEFORE, BEFORE), False), (span(START, AFTER), True), (span(AFTER, AFTER), True),
        (span(None, None), True), (span(AFTER, AFTER, value=None), False), (span(AFTER, AFTER, **CARRIED), True),
    ],
)  # fmt: skip
def test_latest_figure_must_have_ended_by_the_end_of_the_period(given: dict[str, Any], other: bool) -> None:
    asked = cell(**given)
    assert find_other_periods(asked, "latest", set()).equals(asked if other else asked.clear())


def test_cells_of_another_period_are_returned_whole_and_in_order() -> None:
    frame = pl.concat([cell(place_code=str(n), **given) for n, (given, _) in enumerate(CASES)])
    due = [str(n) for n, (_, other) in enumerate(CASES) if other]
    assert len(due) > 5
    assert find_other_periods(frame, "year", ["stock"])["place_code"].to_list() == due
    assert find_other_periods(frame.clear(), "year", ["stock"]).equals(frame.clear())


@pytest.mark.parametrize(
    ("caveats", "carried"),
    [(None, False), ("", False), ("carried_forward", True), ("flagged,carried_forward", True), ("carried", False)],
)
def test_cell_is_carried_forward_if_its_caveats_include_it(caveats: str | None, carried: bool) -> None:
    assert cell(caveats=caveats).select(is_carried_forward()).item() is carried
