"""The store: snapshots as published and state tables in Parquet, each written by one rename.

The store is a directory:

    snapshots/log.jsonl       One line for each fetch, append-only.
    snapshots/<sha256>        The bytes of a file, stored once.
    ledger/<problem>.parquet  When each gap was first seen, last seen and closed.
    state/<kind>/<name>.parquet   Tables, each with the key of its inputs.
    state/slice/<source>.parquet  One row for each slice of a source: a measure and period of one release.
    state/values/<source>/<release>.parquet    Figures of one release, sorted by measure, period and place.
    state/reading/<source>/<release>.parquet   What else was read from that release: faults, totals and findings.
    out/                      Output files for users.
    outputs.json              The output files that the project wrote (manifest).
    layout.json               The layout version of the store (layout).
    parsed.txt                Parsed texts of the declarations (parsed_texts).
    build_events.jsonl        What the command line built, for Dagster's own pages (app.build_events).
    notices/                  Notices, and what each channel has delivered (app.notices).
    checked.txt               The last check of the outputs against the declarations (checked_store).
    listed.json               Lists of declared items (stored_lists).
    withdrawn/                Files in out/ that a user changed and that use a source which is no longer public.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple
from uuid import uuid4

import polars as pl

from pipelines.core.errors import CommongroundError, UnreadableError
from pipelines.core.table_cache import keep_written, read_once
from pipelines.core.visible import escape_invisible

if TYPE_CHECKING:
    import pyarrow

TABLE_KEY_METADATA = "commonground_key"
INPUT_SOURCES_METADATA = "commonground_rests_on"
VERSION_METADATA = "commonground_version"
TEMPORARY_PREFIX = ".making-"
LOCK_SECONDS = 120
LAYOUT_VERSION = 4
"""Layout version that this program writes; it increases when tables of the previous layout become unusable."""
_TEMPORARY_NAME = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[0-9a-f]{{32}}")


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


def state_path(home: Path, kind: str, name: str) -> Path:
    """Return the path of a state table."""
    return home / "state" / kind / f"{name}.parquet"


RELEASE_KINDS = ("values", "reading")
"""Kinds of tables with one file for each release of a source, in a folder for the source."""


def release_path(home: Path, kind: str, source: str, name: str) -> Path:
    """Return the path of a table of one release of a source."""
    return home / "state" / kind / source / f"{name}.parquet"


def release_name(snapshot: "Snapshot") -> str:
    """Return the name of a release's tables: its day, and a hash of its bytes and file name."""
    return f"{snapshot.released}-{hash_bytes(f'{snapshot.sha256} {snapshot.file}'.encode())[:16]}"


def output_path(home: Path, name: str) -> Path:
    """Return the path of an output file."""
    return home / "out" / name


def layout_path(home: Path) -> Path:
    """Return the path of the file that records a store's layout version."""
    return home / "layout.json"


def write_layout(home: Path) -> None:
    """Record this program's layout version in a store."""
    write_atomically(layout_path(home), json.dumps({"layout": LAYOUT_VERSION}).encode())


def hash_bytes(content: bytes) -> str:
    """Return the sha256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes, private: bool = False) -> None:
    """Write a file atomically: a reader sees the old or the new content. Only the owner can read a private file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    with open_private_file(temporary) if private else temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


OWNER_ONLY_MODE = 0o600


def open_private_file(path: Path) -> BinaryIO:
    """Open a new file for writing that only its owner can read."""
    path.unlink(missing_ok=True)
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), OWNER_ONLY_MODE), "wb"
    )


def restrict_to_owner(path: Path) -> None:
    """Restrict an existing file to its owner."""
    if path.is_file() and path.stat().st_mode & 0o077:
        path.chmod(OWNER_ONLY_MODE)


def temporary_path(path: Path) -> Path:
    """Return a temporary path in the same directory, so that one rename completes the write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f"{TEMPORARY_PREFIX}{uuid4().hex}{path.suffix}"


def write_table(
    path: Path, frame: pl.DataFrame, key: str, input_sources: Collection[str] = (), version: str = ""
) -> None:
    """Write a state table with the key of its inputs and the sources of observations that it depends on.

    `version` names the content; by default it is the key.
    """
    temporary = temporary_path(path)
    frame.write_parquet(
        temporary,
        metadata={
            TABLE_KEY_METADATA: key, INPUT_SOURCES_METADATA: " ".join(input_sources), VERSION_METADATA: version or key
        },
        compression="zstd",
    )  # fmt: skip
    temporary.replace(path)


def write_table_parts(
    path: Path, parts: Iterable[pl.DataFrame], key: str, is_complete: Callable[[], bool] = lambda: True
) -> None:
    """Write a state table of parts with one schema, one part in memory at a time, with the key of its inputs.

    The table appears by one rename after the last part, and only if `is_complete` then.
    """
    from pyarrow import parquet

    temporary = temporary_path(path)
    writer = None
    try:
        for part in parts:
            table = part.to_arrow()
            if writer is None:
                known = {TABLE_KEY_METADATA: key, INPUT_SOURCES_METADATA: "", VERSION_METADATA: key}
                schema = table.schema.with_metadata(known)
                # Dictionaries of figures rarely pay, and readers choose rows by number, not by statistics.
                writer = parquet.ParquetWriter(
                    temporary, schema, compression="zstd", compression_level=1,
                    use_dictionary=_list_texts(schema), write_statistics=["measure", "period_start", "period_end"],
                )  # fmt: skip
            writer.write_table(table, row_group_size=ROWS_OF_A_GROUP)
    finally:
        if writer is not None:
            writer.close()
    if writer is not None and is_complete():
        temporary.replace(path)
    temporary.unlink(missing_ok=True)


def _list_texts(schema: "pyarrow.Schema") -> list[str]:
    """Return the names of the columns of texts."""
    import pyarrow

    return [field.name for field in schema if pyarrow.types.is_dictionary(field.type)]


ROWS_OF_A_GROUP = 1 << 18
"""Rows of a row group of a table in parts: a reader of one slice reads at most the groups with its rows."""


def table_version(path: Path) -> str | None:
    """Return the version of a table's content, which stays where other inputs give the same rows.

    What depends on the rows alone has this version in its key. Null where there is no readable table.
    """
    return _read_metadata(path, VERSION_METADATA) or table_key(path)


def table_input_sources(path: Path) -> tuple[str, ...] | None:
    """Return the sources of observations that a table depends on; null where not recorded or unreadable."""
    value = _read_metadata(path, INPUT_SOURCES_METADATA)
    return None if value is None else tuple(value.split())


def table_key(path: Path) -> str | None:
    """Return the key of a table's inputs; null where there is no readable table."""
    return _read_metadata(path, TABLE_KEY_METADATA)


def _read_metadata(path: Path, name: str) -> str | None:
    try:
        now = path.stat()
    except OSError:
        return None
    return _read_file_metadata(path, now.st_ino, now.st_mtime_ns, now.st_size).get(name)


@cache
def _read_file_metadata(path: Path, *_identity: int) -> dict[str, str]:
    """Read the metadata of a table once for each version of its file: every step of a build asks for them."""
    try:
        return pl.read_parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError):
        return {}


def read_table(path: Path) -> pl.DataFrame:
    """Read a state table. A process reads an unchanged file once."""
    return read_once(path)


def load_or_build_table(
    home: Path, kind: str, name: str, key: str, make: Callable[[], pl.DataFrame], input_sources: Collection[str] = ()
) -> pl.DataFrame:
    """Return the state table with a kind, name and key; build and write it first where it does not exist."""
    return load_or_build_tables(home, [kind], name, key, lambda: [make()], input_sources)[0]


def load_or_build_tables(
    home: Path, kinds: Sequence[str], name: str, key: str, make: Callable[[], Sequence[pl.DataFrame]],
    input_sources: Collection[str] = (),
) -> list[pl.DataFrame]:  # fmt: skip
    """Return the state tables of several kinds that one step builds together.

    A table with a column that a file may return as another type is read back, so that this build and later ones agree.
    A store without tables is new: its layout version is written first.
    """
    paths = [state_path(home, kind, name) for kind in kinds]
    if any(table_key(path) != key for path in paths):
        if not layout_path(home).is_file() and not any((home / "state").glob("*/*.parquet")):
            write_layout(home)
        for path, table in zip(paths, make(), strict=True):
            write_table(path, table, key, input_sources, _find_version(path, table))
            keep_written(path, table)
    return [read_table(path) for path in paths]


def _find_version(path: Path, table: pl.DataFrame) -> str:
    """Return the version of the stored table where it has the same rows; blank where it has others."""
    version = table_version(path)
    if version is None:
        return ""
    stored = read_table(path)
    return version if stored.schema == table.schema and stored.equals(table) else ""


def store_snapshot(home: Path, content: bytes, snapshot: Snapshot, private: bool = False) -> Snapshot:
    """Store the bytes of a fetch and append to the log; return the line, which states what changed."""
    if hash_bytes(content) != snapshot.sha256:
        raise UnreadableError(f"{snapshot.file}: content does not match sha256 {snapshot.sha256}; fetch it again")
    store_bytes(home, content, private)
    earlier = source_snapshots(home, snapshot.source)
    line = _escape_snapshot(snapshot)
    line = line._replace(change=_classify_change(earlier[-1], line) if earlier else "new")
    append_log(home, line)
    return line


def store_bytes(home: Path, content: bytes, private: bool = False) -> None:
    """Store bytes once under their hash, and restore a damaged or lost file of that name.

    Only the owner of the store can read the bytes of a private source.
    """
    path = snapshots_dir(home) / hash_bytes(content)
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


def remove_temporary_files(home: Path) -> None:
    """Remove temporary files that interrupted builds left behind."""
    for path in home.rglob(f"{TEMPORARY_PREFIX}*"):
        if _TEMPORARY_NAME.match(path.name):
            path.unlink(missing_ok=True)


def list_release_tables(home: Path, source: str = "*") -> list[Path]:
    """List the tables of single releases of a source, or of all sources."""
    return sorted(path for kind in RELEASE_KINDS for path in (home / "state" / kind).glob(f"{source}/*.parquet"))


def prune_release_tables(home: Path, source: str, names: set[str]) -> None:
    """Remove the tables of a source's releases that are no longer stored."""
    for path in list_release_tables(home, source):
        if path.stem not in names:
            path.unlink()


def prune_tables(home: Path, kind: str, names: set[str]) -> None:
    """Remove state tables of a kind for sources or problems that are no longer declared."""
    for path in (home / "state" / kind).glob("*.parquet"):
        if path.stem not in names:
            path.unlink()


@contextmanager
def lock_store(home: Path) -> Iterator[None]:
    """Lock a store so that one step writes at a time; the lock ends with the process."""
    # Imported late, because it loads asyncio: a command that only reads needs neither.
    from filelock import FileLock, Timeout

    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "build.lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise CommongroundError(
            f"{home}: another build or refresh has had the lock for {LOCK_SECONDS} s; wait, or choose another store"
        ) from error
    try:
        yield
    finally:
        lock.release()


def stored_releases(home: Path, name: str, as_of: date) -> list[list[Snapshot]]:
    """Return the releases stored by a day, oldest first; each as a list of its files, newest first."""
    groups: dict[tuple[date, str], list[Snapshot]] = {}
    for entry in source_snapshots(home, name):
        if entry.released <= as_of:
            groups.setdefault((entry.released, entry.file), []).insert(0, entry)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]
