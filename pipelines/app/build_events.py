"""Queue of what the command line built or fetched, which Dagster's daemon reads to show it in its own pages.

The command writes to a file of the store and never to Dagster's database, so both can work at the same time. A line has
a number that only rises. The sensor keeps the number of the last line that it has read.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipelines.core.clock import current_time
from pipelines.core.store import lock_store, write_atomically

if TYPE_CHECKING:
    from pipelines.fetch import Outcome

VERSION_TAG = "dagster/data_version"
MOST_BYTES = 2_000_000
"""Size of the queue above which its older half is dropped, as in a store that no daemon serves."""


class BuildEvent(NamedTuple):
    """Something built, fetched or checked: its asset, with tags of its version, and for a check its name and result."""

    asset: Sequence[str]
    metadata: dict[str, str | int | float | bool]
    tags: Mapping[str, str] | None = None
    is_new: bool = True
    check: str = ""
    passed: bool = True
    is_error: bool = False


class QueuedEvent(NamedTuple):
    """A line of the queue: its number, the time of the event, and the event."""

    number: int
    at: str
    event: BuildEvent


def queue_path(home: Path) -> Path:
    """Return the path of the queue in a store."""
    return home / "build_events.jsonl"


def version_tags(version: str) -> dict[str, str]:
    """Return the tag by which Dagster compares the contents of an asset."""
    return {VERSION_TAG: version} if version else {}


def describe_fetches(outcomes: "Iterable[Outcome]") -> list[BuildEvent]:
    """Return the events of fetches with a usable answer; a fetch that found nothing new builds nothing."""
    return [
        BuildEvent(
            ["snapshot", outcome.source],
            {"outcome": outcome.result, "detail": outcome.detail},
            version_tags(outcome.snapshot.sha256 if outcome.snapshot else ""),
            outcome.result == "new",
        )
        for outcome in outcomes
        if outcome.is_success
    ]


def queue_events(home: Path, events: Sequence[BuildEvent]) -> None:
    """Append events to the queue of a store."""
    if not events:
        return
    path = queue_path(home)
    with lock_store(home):
        now = current_time()
        first = max(int(now.timestamp() * 1e6), _find_last_number(path) + 1)
        at = now.isoformat(timespec="seconds")
        lines = [_format_line(QueuedEvent(first + step, at, event)) for step, event in enumerate(events)]
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            earlier = read_events(home)
            lines = [_format_line(event) for event in earlier[len(earlier) // 2 :]] + lines
            write_atomically(path, "".join(lines).encode())
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(lines))


def read_events(home: Path, after: int = 0) -> list[QueuedEvent]:
    """Return the events of the queue with a higher number, without a line that is still being written."""
    events = filter(None, map(_parse_line, _read_lines(queue_path(home))))
    return [event for event in events if event.number > after]


def _find_last_number(path: Path) -> int:
    """Return the number of the last event of a queue, which alone is parsed; 0 where there is none."""
    return next((event.number for line in reversed(_read_lines(path)) if (event := _parse_line(line))), 0)


def _read_lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.is_file() else []


def _parse_line(line: bytes) -> QueuedEvent | None:
    """Parse a line of the queue; null for a damaged or an unfinished one."""
    if not line.endswith(b"\n"):
        return None
    with suppress(ValueError, TypeError):
        number, at, event = json.loads(line)
        return QueuedEvent(int(number), str(at), BuildEvent(*event))
    return None


def _format_line(queued: QueuedEvent) -> str:
    return json.dumps([queued.number, queued.at, list(queued.event)], ensure_ascii=False) + "\n"
