"""Rates of places with several parts, as cells in full: value, bounds, coverage, partial average and status."""

from typing import Any, NamedTuple

import pytest

from pipelines.apportionment import place_figures
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from tests.apportionment.oracle import Leg, Row
from tests.apportionment.test_place import EARLIER, MEASURES, YEAR, crosswalk_frame, denominators_of, figure, place_rows

TWO: list[Leg] = [("A", "X", 1.0, 1.0), ("B", "X", 1.0, 1.0)]
ONE: list[Leg] = [("A", "X", 1.0, 1.0)]
CUT: list[Leg] = [("A", "X", 0.5, 4.0), ("A", "Y", 0.5, 4.0), ("B", "X", 1.0, 9.0)]
OPEN: list[Leg] = [*TWO, (None, "X", None, 1.0)]
SPLIT: list[Leg] = [("A", "X", None, 4.0), ("A", "Y", None, 4.0), ("B", "X", 1.0, 9.0)]


def rate(code: str, value: float | None, low: float | None = None, high: float | None = None,
         status: str = "normal") -> Row:  # fmt: skip
    """Build a rate with bounds of its own, or within 0.5."""
    around = value is not None and low is None and high is None
    return {**figure(code, value, "rate", status), "lower_bound": value - 0.5 if around and value is not None else low,
            "upper_bound": value + 0.5 if around and value is not None else high}  # fmt: skip


class Cell(NamedTuple):
    """The cell of X: numbers, reason, status and derivation."""

    value: float | None
    low: float | None
    high: float | None
    coverage: float | None
    partial: float | None
    reason: str | None
    status: str | None
    derivation: str | None


def cell_of(rows: list[Row], people: dict[str, float], legs: list[Leg], is_same: bool = True) -> Cell:
    weights = table_from_records(denominators_of(people, YEAR if is_same else EARLIER), OBSERVATION_COLUMNS)
    table = table_from_records(rows, OBSERVATION_COLUMNS)
    placed = place_figures(table, crosswalk_frame(legs, None), MEASURES, weights)
    cell = next(row for row in placed.iter_rows(named=True) if row["to_code"] == "X")
    names = ("value", "lower_bound", "upper_bound", "coverage", "partial", "reason", "obs_status", "derivation")
    return Cell(*(cell[name] for name in names))


def averaged(value: float, low: float | None, high: float | None) -> Cell:
    return Cell(value, low, high, 1.0, None, None, "estimated", "rate_averaged")


def gap(reason: str, low: float | None = None, high: float | None = None, coverage: float | None = 1.0,
        partial: float | None = None, status: str = "normal") -> Cell:  # fmt: skip
    return Cell(None, low, high, coverage, partial, reason, status, None)


BOTH, PEOPLE = [rate("A", 2.0), rate("B", 8.0)], {"A": 3.0, "B": 1.0}
CASES: dict[str, tuple[list[Row], dict[str, float], list[Leg], bool, Cell]] = {
    "averaged by people": (BOTH, PEOPLE, TWO, True, averaged(3.5, 3.0, 4.0)),
    "by less than one person": (BOTH, {"A": 0.75, "B": 0.25}, TWO, True, averaged(3.5, 3.0, 4.0)),
    "by people of another day": (BOTH, PEOPLE, TWO, False, averaged(3.5, 1.5, 8.5)),
    "a part without a lower bound": ([rate("A", 2.0, high=2.5), BOTH[1]], PEOPLE, TWO, True, averaged(3.5, None, 4.0)),
    "a part without an upper bound": ([rate("A", 2.0, low=1.5), BOTH[1]], PEOPLE, TWO, True, averaged(3.5, 3.0, None)),
    "a part cut by a boundary": (BOTH, {"A": 4.0, "B": 2.0}, CUT, True, averaged(5.0, None, None)),
    "a part cut, other people": (BOTH, {"A": 4.0, "B": 2.0}, CUT, False, averaged(5.0, None, None)),
    "no people": (BOTH, {}, TWO, True, gap("needs_parts", 1.5, 8.5)),
    "people of one part": (BOTH, {"A": 3.0}, TWO, True, gap("needs_parts", 1.5, 8.5)),
    "no people, a part cut": (BOTH, {}, CUT, True, gap("needs_parts")),
    "all 0": ([rate("A", 0.0), rate("B", 0.0)], {}, TWO, True, averaged(0.0, -0.5, 0.5)),
    "all 0, a part cut": ([rate("A", 0.0), rate("B", 0.0)], {}, CUT, True, averaged(0.0, None, None)),
    "one 0": ([rate("A", 0.0), rate("B", 8.0)], {}, TWO, True, gap("needs_parts", -0.5, 8.5)),
    "one above and one below 0": ([rate("A", -1.0), rate("B", 0.0)], {}, TWO, True, gap("needs_parts", -1.5, 0.5)),
    "one absent": ([BOTH[1]], PEOPLE, TWO, True, gap("children_incomplete", coverage=0.25, partial=8.0)),
    "one absent without people": ([BOTH[1]], {"B": 1.0}, TWO, True, gap("children_incomplete", coverage=None)),
    "one absent beside a 0": ([rate("B", 0.0)], PEOPLE, TWO, True,
                              gap("children_incomplete", coverage=0.25, partial=0.0)),
    "one hidden within bounds": ([rate("A", None, 1.0, 4.0, "confidential"), BOTH[1]], PEOPLE, TWO, True,
                                 gap("children_incomplete", coverage=0.25, partial=8.0, status="confidential")),
    "both hidden": ([rate(code, None, 1.0, 4.0, "confidential") for code in "AB"], PEOPLE, TWO, True,
                    gap("suppressed", coverage=0.0, status="confidential")),
    "residents outside": (BOTH, PEOPLE, OPEN, True, gap("low_reach", coverage=None)),
    "all 0 and residents outside": ([rate("A", 0.0), rate("B", 0.0)], PEOPLE, OPEN, True,
                                    gap("low_reach", coverage=None)),
    "split": (BOTH, PEOPLE, SPLIT, True, gap("split")),
    "one place": ([rate("A", 2.0, 1.0, 4.0, "provisional")], {}, ONE, True,
                  Cell(2.0, 1.0, 4.0, 1.0, None, None, "provisional", "merged")),
    "one place without bounds": ([rate("A", 2.0, high=4.0)], {}, ONE, True,
                                 Cell(2.0, None, 4.0, 1.0, None, None, "normal", "merged")),
    "one place hidden": ([rate("A", None, 1.0, 4.0, "confidential")], PEOPLE, ONE, True,
                         gap("suppressed", 1.0, 4.0, coverage=0.0, status="confidential")),
    "one place not available": ([rate("A", None, 1.0, 4.0, "not_available")], PEOPLE, ONE, True,
                                gap("not_available", coverage=0.0, status="not_available")),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "people", "legs", "is_same", "expected"), CASES.values(), ids=list(CASES))
def test_rate_of_a_place_follows_from_its_parts(
    rows: list[Row], people: dict[str, float], legs: list[Leg], is_same: bool, expected: Cell
) -> None:
    assert cell_of(rows, people, legs, is_same) == expected
    assert cell_of(rows[::-1], people, legs[::-1], is_same) == expected


@pytest.mark.parametrize(
    ("measure", "bounds"),
    [("index", (2.0, 8.0)), ("rate", (2.0, 8.0)), ("rank", (None, None)), ("estimate", (None, None))],
)
def test_only_exact_measures_with_an_order_of_their_own_have_a_range(
    measure: str, bounds: tuple[float | None, float | None]
) -> None:
    rows = [figure("A", 2.0, measure), figure("B", 8.0, measure)]
    cell = place_rows(rows, TWO)["X"]
    assert (cell["reason"], cell["lower_bound"], cell["upper_bound"]) == ("needs_parts", *bounds)


def test_denominators_are_of_rates_alone() -> None:
    """An index has no denominator, whatever its measures are."""
    weights = table_from_records(denominators_of(PEOPLE, YEAR), OBSERVATION_COLUMNS)
    table = table_from_records([figure("A", 2.0, "index"), figure("B", 8.0, "index")], OBSERVATION_COLUMNS)
    placed = place_figures(table, crosswalk_frame(TWO, None), MEASURES, weights).row(0, named=True)
    assert (placed["value"], placed["reason"]) == (None, "needs_parts")


SHARED: list[Leg] = [("A", "X", 0.25, 25.0), ("A", "Y", 0.75, 75.0), ("B", "Y", 1.0, 100.0)]


@pytest.mark.parametrize(
    ("to", "allowed", "expected"),
    [("X", False, {"value": None, "reason": "coarser_only", "obs_status": "provisional", "apportioned_share": 1.0}),
     ("X", True, {"value": 2.0, "reason": None, "obs_status": "estimated", "apportioned_share": 1.0}),
     ("Y", False, {"value": 16.0, "reason": None, "obs_status": "estimated", "apportioned_share": 0.375})],
)  # fmt: skip
def test_apportioned_count_is_an_estimate_and_a_withheld_one_keeps_its_status(
    to: str, allowed: bool, expected: dict[str, Any]
) -> None:
    rows = [figure("A", 8.0, status="provisional"), figure("B", 10.0)]
    table = table_from_records(rows, OBSERVATION_COLUMNS)
    may = frozenset({"count"} if allowed else ())
    placed = place_figures(table, crosswalk_frame(SHARED, "all_ages"), MEASURES, table.clear(), may)
    cell = next(row for row in placed.iter_rows(named=True) if row["to_code"] == to)
    assert {name: cell[name] for name in expected} == expected
    is_smaller = to == "X" and not allowed
    assert cell["evidence"] == (
        "known only for A, and this is a smaller part" if is_smaller
        else f"{expected['apportioned_share'] * 100:.1f} % from places crossed by a boundary, apportioned by people"
    )  # fmt: skip
