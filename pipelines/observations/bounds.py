"""What sums say of figures that are hidden: each lies between what the others leave of their total.

Unknowns have a least and a most; sums tie them together. A sum narrows each of its unknowns by the ends of the
others, again and again until nothing moves (bound consistency; the ends are exact where no two sums share two
unknowns or run in a circle). Where they do, as in a table with row and column sums, and few are unknown, each end
is the optimum of a linear programme (HiGHS), which is exact. Nothing is ever narrowed further than is sure.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.csgraph import connected_components

FloatArray = np.ndarray[Any, np.dtype[Any]]
MAX_ROUNDS = 100
"""Narrowing is sound wherever it ends; sums that would take longer to settle are left as they are then."""
MAX_SOLVED_UNKNOWNS = 60
"""Unknowns of one knot of sums that are solved exactly: two programmes each."""
BOUND_STEP = 1e-6
"""What is narrowed by less than this is not narrowed; ends are kept to a millionth of the unit, outward."""


class SumConstraint(NamedTuple):
    """That some unknowns add to another; or, where it is not whole, that they add to no more than it."""

    total: int
    parts: tuple[int, ...]
    whole: bool = True


class BoundVectors(NamedTuple):
    """Least and most of each unknown; minus and plus infinity where nothing is known."""

    low: FloatArray
    high: FloatArray


def narrow_bounds(start: BoundVectors, sums: list[SumConstraint]) -> BoundVectors | None:
    """Narrow intervals by sums, never further than is sure; None where no figures could meet the sums."""
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
    """Narrow the unknowns of one sum in place, and tell whether any moved.

    Parts less the total is nothing, or at most nothing: so each term is at most what the others leave.
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
    """Sum up for each term the ends of all others; infinite where another's is, all of them the same way."""
    endless = np.isinf(ends)
    finite = np.where(endless, 0.0, ends)
    sums: FloatArray = np.where(endless.sum() - endless > 0, ends[endless].sum(), finite.sum() - finite)
    return sums


def _round_outward(ends: FloatArray, *, down: bool) -> FloatArray:
    """Keep ends to a millionth, outward; the hundredth of it is for what adding floating numbers loses."""
    scaled = ends / BOUND_STEP
    return (np.floor(scaled + 0.01) if down else np.ceil(scaled - 0.01)) * BOUND_STEP


def _cyclic_components(current: BoundVectors, sums: list[SumConstraint]) -> list[tuple[list[int], FloatArray]]:
    """Give the sums and the unknowns of each part of the whole where sums run in a circle."""
    free = np.flatnonzero(current.high > current.low + BOUND_STEP)
    place = {int(unknown): n for n, unknown in enumerate(free)}
    edges = [
        (s, place[u]) for s, constraint in enumerate(sums) for u in (*constraint.parts, constraint.total) if u in place
    ]
    if not edges:
        return []
    rows, columns = np.array(edges).T
    size = len(sums) + len(free)
    graph = sparse.coo_array((np.ones(len(edges)), (rows, columns + len(sums))), shape=(size, size))
    count, label = connected_components(graph)
    nodes, ties = np.bincount(label, minlength=count), np.bincount(label[rows], minlength=count)
    # A tree has one edge fewer than nodes: there, settling is exact already.
    return [
        ([int(s) for s in np.flatnonzero(label[: len(sums)] == component)], free[label[len(sums) :] == component])
        for component in np.flatnonzero(ties >= nodes)
    ]


def _solve_component(current: BoundVectors, sums: list[SumConstraint], unknowns: FloatArray) -> BoundVectors | None:
    """Find the least and the most of some unknowns under all their sums at once."""
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
    """Give the least (sign 1) or the most (sign -1) of one unknown; of no figures the least is plus infinity."""
    aim = np.zeros(size)
    aim[column] = sign
    answer = linprog(aim, **programme)
    if answer.status == 2:
        return sign * np.inf
    return float(answer.x[column]) if answer.status == 0 else -sign * np.inf


def _safe_endpoint(end: float, outward: float) -> float:
    """Take an optimum as it is where it is a figure to three decimals, else a little outward: solvers are not exact."""
    near = round(end, 3)
    return near if abs(end - near) <= BOUND_STEP else end + outward * BOUND_STEP * max(1.0, abs(end))
