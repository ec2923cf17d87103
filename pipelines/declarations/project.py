"""The project of a build: its declarations, its store and the day of the build."""

import os
from datetime import date
from pathlib import Path
from typing import NamedTuple

from pipelines.core.clock import current_date
from pipelines.core.errors import BuildDateError
from pipelines.declarations.catalogue import Catalogue

BUILD_DATE_VARIABLE = "COMMONGROUND_AS_OF"


class Project(NamedTuple):
    """Input of a build: the declarations, the store and the day of the build."""

    catalogue: Catalogue
    home: Path
    as_of: date


def build_date() -> date:
    """Return the day of the build: COMMONGROUND_AS_OF where set, else the current day."""
    setting = os.environ.get(BUILD_DATE_VARIABLE)
    if not setting:
        return current_date()
    try:
        return refuse_future_date(date.fromisoformat(setting), BUILD_DATE_VARIABLE)
    except ValueError as error:
        raise BuildDateError(f"{BUILD_DATE_VARIABLE}: found {setting!r}, expected a day such as 2025-06-30") from error


def refuse_future_date(day: date, where: str) -> date:
    """Return the day of a build; raise BuildDateError for a future day."""
    if day > current_date():
        raise BuildDateError(
            f"{where}: found {day}, which is in the future; expected {current_date()} (today) or earlier"
        )
    return day
