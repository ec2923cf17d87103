"""Shares that are judged: of the people of a problem, of returns, of totals."""

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from checks.shares import TOTALS_TOLERANCE, all_reach, problem_shares, return_shares, total_shares
from pipelines.core.schema import CELL_COLUMNS, table_from_records

PEOPLE = pl.DataFrame({"place_code": ["A", "B", "C", "D"], "people": [600.0, 300.0, 100.0, 0.0]})


def problem(cells: list[tuple[str, str, int, float | None]]) -> pl.DataFrame:
    return table_from_records(
        [
            {"need": "wanted" if measure == "wanted" else "needed", "measure": measure, "place_code": place,
             "period_start": date(year, 1, 1), "value": value}
            for measure, place, year, value in cells
        ],
        CELL_COLUMNS,
    )  # fmt: skip


ALL = [("m", place, year, 1.0) for place in "ABC" for year in (2022, 2023)]


@pytest.mark.parametrize(
    ("cells", "coverage", "complete"),
    [
        (ALL, 1.0, 1.0),
        ([(*cell[:3], None) for cell in ALL], 0.0, 1.0),
        ([*ALL[:4], ("m", "C", 2022, 0.0), ("m", "C", 2023, None)], 0.95, 1.0),
        ([*ALL[2:], ("m", "A", 2022, None), ("m", "A", 2023, 1.0)], 0.7, 1.0),
        ([*ALL, ("wanted", "A", 2023, None)], 1.0, 1.0),
        ([*ALL, ("m", "D", 2022, None), ("m", "D", 2023, None)], 1.0, 1.0),
        ([*ALL, ("m", "Z", 2022, None), ("m", "Z", 2023, None)], 1.0, 1.0),
        (ALL[:-1], 1.0, 2 / 3),
        ([*ALL, ("n", "A", 2023, 1.0)], 1.0, 1 / 3),
        ([*ALL, ALL[0]], 1.0, 1.0),
        ([], None, 1.0),
        ([("m", "Z", 2022, 1.0)], None, 1.0),
        ([("m", "D", 2022, 1.0)], None, 1.0),
        ([("m", "A", 2022, 1.0)], 1.0, 1.0),
        ([("wanted", "A", 2022, None)], None, 1.0),
    ],
)
def test_coverage_is_of_people_and_completeness_of_places(
    cells: list[tuple[str, str, int, float | None]], coverage: float | None, complete: float
) -> None:
    due = pl.DataFrame({"coverage_by_population": [coverage], "places_complete": [complete]},
                       schema={"coverage_by_population": pl.Float64, "places_complete": pl.Float64})  # fmt: skip
    frame = problem(cells)
    assert_frame_equal(problem_shares(frame, PEOPLE), due)
    assert_frame_equal(problem_shares(frame.reverse(), PEOPLE.reverse()), due)


def test_one_person_counts() -> None:
    people = pl.DataFrame({"place_code": ["A", "B"], "people": [1.0, 3.0]})
    actual = problem_shares(problem([("m", "A", 2022, 1.0), ("m", "B", 2022, None)]), people)
    assert actual["coverage_by_population"].to_list() == [0.25]


def test_returns_are_judged_by_the_newest_period_of_each_measure() -> None:
    reporting = pl.DataFrame(
        [("m", "period", date(2023, 1, 31), 0.9), ("m", "period", date(2023, 2, 28), 0.5),
         ("m", "place", date(2023, 3, 31), 0.1), ("m", "period", date(2023, 4, 30), None),
         ("n", "period", date(2022, 1, 31), 0.7), ("n", "period", date(2021, 1, 31), 1.0)],
        schema=["measure", "scope", "period_end", "reporting_rate"], orient="row",
    )  # fmt: skip
    assert return_shares(reporting)["returns_complete"].to_list() == [0.5, 0.7]
    assert return_shares(reporting.clear()).is_empty()


def test_share_of_a_total_excludes_its_remainder() -> None:
    reconciliation = pl.DataFrame(
        [(200.0, 10.0), (200.0, -10.0), (-200.0, 10.0), (200.0, None), (0.0, 5.0), (1.0, 0.5), (10.0, 30.0),
         (None, 1.0)],
        schema={"total": pl.Float64, "remainder": pl.Float64}, orient="row",
    )  # fmt: skip
    assert total_shares(reconciliation)["totals_reconcile"].to_list() == [0.95, 0.95, 0.95, 1.0, 0.5, 0.0]
    assert total_shares(reconciliation.clear()).is_empty()


@pytest.mark.parametrize(("remainder", "result"), [(1.0, True), (-1.0, True), (1.1, False), (-1.1, False)])
def test_total_is_explained_up_to_one_in_a_hundred(remainder: float, result: bool) -> None:
    shares = total_shares(pl.DataFrame({"total": [100.0], "remainder": [remainder]}))
    assert all_reach(shares["totals_reconcile"], TOTALS_TOLERANCE) is result


@pytest.mark.parametrize(
    ("shares", "result"), [([0.9, 0.95], True), ([0.9, 0.8999], False), ([None], False), ([None, 0.9], True)]
)
def test_smallest_known_share_is_compared(shares: list[float | None], result: bool) -> None:
    assert all_reach(pl.Series(shares, dtype=pl.Float64), 0.9) is result
    assert all_reach(pl.Series([*shares, float("nan")], dtype=pl.Float64), 0.9) is result
