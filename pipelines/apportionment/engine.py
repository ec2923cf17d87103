"""Figures of target places from figures of origins: sums of counts, and averages of rates, slice by slice.

Counts and stocks are apportioned by the weights of the crosswalk and summed. A rate is averaged by its apportioned
denominator. A figure of a place with one whole origin does not change.
"""

from typing import NamedTuple

import numpy as np

from pipelines.apportionment.gap_reasons import (
    GAP_NUMBER,
    PartCounts,
    classify_gap,
    complete_counts,
    count_parts,
    joint_figures,
)
from pipelines.apportionment.matrix import CrosswalkMatrix, Vector
from pipelines.apportionment.part_bounds import bound_range, own_bounds, reduce_parts, take_only_part
from pipelines.apportionment.part_sums import (
    PartSums,
    bound_sums,
    worst_published_status,
    worst_status,
    worst_status_of_value,
)
from pipelines.apportionment.vectors import FigureBlock
from pipelines.core.schema import OBSERVATION_STATUSES

ESTIMATED = OBSERVATION_STATUSES.index("estimated")


class PlacedBlock(NamedTuple):
    """Figures of target places, one column for each slice: NaN where there is none.

    `reason` is a number of gap_reasons.GAP_REASONS, and `status` of OBSERVATION_STATUSES. `is_averaged` marks averages
    of several rates.
    """

    value: Vector
    low: Vector
    high: Vector
    coverage: Vector
    share: Vector
    partial: Vector
    status: Vector
    reason: Vector
    is_averaged: Vector
    parts: PartCounts


class RateFacts(NamedTuple):
    """Facts about slices of rates, indices, medians and ranks.

    `denominator` has the weight of each origin, NaN where unknown. Other vectors have one entry for each slice: is it
    a rate, a rank or an estimate, and are its denominators of the same period.
    """

    denominator: Vector
    is_rate: Vector
    is_rank: Vector
    is_uncertain: Vector
    same_period: Vector


class PlacedSums(NamedTuple):
    """Sums of counts for each target place and slice.

    `total` sums the known parts; `value` is NaN unless every part has a figure and a weight. `share` is the part of
    the value from places crossed by a boundary.
    """

    value: Vector
    total: Vector
    share: Vector
    coverage: Vector


def conclude_sums(sums: PartSums, matrix: CrosswalkMatrix, parts: PartCounts) -> PlacedSums:
    """Return the value, share and coverage of each target place from the sums of its parts."""
    total = sums.whole + sums.cut
    has_value = parts.is_complete & ~matrix.lacks_weight[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        covered = sums.covered / matrix.residents[:, None]
        share = np.where(total == 0, 0.0, sums.cut / total)
    coverage = np.where(parts.is_complete, 1.0, np.where(parts.valued == 0, 0.0, covered))
    return PlacedSums(np.where(has_value, total, np.nan), total, np.where(has_value, share, np.nan), coverage)


def place_counts(
    sums: PartSums, matrix: CrosswalkMatrix, signed: Vector, allowed: Vector, joint: Vector
) -> PlacedBlock:
    """Place slices of counts and stocks. `signed` states which can be negative, `allowed` which may be divided.

    `joint` states which target places have part of a figure of several places together (gap_reasons.joint_figures).
    """
    parts = complete_counts(sums.valued, sums.returned, matrix)
    placed = conclude_sums(sums, matrix, parts)
    has_sum = ~np.isnan(placed.value)
    status = worst_status_of_value(sums.worst, sums.worst_published, has_sum)
    reason = classify_gap(joint, matrix, parts, has_sum, status, allowed)
    has_value = reason == GAP_NUMBER[None]
    return PlacedBlock(
        np.where(has_value, placed.value, np.nan),
        *bound_sums(sums, matrix, has_sum, signed),
        placed.coverage,
        placed.share,
        np.full(placed.value.shape, np.nan),
        np.where(has_value & (placed.share > 0), np.int8(ESTIMATED), status),
        reason,
        np.zeros(placed.value.shape, bool),
        parts,
    )


def place_rates(figures: FigureBlock, matrix: CrosswalkMatrix, facts: RateFacts, allowed: Vector) -> PlacedBlock:
    """Place slices of rates, indices, medians and ranks, which do not add up."""
    parts = count_parts(figures, matrix)
    averages = average_parts(figures, matrix, parts, np.where(facts.is_rate, facts.denominator, np.nan))
    value = np.where(figures.has_value, figures.value, np.nan)
    own = take_only_part(value, matrix, matrix.is_single, np.nan)
    is_single = matrix.is_single[:, None]
    figure = np.where(is_single, own, np.where(parts.is_complete, averages.mean, np.nan))
    figure = np.where(np.isnan(figure) & _find_all_zero(figures, matrix), 0.0, figure)
    worst = worst_status(figures, matrix)
    status = worst_status_of_value(worst, worst_published_status(figures, matrix, worst), ~np.isnan(figure))
    reason = classify_gap(joint_figures(figures, matrix), matrix, parts, ~np.isnan(figure), status, allowed)
    has_value = reason == GAP_NUMBER[None]
    is_averaged = has_value & ~is_single
    is_incomplete = reason == GAP_NUMBER["children_incomplete"]
    return PlacedBlock(
        np.where(has_value, figure, np.nan),
        *_bound_rates(figures, matrix, facts, averages, reason),
        averages.coverage,
        np.full(figure.shape, np.nan),
        np.where(is_incomplete, averages.mean, np.nan),
        np.where(is_averaged, np.int8(ESTIMATED), status),
        reason,
        is_averaged,
        parts,
    )


def _find_all_zero(figures: FigureBlock, matrix: CrosswalkMatrix) -> Vector:
    """Find the places of which every part is 0: whatever the weights of the parts, their average is 0."""
    value = np.where(figures.has_value, np.abs(figures.value), np.inf)
    highest = reduce_parts(np.maximum, value, matrix, -np.inf)
    return np.asarray((highest == 0) & ~matrix.has_outside[:, None])


class PlacedAverages(NamedTuple):
    """Averages of rates for each target place and slice: NaN without a denominator of every part.

    `mean` is of the known parts. `low` and `high` average the bounds of whole parts, where each has one, and are used
    for places with a value only.
    """

    mean: Vector
    low: Vector
    high: Vector
    coverage: Vector


def average_parts(
    figures: FigureBlock, matrix: CrosswalkMatrix, parts: PartCounts, denominator: Vector
) -> PlacedAverages:
    """Average the rates of each target place by their apportioned denominators, NaN where unknown."""
    weights = matrix.whole + matrix.cut
    known_mass, every_mass = weights @ (denominator * figures.has_value), weights @ denominator
    has_every_mass = matrix.touch @ np.isnan(denominator).astype(float) == 0
    is_weighed = has_every_mass & ~matrix.lacks_weight[:, None] & ~matrix.has_outside[:, None] & (known_mass > 0)

    def average(column: Vector) -> Vector:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(is_weighed, (weights @ (column * denominator)) / known_mass, np.nan)

    def average_bounds(column: Vector, has_bound: Vector) -> Vector:
        lacks = (matrix.touch @ (~has_bound).astype(float) > 0) | matrix.is_crossed[:, None]
        return np.where(lacks, np.nan, average(column))

    with np.errstate(divide="ignore", invalid="ignore"):
        covered = np.where(is_weighed, known_mass / every_mass, np.where(parts.valued == 0, 0.0, np.nan))
    return PlacedAverages(
        average(figures.value),
        average_bounds(figures.low, figures.has_low),
        average_bounds(figures.high, figures.has_high),
        np.where(parts.is_complete, 1.0, covered),
    )


def _bound_rates(
    figures: FigureBlock, matrix: CrosswalkMatrix, facts: RateFacts, averages: PlacedAverages, reason: Vector
) -> tuple[Vector, Vector]:
    """Return the bounds of rates: of the one whole part, or the range of whole parts.

    Denominators of the same period also average the bounds. A rank of several places has no range, and an estimate
    bounds no other figure.
    """
    has_value, is_single = reason == GAP_NUMBER[None], matrix.is_single[:, None]
    keeps_own = is_single & (has_value | (reason == GAP_NUMBER["suppressed"]))
    has_range = has_value | (reason == GAP_NUMBER["needs_parts"])
    has_range &= ~is_single & ~matrix.is_crossed[:, None] & ~facts.is_rank & ~facts.is_uncertain
    is_average = has_value & ~is_single & facts.same_period

    def choose(own: Vector, mean: Vector, end: Vector) -> Vector:
        return np.where(keeps_own, own, np.where(is_average, mean, np.where(has_range, end, np.nan)))

    owns, ranges = own_bounds(figures, matrix), bound_range(figures, matrix)
    return choose(owns[0], averages.low, ranges[0]), choose(owns[1], averages.high, ranges[1])
