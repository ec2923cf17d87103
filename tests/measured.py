"""Run a command in a separate process, and measure the peak memory of that process and its children.

The processes are forks of one program that has imported the command line and its libraries, so that no run starts with
a second of imports.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ADDRESSES = 8_000_000_000
"""Bytes of address space that a command may reserve, so that an unlimited command fails before the machine does."""
GUARD = 120
"""Seconds after which a command that does not respond is stopped."""
_WATCHER = """
import json, os, resource, runpy, signal, sys
import duckdb, fastexcel, polars, yaml
import pipelines.app.cli, pipelines.app.query, pipelines.readers.archive, pipelines.readers.read

for line in sys.stdin:
    words, more, out, err, guard, addresses = json.loads(line)
    child = os.fork()
    if not child:
        break
    _, status, used = os.wait4(child, 0)
    sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status), used.ru_maxrss // 1024]) + "\\n")
    sys.stdout.flush()
else:
    sys.exit()

# From here on this is the command: it ends as a program of its own does.
for path, number in ((os.devnull, 0), (out, 1), (err, 2)):
    file = os.open(path, os.O_RDWR)
    os.dup2(file, number)
    os.close(file)
os.environ.update(more)
resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.alarm(guard)
option, program, *arguments = words
sys.argv = [program if option == "-m" else option, *arguments]
if option == "-m":
    runpy.run_module(program, run_name="__main__", alter_sys=True)
else:
    exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
"""


class Run(NamedTuple):
    """Result of a command: exit code, output and peak memory in MB."""

    code: int | None
    out: str
    err: str
    peak: int


@cache
def _watcher() -> "subprocess.Popen[str]":
    """Start the program that forks for each command; it ends with these tests."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::RuntimeWarning", "-c", _WATCHER], env=surroundings, cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def run_measured(*command: str, **more: str) -> Run:
    """Run Python with `-c` or `-m`, arguments and additional environment variables; return the result."""
    watcher = _watcher()
    assert watcher.stdin and watcher.stdout
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        watcher.stdin.write(json.dumps([command, more, out.name, err.name, GUARD, ADDRESSES]) + "\n")
        watcher.stdin.flush()
        code, peak = json.loads(watcher.stdout.readline())
        texts = (Path(file.name).read_text(encoding="utf-8", errors="replace") for file in (out, err))
        return Run(None if code < 0 else code, *texts, peak)


def run_command(project: Path, store: Path, *words: str, **more: str) -> Run:
    """Run the command line on a project and a store; return the result."""
    where = {"COMMONGROUND_PROJECT": str(project), "COMMONGROUND_STORE": str(store), "COMMONGROUND_AS_OF": "2026-11-24"}
    return run_measured("-m", "pipelines.app.cli", *words, **where, **more)
