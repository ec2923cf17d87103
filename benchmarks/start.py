"""Waiting time of a new user: `make run`, a build of two problems, and a build without a change.

.venv/bin/python benchmarks/start.py [RUNS]

Each run is a separate process on a separate store. The output is a Markdown table of wall seconds and of the peak
memory of the process and its children together. Memory is their PSS, which needs Linux. It is read once a second,
because reading it takes time.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
AS_OF = "2026-11-24"
TWO = ("jobs_recovery", "jobs_south_london")
"""The two problems for which the starter edition was first built."""


class Taken(NamedTuple):
    """Cost of one run: wall seconds and peak memory in MB (0 where the system gives none)."""

    seconds: float
    peak: float


def time_command(command: list[str], store: Path) -> Taken:
    """Run a command to its end and return its cost; a failure ends the benchmark."""
    surroundings = {**os.environ, "COMMONGROUND_STORE": str(store), "COMMONGROUND_AS_OF": AS_OF}
    begun, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(command, env=surroundings, cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        time.sleep(1.0 if peak else 0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Taken(time.perf_counter() - begun, peak)


def memory_of(pid: int) -> float:
    """Return the memory of a process and its children in MB, with shared memory counted once."""
    try:
        kept = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    own = next((int(line.split()[1]) for line in kept.splitlines() if line.startswith("Pss:")), 0)
    return own / 1024 + sum(memory_of(int(child)) for child in children)


def time_table(taken: dict[str, list[Taken]]) -> str:
    """Format the figures as Markdown."""
    lines = ["| what | runs | wall s: min | median | max | peak MB |", "|---|---|---|---|---|---|"]
    for name, runs in taken.items():
        seconds = [run.seconds for run in runs]
        figures = f"{min(seconds):.1f} | {statistics.median(seconds):.1f} | {max(seconds):.1f}"
        lines.append(f"| {name} | {len(runs)} | {figures} | {max(run.peak for run in runs):.0f} |")
    return "\n".join(lines)


def time_start(runs: int) -> None:
    """Time each command in turn and print the table."""
    build = [sys.executable, "-m", "pipelines.app.cli", "build"]
    make = ["make", "run"] if os.name == "posix" else build
    taken: dict[str, list[Taken]] = {}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            for name, command, store in (
                ("make run, nothing built before", make, one),
                ("build, nothing changed", build, one),
                (f"build {' '.join(TWO)}, nothing built before", [*build, *TWO], other),
            ):
                taken.setdefault(name, []).append(time_command(command, Path(store)))
    sys.stdout.write(time_table(taken) + "\n")


if __name__ == "__main__":
    time_start(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
