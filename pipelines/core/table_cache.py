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
_FileState = tuple[int, int, int]


class _ReadTable(NamedTuple):
    state: _FileState
    table: pl.DataFrame
    size: int


_READ: OrderedDict[Path, _ReadTable] = OrderedDict()
_LOCK = Lock()


def read_once(path: Path) -> pl.DataFrame:
    """Read a Parquet file, or return its table where this process has read it and the file is the same."""
    now = path.stat()
    state = (now.st_ino, now.st_mtime_ns, now.st_size)
    with _LOCK:
        last = _READ.get(path)
        if last and last.state == state:
            _READ.move_to_end(path)
            return last.table
    table = pl.read_parquet(path)
    size = int(table.estimated_size())
    if size <= LARGEST_TABLE:
        with _LOCK:
            _keep(path, _ReadTable(state, table, size))
    return table


def _keep(path: Path, read: _ReadTable) -> None:
    _READ[path] = read
    _READ.move_to_end(path)
    kept = sum(entry.size for entry in _READ.values())
    while kept > MOST_BYTES:
        kept -= _READ.popitem(last=False)[1].size
