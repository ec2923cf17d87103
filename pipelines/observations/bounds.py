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

Vector = np.ndarray[Any, np.dtype[Any]]
MOST_ROUNDS = 100
"""Narrowing is sound wherever it ends; sums that would take longer to settle are left as they are then."""
MOST_SOLVED = 60
"""Unknowns of one knot of sums that are solved exactly: two programmes each."""
STEP = 1e-6
"""What is narrowed by less than this is not narrowed; ends are kept to a millionth of the unit, outward."""


class Sum(NamedTuple):
    """That some unknowns add to another; or, where it is not whole, that they add to no more than it."""

    total: int
    parts: tuple[int, ...]
    whole: bool = True


class Interval(NamedTuple):
    """Least and most of each unknown; minus and plus infinity where nothing is known."""

    low: Vector
    high: Vector


def narrowed(start: Interval, sums: list[Sum]) -> Interval | None:
    """Narrow intervals by sums, never further than is sure; None where no figures could meet the sums."""
    found = _settled(start, sums)
    if found is None:
        return None
    for sum_numbers, unknowns in _knots(found, sums):
        if len(unknowns) <= MOST_SOLVED:
            solved = _solved(found, [sums[n] for n in sum_numbers], unknowns)
            if solved is None:
                return None
            found = solved
    return found


def _settled(start: Interval, sums: list[Sum]) -> Interval | None:
    low, high = start.low.astype(float), start.high.astype(float)
    for _ in range(MOST_ROUNDS):
        moved = [_narrow(low, high, each) for each in sums]
        if (low > high + STEP).any():
            return None
        if not any(moved):
            break
    return Interval(low, np.maximum(low, high))


def _narrow(low: Vector, high: Vector, each: Sum) -> bool:
    """Narrow the unknowns of one sum in place, and tell whether any moved.

    Parts less the total is nothing, or at most nothing: so each term is at most what the others leave.
    """
    at = np.array([*each.parts, each.total])
    part = np.arange(len(at)) < len(each.parts)
    least, most = np.where(part, low[at], -high[at]), np.where(part, high[at], -low[at])
    top = -_others(least)
    bottom = -_others(most) if each.whole else np.full(len(at), -np.inf)
    new_low = _outward(np.where(part, bottom, -top), down=True)
    new_high = _outward(np.where(part, top, -bottom), down=False)
    raised, lowered = new_low > low[at] + STEP, new_high < high[at] - STEP
    low[at[raised]] = new_low[raised]
    high[at[lowered]] = new_high[lowered]
    return bool(raised.any() or lowered.any())


def _others(ends: Vector) -> Vector:
    """Sum up for each term the ends of all others; infinite where another's is, all of them the same way."""
    endless = np.isinf(ends)
    finite = np.where(endless, 0.0, ends)
    sums: Vector = np.where(endless.sum() - endless > 0, ends[endless].sum(), finite.sum() - finite)
    return sums


def _outward(ends: Vector, *, down: bool) -> Vector:
    """Keep ends to a millionth, outward; the hundredth of it is for what adding floating numbers loses."""
    scaled = ends / STEP
    return (np.floor(scaled + 0.01) if down else np.ceil(scaled - 0.01)) * STEP


def _knots(found: Interval, sums: list[Sum]) -> list[tuple[list[int], Vector]]:
    """Give the sums and the unknowns of each part of the whole where sums run in a circle."""
    free = np.flatnonzero(found.high > found.low + STEP)
    place = {int(unknown): n for n, unknown in enumerate(free)}
    edges = [(s, place[u]) for s, each in enumerate(sums) for u in (*each.parts, each.total) if u in place]
    if not edges:
        return []
    rows, columns = np.array(edges).T
    size = len(sums) + len(free)
    graph = sparse.coo_array((np.ones(len(edges)), (rows, columns + len(sums))), shape=(size, size))
    count, label = connected_components(graph)
    nodes, ties = np.bincount(label, minlength=count), np.bincount(label[rows], minlength=count)
    # A tree has one edge fewer than nodes: there, settling is exact already.
    return [
        ([int(s) for s in np.flatnonzero(label[: len(sums)] == knot)], free[label[len(sums) :] == knot])
        for knot in np.flatnonzero(ties >= nodes)
    ]


def _solved(found: Interval, sums: list[Sum], unknowns: Vector) -> Interval | None:
    """Find the least and the most of some unknowns under all their sums at once."""
    number = {int(unknown): n for n, unknown in enumerate(unknowns)}
    matrix = np.zeros((len(sums), len(unknowns)))
    right = np.zeros(len(sums))
    for row, each in enumerate(sums):
        for unknown, sign in (*((part, 1.0) for part in each.parts), (each.total, -1.0)):
            if unknown in number:
                matrix[row, number[unknown]] += sign
            else:
                right[row] -= sign * found.low[unknown]
    whole = np.array([each.whole for each in sums])
    programme = {
        "A_eq": matrix[whole], "b_eq": right[whole], "A_ub": matrix[~whole], "b_ub": right[~whole],
        "bounds": np.column_stack([found.low[unknowns], found.high[unknowns]]), "method": "highs",
    }  # fmt: skip
    low, high = found.low.copy(), found.high.copy()
    for unknown, column in number.items():
        least, most = (_optimum(programme, len(unknowns), column, sign) for sign in (1.0, -1.0))
        if least == np.inf:
            return None
        low[unknown] = max(low[unknown], _sure(least, -1.0))
        high[unknown] = min(high[unknown], _sure(most, 1.0))
    return Interval(low, np.maximum(low, high))


def _optimum(programme: dict[str, Any], size: int, column: int, sign: float) -> float:
    """Give the least (sign 1) or the most (sign -1) of one unknown; of no figures the least is plus infinity."""
    aim = np.zeros(size)
    aim[column] = sign
    answer = linprog(aim, **programme)
    if answer.status == 2:
        return sign * np.inf
    return float(answer.x[column]) if answer.status == 0 else -sign * np.inf


def _sure(end: float, outward: float) -> float:
    """Take an optimum as it is where it is a figure to three decimals, else a little outward: solvers are not exact."""
    near = round(end, 3)
    return near if abs(end - near) <= STEP else end + outward * STEP * max(1.0, abs(end))
