"""Figures on disk by slice: one row group a slice, its rows in the order of one list of places.

The places are not written again for every slice. They stand once, in the file's metadata, and each row group has a
row for each of them in that order, also for one without a figure: a slice is a vector, and moving it is not much more
than reading it. For figures that are moved often, or are too many for memory.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from itertools import chain, islice
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.apportionment.sparse import Road, Slice, Vector, laid_out, move_slice, road, sliced
from pipelines.core.errors import CrosswalkError, UnreadableError, near
from pipelines.core.schema import STATUSES
from pipelines.core.slices import RELEASED, SLICE, whole_slices
from pipelines.core.store import beside

PLACES, RANKS = b"commonground.places", b"commonground.statuses"
"""Keys of the metadata: the codes of the places, and the statuses that the numbers stand for, one a line."""
AT_ONCE = 40
"""Slices that are moved to one frame."""
READ_AT_ONCE = 4
"""Slices that are read at once: so few that their vectors stay in the processor's cache."""
_GROUP = "row_group"
_FIGURES: dict[str, pl.DataType | type[pl.DataType]] = {
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "status": pl.Enum(STATUSES),
}


def write_slices(batches: Iterable[pl.DataFrame], places: list[str], path: Path) -> int:
    """Write figures by slice; give how many slices there are.

    Takes SLICE, place_code and value, and low, high and status where they are known, in batches; the rows of one
    slice must follow each other, and may be in any order of places. With `released_at`, the day of its release, a
    slice may stand there as often as it was released. Raises CrosswalkError for a code that is not among the places,
    or that has two figures in a slice; then there is no file.
    """
    spine = pl.DataFrame({"place_code": sorted(places)}, schema={"place_code": pl.String})
    temporary, written = beside(path), 0
    try:
        for batch, starts in _released(batches):
            for start, end in zip(starts, [*starts[1:], batch.height], strict=True):
                table = _dense(batch.slice(start, end - start), spine)
                if not written:
                    schema = table.schema.with_metadata({PLACES: _lines(spine["place_code"]), RANKS: _lines(STATUSES)})
                    writer = pq.ParquetWriter(temporary, schema, compression="lz4")
                writer.write_table(table.cast(schema), row_group_size=spine.height)
                written += 1
        if written:
            writer.close()
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def _released(batches: Iterable[pl.DataFrame]) -> Iterator[tuple[pl.DataFrame, Vector]]:
    """Cut batches where a slice, or a release of it, ends."""
    rest = iter(batches)
    first = next(rest, pl.DataFrame(schema=SLICE))
    return whole_slices(chain([first], rest), _keys(first.columns))


def _keys(columns: Sequence[str]) -> list[str]:
    return [*SLICE, RELEASED] if RELEASED in columns else SLICE


def _lines(told: Iterable[str]) -> bytes:
    return "\n".join(told).encode()


def _dense(part: pl.DataFrame, spine: pl.DataFrame) -> pa.Table:
    """Give one slice a row for each place, in their order."""
    codes = part["place_code"].cast(pl.String)
    figures = part.select(
        codes, *(pl.col(name).cast(dtype) if name in part.columns else pl.lit(None, dtype).alias(name)
                 for name, dtype in _FIGURES.items())
    )  # fmt: skip
    whole = figures if codes.equals(spine["place_code"]) else _joined(figures, spine)
    dense = whole.select(
        pl.col("value", "low", "high").fill_nan(None), pl.col("status").to_physical().fill_null(0).cast(pl.UInt8)
    )
    return dense.select(
        *(pl.lit(part[name][0], part[name].dtype).alias(name) for name in _keys(part.columns)), pl.all()
    ).to_arrow()


def _joined(figures: pl.DataFrame, spine: pl.DataFrame) -> pl.DataFrame:
    """Put figures in the order of the places; refuse a code that is none of them, or that has two figures."""
    codes = figures["place_code"]
    strange = codes.filter(~codes.is_in(spine["place_code"].implode()))
    if strange.len():
        raise CrosswalkError(f"{strange[0]} is none of the places of the file; {near(strange[0], spine['place_code'])}")
    if codes.is_duplicated().any():
        twice = codes.filter(codes.is_duplicated())[0]
        raise CrosswalkError(f"{twice} has two figures in one measure and period; keep one")
    return spine.join(figures, on="place_code", how="left", maintain_order="left")


def move_slices(
    path: Path, crosswalk: pl.DataFrame | Road, *, signed: bool = False, as_of: date | None = None
) -> Iterator[pl.DataFrame]:
    """Move the figures of a file that `write_slices` wrote, some slices at a time; see `move`.

    Of a slice that was released more than once the newest release is moved, or the newest that was out on a day: what
    is superseded is not read. Then `released_at` is among the columns. Raises UnreadableError for any other file, or
    one that does not tell of releases where a day is asked for, and CrosswalkError where the crosswalk lacks a place.
    """
    way = crosswalk if isinstance(crosswalk, Road) else road(crosswalk)
    with pq.ParquetFile(path) as file:
        order, chosen = _order(file.schema_arrow, path, way), _newest(file, path, as_of)
        figures = _slices(file, chosen[_GROUP].to_list(), order)
        for keys in chosen.drop(_GROUP).iter_slices(AT_ONCE):
            yield laid_out(keys, [move_slice(each, way, signed) for each in islice(figures, keys.height)], way.targets)


def _newest(file: pq.ParquetFile, path: Path, as_of: date | None) -> pl.DataFrame:
    """List the newest release of each slice, as of a day, and the row group it stands in: from the footer alone."""
    schema = file.schema_arrow
    names = _keys(schema.names)
    if as_of and RELEASED not in names:
        raise UnreadableError(f"{path}: does not tell when its figures were released; write it with {RELEASED}")
    at = [schema.get_field_index(name) for name in names]
    told = [(*_key(file, number, at, path), number) for number in range(file.num_row_groups)]
    groups = pl.DataFrame(told, schema=[*names, _GROUP], orient="row")
    if RELEASED not in names:
        return groups
    out = groups.filter(pl.col(RELEASED) <= as_of) if as_of else groups
    return out.sort(RELEASED, maintain_order=True).unique(SLICE, keep="last").sort(_GROUP)


def _order(schema: pa.Schema, path: Path, way: Road) -> Vector | None:
    """Give where in the file each origin of a road stands, beyond its end if nowhere; None where they are the same."""
    told = (schema.metadata or {}).get(PLACES)
    if told is None:
        raise UnreadableError(f"{path}: found no list of places, expected a file that write_slices wrote")
    if schema.metadata.get(RANKS) != _lines(STATUSES):
        raise UnreadableError(f"{path}: its statuses are those of another version; write the file again")
    places = told.decode().split("\n")
    strange = sorted(set(places) - set(way.origins))
    if strange:
        raise CrosswalkError(
            f"{path}: {strange[0]} and {len(strange) - 1} more places are not led from by the crosswalk"
        )
    at = {code: number for number, code in enumerate(places)}
    return None if places == way.origins else np.array([at.get(code, len(places)) for code in way.origins])


def _key(file: pq.ParquetFile, number: int, at: list[int], path: Path) -> tuple[object, ...]:
    """Give the slice that a row group holds, by the least and the most that its footer tells."""
    group = file.metadata.row_group(number)
    told = [group.column(column).statistics for column in at]
    if any(each is None or not each.has_min_max or each.min != each.max for each in told):
        raise UnreadableError(f"{path}: found several measures or periods in row group {number}, expected one slice")
    return tuple(each.min for each in told)


def _slices(file: pq.ParquetFile, groups: list[int], order: Vector | None) -> Iterator[Slice]:
    """Give the slices that stand in some row groups as vectors, in the order of a road's origins."""
    size = file.metadata.row_group(0).num_rows
    for table in _ahead(file, groups):
        *numbers, status = (table[name].combine_chunks() for name in _FIGURES)
        figures, ranks = [_vector(each) for each in numbers], status.to_numpy()
        for rows in (slice(start, start + size) for start in range(0, len(status), size)):
            found = sliced([(figure[rows], known[rows]) for figure, known in figures], ranks[rows])
            yield found if order is None else Slice(*(np.append(each, each.dtype.type(0))[order] for each in found))


def _ahead(file: pq.ParquetFile, groups: list[int]) -> Iterator[pa.Table]:
    """Read some row groups while those before are at work."""
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[pa.Table]] = deque()
        for start in range(0, len(groups), READ_AT_ONCE):
            coming.append(thread.submit(_read, file, groups[start : start + READ_AT_ONCE]))
            if len(coming) > 1:
                yield coming.popleft().result()
        yield from (each.result() for each in coming)


def _read(file: pq.ParquetFile, groups: list[int]) -> pa.Table:
    return file.read_row_groups(groups, columns=list(_FIGURES), use_threads=False)


def _vector(figures: pa.Array) -> tuple[Vector, Vector]:
    """Give the figures of a column as they lie in memory (anything where there is none), and where there is one."""
    held, numbers = figures.buffers()
    rows = slice(figures.offset, figures.offset + len(figures))
    known = np.unpackbits(np.frombuffer(held, np.uint8), bitorder="little").view(bool)[rows] if held else None
    return np.frombuffer(numbers, np.float64)[rows], np.ones(len(figures), bool) if known is None else known
