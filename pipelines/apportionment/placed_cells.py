"""Placed figures as a table: numbers, provenance, intervals, and the evidence in words.

The arithmetic may have run here or on an engine: cells are described from the same facts, by the same code.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.apportionment.engine import PlacedBlock
from pipelines.apportionment.error_model import (
    INTERVAL_LEVEL,
    estimate_intervals,
    load_error_model,
    select_error_classes,
)
from pipelines.apportionment.gap_reasons import GAP_NUMBER, GAP_REASONS, word_gap_evidence, word_value_evidence
from pipelines.apportionment.mapped_figure import INTERVAL_COLUMNS, MAPPED_FIGURE, Placing
from pipelines.apportionment.matrix import MAX_PARTS_LISTED, CrosswalkMatrix, Vector
from pipelines.apportionment.part_bounds import take_only_part
from pipelines.apportionment.provenance import (
    TEXT_SEPARATORS,
    collect_texts,
    describe_gaps,
    find_first_rows,
    flatten_cells,
    list_file_rows,
    list_lacking_codes,
    mark_absent,
    repeat_null,
    scatter_text,
)
from pipelines.apportionment.rates import Denominators
from pipelines.apportionment.vectors import NO_ROW, FigureBlock, SliceTable
from pipelines.core.schema import CELL_COLUMNS, OBSERVATION_STATUSES, conform_table


class BlockFacts(NamedTuple):
    """Facts about the slices of a block: unevenness for intervals, and which are estimates with intervals of their own.

    `heading` has the heading of each slice where the figures behind a cell are not all at this place; null otherwise.
    """

    unevenness: Vector
    is_uncertain: Vector
    heading: pl.Series | None = None


def describe_cells(
    block: SliceTable, placing: Placing, figures: FigureBlock, placed: PlacedBlock, facts: BlockFacts,
    denominators: Denominators | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return placed figures as MAPPED_FIGURE: their numbers, provenance, intervals and evidence in words."""
    frame = _build_frame(block, placing, placed).with_columns(
        *_interval_columns(block, placing, figures, placed, facts),
        *_text_columns(block, placing, figures, placed, denominators),
        _heading_column(block, placing.matrix, figures, placed, facts.heading),
    )
    evidence = _word_evidence(block, placing, figures, placed, denominators, frame)
    return conform_table(frame.with_columns(evidence.alias("evidence")), MAPPED_FIGURE)


def _build_frame(block: SliceTable, placing: Placing, placed: PlacedBlock) -> pl.DataFrame:
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
    block: SliceTable, placing: Placing, figures: FigureBlock, placed: PlacedBlock, facts: BlockFacts
) -> list[pl.Series]:
    """Return INTERVAL_COLUMNS of values: the publisher's for one whole figure, or those of the back-tests.

    Sums of whole places are exact where their parts are. Sums of estimates have no interval.
    """
    matrix, has_value = placing.matrix, placed.reason == GAP_NUMBER[None]
    columns = _published_intervals(block, matrix, figures, has_value)
    if placing.crosswalk.group is None:
        return columns
    classes = select_error_classes(placing.crosswalk.kinds, placing.crosswalk.group, load_error_model())
    ends = estimate_intervals(
        classes, placed.value, placed.share, placed.low, placed.high,
        np.broadcast_to(facts.unevenness, placed.value.shape),
    )  # fmt: skip
    is_model = ~np.isnan(ends[0]) & ~(facts.is_uncertain & (placed.share == 0)) & has_value
    use_model = pl.Series(flatten_cells(is_model)) & columns[3].is_null()
    level, source = pl.Series([INTERVAL_LEVEL * 100]), pl.Series(["back-tests"])
    models = [pl.Series(flatten_cells(end), nan_to_null=True) for end in ends]
    models += [one.new_from_index(0, len(use_model)) for one in (level, source)]
    return [
        column.zip_with(~use_model, model).alias(name)
        for name, column, model in zip(INTERVAL_COLUMNS, columns, models, strict=True)
    ]


def _published_intervals(
    block: SliceTable, matrix: CrosswalkMatrix, figures: FigureBlock, has_value: Vector
) -> list[pl.Series]:
    """Return INTERVAL_COLUMNS of the one whole figure of each place with a value."""
    size = has_value.size
    if block.observation["interval_source"].is_null().all():
        return [repeat_null(size, CELL_COLUMNS[name].dtype).alias(name) for name in INTERVAL_COLUMNS]
    row = take_only_part(figures.row, matrix, matrix.is_single, NO_ROW)
    at = mark_absent(flatten_cells(np.where(has_value, row, NO_ROW)))
    has_source = block.observation["interval_source"].is_not_null()
    at = at.zip_with(has_source.gather(at).fill_null(False), repeat_null(size, at.dtype))
    return [block.observation[name].gather(at).alias(name) for name in INTERVAL_COLUMNS]


def _text_columns(
    block: SliceTable, placing: Placing, figures: FigureBlock, placed: PlacedBlock, denominators: Denominators | None
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
    return [columns[0].alias("file_rows"), *columns[1:]]


def _heading_column(
    block: SliceTable, matrix: CrosswalkMatrix, figures: FigureBlock, placed: PlacedBlock, heading: pl.Series | None
) -> pl.Series:
    """Return the heading of the file's column of each cell: of its first figure, or of its slice."""
    if heading is None:
        first = find_first_rows(figures, matrix)
        column = block.observation["file_column"].gather(mark_absent(flatten_cells(first)))
    else:
        at = np.where(placed.parts.returned > 0, np.arange(block.slices.height), NO_ROW)
        column = heading.gather(mark_absent(flatten_cells(at)))
    return column.alias("file_column")


def _word_evidence(
    block: SliceTable, placing: Placing, figures: FigureBlock, placed: PlacedBlock,
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
    number = pl.format("{} places", pl.col("parts_n") - pl.col("valued_n"))
    quotes = gaps["reason"].is_in(["needs_parts", "combined_area"]).to_numpy()
    described = describe_gaps(figures, matrix, cells[quotes], block.observation)
    order = np.full(len(cells), NO_ROW)
    order[quotes] = np.arange(described.height)
    return gaps.with_columns(
        scatter_text(len(cells), np.flatnonzero(lists & ~is_long), lacking).alias("lacking"),
        pl.Series("is_long", lists & is_long),
        *(column.gather(mark_absent(order)) for column in described.get_columns()),
    ).with_columns(pl.when("is_long").then(number).otherwise("lacking").alias("lacking"))
