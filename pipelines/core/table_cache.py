"""What a process keeps for its later steps: tables read lately, and results computed from the very same ones.

A file is known by its inode, time and size. The store replaces a file by a rename, which changes these.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import date
from functools import wraps
from io import BytesIO
from itertools import accumulate, pairwise
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, ParamSpec, TypeVar

import polars as pl

MOST_BYTES = 96_000_000
"""Most bytes of the tables that a process keeps; those used longest ago go first."""
MOST_WRITTEN_BYTES = 128_000_000
"""Most bytes of the large tables that a process keeps after writing them, until the step is over."""
LARGEST_TABLE = 4_000_000
"""Most bytes of a table that is kept, and of a file that is read as a whole. A build reads a larger one seldom."""
_PLAIN = (pl.String, pl.Int64, pl.Float64, pl.Date, pl.Boolean)
"""Types of columns that a file returns as they were written."""
STREAM_SUFFIX = ".stream"
"""Ending of a file of tables that only the project reads: a line of JSON, then each table as a stream of Arrow.

A small table costs a tenth of a Parquet file to write and to read, and a source has a dozen.
"""
_LEAST_COMPRESSED = 1 << 16
"""Size in bytes of a table from which its stream is compressed."""


class _FileState(NamedTuple):
    inode: int
    time: int
    size: int


class _ReadTable(NamedTuple):
    state: _FileState
    table: pl.DataFrame
    size: int


class _Tables:
    """Tables by path, those used longest ago first, and the sum of their sizes, which is at most `most`."""

    def __init__(self, most: int) -> None:
        self.by_path: OrderedDict[Path, _ReadTable] = OrderedDict()
        self.size, self.most = 0, most

    def keep(self, path: Path, read: _ReadTable) -> None:
        self.drop(path)
        self.by_path[path] = read
        self.size += read.size
        while self.size > self.most:
            self.drop(next(iter(self.by_path)))

    def drop(self, path: Path) -> None:
        last = self.by_path.pop(path, None)
        self.size -= last.size if last else 0

    def clear(self) -> None:
        self.by_path.clear()
        self.size = 0


_READ, _WRITTEN = _Tables(MOST_BYTES), _Tables(MOST_WRITTEN_BYTES)
_LOCK = Lock()


def read_once(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a file with one table, or return its table where this process has read it and the file is the same.

    With `columns` only these are read, and a table read thus is not kept.
    """
    state = _describe_file(path)
    with _LOCK:
        last = _READ.by_path.get(path)
        if last and last.state == state:
            _READ.by_path.move_to_end(path)
            return last.table if columns is None else last.table.select(columns)
    table = _read_file(path, state.size, columns)
    if columns is not None:
        return table
    _keep(path, state, table)
    return table


def keep_written(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Keep a table that this process has just written, if a file returns its columns as they are, and return it.

    Another table is read back, so that this build and later ones agree.
    """
    if any(dtype not in _PLAIN for dtype in table.dtypes):
        return read_once(path)
    keep_table(path, table)
    return table


def encode_stream(tables: Sequence[pl.DataFrame], metadata: dict[str, str]) -> bytes:
    """Return the bytes of a file of tables (STREAM_SUFFIX): first a line with metadata and the sizes of the streams."""
    streams = []
    for table in tables:
        stream = BytesIO()
        is_large = table.estimated_size() >= _LEAST_COMPRESSED
        table.write_ipc_stream(stream, compression="zstd" if is_large else "uncompressed")
        streams.append(stream.getvalue())
    head = json.dumps({"metadata": metadata, "sizes": [len(stream) for stream in streams]})
    return b"".join([head.encode(), b"\n", *streams])


def read_stream(path: Path) -> list[pl.DataFrame]:
    """Read the tables of a file (STREAM_SUFFIX)."""
    head, _, streams = path.read_bytes().partition(b"\n")
    ends = accumulate(json.loads(head)["sizes"], initial=0)
    return [pl.read_ipc_stream(streams[start:end]) for start, end in pairwise(ends)]


def read_stream_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a file of tables (STREAM_SUFFIX); none where the file is not whole."""
    with path.open("rb") as file:
        line = file.readline()
    try:
        head = json.loads(line)
        is_whole = len(line) + sum(head["sizes"]) == path.stat().st_size
        return dict(head["metadata"]) if is_whole else {}
    except (ValueError, KeyError, TypeError):
        return {}


def keep_table(path: Path, table: pl.DataFrame) -> None:
    """Keep a table that this process has just written, and that its file returns without a change."""
    _keep(path, _describe_file(path), table)


def keep_large_table(path: Path, table: pl.DataFrame) -> None:
    """Keep a large table that this process has just written and reads next, until forget_large_tables."""
    with _LOCK:
        _WRITTEN.keep(path, _ReadTable(_describe_file(path), table, int(table.estimated_size())))


def forget_large_tables() -> None:
    """Forget the large tables that this process has written."""
    with _LOCK:
        _WRITTEN.clear()


def find_kept(path: Path) -> pl.DataFrame | None:
    """Return the table of a file, if this process keeps it and the file is the same."""
    with _LOCK:
        last = _READ.by_path.get(path) or _WRITTEN.by_path.get(path)
    return last.table if last and last.state == _describe_file(path) else None


def _read_file(path: Path, size: int, columns: Sequence[str] | None) -> pl.DataFrame:
    """Read a file with one table. Polars reads a small Parquet file from memory at two thirds of the cost."""
    if path.suffix == STREAM_SUFFIX:
        (table,) = read_stream(path)
        return table if columns is None else table.select(columns)
    content = path.read_bytes() if size <= LARGEST_TABLE else path
    return pl.read_parquet(content, columns=None if columns is None else list(columns))


def _describe_file(path: Path) -> _FileState:
    now = path.stat()
    return _FileState(now.st_ino, now.st_mtime_ns, now.st_size)


def _keep(path: Path, state: _FileState, table: pl.DataFrame) -> None:
    size = int(table.estimated_size())
    if size <= LARGEST_TABLE:
        with _LOCK:
            _READ.keep(path, _ReadTable(state, table, size))


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_RESULTS: list[dict[Any, Any]] = []
"""Results that functions keep."""
_BY_VALUE = (str, date, tuple, frozenset)
"""Types of arguments that are compared by value. All others, such as tables, have no hash."""


_CLEARED: list[Callable[[], object]] = []
"""What empties caches of their own between two steps of a build."""


def clear_between_steps(clear: Callable[[], object]) -> None:
    """Have forget_tables call a function that empties a cache which one step of a build fills."""
    _CLEARED.append(clear)


def forget_tables() -> None:
    """Forget the tables that this process has read, and the results that functions keep, between two steps of a build.

    The next step has other inputs, and memory that it does not use would add to its own.
    """
    for recent in _RESULTS:
        recent.clear()
    for clear in _CLEARED:
        clear()
    with _LOCK:
        _READ.clear()
        _WRITTEN.clear()


def forget_results(*arguments: object) -> None:
    """Forget the results that any function computed from one of these very objects, such as a large table."""
    for recent in _RESULTS:
        for key, (given, _) in list(recent.items()):
            if any(one is argument for one in given for argument in arguments):
                recent.pop(key, None)


def keep_results(
    most: int, measure_bytes: Callable[[Any], float] | None = None
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Keep the last results of a function, for calls with the very same tables and equal texts, days and codes.

    The steps of a build have many parts in common, such as the places of a geography. No caller changes a result.
    A result of more than LARGEST_TABLE bytes is not kept.
    """

    def keep(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        # The arguments are kept too: while they are, no other object has their identity.
        recent: dict[tuple[object, ...], tuple[tuple[object, ...], Result]] = {}
        _RESULTS.append(recent)

        @wraps(function)
        def computed_once(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            given = (*args, *kwargs, *kwargs.values())
            key = tuple(one if type(one) in _BY_VALUE else id(one) for one in given)
            last = recent.get(key)
            if last is None:
                last = given, function(*args, **kwargs)
                if measure_bytes and measure_bytes(last[1]) > LARGEST_TABLE:
                    return last[1]
                recent[key] = last
                if len(recent) > most:
                    recent.pop(next(iter(recent)))
            return last[1]

        return computed_once

    return keep
