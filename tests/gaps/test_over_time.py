"""Figures for a period from shorter, longer and older ones: the table of docs/how-it-works.md, and its rules."""

import random
import re
from calendar import monthrange
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.apportionment import MAPPED_FIGURE
from pipelines.core.errors import DeclarationError
from pipelines.core.periods import ReferencePeriod, parse_period, whole_months
from pipelines.core.schema import table_from_records
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.problem_time import refuse_wrong_time_keys
from pipelines.declarations.yaml_lines import LineNumbers
from pipelines.gaps.over_time import aggregate_over_time, find_parts
from tests.gaps.plain import catalogue_of, measure_of, problem_of, source_of
from tests.gaps.test_cells_rules import PLACES, cell_of, gap, placed

PAGE = Path(__file__).parents[2] / "docs" / "how-it-works.md"
APRIL = whole_months(2020, 4, 1)
QUARTER = whole_months(2020, 4, 3)
GRAINS = {1: "month", 3: "quarter", 12: "year"}


def table_rows() -> list[list[str]]:
    """Read the table of periods in the page: requested, kind, published, need, cell."""
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("| requested | kind |") :].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()[2:]]


def span_of(text: str) -> ReferencePeriod:
    for kind in ("day", "month", "year", "span"):
        if span := parse_period(text, kind):  # type: ignore[arg-type]
            return span
    raise AssertionError(text)


def catalogue_with(kind: str, cadence: str = "monthly") -> Catalogue:
    measures = {"figure": measure_of(kind), "people": measure_of()}
    return catalogue_of(a_source=source_of(measures=measures, cadence=cadence))


def problem_about(period: ReferencePeriod, need: dict[str, Any]) -> Problem:
    months = round(((period.end - period.start).days + 1) / 30.44)
    text = {1: f"{period.start:%Y-%m}", 3: f"{period.start.year}-Q{(period.start.month + 2) // 3}"}
    asked = text.get(months, str(period.start.year))
    return problem_of(GRAINS[months], {"figure": need}, periods={"start": asked, "end": asked})


@pytest.mark.parametrize("row", table_rows(), ids=lambda row: " | ".join(row)[:90])
def test_cell_is_as_the_page_states(row: list[str]) -> None:
    requested, kind, published, need_text, expected = row
    pairs = [item.rsplit(":", 1) for item in published.split(";")]
    slices = [placed(float(value), of=span_of(text.strip())) for text, value in pairs]
    need = yaml.safe_load("{" + need_text.strip("`") + "}")
    cell = cell_of(
        *slices, problem=problem_about(span_of(requested), need), catalogue=catalogue_with(kind), places=PLACES.head(1)
    )
    value, caveat = re.fullmatch(r"(`\w+`|[\d.]+)(?:, with `(\w+)`)?", expected).groups()  # type: ignore[union-attr]
    assert cell["caveats"] == caveat
    if value.startswith("`"):
        assert (cell["value"], cell["reason"]) == (None, value.strip("`"))
    else:
        assert cell["reason"] is None and cell["value"] == pytest.approx(float(value), abs=1e-6)


def test_table_has_rows_of_each_rule() -> None:
    text = " ".join(" ".join(row) for row in table_rows())
    rules = ("sum", "mean", "max", "min", "last", "first", "accept", "carry")
    assert len(table_rows()) > 25 and all(rule in text for rule in rules)


def days_of(period: ReferencePeriod) -> list[ReferencePeriod]:
    count = (period.end - period.start).days + 1
    return [ReferencePeriod(day, day) for day in (period.start + timedelta(days=n) for n in range(count))]


def aggregate(rows: list[dict[str, Any]], need: dict[str, Any], period: ReferencePeriod = APRIL) -> dict[str, Any]:
    """Aggregate rows of one place in any order; return the one figure of the period."""
    random.Random(7).shuffle(rows)
    frame = table_from_records(rows, MAPPED_FIGURE)
    whole = aggregate_over_time(frame, problem_about(period, need), [period])
    mine = whole.filter(pl.col("period_start") == period.start, pl.col("period_end") == period.end)
    assert mine.height == 1
    return mine.row(0, named=True)


def test_figure_of_days_has_the_columns_of_its_parts() -> None:
    days = days_of(APRIL)
    rows = [placed(float(n), of=day, file_rows=str(n), obs_status="provisional" if n == 3 else "normal",
                   caveats="flagged" if n == 4 else None, coverage=0.5 if n == 5 else 1.0)
            for n, day in enumerate(days)]  # fmt: skip
    row = aggregate(rows, {"over_time": "sum"})
    assert (row["value"], row["lower_bound"], row["upper_bound"]) == (435.0, 435.0, 435.0)
    assert (row["obs_status"], row["caveats"], row["derivation"]) == ("provisional", "flagged", "aggregated_in_time")
    assert row["coverage"] == pytest.approx(29.5 / 30)
    assert row["evidence"] == "sum of 30 figures, April 2020"
    assert row["file_rows"].split(",") == [str(n) for n in range(30)] and row["file"] == "f.csv"


def test_missing_day_bounds_a_sum_from_below() -> None:
    rows = [placed(2.0, of=day) for day in days_of(APRIL)[:-1]]
    row = aggregate(rows, {"over_time": "sum"})
    assert (row["value"], row["reason"]) == (None, "periods_incomplete")
    assert (row["lower_bound"], row["upper_bound"]) == (58.0, None)
    assert row["evidence"] == "figures for 29 of 30 days"


def test_suppressed_days_bound_a_sum_on_both_sides() -> None:
    days = days_of(APRIL)
    rows = [placed(2.0, of=day) for day in days[1:]]
    rows.append(gap("suppressed", of=days[0], lower_bound=1.0, upper_bound=4.0))
    row = aggregate(rows, {"over_time": "sum"})
    assert (row["reason"], row["lower_bound"], row["upper_bound"]) == ("periods_incomplete", 59.0, 62.0)
    assert row["evidence"] == "figures for 29 of 30 days; the first without one is 1 April 2020 (suppressed)"


def test_missing_days_bound_a_count_that_can_be_negative_nowhere() -> None:
    rows = [placed(-1.0 if n == 3 else 2.0, of=day) for n, day in enumerate(days_of(APRIL)[:-1])]
    row = aggregate(rows, {"over_time": "sum"})
    assert (row["reason"], row["lower_bound"], row["upper_bound"]) == ("periods_incomplete", None, None)


def test_estimates_give_a_sum_without_bounds() -> None:
    rows = [placed(2.0, of=day, lower_bound=None, upper_bound=None) for day in days_of(APRIL)]
    row = aggregate(rows, {"over_time": "sum"})
    assert (row["value"], row["lower_bound"], row["upper_bound"]) == (60.0, None, None)


@pytest.mark.parametrize(("how", "lower", "upper"), [("min", None, 3.0), ("max", 31.0, None), ("mean", None, None)])
def test_known_days_bound_an_extreme_on_one_side(how: str, lower: float | None, upper: float | None) -> None:
    rows = [placed(float(n + 3), of=day) for n, day in enumerate(days_of(APRIL)[:-1])]
    row = aggregate(rows, {"over_time": how})
    assert (row["reason"], row["lower_bound"], row["upper_bound"]) == ("periods_incomplete", lower, upper)


def test_place_without_any_figure_has_the_reason_of_its_parts() -> None:
    rows = [gap("not_returned", of=day) for day in days_of(APRIL)]
    row = aggregate(rows, {"over_time": "sum"})
    assert (row["reason"], row["evidence"], row["lower_bound"]) == ("not_returned", "told", None)


def test_highest_day_replaces_the_figure_for_the_whole_period() -> None:
    rows = [placed(float(n), of=day) for n, day in enumerate(days_of(APRIL))] + [placed(99.0, of=APRIL)]
    assert aggregate(rows, {"over_time": "max"})["value"] == 29.0


def test_places_and_other_measures_do_not_change_each_other() -> None:
    rows = [
        placed(float(n), place, measure, of=day)
        for place in ("E1", "E2")
        for measure in ("figure", "people")
        for n, day in enumerate(days_of(APRIL))
    ]
    rows += [placed(5.0, "W1", of=APRIL, measure="people")]  # fmt: skip
    random.Random(3).shuffle(rows)
    frame = table_from_records(rows, MAPPED_FIGURE)
    problem = problem_of(
        "month", {"figure": {"over_time": "sum"}, "people": {}}, periods={"start": "2020-04", "end": "2020-04"}
    )
    whole = aggregate_over_time(frame, problem, [APRIL])
    new = whole.join(frame, on=["measure", "to_code", "period_start", "period_end"], how="anti").sort("to_code")
    assert new.select("measure", "to_code", "value").rows() == [("figure", "E1", 435.0), ("figure", "E2", 435.0)]
    assert whole.height == frame.height + 2


def test_problem_without_the_key_is_unchanged() -> None:
    frame = table_from_records([placed(1.0, of=day) for day in days_of(APRIL)], MAPPED_FIGURE)
    assert aggregate_over_time(frame, problem_about(APRIL, {}), [APRIL]).equals(frame)


@pytest.mark.parametrize(
    ("first", "count", "expected"), [(date(2020, 4, 2), 5, 5), (date(2020, 4, 3), 4, 4), (date(2020, 1, 2), 40, 5)]
)
def test_weekly_figures_of_a_day_cover_a_month_by_their_number(first: date, count: int, expected: int) -> None:
    days = [first + timedelta(days=7 * n) for n in range(count)]
    parts = find_parts(APRIL, [ReferencePeriod(day, day) for day in days])
    assert parts and (parts.expected, parts.unit, len(parts.parts)) == (expected, "figures", expected)


def test_absent_thursday_leaves_a_month_incomplete() -> None:
    days = [date(2020, 3, 5) + timedelta(days=7 * n) for n in range(12)]
    rows = [placed(4.0, of=ReferencePeriod(day, day)) for day in days if day != date(2020, 4, 16)]
    row = aggregate(rows, {"over_time": "max"})
    assert (row["reason"], row["evidence"]) == ("periods_incomplete", "4 of 5 figures")


@pytest.mark.parametrize(("how", "left_out", "end"), [("last", 29, "end"), ("first", 0, "start")])
def test_last_or_first_day_is_not_another_day(how: str, left_out: int, end: str) -> None:
    days = days_of(APRIL)
    rows = [placed(float(n), of=day) for n, day in enumerate(days)]
    rows[15] = gap("suppressed", of=days[15], obs_status="confidential")
    whole = aggregate(list(rows), {"over_time": how})
    assert (whole["value"], whole["reason"]) == (float(left_out), None)
    row = aggregate(rows[:left_out] + rows[left_out + 1 :], {"over_time": how})
    assert (row["value"], row["reason"], row["lower_bound"]) == (None, "periods_incomplete", None)
    nearest, word = ("29 April 2020", "latest") if how == "last" else ("2 April 2020", "first")
    assert row["evidence"] == f"no figure at the {end} of the period; the {word} inside is for {nearest}"
    rows[left_out] = gap("suppressed", of=days[left_out], obs_status="confidential")
    assert aggregate(rows, {"over_time": how})["reason"] == "suppressed"


@pytest.mark.parametrize(("last", "value"), [("2020-12-01", 12.0), ("2020-11-01", None)])
def test_monthly_figures_of_a_day_end_a_year_by_their_step(last: str, value: float | None) -> None:
    year = whole_months(2020, 1, 12)
    days = [date(2020, month, 1) for month in range(1, 13)]
    rows = [placed(float(day.month), of=ReferencePeriod(day, day)) for day in days if day <= date.fromisoformat(last)]
    assert aggregate(rows, {"over_time": "last"}, year)["value"] == value


def test_longest_of_equally_complete_periods_is_used() -> None:
    months = [whole_months(2020, month, 1) for month in (4, 5, 6)]
    parts = find_parts(QUARTER, [*days_of(QUARTER), *months, QUARTER])
    assert parts and list(parts.parts) == months
    parts = find_parts(QUARTER, [*days_of(QUARTER), *months[:2]])
    assert parts and len(parts.parts) == 91


@given(st.lists(st.integers(0, 1000), min_size=30, max_size=30), st.sampled_from(["sum", "mean", "max", "min"]))
def test_aggregate_of_every_day_equals_plain_python(values: list[int], how: str) -> None:
    rows = [placed(float(value), of=day) for value, day in zip(values, days_of(APRIL), strict=True)]
    expected = {"sum": sum(values), "mean": sum(values) / 30, "max": max(values), "min": min(values)}[how]
    row = aggregate(rows, {"over_time": how})
    assert row["value"] == pytest.approx(expected)
    assert row["lower_bound"] == pytest.approx(expected) and row["upper_bound"] == pytest.approx(expected)


@given(st.sets(st.integers(1, 12), min_size=1, max_size=11))
def test_sum_of_a_year_needs_every_month(months: set[int]) -> None:
    rows = [placed(float(monthrange(2021, month)[1]), of=whole_months(2021, month, 1)) for month in months]
    row = aggregate(rows, {"over_time": "sum"}, whole_months(2021, 1, 12))
    days = sum(monthrange(2021, month)[1] for month in months)
    assert (row["reason"], row["lower_bound"], row["upper_bound"]) == ("periods_incomplete", float(days), None)
    assert row["evidence"] == f"figures for {days} of 365 days"


@pytest.mark.parametrize(
    ("kind", "need", "expected"),
    [
        ("stock", {"over_time": "sum"}, "found over_time: sum for figure, a stock, expected a count"),
        ("rate", {"over_time": "mean"}, "a rate, expected a stock; ask for its numerator and denominator"),
        ("rate", {"over_time": "sum"}, "a rate, expected a count; ask for its numerator and denominator"),
        ("index", {"over_time": "mean"}, "an? index, expected a stock"),
        (
            "count",
            {"accept": "year"},
            "figure is a count, and a count for a year is several times as high as for a month",
        ),
    ],
)
def test_key_that_would_make_a_wrong_figure_is_refused(kind: str, need: dict[str, Any], expected: str) -> None:
    problem = problem_about(APRIL, need)
    lines: LineNumbers = {("needs", "figure", next(iter(need))): 9}
    with pytest.raises(DeclarationError, match=expected) as refused:
        refuse_wrong_time_keys(problem.header, lines, problem.path, catalogue_with(kind).measures)
    assert str(refused.value).startswith("p.sql:9: needs: figure: ")


@pytest.mark.parametrize(
    ("grain", "need", "expected"),
    [
        ("latest", {"over_time": "max"}, "over_time is for grain month, quarter and year"),
        ("latest", {"accept": "year"}, "accept is for grain month, quarter and year"),
        ("quarter", {"accept": "quarter"}, "accept: found quarter, expected a period longer than a quarter"),
        ("year", {"accept": "half_year"}, "accept: found half_year, expected a period longer than a year"),
        ("month", {"over_time": "sum", "min_coverage": 0.9}, "a sum over part of a period is no sum"),
        ("month", {"over_time": "median"}, "over_time"),
    ],
)
def test_key_without_effect_is_refused(grain: str, need: dict[str, Any], expected: str) -> None:
    asked = (
        {}
        if grain == "latest"
        else {"periods": {"start": "2020" if grain == "year" else "2020-Q2" if grain == "quarter" else "2020-04"}}
    )
    with pytest.raises(ValueError, match=expected):
        problem_of(grain, {"figure": need}, **asked)


def test_accepted_and_possible_kinds_are_not_refused() -> None:
    possible = [("count", "over_time", "sum"), ("stock", "over_time", "mean"), ("rate", "over_time", "max"),
                ("rate", "accept", "year"), ("stock", "accept", "half_year")]  # fmt: skip
    for kind, key, value in possible:
        need = {key: value}
        problem = problem_about(APRIL, need)
        refuse_wrong_time_keys(problem.header, {}, problem.path, catalogue_with(kind).measures)


def test_figures_of_other_periods_stay_and_are_no_part() -> None:
    april, may = days_of(APRIL), days_of(whole_months(2020, 5, 1))
    table = table_from_records([placed(float(n), of=day) for n, day in enumerate([*april, *may])], MAPPED_FIGURE)
    whole = aggregate_over_time(table, problem_about(APRIL, {"over_time": "sum"}), [APRIL])
    assert whole.height == table.height + 1
    assert whole.head(table.height).equals(table)
    assert whole.row(-1, named=True)["value"] == sum(range(len(april)))
