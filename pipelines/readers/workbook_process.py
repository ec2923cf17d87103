"""Asking the process that opens workbooks (workbook_child.py): one for this process, started when first needed."""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.limits import MEMORY, SECONDS, limit, raising

_CHILD = Path(__file__).with_name("workbook_child.py")
_LATE = getattr(signal, "SIGXCPU", None)
_lock = RLock()
_running: dict[int, subprocess.Popen[bytes]] = {}
"""The child of this process, by this process's number: one that was forked has none of its own yet."""


class Book(NamedTuple):
    """A workbook that is open: its sheets by name."""

    file: str
    sheet_names: list[str]

    def sheet(self, name: str, rows: int | None = None) -> pl.DataFrame:
        """Give a sheet as text, blanks as ""; its first rows alone where so asked."""
        _, content = _answer({"sheet": name, "rows": rows}, b"", self.file)
        return pl.read_ipc_stream(content)


class BrokenBookError(Exception):
    """Bytes that are no workbook, or a damaged one."""


@contextmanager
def open_book(content: bytes, file: str) -> Iterator[Book]:
    """Open a workbook; raise BrokenBookError where it is none, UnreadableError where it would take too much."""
    most = {"open": True, "memory": limit(MEMORY) * 1_000_000, "seconds": limit(SECONDS)}
    with _lock:
        told, _ = _answer(most, content, file)
        yield Book(file, told["sheets"])


def _answer(request: dict[str, Any], content: bytes, file: str) -> tuple[dict[str, Any], bytes]:
    """Ask the child; where it died over a workbook say why, and let the next workbook have a new one."""
    child = _child()
    assert child.stdin and child.stdout
    try:
        child.stdin.write(json.dumps({**request, "size": len(content)}).encode() + b"\n")
        child.stdin.write(content)
        child.stdin.flush()
        line = child.stdout.readline()
        told = json.loads(line) if line else {}
        found = child.stdout.read(told.get("size", 0))
    except OSError:
        told, found = {}, b""
    except BaseException:
        _end()  # stopped within an answer: the rest of it must not be taken for the next
        raise
    if not told or len(found) < told["size"]:
        raise UnreadableError(f"{file}: {_cause(_end())}; correct the workbook, or fetch it again")
    if "error" in told:
        raise BrokenBookError(told["error"])
    return told, found


def _cause(code: int) -> str:
    name = SECONDS if _LATE is not None and code == -_LATE else MEMORY
    what = "takes too long to read" if name == SECONDS else "needs too much memory to read"
    return f"{what} ({raising(name)})"


def _child() -> subprocess.Popen[bytes]:
    child = _running.get(os.getpid())
    if child is None:
        # No key of a service goes with it; one thread of Polars is enough, and takes less memory.
        known = {name: text for name, text in os.environ.items() if not name.startswith("COMMONGROUND_")}
        command, quiet = [sys.executable, "-P", str(_CHILD)], {**known, "POLARS_MAX_THREADS": "1"}
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet
        )
        _running.clear()
        _running[os.getpid()] = child
    return child


@atexit.register
def _end() -> int:
    """End the child of this process, if there is one; give how it ended."""
    child = _running.pop(os.getpid(), None)
    if child is None:
        return 0
    with suppress(OSError):
        assert child.stdin and child.stdout
        child.stdin.close()
        child.stdout.close()
    try:
        return child.wait(0.5)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
