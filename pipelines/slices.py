"""Figures on disk by slice: one row group a slice, its rows in the order of one list of places.

The places are not written again for every slice. They stand once, in the file's metadata, and each row group has a
row for each of them in that order, also for one without a figure: a slice is a vector, and moving it is not much more
than reading it. For figures that are moved often, or are too many for memory.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import CrosswalkError, UnreadableError, near
from pipelines.moving import Road, Slice, Vector, laid_out, move_slice, road
from pipelines.schema import STATUSES
from pipelines.slicing import SLICE, whole_slices
from pipelines.store import beside

PLACES = b"commonground.places"
"""Key of the metadata under which the codes of the places stand, one a line."""
AT_ONCE = 40
"""Slices that are moved to one frame."""
_FIGURES: dict[str, pl.DataType | type[pl.DataType]] = {
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "status": pl.Enum(STATUSES),
}


def write_slices(batches: Iterable[pl.DataFrame], places: list[str], path: Path) -> int:
    """Write figures by slice; give how many slices there are.

    Takes SLICE, place_code and value, and low, high and status where they are known, in batches; the rows of one
    slice must follow each other, and may be in any order of places. Raises CrosswalkError for a code that is not
    among the places, or that has two figures in a slice; then there is no file.
    """
    spine = pl.DataFrame({"place_code": sorted(places)}, schema={"place_code": pl.String})
    temporary, written = beside(path), 0
    try:
        for batch, starts in whole_slices(batches):
            for start, end in zip(starts, [*starts[1:], batch.height], strict=True):
                table = _dense(batch.slice(start, end - start), spine)
                if not written:
                    schema = table.schema.with_metadata({PLACES: "\n".join(spine["place_code"]).encode()})
                    writer = pq.ParquetWriter(temporary, schema, compression="zstd")
                writer.write_table(table.cast(schema), row_group_size=spine.height)
                written += 1
        if written:
            writer.close()
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def _dense(part: pl.DataFrame, spine: pl.DataFrame) -> pa.Table:
    """Give one slice a row for each place, in their order."""
    codes = part["place_code"].cast(pl.String)
    strange = codes.filter(~codes.is_in(spine["place_code"].implode()))
    if strange.len():
        raise CrosswalkError(f"{strange[0]} is none of the places of the file; {near(strange[0], spine['place_code'])}")
    if codes.is_duplicated().any():
        twice = codes.filter(codes.is_duplicated())[0]
        raise CrosswalkError(f"{twice} has two figures in one measure and period; keep one")
    figures = part.select(
        codes, *(pl.col(name).cast(dtype) if name in part.columns else pl.lit(None, dtype).alias(name)
                 for name, dtype in _FIGURES.items())
    )  # fmt: skip
    dense = spine.join(figures, on="place_code", how="left", maintain_order="left").drop("place_code")
    return dense.select(*(pl.lit(part[name][0], part[name].dtype).alias(name) for name in SLICE), pl.all()).to_arrow()


def move_slices(path: Path, crosswalk: pl.DataFrame | Road, *, signed: bool = False) -> Iterator[pl.DataFrame]:
    """Move the figures of a file that `write_slices` wrote, some slices at a time; see `move`.

    Raises UnreadableError for any other file, and CrosswalkError where the crosswalk lacks a place of it.
    """
    way = crosswalk if isinstance(crosswalk, Road) else road(crosswalk)
    with pq.ParquetFile(path, read_dictionary=["status"]) as file:
        schema = file.schema_arrow
        order, at = _order(schema, path, way), [schema.get_field_index(name) for name in SLICE]
        for start in range(0, file.num_row_groups, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, file.num_row_groups))
            keys = [_key(file, number, at, path) for number in numbers]
            results = [move_slice(_read(file, number, order), way, signed) for number in numbers]
            yield laid_out(pl.DataFrame(keys, schema=SLICE, orient="row"), results, way.targets)


def _order(schema: pa.Schema, path: Path, way: Road) -> Vector | None:
    """Give where in the file each origin of a road stands, beyond its end if nowhere; None where they are the same."""
    told = (schema.metadata or {}).get(PLACES)
    if told is None:
        raise UnreadableError(f"{path}: found no list of places, expected a file that write_slices wrote")
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


def _read(file: pq.ParquetFile, number: int, order: Vector | None) -> Slice:
    """Read one slice as vectors, in the order of a road's origins."""
    columns = file.read_row_group(number, columns=list(_FIGURES)).combine_chunks()
    value, *told = (columns[name].to_numpy() for name in ("value", "low", "high"))
    low, high = (np.where(np.isnan(each), value, each) for each in told)
    status = columns["status"].chunk(0)
    ranks = np.array([*(STATUSES.index(each) for each in status.dictionary.to_pylist()), 0], np.uint8)
    figures = value, low, high, ranks[status.indices.fill_null(len(ranks) - 1).to_numpy()]
    if order is None:
        return Slice(*figures)
    beyond = (np.nan, np.nan, np.nan, 0)
    return Slice(*(np.append(each, each.dtype.type(end))[order] for each, end in zip(figures, beyond, strict=True)))
