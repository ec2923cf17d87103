"""Periods are two dates, the first day and the last; a point in time is one day twice."""

import re
from calendar import month_abbr, month_name
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from pipelines.errors import DeclarationError
from pipelines.model import Grain, PeriodKind

MONTHS = {name.casefold(): n for names in (month_name, month_abbr) for n, name in enumerate(names) if name}
_MONTHS_LONG = {"month": 1, "quarter": 3, "year": 12}
_YEAR = re.compile(r"(\d{4})(?:-01-01(?:T00:00:00)?/P1Y)?")
_QUARTER = re.compile(r"(\d{4})[ -]?Q([1-4])")
_MONTH = re.compile(r"(\d{4})-(\d{2})(?:-01(?:T00:00:00)?/P1M)?")
_MONTH_NAMED = re.compile(r"([A-Za-z]+)[ -](\d{4})")
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


class Span(NamedTuple):
    """A period: first and last day."""

    start: date
    end: date


def parse_period(text: str, kind: PeriodKind) -> Span | None:
    """Read a period of a known kind; null where the text is none. Only spellings with one meaning are read.

    year: `2023`, `2023-01-01/P1Y`; quarter: `2023 Q1`; month: `2023-11`, `November 2023`, `Nov 2023`,
    `2023-11-01/P1M`; day: `2023-06-30`. The interval form is ISO 8601's.
    """
    text = text.strip()
    try:
        if kind == "year" and (match := _YEAR.fullmatch(text)):
            return months(int(match[1]), 1, 12)
        if kind == "quarter" and (match := _QUARTER.fullmatch(text)):
            return months(int(match[1]), 3 * int(match[2]) - 2, 3)
        if kind == "month" and (match := _MONTH.fullmatch(text)):
            return months(int(match[1]), int(match[2]), 1)
        if kind == "month" and (match := _MONTH_NAMED.fullmatch(text)):
            month = MONTHS.get(match[1].casefold())
            return months(int(match[2]), month, 1) if month else None
        if kind == "day" and (match := _DAY.fullmatch(text)):
            day = date(int(match[1]), int(match[2]), int(match[3]))
            return Span(day, day)
    except ValueError:
        # A month 13 or a 31 June: no period.
        return None
    return None


def months(year: int, month: int, count: int) -> Span:
    """Give the period of some whole months, from the first of one."""
    after = year * 12 + month - 1 + count
    return Span(date(year, month, 1), date(after // 12, after % 12 + 1, 1) - timedelta(days=1))


def spine(grain: Grain, start: str, end: str | None, as_of: date) -> list[Span]:
    """List the periods that a problem asks about, from the first to the last that ended by the day of the build."""
    if grain == "latest":
        return [Span(as_of, as_of)]
    first = _bound(start, grain)
    last = _bound(end, grain).end if end else as_of
    return list(_until(first, _MONTHS_LONG[grain], last))


def _until(first: Span, count: int, last: date) -> Iterator[Span]:
    span = first
    while span.end <= last:
        yield span
        following = span.end + timedelta(days=1)
        span = months(following.year, following.month, count)


def _bound(text: str, grain: Grain) -> Span:
    kind: PeriodKind = "year" if grain == "year" else "quarter" if grain == "quarter" else "month"
    span = parse_period(text, kind)
    if not span:
        raise DeclarationError(f"periods: found {text!r}, expected a {kind}, as in 2022, 2022-Q1 or 2022-01")
    return span


def say(start: date | None, end: date | None) -> str:
    """Write a period as people do."""
    if not start or not end:
        return "no period"
    if start == end:
        return f"{start.day} {month_name[start.month]} {start.year}"
    if start.day == 1 and (end + timedelta(days=1)).day == 1:
        if (start.month, end.month) == (1, 12) and start.year == end.year:
            return str(start.year)
        if (start.year, start.month) == (end.year, end.month):
            return f"{month_name[start.month]} {start.year}"
        return f"{month_name[start.month]} {start.year} to {month_name[end.month]} {end.year}"
    return f"{start.isoformat()} to {end.isoformat()}"
