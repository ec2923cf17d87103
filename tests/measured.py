"""Run a command in a separate process, and measure the peak memory of that process and its children."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ADDRESSES = 8_000_000_000
"""Bytes of address space that a command may reserve, so that an unlimited command fails before the machine does."""
GUARD = 120
"""Seconds after which a command that does not respond is stopped."""
_WATCHER = """
import json, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
try:
    done = subprocess.run(sys.argv[3:], capture_output=True, timeout=int(sys.argv[2]))
    code, out, err = done.returncode, done.stdout, done.stderr
except subprocess.TimeoutExpired:
    code, out, err = None, b"", b"took too long"
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
sys.stdout.write(json.dumps([code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), peak]))
"""


class Run(NamedTuple):
    """Result of a command: exit code, output and peak memory in MB."""

    code: int | None
    out: str
    err: str
    peak: int


def run_measured(*command: str, **more: str) -> Run:
    """Run Python with arguments and additional environment variables; return the result."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200", **more}
    watched = [sys.executable, "-c", _WATCHER, str(ADDRESSES), str(GUARD), sys.executable, *command]
    done = subprocess.run(watched, env=surroundings, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return Run(*json.loads(done.stdout))


def run_command(project: Path, store: Path, *words: str, **more: str) -> Run:
    """Run the command line on a project and a store; return the result."""
    where = {"COMMONGROUND_PROJECT": str(project), "COMMONGROUND_STORE": str(store), "COMMONGROUND_AS_OF": "2026-11-24"}
    return run_measured("-m", "pipelines.app.cli", *words, **where, **more)
