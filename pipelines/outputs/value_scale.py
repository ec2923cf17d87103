"""Scale of a value axis: round numbers."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor, log10


def choose_scale(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the ends and the step of the value axis: round numbers, from 0 unless all figures are far above it."""
    low, high = min(values), max(values)
    low = 0.0 if 0 <= low < 0.6 * high or low == high == 0 else low
    spread = (high - low) or abs(high) or 1.0
    size = 10.0 ** floor(log10(spread / 3))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor * 3.5 >= spread)
    return floor(low / step) * step, max(ceil(high / step), floor(low / step) + 1) * step, step


def format_ticks(ticks: Sequence[float]) -> list[str]:
    """Format the labels of a value axis with the decimals that their steps need, all the same number."""
    steps = [abs(after - before) for before, after in pairwise(ticks)]
    decimals = max(-floor(log10(min(steps)) + 1e-9), 0) if steps else 0
    return [f"{tick:z,.{decimals}f}" for tick in ticks]
