"""The day on which a publisher is expected to release the figures of the next period."""

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.declarations.base import CADENCE_DAYS, Age, Cadence, Declaration, ListAsTuple, add_age

Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
_WEEKDAYS: tuple[Weekday, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_CADENCE_AGES = {"monthly": "1 month", "quarterly": "3 months", "annual": "1 year"}


class ReleaseCalendar(Declaration):
    """The publisher's announced release days, or the weekday of its releases."""

    weekday: Weekday | None = Field(
        None, description="Weekday of releases: the first on or after the end of the period plus the lag"
    )
    days: Annotated[tuple[date, ...], ListAsTuple] = Field(
        (),
        description="Announced release days. A release is due on the day nearest to the end of its period plus the "
        "lag. A day more than half a cadence away belongs to another period",
    )
    citation: str = Field(description="Page on which the publisher announces the days or the weekday")

    @model_validator(mode="after")
    def _validate_rule(self) -> Self:
        if not self.weekday and not self.days:
            raise ValueError("declare the weekday of releases, or their announced days")
        return self


def expected_release_day(
    newest: date, cadence: Cadence, lag: Age | None, calendar: ReleaseCalendar | None
) -> date | None:
    """Return the day on which the period after the newest is due; None for a source that is published once."""
    if cadence not in CADENCE_DAYS:
        return None
    step = _CADENCE_AGES.get(cadence)
    end = add_age(newest, step) if step else newest + timedelta(days=CADENCE_DAYS[cadence])
    usual = add_age(end, lag) if lag else end
    return _apply_calendar(usual, end, CADENCE_DAYS[cadence], calendar) if calendar else usual


def _apply_calendar(usual: date, end: date, step: int, calendar: ReleaseCalendar) -> date:
    """Return the announced day nearest to the usual one; else the first declared weekday on or after the usual day."""
    near = [day for day in calendar.days if day > end and 2 * abs((day - usual).days) <= step]
    if near:
        return min(near, key=lambda day: (abs((day - usual).days), day))
    if not calendar.weekday:
        return usual
    return usual + timedelta(days=(_WEEKDAYS.index(calendar.weekday) - usual.weekday()) % 7)
