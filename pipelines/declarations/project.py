"""The project of a build: its declarations, its store and the day of the build."""

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from pipelines.core.errors import DayError
from pipelines.declarations.catalogue import Catalogue

AS_OF = "COMMONGROUND_AS_OF"


class Project(NamedTuple):
    """Input of a build: the declarations, the store and the day of the build."""

    catalogue: Catalogue
    home: Path
    as_of: date


def clock() -> date:
    """Return the current day in UTC by this machine's clock."""
    return datetime.now(UTC).date()


def today() -> date:
    """Return the day of the build: COMMONGROUND_AS_OF where set, else the current day."""
    told = os.environ.get(AS_OF)
    if not told:
        return clock()
    try:
        return not_to_come(date.fromisoformat(told), AS_OF)
    except ValueError as error:
        raise DayError(f"{AS_OF}: found {told!r}, expected a day such as 2025-06-30") from error


def not_to_come(day: date, where: str) -> date:
    """Return the day of a build; raise DayError for a future day."""
    if day > clock():
        raise DayError(f"{where}: found {day}, which is in the future; expected {clock()} (today) or earlier")
    return day
