"""The project of a build: its declarations, its store and the day of the build."""

import os
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipelines.core.clock import current_date
from pipelines.core.errors import BuildDateError, EngineError
from pipelines.core.sql_engine import ENGINE_ROWS_VARIABLE, ENGINE_VARIABLE, LARGE_MEASURE_ROWS, EngineSetting

if TYPE_CHECKING:
    from pipelines.declarations.catalogue import Catalogue

BUILD_DATE_VARIABLE = "COMMONGROUND_AS_OF"


class Project(NamedTuple):
    """Input of a build: the declarations, the store, the day of the build, and the engine for large measures, if any.

    The engine is in no key of a table: the same cells result with it and without it.
    """

    catalogue: "Catalogue"
    home: Path
    as_of: date
    engine: EngineSetting | None = None


def engine_setting(address: str | None = None, least_rows: int | None = None) -> EngineSetting | None:
    """Return the setting of the engine: from the arguments, else the environment; null where there is none.

    Raises EngineError for a number of rows that is none.
    """
    address = address or os.environ.get(ENGINE_VARIABLE, "")
    if not address:
        return None
    if least_rows is None:
        text = os.environ.get(ENGINE_ROWS_VARIABLE) or str(LARGE_MEASURE_ROWS)
        if not text.isdecimal():
            raise EngineError(f"{ENGINE_ROWS_VARIABLE}: found {text!r}, expected a number of rows such as 5000000")
        least_rows = int(text)
    return EngineSetting(address, least_rows)


def build_date() -> date:
    """Return the day of the build: COMMONGROUND_AS_OF where set, else the current day."""
    setting = os.environ.get(BUILD_DATE_VARIABLE)
    if not setting:
        return current_date()
    try:
        return refuse_future_date(date.fromisoformat(setting), BUILD_DATE_VARIABLE)
    except ValueError as error:
        raise BuildDateError(f"{BUILD_DATE_VARIABLE}: found {setting!r}, expected a day such as 2025-06-30") from error


def command_day(as_of: datetime | None) -> date:
    """Return the day of a command: the day of --as-of where given, else the day of the build."""
    return refuse_future_date(as_of.date(), "--as-of") if as_of else build_date()


def refuse_future_date(day: date, where: str) -> date:
    """Return the day of a build; raise BuildDateError for a future day."""
    if day > current_date():
        raise BuildDateError(
            f"{where}: found {day}, which is in the future; expected {current_date()} (today) or earlier"
        )
    return day
