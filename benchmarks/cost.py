"""Cost of a command: processor time of all its processes, wall time, and the peak of their memory together."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

INTERVAL = 0.2
"""Seconds between two readings of the memory."""
_STARTER = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("\\n" + json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss]), end="")
"""
"""Starts a command; the last line of the output has its exit code, processor seconds and peak memory in KB."""


class Cost(NamedTuple):
    """Cost of one run: processor seconds, wall seconds and peak memory in MB."""

    cpu: float
    wall: float
    peak: float


class Finished(NamedTuple):
    """A command that succeeded: its cost and its output."""

    cost: Cost
    output: str


def run_command(command: Sequence[str], more: Mapping[str, str], folder: Path) -> Finished:
    """Run a command in a folder to its end, with additional environment variables; a failure ends the benchmark.

    The processor time includes children that the command waited for. Memory is the PSS of all its processes, which
    needs Linux, and at least the peak of the largest one. A small process starts the command, because a child's peak
    would otherwise include the memory of this process.
    """
    begun = time.perf_counter()
    starter = [sys.executable, "-S", "-c", _STARTER, *command]
    process = subprocess.Popen(
        starter, env={**os.environ, **more}, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    peaks, ended = [0.0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
    watcher.start()
    text = process.communicate()[0].decode("utf-8", "replace")
    ended.set()
    watcher.join()
    output, _, used = text.rpartition("\n")
    code, cpu, largest = json.loads(used)
    if code:
        raise SystemExit(f"{output}\n{' '.join(command)} ended with {code}")
    return Finished(Cost(cpu, time.perf_counter() - begun, max(largest / 1024, *peaks)), output)


def read_memory(pid: int, is_starter: bool = False) -> float:
    """Return the memory of a process and its children in MB, with shared memory counted once.

    A starter counts only by its children.
    """
    try:
        kept = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    own = next((int(line.split()[1]) for line in kept.splitlines() if line.startswith("Pss:")), 0)
    return (0 if is_starter else own / 1024) + sum(read_memory(int(child)) for child in children)


def take_medians(costs: Sequence[Cost]) -> Cost:
    """Return the median times and the highest peak of several runs."""
    return Cost(median(one.cpu for one in costs), median(one.wall for one in costs), max(one.peak for one in costs))


def _watch(pid: int, peaks: list[float], ended: threading.Event) -> None:
    while not ended.wait(INTERVAL):
        peaks[0] = max(peaks[0], read_memory(pid, is_starter=True))
