"""Periods: accepted spellings with their first and last day, rejected spellings, and display format."""

from calendar import monthrange
from datetime import date, timedelta
from itertools import pairwise
from typing import get_args

import pytest

from pipelines.core.errors import DeclarationError
from pipelines.core.periods import (
    MONTH_NUMBERS,
    ReferencePeriod,
    _parse_financial_years,
    format_period,
    is_of_kind,
    is_usable_format,
    list_problem_periods,
    parse_period,
    whole_months,
)
from pipelines.core.vocabulary import Grain, PeriodKind

SLASHED = ("%d/%m/%Y",)


def span(first: str, last: str | None = None) -> ReferencePeriod:
    return ReferencePeriod(date.fromisoformat(first), date.fromisoformat(last or first))


@pytest.mark.parametrize(
    ("year", "month", "count", "expected"),
    [
        (2023, 1, 1, span("2023-01-01", "2023-01-31")),
        (2023, 2, 1, span("2023-02-01", "2023-02-28")),
        (2024, 2, 1, span("2024-02-01", "2024-02-29")),
        (2023, 12, 1, span("2023-12-01", "2023-12-31")),
        (2023, 11, 1, span("2023-11-01", "2023-11-30")),
        (2023, 11, 3, span("2023-11-01", "2024-01-31")),
        (2023, 1, 12, span("2023-01-01", "2023-12-31")),
        (2023, 4, 12, span("2023-04-01", "2024-03-31")),
        (2023, 4, 36, span("2023-04-01", "2026-03-31")),
    ],
)
def test_whole_months_start_on_the_first_and_end_on_the_last_day(
    year: int, month: int, count: int, expected: ReferencePeriod
) -> None:
    assert whole_months(year, month, count) == expected


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("2023-06-30", "day", span("2023-06-30")),
        ("2023-06-30T00:00:00", "day", span("2023-06-30")),
        ("2023-06-30 00:00:00.000Z", "day", span("2023-06-30")),
        ("30 June 2023", "day", span("2023-06-30")),
        ("1st Sept 2023", "day", span("2023-09-01")),
        ("2nd-Feb-2023", "day", span("2023-02-02")),
        ("31 Dec. 2023", "day", span("2023-12-31")),
        ("2023-W05", "week", span("2023-01-30", "2023-02-05")),
        ("2023W01", "week", span("2023-01-02", "2023-01-08")),
        ("2020-W53", "week", span("2020-12-28", "2021-01-03")),
        ("2023-02-01", "week", span("2023-02-01", "2023-02-07")),
        ("1 February 2023", "week", span("2023-02-01", "2023-02-07")),
        ("202305", "week", span("2023-01-30", "2023-02-05")),
        ("2023 week 5", "week", span("2023-01-30", "2023-02-05")),
        ("W/E 29 March 2026", "week", span("2026-03-23", "2026-03-29")),
        ("week ending 1st Jan 2023", "week", span("2022-12-26", "2023-01-01")),
        ("2005M02", "month", span("2005-02-01", "2005-02-28")),
        ("2026Q1", "quarter", span("2026-01-01", "2026-03-31")),
        ("2023/24 Q4", "quarter", span("2024-01-01", "2024-03-31")),
        ("2024 H1", "half_year", span("2024-01-01", "2024-06-30")),
        ("H2-2024", "half_year", span("2024-07-01", "2024-12-31")),
        ("YE Dec 2025", "year", span("2025-01-01", "2025-12-31")),
        ("YE Mar 2025", "financial_year", span("2024-04-01", "2025-03-31")),
        ("Year ending 31 March 2025", "financial_year", span("2024-04-01", "2025-03-31")),
        ("202223", "financial_year", span("2022-04-01", "2023-03-31")),
        ("202223", "academic_year", span("2022-09-01", "2023-08-31")),
        ("2022/23", "academic_year", span("2022-09-01", "2023-08-31")),
        ("YE June 2025", "span", span("2024-07-01", "2025-06-30")),
        ("2021 - 23", "span", span("2021-01-01", "2023-12-31")),
        ("1999-01", "span", span("1999-01-01", "2001-12-31")),
        ("2021 to 2024", "span", span("2021-01-01", "2024-12-31")),
        ("2019/20 - 21/22", "span", span("2019-04-01", "2022-03-31")),
        ("2019/20 - 2021/22", "span", span("2019-04-01", "2022-03-31")),
        ("Spring 2025", "span", span("2025-03-01", "2025-05-31")),
        ("Summer 2025", "span", span("2025-06-01", "2025-08-31")),
        ("Autumn 2025", "span", span("2025-09-01", "2025-11-30")),
        ("Winter 2025/26", "span", span("2025-12-01", "2026-02-28")),
        ("2023-11", "month", span("2023-11-01", "2023-11-30")),
        ("2023-11-01", "month", span("2023-11-01", "2023-11-30")),
        ("2023-11-01T00:00:00/P1M", "month", span("2023-11-01", "2023-11-30")),
        ("202311", "month", span("2023-11-01", "2023-11-30")),
        ("November 2023", "month", span("2023-11-01", "2023-11-30")),
        ("nov-2023", "month", span("2023-11-01", "2023-11-30")),
        ("2023 Sept.", "month", span("2023-09-01", "2023-09-30")),
        ("2023JAN", "month", span("2023-01-01", "2023-01-31")),
        ("  December \n 2023 ", "month", span("2023-12-01", "2023-12-31")),
        ("2023 Q1", "quarter", span("2023-01-01", "2023-03-31")),
        ("2023-q4", "quarter", span("2023-10-01", "2023-12-31")),
        ("Quarter 2 2023", "quarter", span("2023-04-01", "2023-06-30")),
        ("Q3-2023", "quarter", span("2023-07-01", "2023-09-30")),
        ("2022-23 Q1", "quarter", span("2022-04-01", "2022-06-30")),
        ("2022/23, Q3", "quarter", span("2022-10-01", "2022-12-31")),
        ("2022/2023 Q4", "quarter", span("2023-01-01", "2023-03-31")),
        ("Q2 2022-23", "quarter", span("2022-07-01", "2022-09-30")),
        ("January to March 2023", "quarter", span("2023-01-01", "2023-03-31")),
        ("Oct-Dec 2023", "quarter", span("2023-10-01", "2023-12-31")),
        ("2023-07-01/P3M", "quarter", span("2023-07-01", "2023-09-30")),
        ("2023", "year", span("2023-01-01", "2023-12-31")),
        ("2024-01-01T00:00/P1Y", "year", span("2024-01-01", "2024-12-31")),
        ("2019-20", "financial_year", span("2019-04-01", "2020-03-31")),
        ("2019/2020", "financial_year", span("2019-04-01", "2020-03-31")),
        ("1999-00", "financial_year", span("1999-04-01", "2000-03-31")),
        ("2019 to 2020", "financial_year", span("2019-04-01", "2020-03-31")),
        ("2019 to 20", "financial_year", span("2019-04-01", "2020-03-31")),
        ("April 2019 to March 2020", "financial_year", span("2019-04-01", "2020-03-31")),
        ("Apr 2019 - Mar 2020", "financial_year", span("2019-04-01", "2020-03-31")),
        ("2019-04-01/P1Y", "financial_year", span("2019-04-01", "2020-03-31")),
        ("2020", "mid_year", span("2020-06-30")),
        ("Mid-2020", "mid_year", span("2020-06-30")),
        ("2020-06-30 00:00", "mid_year", span("2020-06-30")),
        ("30 June 2020", "mid_year", span("2020-06-30")),
        ("April 2019 to June 2021", "span", span("2019-04-01", "2021-06-30")),
        ("04/2021 - 03/2022", "span", span("2021-04-01", "2022-03-31")),
        ("May 2021 to May 2021", "span", span("2021-05-01", "2021-05-31")),
        ("May–July 2021", "span", span("2021-05-01", "2021-07-31")),
        ("2013-04-01/P3Y", "span", span("2013-04-01", "2016-03-31")),
        ("2013-04-01/P18M", "span", span("2013-04-01", "2014-09-30")),
        ("2020-11-15/P1M", "span", span("2020-11-15", "2020-12-14")),
        ("2020-11-15/P2Y", "span", span("2020-11-15", "2022-11-14")),
        ("2020-11-02/P1M", "span", span("2020-11-02", "2020-12-01")),
        ("2020-01-28/P1M", "span", span("2020-01-28", "2020-02-27")),
        ("2020-11-15/2020-11-15", "span", span("2020-11-15")),
        ("2020-11-15 to 2021-01-02", "span", span("2020-11-15", "2021-01-02")),
    ],
)
def test_each_spelling_is_parsed_to_its_period(text: str, kind: PeriodKind, expected: ReferencePeriod) -> None:
    assert parse_period(text, kind) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("01/04/2023", "day"),  # ambiguous: 1 April or 4 January
        ("2023-06-31", "day"),
        ("2023-02-29", "day"),
        ("0000-01-01", "day"),
        ("30 Juin 2023", "day"),
        ("2023-06-30T10:00", "day"),
        ("2023-W54", "week"),
        ("202354", "week"),
        ("2023-05", "week"),  # may be May 2023
        ("2021-22", "span"),  # may be a financial year
        ("2021 to 2022", "span"),
        ("Winter 2025", "span"),  # ends or begins in 2025
        ("YE Mar 2025", "year"),
        ("YE Dec 2025", "financial_year"),
        ("202224", "academic_year"),
        ("2023-W00", "week"),
        ("2021-W53", "week"),
        ("January", "week"),
        ("2023-13", "month"),
        ("2023-00", "month"),
        ("2023-11-02", "month"),
        ("Smarch 2023", "month"),
        ("9999-12", "month"),  # the last day is beyond the largest date
        ("2023 Q5", "quarter"),
        ("2023 Q0", "quarter"),
        ("2022-24 Q1", "quarter"),
        ("Q1 2022-21", "quarter"),
        ("February to April 2023", "quarter"),
        ("January to June 2023", "quarter"),
        ("March to January 2023", "quarter"),
        ("Smarch to May 2023", "quarter"),
        ("2023-02-01/P3M", "quarter"),
        ("2023-04-01/P1Y", "year"),
        ("2023-24", "year"),
        ("2019-21", "financial_year"),
        ("2019-19", "financial_year"),
        ("2019-2021", "financial_year"),
        ("2019 to 2018", "financial_year"),
        ("2019", "financial_year"),
        ("January 2019 to December 2019", "financial_year"),
        ("April 2019 to March 2021", "financial_year"),
        ("April 2019 to April 2020", "financial_year"),
        ("2019-01-01/P1Y", "financial_year"),
        ("2020-06-29", "mid_year"),
        ("June 2021 to April 2019", "span"),
        ("13/2021 - 14/2021", "span"),
        ("July to May 2021", "span"),
        ("2020-11-29/P1M", "span"),  # 29 February may not exist
        ("2020-11-15/2020-11-14", "span"),
        ("", "span"),
    ],
)
def test_text_that_is_not_a_period_of_its_kind_gives_null(text: str, kind: PeriodKind) -> None:
    assert parse_period(text, kind) is None


def test_every_month_is_parsed_by_full_and_short_name() -> None:
    assert len(MONTH_NUMBERS) == 12 + 11 + 1  # the short form of May is May; Sept is an extra form
    for number in range(1, 13):
        first = date(2023, number, 1)
        whole = ReferencePeriod(first, date(2023, number, monthrange(2023, number)[1]))
        for form in ("%B %Y", "%b %Y", "%Y %b", "%Y-%m", "%Y%m"):
            assert parse_period(first.strftime(form), "month") == whole


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("01/04/2023", "financial_year", span("2023-04-01", "2024-03-31")),
        ("31/03/2023", "financial_year", span("2022-04-01", "2023-03-31")),
        ("01/01/2023", "financial_year", span("2022-04-01", "2023-03-31")),
        ("31/12/2023", "financial_year", span("2023-04-01", "2024-03-31")),
        ("01/01/2023", "quarter", span("2023-01-01", "2023-03-31")),
        ("31/03/2023", "quarter", span("2023-01-01", "2023-03-31")),
        ("01/04/2023", "quarter", span("2023-04-01", "2023-06-30")),
        ("30/09/2023", "quarter", span("2023-07-01", "2023-09-30")),
        ("01/10/2023", "quarter", span("2023-10-01", "2023-12-31")),
        ("31/12/2023", "quarter", span("2023-10-01", "2023-12-31")),
        ("01/04/2023", "month", span("2023-04-01", "2023-04-30")),
        ("29/02/2024", "month", span("2024-02-01", "2024-02-29")),
        ("31/12/2023", "year", span("2023-01-01", "2023-12-31")),
        ("01/01/2024", "year", span("2024-01-01", "2024-12-31")),
        ("01/01/2024", "mid_year", span("2024-06-30")),
        ("01/04/2023", "day", span("2023-04-01")),
        ("01/04/2023", "week", span("2023-04-01", "2023-04-07")),
    ],
)
def test_date_in_a_declared_format_gives_the_period_that_contains_it(
    text: str, kind: PeriodKind, expected: ReferencePeriod
) -> None:
    assert parse_period(text, kind, SLASHED) == expected


def test_date_that_ends_a_week_gives_the_seven_days_up_to_it() -> None:
    expected = span("2023-03-26", "2023-04-01")
    assert parse_period("01/04/2023", "week", SLASHED, ends=True) == expected
    assert parse_period("2023-04-01", "week", ends=True) == expected
    # A week number has fixed days, whichever day of the week other texts give.
    assert parse_period("2023-W05", "week", ends=True) == span("2023-01-30", "2023-02-05")


@pytest.mark.parametrize("text", ["2023-04-01", "1 April 2023", "04/13/2023", "31/02/2023", "2023", ""])
def test_declared_formats_exclude_all_other_spellings(text: str) -> None:
    assert parse_period(text, "day", SLASHED) is None


def test_date_that_two_formats_parse_differently_gives_null() -> None:
    both = ("%d/%m/%Y", "%m/%d/%Y")
    assert parse_period("01/04/2023", "day", both) is None
    assert parse_period("13/04/2023", "day", both) == span("2023-04-13")
    assert parse_period("04/04/2023", "day", both) == span("2023-04-04")


@pytest.mark.parametrize(
    ("grain", "first", "count", "last"),
    [
        ("month", "2023-11", 3, span("2024-01-01", "2024-01-31")),
        ("quarter", "2023-Q2", 4, span("2024-01-01", "2024-03-31")),
        ("year", "2021", 3, span("2023-01-01", "2023-12-31")),
    ],
)
def test_spine_ends_with_the_last_period_complete_by_the_build_day(
    grain: Grain, first: str, count: int, last: ReferencePeriod
) -> None:
    actual = list_problem_periods(grain, first, None, last.end)
    assert (len(actual), actual[-1]) == (count, last)
    assert actual[0] == parse_period(first, grain if grain != "latest" else "month")
    # Consecutive periods have no day between them.
    steps = [later.start - earlier.end for earlier, later in pairwise(actual)]
    assert steps == [timedelta(days=1)] * (count - 1)
    assert list_problem_periods(grain, first, None, last.end - timedelta(days=1)) == actual[:-1]
    assert list_problem_periods(grain, first, None, actual[0].start) == []


def test_spine_with_an_end_ignores_the_build_day() -> None:
    expected = [span("2023-01-01", "2023-01-31"), span("2023-02-01", "2023-02-28")]
    assert list_problem_periods("month", "2023-01", "2023-02", date(2020, 1, 1)) == expected
    assert list_problem_periods("month", "2023-02", "2023-01", date(2025, 1, 1)) == []


def test_latest_grain_has_the_build_day_as_its_period() -> None:
    assert list_problem_periods("latest", "", None, date(2023, 5, 6)) == [span("2023-05-06")]


@pytest.mark.parametrize(
    ("grain", "text", "kind"),
    [("year", "2023-01", "year"), ("quarter", "2023-01", "quarter"), ("month", "2023", "month")],
)
def test_bound_of_another_grain_is_refused(grain: Grain, text: str, kind: str) -> None:
    with pytest.raises(DeclarationError, match=rf"periods: found '{text}', expected a {kind}"):
        list_problem_periods(grain, text, None, date(2024, 1, 1))


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        (span("2023-06-30"), "30 June 2023"),
        (span("2023-01-01", "2023-12-31"), "2023"),
        (span("2023-02-01", "2023-02-28"), "February 2023"),
        (span("2023-12-01", "2023-12-31"), "December 2023"),
        (span("2023-01-01", "2023-01-31"), "January 2023"),
        (span("2023-04-01", "2024-03-31"), "April 2023 to March 2024"),
        (span("2023-01-01", "2024-12-31"), "January 2023 to December 2024"),
        (span("2023-01-01", "2024-01-31"), "January 2023 to January 2024"),
        (span("2023-01-01", "2023-03-31"), "January 2023 to March 2023"),
        (span("2023-10-01", "2023-12-31"), "October 2023 to December 2023"),
        (span("2023-01-02", "2023-01-31"), "2 to 31 January 2023"),
        (span("2023-01-01", "2023-01-30"), "1 to 30 January 2023"),
        (span("2023-03-26", "2023-04-01"), "26 March to 1 April 2023"),
        (span("2022-12-26", "2023-01-01"), "26 December 2022 to 1 January 2023"),
    ],
)
def test_period_is_formatted_for_display(period: ReferencePeriod, expected: str) -> None:
    assert format_period(*period) == expected


def test_period_without_first_or_last_day_is_formatted_as_no_period() -> None:
    day = date(2023, 1, 1)
    assert [format_period(None, day), format_period(day, None), format_period(None, None)] == ["no period"] * 3


@pytest.mark.parametrize(
    ("date_format", "kind", "usable"),
    [
        ("%d/%m/%Y", "day", True),
        ("%d/%m/%y", "week", True),
        ("week to %d %B %Y", "week", True),
        ("%G-W%V-%u", "week", True),
        ("%Y-W%W", "week", False),
        ("%G-W%V", "week", False),
        ("%b-%y", "month", True),
        ("%b-%y", "day", False),
        ("%Y", "month", False),
        ("%B", "month", False),
        ("%B %Y", "quarter", True),
        ("%B %Y", "half_year", True),
        ("%B %Y", "academic_year", True),
        ("%Y", "year", True),
        ("%Y", "mid_year", True),
        ("%Y", "financial_year", False),
        ("soon", "year", False),
        ("%Q", "year", False),
    ],
)
def test_usable_format_states_each_period_of_its_kind(date_format: str, kind: PeriodKind, usable: bool) -> None:
    assert is_usable_format(date_format, kind) is usable


@pytest.mark.parametrize(
    ("start", "end", "kinds"),
    [
        (date(2023, 5, 1), date(2023, 5, 31), {"month", "span"}),
        (date(2023, 4, 1), date(2023, 6, 30), {"quarter", "span"}),
        (date(2023, 1, 1), date(2023, 12, 31), {"year", "span"}),
        (date(2023, 4, 1), date(2024, 3, 31), {"financial_year", "span"}),
        (date(2023, 9, 1), date(2024, 8, 31), {"academic_year", "span"}),
        (date(2023, 4, 1), date(2023, 9, 30), {"half_year", "span"}),
        (date(2023, 6, 30), date(2023, 6, 30), {"day", "mid_year", "span"}),
        (date(2023, 5, 3), date(2023, 5, 3), {"day", "span"}),
        (date(2023, 5, 1), date(2023, 5, 7), {"week", "span"}),
        (date(2021, 4, 1), date(2024, 3, 31), {"span"}),
    ],
)
def test_days_of_a_period_decide_its_possible_kinds(start: date, end: date, kinds: set[str]) -> None:
    every = get_args(PeriodKind)
    assert {kind for kind in every if is_of_kind(ReferencePeriod(start, end), kind)} == kinds


def test_financial_years_that_do_not_follow_each_other_are_no_period() -> None:
    assert _parse_financial_years("2019", "20", "20", "21") == span("2019-04-01", "2021-03-31")
    for last, end in (("19", "20"), ("18", "19"), ("20", "22")):
        assert _parse_financial_years("2019", "20", last, end) is None
