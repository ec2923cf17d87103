"""Sums over the parts of each target place, slice by slice: all that a count's value, bounds and reason need.

A sparse matrix gives them here, from vectors of figures. An engine gives the same sums by SQL (engine_sums).
"""

from typing import NamedTuple

import numpy as np

from pipelines.apportionment.matrix import CrosswalkMatrix, Vector
from pipelines.apportionment.part_bounds import Bounds, reduce_parts
from pipelines.apportionment.vectors import HIDDEN_STATUS, NO_ROW, FigureBlock


class PartSums(NamedTuple):
    """Sums over parts, one row for each target place and one column for each slice.

    `whole` and `cut` sum the figures of parts within one target and of parts that a boundary crosses, by weight.
    `valued` and `returned` count source codes with a figure and with a row, and `covered` their people with a figure.
    `no_low`, `no_high` and `whole_no_low` count parts without that bound, and `bounded` parts with any bound. `low` and
    `high` sum the bounds. `worst` is the number of the worst status, and `worst_published` the same without statuses
    that hide a figure; both are NO_ROW where no part has a row.
    """

    whole: Vector
    cut: Vector
    valued: Vector
    returned: Vector
    covered: Vector
    no_low: Vector
    no_high: Vector
    whole_no_low: Vector
    bounded: Vector
    low: Vector
    high: Vector
    worst: Vector
    worst_published: Vector


def sum_over_parts(figures: FigureBlock, matrix: CrosswalkMatrix) -> PartSums:
    """Sum the parts of each target place by matrix products."""
    worst = worst_status(figures, matrix)
    return PartSums(
        matrix.whole @ figures.value,
        matrix.cut @ figures.value,
        matrix.codes @ figures.has_value.astype(float),
        matrix.codes @ figures.has_row.astype(float),
        matrix.people @ figures.has_value.astype(float),
        matrix.touch @ (~figures.has_low).astype(float),
        matrix.touch @ (~figures.has_high).astype(float),
        matrix.whole @ (~figures.has_low).astype(float),
        matrix.touch @ (figures.has_low | figures.has_high).astype(float),
        matrix.whole @ figures.low,
        matrix.touch @ figures.high,
        worst,
        worst_published_status(figures, matrix, worst),
    )


def worst_status(figures: FigureBlock, matrix: CrosswalkMatrix) -> Vector:
    """Return the number of the worst status among the parts of each place; NO_ROW where no part has a row."""
    return reduce_parts(np.maximum, figures.status, matrix, NO_ROW)


def worst_published_status(figures: FigureBlock, matrix: CrosswalkMatrix, worst: Vector) -> Vector:
    """Return the worst status among the parts with a published figure, where a hidden part has a figure too."""
    hidden = HIDDEN_STATUS[figures.status]
    if not (hidden & figures.has_value).any():
        return worst
    return reduce_parts(np.maximum, np.where(hidden, np.int8(NO_ROW), figures.status), matrix, NO_ROW)


def worst_status_of_value(worst: Vector, worst_published: Vector, has_value: Vector) -> Vector:
    """Return the worst status of each place; for a value, the worst among its parts with a published figure."""
    return np.where(has_value & (worst_published != NO_ROW), worst_published, worst)


def bound_sums(sums: PartSums, matrix: CrosswalkMatrix, has_value: Vector, signed: Vector) -> Bounds:
    """Return the bounds of counts, whatever the weights are.

    `has_value` states which targets have a value in which slice, and `signed` which slices can be negative. A value
    has a bound only where each of its whole parts has one. A gap has none where no part has any.
    """
    is_bounded = sums.bounded > 0
    crossed, outside = matrix.is_crossed[:, None], matrix.has_outside[:, None]
    open_bottom = np.where(signed, (sums.no_low > 0) | crossed | outside, has_value & (sums.whole_no_low > 0))
    open_top = (sums.no_high > 0) | outside | (signed & crossed) | ~is_bounded
    return np.where(open_bottom | ~is_bounded, np.nan, sums.low), np.where(open_top, np.nan, sums.high)
