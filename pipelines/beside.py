"""The same work for many names, by two processes beside each other: for what is made apart, name by name."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

FEWEST = 6
"""For fewer names the second process, which takes about two seconds to start, is not worth it."""
Work = Callable[[str], object]
OnDone = Callable[[str], None]


@contextmanager
def second_process() -> Iterator[ProcessPoolExecutor]:
    """Give a process beside this one. It starts when it is first asked for something, and ends with the block."""
    # Spawned, not forked: Polars keeps threads, which a fork would leave locked for ever.
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def by_two(pool: ProcessPoolExecutor, work: Work, names: Sequence[str], on_done: OnDone) -> list[str]:
    """Do the work for each name, the second process from the front and this one from the back; give what failed.

    `work` is to be pickled, and to be safe to do in any order. A name for which it fails stops no other; where the
    second process dies, this one does what was left.
    """
    if len(names) < FEWEST:
        return [fault for name in names for fault in _done(work, name, on_done)]
    started = {name: pool.submit(work, name) for name in names}
    faults = []
    for name in reversed(names):
        # One that the second process has taken up can't be cancelled any more.
        theirs = None if started[name].cancel() else started[name]
        faults += _done(work if theirs is None else _result(theirs, work), name, on_done)
    return faults


def _result(started: "Future[object]", work: Work) -> Work:
    """Give what waits for the second process; where that has died, the work itself."""
    return work if isinstance(started.exception(), BrokenExecutor) else lambda _: started.result()


def _done(work: Work, name: str, on_done: OnDone) -> list[str]:
    try:
        work(name)
    except Exception as error:  # noqa: BLE001  one that fails, for whatever reason, stops no other
        return [f"{name}: {error}"]
    finally:
        on_done(name)
    return []
