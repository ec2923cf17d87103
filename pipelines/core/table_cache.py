"""Tables read lately, so that the steps of a build read a file once.

A file is known by its inode, time and size. The store replaces a file by a rename, which changes these.
"""

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import polars as pl

MOST_BYTES = 96_000_000
"""Most bytes of the tables that a process keeps; those used longest ago go first."""
LARGEST_TABLE = 4_000_000
"""Most bytes of a table that is kept. A build reads a larger one seldom."""
_PLAIN = (pl.String, pl.Int64, pl.Float64, pl.Date, pl.Boolean)
"""Types of columns that a Parquet file returns as they were written."""
_FileState = tuple[int, int, int]


class _ReadTable(NamedTuple):
    state: _FileState
    table: pl.DataFrame
    size: int


class _Tables:
    """Tables by path, those used longest ago first, and the sum of their sizes."""

    def __init__(self) -> None:
        self.by_path: OrderedDict[Path, _ReadTable] = OrderedDict()
        self.size = 0

    def keep(self, path: Path, read: _ReadTable) -> None:
        self.drop(path)
        self.by_path[path] = read
        self.size += read.size
        while self.size > MOST_BYTES:
            self.drop(next(iter(self.by_path)))

    def drop(self, path: Path) -> None:
        last = self.by_path.pop(path, None)
        self.size -= last.size if last else 0


_READ = _Tables()
_LOCK = Lock()


def read_once(path: Path) -> pl.DataFrame:
    """Read a Parquet file, or return its table where this process has read it and the file is the same."""
    state = _describe_file(path)
    with _LOCK:
        last = _READ.by_path.get(path)
        if last and last.state == state:
            _READ.by_path.move_to_end(path)
            return last.table
    table = pl.read_parquet(path)
    _keep(path, state, table)
    return table


def keep_written(path: Path, table: pl.DataFrame) -> None:
    """Keep a table that this process has just written, if a file returns its columns as they are."""
    if all(dtype in _PLAIN for dtype in table.dtypes):
        _keep(path, _describe_file(path), table)


def _describe_file(path: Path) -> _FileState:
    now = path.stat()
    return now.st_ino, now.st_mtime_ns, now.st_size


def _keep(path: Path, state: _FileState, table: pl.DataFrame) -> None:
    size = int(table.estimated_size())
    if size <= LARGEST_TABLE:
        with _LOCK:
            _READ.keep(path, _ReadTable(state, table, size))
