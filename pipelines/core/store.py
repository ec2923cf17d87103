"""Where bytes and tables are kept: snapshots as published, state as Parquet, one rename for every write.

The store is a directory:

    snapshots/log.jsonl       one line for every fetch, only ever added to
    snapshots/<sha256>        the bytes, stored once however often they were fetched
    ledger/<problem>.parquet  when each gap was first seen, last seen, closed
    state/<kind>/<name>.parquet   tables; each carries the key of what it was made from
    out/                      what people open
    outputs.json              what of that the project wrote (manifest)
    layout.json               which versions can use the store (layout)
    withdrawn/                what someone changed in out/ and rests on a source that is no longer public
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple
from uuid import uuid4

import polars as pl
from filelock import FileLock, Timeout

from pipelines.core.errors import CommongroundError, UnreadableError
from pipelines.core.visible import visible

KEY = "commonground_key"
RESTS_ON = "commonground_rests_on"
TEMPORARY = ".making-"
LOCK_SECONDS = 120
LAYOUT = 2
"""The layout of stores that this program writes: one more when a version can't use the tables of the one before."""
_HALF_MADE = re.compile(rf"{re.escape(TEMPORARY)}[0-9a-f]{{32}}")


Change = Literal["", "new", "redated", "same", "failed"]
"""What a fetch changed. new: other bytes than the last; redated: the same bytes as a release of another day
or name; same: nothing new; failed: no file came. Blank in lines of before this was noted."""


class Snapshot(NamedTuple):
    """One line of the log: a file as published, how it came here, and what it changed."""

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
    change: Change = ""

    @property
    def brings_file(self) -> bool:
        """Tell whether the line stands for a release of its own, not for one held before or for a failure."""
        return bool(self.sha256) and self.change != "same"


def snapshots_dir(home: Path) -> Path:
    """Give the directory of snapshots in a store."""
    return home / "snapshots"


def state_path(home: Path, kind: str, name: str) -> Path:
    """Give the file that holds one table of the state."""
    return home / "state" / kind / f"{name}.parquet"


def out_path(home: Path, name: str) -> Path:
    """Give the file of one output."""
    return home / "out" / name


def layout_path(home: Path) -> Path:
    """Give the file that has the layout of a store."""
    return home / "layout.json"


def note_layout(home: Path) -> None:
    """Note in a store that it has the layout of this program."""
    write_whole(layout_path(home), json.dumps({"layout": LAYOUT}).encode())


def digest(content: bytes) -> str:
    """Give the sha256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path) -> str:
    """Give the sha256 of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, content: bytes, private: bool = False) -> None:
    """Write a file so that a reader sees all of it or the one before; a private one only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    with open_private(temporary) if private else temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


OWNER_ONLY = 0o600


def open_private(path: Path) -> BinaryIO:
    """Open a new file to be written that only its owner can read."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), OWNER_ONLY), "wb")


def keep_private(path: Path) -> None:
    """Let only its owner read a file that is there."""
    if path.is_file() and path.stat().st_mode & 0o077:
        path.chmod(OWNER_ONLY)


def beside(path: Path) -> Path:
    """Name a temporary file in the same directory, so that one rename finishes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f"{TEMPORARY}{uuid4().hex}{path.suffix}"


def write_table(path: Path, frame: pl.DataFrame, key: str, rests_on: Collection[str] = ()) -> None:
    """Write a table of the state with the key of what it was made from, and the sources of figures it rests on."""
    temporary = beside(path)
    frame.write_parquet(temporary, metadata={KEY: key, RESTS_ON: " ".join(rests_on)}, compression="zstd")
    temporary.replace(path)


def table_rests_on(path: Path) -> tuple[str, ...] | None:
    """Give the sources of figures that a table rests on; null where that was not noted, or can't be read."""
    try:
        noted = pl.read_parquet_metadata(path).get(RESTS_ON)
    except (pl.exceptions.PolarsError, OSError):
        return None
    return None if noted is None else tuple(noted.split())


def table_key(path: Path) -> str | None:
    """Give the key a table was made from; null where there is no table, or no sound one."""
    if not path.is_file():
        return None
    try:
        return pl.read_parquet_metadata(path).get(KEY)
    except (pl.exceptions.PolarsError, OSError):
        return None


def read_table(path: Path) -> pl.DataFrame:
    """Read a table of the state."""
    return pl.read_parquet(path)


def cached(
    home: Path, kind: str, name: str, key: str, make: Callable[[], pl.DataFrame], rests_on: Collection[str] = ()
) -> pl.DataFrame:
    """Read the table of a kind and name that was made under a key; make and write it first where there is none."""
    return cached_tables(home, [kind], name, key, lambda: [make()], rests_on)[0]


def cached_tables(
    home: Path, kinds: Sequence[str], name: str, key: str, make: Callable[[], Sequence[pl.DataFrame]],
    rests_on: Collection[str] = (),
) -> list[pl.DataFrame]:  # fmt: skip
    """Read the tables of several kinds that one step makes together, as `cached` reads one.

    They come back as they were read from the store, so that a build that made them and one that found them agree.
    A store without tables is new, and gets its layout first.
    """
    paths = [state_path(home, kind, name) for kind in kinds]
    if any(table_key(path) != key for path in paths):
        if not layout_path(home).is_file() and not any((home / "state").glob("*/*.parquet")):
            note_layout(home)
        for path, table in zip(paths, make(), strict=True):
            write_table(path, table, key, rests_on)
    return [read_table(path) for path in paths]


def put(home: Path, content: bytes, snapshot: Snapshot, private: bool = False) -> Snapshot:
    """Keep the bytes of a fetch and say so in the log; give the line, which says what has changed."""
    if digest(content) != snapshot.sha256:
        raise UnreadableError(f"{snapshot.file}: its bytes are not those of {snapshot.sha256}")
    keep_bytes(home, content, private)
    held = snapshots(home, snapshot.source)
    line = _shown(snapshot)
    line = line._replace(change=_change(held[-1], line) if held else "new")
    log(home, line)
    return line


def keep_bytes(home: Path, content: bytes, private: bool = False) -> None:
    """Keep bytes under their hash, once; a file of that name that was damaged or lost is made whole.

    Those of a private source only the owner of the store can read.
    """
    path = snapshots_dir(home) / digest(content)
    if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
        write_whole(path, content, private)
    elif private:
        keep_private(path)


def _change(last: Snapshot, now: Snapshot) -> Change:
    if last.sha256 != now.sha256:
        return "new"
    return "same" if (last.released, last.file) == (now.released, now.file) else "redated"


def _shown(snapshot: Snapshot) -> Snapshot:
    """Give a line of the log with every sign visible: names and labels are what servers say."""
    return snapshot._replace(
        label=visible(snapshot.label), origin=visible(snapshot.origin), file=visible(snapshot.file),
        error=visible(snapshot.error),
    )  # fmt: skip


def log(home: Path, snapshot: Snapshot) -> None:
    """Add one line to the log and see that it is on the disk."""
    path = snapshots_dir(home) / "log.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({**_shown(snapshot)._asdict(), "released": snapshot.released.isoformat()}, ensure_ascii=False)
    # A crash in the middle of a line leaves it without an end: start afresh, and history() leaves it out.
    torn = path.is_file() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with path.open("ab") as file:
        file.write((b"\x00\n" if torn else b"") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def history(home: Path) -> list[Snapshot]:
    """Read the whole log, oldest first; a last line cut short by a crash is left out."""
    return [read_line(line, number, home) for number, line in log_lines(home)]


def log_lines(home: Path) -> list[tuple[int, bytes]]:
    """Give the whole lines of the log, each with its number counted from 1."""
    path = snapshots_dir(home) / "log.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    return [(number, line) for number, line in enumerate(lines, 1) if line and not line.endswith(b"\x00")]


@lru_cache(maxsize=100_000)
def _parsed(line: bytes) -> Snapshot:
    """Read one line of the log; each is read once, for a build asks for the log at every step."""
    fields = json.loads(line)
    return Snapshot(**{**fields, "released": date.fromisoformat(fields["released"])})


def read_line(line: bytes, number: int, home: Path) -> Snapshot:
    """Read one line of the log; raise UnreadableError where it is not as it was written."""
    try:
        return _parsed(line)
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableError(
            f"{snapshots_dir(home) / 'log.jsonl'}:{number}: a line of the log is not as it was written "
            f"({line[:80]!r}); restore the file"
        ) from error


def snapshots(home: Path, source: str) -> list[Snapshot]:
    """Give the files held of one source, in the order they came."""
    return [entry for entry in history(home) if entry.source == source and entry.brings_file]


_MEND = "build where the file travels with the project; else refresh the source, or add the file again"


def read_snapshot(home: Path, sha256: str) -> bytes:
    """Read the bytes of a snapshot and see that they are still the same."""
    path = snapshots_dir(home) / sha256
    if not path.is_file():
        raise UnreadableError(f"{path}: the log names this snapshot and it is not there; {_MEND}")
    content = path.read_bytes()
    if digest(content) != sha256:
        raise UnreadableError(f"{path}: its bytes have changed since they were stored; {_MEND}")
    return content


def sweep(home: Path) -> None:
    """Remove what builds that were killed left half made; only what has a name that `beside` gives."""
    for path in home.rglob(f"{TEMPORARY}*"):
        if _HALF_MADE.match(path.name):
            path.unlink(missing_ok=True)


def prune(home: Path, kind: str, names: set[str]) -> None:
    """Remove tables of the state whose source or problem is no longer declared."""
    for path in (home / "state" / kind).glob("*.parquet"):
        if path.stem not in names:
            path.unlink()


@contextmanager
def sole_builder(home: Path) -> Iterator[None]:
    """Let one step write to a store at a time; the lock goes with the process, however it ends."""
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "build.lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise CommongroundError(
            f"{home}: another build or refresh has been at work for {LOCK_SECONDS} s; wait, or name another store"
        ) from error
    try:
        yield
    finally:
        lock.release()


def held_releases(home: Path, name: str, as_of: date) -> list[list[Snapshot]]:
    """Give the releases held by a day, oldest first; of one released twice all files, the last first."""
    groups: dict[tuple[date, str], list[Snapshot]] = {}
    for entry in snapshots(home, name):
        if entry.released <= as_of:
            groups.setdefault((entry.released, entry.file), []).insert(0, entry)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]
