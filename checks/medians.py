"""Medians of many groups of figures at once, on arrays: of each group, and of the figures around each figure.

A figure that does not count is NaN. Groups of similar size share one matrix, so that one long group beside many short
ones takes little memory.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

Numbers = np.ndarray[Any, np.dtype[Any]]
DEVIATIONS_PER_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation (Rousseeuw and Croux 1993)."""
LONG_GROUP = 1_000
"""Figures of a group from which a partial sort takes less time than a whole one."""
_BLOCK = 1 << 15
"""Figures in one block of the medians around each figure: its arrays fit in the cache of a processor."""


class Groups(NamedTuple):
    """Groups of figures: the group of each figure, the size of each group, and matrices of figures by size class.

    Each matrix has the numbers of some groups and, one row a group, the numbers of their figures. A row is filled up
    with the number after the last figure.
    """

    of_figure: Numbers
    sizes: Numbers
    tables: tuple[tuple[Numbers, Numbers], ...]


def group_figures(of_figure: Numbers, count: int) -> Groups:
    """Group figures by the number of their group, which is below `count`."""
    total = len(of_figure)
    sizes = np.bincount(of_figure, minlength=count)
    is_sorted = bool(np.all(of_figure[1:] >= of_figure[:-1]))
    # Numbers of 16 bits have a stable sort in linear time.
    narrow = of_figure.astype(np.uint16) if count <= 1 << 16 else of_figure
    order = None if is_sorted else np.append(np.argsort(narrow, kind="stable"), total)
    starts = np.cumsum(sizes) - sizes
    size_class = np.frexp(sizes - 0.5)[1]
    tables = []
    for one in np.unique(size_class[sizes > 0]):
        groups = np.flatnonzero((size_class == one) & (sizes > 0))
        offsets = np.arange(sizes[groups].max())
        at = starts[groups, None] + offsets
        within = np.where(offsets < sizes[groups, None], at, total)
        tables.append((groups, within if order is None else order[within]))
    return Groups(of_figure, sizes, tuple(tables))


def _gather_groups(figures: Numbers, groups: Groups) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Yield for each matrix its groups, their figures, one row a group, and how many of these count."""
    filled = np.append(figures, np.nan)
    has_missing = bool(np.isnan(figures).any())
    for numbers, at in groups.tables:
        matrix = filled[at]
        counts = matrix.shape[1] - np.isnan(matrix).sum(axis=1) if has_missing else groups.sizes[numbers]
        yield numbers, matrix, counts


def _sort_around(matrix: Numbers, low: Numbers, high: Numbers) -> None:
    """Put the figures at two positions of each row where a sort puts them; figures that are NaN come last."""
    if matrix.shape[1] < LONG_GROUP:
        matrix.sort(axis=1)
        return
    for row, first, last in zip(matrix, low.tolist(), high.tolist(), strict=True):
        row.partition((first, last))


def group_medians(figures: Numbers, groups: Groups) -> Numbers:
    """Return the median of each group; NaN for a group without a figure."""
    medians = np.full(len(groups.sizes), np.nan)
    for numbers, matrix, counts in _gather_groups(figures, groups):
        row = np.arange(len(numbers))
        lower, upper = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, matrix.shape[1] - 1)
        _sort_around(matrix, lower, upper)
        low, high = matrix[row, lower], matrix[row, upper]
        medians[numbers] = low + (high - low) * 0.5
    return medians


def group_upper_quarters(figures: Numbers, groups: Groups) -> Numbers:
    """Return for each group the figure nearest to three quarters of the way from the least to the greatest."""
    quarters = np.full(len(groups.sizes), np.nan)
    for numbers, matrix, counts in _gather_groups(figures, groups):
        matrix.sort(axis=1)
        at = (0.75 * np.maximum(counts - 1, 0) + 0.5).astype(np.intp)
        quarters[numbers] = matrix[np.arange(len(numbers)), at]
    return quarters


def shift_within_groups(figures: Numbers, of_figure: Numbers, steps: int) -> Numbers:
    """Return the figure `steps` before each in its group, or after where `steps` is negative; NaN where there is none.

    Figures of one group are contiguous, in the order of time.
    """
    shifted = np.full(len(figures), np.nan)
    here, there = (slice(steps, None), slice(None, -steps)) if steps > 0 else (slice(None, steps), slice(-steps, None))
    shifted[here] = np.where(of_figure[here] == of_figure[there], figures[there], np.nan)
    return shifted


def nearby_medians(
    figures: Numbers, of_figure: Numbers, steps: Sequence[int], chosen: Numbers | None = None
) -> Numbers:
    """Return for each chosen figure the median of those of its group at some steps before it; NaN where none counts.

    Figures of one group are contiguous, in the order of time. By default all are chosen.
    """
    reach = max(abs(step) for step in steps)
    padded, owner = (np.concatenate([np.full(reach, blank), array, np.full(reach, blank)])
                     for array, blank in ((figures, np.nan), (of_figure, -1)))  # fmt: skip
    if chosen is not None:
        at = chosen + reach
        return _median_of_few([np.where(owner[at - step] == owner[at], padded[at - step], np.nan) for step in steps])
    medians = np.empty(len(figures))
    for start in range(0, len(figures), _BLOCK):
        begin, end = start + reach, min(start + _BLOCK, len(figures)) + reach
        near = [
            np.where(owner[begin - step : end - step] == owner[begin:end], padded[begin - step : end - step], np.nan)
            for step in steps
        ]
        medians[start : start + _BLOCK] = _median_of_few(near)
    return medians


def _median_of_few(parts: list[Numbers]) -> Numbers:
    """Return the median of a few arrays, figure by figure, without those that are NaN."""
    medians = _median_of_all(parts)
    some = np.flatnonzero(np.isnan(medians))
    missing = [np.isnan(part[some]) for part in parts]
    counts = len(parts) - np.sum(missing, axis=0)
    ordered = _sort_network([np.where(blank, np.inf, part[some]) for part, blank in zip(parts, missing, strict=True)])
    for count in range(1, len(parts)):
        at = counts == count
        low, high = ordered[(count - 1) // 2][at], ordered[count // 2][at]
        medians[some[at]] = low + (high - low) * 0.5
    return medians


def _median_of_all(parts: list[Numbers]) -> Numbers:
    """Return the median of a few arrays, figure by figure; NaN where any is NaN."""
    ordered = _sort_network(list(parts))
    low, high = ordered[(len(parts) - 1) // 2], ordered[len(parts) // 2]
    return np.asarray(low + (high - low) * 0.5)


def _sort_network(parts: list[Numbers]) -> list[Numbers]:
    """Sort a few arrays against each other, figure by figure, by neighbours in turn. NaN spreads to all."""
    for turn in range(len(parts)):
        for first in range(turn % 2, len(parts) - 1, 2):
            one, two = parts[first : first + 2]
            parts[first : first + 2] = np.minimum(one, two), np.maximum(one, two)
    return parts
