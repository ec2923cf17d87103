"""Snapshots: the bytes of files as published, each stored once, and the log of fetches.

snapshots/log.jsonl       One line for each fetch, append-only.
snapshots/<sha256>        The bytes of a file.
"""

import json
import os
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from pipelines.core.errors import UnreadableError
from pipelines.core.store import hash_bytes, restrict_to_owner, write_atomically
from pipelines.core.visible import escape_invisible

DayOrigin = Literal["", "publisher", "server", "asked"]
"""Origin of a release day. publisher: stated in an answer, a list or the file; server: Last-Modified; asked: the day of
the fetch, where nothing else is known. Blank for files added by a person and in lines that predate this field."""


SnapshotChange = Literal["", "new", "redated", "same", "failed"]
"""What a fetch changed. new: bytes differ from the last; redated: same bytes, released on another day or under another
name; same: no change; failed: no file received. Blank in lines that predate this field."""


class Snapshot(NamedTuple):
    """One line of the log: a published file, its origin, and what changed."""

    source: str
    sha256: str
    released: date
    label: str
    fetched_at: str
    origin: str
    file: str
    size: int
    licence: str
    status: int = 200
    etag: str = ""
    last_modified: str = ""
    error: str = ""
    change: SnapshotChange = ""
    dated_by: DayOrigin = ""

    @property
    def is_new_release(self) -> bool:
        """Return whether the line records a new release, not a stored one or a failure."""
        return bool(self.sha256) and self.change != "same"


def snapshots_dir(home: Path) -> Path:
    """Return the directory of snapshots in a store."""
    return home / "snapshots"


def release_name(snapshot: "Snapshot") -> str:
    """Return the name of a release's tables: its day, and a hash of its bytes and file name."""
    return f"{snapshot.released}-{hash_bytes(f'{snapshot.sha256} {snapshot.file}'.encode())[:16]}"


def store_snapshot(home: Path, content: bytes, snapshot: Snapshot, private: bool = False) -> Snapshot:
    """Store the bytes of a fetch and append to the log; return the line, which states what changed."""
    if hash_bytes(content) != snapshot.sha256:
        raise UnreadableError(f"{snapshot.file}: content does not match sha256 {snapshot.sha256}; fetch it again")
    _store_under_hash(home, content, snapshot.sha256, private)
    earlier = source_snapshots(home, snapshot.source)
    line = _escape_snapshot(snapshot)
    line = line._replace(change=_classify_change(earlier[-1], line) if earlier else "new")
    append_log(home, line)
    return line


def store_bytes(home: Path, content: bytes, private: bool = False) -> None:
    """Store bytes once under their hash, and restore a damaged or lost file of that name.

    Only the owner of the store can read the bytes of a private source.
    """
    _store_under_hash(home, content, hash_bytes(content), private)


def _store_under_hash(home: Path, content: bytes, sha256: str, private: bool) -> None:
    """Store bytes with this hash as store_bytes does; a large file is hashed once."""
    path = snapshots_dir(home) / sha256
    if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
        write_atomically(path, content, private)
    elif private:
        restrict_to_owner(path)


def _classify_change(last: Snapshot, now: Snapshot) -> SnapshotChange:
    if last.sha256 != now.sha256:
        return "new"
    return "same" if (last.released, last.file) == (now.released, now.file) else "redated"


def _escape_snapshot(snapshot: Snapshot) -> Snapshot:
    """Return a log line with control characters escaped, because names and labels come from servers."""
    return snapshot._replace(
        label=escape_invisible(snapshot.label),
        origin=escape_invisible(snapshot.origin),
        file=escape_invisible(snapshot.file),
        error=escape_invisible(snapshot.error),
    )


def append_log(home: Path, snapshot: Snapshot) -> None:
    """Append a line to the log and flush it to disk."""
    path = snapshots_dir(home) / "log.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(
        {**_escape_snapshot(snapshot)._asdict(), "released": snapshot.released.isoformat()}, ensure_ascii=False
    )
    before, torn = _log_state(path), _is_torn(path)
    written = (b"\x00\n" if torn else b"") + line.encode() + b"\n"
    with path.open("ab") as file:
        file.write(written)
        file.flush()
        os.fsync(file.fileno())
    last, after = _LOGS.get(home), _log_state(path)
    # A log that another process has changed too is read again.
    if last and last.state == before and not torn and after[1] == before[1] + len(written):
        _LOGS[home] = _add_entry(last, _decode_line(line.encode()), after)


def _is_torn(path: Path) -> bool:
    """Return whether a crash left the last line incomplete. A null byte then ends it, by which readers skip it."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


class _ReadLog(NamedTuple):
    """The log as read last: the state of its file, all lines, and the new releases by source."""

    state: tuple[int, int]
    entries: list[Snapshot]
    releases: dict[str, list[Snapshot]]


_LOGS: dict[Path, _ReadLog] = {}
"""The log of each store as read last: every step of a build reads it."""


def _log_state(path: Path) -> tuple[int, int]:
    now = path.stat() if path.is_file() else None
    return (now.st_mtime_ns, now.st_size) if now else (0, 0)


def _add_entry(log: _ReadLog, entry: Snapshot, state: tuple[int, int]) -> _ReadLog:
    """Return the log with an entry at its end. A build that imports a thousand files does not read it each time."""
    releases = log.releases
    if entry.is_new_release:
        releases = {**releases, entry.source: [*releases.get(entry.source, ()), entry]}
    return _ReadLog(state, [*log.entries, entry], releases)


def read_log(home: Path) -> list[Snapshot]:
    """Read the whole log, oldest first, except lines that a crash left incomplete.

    Returns the same list while the file is unchanged: do not change it.
    """
    return _read_log(home).entries


def _read_log(home: Path) -> _ReadLog:
    path = snapshots_dir(home) / "log.jsonl"
    state = _log_state(path)
    last = _LOGS.get(home)
    if last is None or last.state != state:
        entries = [read_log_line(line, number, home) for number, line in read_log_lines(home)]
        releases: dict[str, list[Snapshot]] = {}
        for entry in entries:
            if entry.is_new_release:
                releases.setdefault(entry.source, []).append(entry)
        last = _LOGS[home] = _ReadLog(state, entries, releases)
    return last


def read_log_lines(home: Path) -> list[tuple[int, bytes]]:
    """Return the complete lines of the log, each with its line number from 1."""
    path = snapshots_dir(home) / "log.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    return [(number, line) for number, line in enumerate(lines, 1) if line and not line.endswith(b"\x00")]


@cache
def _decode_line(line: bytes) -> Snapshot:
    """Parse a log line; results are cached, because a fetch adds one line to the log."""
    fields = json.loads(line)
    return Snapshot(**{**fields, "released": date.fromisoformat(fields["released"])})


def read_log_line(line: bytes, number: int, home: Path) -> Snapshot:
    """Parse a log line; raise UnreadableError where the line is damaged."""
    try:
        return _decode_line(line)
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableError(
            f"{snapshots_dir(home) / 'log.jsonl'}:{number}: found a damaged line of the log "
            f"({line[:80]!r}), expected a JSON object; restore the file"
        ) from error


def source_snapshots(home: Path, source: str) -> list[Snapshot]:
    """Return the stored snapshots of a source, in order of arrival."""
    return list(_read_log(home).releases.get(source, ()))


_RESTORE_ADVICE = "run a build if the file is bundled with the project; else refresh the source or add the file again"


def read_snapshot(home: Path, sha256: str) -> bytes:
    """Read the bytes of a snapshot and verify their hash."""
    path = snapshots_dir(home) / sha256
    if not path.is_file():
        raise UnreadableError(f"{path}: the log names this snapshot, but the file is missing; {_RESTORE_ADVICE}")
    content = path.read_bytes()
    if hash_bytes(content) != sha256:
        raise UnreadableError(f"{path}: the content has changed since it was stored; {_RESTORE_ADVICE}")
    return content


def stored_releases(home: Path, name: str, as_of: date) -> list[list[Snapshot]]:
    """Return the releases stored by a day, oldest first; each as a list of its files, newest first."""
    groups: dict[tuple[date, str], list[Snapshot]] = {}
    for entry in source_snapshots(home, name):
        if entry.released <= as_of:
            groups.setdefault((entry.released, entry.file), []).insert(0, entry)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]
