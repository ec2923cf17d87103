"""Apportionment of counts by any crosswalk, from Python: the engine of a build, without a project.

Figures come as a frame or in batches, so that a file can be larger than memory.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from pipelines.apportionment.engine import conclude_sums
from pipelines.apportionment.gap_reasons import complete_counts
from pipelines.apportionment.matrix import CrosswalkMatrix, build_matrix
from pipelines.apportionment.part_sums import bound_sums, sum_over_parts
from pipelines.apportionment.provenance import flatten_cells
from pipelines.apportionment.vectors import NO_ROW, FigureBlock, align_figures, index_slices, split_blocks
from pipelines.core.renames import refuse_old_columns
from pipelines.core.schema import NUMBER, OBSERVATION_STATUSES, TEXT, WHOLE, Column
from pipelines.core.slices import SLICE_KEY, has_contiguous_slices, split_slices

APPORTIONED_FIGURE: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the target place"),
    "value": Column(NUMBER, "Apportioned figure; null unless every part has a figure and a known weight"),
    "partial": Column(NUMBER, "Sum of the parts with a figure"),
    "lower_bound": Column(
        NUMBER, "Lower bound of the true figure: sum of the lower bounds of whole parts; null where unknown"
    ),
    "upper_bound": Column(
        NUMBER, "Upper bound of the true figure: sum of the upper bounds of all parts; null where unknown"
    ),
    "coverage": Column(NUMBER, "Share of the place's residents in parts with a figure; null where unknown"),
    "apportioned_share": Column(
        NUMBER, "Share of the value from parts crossed by a boundary; null where there is no value"
    ),
    "parts": Column(WHOLE, "Number of source places needed"),
    "missing": Column(WHOLE, "Number of these places without a figure"),
    "obs_status": Column(TEXT, "Worst status among the parts; null where no part has a row"),
}
"""Output of `apportion_counts`, after the columns of the slice."""


def apportion_counts(
    observation: pl.DataFrame, crosswalk: pl.DataFrame | CrosswalkMatrix, *, signed: bool = False
) -> pl.DataFrame:
    """Apportion counts or stocks by a crosswalk; return APPORTIONED_FIGURE for every slice and target place.

    Takes measure, period_start, period_end, place_code and value, and lower_bound, upper_bound and obs_status where
    known, in any order. A null figure, or a place without a row in a slice, is missing. Its target place then has no
    value, but keeps the bounds from the other parts. A figure without a bound is its own bound. `signed` states that
    figures can be negative, so that a part's share has no bound. Raises CrosswalkError for a code that is not in the
    crosswalk, or for a place with two figures in one slice. Never use this for rates, indices, medians or ranks.
    """
    ordered = observation if has_contiguous_slices(observation) else observation.sort(SLICE_KEY)
    frames = list(apportion_batches([ordered], crosswalk, signed=signed))
    return pl.concat(frames) if frames else _empty_result(ordered)


def apportion_batches(
    batches: Iterable[pl.DataFrame], crosswalk: pl.DataFrame | CrosswalkMatrix, *, signed: bool = False
) -> Iterator[pl.DataFrame]:
    """Apportion figures that come in batches, such as from a file larger than memory; see `apportion_counts`.

    The rows of a slice must be consecutive; a slice can continue into the next batch.
    """
    matrix = crosswalk if isinstance(crosswalk, CrosswalkMatrix) else build_matrix(crosswalk)
    for batch, _ in split_slices(batches):
        refuse_old_columns(batch.columns, ("value", "lower_bound", "upper_bound", "obs_status"), "the figures")
        table = index_slices(_complete_bounds(batch), ordered=False)
        for block in split_blocks(table, matrix):
            yield apportion_block(block.slices, align_figures(block, matrix.order), matrix, signed=signed)


def _complete_bounds(figures: pl.DataFrame) -> pl.DataFrame:
    value = pl.col("value").fill_nan(None) if figures["value"].dtype.is_float() else pl.col("value")
    return figures.with_columns(
        pl.coalesce(name, value).alias(name) if name in figures.columns else value.alias(name)
        for name in ("lower_bound", "upper_bound")
    )


def apportion_block(
    slices: pl.DataFrame, figures: FigureBlock, matrix: CrosswalkMatrix, *, signed: bool
) -> pl.DataFrame:
    """Apportion a block of figures: the columns of `slices` and APPORTIONED_FIGURE, slice by slice."""
    sums = sum_over_parts(figures, matrix)
    parts = complete_counts(sums.valued, sums.returned, matrix)
    placed, status = conclude_sums(sums, matrix, parts), sums.worst
    low, high = bound_sums(sums, matrix, ~np.isnan(placed.value), np.full(slices.height, signed))
    every = np.broadcast_to(matrix.parts[:, None], placed.value.shape)
    numbers = {
        "value": placed.value, "partial": placed.total, "lower_bound": low, "upper_bound": high,
        "coverage": placed.coverage, "apportioned_share": placed.share,
    }  # fmt: skip
    target = np.tile(np.arange(len(matrix.targets)), slices.height)
    names = pl.Series([*OBSERVATION_STATUSES, None], dtype=pl.String)
    return slices[np.repeat(np.arange(slices.height), len(matrix.targets))].with_columns(
        pl.Series(matrix.targets, dtype=pl.String).gather(target).alias("place_code"),
        *(pl.Series(name, flatten_cells(column), nan_to_null=True) for name, column in numbers.items()),
        pl.Series("parts", flatten_cells(every).astype(np.int64)),
        pl.Series("missing", flatten_cells(every - parts.valued).astype(np.int64)),
        names.gather(flatten_cells(np.where(status == NO_ROW, len(OBSERVATION_STATUSES), status))).alias("obs_status"),
    )


def _empty_result(observation: pl.DataFrame) -> pl.DataFrame:
    schema = {name: column.dtype for name, column in APPORTIONED_FIGURE.items()}
    return observation.select(SLICE_KEY).clear().hstack(pl.DataFrame(schema=schema))
