"""Periods as publishers write them in the names and titles of files."""

import re
from calendar import monthrange
from datetime import date
from urllib.parse import unquote

from pipelines.core.periods import MONTH_NUMBERS, parse_period
from pipelines.core.vocabulary import PeriodKind

_PERIOD_KINDS: tuple[PeriodKind, ...] = ("day", "month", "quarter", "year", "financial_year", "span")
_COMPACT = re.compile(r"((?:19|20)\d{2})(0[1-9]|1[0-2])")
_DAY_NAMED = re.compile(r"(\d{1,2})(?:st|nd|rd|th)? ([A-Za-z]+) (\d{4})")
_SIX_DIGITS = re.compile(r"(\d{2})(\d{2})(\d{2})")
_EIGHT_DIGITS = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
_SPELLINGS: tuple[tuple[str, str], ...] = (
    (r"(?:w/?e|week ending|week ended|to) (.+)", r"\1"),  # w/e 29 March 2026: the day on which the week ends
    (r"(?:ye|year ending)[- ]?([a-z]+)[- ]?(\d{4})", r"\1 \2"),  # yedec2025: a year, named by its last month
    (r"([a-z]{3,9})[- ]?(\d{4}|\d{2})", r"\1 \2"),  # may2026, may26
    (r"(\d{4})M(\d{2})", r"\1-\2"),  # 2005M02
    (r"(?:quarter|q) ?(\d)[, ]+(\d{4})[- ](\d{2}|\d{4})", r"q\1 \2-\3"),  # Quarter 3 2025-26
    (r"(\d{4})[- ](\d{2}) ?q(?:uarter)? ?(\d)", r"q\3 \1-\2"),
)
_SEASONS = {"spring": 5, "summer": 8, "autumn": 11, "winter": 2}
_SEASON = re.compile(r"(spring|summer|autumn|winter) (\d{4})")


def period_end_day(text: str, *, day_first: bool = False) -> date | None:
    """Return the last day of a period written as in file names, or None where the text is no period.

    `day_first` reads six digits as day, month and year, as in 230726; otherwise they are a year and a month. A season
    ends with its last month: `autumn 2025` on 30 November. Where a spelling of two digits for a year occurs, it is of
    this century.
    """
    raw = unquote(text).strip()
    if day_first:
        match = _SIX_DIGITS.fullmatch(raw)
        return _calendar_day(2000 + int(match[3]), int(match[2]), int(match[1])) if match else None
    plain = " ".join(re.split(r"[-_ .]+", raw))
    season = _SEASON.fullmatch(plain.lower())
    if season:
        year, month = int(season[2]), _SEASONS[season[1]]
        return date(year, month, monthrange(year, month)[1])
    eight = _EIGHT_DIGITS.fullmatch(raw)
    if eight:
        return _calendar_day(int(eight[1]), int(eight[2]), int(eight[3]))
    return _parse_candidates([*_list_candidates(raw, plain), *_list_respelled(raw), *_list_respelled(plain)])


def _list_candidates(raw: str, plain: str) -> list[str]:
    compact, day_match = _COMPACT.fullmatch(plain), _DAY_NAMED.fullmatch(plain)
    candidates = [plain, raw] if not plain.isdecimal() or len(plain) == 4 else []
    candidates += [f"{compact[1]}-{compact[2]}"] if compact else []
    if day_match and (month := parse_period(f"{day_match[2]} {day_match[3]}", "month")):
        candidates.append(f"{month.start.isoformat()[:8]}{int(day_match[1]):02}")
    return candidates


def _list_respelled(text: str) -> list[str]:
    """Return the text in the spellings that `parse_period` reads, for each rule that fits it."""
    respelled = [
        re.sub(pattern, form, text, flags=re.IGNORECASE)
        for pattern, form in _SPELLINGS
        if re.fullmatch(pattern, text, re.IGNORECASE)
    ]
    return [_complete_year(candidate) for candidate in respelled]


def _complete_year(text: str) -> str:
    """Complete a year of two digits after the name of a month."""
    word, _, year = text.partition(" ")
    return f"{word} 20{year}" if len(year) == 2 and year.isdecimal() and word.casefold() in MONTH_NUMBERS else text


def _parse_candidates(candidates: list[str]) -> date | None:
    spans = [parse_period(candidate, kind) for candidate in candidates for kind in _PERIOD_KINDS]
    return next((period.end for period in spans if period), None)


def _calendar_day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
