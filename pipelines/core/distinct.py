"""Distinct entries of a column by number, so that each text is read once and rows are arrays of whole numbers."""

from typing import Any, NamedTuple

import numpy as np
import polars as pl

Numbers = np.ndarray[Any, np.dtype[Any]]
SPARSE = 4
"""Size of a table of all numbers, in times of the rows, above which rows are compared by a hash or a sort."""
_MOST_KEYS = 1 << 62
"""Number below which keys of rows stay, so that they fit whole numbers of 64 bits."""
_FEW = 1 << 10
"""Most entries that Python sorts faster than Polars ranks them."""
_SMALL = 1 << 16
"""Size of a table of all numbers that is always counted into."""


class DistinctEntries(NamedTuple):
    """Distinct entries of a column in any order, null among them, and for each row the number of its entry."""

    numbers: Numbers
    entries: pl.Series


def number_entries(column: pl.Series) -> DistinctEntries:
    """Number the distinct entries of a column: a text, a category, a day or a whole number. Null is an entry."""
    rows = column.len()
    if rows and column.null_count() == rows:
        return DistinctEntries(np.zeros(rows, np.int64), column.head(1))
    if column.dtype == pl.String:
        column = column.cast(pl.Categorical)
    if not rows:
        return DistinctEntries(np.empty(0, np.int64), column)
    physical = physical_numbers(column)
    lowest, highest = int(physical.min()), int(physical.max())  # type: ignore[arg-type]
    if lowest == highest and not column.null_count():
        return DistinctEntries(np.zeros(rows, np.int64), column.head(1))
    if not column.null_count() and lowest >= 0 and _is_countable(highest + 1, rows):
        # Numbers from 0 need no shift, which is two more passes.
        at, size = physical.to_numpy(), highest + 1
    elif _is_countable(highest - lowest + 2, rows):
        at, size = _shift_numbers(physical, lowest, highest), highest - lowest + 2
    else:
        return _join_entries(column)
    some_row = np.full(size, -1, np.int32)
    some_row[at] = np.arange(rows, dtype=np.int32)
    present = np.flatnonzero(some_row >= 0)
    entries = column[some_row[present]]
    if len(present) == size:
        return DistinctEntries(at.astype(np.int64), entries)
    rank = np.empty(size, np.int64)
    rank[present] = np.arange(len(present))
    return DistinctEntries(rank[at], entries)


def physical_numbers(column: pl.Series) -> pl.Series:
    """Return the whole numbers that represent categories or days. A cast of days takes a tenth of the time."""
    return column.cast(pl.Int32) if column.dtype == pl.Date else column.to_physical()


def _shift_numbers(physical: pl.Series, lowest: int, highest: int) -> Numbers:
    """Return numbers from 0, with a null as the number after the highest."""
    numbers = physical.cast(pl.Int64) - lowest
    return (numbers.fill_null(highest - lowest + 1) if numbers.null_count() else numbers).to_numpy()


def _join_entries(column: pl.Series) -> DistinctEntries:
    """Number the entries by a join, where their numbers are far apart."""
    distinct = column.unique().to_frame("entry").with_row_index("number")
    joined = column.to_frame("entry").join(distinct, on="entry", how="left", nulls_equal=True, maintain_order="left")
    return DistinctEntries(joined["number"].cast(pl.Int64).to_numpy(), distinct["entry"])


def rank_entries(entries: pl.Series) -> Numbers:
    """Return the position of each distinct entry in their order, by text where they are texts; null is first."""
    order = entries.cast(pl.String) if entries.dtype == pl.Categorical else entries
    if order.len() <= _FEW and not order.null_count():
        texts = order.to_list()
        ranks = np.empty(len(texts), np.int64)
        ranks[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
        return ranks
    return (order.rank("dense").fill_null(0).cast(pl.Int64) - (0 if order.null_count() else 1)).to_numpy()


class RowKeys(NamedTuple):
    """One whole number for each row, equal for rows with equal entries, and the limit below which all of them are."""

    keys: Numbers
    limit: int


def number_rows(frame: pl.DataFrame, columns: list[str], *, ordered: bool = False) -> RowKeys:
    """Number rows by their entries in some columns; with `ordered`, in the order of the columns, texts by text."""
    keys, limit = np.zeros(frame.height, np.int64), 1
    for name in columns:
        numbers, entries = number_entries(frame[name])
        if entries.len() > 1:
            if limit > _MOST_KEYS // entries.len() or (
                1 < limit <= _SMALL and not _is_countable(limit * entries.len(), frame.height)
            ):
                keys, limit = _close_gaps(keys, limit)
            keys = keys * entries.len() + (rank_entries(entries)[numbers] if ordered else numbers)
            limit *= entries.len()
    return RowKeys(keys, limit)


def _close_gaps(keys: Numbers, limit: int) -> RowKeys:
    """Renumber the numbers of rows in their order from 0, without a gap: few pairs of two columns may occur."""
    if limit > _SMALL:
        renumbered = np.unique(keys, return_inverse=True)[1]
        return RowKeys(renumbered, int(renumbered.max()) + 1)
    is_present = np.zeros(limit, bool)
    is_present[keys] = True
    present = np.cumsum(is_present) - 1
    return RowKeys(present[keys], int(present[-1]) + 1)


def find_repeated(rows: RowKeys) -> Numbers:
    """Return the positions of the rows that share their number with another row."""
    if not _is_countable(rows.limit, len(rows.keys)):
        return pl.Series(rows.keys).is_duplicated().arg_true().to_numpy()
    is_present = np.zeros(rows.limit, bool)
    is_present[rows.keys] = True
    if np.count_nonzero(is_present) == len(rows.keys):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.bincount(rows.keys)[rows.keys] > 1)


def sort_rows(rows: RowKeys) -> Numbers | None:
    """Return the order of the rows by number, equal ones as they are; None where they are in order."""
    keys = rows.keys
    if bool((keys[1:] >= keys[:-1]).all()):
        return None
    if _is_countable(rows.limit, len(keys)):
        row_of = np.full(rows.limit, -1, np.int64)
        row_of[keys] = np.arange(len(keys))
        order = row_of[row_of >= 0]
        if len(order) == len(keys):
            return np.asarray(order)
    return np.argsort(keys, kind="stable")


def _is_countable(limit: int, rows: int) -> bool:
    return limit <= max(SPARSE * rows, _SMALL)
