"""How often a publisher releases figures, and the day on which those of the next period are expected."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipelines.declarations.base import CADENCE_DAYS, Age, Cadence, Declaration, ListAsTuple, add_age, age_in_days

Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
_WEEKDAYS: tuple[Weekday, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_CADENCE_AGES = {"monthly": "1 month", "quarterly": "3 months", "annual": "1 year"}


_LATER = " later"
_FORM = "expected a frequency, with the usual lag after a comma if there is one, as in `monthly, 2 months later`"


class ReleaseSchedule(Declaration):
    """Frequency and usual lag of releases; a text such as `monthly, 2 months later` has both."""

    every: Cadence = Field("annual", description="Publication frequency")
    lag: Age | None = Field(None, description="Usual time from the end of a period to the release of its figures")
    weekday: Weekday | None = Field(
        None, description="Weekday of releases: the first on or after the end of the period plus the lag"
    )
    days: Annotated[tuple[date, ...], ListAsTuple] = Field(
        (),
        description="Announced release days. A release is due on the day nearest to the end of its period plus the "
        "lag. A day more than half a cadence away belongs to another period",
    )
    citation: str | None = Field(
        None, description="Page on which the publisher announces the days or the weekday, which they require"
    )

    @model_validator(mode="after")
    def _validate_calendar(self) -> Self:
        if bool(self.weekday or self.days) != bool(self.citation):
            raise ValueError("the weekday of releases, or their announced days, need a citation, and nothing else does")
        return self


def _split_text(value: Any) -> Any:
    """Convert `monthly, 2 months later` to its two keys; raise ValueError for a second part without `later`."""
    if not isinstance(value, str):
        return value
    every, comma, rest = value.partition(",")
    lag = rest.strip()
    if comma and not lag.endswith(_LATER):
        raise ValueError(_FORM)
    return {"every": every.strip(), **({"lag": lag.removesuffix(_LATER)} if comma else {})}


ScheduleOrText = Annotated[ReleaseSchedule, BeforeValidator(_split_text)]


def declared_frequency(value: Any) -> Any:
    """Return the frequency in an unchecked value of `cadence`, which is a text or a mapping."""
    return value.get("every") if isinstance(value, dict) else str(value).partition(",")[0].strip()


def expected_release_day(newest: date, schedule: ReleaseSchedule) -> date | None:
    """Return the day on which the period after the newest is due; None for a source that is published once."""
    if schedule.every not in CADENCE_DAYS:
        return None
    step = _CADENCE_AGES.get(schedule.every)
    end = add_age(newest, step) if step else newest + timedelta(days=CADENCE_DAYS[schedule.every])
    usual = add_age(end, schedule.lag) if schedule.lag else end
    return _apply_calendar(usual, end, CADENCE_DAYS[schedule.every], schedule)


def due_day(end: date, schedule: ReleaseSchedule) -> date:
    """Return the day on which the figures of a period that ends on a day are due, by the lag and the calendar."""
    usual = end + timedelta(days=age_in_days(schedule.lag) if schedule.lag else 0)
    return _apply_calendar(usual, end, CADENCE_DAYS.get(schedule.every, CADENCE_DAYS["annual"]), schedule)


def _apply_calendar(usual: date, end: date, step: int, calendar: ReleaseSchedule) -> date:
    """Return the announced day nearest to the usual one; else the first declared weekday on or after the usual day.

    A schedule without announced days or a weekday gives the usual day.
    """
    near = [day for day in calendar.days if day > end and 2 * abs((day - usual).days) <= step]
    if near:
        return min(near, key=lambda day: (abs((day - usual).days), day))
    if not calendar.weekday:
        return usual
    return usual + timedelta(days=(_WEEKDAYS.index(calendar.weekday) - usual.weekday()) % 7)
