"""Shared parts of all declarations: strict settings, names, ages and lists."""

import re
from calendar import monthrange
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")
GEOGRAPHY_NAME_PATTERN = re.compile(r"[a-z]+\d?(?:_[a-z]+)*_(\d{4})")
_AGE_PATTERN = re.compile(r"(\d+) (day|week|month|year)s?")


def _validate_name(value: str) -> str:
    if not NAME_PATTERN.fullmatch(value):
        raise ValueError("expected a name of lower case letters, digits and _, which starts with a letter")
    return value


def _validate_geography_name(value: str) -> str:
    if not GEOGRAPHY_NAME_PATTERN.fullmatch(value):
        raise ValueError("expected a geography, which is a kind and a year, as in lad_2023")
    return value


def age_in_days(age: str) -> int:
    """Convert an age such as `18 months` to days (a month is 30.44 days, a year 365.25 days)."""
    match = _AGE_PATTERN.fullmatch(age)
    if not match:
        raise ValueError("expected an age, which is a number of days, weeks, months or years, as in '18 months'")
    return round(int(match[1]) * {"day": 1, "week": 7, "month": 30.44, "year": 365.25}[match[2]])


def add_age(day: date, age: str) -> date:
    """Add an age to a day by the calendar: 3 months after 30 June is 30 September."""
    match = _AGE_PATTERN.fullmatch(age)
    if not match or match[2] in ("day", "week"):
        return day + timedelta(days=age_in_days(age))
    month = day.year * 12 + day.month - 1 + int(match[1]) * (12 if match[2] == "year" else 1)
    last = monthrange(month // 12, month % 12 + 1)[1]
    ends_month = day.day == monthrange(day.year, day.month)[1]
    return date(month // 12, month % 12 + 1, last if ends_month else min(day.day, last))


def _validate_age(value: str) -> str:
    age_in_days(value)
    return value


def wrap_in_list(value: Any) -> Any:
    """Wrap a single value in a list."""
    return value if isinstance(value, (list, tuple)) or value is None else [value]


def list_to_tuple(value: Any) -> Any:
    """Convert a YAML list to an immutable tuple."""
    return tuple(value) if isinstance(value, list) else value


Name = Annotated[str, AfterValidator(_validate_name)]
GeographyName = Annotated[str, AfterValidator(_validate_geography_name)]
Age = Annotated[str, AfterValidator(_validate_age)]
ValueOrList = BeforeValidator(lambda value: list_to_tuple(wrap_in_list(value)))
"""Validator for keys that take one value or a list."""
Names = Annotated[tuple[str, ...], ValueOrList]
MeasureKind = Literal["count", "stock", "rate", "index", "median", "rank"]
Cadence = Literal["daily", "weekly", "monthly", "quarterly", "annual", "once"]
CADENCE_DAYS: dict[Cadence, int] = {"daily": 1, "weekly": 7, "monthly": 31, "quarterly": 92, "annual": 366}
"""Maximum days between releases; a source published once has no entry."""
Nation = Literal["England", "Wales", "Scotland", "Northern Ireland"]
NATIONS: tuple[Nation, ...] = ("England", "Wales", "Scotland", "Northern Ireland")
ListAsTuple = BeforeValidator(list_to_tuple)
"""Validator for keys that take a list."""


class Declaration(BaseModel):
    """Base model of all declarations: no unknown keys, no type coercion, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
