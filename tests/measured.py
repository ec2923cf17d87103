"""Running a command in a process of its own, and measuring the most memory that it or a process of its took."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ADDRESSES = 8_000_000_000
"""Bytes of addresses that a command may reserve: what has no limit of its own fails here, and not the machine."""
GUARD = 120
"""Seconds after which a command that hangs is ended; no measurement."""
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
    """How a command ended: its exit code, what it printed, and its peak of memory in MB."""

    code: int | None
    out: str
    err: str
    peak: int


def run_measured(*command: str, **more: str) -> Run:
    """Run Python with some arguments, and some environment variables more; give how it ended."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200", **more}
    watched = [sys.executable, "-c", _WATCHER, str(ADDRESSES), str(GUARD), sys.executable, *command]
    done = subprocess.run(watched, env=surroundings, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return Run(*json.loads(done.stdout))


def run_command(project: Path, store: Path, *words: str, **more: str) -> Run:
    """Run the command line on a project and a store; give how it ended."""
    where = {"COMMONGROUND_PROJECT": str(project), "COMMONGROUND_STORE": str(store), "COMMONGROUND_AS_OF": "2026-11-24"}
    return run_measured("-m", "pipelines.app.cli", *words, **where, **more)
