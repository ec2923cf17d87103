"""The last attempt to fetch each source, from the log of a store."""

from collections.abc import Sequence
from typing import NamedTuple

from pipelines.core.snapshots import Snapshot


class Attempt(NamedTuple):
    """The last attempt to fetch a source: its time and its outcome."""

    at: str
    outcome: str


def last_attempts(log: Sequence[Snapshot]) -> dict[str, Attempt]:
    """Return the last attempt to fetch each source. Bundled files and files that a person added are no attempts."""
    tried = [entry for entry in log if is_attempt(entry)]
    return {entry.source: Attempt(entry.fetched_at, describe_outcome(entry)) for entry in tried}


def is_attempt(entry: Snapshot) -> bool:
    """Return whether a line of the log is a request to a publisher."""
    return entry.origin.startswith("http") or bool(entry.error)


def describe_outcome(entry: Snapshot) -> str:
    """Describe the outcome of an attempt in a few words."""
    if entry.error:
        return f"failed: {entry.error}"
    return "unchanged" if entry.change == "same" else f"new release of {entry.released}"
