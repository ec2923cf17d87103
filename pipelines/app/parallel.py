"""The same work for many names, by this process and others beside it: for what is made apart, name by name."""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from signal import SIG_IGN, SIGINT, signal
from threading import Thread
from typing import NamedTuple

_QUEUE_DEPTH = 2
"""How many names wait at each worker, so that it is not idle while this process is at work."""
MAX_WORKERS = 3
"""Processes beside this one at most: each has a copy of the declarations and needs up to 0.7 GB."""
WorkFunction = Callable[[str], object]
DoneCallback = Callable[[str], None]


class Workers(NamedTuple):
    """Processes beside this one, and how many there are."""

    pool: ProcessPoolExecutor
    processes: int


def worker_count(cores: int | None = None) -> int:
    """Give the number of processes beside this one: one for each further core, at least one, MAX_WORKERS at most."""
    return max(1, min((cores or len(_usable_cores())) - 1, MAX_WORKERS))


def _usable_cores() -> Collection[int]:
    # Only some systems can keep a process to some of the cores.
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


@contextmanager
def worker_processes(count: int | None = None) -> Iterator[Workers]:
    """Give processes beside this one. Each starts when there is work for it, and ends with the block."""
    count = count or worker_count()
    # Spawned, not forked: Polars keeps threads, which a fork would leave locked for ever.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_start_worker)
    try:
        yield Workers(pool, count)
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave it to the first process to be stopped, and end where that one has been killed."""
    signal(SIGINT, SIG_IGN)
    Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    if first := parent_process():
        first.join()
        os._exit(1)


def share_work(
    workers: Workers, work: WorkFunction, names: Sequence[str], on_done: DoneCallback, fewest: int = 2
) -> list[str]:
    """Do the work for each name, the workers from the front and this process from the back; give what failed.

    `work` is to be pickled, and to be safe to do in any order. A name for which it fails, for whatever reason, stops
    no other; where the workers die, this process does what was left. Fewer names than `fewest` are done here.
    """
    remaining, faults = deque(names), []
    theirs: list[tuple[str, Future[object]]] = []
    with ThreadPoolExecutor(1) as here:
        while remaining or theirs:
            while len(remaining) > 1 and len(names) >= fewest and len(theirs) < _QUEUE_DEPTH * workers.processes:
                theirs.append((remaining[0], _submit_work(workers.pool, here, work, remaining.popleft())))
            if remaining:
                faults += _finish_work(remaining[-1], here.submit(work, remaining.pop()), on_done)
            for name, future in [item for item in theirs if not remaining or item[1].done()]:
                theirs.remove((name, future))
                dead = isinstance(future.exception(), BrokenExecutor)
                faults += _finish_work(name, here.submit(work, name) if dead else future, on_done)
    return faults


def _submit_work(
    pool: ProcessPoolExecutor, here: ThreadPoolExecutor, work: WorkFunction, name: str
) -> "Future[object]":
    """Ask a worker for some work; where the workers have died, this process."""
    try:
        return pool.submit(work, name)
    except BrokenExecutor:
        return here.submit(work, name)


def _finish_work(name: str, future: "Future[object]", on_done: DoneCallback) -> list[str]:
    """Wait for the end of some work, tell of it, and give what went wrong."""
    error = future.exception()
    on_done(name)
    return [f"{name}: {error}"] if error else []
