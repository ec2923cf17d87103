"""The store: its layout, its lock, and state tables, each written by one rename.

The store is a directory:

    snapshots/                Files as published, and the log of fetches (snapshots).
    ledger/<problem>.parquet  When each gap was first seen, last seen and closed.
    state/<kind>/<name>.parquet   Tables, each with the key of its inputs.
    state/<kind>/<name>.stream    Tables of sources that only the project reads (STREAMED_KINDS).
    state/slice/<source>.parquet  One row for each slice of a source: a measure and period of one release.
    state/values/<source>/<release>.parquet    Figures of one release, sorted by measure, period and place.
    state/reading/<source>/<release>.stream    What else was read from that release: faults, totals and findings.
    out/                      Output files for users.
    outputs.json              The output files that the project wrote (manifest).
    layout.json               The layout version of the store (layout).
    parsed.txt                Parsed texts of the declarations (parsed_texts).
    build_events.jsonl        What the command line built, for Dagster's own pages (app.build_events).
    notices/                  Notices, and what each channel has delivered (app.notices).
    checked.txt               The last check of the outputs against the declarations (checked_store).
    listed.json               Lists of declared items (stored_lists).
    places.json               What places are described from, beside their tables (app.place_lookup).
    repeated.json             State in which a build had nothing to do, and what it printed (app.repeated_build).
    withdrawn/                Files in out/ that a user changed and that use a source which is no longer public.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal
from uuid import uuid4

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.table_cache import (
    LARGEST_TABLE,
    STREAM_SUFFIX,
    encode_stream,
    keep_large_table,
    keep_table,
    keep_written,
    read_once,
    read_stream_metadata,
)

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


STREAMED_KINDS = frozenset({
    "set_aside", "finding", "contract", "release", "total", "doubt", "revision", "revision_summary", "reconciliation",
    "reading",
})  # fmt: skip
"""Kinds of tables of sources that only the project reads. They are small, and most of them have no rows."""
TABLE_SUFFIXES = (".parquet", STREAM_SUFFIX)
"""Endings of state tables."""


def state_path(home: Path, kind: str, name: str) -> Path:
    """Return the path of a state table."""
    return home / "state" / kind / f"{name}{_suffix_of(kind)}"


def _suffix_of(kind: str) -> str:
    return STREAM_SUFFIX if kind in STREAMED_KINDS else ".parquet"


def list_state_files(home: Path, kind: str = "*") -> list[Path]:
    """List the state tables of a kind, or of all kinds, without those of single releases."""
    return sorted(path for path in (home / "state").glob(f"{kind}/*") if path.suffix in TABLE_SUFFIXES)


RELEASE_KINDS = ("values", "reading")
"""Kinds of tables with one file for each release of a source, in a folder for the source."""


def release_path(home: Path, kind: str, source: str, name: str) -> Path:
    """Return the path of a table of one release of a source."""
    return home / "state" / kind / source / f"{name}{_suffix_of(kind)}"


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


_SMALL = 1 << 15
"""Size in bytes of a table up to which compression takes longer than it saves."""


def write_table(
    path: Path, frame: pl.DataFrame, key: str, input_sources: Collection[str] = (), version: str = ""
) -> None:
    """Write a state table with the key of its inputs and the sources of observations that it depends on.

    `version` names the content; by default it is the key.
    """
    metadata = {
        TABLE_KEY_METADATA: key, INPUT_SOURCES_METADATA: " ".join(input_sources), VERSION_METADATA: version or key
    }  # fmt: skip
    if path.suffix == STREAM_SUFFIX:
        _replace_file(path, encode_stream([frame], metadata))
    elif frame.estimated_size() <= LARGEST_TABLE:
        # Polars writes a small file into memory at two thirds of the cost.
        content = BytesIO()
        compression: Literal["zstd", "uncompressed"] = "zstd" if frame.estimated_size() > _SMALL else "uncompressed"
        frame.write_parquet(content, metadata=metadata, compression=compression)
        _replace_file(path, content.getbuffer())
    else:
        temporary = temporary_path(path)
        frame.write_parquet(temporary, metadata=metadata, compression="zstd")
        temporary.replace(path)


def write_stream(path: Path, tables: Sequence[pl.DataFrame], key: str) -> None:
    """Write several small tables to one file (table_cache.read_stream), with the key of their inputs."""
    _replace_file(path, encode_stream(tables, {TABLE_KEY_METADATA: key}))


def write_table_parts(
    path: Path, parts: Iterable[pl.DataFrame], key: str, is_complete: Callable[[], bool] = lambda: True,
    *, is_one_part: bool = False,
) -> None:  # fmt: skip
    """Write a state table of parts with one schema, one part in memory at a time, with the key of its inputs.

    The table appears by one rename after the last part, and only if `is_complete` then. A small table is kept for the
    next reader in this process. So is a large one with `is_one_part`, until forget_large_tables.
    """
    known = {TABLE_KEY_METADATA: key, INPUT_SOURCES_METADATA: "", VERSION_METADATA: key}
    rest = iter(parts)
    read = list(islice(rest, 1))
    if read and read[0].estimated_size() <= LARGEST_TABLE:
        read += islice(rest, 1)
        if len(read) == 1:
            if is_complete():
                _write_small_part(path, read[0], known)
            return
    whole = read[0] if read and is_one_part else None
    temporary = temporary_path(path)
    _write_row_groups(temporary, chain(_take_each(read), rest), known)
    if temporary.is_file() and is_complete():
        temporary.replace(path)
        if whole is not None:
            keep_large_table(path, whole)
    temporary.unlink(missing_ok=True)


def _take_each(parts: list[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield parts in order, and keep none that was yielded."""
    while parts:
        yield parts.pop(0)


def _write_small_part(path: Path, table: pl.DataFrame, metadata: dict[str, str]) -> None:
    """Write the one part of a small table. Polars writes it at two thirds of the cost."""
    content = BytesIO()
    table.write_parquet(content, metadata=metadata, compression="zstd", compression_level=1, statistics=False)
    _replace_file(path, content.getbuffer())
    keep_table(path, table)


def _write_row_groups(path: Path, parts: Iterable[pl.DataFrame], metadata: dict[str, str]) -> None:
    """Write a table of parts to a file; no file without a part."""
    from pyarrow import parquet

    writer = None
    try:
        for part in parts:
            table = _convert_part(part)
            if writer is None:
                schema = table.schema.with_metadata(metadata)
                # Dictionaries of figures rarely pay, and readers choose rows by number, not by statistics.
                writer = parquet.ParquetWriter(
                    path, schema, compression="zstd", compression_level=1,
                    use_dictionary=_list_texts(schema), write_statistics=["measure", "period_start", "period_end"],
                )  # fmt: skip
            writer.write_table(table, row_group_size=ROWS_OF_A_GROUP)
    finally:
        if writer is not None:
            writer.close()


def _convert_part(part: pl.DataFrame) -> "pyarrow.Table":
    """Return a part in Arrow. A column of texts without any takes no pass over its rows."""
    import pyarrow

    types = part.clear().to_arrow().schema
    blank = {name for name in part.columns if part[name].null_count() == part.height and name in _list_texts(types)}
    rest = part.drop(blank).to_arrow()
    columns = [
        pyarrow.nulls(part.height, field.type) if field.name in blank else rest.column(field.name) for field in types
    ]
    return pyarrow.Table.from_arrays(columns, schema=types)


def _replace_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file by one rename."""
    temporary = temporary_path(path)
    temporary.write_bytes(content)
    temporary.replace(path)


def write_large_table(
    temporary: Path, path: Path, parts: Iterable[pl.DataFrame], key: str, input_sources: Collection[str]
) -> None:
    """Write a state table of plain columns to a temporary file, one part in memory at a time; the caller renames it.

    The version of the table that is stored at `path` stays where that has the same rows.
    """
    from pyarrow import parquet

    writer, rows, version = None, 0, table_version(path)
    stored = pl.scan_parquet(path) if version is not None else pl.LazyFrame()
    try:
        for part in parts:
            if version is not None and not stored.slice(rows, part.height).collect().equals(part):
                version = None
            rows += part.height
            table = part.to_arrow(compat_level=pl.CompatLevel.newest())
            writer = writer or parquet.ParquetWriter(temporary, table.schema, compression="zstd", store_schema=False)
            writer.write_table(table)
        if version is not None and stored.select(pl.len()).collect().item() != rows:
            version = None
        known = {TABLE_KEY_METADATA: key, INPUT_SOURCES_METADATA: " ".join(input_sources)}
        if writer is not None:
            writer.add_key_value_metadata({**known, VERSION_METADATA: version or key})
    finally:
        if writer is not None:
            writer.close()


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
        if path.suffix == STREAM_SUFFIX:
            return read_stream_metadata(path)
        return pl.read_parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError):
        return {}


def read_table(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a state table, or only some columns. A process reads an unchanged file once."""
    return read_once(path, columns)


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
        if not layout_path(home).is_file() and not list_state_files(home):
            write_layout(home)
        return [_write_built(path, table, key, input_sources) for path, table in zip(paths, make(), strict=True)]
    return [read_table(path) for path in paths]


def _write_built(path: Path, table: pl.DataFrame, key: str, input_sources: Collection[str]) -> pl.DataFrame:
    """Write a built table and return it as later readers get it."""
    write_table(path, table, key, input_sources, _find_version(path, table))
    return keep_written(path, table)


def _find_version(path: Path, table: pl.DataFrame) -> str:
    """Return the version of the stored table where it has the same rows; blank where it has others."""
    version = table_version(path)
    if version is None:
        return ""
    stored = read_table(path)
    return version if stored.schema == table.schema and stored.equals(table) else ""


def remove_temporary_files(home: Path) -> None:
    """Remove temporary files that interrupted builds left behind."""
    for path in home.rglob(f"{TEMPORARY_PREFIX}*"):
        if _TEMPORARY_NAME.match(path.name):
            path.unlink(missing_ok=True)


def list_release_tables(home: Path, source: str = "*") -> list[Path]:
    """List the tables of single releases of a source, or of all sources."""
    folders = [home / "state" / kind for kind in RELEASE_KINDS]
    return sorted(path for folder in folders for path in folder.glob(f"{source}/*") if path.suffix in TABLE_SUFFIXES)


def prune_release_tables(home: Path, source: str, names: set[str]) -> None:
    """Remove the tables of a source's releases that are no longer stored, and those in the form of another version."""
    for path in list_release_tables(home, source):
        if path.stem not in names or path.suffix != _suffix_of(path.parent.parent.name):
            path.unlink()


def prune_tables(home: Path, kind: str, names: set[str]) -> None:
    """Remove state tables of a kind that are no longer declared, and those in the form of another version."""
    for path in list_state_files(home, kind):
        if path.stem not in names or path.suffix != _suffix_of(kind):
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
