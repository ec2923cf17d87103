"""Reference periods: first and last day, publishers' spellings, and display format."""

import re
from calendar import month_abbr, month_name
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple

from pipelines.core.errors import DeclarationError
from pipelines.core.vocabulary import Grain, PeriodKind

MONTH_NUMBERS = {name.casefold(): n for names in (month_name, month_abbr) for n, name in enumerate(names) if name}
MONTH_NUMBERS["sept"] = 9
_MIDNIGHT = r"(?:[ T]00:00(?::00(?:\.0+)?)?Z?)?"
_RANGE_SEPARATOR = r"(?: to | ?[-–] ?)"
_MONTH_NAME = r"([A-Za-z]{3,9})\.?"
_FINANCIAL_YEAR = r"(\d{4}) ?[-/–] ?(\d{4}|\d{2})"


class ReferencePeriod(NamedTuple):
    """A reference period: first and last day."""

    start: date
    end: date


PeriodParser = Callable[..., ReferencePeriod | None]
"""Function from the groups of a spelling to its period; null or ValueError where no such period exists."""


def whole_months(year: int, month: int, count: int) -> ReferencePeriod:
    """Return the period of `count` whole months that starts on the first of a month."""
    after = year * 12 + month - 1 + count
    return ReferencePeriod(date(year, month, 1), date(after // 12, after % 12 + 1, 1) - timedelta(days=1))


def _parse_month(year: str, month: str) -> ReferencePeriod | None:
    number = int(month) if month.isdigit() else MONTH_NUMBERS.get(month.casefold())
    return whole_months(int(year), number, 1) if number else None


def _parse_month_first(month: str, year: str) -> ReferencePeriod | None:
    return _parse_month(year, month)


def _parse_day(year: str, month: str, day: str) -> ReferencePeriod | None:
    first = _parse_month(year, month)
    result = date(first.start.year, first.start.month, int(day)) if first else None
    return ReferencePeriod(result, result) if result else None


def _parse_day_first(day: str, month: str, year: str) -> ReferencePeriod | None:
    return _parse_day(year, month, day)


def _parse_quarter(year: str, quarter: str) -> ReferencePeriod:
    return whole_months(int(year), 3 * int(quarter) - 2, 3)


def _parse_quarter_first(quarter: str, year: str) -> ReferencePeriod:
    return _parse_quarter(year, quarter)


def _parse_month_range(first: str, from_year: str, last: str, to_year: str) -> ReferencePeriod | None:
    start, end = _parse_month(from_year, first), _parse_month(to_year, last)
    return ReferencePeriod(start.start, end.end) if start and end and start.start <= end.end else None


def _parse_month_range_in_year(first: str, last: str, year: str) -> ReferencePeriod | None:
    return _parse_month_range(first, year, last, year)


def _parse_calendar_quarter(first: str, last: str, year: str) -> ReferencePeriod | None:
    period = _parse_month_range(first, year, last, year)
    return (
        period
        if period and period == whole_months(period.start.year, period.start.month, 3) and period.start.month % 3 == 1
        else None
    )


def _is_next_year(year: str, next_year: str) -> bool:
    """Return whether `next_year`, such as `20` or `2020`, is the year after `year`, such as 2019."""
    return str(int(year) + 1)[-len(next_year) :] == next_year


def _parse_financial_year(year: str, next_year: str) -> ReferencePeriod | None:
    return whole_months(int(year), 4, 12) if _is_next_year(year, next_year) else None


def _parse_financial_quarter(year: str, next_year: str, quarter: str) -> ReferencePeriod | None:
    first = 3 * int(quarter)
    return whole_months(int(year) + first // 12, first % 12 + 1, 3) if _is_next_year(year, next_year) else None


def _parse_financial_quarter_first(quarter: str, year: str, next_year: str) -> ReferencePeriod | None:
    return _parse_financial_quarter(year, next_year, quarter)


def _parse_academic_year(year: str, next_year: str) -> ReferencePeriod | None:
    return whole_months(int(year), 9, 12) if _is_next_year(year, next_year) else None


def _parse_half_year(year: str, half: str) -> ReferencePeriod:
    return whole_months(int(year), 6 * int(half) - 5, 6)


def _parse_half_year_first(half: str, year: str) -> ReferencePeriod:
    return _parse_half_year(year, half)


def _parse_calendar_years(first: str, last: str) -> ReferencePeriod | None:
    """Return the period of three or more calendar years, because two, as in 2021-22, may be a financial year."""
    end = (
        int(last)
        if len(last) == 4
        else next(year for year in range(int(first), int(first) + 100) if year % 100 == int(last))
    )
    return ReferencePeriod(date(int(first), 1, 1), date(end, 12, 31)) if end - int(first) > 1 else None


def _parse_financial_years(first: str, second: str, last: str, end: str) -> ReferencePeriod | None:
    """Return the period of several financial years, such as `2019/20 - 21/22`."""
    start, finish = _parse_financial_year(first, second), _parse_financial_year(f"{first[:-2]}{last}"[-4:], end)
    return ReferencePeriod(start.start, finish.end) if start and finish and start.start < finish.start else None


SEASONS = {"spring": 3, "summer": 6, "autumn": 9}
"""First month of each season, as the Met Office defines meteorological seasons."""


def _parse_season(season: str, year: str) -> ReferencePeriod:
    return whole_months(int(year), SEASONS[season.casefold()], 3)


def _parse_winter(year: str, next_year: str) -> ReferencePeriod | None:
    return whole_months(int(year), 12, 3) if _is_next_year(year, next_year) else None


def _parse_year_to_month(month: str, year: str) -> ReferencePeriod | None:
    """Return the twelve months that end with a month."""
    last = _parse_month(year, month)
    return whole_months(int(year) - (last.start.month < 12), last.start.month % 12 + 1, 12) if last else None


def _parse_year_to_first_month(first: int) -> PeriodParser:
    """Return a parser of the twelve months that end with a month, for years that start in one month only."""

    def parse(month: str, year: str) -> ReferencePeriod | None:
        period = _parse_year_to_month(month, year)
        return period if period and period.start.month == first else None

    return parse


def _parse_week_to_day(day: str, month: str, year: str) -> ReferencePeriod | None:
    last = _parse_day(year, month, day)
    return _period_containing(last.end, "week", ends=True) if last else None


def _parse_april_to_march(first: str, year: str, last: str, next_year: str) -> ReferencePeriod | None:
    period = _parse_month_range(first, year, last, next_year)
    return period if period == whole_months(int(year), 4, 12) else None


def _parse_mid_year(year: str) -> ReferencePeriod:
    return ReferencePeriod(date(int(year), 6, 30), date(int(year), 6, 30))


def _parse_iso_week(year: str, week: str) -> ReferencePeriod:
    monday = date.fromisocalendar(int(year), int(week), 1)
    return ReferencePeriod(monday, monday + timedelta(days=6))


def _parse_duration(year: str, month: str, count: str, unit: str) -> ReferencePeriod:
    """Return the period of an ISO 8601 start month and a duration in months or years."""
    return whole_months(int(year), int(month), int(count) * (12 if unit == "Y" else 1))


def _parse_duration_from_day(year: str, month: str, day: str, count: str, unit: str) -> ReferencePeriod:
    """Return the period of an ISO 8601 start day and a duration in months or years, ending the day before."""
    first, last = date(int(year), int(month), int(day)), _parse_duration(year, month, count, unit).end
    return ReferencePeriod(first, (last + timedelta(days=1)).replace(day=first.day) - timedelta(days=1))


def _parse_day_range(*parts: str) -> ReferencePeriod:
    first, last = (date(*map(int, half)) for half in (parts[:3], parts[3:]))
    if first > last:
        raise ValueError("ends before it starts")
    return ReferencePeriod(first, last)


_ISO_DAY = r"(\d{4})-(\d{2})-(\d{2})"
_DAY_FORMATS: tuple[tuple[str, PeriodParser], ...] = (
    (_ISO_DAY + _MIDNIGHT, _parse_day),
    (rf"(\d{{1,2}})(?:st|nd|rd|th)?[ -]{_MONTH_NAME}[ -](\d{{4}})", _parse_day_first),
)
_YEAR_TO = rf"(?:[Yy][Ee]|[Yy]ear (?:ending|ended|to)) ?(?:3[01] )?{_MONTH_NAME} (\d{{4}})"
_WEEK_TO = r"(?:[Ww]/?[Ee]|[Ww]eek (?:ending|ended|to)):?"
_PERIOD_FORMATS: dict[PeriodKind, tuple[tuple[str, PeriodParser], ...]] = {
    "day": _DAY_FORMATS,
    "week": (
        (r"(\d{4})-?W(\d{2})", _parse_iso_week),
        (r"(\d{4})(\d{2})", _parse_iso_week),
        (r"(\d{4})[ -]?(?:[Ww]k|[Ww]eek|[Ww]) ?(\d{1,2})", _parse_iso_week),
        (rf"{_WEEK_TO} (\d{{1,2}})(?:st|nd|rd|th)? {_MONTH_NAME} (\d{{4}})", _parse_week_to_day),
    ),
    "month": (
        (rf"(\d{{4}})-(\d{{2}})(?:-01{_MIDNIGHT}(?:/P1M)?)?", _parse_month),
        (r"(\d{4})[Mm]?(\d{2})", _parse_month),
        (rf"{_MONTH_NAME}[ -](\d{{4}})", _parse_month_first),
        (rf"(\d{{4}})[ -]?{_MONTH_NAME}", _parse_month),
    ),
    "quarter": (
        (r"(\d{4})[ -]?[Qq]([1-4])", _parse_quarter),
        (r"[Qq](?:uarter )?([1-4])[ -]?(\d{4})", _parse_quarter_first),
        (rf"{_FINANCIAL_YEAR},? ?[Qq]([1-4])", _parse_financial_quarter),
        (rf"[Qq]([1-4]),? {_FINANCIAL_YEAR}", _parse_financial_quarter_first),
        (rf"{_MONTH_NAME}{_RANGE_SEPARATOR}{_MONTH_NAME} (\d{{4}})", _parse_calendar_quarter),
        (rf"(\d{{4}})-(01|04|07|10)-01{_MIDNIGHT}/P(3)(M)", _parse_duration),
    ),
    "half_year": (
        (r"(\d{4})[ -]?[HhSs]([12])", _parse_half_year),
        (r"[HhSs]([12])[ -]?(\d{4})", _parse_half_year_first),
    ),
    "year": (
        (rf"(\d{{4}})(?:-01-01{_MIDNIGHT}/P1Y)?", lambda year: whole_months(int(year), 1, 12)),
        (_YEAR_TO, _parse_year_to_first_month(1)),
    ),
    "financial_year": (
        (_FINANCIAL_YEAR, _parse_financial_year),
        (r"(\d{4})(\d{2})", _parse_financial_year),
        (_YEAR_TO, _parse_year_to_first_month(4)),
        (r"(\d{4}) to (\d{4}|\d{2})", _parse_financial_year),
        (rf"{_MONTH_NAME} (\d{{4}}){_RANGE_SEPARATOR}{_MONTH_NAME} (\d{{4}})", _parse_april_to_march),
        (rf"(\d{{4}})-(04)-01{_MIDNIGHT}/P(1)(Y)", _parse_duration),
    ),
    "academic_year": (
        (_FINANCIAL_YEAR, _parse_academic_year),
        (r"(\d{4})(\d{2})", _parse_academic_year),
        (r"(\d{4}) to (\d{4}|\d{2})", _parse_academic_year),
        (_YEAR_TO, _parse_year_to_first_month(9)),
    ),
    "mid_year": (
        (r"(?:[Mm]id[- ]?)?(\d{4})", _parse_mid_year),
        (rf"(\d{{4}})-06-30{_MIDNIGHT}", _parse_mid_year),
        (r"30 June (\d{4})", _parse_mid_year),
    ),
    "span": (
        (rf"{_MONTH_NAME} (\d{{4}}){_RANGE_SEPARATOR}{_MONTH_NAME} (\d{{4}})", _parse_month_range),
        (rf"(\d{{2}})/(\d{{4}}){_RANGE_SEPARATOR}(\d{{2}})/(\d{{4}})", _parse_month_range),
        (rf"{_MONTH_NAME}{_RANGE_SEPARATOR}{_MONTH_NAME} (\d{{4}})", _parse_month_range_in_year),
        (rf"(\d{{4}})-(\d{{2}})-01{_MIDNIGHT}/P(\d{{1,3}})([MY])", _parse_duration),
        (rf"(\d{{4}})-(\d{{2}})-(0[2-9]|1\d|2[0-8]){_MIDNIGHT}/P(\d{{1,3}})([MY])", _parse_duration_from_day),
        (rf"{_ISO_DAY}{_MIDNIGHT}(?:/| to ){_ISO_DAY}{_MIDNIGHT}", _parse_day_range),
        (r"(\d{4})(?: to | ?[-–] ?)(\d{4}|\d{2})", _parse_calendar_years),
        (r"(\d{4})/(\d{2}) ?[-–] ?(?:\d{2})?(\d{2})/(\d{2})", _parse_financial_years),
        (_YEAR_TO, _parse_year_to_month),
        (r"([Ss]pring|[Ss]ummer|[Aa]utumn) (\d{4})", _parse_season),
        (r"[Ww]inter (\d{4}) ?[-/–] ?(\d{4}|\d{2})", _parse_winter),
    ),
}


@cache
def _compile_formats(kind: PeriodKind | None) -> list[tuple[re.Pattern[str], PeriodParser]]:
    """Compile the spellings of a kind of period, or of a day where null: most commands parse no period."""
    return [(re.compile(text), parser) for text, parser in (_PERIOD_FORMATS[kind] if kind else _DAY_FORMATS)]


def parse_period(
    text: str, kind: PeriodKind, formats: tuple[str, ...] = (), ends: bool = False
) -> ReferencePeriod | None:
    """Parse a period of a known kind; return null where the text is not one. Ambiguous spellings are not accepted.

    day: `2023-06-30`, `30 June 2023`; week: `2023-W05`, `202305` (ISO 8601 weeks), `W/E 5 February 2023`, or its first
    day; month: `2023-11`, `November 2023`, `2023 Nov`, `202311`, `2023M11`, `2023-11-01/P1M`; quarter: `2023 Q1`,
    `2022-23 Q4`, `January to March 2023`; half_year: `2023 H1`; year: `2023`, `YE Dec 2023`, `2023-01-01/P1Y`;
    financial_year: `2019-20`, `2019/2020`, `201920`, `YE Mar 2020`, `April 2019 to March 2020`; academic_year (from 1
    September): `2022/23`, `202223`, `YE Aug 2023`; mid_year: `2020`, `mid-2020`, `2020-06-30`; span: `April 2019 to
    June 2021`, `04/2021 - 03/2022`, `2021 - 23`, `2019/20 - 21/22`, `YE June 2023`, `Autumn 2025` (SEASONS),
    `Winter 2025/26`, `2013-04-01/P3Y`. The forms with a slash and P are ISO 8601 intervals. With `formats`, the text
    must be a date in exactly one of them, and the result is the period that contains the date. A week starts on that
    date, or ends on it where `ends` is true.
    """
    text = " ".join(text.split())
    try:
        if formats:
            return _parse_declared_formats(text, kind, formats, ends)
        period = next((candidate for candidate in _match_formats(text, _compile_formats(kind)) if candidate), None)
        if period or kind != "week":
            return period
        day = next((candidate for candidate in _match_formats(text, _compile_formats(None)) if candidate), None)
        return _period_containing(day.start, kind, ends) if day else None
    except (ValueError, OverflowError):
        # Month 13, 31 June or year 0 is not a period.
        return None


def _match_formats(text: str, spellings: list[tuple[re.Pattern[str], PeriodParser]]) -> list[ReferencePeriod | None]:
    return [parser(*match.groups()) for pattern, parser in spellings if (match := pattern.fullmatch(text))]


def _parse_declared_formats(
    text: str, kind: PeriodKind, formats: tuple[str, ...], ends: bool
) -> ReferencePeriod | None:
    """Parse a date by declared formats; return null where two formats give different dates."""
    days = {day for date_format in formats if (day := _parse_date(text, date_format))}
    return _period_containing(days.pop(), kind, ends) if len(days) == 1 else None


_FORMAT_TRIALS = tuple(date(2019, 12, 31) + timedelta(days=37 * number) for number in range(40))


def is_usable_format(date_format: str, kind: PeriodKind) -> bool:
    """Return whether a date format can state each period of a kind: a date written in it gives its own period again.

    `%Y-W%W`, for example, cannot state a week, because Python reads no date from it.
    """
    return all(_reads_back(day, date_format, kind) for day in _FORMAT_TRIALS)


def _reads_back(day: date, date_format: str, kind: PeriodKind) -> bool:
    read = _parse_date(day.strftime(date_format), date_format)
    return read is not None and _period_containing(read, kind, False) == _period_containing(day, kind, False)


def _parse_date(text: str, form: str) -> date | None:
    try:
        return datetime.strptime(text, form).date()
    except ValueError:
        return None


def _period_containing(day: date, kind: PeriodKind, ends: bool) -> ReferencePeriod:
    """Return the period of a kind that contains a date, or that starts or ends on it for a week."""
    if kind == "week":
        first = day - timedelta(days=6) if ends else day
        return ReferencePeriod(first, first + timedelta(days=6))
    if kind == "quarter":
        return whole_months(day.year, 3 * ((day.month - 1) // 3) + 1, 3)
    if kind == "half_year":
        return whole_months(day.year, 1 if day.month < 7 else 7, 6)
    if kind == "academic_year":
        return whole_months(day.year - (day.month < 9), 9, 12)
    if kind == "financial_year":
        return whole_months(day.year - (day.month < 4), 4, 12)
    if kind == "mid_year":
        return _parse_mid_year(str(day.year))
    return {"month": whole_months(day.year, day.month, 1), "year": whole_months(day.year, 1, 12)}.get(
        kind, ReferencePeriod(day, day)
    )


_KIND_MONTHS: dict[PeriodKind, tuple[int, tuple[int, ...]]] = {
    "month": (1, tuple(range(1, 13))),
    "quarter": (3, (1, 4, 7, 10)),
    "half_year": (6, (1, 4, 7, 10)),
    "year": (12, (1,)),
    "financial_year": (12, (4,)),
    "academic_year": (12, (8, 9)),
}
"""Whole months in a period of a kind, and the months in which it can start."""


def is_of_kind(period: ReferencePeriod, kind: PeriodKind) -> bool:
    """Return whether a period could be of a kind, by its first and last day."""
    start, end = period
    if kind in _KIND_MONTHS:
        months, first_months = _KIND_MONTHS[kind]
        return period == whole_months(start.year, start.month, months) and start.month in first_months
    if kind == "mid_year":
        return start == end == date(start.year, 6, 30)
    return kind == "span" or end - start == timedelta(days=6 if kind == "week" else 0)


GRAIN_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def list_problem_periods(grain: Grain, start: str, end: str | None, as_of: date) -> list[ReferencePeriod]:
    """List the periods of a problem, from the first to the last that ends by the day of the build."""
    if grain == "latest":
        return [ReferencePeriod(as_of, as_of)]
    first = _parse_bound(start, grain)
    last = _parse_bound(end, grain).end if end else as_of
    return list(_consecutive_periods(first, GRAIN_MONTHS[grain], last))


def _consecutive_periods(first: ReferencePeriod, count: int, last: date) -> Iterator[ReferencePeriod]:
    period = first
    while period.end <= last:
        yield period
        following = period.end + timedelta(days=1)
        period = whole_months(following.year, following.month, count)


def _parse_bound(text: str, grain: Grain) -> ReferencePeriod:
    kind: PeriodKind = "year" if grain == "year" else "quarter" if grain == "quarter" else "month"
    period = parse_period(text, kind)
    if not period:
        raise DeclarationError(f"periods: found {text!r}, expected a {kind}, as in 2022, 2022-Q1 or 2022-01")
    return period


def parse_problem_period(text: str) -> ReferencePeriod:
    """Parse a month, quarter or year of a problem; raise ValueError for another text."""
    readings = (parse_period(text, kind) for kind in ("month", "quarter", "year"))
    period = next((reading for reading in readings if reading), None)
    if period is None:
        raise ValueError(f"found {text!r}, expected a month, quarter or year, as in 2020-03, 2020-Q1 or 2020")
    return period


def format_period(start: date | None, end: date | None) -> str:
    """Format a period as GOV.UK writes it: `2023`, `May 2023`, `April 2022 to March 2023`, `7 to 13 December 2020`."""
    return _format_days(start, end) if start and end else "no period"


@lru_cache(maxsize=4096)
def _format_days(start: date, end: date) -> str:
    if start == end:
        return f"{start.day} {month_name[start.month]} {start.year}"
    if start.day == 1 and (end + timedelta(days=1)).day == 1:
        if (start.month, end.month) == (1, 12) and start.year == end.year:
            return str(start.year)
        if (start.year, start.month) == (end.year, end.month):
            return f"{month_name[start.month]} {start.year}"
        return f"{month_name[start.month]} {start.year} to {month_name[end.month]} {end.year}"
    last = f"{end.day} {month_name[end.month]} {end.year}"
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day} to {last}"
    year = f" {start.year}" if start.year != end.year else ""
    return f"{start.day} {month_name[start.month]}{year} to {last}"
