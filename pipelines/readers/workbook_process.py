"""The connection to the process that opens workbooks (workbook_child.py): one for this process, started when needed."""

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
from pipelines.core.limits import MEMORY, SECONDS, limit_advice, read_limit

_CHILD = Path(__file__).with_name("workbook_child.py")
_LATE = getattr(signal, "SIGXCPU", None)
_lock = RLock()
_children: dict[int, subprocess.Popen[bytes]] = {}
"""The child process, by the number of this process; a forked process has no child at first."""


class OpenWorkbook(NamedTuple):
    """An open workbook: its sheets by name."""

    file: str
    sheet_names: list[str]

    def load_sheet(self, name: str, rows: int | None = None) -> pl.DataFrame:
        """Return a sheet as text, with blanks as ""; only its first rows where `rows` is given."""
        _, content = _ask_child({"sheet": name, "rows": rows}, b"", self.file)
        return pl.read_ipc_stream(content)


class BrokenBookError(Exception):
    """The bytes are not a workbook, or a damaged one."""


@contextmanager
def open_workbook(content: bytes, file: str) -> Iterator[OpenWorkbook]:
    """Open a workbook; raise BrokenBookError where it is invalid, UnreadableError where it exceeds a limit."""
    most = {"open": True, "memory": read_limit(MEMORY) * 1_000_000, "seconds": read_limit(SECONDS)}
    with _lock:
        reply, _ = _ask_child(most, content, file)
        yield OpenWorkbook(file, reply["sheets"])


def _ask_child(request: dict[str, Any], content: bytes, file: str) -> tuple[dict[str, Any], bytes]:
    """Send a request to the child; report why it ended, where it did, and start a new one for the next workbook."""
    child = _child_process()
    assert child.stdin and child.stdout
    try:
        child.stdin.write(json.dumps({**request, "size": len(content)}).encode() + b"\n")
        child.stdin.write(content)
        child.stdin.flush()
        line = child.stdout.readline()
        reply = json.loads(line) if line else {}
        payload = child.stdout.read(reply.get("size", 0))
    except OSError:
        reply, payload = {}, b""
    except BaseException:
        _end_child()  # interrupted within a response: the remainder must not be read as the next response
        raise
    if not reply or len(payload) < reply["size"]:
        raise UnreadableError(f"{file}: {_describe_limit(_end_child())}; correct the workbook, or fetch it again")
    if "error" in reply:
        raise BrokenBookError(reply["error"])
    return reply, payload


def _describe_limit(code: int) -> str:
    name = SECONDS if _LATE is not None and code == -_LATE else MEMORY
    fault = "takes too long to read" if name == SECONDS else "needs too much memory to read"
    return f"{fault} ({limit_advice(name)})"


def _child_process() -> subprocess.Popen[bytes]:
    child = _children.get(os.getpid())
    if child is None:
        # The child receives no service keys; one Polars thread is enough and uses less memory.
        environment = {name: text for name, text in os.environ.items() if not name.startswith("COMMONGROUND_")}
        command, quiet = [sys.executable, "-P", str(_CHILD)], {**environment, "POLARS_MAX_THREADS": "1"}
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet
        )
        _children.clear()
        _children[os.getpid()] = child
    return child


def end_workbook_process() -> None:
    """End the process that opens workbooks, where there is one. The next workbook starts another."""
    with _lock:
        _end_child()


@atexit.register
def _end_child() -> int:
    """End the child process, where there is one, and return its exit code."""
    child = _children.pop(os.getpid(), None)
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
