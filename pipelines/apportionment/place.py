"""Observations in a problem's geography, by one engine for code changes, nesting, weights and rates.

A succession of codes is a crosswalk with weight 1. Each slice becomes a vector, a sparse matrix places it, and text is
added from columns. Memory does not grow with the number of slices.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.apportionment.engine import PlacedBlock, RateFacts, place_counts, place_rates
from pipelines.apportionment.error_model import (
    INTERVAL_LEVEL,
    estimate_intervals,
    load_error_model,
    measure_unevenness,
    select_error_classes,
)
from pipelines.apportionment.gap_reasons import GAP_NUMBER, GAP_REASONS, word_gap_evidence, word_value_evidence
from pipelines.apportionment.matrix import JOINT_SIGN, MAX_PARTS_LISTED, CrosswalkMatrix, Vector, build_matrix
from pipelines.apportionment.part_bounds import measures_below_zero, take_only_part
from pipelines.apportionment.provenance import (
    TEXT_SEPARATORS,
    collect_texts,
    describe_gaps,
    find_first_rows,
    flatten_cells,
    list_file_rows,
    list_lacking_codes,
    mark_absent,
    scatter_text,
)
from pipelines.apportionment.rates import Denominators, align_denominators, index_denominators
from pipelines.apportionment.vectors import (
    NO_ROW,
    FigureBlock,
    SliceTable,
    align_figures,
    index_slices,
    select_slices,
    split_blocks,
)
from pipelines.core.errors import CrosswalkError
from pipelines.core.schema import (
    CELL_COLUMNS,
    NUMBER,
    OBSERVATION_COLUMNS,
    OBSERVATION_STATUSES,
    TEXT,
    Column,
    empty_table,
    polars_schema,
)
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure
from pipelines.geography import Successor

TARGET_CELL = [*SLICE_KEY, "to_code"]
SLICE_PROVENANCE = ["source", "release", "released_at", "file"]
"""Columns with one value in a slice, because a slice comes from one release."""
_SLICE_COLUMNS = (*SLICE_PROVENANCE, "unit")
INTERVAL_COLUMNS = ("interval_lower", "interval_upper", "interval_level", "interval_source")
"""Columns of the interval: its ends, its level and its source."""

MAPPED_FIGURE: dict[str, Column] = {
    **{name: OBSERVATION_COLUMNS[name] for name in SLICE_KEY},
    "to_code": Column(TEXT, "Code of the target place"),
    "value": Column(NUMBER, "Figure of the target place, in the measure's unit; null where there is a reason"),
    "lower_bound": Column(NUMBER, "Lower bound of the true figure, whatever the weights are"),
    "upper_bound": Column(NUMBER, "Upper bound of the true figure, whatever the weights are"),
    **{name: CELL_COLUMNS[name] for name in INTERVAL_COLUMNS},
    "unit": OBSERVATION_COLUMNS["unit"],
    "obs_status": Column(TEXT, "Worst status among the published figures used"),
    "published_marker": Column(TEXT, "Publisher's markers of the figures used"),
    "derivation": Column(TEXT, "How the figure was derived for the place"),
    "coverage": Column(NUMBER, "Share of the place's residents in parts with a figure; null where unknown"),
    "apportioned_share": Column(NUMBER, "Share of the figure from places crossed by a boundary"),
    "partial": Column(NUMBER, "For a rate with missing parts: the average of the others"),
    "reason": Column(TEXT, "Why there is no value"),
    "evidence": Column(TEXT, "Evidence for the value or for the reason"),
    "source_areas": Column(TEXT, "Codes of the published places used, or their number"),
    **{name: OBSERVATION_COLUMNS[name] for name in ("source", "release", "released_at", "file")},
    "file_rows": Column(TEXT, "Rows of that file, comma separated"),
    "file_column": OBSERVATION_COLUMNS["file_column"],
    "caveats": OBSERVATION_COLUMNS["caveats"],
    "caveat_evidence": OBSERVATION_COLUMNS["caveat_evidence"],
}
"""A figure for a target place, or the reason why there is none."""


class Crosswalk(NamedTuple):
    """A crosswalk (crosswalks.CROSSWALK), and the group of people used as its weight.

    A succession of codes has no group: none of its places is divided.
    """

    table: pl.DataFrame
    group: str | None = None

    @property
    def kinds(self) -> tuple[str, str]:
        """Return the kinds of source and target place; planned councils count as upper tiers."""
        first = self.table.row(0, named=True)
        start, end = (first[f"{side}_geography"].rsplit("_", 1)[0] for side in ("from", "to"))
        return start, "utla" if end == "plan" else end


def list_parts(successors: dict[str, Successor]) -> pl.DataFrame:
    """Return the succession of codes as a crosswalk: from_code, to_code, weight, weight_population and kind.

    A code with one target has weight 1. The weights of a code with several are unknown.
    """
    rows = [
        (code, to, 1.0 if len(successor.codes) == 1 else None, None, successor.derivation)
        for code, successor in successors.items()
        for to in successor.codes
    ]
    return pl.DataFrame(
        rows, orient="row",
        schema={"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64, "weight_population": pl.Float64,
                "kind": pl.String},
    )  # fmt: skip


class _Placing(NamedTuple):
    """What placing needs beside the figures: the matrix, its crosswalk, the measures and their denominators."""

    matrix: CrosswalkMatrix
    crosswalk: Crosswalk
    measures: dict[str, Measure]
    denominators: SliceTable
    signed: list[str]
    allowed: frozenset[str]


def place_figures(
    observation: pl.DataFrame,
    crosswalk: Crosswalk,
    measures: dict[str, Measure],
    denominators: pl.DataFrame,
    allowed: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Place slices of observations by a crosswalk; return MAPPED_FIGURE, one row for each slice and target place.

    Takes observations of one geography (schema.OBSERVATION_COLUMNS), each slice from one release, and the
    denominators of their rates in the same geography. A figure mostly from places of which the target is the
    smaller part is withheld (`coarser_only`), except for the measures in `allowed`. A place without any row in a slice
    has the reason `not_returned`. Raises CrosswalkError for a place with two figures in one slice. In a crosswalk with
    a group of people, it also raises CrosswalkError for an unknown code.
    """
    table = index_slices(observation, _SLICE_COLUMNS)
    crosswalk = _drop_targets_without_parts(crosswalk)
    signed, stored = measures_below_zero(observation, measures), index_denominators(denominators)
    frames = [empty_table(MAPPED_FIGURE)]
    for together, slices in group_by_joint_codes(table):
        matrix = build_matrix(crosswalk.table, together)
        placing = _Placing(matrix, crosswalk, measures, stored, signed, allowed)
        frames += [_place_block(block, placing) for block in _split_by_kind(slices, placing)]
    placed = pl.concat(frames, rechunk=False)
    return placed if len(frames) == 2 else placed.sort(TARGET_CELL)


def _drop_targets_without_parts(crosswalk: Crosswalk) -> Crosswalk:
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


def _split_by_kind(table: SliceTable, placing: _Placing) -> Iterator[SliceTable]:
    """Split slices into blocks of counts and stocks, and blocks of other measures."""
    is_additive = np.array([placing.measures[name].kind in ADDITIVE_KINDS for name in table.slices["measure"]], bool)
    for kind in (is_additive, ~is_additive):
        if kind.any():
            yield from split_blocks(select_slices(table, np.flatnonzero(kind)), placing.matrix)


def _place_block(block: SliceTable, placing: _Placing) -> pl.DataFrame:
    """Place one block of slices: MAPPED_FIGURE."""
    matrix, names = placing.matrix, block.slices["measure"].to_list()
    figures = align_figures(block, matrix.order, ignore_unknown=placing.crosswalk.group is None)
    allowed = np.array([name in placing.allowed for name in names], bool)
    is_uncertain = np.array([placing.measures[name].is_uncertain for name in names], bool)
    denominators = None
    if placing.measures[names[0]].kind in ADDITIVE_KINDS:
        placed = place_counts(figures, matrix, np.array([name in placing.signed for name in names], bool), allowed)
    else:
        denominators = align_denominators(block, placing.denominators, matrix, placing.measures)
        kinds = np.array([placing.measures[name].kind for name in names])
        facts = RateFacts(denominators.weight, kinds == "rate", kinds == "rank", is_uncertain, denominators.same_period)
        placed = place_rates(figures, matrix, facts, allowed)
    frame = _build_frame(block, placing, placed).with_columns(
        *_interval_columns(block, placing, figures, placed, is_uncertain),
        *_text_columns(block, placing, figures, placed, denominators),
    )
    evidence = _word_evidence(block, placing, figures, placed, denominators, frame)
    return frame.with_columns(evidence.alias("evidence")).select(
        pl.col(name).cast(dtype) for name, dtype in polars_schema(MAPPED_FIGURE).items()
    )


def _build_frame(block: SliceTable, placing: _Placing, placed: PlacedBlock) -> pl.DataFrame:
    """Build the columns of numbers, and those that are constant for a slice or a target place."""
    matrix, slices = placing.matrix, block.slices
    at = np.repeat(np.arange(slices.height), len(matrix.targets))
    target = np.tile(np.arange(len(matrix.targets)), slices.height)
    statuses, reasons = pl.Series([*OBSERVATION_STATUSES, None], dtype=pl.String), pl.Series(GAP_REASONS)
    status = np.where(placed.status == NO_ROW, len(OBSERVATION_STATUSES), placed.status)
    numbers = {"value": placed.value, "lower_bound": placed.low, "upper_bound": placed.high,
               "coverage": placed.coverage, "partial": placed.partial}  # fmt: skip
    share = placed.share if placing.crosswalk.group else np.full(placed.share.shape, np.nan)
    return slices[at].with_columns(
        pl.Series(matrix.targets, dtype=pl.String).gather(target).alias("to_code"),
        *(pl.Series(name, flatten_cells(column), nan_to_null=True) for name, column in numbers.items()),
        pl.Series("apportioned_share", flatten_cells(share), nan_to_null=True),
        statuses.gather(flatten_cells(status)).alias("obs_status"),
        reasons.gather(flatten_cells(placed.reason)).alias("reason"),
        matrix.place["source_areas"].gather(target).alias("source_areas"),
        _derivations(matrix, placed).alias("derivation"),
    )


def _derivations(matrix: CrosswalkMatrix, placed: PlacedBlock) -> pl.Series:
    """Return the derivation of each value; null for a gap."""
    number = len(matrix.targets)
    texts = pl.concat([matrix.place["derivation"], pl.Series(["aggregated", "apportioned", "rate_averaged"])])
    own = np.where(matrix.is_crossed, number, np.arange(number))[:, None]
    at = np.where(placed.is_averaged, number + 2, np.where(placed.share > 0, number + 1, own))
    return texts.gather(mark_absent(flatten_cells(np.where(placed.reason == GAP_NUMBER[None], at, NO_ROW))))


def _interval_columns(
    block: SliceTable, placing: _Placing, figures: FigureBlock, placed: PlacedBlock, is_uncertain: Vector
) -> list[pl.Series]:
    """Return INTERVAL_COLUMNS of values: the publisher's for one whole figure, or those of the back-tests.

    Sums of whole places are exact where their parts are. Sums of estimates have no interval.
    """
    matrix, has_value = placing.matrix, placed.reason == GAP_NUMBER[None]
    columns = _published_intervals(block, matrix, figures, has_value)
    if placing.crosswalk.group is None:
        return columns
    unevenness = measure_unevenness(figures, matrix.origin_people)
    classes = select_error_classes(placing.crosswalk.kinds, placing.crosswalk.group, load_error_model())
    ends = estimate_intervals(
        classes, placed.value, placed.share, placed.low, placed.high, np.broadcast_to(unevenness, placed.value.shape)
    )
    is_model = ~np.isnan(ends[0]) & ~(is_uncertain & (placed.share == 0)) & has_value
    use_model = pl.Series(flatten_cells(is_model)) & columns[3].is_null()
    level, source = pl.Series([INTERVAL_LEVEL * 100]), pl.Series(["back-tests"])
    models = [pl.Series(flatten_cells(end), nan_to_null=True) for end in ends]
    models += [one.gather(pl.repeat(0, len(use_model), dtype=pl.UInt32, eager=True)) for one in (level, source)]
    return [
        column.zip_with(~use_model, model).alias(name)
        for name, column, model in zip(INTERVAL_COLUMNS, columns, models, strict=True)
    ]


def _published_intervals(
    block: SliceTable, matrix: CrosswalkMatrix, figures: FigureBlock, has_value: Vector
) -> list[pl.Series]:
    """Return INTERVAL_COLUMNS of the one whole figure of each place with a value."""
    size = has_value.size
    if "interval_source" not in block.observation.columns or block.observation["interval_source"].is_null().all():
        return [pl.repeat(None, size, dtype=CELL_COLUMNS[name].dtype, eager=True).alias(name)
                for name in INTERVAL_COLUMNS]  # fmt: skip
    row = take_only_part(figures.row, matrix, matrix.is_single, NO_ROW)
    at = mark_absent(flatten_cells(np.where(has_value, row, NO_ROW)))
    has_source = block.observation["interval_source"].is_not_null()
    at = at.zip_with(has_source.gather(at).fill_null(False), pl.repeat(None, size, dtype=at.dtype, eager=True))
    return [block.observation[name].gather(at).alias(name) for name in INTERVAL_COLUMNS]


def _text_columns(
    block: SliceTable, placing: _Placing, figures: FigureBlock, placed: PlacedBlock, denominators: Denominators | None
) -> list[pl.Series]:
    """Return the rows of the file, the markers and the caveats behind each cell, and those of its denominators."""
    size, columns = placed.reason.size, [list_file_rows(figures, placing.matrix, block.observation["file_row"])]
    for name, separator in TEXT_SEPARATORS.items():
        own = collect_texts(figures.row, placing.matrix, block.observation, name)
        texts = [(own["cell"], own["text"])]
        if denominators is not None and name != "published_marker":
            table = placing.denominators.observation
            more = collect_texts(denominators.row, placing.matrix, table, name, placed.is_averaged)
            joined = more.join(own, on="cell", how="full", coalesce=True, suffix="_own")
            text = pl.concat_str("text", "text_own", separator=separator, ignore_nulls=True)
            own = joined.select("cell", text.alias("text")) if more.height else own
            texts = [(own["cell"], own["text"])]
        columns += [scatter_text(size, cell.to_numpy(), text).alias(name) for cell, text in texts]
    first = find_first_rows(figures, placing.matrix)
    file_column = block.observation["file_column"].gather(mark_absent(flatten_cells(first)))
    return [columns[0].alias("file_rows"), file_column.alias("file_column"), *columns[1:]]


def _word_evidence(
    block: SliceTable, placing: _Placing, figures: FigureBlock, placed: PlacedBlock,
    denominators: Denominators | None, frame: pl.DataFrame,
) -> pl.Series:  # fmt: skip
    """Word the evidence of gaps, averages and apportioned counts; other cells have none."""
    matrix, size = placing.matrix, placed.reason.size
    reason = flatten_cells(placed.reason)
    needs_words = (reason > 0) | flatten_cells(placed.is_averaged | (placed.share > 0))
    cells = np.flatnonzero(needs_words)
    if not len(cells):
        return scatter_text(size, cells, pl.Series([], dtype=pl.String))
    weighed = denominators.weighed_by if denominators else [None] * block.slices.height
    target = cells % len(matrix.targets)
    facts = frame[cells].with_columns(
        pl.Series("parts_n", matrix.parts[target].astype(np.int64)),
        pl.Series("valued_n", flatten_cells(placed.parts.valued)[cells].astype(np.int64)),
        pl.Series(weighed, dtype=pl.String).gather(cells // len(matrix.targets)).alias("weighed_by"),
        matrix.place["split_codes"].gather(target),
        matrix.place["outside"].gather(target),
    )
    is_gap = reason[cells] > 0
    gaps, values = facts.filter(pl.Series(is_gap)), facts.filter(pl.Series(~is_gap))
    described = _add_part_facts(gaps, cells[is_gap], matrix, figures, block)
    texts = pl.concat([described.select(word_gap_evidence()).to_series().alias("text"),
                       values.select(word_value_evidence()).to_series().alias("text")])  # fmt: skip
    return scatter_text(size, np.concatenate([cells[is_gap], cells[~is_gap]]), texts)


def _add_part_facts(
    gaps: pl.DataFrame, cells: Vector, matrix: CrosswalkMatrix, figures: FigureBlock, block: SliceTable
) -> pl.DataFrame:
    """Add the facts that some reasons quote: parts without a figure, the range of parts, and figures together."""
    lists = gaps["reason"].is_in(["children_incomplete", "split"]).to_numpy()
    is_long = (gaps["parts_n"] - gaps["valued_n"]).to_numpy() > MAX_PARTS_LISTED
    lacking = list_lacking_codes(figures, matrix, cells[lists & ~is_long])
    lacking_n = pl.col("parts_n") - pl.col("valued_n")
    number = pl.when(lacking_n > 0).then(pl.format("{} places", lacking_n)).otherwise(pl.lit(""))
    quotes = gaps["reason"].is_in(["needs_parts", "combined_area"]).to_numpy()
    described = describe_gaps(figures, matrix, cells[quotes], block.observation)
    order = np.full(len(cells), NO_ROW)
    order[quotes] = np.arange(described.height)
    return gaps.with_columns(
        scatter_text(len(cells), np.flatnonzero(lists & ~is_long), lacking).alias("lacking"),
        pl.Series("is_long", lists & is_long),
        *(column.gather(mark_absent(order)) for column in described.get_columns()),
    ).with_columns(pl.when("is_long").then(number).otherwise("lacking").alias("lacking"))
