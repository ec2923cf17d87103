"""Published figures as vectors: one row for each origin of a crosswalk, one column for each slice.

A slice is one measure in one period. Blocks of slices keep the arithmetic fast, and memory does not grow with the
number of slices.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.apportionment.matrix import CrosswalkMatrix, Vector
from pipelines.core.errors import CrosswalkError, suggest_names
from pipelines.core.schema import OBSERVATION_STATUSES, STATUSES_WITHOUT_VALUE
from pipelines.core.slices import SLICE_KEY, slice_starts

Spread = Callable[[Vector], Vector]
FIGURES_PER_BLOCK = 250_000
"""Number of figures in a block of slices."""
NO_ROW = -1
HIDDEN_STATUS = np.array([status in STATUSES_WITHOUT_VALUE for status in OBSERVATION_STATUSES])
_STATUS = pl.Enum(OBSERVATION_STATUSES)
_NUMBERS = ("value", "lower_bound", "upper_bound")


class FigureBlock(NamedTuple):
    """Figures of some slices by origin: 0 where missing, and whether each is present.

    `row` is the row of the figure in its table, and `status` the number of its status; both are NO_ROW without a row.
    """

    row: Vector
    value: Vector
    has_value: Vector
    low: Vector
    has_low: Vector
    high: Vector
    has_high: Vector
    status: Vector

    @property
    def has_row(self) -> Vector:
        """Return whether the slice has a row for each origin."""
        return self.row >= 0


class SliceTable(NamedTuple):
    """Observations in order of their slices, with their figures as vectors, and one row of `slices` for each slice."""

    observation: pl.DataFrame
    slices: pl.DataFrame
    starts: Vector
    lengths: Vector
    numbers: dict[str, tuple[Vector, Vector]]
    status: Vector


def index_slices(observation: pl.DataFrame, columns: tuple[str, ...] = (), *, ordered: bool = True) -> SliceTable:
    """Index the slices of observations, in order of SLICE_KEY, with the first row of some columns.

    Where `ordered` is false, the slices keep their order. A missing bound stays missing.
    Columns of bounds or statuses that the table lacks are missing throughout.
    """
    starts = slice_starts(observation)
    slices = pl.DataFrame([observation.get_column(name) for name in (*SLICE_KEY, *columns)])[starts]
    keys = list(zip(*(slices.get_column(name) for name in SLICE_KEY), strict=True))
    if len(set(keys)) < len(keys):
        return index_slices(observation.sort(SLICE_KEY, maintain_order=True), columns)
    lengths = np.diff(np.append(starts, observation.height))
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__) if ordered else range(len(keys)), np.int64)
    numbers = {name: _number_vector(observation, name) for name in _NUMBERS}
    return SliceTable(observation, slices[order], starts[order], lengths[order], numbers, _status_vector(observation))


def _number_vector(observation: pl.DataFrame, name: str) -> tuple[Vector, Vector]:
    """Return the figures of a column, 0 where missing, and whether each is present."""
    if name not in observation.columns:
        return np.zeros(observation.height), np.zeros(observation.height, bool)
    numbers = observation[name].cast(pl.Float64).to_numpy()
    is_present = ~np.isnan(numbers)
    return np.where(is_present, numbers, 0.0), is_present


def _status_vector(observation: pl.DataFrame) -> Vector:
    """Return the number of each row's status, best first; the best where there is no status."""
    if "obs_status" not in observation.columns:
        return np.zeros(observation.height, np.int8)
    ranks = observation["obs_status"].cast(pl.String).cast(_STATUS).to_physical()
    return (ranks.fill_null(0) if ranks.null_count() else ranks).to_numpy().astype(np.int8)


def select_slices(table: SliceTable, at: Vector) -> SliceTable:
    """Select some slices of a table by number."""
    return table._replace(slices=table.slices[at], starts=table.starts[at], lengths=table.lengths[at])


def split_blocks(table: SliceTable, matrix: CrosswalkMatrix) -> Iterator[SliceTable]:
    """Split a table into blocks of slices of limited size."""
    size = max(1, FIGURES_PER_BLOCK // max(len(matrix.origins), len(matrix.targets), 1))
    for start in range(0, table.slices.height, size):
        yield select_slices(table, np.arange(start, min(start + size, table.slices.height)))


def block_rows(block: SliceTable) -> Vector | slice:
    """Return the rows of the observations in a block, slice by slice: as one range where they are consecutive."""
    ends = np.cumsum(block.lengths)
    if len(ends) and (block.starts == block.starts[0] + ends - block.lengths).all():
        return slice(int(block.starts[0]), int(block.starts[0] + ends[-1]))
    first = np.repeat(block.starts - (ends - block.lengths), block.lengths)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + first)


def align_figures(block: SliceTable, order: pl.Series, ignore_unknown: bool = False) -> FigureBlock:
    """Put the figures of a block in the order of a crosswalk's origins.

    Raises CrosswalkError for a place with two figures in one slice. Raises it also for a code that is not among the
    origins, unless `ignore_unknown`: such a code has no target.
    """
    rows, shape = block_rows(block), (len(order), block.slices.height)
    numbers = np.arange(block.observation.height, dtype=np.int32)
    if _has_order_of(block, order):

        def spread(column: Vector) -> Vector:
            return np.ascontiguousarray(column[rows].reshape(shape[::-1]).T)

        return _fill_block(block, spread(numbers), spread)
    place = _origin_positions(block.observation["place_code"][rows], order, ignore_unknown)
    slots, known = place * shape[1] + np.repeat(np.arange(shape[1]), block.lengths), place >= 0
    if not known.all():
        rows, slots = numbers[rows][known], slots[known]

    def scatter(column: Vector, absent: int = 0) -> Vector:
        whole = np.full(shape[0] * shape[1], absent, column.dtype)
        whole[slots] = column[rows]
        return whole.reshape(shape)

    row = scatter(numbers, NO_ROW)
    if np.count_nonzero(row >= 0) != len(slots):
        twice = pl.DataFrame({"slot": slots, "row": numbers[rows]}).filter(pl.col("slot").is_duplicated())["row"][0]
        raise CrosswalkError(
            f"{block.observation['place_code'][int(twice)]} has two figures in one measure and period; keep one"
        )
    return _fill_block(block, row, scatter)


def _fill_block(block: SliceTable, row: Vector, spread: Spread) -> FigureBlock:
    (value, has_value), low, high = (tuple(spread(column) for column in block.numbers[name]) for name in _NUMBERS)
    status = np.where(row >= 0, spread(block.status), np.int8(NO_ROW))
    return FigureBlock(row, value, has_value, low[0], low[1], high[0], high[1], status)


def _has_order_of(block: SliceTable, order: pl.Series) -> bool:
    """Return whether every slice has a row for each origin, in that order."""
    if not (block.lengths == len(order)).all() or block.observation["place_code"].dtype != pl.String:
        return False
    codes = block.observation["place_code"]
    return all(codes.slice(int(start), len(order)).equals(order) for start in block.starts)


def _origin_positions(codes: pl.Series, order: pl.Series, ignore_unknown: bool) -> Vector:
    """Return the position of each code among a crosswalk's origins; NO_ROW where unknown codes are ignored."""
    codes = codes.cast(pl.String) if codes.dtype != pl.String else codes
    positions = codes.cast(pl.Enum(order), strict=False).to_physical()
    if positions.null_count():
        unknown = codes.filter(positions.is_null())
        if not ignore_unknown:
            raise CrosswalkError(
                f"{unknown.n_unique()} codes are not in the crosswalk's source geography, such as {unknown[0]}; "
                f"{suggest_names(str(unknown[0]), order.to_list())}"
            )
    return positions.cast(pl.Int64).fill_null(NO_ROW).to_numpy()
