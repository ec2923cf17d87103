"""Figures from shorter periods: which periods are parts, and all columns against the rules in plain Python."""

import random
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.periods import ReferencePeriod, format_period, whole_months
from pipelines.gaps.over_time import find_parts
from tests.gaps.test_cells_rules import gap, placed
from tests.gaps.test_over_time import APRIL, QUARTER, aggregate, days_of

YEAR = whole_months(2020, 1, 12)
MONTHS = [whole_months(2020, month, 1) for month in (4, 5, 6)]


def days(*texts: str) -> list[ReferencePeriod]:
    return [ReferencePeriod(day, day) for day in map(date.fromisoformat, texts)]


def every(step: int, first: str, count: int) -> list[ReferencePeriod]:
    start = date.fromisoformat(first)
    return days(*(str(start + timedelta(days=step * n)) for n in range(count)))


def span(first: str, last: str) -> ReferencePeriod:
    return ReferencePeriod(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("period", "published", "parts", "expected", "unit"),
    [
        # Single days, by the step between them.
        (APRIL, every(1, "2020-04-01", 30), 30, 30, "days"),
        (APRIL, every(1, "2020-04-03", 20), 20, 30, "days"),
        (APRIL, every(2, "2020-04-01", 10), 10, 15, "figures"),
        (APRIL, every(2, "2020-04-02", 10), 10, 15, "figures"),
        (APRIL, every(7, "2020-03-26", 4), 3, 5, "figures"),
        # A step is counted from the first day, whatever day of the week the others are.
        (APRIL, days("2020-04-02", "2020-04-10", "2020-04-17"), 3, 5, "figures"),
        (QUARTER, every(27, "2020-04-01", 3), 3, 4, "figures"),
        (QUARTER, every(28, "2020-04-02", 4), 4, 4, "figures"),
        (QUARTER, every(28, "2020-04-02", 2), 2, 3, "figures"),
        (QUARTER, days("2020-04-30", "2020-05-31"), 2, 3, "figures"),
        (YEAR, days("2020-03-31", "2020-06-30", "2020-09-30"), 3, 4, "figures"),
        (YEAR, days("2019-12-31", "2020-12-31"), 1, 1, "figures"),
        (APRIL, days("2020-04-30"), 1, 1, "figures"),
        (QUARTER, days("2020-04-30"), 1, 1, "figures"),
        # Longer parts, by their days.
        (QUARTER, MONTHS, 3, 91, "days"),
        (QUARTER, MONTHS[:2], 2, 91, "days"),
        (YEAR, [whole_months(2020, month, 3) for month in (1, 4, 7, 10)], 4, 366, "days"),
        (whole_months(2020, 1, 3), [whole_months(2020, month, 1) for month in (1, 2, 3)], 3, 91, "days"),
    ],
)
def test_cover_of_a_period_is_counted_in_days_or_figures(
    period: ReferencePeriod, published: list[ReferencePeriod], parts: int, expected: int, unit: str
) -> None:
    shuffled = random.Random(5).sample(published, len(published))
    actual = find_parts(period, shuffled)
    assert actual and (actual.period, len(actual.parts), actual.expected, actual.unit) == (
        period, parts, expected, unit,
    )  # fmt: skip
    assert list(actual.parts) == [item for item in published if period.start <= item.start and item.end <= period.end]


def test_parts_do_not_overlap_and_the_earlier_end_comes_first() -> None:
    published = [span("2020-04-01", "2020-04-10"), span("2020-04-10", "2020-04-19"), span("2020-04-11", "2020-04-20")]
    actual = find_parts(APRIL, published[::-1])
    assert actual and list(actual.parts) == [published[0], published[2]]


def test_period_that_crosses_an_edge_is_no_part() -> None:
    inside = [span("2020-04-01", "2020-04-07"), span("2020-04-24", "2020-04-30")]
    crossing = [span("2020-03-31", "2020-04-06"), span("2020-04-25", "2020-05-01")]
    actual = find_parts(APRIL, [*crossing, *inside, APRIL])
    assert actual and list(actual.parts) == inside
    assert find_parts(APRIL, [*crossing, APRIL]) is None
    assert find_parts(APRIL, []) is None


@pytest.mark.parametrize(("weeks", "kept"), [(4, "weeks"), (3, "days")])
def test_parts_with_the_most_cover_are_chosen(weeks: int, kept: str) -> None:
    by_week = [span(f"2020-04-{1 + 7 * n:02}", f"2020-04-{7 + 7 * n:02}") for n in range(weeks)]
    by_day = days_of(APRIL)[: 7 * 3 + 1]  # 22 of 30 days
    actual = find_parts(APRIL, [*by_day, *by_week])
    assert actual and list(actual.parts) == {"weeks": by_week, "days": by_day}[kept]


STATUSES = ("normal", "estimated", "provisional")
DAY = st.fixed_dictionaries(
    {
        "value": st.none() | st.integers(-3, 50),
        "coverage": st.sampled_from([0.5, 1.0]),
        "share": st.sampled_from([0.0, 0.25, 1.0]),
        "status": st.sampled_from(STATUSES),
        "bounded": st.booleans(),
        "file": st.sampled_from(["a.csv", "b.csv"]),
    }
)


def write_day(n: int, day: ReferencePeriod, given: dict[str, Any]) -> dict[str, Any]:
    said = {"of": day, "coverage": given["coverage"], "apportioned_share": given["share"], "file": given["file"],
            "file_rows": str(n % 9), "release": f"r{n:02}"}  # fmt: skip
    if given["value"] is None:
        bounds = (1.0, 4.0) if given["bounded"] else (None, None)
        return gap("suppressed", lower_bound=bounds[0], upper_bound=bounds[1], obs_status="confidential", **said)
    value = float(given["value"])
    limits = {"lower_bound": value - 1, "upper_bound": value + 2} if given["bounded"] else {}
    return placed(value, obs_status=given["status"], **limits, **said)


def aggregate_plainly(rows: list[dict[str, Any]], how: str, least: float) -> dict[str, Any]:
    """Work out the figure of April from those of its 30 days, row by row, by the rules of docs/how-it-works.md."""
    known = [row for row in rows if row["value"] is not None]
    lowers, uppers = ([row[name] for row in rows] for name in ("lower_bound", "upper_bound"))
    values = [row["value"] for row in known]
    combine = {"sum": sum, "mean": lambda items: sum(items) / len(items), "max": max, "min": min}[how]
    has_value = bool(known) and len(known) / 30 >= least
    lower = combine(lowers) if None not in lowers else None
    upper = combine(uppers) if None not in uppers else None
    some_lower, some_upper = ([item for item in items if item is not None] for items in (lowers, uppers))
    if how == "max" and some_lower:
        lower = max(some_lower)
    if how == "min" and some_upper:
        upper = min(some_upper)
    lowest = [min(item for item in (row["lower_bound"], row["value"]) if item is not None) for row in rows
              if row["lower_bound"] is not None or row["value"] is not None]  # fmt: skip
    if how == "sum" and some_lower and min(lowest, default=0) >= 0:
        lower = sum(some_lower)
    missing = next((row for row in rows if row["value"] is None), None)
    first = missing and format_period(missing["period_start"], missing["period_end"])
    text = f"figures for {len(known)} of 30 days; the first without one is {first} (suppressed)"
    span = known and format_period(known[0]["period_start"], known[-1]["period_end"])
    name = {"max": "highest", "min": "lowest"}.get(how, how)
    statuses = [row["obs_status"] for row in known or rows]
    order = ["normal", "provisional", "estimated", "confidential"]
    return {
        "value": combine(values) if has_value else None,
        "lower_bound": lower,
        "upper_bound": upper,
        "coverage": sum(row["coverage"] for row in known) / 30 if has_value else None,
        "apportioned_share": max((row["apportioned_share"] for row in known), default=None),
        "reason": None if has_value else "periods_incomplete" if known else "suppressed",
        "evidence": f"{name} of {len(known)} figures, {span}" if has_value else text if known else "told",
        "caveats": "incomplete_aggregate" if has_value and len(known) < 30 else None,
        "statuses": {status for status in statuses if order.index(status) >= 0},
        "release": rows[-1]["release"],
        "derivation": "aggregated_in_time" if has_value else None,
        "one_file": len({row["file"] for row in rows}) == 1,
    }


@settings(max_examples=40)
@given(st.lists(DAY, min_size=30, max_size=30), st.sampled_from(["sum", "mean", "max", "min"]), st.booleans())
def test_all_columns_are_as_the_rules_written_out_give_them(given_days: list[Any], how: str, is_whole: bool) -> None:
    if is_whole:
        given_days = [{**item, "value": 5 if item["value"] is None else item["value"]} for item in given_days]
    rows = [write_day(n, day, item) for n, (day, item) in enumerate(zip(days_of(APRIL), given_days, strict=True))]
    least = 1.0 if how == "sum" else 0.5
    need = {"over_time": how} | ({} if how == "sum" else {"min_coverage": least})
    expected = aggregate_plainly(rows, how, least)
    actual = aggregate(list(rows), need)
    for name in ("value", "lower_bound", "upper_bound", "coverage"):
        assert actual[name] == (None if expected[name] is None else pytest.approx(expected[name])), name
    for name in ("apportioned_share", "reason", "evidence", "caveats", "release", "derivation"):
        assert actual[name] == expected[name], name
    assert actual["obs_status"] in expected["statuses"]
    assert (actual["file_rows"] is not None) == expected["one_file"]
    if expected["one_file"]:
        assert actual["file_rows"].split(",") == list(dict.fromkeys(row["file_rows"] for row in rows))


@pytest.mark.parametrize(("how", "value", "coverage"), [("last", 6.0, 0.5), ("first", 4.0, 1.0)])
def test_first_and_last_month_are_those_at_the_ends(how: str, value: float, coverage: float) -> None:
    rows = [placed(float(n + 4), of=month, coverage=0.5 if n == 2 else 1.0) for n, month in enumerate(MONTHS)]
    row = aggregate(rows, {"over_time": how}, QUARTER)
    assert (row["value"], row["lower_bound"], row["upper_bound"]) == (value, value, value)
    assert row["coverage"] == coverage and row["evidence"] == f"{how} figure of the period, for {_month(how)}"


@pytest.mark.parametrize(("how", "absent"), [("last", 2), ("first", 0)])
def test_absent_end_leaves_no_last_or_first_figure(how: str, absent: int) -> None:
    rows = [placed(float(n + 4), of=month) for n, month in enumerate(MONTHS) if n != absent]
    row = aggregate(rows, {"over_time": how}, QUARTER)
    assert (row["value"], row["reason"], row["lower_bound"]) == (None, "periods_incomplete", None)


@pytest.mark.parametrize(("how", "value"), [("last", 9.0), ("first", 0.0)])
def test_first_and_last_of_single_days_are_the_outermost_ones(how: str, value: float) -> None:
    rows = [placed(float(n), of=day) for n, day in enumerate(every(3, "2020-04-02", 10))]
    row = aggregate(rows, {"over_time": how})
    assert (row["value"], row["reason"]) == (value, None)


def test_mean_of_months_weighs_their_days() -> None:
    rows = [placed(float(n), of=month, coverage=0.5 if n == 1 else 1.0) for n, month in enumerate(MONTHS)]
    row = aggregate(rows, {"over_time": "mean"}, QUARTER)
    assert row["value"] == row["lower_bound"] == row["upper_bound"] == pytest.approx((31 + 2 * 30) / 91)
    assert row["coverage"] == pytest.approx((30 + 31 / 2 + 30) / 91)


def test_markers_and_rows_of_the_parts_stay_in_order_of_days() -> None:
    names = [f"{letter}{n}" for n in range(5) for letter in "qcazxm"]
    rows = [
        placed(float(n), of=day, published_marker=name, file_rows=name, caveats=name, caveat_evidence=name)
        for n, (day, name) in enumerate(zip(days_of(APRIL), names, strict=True))
    ]
    for shuffled in (rows, rows[::-1]):
        actual = aggregate(shuffled, {"over_time": "sum"})
        assert actual["published_marker"] == ", ".join(names)
        assert {actual[name] for name in ("file_rows", "caveats", "caveat_evidence")} == {",".join(names)}


def test_worst_status_and_caveats_are_of_the_known_parts() -> None:
    rows = [
        placed(1.0, of=MONTHS[0], obs_status="provisional", caveats="flagged", caveat_evidence="one"),
        placed(2.0, of=MONTHS[1], obs_status="normal", caveats="rounded", caveat_evidence="two"),
        gap("suppressed", of=MONTHS[2], obs_status="confidential", caveats="estimated", published_marker="c"),
    ]
    row = aggregate(rows, {"over_time": "max", "min_coverage": 0.5}, QUARTER)
    assert (row["value"], row["obs_status"], row["published_marker"]) == (2.0, "provisional", "c")
    assert row["caveats"] == "incomplete_aggregate,flagged,rounded" and row["caveat_evidence"] == "one,two"


@pytest.mark.parametrize(("least", "value"), [(61 / 91, 3.0), (62 / 91, None)])
def test_least_coverage_is_enough(least: float, value: float | None) -> None:
    rows = [placed(3.0, of=month) for month in MONTHS[:2]]
    assert aggregate(rows, {"over_time": "max", "min_coverage": least}, QUARTER)["value"] == value


def _month(how: str) -> str:
    return format_period(*MONTHS[-1 if how == "last" else 0])
