"""Figures on disk by slice: one row group for each slice, with rows in the order of one list of places.

The file's metadata lists the places once. Each row group has a row for every place in that order, even without a
figure. So a slice is a vector, and apportioning it costs little more than reading it. Use this file for figures that
are apportioned often, or that exceed memory.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.apportionment.counts import apportion_block
from pipelines.apportionment.matrix import CrosswalkMatrix, Vector, build_matrix
from pipelines.apportionment.vectors import NO_ROW, FigureBlock
from pipelines.core.errors import CrosswalkError, UnreadableError, suggest_names
from pipelines.core.renames import refuse_old_columns
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.slices import RELEASE_DATE, SLICE_KEY, split_slices
from pipelines.core.store import temporary_path

PLACES_KEY, STATUSES_KEY = b"commonground.places", b"commonground.statuses"
"""Keys of the metadata: the codes of the places, and the statuses in the order of their numbers, one a line."""
SLICES_PER_READ = 4
"""Slices read together: few enough for their vectors to fit the processor's cache."""
_GROUP = "row_group"
_WITHOUT_ROW = len(OBSERVATION_STATUSES)
"""Number in place of the status of a place without a row."""
_FIGURES: dict[str, pl.DataType | type[pl.DataType]] = {
    "value": pl.Float64,
    "lower_bound": pl.Float64,
    "upper_bound": pl.Float64,
    "obs_status": pl.Enum(OBSERVATION_STATUSES),
}


def write_slices(batches: Iterable[pl.DataFrame], places: list[str], path: Path) -> int:
    """Write figures by slice, and return the number of slices.

    Takes SLICE_KEY, place_code and value, and lower_bound, upper_bound and obs_status where known, in batches.
    The rows of a slice must be consecutive, in any order of places. With `released_at`, the day of release, a
    file can have several releases of a slice. Raises CrosswalkError for an unknown code, or for a code with two
    figures in a slice, and writes no file then.
    """
    spine = pl.DataFrame({"place_code": sorted(places)}, schema={"place_code": pl.String})
    temporary, written = temporary_path(path), 0
    try:
        for batch, starts in _release_batches(batches):
            for start, end in zip(starts, [*starts[1:], batch.height], strict=True):
                table = _dense_table(batch.slice(start, end - start), spine)
                if not written:
                    schema = table.schema.with_metadata(
                        {PLACES_KEY: _join_lines(spine["place_code"]), STATUSES_KEY: _join_lines(OBSERVATION_STATUSES)}
                    )
                    writer = pq.ParquetWriter(temporary, schema, compression="lz4")
                writer.write_table(table.cast(schema), row_group_size=spine.height)
                written += 1
        if written:
            writer.close()
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def _release_batches(batches: Iterable[pl.DataFrame]) -> Iterator[tuple[pl.DataFrame, Vector]]:
    """Cut batches at the end of a slice, or of one release of a slice."""
    rest = iter(batches)
    first = next(rest, pl.DataFrame(schema=SLICE_KEY))
    return split_slices(chain([first], rest), _slice_keys(first.columns))


def _slice_keys(columns: Sequence[str]) -> list[str]:
    return [*SLICE_KEY, RELEASE_DATE] if RELEASE_DATE in columns else SLICE_KEY


def _join_lines(texts: Iterable[str]) -> bytes:
    return "\n".join(texts).encode()


def _dense_table(part: pl.DataFrame, spine: pl.DataFrame) -> pa.Table:
    """Return one slice with a row for each place, in their order."""
    refuse_old_columns(part.columns, _FIGURES, "the figures")
    codes = part["place_code"].cast(pl.String)
    figures = part.select(
        codes, *(pl.col(name).cast(dtype) if name in part.columns else pl.lit(None, dtype).alias(name)
                 for name, dtype in _FIGURES.items())
    ).with_columns(pl.col("obs_status").to_physical().fill_null(0).cast(pl.UInt8))  # fmt: skip
    whole = figures if codes.equals(spine["place_code"]) else _align_places(figures, spine)
    dense = whole.select(
        pl.col("value", "lower_bound", "upper_bound").fill_nan(None),
        pl.col("obs_status").fill_null(_WITHOUT_ROW),
    )
    return dense.select(
        *(pl.lit(part[name][0], part[name].dtype).alias(name) for name in _slice_keys(part.columns)), pl.all()
    ).to_arrow()


def _align_places(figures: pl.DataFrame, spine: pl.DataFrame) -> pl.DataFrame:
    """Put figures in the order of the places; reject an unknown code or one with two figures."""
    codes = figures["place_code"]
    unknown = codes.filter(~codes.is_in(spine["place_code"].implode()))
    if unknown.len():
        raise CrosswalkError(
            f"{unknown[0]} is not a place of the file; {suggest_names(unknown[0], spine['place_code'])}"
        )
    if codes.is_duplicated().any():
        twice = codes.filter(codes.is_duplicated())[0]
        raise CrosswalkError(f"{twice} has two figures in one measure and period; keep one")
    return spine.join(figures, on="place_code", how="left", maintain_order="left")


def apportion_slices(
    path: Path, crosswalk: pl.DataFrame | CrosswalkMatrix, *, signed: bool = False, as_of: date | None = None
) -> Iterator[pl.DataFrame]:
    """Apportion the figures of a file from `write_slices`, some slices at a time; see `apportion_counts`.

    Only the newest release of a slice is read, or the newest released by the day `as_of`. Then `released_at` is
    among the columns. Raises UnreadableError for any other file, or for a file without days of release where
    `as_of` is given. Raises CrosswalkError where the crosswalk lacks a place of the file.
    """
    matrix = crosswalk if isinstance(crosswalk, CrosswalkMatrix) else build_matrix(crosswalk)
    with pq.ParquetFile(path) as file:
        order, chosen = _file_positions(file.schema_arrow, path, matrix), _newest_groups(file, path, as_of)
        keys = chosen.drop(_GROUP).iter_slices(SLICES_PER_READ)
        figures = _read_blocks(file, chosen[_GROUP].to_list(), order)
        yield from (
            apportion_block(key, block, matrix, signed=signed) for key, block in zip(keys, figures, strict=True)
        )


def _newest_groups(file: pq.ParquetFile, path: Path, as_of: date | None) -> pl.DataFrame:
    """List the newest release of each slice, as of a day, and its row group, from the footer alone."""
    schema = file.schema_arrow
    names = _slice_keys(schema.names)
    if as_of and RELEASE_DATE not in names:
        raise UnreadableError(f"{path}: found no days of release; write the file with {RELEASE_DATE}")
    at = [schema.get_field_index(name) for name in names]
    rows = [(*_group_key(file, number, at, path), number) for number in range(file.num_row_groups)]
    groups = pl.DataFrame(rows, schema=[*names, _GROUP], orient="row")
    if RELEASE_DATE not in names:
        return groups
    out = groups.filter(pl.col(RELEASE_DATE) <= as_of) if as_of else groups
    return out.sort(RELEASE_DATE, maintain_order=True).unique(SLICE_KEY, keep="last").sort(_GROUP)


def _file_positions(schema: pa.Schema, path: Path, matrix: CrosswalkMatrix) -> Vector | None:
    """Return the position in the file of each origin, beyond its end if absent; None where the order is the same."""
    listed = (schema.metadata or {}).get(PLACES_KEY)
    if listed is None:
        raise UnreadableError(f"{path}: found no list of places, expected a file from write_slices")
    if schema.metadata.get(STATUSES_KEY) != _join_lines(OBSERVATION_STATUSES):
        raise UnreadableError(f"{path}: found the statuses of another version; write the file again")
    if not set(_FIGURES) <= set(schema.names):
        raise UnreadableError(f"{path}: its columns have the names of an earlier version; write the file again")
    places = listed.decode().split("\n")
    unknown = sorted(set(places) - set(matrix.origins))
    if unknown:
        raise CrosswalkError(f"{path}: {unknown[0]} and {len(unknown) - 1} more places are not in the crosswalk")
    at = {code: number for number, code in enumerate(places)}
    return None if places == matrix.origins else np.array([at.get(code, len(places)) for code in matrix.origins])


def _group_key(file: pq.ParquetFile, number: int, at: list[int], path: Path) -> tuple[object, ...]:
    """Return the slice of a row group, from the minimum and maximum in its footer."""
    group = file.metadata.row_group(number)
    statistics = [group.column(column).statistics for column in at]
    if any(
        statistic is None or not statistic.has_min_max or statistic.min != statistic.max for statistic in statistics
    ):
        raise UnreadableError(f"{path}: found several measures or periods in row group {number}, expected one slice")
    return tuple(statistic.min for statistic in statistics)


def _read_blocks(file: pq.ParquetFile, groups: list[int], order: Vector | None) -> Iterator[FigureBlock]:
    """Yield the slices of some row groups in blocks, in the order of a crosswalk's origins."""
    for table in _read_ahead(file, groups):
        *numbers, status = (table[name].combine_chunks() for name in _FIGURES)
        size = len(status) // (file.metadata.row_group(0).num_rows or 1)

        def spread(column: Vector, absent: int = 0, slices: int = size) -> Vector:
            whole = column.reshape(slices, -1).T
            ordered = whole if order is None else np.vstack([whole, np.full((1, slices), absent, column.dtype)])[order]
            return np.ascontiguousarray(ordered)

        (value, has_value), *bounds = ((spread(column), spread(has)) for column, has in map(_column_vector, numbers))
        figures, ranks = np.where(has_value, value, 0.0), spread(status.to_numpy().astype(np.int8), _WITHOUT_ROW)
        ends = [(np.where(has, bound, figures), has | has_value) for bound, has in bounds]
        has_row = ranks != _WITHOUT_ROW
        row = np.where(has_row, 0, NO_ROW)
        yield FigureBlock(row, figures, has_value, *ends[0], *ends[1], np.where(has_row, ranks, np.int8(NO_ROW)))


def _read_ahead(file: pq.ParquetFile, groups: list[int]) -> Iterator[pa.Table]:
    """Read the next row groups while the previous ones are processed."""
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[pa.Table]] = deque()
        for start in range(0, len(groups), SLICES_PER_READ):
            coming.append(thread.submit(_read_groups, file, groups[start : start + SLICES_PER_READ]))
            if len(coming) > 1:
                yield coming.popleft().result()
        yield from (future.result() for future in coming)


def _read_groups(file: pq.ParquetFile, groups: list[int]) -> pa.Table:
    return file.read_row_groups(groups, columns=list(_FIGURES), use_threads=False)


def _column_vector(figures: pa.Array) -> tuple[Vector, Vector]:
    """Return the figures of a column as stored in memory (arbitrary where null), and whether each is present."""
    validity, numbers = figures.buffers()
    rows = slice(figures.offset, figures.offset + len(figures))
    has_value = (
        np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little").view(bool)[rows] if validity else None
    )
    return np.frombuffer(numbers, np.float64)[rows], np.ones(len(figures), bool) if has_value is None else has_value
