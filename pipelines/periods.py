"""Periods are two dates, the first day and the last; a point in time is one day twice."""

from calendar import month_name
from collections.abc import Iterator
from datetime import date, timedelta

from pipelines.errors import DeclarationError
from pipelines.model import Grain
from pipelines.model_reading import FileShape, PeriodKind
from pipelines.spellings import Span as Span
from pipelines.spellings import months, parse_period

MONTHS_LONG = {"month": 1, "quarter": 3, "year": 12}


def period_of(text: str, shape: FileShape) -> Span | None:
    """Read a period as a source says that it writes them; null where the text is none."""
    return parse_period(text, shape.period_kind, shape.period_format, shape.period_ends)


def spine(grain: Grain, start: str, end: str | None, as_of: date) -> list[Span]:
    """List the periods that a problem asks about, from the first to the last that ended by the day of the build."""
    if grain == "latest":
        return [Span(as_of, as_of)]
    first = _bound(start, grain)
    last = _bound(end, grain).end if end else as_of
    return list(_until(first, MONTHS_LONG[grain], last))


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
