"""Days on which an answer holds: every day of the span gives the same choices, and its ends are right."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.periods import ReferencePeriod, whole_months
from pipelines.core.store import state_path, write_table
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.fingerprints import FIGURE_TABLES, VIEW_TABLES, TableKeys
from pipelines.gaps.grid import choose_periods, list_periods, tabulate_choices
from pipelines.gaps.validity import (
    Validity,
    current_answer_key,
    current_figures_key,
    find_validity,
    format_answer_key,
    format_figures_key,
)
from tests.gaps.plain import catalogue_of, measure_of, problem_of, source_of

RELEASED = date(2024, 1, 10)
DAYS = st.integers(0, 900).map(lambda days: RELEASED + timedelta(days=days))
MONTHS = st.integers(0, 40).map(lambda number: whole_months(2022 + number // 12, 1 + number % 12, 1))
SPANS = st.lists(MONTHS | DAYS.map(lambda day: ReferencePeriod(day, day)), max_size=6, unique=True)


def subject(grain: str, end: str | None, **source: Any) -> tuple[Problem, Catalogue]:
    catalogue = catalogue_of(a_source=source_of(measures={"figure": measure_of("stock")}, **source))
    ends = {"end": end} if end else {}
    periods = {} if grain == "latest" else {"periods": {"start": "2022-01" if grain == "month" else "2022", **ends}}
    return problem_of(grain, {"figure": {}}, **periods), catalogue


def outcome(problem: Problem, catalogue: Catalogue, spans: list[ReferencePeriod], day: date) -> list[tuple[Any, ...]]:
    """Give what a day decides: the requested periods, except the day itself, and the figure and reason for each."""
    periods = list_periods(problem, day)
    chosen = tabulate_choices(choose_periods(problem, catalogue, {"figure": spans}, periods, day))
    return chosen.drop("period_start", "period_end").rows() if problem.header.grain == "latest" else chosen.rows()


@given(
    grain=st.sampled_from(["latest", "month", "year"]), closed=st.booleans(), spans=SPANS, day=DAYS, later=DAYS,
    cadence=st.sampled_from(["monthly", "annual", "once"]),
    lag=st.sampled_from(["", ", 3 weeks later", ", 6 months later"]),
)  # fmt: skip
def test_days_of_one_span_decide_the_same(
    grain: str, closed: bool, spans: list[ReferencePeriod], day: date, later: date, cadence: str, lag: str
) -> None:
    end = ("2025-06" if grain == "month" else "2025") if closed and grain != "latest" else None
    problem, catalogue = subject(grain, end, cadence=cadence + lag)
    actual, other = (find_validity(problem, catalogue, {"figure": spans}, [RELEASED], on) for on in (day, later))
    assert actual.first <= day < actual.change
    expected = outcome(problem, catalogue, spans, day)
    for on in (actual.first, min(actual.change - timedelta(days=1), day + timedelta(days=5000))):
        assert outcome(problem, catalogue, spans, on) == expected
        assert find_validity(problem, catalogue, {"figure": spans}, [RELEASED], on) == actual
    if actual == other:
        assert outcome(problem, catalogue, spans, later) == expected


def test_newest_figure_holds_until_it_is_too_old() -> None:
    problem, catalogue = subject("latest", None, cadence="monthly, 2 weeks later")
    december = whole_months(2023, 12, 1)
    stale = date(2023, 12, 31) + timedelta(days=62 + 14 + 1)
    actual = find_validity(problem, catalogue, {"figure": [december]}, [RELEASED], date(2024, 2, 1))
    assert actual == Validity(RELEASED, stale)
    assert find_validity(problem, catalogue, {"figure": [december]}, [RELEASED], stale) == Validity(stale, date.max)


def test_period_is_late_from_its_due_day() -> None:
    problem, catalogue = subject("month", "2024-01", cadence="monthly, 3 weeks later")
    slices, due = {"figure": [whole_months(2023, 12, 1)]}, date(2024, 2, 21)
    assert find_validity(problem, catalogue, slices, [RELEASED], date(2024, 2, 20)) == Validity(RELEASED, due)
    assert find_validity(problem, catalogue, slices, [RELEASED], due) == Validity(due, date.max)


def test_stored_answer_holds_within_its_days_only(tmp_path: Path) -> None:
    figures, select = "a" * 64, "c" * 64
    key = format_figures_key(figures, Validity(RELEASED, date(2024, 2, 1)))
    for table in FIGURE_TABLES:
        write_table(state_path(tmp_path, table, "p"), tabulate_choices([]), key)
    for table in VIEW_TABLES:
        write_table(state_path(tmp_path, table, "p"), tabulate_choices([]), format_answer_key(select, key))

    def stored(day: date, *content: str) -> tuple[str | None, str | None]:
        now = dict(zip(("figures", "answer"), ({"p": one} for one in content or (figures, select)), strict=True))
        keys = TableKeys(**{**{name: {} for name in TableKeys._fields}, "day": day, **now})
        return current_figures_key(tmp_path, "p", keys), current_answer_key(tmp_path, "p", keys)

    days = [RELEASED - timedelta(days=1), RELEASED, date(2024, 1, 31), date(2024, 2, 1)]
    both = (key, format_answer_key(select, key))
    assert [stored(day) for day in days] == [(None, None), both, both, (None, None)]
    assert stored(RELEASED, figures, "b" * 64) == (key, None)
    assert stored(RELEASED, "b" * 64, select) == (None, None)
    # A view of other days, in which its figures were others, is not read back.
    other = format_figures_key(figures, Validity(RELEASED, date(2024, 3, 1)))
    write_table(state_path(tmp_path, "partnership_view", "p"), tabulate_choices([]), format_answer_key(select, other))
    assert stored(RELEASED) == (key, None)
    write_table(state_path(tmp_path, "view", "p"), tabulate_choices([]), format_answer_key(select, other))
    assert stored(RELEASED) == (key, None)
    write_table(state_path(tmp_path, "loss", "p"), tabulate_choices([]), f"{key}9")
    assert stored(RELEASED) == (None, None)
