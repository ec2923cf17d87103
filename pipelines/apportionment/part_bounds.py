"""Bounds of a figure for a place with several parts, of which some are shared, suppressed or missing.

Bounds of a count are sums over its parts. A whole part adds its own bounds. A part shared with other places adds
between 0 and its upper bound. A part without a figure adds at least 0 and leaves no upper bound. Where a count can be
negative, a shared or missing part leaves no bound at all. A rate lies within the rates of its whole parts.
"""

import numpy as np
import polars as pl

from pipelines.apportionment.matrix import CrosswalkMatrix, Vector
from pipelines.apportionment.vectors import FigureBlock
from pipelines.declarations.measure import Measure

Bounds = tuple[Vector, Vector]
"""Lower and upper bound of each target place in each slice; NaN where there is none."""


def measures_below_zero(observation: pl.DataFrame, measures: dict[str, Measure]) -> list[str]:
    """List the measures that can be negative, as declared or as observed, because their parts do not bound a total."""
    below = observation.filter(pl.any_horizontal(pl.col("value", "lower_bound") < 0))["measure"]
    declared = {name for name, definition in measures.items() if definition.range and definition.range[0] < 0}
    return sorted(declared | set(below))


def bound_range(figures: FigureBlock, matrix: CrosswalkMatrix) -> Bounds:
    """Return the lowest and highest bound among the parts of each place, or their values where they have no bound."""
    low = np.where(figures.has_low, figures.low, np.where(figures.has_value, figures.value, np.inf))
    high = np.where(figures.has_high, figures.high, np.where(figures.has_value, figures.value, -np.inf))
    return reduce_parts(np.minimum, low, matrix, np.inf), reduce_parts(np.maximum, high, matrix, -np.inf)


def reduce_parts(function: np.ufunc, column: Vector, matrix: CrosswalkMatrix, nothing: float) -> Vector:
    """Combine a column over the parts of each place by a function such as the maximum; `nothing` without parts.

    `nothing` is neutral to the function: a last place without parts would start beyond the end, so it is appended.
    """
    end = np.broadcast_to(np.asarray(nothing, column.dtype), column.shape[1:])
    parts = np.vstack([column[matrix.touching], end])
    combined = function.reduceat(parts, matrix.touch.indptr[:-1], axis=0)
    return np.where(matrix.figures[:, None] > 0, combined, np.asarray(nothing, column.dtype))


def own_bounds(figures: FigureBlock, matrix: CrosswalkMatrix) -> Bounds:
    """Return the bounds of the one whole figure of a place; NaN elsewhere."""
    low = np.where(figures.has_low, figures.low, np.nan)
    high = np.where(figures.has_high, figures.high, np.nan)
    return take_only_part(low, matrix, matrix.is_single, np.nan), take_only_part(high, matrix, matrix.is_single, np.nan)


def take_only_part(column: Vector, matrix: CrosswalkMatrix, is_only: Vector, nothing: float) -> Vector:
    """Return a column for target places with one part (`is_only`), and `nothing` for others."""
    taken = np.full((len(matrix.targets), column.shape[1]), nothing, column.dtype)
    taken[is_only] = column[matrix.touching[matrix.touch.indptr[:-1][is_only]]]
    return taken
