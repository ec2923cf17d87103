"""Figures by slice: one file a release, and one row for whatever is constant or counted in a slice.

A slice is the figures of one release for one measure and reference period. Its row states where its figures are, so a
build chooses slices from these rows and reads only the figures that it needs.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from itertools import pairwise
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from pipelines.core.distinct import number_entries, number_rows, sort_rows
from pipelines.core.periods import ReferencePeriod, is_of_kind
from pipelines.core.schema import (
    CATEGORY,
    OBSERVATION_STATUSES,
    SLICE_COLUMNS,
    TEXT,
    VALUE_COLUMNS,
    WHOLE,
    conform_table,
)
from pipelines.core.slices import SLICE_KEY, count_repeated_texts, slice_starts
from pipelines.core.table_cache import clear_between_steps
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.source import Source

_CONSTANT = ("source", "release", "released_at", *SLICE_KEY, "geography", "unit", "file")
_FIGURES = ("value", "lower_bound", "upper_bound", "interval_lower", "interval_upper")
_TEXTS = ("place_code", "place_label", "obs_status", "published_marker", "caveats", "caveat_evidence")
Vector = np.ndarray[Any, np.dtype[Any]]


def split_release(sound: pl.DataFrame, source: Source, values_file: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the usable cells of one release (conform.CELLS) into values (VALUE_COLUMNS) and slices (SLICE_COLUMNS).

    Values are sorted by measure, period and place. `order` is null, because it depends on the other releases.
    """
    ordered = _sort_by_slice(sound)
    starts = slice_starts(ordered)
    number = pl.Series("_slice", np.repeat(np.arange(len(starts)), np.diff([*starts, ordered.height])), pl.Int64)
    numbered = ordered.with_columns(number)
    present = number_entries(ordered["obs_status"]).entries.cast(TEXT).to_list()
    counted = numbered.group_by("_slice", maintain_order=True).agg(*_summarise_slice(source, present))
    slices = counted.with_columns(
        _classify_periods(counted, source.period_kind),
        pl.lit(source.returns.providers if source.returns else None, TEXT).alias("returned_by"),
        pl.lit(values_file).alias("values_file"),
        pl.Series("first_row", starts, WHOLE),
        pl.Series("sha256", _hash_slices(ordered, starts), TEXT),
    )
    return conform_table(_drop_headings(numbered, counted), VALUE_COLUMNS), conform_table(slices, SLICE_COLUMNS)


def _drop_headings(numbered: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """Remove the heading from the rows of each slice with one heading; the row of the slice has it."""
    if not counted["file_column"].null_count():
        return numbered.with_columns(pl.lit(None, CATEGORY).alias("file_column"))
    one_heading = counted.filter(pl.col("file_column").is_not_null())["_slice"]
    heading = pl.when(~pl.col("_slice").is_in(one_heading.implode())).then("file_column").alias("file_column")
    return numbered.with_columns(heading)


def _classify_periods(slices: pl.DataFrame, kinds: Sequence[PeriodKind]) -> pl.Series:
    """Return the kind of each slice's reference period: the first declared kind with such days."""
    periods = [ReferencePeriod(start, end) for start, end in slices.select("period_start", "period_end").iter_rows()]
    period_kinds = [next((kind for kind in kinds if is_of_kind(period, kind)), kinds[0]) for period in periods]
    return pl.Series("period_kind", period_kinds, TEXT)


def _sort_by_slice(cells: pl.DataFrame) -> pl.DataFrame:
    """Sort cells by measure, period and place; one number a row is sorted, and only where rows are out of order."""
    if _repeats_sorted_places(cells):
        return cells
    order = sort_rows(number_rows(cells, [*SLICE_KEY, "place_code"], ordered=True))
    return cells if order is None else cells[order]


def _repeats_sorted_places(cells: pl.DataFrame) -> bool:
    """Return whether slices are in order and each has the same places in order, as most files have them."""
    starts = slice_starts(cells)
    keys = cells.select(SLICE_KEY)[starts].with_columns(pl.col("measure").cast(pl.String)).rows()
    places = count_repeated_texts(cells["place_code"], starts)
    if places is None or any(first >= second for first, second in pairwise(keys)):
        return False
    return cells["place_code"].head(places).cast(pl.String).is_sorted()


def _summarise_slice(source: Source, present: Collection[str]) -> list[pl.Expr]:
    """Return the columns of a slice that are constant or counted in it; `present` lists the statuses of all cells."""
    known = pl.col("value").is_not_null()
    mark = "." if source.decimal == "point" else ","
    after = pl.col("text").str.len_bytes().cast(WHOLE) - pl.col("text").str.find(mark, literal=True) - 1
    return [
        *(pl.col(name).first() for name in _CONSTANT),
        pl.col("interval_level").max(),
        pl.when(pl.col("file_column").n_unique() == 1).then(pl.col("file_column").first()).alias("file_column"),
        pl.when(known.any()).then(after.filter(known).max().fill_null(0)).alias("decimals"),
        pl.len().alias("rows"),
        known.sum().alias("known"),
        *(
            ((pl.col("obs_status") == status).sum() if status in present else pl.lit(0)).alias(f"rows_{status}")
            for status in OBSERVATION_STATUSES
        ),
        pl.when(known.any()).then(pl.col("value").sum()).alias("sum"),
        pl.col("value").min().alias("min"),
        pl.col("value").max().alias("max"),
    ]


def _hash_slices(ordered: pl.DataFrame, starts: Vector) -> list[str]:
    """Return the sha256 of each slice: its places, figures, statuses, markers, labels and caveats, column by column.

    A column with one entry in a slice is that entry, so that columns without content cost nothing.
    """
    if not len(starts):
        return []
    columns = [_hashed_figures(ordered[name], starts) for name in _FIGURES]
    columns += [_hashed_texts(ordered[name], starts) for name in _TEXTS]
    hashes = []
    for number, (start, end) in enumerate(pairwise([*starts.tolist(), ordered.height])):
        content = hashlib.sha256(_WORD.pack(end - start))
        for column in columns:
            if column.is_constant[number]:
                content.update(b"c" + column.first[number])
            else:
                content.update(b"v")
                content.update(column.words(start, end))
        hashes.append(content.hexdigest())
    return hashes


class _HashedColumn(NamedTuple):
    """A column as words of 64 bits: whether it has one entry in each slice, that entry, and the words of some rows."""

    is_constant: list[bool]
    first: list[bytes]
    words: Callable[[int, int], memoryview]


def _hashed_figures(figures: pl.Series, starts: Vector) -> _HashedColumn:
    if figures.null_count() == figures.len():
        nothing = np.full(len(starts), np.nan).view(np.uint64)
        return _HashedColumn(
            [True] * len(starts), [_WORD.pack(word) for word in nothing.tolist()], lambda *_: memoryview(b"")
        )
    whole = figures.fill_null(float("nan")) if figures.null_count() else figures
    words = whole.to_numpy().view(np.uint64)
    return _HashedColumn(
        _find_constant(words, starts),
        [_WORD.pack(word) for word in words[starts].tolist()],
        lambda start, end: words[start:end].data,
    )


def _hashed_texts(texts: pl.Series, starts: Vector) -> _HashedColumn:
    """Return a column of texts, each as 64 bits of its hash, which is computed once; zero for null."""
    rows = count_repeated_texts(texts, starts)
    if rows is not None and rows < texts.len():
        one = _hashed_texts(texts.head(rows), starts[:1])
        words = one.words(0, rows)
        return _HashedColumn(one.is_constant * len(starts), one.first * len(starts), lambda *_: words)
    numbers, entries = number_entries(texts)
    digests = np.array([_digest_text(text) for text in entries.cast(TEXT).to_list()], np.uint64)
    return _HashedColumn(
        [True] * len(starts) if len(digests) == 1 else _find_constant(numbers, starts),
        [_WORD.pack(word) for word in digests[numbers[starts]].tolist()],
        lambda start, end: digests[numbers[start:end]].data,
    )


def _find_constant(numbers: Vector, starts: Vector) -> list[bool]:
    """Return whether all rows of each slice have one number."""
    same: list[bool] = (np.minimum.reduceat(numbers, starts) == np.maximum.reduceat(numbers, starts)).tolist()
    return same


_WORD = Struct("<Q")


@lru_cache(maxsize=1 << 16)
def _digest_text(text: str | None) -> int:
    return 0 if text is None else int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


clear_between_steps(_digest_text.cache_clear)
