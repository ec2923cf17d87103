"""Cost of the steps of a command: wall and CPU time, always measured, because it costs microseconds."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

try:
    import resource
except ImportError:  # Windows has no such count
    resource = None  # type: ignore[assignment]

WORKERS = "worker processes"


class StepCost(NamedTuple):
    """Cost of a step: wall and CPU seconds of this process."""

    step: str
    wall_s: float
    cpu_s: float


_COSTS: list[StepCost] = []


@contextmanager
def measure_step(step: str) -> Iterator[None]:
    """Measure the block as a step. Steps do not overlap."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        _COSTS.append(StepCost(step, time.perf_counter() - wall, time.process_time() - cpu))


def list_step_costs() -> list[StepCost]:
    """List the steps measured so far, the dearest first, with the rest of this process and the ended workers."""
    rest = time.process_time() - sum(cost.cpu_s for cost in _COSTS)
    children = os.times()
    ended = StepCost(WORKERS, 0.0, children.children_user + children.children_system)
    return sorted([*_COSTS, StepCost("imports and rest", 0.0, rest), ended], key=lambda cost: -cost.cpu_s)


def peak_memory_mb() -> float | None:
    """Return the peak memory of this process in MB; null where the system has no such count."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000 if resource else None
