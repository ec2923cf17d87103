"""The one clock of the program, in UTC. Tests move it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

_MOVED_TO: list[datetime] = []


def current_time() -> datetime:
    """Return the current time in UTC."""
    return _MOVED_TO[-1] if _MOVED_TO else datetime.now(UTC)


def current_date() -> date:
    """Return the current day in UTC."""
    return current_time().date()


@contextmanager
def clock_at(moment: datetime) -> Iterator[None]:
    """Stop the clock at a moment within the block, in this process."""
    _MOVED_TO.append(moment)
    try:
        yield
    finally:
        _MOVED_TO.pop()
