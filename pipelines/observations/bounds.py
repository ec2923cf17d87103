"""Bounds of suppressed figures, derived from published totals and the other figures in each sum.

Each unknown has a lower and an upper bound, and sums relate the unknowns. A sum narrows the bounds of each of its
unknowns by the bounds of the others. This repeats until no bound changes (bound consistency). The bounds are exact
unless two sums share two unknowns or sums form a cycle. A table with row and column sums has such cycles. Where a
cycle has few unknowns, a linear programme (HiGHS) gives each bound exactly. Bounds are never narrower than the sums
prove.
"""

from typing import Any, NamedTuple

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[Any]]
MAX_ROUNDS = 100
"""Maximum number of passes. Bounds are valid after every pass, so slow sums stop there."""
MAX_SOLVED_UNKNOWNS = 60
"""Maximum number of unknowns in a cycle of sums that is solved exactly, with two programmes for each."""
BOUND_STEP = 1e-6
"""Smallest change that counts as narrowing. Bounds are rounded outward to a millionth of the unit."""


class SumConstraint(NamedTuple):
    """A constraint that some unknowns add to another or, where `whole` is false, to no more than it."""

    total: int
    parts: tuple[int, ...]
    whole: bool = True


class BoundVectors(NamedTuple):
    """Lower and upper bound of each unknown; minus and plus infinity where unbounded."""

    low: FloatArray
    high: FloatArray


def narrow_bounds(start: BoundVectors, sums: list[SumConstraint]) -> BoundVectors | None:
    """Narrow bounds by sums, only as far as the sums prove; None where no figures satisfy the sums."""
    current = _propagate_sums(start, sums)
    if current is None:
        return None
    for sum_numbers, unknowns in _cyclic_components(current, sums):
        if len(unknowns) <= MAX_SOLVED_UNKNOWNS:
            solution = _solve_component(current, [sums[n] for n in sum_numbers], unknowns)
            if solution is None:
                return None
            current = solution
    return current


def _propagate_sums(start: BoundVectors, sums: list[SumConstraint]) -> BoundVectors | None:
    low, high = start.low.astype(float), start.high.astype(float)
    for _ in range(MAX_ROUNDS):
        changes = [_narrow_one_sum(low, high, constraint) for constraint in sums]
        if (low > high + BOUND_STEP).any():
            return None
        if not any(changes):
            break
    return BoundVectors(low, np.maximum(low, high))


def _narrow_one_sum(low: FloatArray, high: FloatArray, constraint: SumConstraint) -> bool:
    """Narrow the unknowns of one sum in place, and return whether any bound changed.

    The parts less the total equal zero, or at most zero. So each term is at most what the others leave.
    """
    at = np.array([*constraint.parts, constraint.total])
    part = np.arange(len(at)) < len(constraint.parts)
    least, most = np.where(part, low[at], -high[at]), np.where(part, high[at], -low[at])
    top = -_sums_of_others(least)
    bottom = -_sums_of_others(most) if constraint.whole else np.full(len(at), -np.inf)
    new_low = _round_outward(np.where(part, bottom, -top), down=True)
    new_high = _round_outward(np.where(part, top, -bottom), down=False)
    raised, lowered = new_low > low[at] + BOUND_STEP, new_high < high[at] - BOUND_STEP
    low[at[raised]] = new_low[raised]
    high[at[lowered]] = new_high[lowered]
    return bool(raised.any() or lowered.any())


def _sums_of_others(ends: FloatArray) -> FloatArray:
    """Sum the bounds of all other terms for each term; infinite where another is, always with the same sign."""
    endless = np.isinf(ends)
    finite = np.where(endless, 0.0, ends)
    sums: FloatArray = np.where(endless.sum() - endless > 0, ends[endless].sum(), finite.sum() - finite)
    return sums


def _round_outward(ends: FloatArray, *, down: bool) -> FloatArray:
    """Round bounds outward to a millionth; the allowance of a hundredth covers floating-point error."""
    scaled = ends / BOUND_STEP
    return (np.floor(scaled + 0.01) if down else np.ceil(scaled - 0.01)) * BOUND_STEP


def _cyclic_components(current: BoundVectors, sums: list[SumConstraint]) -> list[tuple[list[int], FloatArray]]:
    """Return the sums and unknowns of each connected component in which sums form a cycle."""
    free = np.flatnonzero(current.high > current.low + BOUND_STEP)
    place = {int(unknown): n for n, unknown in enumerate(free)}
    edges = [
        (s, place[u]) for s, constraint in enumerate(sums) for u in (*constraint.parts, constraint.total) if u in place
    ]
    if not edges:
        return []
    # SciPy takes long to load, and few sources publish sums.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(edges).T
    size = len(sums) + len(free)
    graph = coo_array((np.ones(len(edges)), (rows, columns + len(sums))), shape=(size, size))
    count, label = connected_components(graph)
    nodes, ties = np.bincount(label, minlength=count), np.bincount(label[rows], minlength=count)
    # A tree has one edge fewer than nodes, and its bounds are exact already.
    return [
        ([int(s) for s in np.flatnonzero(label[: len(sums)] == component)], free[label[len(sums) :] == component])
        for component in np.flatnonzero(ties >= nodes)
    ]


def _solve_component(current: BoundVectors, sums: list[SumConstraint], unknowns: FloatArray) -> BoundVectors | None:
    """Compute the lower and upper bound of some unknowns under all their sums together."""
    number = {int(unknown): n for n, unknown in enumerate(unknowns)}
    matrix = np.zeros((len(sums), len(unknowns)))
    right = np.zeros(len(sums))
    for row, constraint in enumerate(sums):
        for unknown, sign in (*((part, 1.0) for part in constraint.parts), (constraint.total, -1.0)):
            if unknown in number:
                matrix[row, number[unknown]] += sign
            else:
                right[row] -= sign * current.low[unknown]
    whole = np.array([constraint.whole for constraint in sums])
    programme = {
        "A_eq": matrix[whole], "b_eq": right[whole], "A_ub": matrix[~whole], "b_ub": right[~whole],
        "bounds": np.column_stack([current.low[unknowns], current.high[unknowns]]), "method": "highs",
    }  # fmt: skip
    low, high = current.low.copy(), current.high.copy()
    for unknown, column in number.items():
        least, most = (_optimal_value(programme, len(unknowns), column, sign) for sign in (1.0, -1.0))
        if least == np.inf:
            return None
        low[unknown] = max(low[unknown], _safe_endpoint(least, -1.0))
        high[unknown] = min(high[unknown], _safe_endpoint(most, 1.0))
    return BoundVectors(low, np.maximum(low, high))


def _optimal_value(programme: dict[str, Any], size: int, column: int, sign: float) -> float:
    """Return the minimum (sign 1) or maximum (sign -1) of one unknown; plus infinity where no figures fit."""
    from scipy.optimize import linprog

    aim = np.zeros(size)
    aim[column] = sign
    answer = linprog(aim, **programme)
    if answer.status == 2:
        return sign * np.inf
    return float(answer.x[column]) if answer.status == 0 else -sign * np.inf


def _safe_endpoint(end: float, outward: float) -> float:
    """Return an optimum of at most three decimals unchanged, and widen any other, because solvers are not exact."""
    near = round(end, 3)
    return near if abs(end - near) <= BOUND_STEP else end + outward * BOUND_STEP * max(1.0, abs(end))
