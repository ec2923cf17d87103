"""The required grid, and the slice for each period: both sides of each threshold, on plain frames."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.errors import DeclarationError
from pipelines.core.periods import ReferencePeriod, format_period, whole_months
from pipelines.core.schema import PLACE_COLUMNS, table_from_records
from pipelines.declarations.problem import Need
from pipelines.gaps.grid import (
    PeriodChoice,
    build_grid,
    choose_periods,
    greatest_age,
    list_periods,
    select_places,
    tabulate_choices,
)
from tests.gaps.plain import catalogue_of, measure_of, problem_of, source_of

DAY = date(2024, 6, 30)
PLACES = table_from_records(
    [{"place_code": code, "place_name": name, "nation": nation, "kind": "lad"}
     for code, name, nation in (("E1", "East", "England"), ("E2", "West", "England"), ("W1", "Far", "Wales"))],
    PLACE_COLUMNS,
)  # fmt: skip
MONTH: dict[str, Any] = {"periods": {"start": "2024-03", "end": "2024-03"}}
MARCH = whole_months(2024, 3, 1)


def day(text: str) -> ReferencePeriod:
    return ReferencePeriod(date.fromisoformat(text), date.fromisoformat(text))


def chosen(
    stored: list[ReferencePeriod], need: dict[str, Any] | None = None, grain: str = "month", kind: str = "stock",
    as_of: date = DAY, asked: ReferencePeriod = MARCH, **source: Any,
) -> PeriodChoice:  # fmt: skip
    """Choose what answers one period of one measure, given its source and the periods that this has figures of."""
    catalogue = catalogue_of(
        a_source=source_of(measures={"figure": measure_of(kind), "people": measure_of()}, **source)
    )
    problem = problem_of(grain, {"figure": need or {}}, **({} if grain == "latest" else MONTH))
    (actual,) = choose_periods(problem, catalogue, {"figure": stored}, [asked], as_of)
    assert (actual.measure, actual.period_start, actual.period_end) == ("figure", *asked)
    return actual


def latest(
    stored: list[ReferencePeriod], need: dict[str, Any] | None = None, as_of: date = DAY, **source: Any
) -> PeriodChoice:
    return chosen(stored, need, "latest", "stock", as_of, ReferencePeriod(as_of, as_of), **source)


def answer(actual: PeriodChoice) -> tuple[object, ...]:
    return actual[3:]


NOTHING = (None, None)


def test_grid_has_every_place_period_and_measure_once() -> None:
    problem = problem_of("month", {"a": {}, "b": {}}, unknowns=("w",), **MONTH)
    actual = build_grid(problem, PLACES.head(2), [whole_months(2024, 2, 1), MARCH])
    expected = pl.DataFrame(
        [
            (measure, need, code, name, "England", None, start, end, "p")
            for measure, need in (("a", "needed"), ("b", "needed"), ("w", "wanted"))
            for code, name in (("E1", "East"), ("E2", "West"))
            for start, end in (whole_months(2024, 2, 1), MARCH)
        ],
        schema=["measure", "need", "place_code", "place_name", "nation", "valid_to", "period_start", "period_end",
                "problem"],
        orient="row",
        schema_overrides={"valid_to": pl.Date},
    )  # fmt: skip
    assert_frame_equal(actual, expected, check_row_order=False)


def test_problem_requests_all_places_or_existing_named_ones() -> None:
    assert_frame_equal(select_places(problem_of(), PLACES), PLACES)
    assert select_places(problem_of(place_codes=("W1", "E1")), PLACES)["place_code"].to_list() == ["E1", "W1"]
    with pytest.raises(DeclarationError, match=r"p\.sql: place_codes: E3 is not a place in lad_2023; .*E2"):
        select_places(problem_of(place_codes=("E1", "E3")), PLACES)


def test_periods_end_by_the_day_of_the_build_or_the_last_requested() -> None:
    assert list_periods(problem_of(), DAY) == [ReferencePeriod(DAY, DAY)]
    assert list_periods(problem_of("month", **MONTH), DAY) == [MARCH]
    running = problem_of("month", periods={"start": "2024-05"})
    assert list_periods(running, DAY) == [whole_months(2024, 5, 1), whole_months(2024, 6, 1)]
    assert list_periods(running, DAY - timedelta(days=1)) == [whole_months(2024, 5, 1)]


@pytest.mark.parametrize(
    ("source", "reason", "evidence"),
    [
        ({"access": "not_collected"}, "not_collected", "a_source is declared as not collected"),
        ({"access": "not_open"}, "not_open", "a_source is declared as not open"),
        ({"access": "not_held"}, "not_loaded", "a_source is published; the columns of its file are not declared"),
        ({"access": "private"}, "not_open",
         "a_source is private; its data owner has not released its figures"),
        ({}, "not_loaded", "no release of a_source is stored"),
        ({"fetch": {"stat_xplore": {"database": "d", "measures": "m", "dimensions": "f"}}}, "not_loaded",
         "no release of a_source is stored; fetching one needs a key in COMMONGROUND_STATXPLORE_KEY"),
    ],
)  # fmt: skip
def test_measure_without_publishable_figures_has_a_reason(source: dict[str, Any], reason: str, evidence: str) -> None:
    for grain, asked in (("latest", ReferencePeriod(DAY, DAY)), ("month", MARCH)):
        assert answer(chosen([], grain=grain, asked=asked, **source)) == (*NOTHING, reason, evidence, None, *NOTHING)


def test_open_source_provides_figures() -> None:
    assert answer(chosen([MARCH], access="open"))[:3] == (*MARCH, None)


def test_each_measure_is_answered_in_each_period_from_its_own_slices() -> None:
    catalogue = catalogue_of(one=source_of("a"), two=source_of("b", access="not_held"))
    problem = problem_of("month", {"a": {}}, unknowns=("b",), periods={"start": "2024-02"})
    asked = [whole_months(2024, 2, 1), MARCH]
    actual = choose_periods(problem, catalogue, {"a": [*asked, whole_months(2024, 4, 1)]}, asked, DAY)
    assert [(item.measure, item.period_start, item.reference_start, item.reason) for item in actual] == [
        ("a", asked[0].start, asked[0].start, None), ("a", MARCH.start, MARCH.start, None),
        ("b", asked[0].start, None, "not_loaded"), ("b", MARCH.start, None, "not_loaded"),
    ]  # fmt: skip


def test_newest_figure_ending_by_the_build_day_is_chosen_in_any_order() -> None:
    available = [whole_months(2022, 1, 12), day("2024-06-30"), day("2024-07-01"), whole_months(2023, 1, 12)]
    for order in (available, available[::-1]):
        assert answer(latest(order)) == (*day("2024-06-30"), None, None, None, *NOTHING)
    assert answer(latest(available, as_of=date(2024, 6, 29)))[:3] == (*whole_months(2023, 1, 12), None)


def test_figures_that_all_end_later_answer_no_day_before() -> None:
    result = "the first stored figure is for 1 July 2024"
    assert answer(latest([day("2024-08-01"), day("2024-07-01")])) == (
        *NOTHING, "before_series", result, None, *NOTHING,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("need", "source", "most", "allowed"),
    [
        ({"max_age": "10 days"}, {}, 10, "10 days"),
        ({"max_age": "1 year"}, {"cadence": "monthly, 3 months later"}, 365, "1 year"),
        ({}, {}, 2 * 366, "two years"),
        ({}, {"cadence": "once"}, 2 * 366, "two years"),
        ({}, {"cadence": "daily"}, 2, "two days"),
        ({}, {"cadence": "weekly"}, 14, "two weeks"),
        ({}, {"cadence": "monthly, 2 weeks later"}, 62 + 14, "two months plus the usual lag of 2 weeks"),
        ({}, {"cadence": "quarterly"}, 184, "two quarters"),
    ],
)
def test_figure_is_stale_the_day_after_its_greatest_age(
    need: dict[str, str], source: dict[str, Any], most: int, allowed: str
) -> None:
    assert greatest_age(Need(**need), source_of("figure", **source)) == (most, allowed)  # type: ignore[arg-type]
    available = [day("2024-01-31")]
    last = available[0].end + timedelta(days=most)
    assert answer(latest(available, need, last, **source)) == (*available[0], None, None, None, *NOTHING)
    reason = "after_series" if source.get("cadence") == "once" else "stale"
    result = (
        f"the newest figure is for 31 January 2024; the problem allows {allowed}, until {format_period(last, last)}"
    )
    assert answer(latest(available, need, last + timedelta(days=1), **source)) == (
        *available[0], reason, result, None, *NOTHING,
    )  # fmt: skip


def test_period_uses_its_own_figure_or_an_instant_of_a_stock() -> None:
    available = [whole_months(2024, 2, 1), MARCH, whole_months(2024, 4, 1)]
    assert answer(chosen(available)) == (*MARCH, None, None, None, *NOTHING)
    days = [day("2024-03-01"), day("2024-03-31"), day("2024-04-01")]
    assert answer(chosen(days)) == (*day("2024-03-31"), None, None, None, *NOTHING)
    assert chosen(days, kind="count").reason == "no_figure_for_period"


def test_older_figure_is_carried_only_as_long_as_the_need_allows() -> None:
    available = [whole_months(2024, 1, 1), whole_months(2024, 2, 1)]
    result = "figure for February 2024, carried forward to March 2024; the problem allows 1 month"
    assert answer(chosen(available, {"carry": "1 month"})) == (*available[1], None, result, "carried_forward", *NOTHING)
    assert answer(chosen(available[:1], {"carry": "1 month"}))[:3] == (*NOTHING, "late")
    assert answer(chosen(available))[:3] == (*NOTHING, "late")


def test_annual_rate_is_carried_to_a_month_and_a_count_is_not() -> None:
    available = [whole_months(2023, 1, 12)]
    assert chosen(available, {"carry": "2 years"}, kind="count").reason == "no_figure_for_period"
    assert answer(chosen(available, {"carry": "2 years"}, kind="rate"))[:3] == (*available[0], None)


def test_period_before_the_first_figure_names_the_first_period() -> None:
    available = [whole_months(2024, 5, 1), whole_months(2024, 4, 1)]
    result = "the first stored figure is for April 2024"
    assert answer(chosen(available)) == (*NOTHING, "before_series", result, None, *NOTHING)
    # A figure that starts on the last day of the period overlaps it.
    assert chosen([ReferencePeriod(MARCH.end, date(2024, 4, 29))]).reason == "no_figure_for_period"


@pytest.mark.parametrize(("begins", "reason"), [(date(2024, 3, 31), "not_loaded"), (date(2024, 4, 1), "before_series")])
def test_period_since_the_series_began_is_published_but_not_loaded(begins: date, reason: str) -> None:
    cell = chosen([whole_months(2024, 4, 1)], begins=begins)
    assert cell.reason == reason
    first = "the first stored figure is for April 2024"
    assert cell.evidence == (f"the publisher's series begins on 31 March 2024; {first}" if begins < DAY and
                             reason == "not_loaded" else first)  # fmt: skip


def test_after_what_was_published_once_the_series_has_ended() -> None:
    available = [whole_months(2023, 12, 1), whole_months(2024, 2, 1)]
    for order in (available, available[::-1]):
        assert answer(chosen(order, cadence="once")) == (
            *NOTHING, "after_series", "the last figure of the series is for February 2024", None, *available[1],
        )  # fmt: skip
    # Within its own time it has not ended.
    assert chosen([whole_months(2024, 1, 12)], cadence="once").reason == "coarser_period"
    assert chosen([ReferencePeriod(date(2024, 2, 5), MARCH.start)], cadence="once").reason == "no_figure_for_period"


def test_period_with_only_an_overlapping_figure_names_the_nearest() -> None:
    available = [whole_months(2022, 1, 12), whole_months(2024, 1, 12)]
    result = "a_source has no figure for March 2024; the nearest is for 2024"
    assert answer(chosen(available)) == (*NOTHING, "coarser_period", result, None, *available[1])
    # Years only, and none of this one: the series is none of months.
    result = "a_source has no figure for March 2024; the nearest is for 2022"
    assert answer(chosen(available[:1])) == (*NOTHING, "no_figure_for_period", result, None, *available[0])
    # Months, and a quarter that overlaps: an overlap says more than that the month was left out.
    available = [whole_months(2024, 1, 1), whole_months(2024, 1, 3)]
    assert answer(chosen(available))[2:] == (
        "coarser_period", "a_source has no figure for March 2024; the nearest is for January 2024 to March 2024",
        None, *available[1],
    )  # fmt: skip


def test_skipped_month_names_the_months_around_it() -> None:
    available = [whole_months(2024, 5, 1), whole_months(2024, 1, 1), whole_months(2024, 2, 1), whole_months(2024, 4, 1)]
    result = "the release has no figure between February 2024 and April 2024"
    assert answer(chosen(available)) == (*NOTHING, "no_figure_for_period", result, None, *NOTHING)
    days = [day("2024-01-31"), day("2024-02-29"), day("2024-04-30"), day("2024-05-31")]
    result = "the release has no figure between 29 February 2024 and 30 April 2024"
    assert answer(chosen(days, cadence="monthly"))[2:4] == ("no_figure_for_period", result)


@pytest.mark.parametrize(
    ("cadence", "lag", "due"),
    [("annual", "immediately", "2024-03-31"), ("annual, 2 weeks later", "2 weeks", "2024-04-14")],
)
def test_period_is_late_from_its_due_day(cadence: str, lag: str, due: str) -> None:
    available, on = [whole_months(2024, 1, 1), whole_months(2024, 2, 1)], date.fromisoformat(due)
    result = f"expected {lag} after the period, on {due}"
    assert answer(chosen(available, as_of=on - timedelta(days=1), cadence=cadence)) == (
        *NOTHING,
        "not_due",
        result,
        None,
        *NOTHING,
    )
    result = f"due on {due}; the newest stored figure is for February 2024"
    for order in (available, available[::-1]):
        assert answer(chosen(order, as_of=on, cadence=cadence)) == (*NOTHING, "late", result, None, *NOTHING)


def test_period_is_late_from_the_day_of_the_publishers_calendar() -> None:
    available = [whole_months(2024, 1, 1), whole_months(2024, 2, 1)]
    # A month after March is 30 April 2024, a Tuesday; the next Wednesday is 1 May.
    cadence = {"every": "monthly", "lag": "1 month", "weekday": "Wednesday", "citation": "https://example.org/calendar"}
    early, due = (chosen(available, as_of=day, cadence=cadence) for day in (date(2024, 4, 30), date(2024, 5, 1)))
    assert answer(early)[2:4] == ("not_due", "expected on 2024-05-01, by the publisher's calendar")
    assert answer(due)[2:4] == ("late", "due on 2024-05-01; the newest stored figure is for February 2024")


def test_choices_become_a_table_with_a_row_each() -> None:
    one = PeriodChoice("a", *MARCH, *whole_months(2024, 2, 1), evidence="told", time_caveat="carried_forward")
    two = PeriodChoice("b", *MARCH, reason="late", evidence="due", near_start=MARCH.start, near_end=MARCH.end)
    rows = tabulate_choices([one, two])
    assert rows.rows() == [tuple(one), tuple(two)]
    assert rows.columns == ["measure", "period_start", "period_end", "reference_start", "reference_end", "time_reason",
                             "time_evidence", "time_caveat", "near_start", "near_end"]  # fmt: skip
    assert tabulate_choices([]).schema == rows.schema


def test_period_that_an_extract_leaves_out_is_not_loaded() -> None:
    extract = [{"file": "a.csv", "released": date(2024, 5, 1), "extract": True}]
    between = [whole_months(2024, 1, 1), whole_months(2024, 5, 1)]
    choice = chosen(between, cadence="monthly", releases=extract)
    assert (choice.reason, choice.evidence) == (
        "not_loaded",
        "the files are extracts with some of the publisher's periods; they have no figure between January 2024 and "
        "May 2024",
    )
    assert chosen(between, cadence="monthly").reason == "no_figure_for_period"


def test_day_that_an_extract_leaves_out_is_not_loaded_with_the_nearest() -> None:
    extract = [{"file": "a.csv", "released": date(2024, 5, 1), "extract": True}]
    choice = chosen([day("2011-06-30"), day("2025-06-30")], cadence="annual", releases=extract)
    assert (choice.reason, choice.near_end) == ("not_loaded", date(2025, 6, 30))
    assert "the nearest is for 30 June 2025" in str(choice.evidence)


def test_period_after_an_extract_of_a_finished_series_is_not_loaded() -> None:
    extract = [{"file": "a.csv", "released": date(2024, 5, 1), "extract": True}]
    before = [whole_months(2024, 1, 1), whole_months(2024, 2, 1)]
    assert chosen(before, cadence="once", releases=extract).reason == "not_loaded"
    finished = chosen(before, cadence="once")
    assert (finished.reason, finished.evidence) == (
        "after_series", "the last figure of the series is for February 2024",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "source", "reason"),
    [
        (["2024-01-01 2024-04-30", "2024-05-01 2024-05-31"], {}, "no_figure_for_period"),
        (["2024-01-01 2024-02-29", "2024-04-01 2024-05-31"], {}, "not_loaded"),
        (["2024-01-01 2024-02-29", "2024-04-01 2024-05-31"], {"cadence": "once"}, "no_figure_for_period"),
        # A release that begins with the period, or ends as it begins, does not reach over it.
        (["2024-02-29 2024-03-02"], {}, "no_figure_for_period"), (["2024-03-01 2024-03-02"], {}, "not_loaded"),
        (["2024-02-29 2024-03-01"], {}, "not_loaded"), ([], {}, "no_figure_for_period"),
    ],
)  # fmt: skip
def test_period_is_left_out_by_a_release_only_if_that_release_reaches_over_it(
    spans: list[str], source: dict[str, Any], reason: str
) -> None:
    stored = [whole_months(2024, month, 1) for month in (1, 2, 4, 5)]
    catalogue = catalogue_of(a_source=source_of(measures={"figure": measure_of("stock")}, **source))
    releases = {"figure": [ReferencePeriod(*map(date.fromisoformat, span.split())) for span in spans]}
    problem = problem_of("month", {"figure": {}}, **MONTH)
    (actual,) = choose_periods(problem, catalogue, {"figure": stored}, [MARCH], DAY, releases)
    files = "the release has" if reason == "no_figure_for_period" else "the stored releases have"
    text = f"{files} no figure between February 2024 and April 2024"
    assert actual == PeriodChoice("figure", *MARCH, reason=reason, evidence=text)
