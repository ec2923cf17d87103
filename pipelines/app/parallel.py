"""The same work for many names, by two processes beside each other: for what is made apart, name by name."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from signal import SIG_IGN, SIGINT, signal
from threading import Thread

_AHEAD = 2
"""How many names wait at the second process, so that it is not idle while this one is at work."""
Work = Callable[[str], object]
OnDone = Callable[[str], None]


@contextmanager
def second_process() -> Iterator[ProcessPoolExecutor]:
    """Give a process beside this one. It starts when it is first asked for something, and ends with the block."""
    # Spawned, not forked: Polars keeps threads, which a fork would leave locked for ever.
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Leave it to the first process to be stopped, and end where that one has been killed."""
    signal(SIGINT, SIG_IGN)
    Thread(target=_end_with_the_first, daemon=True).start()


def _end_with_the_first() -> None:
    if first := parent_process():
        first.join()
        os._exit(1)


def by_two(pool: ProcessPoolExecutor, work: Work, names: Sequence[str], on_done: OnDone, fewest: int = 2) -> list[str]:
    """Do the work for each name, the second process from the front and this one from the back; give what failed.

    `work` is to be pickled, and to be safe to do in any order. A name for which it fails, for whatever reason, stops
    no other; where the second process dies, this one does what was left. Fewer names than `fewest` are done here.
    """
    left, faults = deque(names), []
    theirs: deque[tuple[str, Future[object]]] = deque()
    with ThreadPoolExecutor(1) as here:
        while left or theirs:
            while len(left) > 1 and len(names) >= fewest and len(theirs) < _AHEAD:
                theirs.append((left[0], _submitted(pool, here, work, left.popleft())))
            if left:
                faults += _ended(left[-1], here.submit(work, left.pop()), on_done)
            while theirs and (not left or theirs[0][1].done()):
                name, started = theirs.popleft()
                dead = isinstance(started.exception(), BrokenExecutor)
                faults += _ended(name, here.submit(work, name) if dead else started, on_done)
    return faults


def _submitted(pool: ProcessPoolExecutor, here: ThreadPoolExecutor, work: Work, name: str) -> "Future[object]":
    """Ask the second process for some work; where that has died, this one."""
    try:
        return pool.submit(work, name)
    except BrokenExecutor:
        return here.submit(work, name)


def _ended(name: str, started: "Future[object]", on_done: OnDone) -> list[str]:
    """Wait for the end of some work, tell of it, and give what went wrong."""
    error = started.exception()
    on_done(name)
    return [f"{name}: {error}"] if error else []
