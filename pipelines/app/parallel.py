"""Parallel work over names, in this process and in worker processes."""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from threading import Thread
from typing import Any, NamedTuple

from pipelines.core.errors import EngineError
from pipelines.core.garbage import collect_seldom

_QUEUE_DEPTH = 2
"""Number of names queued for each worker, so that workers are not idle."""
MAX_WORKERS = 3
"""Maximum number of worker processes. Each has a copy of the declarations and uses up to 0.7 GB."""
MIN_SHARED_NAMES = 6
"""Minimum number of names to share with a second process that has not started: starting one takes longer."""
WorkFunction = Callable[[Any, str], object]
"""Work on one name, with the input that all names share."""
DoneCallback = Callable[[str], None]


class Workers(NamedTuple):
    """Pool of worker processes, their number, and the input that all work shares: each process gets it once."""

    pool: ProcessPoolExecutor
    processes: int
    shared: Any


def worker_count(cores: int | None = None) -> int:
    """Return the number of worker processes: one for each further core, between one and MAX_WORKERS."""
    return max(1, min((cores or len(_usable_cores())) - 1, MAX_WORKERS))


def worker_threads(processes: int, cores: int | None = None) -> int:
    """Return the number of threads of a worker process: its part of the cores, of which this process has one too."""
    return max(1, (cores or len(_usable_cores())) // (processes + 1))


def _usable_cores() -> Collection[int]:
    # Only some operating systems can limit a process to a set of cores.
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


@contextmanager
def worker_processes(shared: Any, count: int | None = None) -> Iterator[Workers]:
    """Provide worker processes with a shared input. Each starts with its first task and ends with the block."""
    count = count or worker_count()
    # Spawned, not forked: Polars has threads, and a fork would leave their locks closed.
    pool = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(shared, count)
    )
    try:
        yield Workers(pool, count, shared)
    finally:
        pool.shutdown(cancel_futures=True)


_SHARED: list[Any] = []
"""In a worker process, the shared input."""


def share_cores(sources: Path) -> None:
    """Leave workers their part of the cores, where enough declarations in a folder have measures to share the work.

    A few large sources are read with all cores. Call it before the declarations are read: the first module that makes
    a table starts the threads.
    """
    if sum(map(_has_measures, sources.glob("*.yaml"))) >= MIN_SHARED_NAMES:
        _limit_threads(worker_count())


def _has_measures(declaration: Path) -> bool:
    with suppress(OSError):  # the next step reports it with its name
        return "\nmeasures:" in declaration.read_text(encoding="utf-8", errors="replace")
    return False


def _limit_threads(processes: int) -> None:
    """Give this process its part of the threads, beside a number of workers, where the user has set no number.

    Polars reads the number of its threads when it first starts some. More threads than cores take processor time from
    each other: a tenth of the steps of small sources.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", str(worker_threads(processes)))


def _start_worker(shared: Any, processes: int) -> None:
    """Keep the shared input, ignore interrupts, which the main process handles, and exit if the main process ends."""
    _SHARED[:] = [shared]
    _limit_threads(processes)
    collect_seldom()
    signal(SIGINT, SIG_IGN)
    Thread(target=_exit_with_parent, daemon=True).start()


def call_in_worker(work: Callable[..., object], *arguments: object) -> object:
    """Call a function in a worker process, with the shared input first."""
    return work(_SHARED[0], *arguments)


def _exit_with_parent() -> None:
    if first := parent_process():
        first.join()
        os._exit(1)


def share_work(
    workers: Workers, work: WorkFunction, names: Sequence[str], on_done: DoneCallback, fewest: int = 2
) -> list[str]:
    """Do the work for each name, with workers from the front and this process from the back. Return the faults.

    `work` must be picklable and independent of order. A failure for one name does not stop the others. If the workers
    die, this process completes the work. This process does all the work if there are fewer names than `fewest`.
    """
    remaining, faults = deque(names), []
    theirs: list[tuple[str, Future[object]]] = []
    with ThreadPoolExecutor(1) as here:
        while remaining or theirs:
            while len(remaining) > 1 and len(names) >= fewest and len(theirs) < _QUEUE_DEPTH * workers.processes:
                theirs.append((remaining[0], _submit_work(workers, here, work, remaining.popleft())))
            if remaining:
                faults += _finish_work(remaining[-1], here.submit(work, workers.shared, remaining.pop()), on_done)
            for name, future in [item for item in theirs if not remaining or item[1].done()]:
                theirs.remove((name, future))
                dead = isinstance(future.exception(), BrokenExecutor)
                faults += _finish_work(name, here.submit(work, workers.shared, name) if dead else future, on_done)
    return faults


def _submit_work(workers: Workers, here: ThreadPoolExecutor, work: WorkFunction, name: str) -> "Future[object]":
    """Submit a task to a worker, or to this process if the workers have died."""
    try:
        return workers.pool.submit(call_in_worker, work, name)
    except BrokenExecutor:
        return here.submit(work, workers.shared, name)


def _finish_work(name: str, future: "Future[object]", on_done: DoneCallback) -> list[str]:
    """Wait for a task, report its end to `on_done`, and return its fault. A fault of the engine ends the build."""
    error = future.exception()
    if isinstance(error, EngineError):
        raise error
    on_done(name)
    return [f"{name}: {error}"] if error else []
