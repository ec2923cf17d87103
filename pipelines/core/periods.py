"""Reference periods: first and last day, publishers' spellings, and display format."""

import re
from calendar import month_abbr, month_name
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from pipelines.core.errors import DeclarationError
from pipelines.core.vocabulary import Grain, PeriodKind

MONTHS = {name.casefold(): n for names in (month_name, month_abbr) for n, name in enumerate(names) if name}
MONTHS["sept"] = 9
_MIDNIGHT = r"(?:[ T]00:00(?::00(?:\.0+)?)?Z?)?"
_TO = r"(?: to | ?[-–] ?)"
_NAME = r"([A-Za-z]{3,9})\.?"
_FINANCIAL = r"(\d{4}) ?[-/–] ?(\d{4}|\d{2})"


class Span(NamedTuple):
    """A reference period: first and last day."""

    start: date
    end: date


Read = Callable[..., Span | None]
"""Function from the groups of a spelling to its period; null or ValueError where no such period exists."""


def months(year: int, month: int, count: int) -> Span:
    """Return the period of `count` whole months that starts on the first of a month."""
    after = year * 12 + month - 1 + count
    return Span(date(year, month, 1), date(after // 12, after % 12 + 1, 1) - timedelta(days=1))


def _month(year: str, month: str) -> Span | None:
    number = int(month) if month.isdigit() else MONTHS.get(month.casefold())
    return months(int(year), number, 1) if number else None


def _month_first(month: str, year: str) -> Span | None:
    return _month(year, month)


def _day(year: str, month: str, day: str) -> Span | None:
    first = _month(year, month)
    found = date(first.start.year, first.start.month, int(day)) if first else None
    return Span(found, found) if found else None


def _day_first(day: str, month: str, year: str) -> Span | None:
    return _day(year, month, day)


def _quarter(year: str, quarter: str) -> Span:
    return months(int(year), 3 * int(quarter) - 2, 3)


def _quarter_first(quarter: str, year: str) -> Span:
    return _quarter(year, quarter)


def _from_to(first: str, from_year: str, last: str, to_year: str) -> Span | None:
    start, end = _month(from_year, first), _month(to_year, last)
    return Span(start.start, end.end) if start and end and start.start <= end.end else None


def _from_to_one_year(first: str, last: str, year: str) -> Span | None:
    return _from_to(first, year, last, year)


def _calendar_quarter(first: str, last: str, year: str) -> Span | None:
    span = _from_to(first, year, last, year)
    return span if span and span == months(span.start.year, span.start.month, 3) and span.start.month % 3 == 1 else None


def _follows(year: str, next_year: str) -> bool:
    """Return whether `next_year`, such as `20` or `2020`, is the year after `year`, such as 2019."""
    return str(int(year) + 1)[-len(next_year) :] == next_year


def _financial(year: str, next_year: str) -> Span | None:
    return months(int(year), 4, 12) if _follows(year, next_year) else None


def _financial_quarter(year: str, next_year: str, quarter: str) -> Span | None:
    first = 3 * int(quarter)
    return months(int(year) + first // 12, first % 12 + 1, 3) if _follows(year, next_year) else None


def _financial_quarter_first(quarter: str, year: str, next_year: str) -> Span | None:
    return _financial_quarter(year, next_year, quarter)


def _april_to_march(first: str, year: str, last: str, next_year: str) -> Span | None:
    span = _from_to(first, year, last, next_year)
    return span if span == months(int(year), 4, 12) else None


def _mid_year(year: str) -> Span:
    return Span(date(int(year), 6, 30), date(int(year), 6, 30))


def _iso_week(year: str, week: str) -> Span:
    monday = date.fromisocalendar(int(year), int(week), 1)
    return Span(monday, monday + timedelta(days=6))


def _lasting(year: str, month: str, count: str, unit: str) -> Span:
    """Return the period of an ISO 8601 start month and a duration in months or years."""
    return months(int(year), int(month), int(count) * (12 if unit == "Y" else 1))


def _lasting_from_day(year: str, month: str, day: str, count: str, unit: str) -> Span:
    """Return the period of an ISO 8601 start day and a duration in months or years, ending the day before."""
    first, last = date(int(year), int(month), int(day)), _lasting(year, month, count, unit).end
    return Span(first, (last + timedelta(days=1)).replace(day=first.day) - timedelta(days=1))


def _days(*parts: str) -> Span:
    first, last = (date(*map(int, each)) for each in (parts[:3], parts[3:]))
    if first > last:
        raise ValueError("ends before it starts")
    return Span(first, last)


_ISO_DAY = r"(\d{4})-(\d{2})-(\d{2})"
_DAYS: tuple[tuple[str, Read], ...] = (
    (_ISO_DAY + _MIDNIGHT, _day),
    (rf"(\d{{1,2}})(?:st|nd|rd|th)?[ -]{_NAME}[ -](\d{{4}})", _day_first),
)
_SPELLED: dict[PeriodKind, tuple[tuple[str, Read], ...]] = {
    "day": _DAYS,
    "week": ((r"(\d{4})-?W(\d{2})", _iso_week),),
    "month": (
        (rf"(\d{{4}})-(\d{{2}})(?:-01{_MIDNIGHT}(?:/P1M)?)?", _month),
        (r"(\d{4})(\d{2})", _month),
        (rf"{_NAME}[ -](\d{{4}})", _month_first),
        (rf"(\d{{4}})[ -]?{_NAME}", _month),
    ),
    "quarter": (
        (r"(\d{4})[ -]?[Qq]([1-4])", _quarter),
        (r"[Qq](?:uarter )?([1-4])[ -]?(\d{4})", _quarter_first),
        (rf"{_FINANCIAL},? ?[Qq]([1-4])", _financial_quarter),
        (rf"[Qq]([1-4]),? {_FINANCIAL}", _financial_quarter_first),
        (rf"{_NAME}{_TO}{_NAME} (\d{{4}})", _calendar_quarter),
        (rf"(\d{{4}})-(01|04|07|10)-01{_MIDNIGHT}/P(3)(M)", _lasting),
    ),
    "year": ((rf"(\d{{4}})(?:-01-01{_MIDNIGHT}/P1Y)?", lambda year: months(int(year), 1, 12)),),
    "financial_year": (
        (_FINANCIAL, _financial),
        (r"(\d{4}) to (\d{4}|\d{2})", _financial),
        (rf"{_NAME} (\d{{4}}){_TO}{_NAME} (\d{{4}})", _april_to_march),
        (rf"(\d{{4}})-(04)-01{_MIDNIGHT}/P(1)(Y)", _lasting),
    ),
    "mid_year": (
        (r"(?:[Mm]id[- ]?)?(\d{4})", _mid_year),
        (rf"(\d{{4}})-06-30{_MIDNIGHT}", _mid_year),
        (r"30 June (\d{4})", _mid_year),
    ),
    "span": (
        (rf"{_NAME} (\d{{4}}){_TO}{_NAME} (\d{{4}})", _from_to),
        (rf"(\d{{2}})/(\d{{4}}){_TO}(\d{{2}})/(\d{{4}})", _from_to),
        (rf"{_NAME}{_TO}{_NAME} (\d{{4}})", _from_to_one_year),
        (rf"(\d{{4}})-(\d{{2}})-01{_MIDNIGHT}/P(\d{{1,3}})([MY])", _lasting),
        (rf"(\d{{4}})-(\d{{2}})-(0[2-9]|1\d|2[0-8]){_MIDNIGHT}/P(\d{{1,3}})([MY])", _lasting_from_day),
        (rf"{_ISO_DAY}{_MIDNIGHT}(?:/| to ){_ISO_DAY}{_MIDNIGHT}", _days),
    ),
}
_COMPILED = {kind: [(re.compile(text), read) for text, read in found] for kind, found in _SPELLED.items()}
_DAY_SPELLED = [(re.compile(text), read) for text, read in _DAYS]


def parse_period(text: str, kind: PeriodKind, formats: tuple[str, ...] = (), ends: bool = False) -> Span | None:
    """Parse a period of a known kind; return null where the text is not one. Ambiguous spellings are not accepted.

    day: `2023-06-30`, `30 June 2023`; week: `2023-W05`, or its first day; month: `2023-11`, `November 2023`,
    `2023 Nov`, `202311`, `2023-11-01/P1M`; quarter: `2023 Q1`, `2022-23 Q4`, `January to March 2023`; year: `2023`,
    `2023-01-01/P1Y`; financial_year: `2019-20`, `2019/2020`, `2019 to 2020`, `April 2019 to March 2020`; mid_year:
    `2020`, `mid-2020`, `2020-06-30`; span: `April 2019 to June 2021`, `04/2021 - 03/2022`, `2013-04-01/P3Y`. The
    forms with a slash are ISO 8601 intervals. With `formats`, the text must be a date in exactly one of them, and the
    result is the period that contains the date. A week starts on that date, or ends on it where `ends` is true.
    """
    text = " ".join(text.split())
    try:
        if formats:
            return _formatted(text, kind, formats, ends)
        spelled = next((span for span in _spelled(text, _COMPILED[kind]) if span), None)
        if spelled or kind != "week":
            return spelled
        day = next((span for span in _spelled(text, _DAY_SPELLED) if span), None)
        return _around(day.start, kind, ends) if day else None
    except (ValueError, OverflowError):
        # Month 13, 31 June or year 0 is not a period.
        return None


def _spelled(text: str, spellings: list[tuple[re.Pattern[str], Read]]) -> list[Span | None]:
    return [read(*match.groups()) for pattern, read in spellings if (match := pattern.fullmatch(text))]


def _formatted(text: str, kind: PeriodKind, formats: tuple[str, ...], ends: bool) -> Span | None:
    """Parse a date by declared formats; return null where two formats give different dates."""
    days = {day for each in formats if (day := _strptime(text, each))}
    return _around(days.pop(), kind, ends) if len(days) == 1 else None


def _strptime(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        return None


def _around(day: date, kind: PeriodKind, ends: bool) -> Span:
    """Return the period of a kind that contains a date, or that starts or ends on it for a week."""
    if kind == "week":
        first = day - timedelta(days=6) if ends else day
        return Span(first, first + timedelta(days=6))
    if kind == "quarter":
        return months(day.year, 3 * ((day.month - 1) // 3) + 1, 3)
    if kind == "financial_year":
        return months(day.year - (day.month < 4), 4, 12)
    if kind == "mid_year":
        return _mid_year(str(day.year))
    return {"month": months(day.year, day.month, 1), "year": months(day.year, 1, 12)}.get(kind, Span(day, day))


MONTHS_LONG = {"month": 1, "quarter": 3, "year": 12}


def spine(grain: Grain, start: str, end: str | None, as_of: date) -> list[Span]:
    """List the periods of a problem, from the first to the last that ends by the day of the build."""
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
    """Format a period for display, such as `2023`, `May 2023` or `April 2022 to March 2023`."""
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
