"""Observations in a problem's geography, by one engine for code changes, nesting, weights and rates.

A succession of codes is a crosswalk with weight 1. Each slice becomes a vector, a sparse matrix places it, and text is
added from columns. Memory does not grow with the number of slices.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.apportionment.engine import RateFacts, place_counts, place_rates
from pipelines.apportionment.error_model import measure_unevenness
from pipelines.apportionment.gap_reasons import joint_figures
from pipelines.apportionment.mapped_figure import MAPPED_FIGURE, SLICE_FACTS, TARGET_CELL, Crosswalk, Placing
from pipelines.apportionment.matrix import JOINT_SIGN, CrosswalkMatrix, build_matrix
from pipelines.apportionment.part_bounds import measures_below_zero
from pipelines.apportionment.part_sums import sum_over_parts
from pipelines.apportionment.placed_cells import BlockFacts, describe_cells
from pipelines.apportionment.rates import align_denominators, index_denominators
from pipelines.apportionment.vectors import SliceTable, align_figures, index_slices, select_slices, split_blocks
from pipelines.core.errors import CrosswalkError
from pipelines.core.ordering import sort_frame
from pipelines.core.schema import empty_table
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure


def place_figures(
    observation: pl.DataFrame,
    crosswalk: Crosswalk,
    measures: dict[str, Measure],
    denominators: pl.DataFrame,
    allowed: frozenset[str] = frozenset(),
    signed_elsewhere: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Place slices of observations by a crosswalk; return MAPPED_FIGURE, one row for each slice and target place.

    Takes observations of one geography (schema.OBSERVATION_COLUMNS), each slice from one release, and the
    denominators of their rates in the same geography. A figure mostly from places of which the target is the
    smaller part is withheld (`coarser_only`), except for the measures in `allowed`. `signed_elsewhere` lists measures
    that are negative in slices placed apart from these. A place without any row in a slice
    has the reason `not_returned`. Raises CrosswalkError for a place with two figures in one slice. In a crosswalk with
    a group of people, it also raises CrosswalkError for an unknown code.
    """
    table = index_slices(observation, SLICE_FACTS)
    signed = [*measures_below_zero(observation, measures), *signed_elsewhere]
    stored, built = index_denominators(denominators), _build_once(crosswalk)
    frames = [empty_table(MAPPED_FIGURE)]
    for together, slices in group_by_joint_codes(table):
        placing = Placing(built.build(together), built.reached, measures, stored, signed, allowed)
        frames += [_place_block(block, placing) for block in _split_by_kind(slices, placing)]
    placed = pl.concat(frames)
    return placed if len(frames) == 2 else sort_frame(placed, *TARGET_CELL)


class _BuiltCrosswalk(NamedTuple):
    """A crosswalk, its part for target places with a source place, and its matrices by the codes of joint figures."""

    table: pl.DataFrame
    reached: Crosswalk
    build: Callable[[tuple[str, ...]], CrosswalkMatrix]


_MOST_BUILT = 8
_BUILT: list[_BuiltCrosswalk] = []
"""Crosswalks placed with lately, the last first: batches of slices and problems share them, and matrices take long."""


def _build_once(crosswalk: Crosswalk) -> _BuiltCrosswalk:
    """Return what a crosswalk gives; an equal crosswalk is not built again."""
    at = next((number for number, built in enumerate(_BUILT) if _is_built_from(built, crosswalk)), None)
    if at is None:
        reached = drop_targets_without_parts(crosswalk)
        build = lru_cache(_MOST_BUILT)(partial(build_matrix, reached.table))
        _BUILT.insert(0, _BuiltCrosswalk(crosswalk.table, reached, build))
    else:
        _BUILT.insert(0, _BUILT.pop(at))
    del _BUILT[_MOST_BUILT:]
    return _BUILT[0]


def _is_built_from(built: _BuiltCrosswalk, crosswalk: Crosswalk) -> bool:
    own, table = built.table, crosswalk.table
    is_equal = own is table or (own.schema == table.schema and own.equals(table))
    return is_equal and built.reached.group == crosswalk.group


def drop_targets_without_parts(crosswalk: Crosswalk) -> Crosswalk:
    """Drop target places with residents outside the source geography only."""
    there = crosswalk.table.drop_nulls(["from_code", "to_code"])["to_code"].unique()
    has_part = pl.col("to_code").is_null() | pl.col("to_code").is_in(there.implode())
    return crosswalk._replace(table=crosswalk.table.filter(has_part))


def group_by_joint_codes(table: SliceTable) -> list[tuple[tuple[str, ...], SliceTable]]:
    """Group slices by the places that they publish together: the codes with a +, and the slices.

    Raises CrosswalkError where a place also has a figure of its own in the slice.
    """
    codes = table.observation["place_code"]
    is_joint = codes.str.contains(JOINT_SIGN, literal=True)
    if not is_joint.any():
        return [((), table)]
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, (start, length) in enumerate(zip(table.starts.tolist(), table.lengths.tolist(), strict=True)):
        own = codes.slice(start, length)
        together = tuple(own.filter(is_joint.slice(start, length)).unique().sort())
        _refuse_two_figures(own, together)
        groups.setdefault(together, []).append(number)
    return [(together, select_slices(table, np.array(numbers))) for together, numbers in groups.items()]


def _refuse_two_figures(codes: pl.Series, together: tuple[str, ...]) -> None:
    parts = pl.Series([part for code in together for part in code.split(JOINT_SIGN)], dtype=pl.String)
    twice = pl.concat([parts, codes.filter(codes.is_in(parts.implode()))])
    if twice.is_duplicated().any():
        code = twice.filter(twice.is_duplicated())[0]
        raise CrosswalkError(f"{code} has two figures in one measure and period; keep one")


def _split_by_kind(table: SliceTable, placing: Placing) -> Iterator[SliceTable]:
    """Split slices into blocks of counts and stocks, and blocks of other measures."""
    is_additive = np.array([placing.measures[name].kind in ADDITIVE_KINDS for name in table.slices["measure"]], bool)
    for kind in (is_additive, ~is_additive):
        if kind.any():
            yield from split_blocks(select_slices(table, np.flatnonzero(kind)), placing.matrix)


def _place_block(block: SliceTable, placing: Placing) -> pl.DataFrame:
    """Place one block of slices: MAPPED_FIGURE."""
    matrix, names = placing.matrix, block.slices["measure"].to_list()
    figures = align_figures(block, matrix.order, ignore_unknown=placing.crosswalk.group is None)
    allowed = np.array([name in placing.allowed for name in names], bool)
    is_uncertain = np.array([placing.measures[name].is_uncertain for name in names], bool)
    denominators = None
    if placing.measures[names[0]].kind in ADDITIVE_KINDS:
        signed, joint = np.array([name in placing.signed for name in names], bool), joint_figures(figures, matrix)
        placed = place_counts(sum_over_parts(figures, matrix), matrix, signed, allowed, joint)
    else:
        denominators = align_denominators(block, placing.denominators, matrix, placing.measures)
        kinds = np.array([placing.measures[name].kind for name in names])
        facts = RateFacts(denominators.weight, kinds == "rate", kinds == "rank", is_uncertain, denominators.same_period)
        placed = place_rates(figures, matrix, facts, allowed)
    unevenness = measure_unevenness(figures, matrix.origin_people) if placing.crosswalk.group else np.asarray(np.nan)
    return describe_cells(block, placing, figures, placed, BlockFacts(unevenness, is_uncertain), denominators)
