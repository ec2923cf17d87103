"""What every declaration rests on: strict settings, names and lists."""

import re
from calendar import monthrange
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
PLACE_SYSTEM = re.compile(r"[a-z]+\d?(?:_[a-z]+)*_(\d{4})")
_AGE = re.compile(r"(\d+) (day|week|month|year)s?")


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("a name is lower case letters, digits and _, and starts with a letter")
    return value


def _system(value: str) -> str:
    if not PLACE_SYSTEM.fullmatch(value):
        raise ValueError("a place system is a kind and a year, as in lad_2023")
    return value


def days(age: str) -> int:
    """Read an age such as `18 months` as a number of days (a month is 30.44 days, a year 365.25)."""
    match = _AGE.fullmatch(age)
    if not match:
        raise ValueError("an age is a number and days, weeks, months or years, as in '18 months'")
    return round(int(match[1]) * {"day": 1, "week": 7, "month": 30.44, "year": 365.25}[match[2]])


def after(day: date, age: str) -> date:
    """Give the day that lies an age after another, by the calendar: 3 months after 30 June is 30 September."""
    match = _AGE.fullmatch(age)
    if not match or match[2] in ("day", "week"):
        return day + timedelta(days=days(age))
    month = day.year * 12 + day.month - 1 + int(match[1]) * (12 if match[2] == "year" else 1)
    last = monthrange(month // 12, month % 12 + 1)[1]
    ends_month = day.day == monthrange(day.year, day.month)[1]
    return date(month // 12, month % 12 + 1, last if ends_month else min(day.day, last))


def _age(value: str) -> str:
    days(value)
    return value


def as_list(value: Any) -> Any:
    """Take one thing for a list of it."""
    return value if isinstance(value, (list, tuple)) or value is None else [value]


def as_tuple(value: Any) -> Any:
    """Take a list as YAML gives it for a tuple, which can't change."""
    return tuple(value) if isinstance(value, list) else value


Name = Annotated[str, AfterValidator(_name)]
PlaceSystem = Annotated[str, AfterValidator(_system)]
Age = Annotated[str, AfterValidator(_age)]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: as_tuple(as_list(value)))]
Kind = Literal["count", "stock", "rate", "index", "median", "rank"]
Cadence = Literal["daily", "weekly", "monthly", "quarterly", "annual", "once"]
CADENCE_DAYS: dict[Cadence, int] = {"daily": 1, "weekly": 7, "monthly": 31, "quarterly": 92, "annual": 366}
"""Most days from one issue to the next; what is published once has none."""
Nation = Literal["England", "Wales", "Scotland", "Northern Ireland"]
NATIONS: tuple[Nation, ...] = ("England", "Wales", "Scotland", "Northern Ireland")
Listed = BeforeValidator(as_tuple)
"""Marks a key that takes a list."""


class Declared(BaseModel):
    """Base settings of every declaration: nothing unknown, nothing coerced, nothing changed later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
