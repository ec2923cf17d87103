"""Observations of the analyst's file: figures as numbers, and the texts that many of them share in small tables.

`observations` is a view that joins them. The file has the figures of all releases, up to MAX_OBSERVATIONS. Above that
number it has those of the newest release of each measure and period. The others are Parquet files beside it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import duckdb
import numpy as np
import polars as pl

from pipelines.core.distinct import RowKeys, number_rows
from pipelines.core.schema import OBSERVATION_COLUMNS, WHOLE, Column, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY, count_repeated_texts

MAX_OBSERVATIONS = 5_000_000
"""Number of observations up to which the file has those of superseded releases."""
_MANY_ROWS = 1 << 15
"""Rows from which the smallest and the largest entry of a column are found sooner than its different entries."""
_BATCH_ROWS = 250_000
"""Rows from which frames are inserted: a statement for each of many small frames takes longer than their rows."""
SUPERSEDED_FOLDER = "observations"
"""Folder beside the file with the observations that are not in it: one Parquet file a source."""
OBSERVATIONS_SQL = Path(__file__).parent / "templates" / "observations.sql"
_SLICE = ("source", "release", "released_at", *SLICE_KEY, "geography", "unit", "file")
_PLACE = ("place_code", "place_label")
_MARK = ("obs_status", "published_marker", "interval_level", "interval_source", "caveats", "caveat_evidence",
         "file_column")  # fmt: skip
_FIGURE = ("value", "lower_bound", "upper_bound", "interval_lower", "interval_upper", "file_row")

OBSERVATION_SLICE: dict[str, Column] = {
    "slice": Column(pl.Int32, "Number of the slice in this file"),
    **{name: OBSERVATION_COLUMNS[name] for name in _SLICE},
    "rows": Column(WHOLE, "Number of its observations"),
    "in_use": Column(pl.Boolean, "True in the newest release of its measure and period"),
    "in_file": Column(pl.Boolean, "True where this file has its observations"),
}
OBSERVATION_PLACE: dict[str, Column] = {
    "place": Column(pl.Int32, "Number of the place in this file"),
    **{name: OBSERVATION_COLUMNS[name] for name in _PLACE},
}
OBSERVATION_MARK: dict[str, Column] = {
    "mark": Column(pl.Int32, "Number of the combination in this file"),
    **{name: OBSERVATION_COLUMNS[name] for name in _MARK},
    "is_exact": Column(pl.Boolean, "True where both bounds are the figure itself; observation_figures leaves them out"),
}
OBSERVATION_FIGURE: dict[str, Column] = {
    "slice": OBSERVATION_SLICE["slice"],
    "place": OBSERVATION_PLACE["place"],
    "mark": OBSERVATION_MARK["mark"],
    **{name: OBSERVATION_COLUMNS[name] for name in _FIGURE},
}
STORED_TABLES = {
    "observation_slices": OBSERVATION_SLICE,
    "observation_places": OBSERVATION_PLACE,
    "observation_marks": OBSERVATION_MARK,
    "observation_figures": OBSERVATION_FIGURE,
}
"""Tables behind the view `observations`."""


class Numbers(NamedTuple):
    """Next number of each kind of row in the file."""

    slices: int
    places: int
    marks: int


FIGURE_COLUMNS = (*_PLACE, *_MARK, *_FIGURE)
"""Columns of schema.OBSERVATION_COLUMNS that differ within a slice."""


class SliceBatch(NamedTuple):
    """Slices (schema.SLICE_COLUMNS and `in_use`), those of them that the file stores, and their figures in order.

    The figures have FIGURE_COLUMNS; texts may be Categorical.
    """

    slices: pl.DataFrame
    stored: pl.DataFrame
    figures: pl.DataFrame


def create_observations(con: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of observations without rows, the view `observations` and the macros of a day."""
    for name, columns in STORED_TABLES.items():
        _insert(con, f"create table {name} as from incoming", empty_table(columns))
    con.execute(OBSERVATIONS_SQL.read_text(encoding="utf-8"))


def fill_observations(con: duckdb.DuckDBPyConnection, batches: Iterable[SliceBatch]) -> None:
    """Add observations to the tables, with numbers after those in use."""
    last = [con.sql(f"select coalesce(max({name}) + 1, 0) from {table}").fetchall()[0][0] for name, table in _NUMBERED]
    for parts in _join_parts(_split_batches(batches, Numbers(*last))):
        for name, table in zip(STORED_TABLES, parts, strict=True):
            _insert(con, f"insert into {name} from incoming", table)


def _split_batches(batches: Iterable[SliceBatch], numbers: Numbers) -> Iterator[list[pl.DataFrame]]:
    """Yield the rows of each batch by table (STORED_TABLES), numbered from `numbers`."""
    for batch in batches:
        parts = split_batch(batch, numbers)
        yield [conform_table(table, columns) for table, columns in zip(parts, STORED_TABLES.values(), strict=True)]
        numbers = Numbers(*(before + table.height for before, table in zip(numbers, parts, strict=False)))


def _join_parts(batches: Iterable[list[pl.DataFrame]]) -> Iterator[list[pl.DataFrame]]:
    """Yield the rows of several batches by table, together at least _BATCH_ROWS figures."""
    waiting = list[list[pl.DataFrame]]()
    for parts in batches:
        waiting.append(parts)
        if sum(figures.height for *_, figures in waiting) >= _BATCH_ROWS:
            yield [pl.concat(tables) for tables in zip(*waiting, strict=True)]
            waiting.clear()
    if waiting:
        yield [pl.concat(tables) for tables in zip(*waiting, strict=True)]


_NUMBERED = (("slice", "observation_slices"), ("place", "observation_places"), ("mark", "observation_marks"))
"""Columns with numbers, and the tables that they number, in the order of Numbers."""


def remove_observations(con: duckdb.DuckDBPyConnection, source: str) -> None:
    """Remove the observations of a source. The batches of a source have consecutive numbers."""
    of_source = "slice in (select slice from observation_slices where source = $source)"
    spans = con.execute(
        f"select min(place), max(place), min(mark), max(mark) from observation_figures where {of_source}",
        {"source": source},
    ).fetchall()[0]
    con.execute(f"delete from observation_figures where {of_source}", {"source": source})
    con.execute("delete from observation_places where place between $1 and $2", list(spans[:2]))
    con.execute("delete from observation_marks where mark between $1 and $2", list(spans[2:]))
    con.execute("delete from observation_slices where source = $source", {"source": source})


def _insert(con: duckdb.DuckDBPyConnection, statement: str, table: pl.DataFrame) -> None:
    con.register("incoming", table.to_arrow(compat_level=pl.CompatLevel.newest()))
    con.execute(statement)
    con.unregister("incoming")


def split_batch(batch: SliceBatch, numbers: Numbers) -> tuple[pl.DataFrame, ...]:
    """Split a batch into slices, places, marks and figures (STORED_TABLES), numbered from `numbers`."""
    numbered = batch.slices.with_row_index("slice", numbers.slices)
    if batch.stored.height == batch.slices.height:
        slices = stored = numbered.with_columns(pl.lit(True).alias("in_file"))
    else:
        is_stored = pl.struct(_STORED_AS).is_in(batch.stored.select(pl.struct(_STORED_AS)).to_series().implode())
        slices = numbered.with_columns(is_stored.alias("in_file"))
        stored = slices.filter("in_file")
    place, places = _number_places(batch.figures, stored["rows"].to_numpy(), numbers.places)
    figures = _leave_out_equal_bounds(batch.figures)
    mark, marks = _number_rows(figures, (*_MARK, "is_exact"), "mark", numbers.marks)
    slice_of_row = pl.Series("slice", np.repeat(stored["slice"].to_numpy(), stored["rows"].to_numpy()), pl.Int32)
    return slices, places, marks, figures.with_columns(slice_of_row, place, mark)


def _leave_out_equal_bounds(figures: pl.DataFrame) -> pl.DataFrame:
    """Add `is_exact`, and clear the bounds of exact figures: most figures are exact."""
    is_exact = ((pl.col("lower_bound") == pl.col("value")) & (pl.col("upper_bound") == pl.col("value"))).fill_null(
        False
    )
    bounds = (pl.when(~is_exact).then(name).alias(name) for name in ("lower_bound", "upper_bound"))
    return figures.with_columns(is_exact.alias("is_exact"), *bounds)


_STORED_AS = ("values_file", "first_row")
"""Columns that identify a slice of a source."""


def _is_constant(column: pl.Series) -> bool:
    """Return whether a column has one value, without a hash of each row where there are many."""
    if column.len() < _MANY_ROWS:
        return column.n_unique() <= 1
    if column.null_count() in (0, column.len()):
        numbers = column.to_physical()
        return numbers.len() == numbers.null_count() or bool(numbers.min() == numbers.max())
    return False


def _find_first_rows(rows: RowKeys) -> tuple[np.ndarray[Any, np.dtype[Any]], np.ndarray[Any, np.dtype[Any]]]:
    """Return the first row with each number, in order of the rows, and for each row the position of its first."""
    keys = rows.keys if rows.limit <= 2 * len(rows.keys) else np.unique(rows.keys, return_inverse=True)[1]
    first_row = np.full(int(keys.max(initial=0)) + 1, -1)
    first_row[keys[::-1]] = np.arange(len(keys))[::-1]
    present = np.flatnonzero(first_row >= 0)
    ordered = present[np.argsort(first_row[present])]
    position = np.empty(len(first_row), np.int64)
    position[ordered] = np.arange(len(ordered))
    return first_row[ordered], position[keys]


def _number_rows(table: pl.DataFrame, columns: Sequence[str], name: str, first: int) -> tuple[pl.Series, pl.DataFrame]:
    """Number the distinct rows of some columns; return the number of each row, and the rows with their numbers."""
    varying = [column for column in columns if not _is_constant(table[column])]
    if not varying:
        distinct = table.select(columns).head(1).with_row_index(name, first)
        return pl.Series(name, [first], pl.UInt32).new_from_index(0, table.height), distinct
    if not any(table.schema[column].is_float() for column in varying):
        counted = table.select(varying).with_columns(pl.col(pl.Boolean).cast(pl.UInt8))
        first_rows, numbers_of_rows = _find_first_rows(number_rows(counted, varying))
        distinct = table.select(columns)[first_rows].with_row_index(name, first)
        return pl.Series(name, numbers_of_rows + first, pl.UInt32), distinct
    distinct = table.select(columns).unique(varying, keep="first", maintain_order=True).with_row_index(name, first)
    numbers = table.select(varying).join(
        distinct.select(*varying, name), on=varying, how="left", nulls_equal=True, maintain_order="left"
    )
    return numbers[name], distinct


def _number_places(
    figures: pl.DataFrame, rows: np.ndarray[Any, np.dtype[Any]], first: int
) -> tuple[pl.Series, pl.DataFrame]:
    """Number the places of figures as _number_rows does; `rows` are those of each slice. A shared list counts once."""
    starts = np.cumsum(rows) - rows
    repeated = [count_repeated_texts(figures[name], starts) for name in _PLACE]
    if repeated[0] is None or None in repeated or len(rows) < 2:
        return _number_rows(figures, _PLACE, "place", first)
    numbers, places = _number_rows(figures.head(repeated[0]), _PLACE, "place", first)
    return pl.Series("place", np.tile(numbers.to_numpy(), len(rows)), numbers.dtype), places


Rows = pl.DataFrame | Path | Iterator[pl.DataFrame]
"""Rows of a table: a frame, a Parquet file, or frames that are made one after another."""


def batch_parts(parts: Iterable[Rows], least: int = _BATCH_ROWS) -> Iterator[pl.DataFrame | list[Path]]:
    """Yield files together, and frames in batches of `least` rows or more, in order."""
    for is_file, own in groupby(_list_frames(parts), lambda part: isinstance(part, Path)):
        if is_file:
            yield cast("list[Path]", list(own))
            continue
        frames = cast("Iterator[pl.DataFrame]", own)
        for frame in frames:
            batch = [frame]
            while sum(part.height for part in batch) < least and (more := next(frames, None)) is not None:
                batch.append(more)
            yield pl.concat(batch)


def _list_frames(parts: Iterable[Rows]) -> Iterator[pl.DataFrame | Path]:
    for part in parts:
        if isinstance(part, pl.DataFrame | Path):
            yield part
        else:
            yield from part
