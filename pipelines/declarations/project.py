"""What a build works on: the declarations, the store, and the day as of which it is made."""

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from pipelines.core.errors import DayError
from pipelines.declarations.catalogue import Catalogue

AS_OF = "COMMONGROUND_AS_OF"


class Project(NamedTuple):
    """What a build works on: the declarations, the store, and the day as of which it is made."""

    catalogue: Catalogue
    home: Path
    as_of: date


def clock() -> date:
    """Give the day by this machine's clock, in UTC."""
    return datetime.now(UTC).date()


def today() -> date:
    """Give the day of the build: COMMONGROUND_AS_OF where it is set, else today's."""
    told = os.environ.get(AS_OF)
    if not told:
        return clock()
    try:
        return not_to_come(date.fromisoformat(told), AS_OF)
    except ValueError as error:
        raise DayError(f"{AS_OF}: found {told!r}, expected a day as 2025-06-30") from error


def not_to_come(day: date, where: str) -> date:
    """Give a day as of which to build; raise DayError for a day to come, which nobody can know anything of."""
    if day > clock():
        raise DayError(f"{where}: found {day}, a day to come; today is {clock()}: give today or a day before")
    return day
