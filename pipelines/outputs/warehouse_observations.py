"""Observations of the analyst's file: figures as numbers, and the texts that many of them share in small tables.

`observations` is a view that joins them. The file has the figures of all releases, up to MAX_OBSERVATIONS. Above that
number it has those of the newest release of each measure and period. The others are Parquet files beside it.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from pipelines.core.schema import OBSERVATION_COLUMNS, WHOLE, Column, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY

MAX_OBSERVATIONS = 5_000_000
"""Number of observations up to which the file has those of superseded releases."""
SUPERSEDED_FOLDER = "observations"
"""Folder beside the file with the observations that are not in it: one Parquet file a source."""
OBSERVATIONS_SQL = Path(__file__).parent / "templates" / "observations.sql"
_SLICE = ("source", "release", "released_at", *SLICE_KEY, "geography", "unit", "file")
_PLACE = ("place_code", "place_label")
_MARK = ("obs_status", "published_marker", "interval_level", "interval_source", "caveats", "caveat_evidence",
         "file_column")  # fmt: skip
_FIGURE = ("value", "lower_bound", "upper_bound", "interval_lower", "interval_upper", "file_row")

OBSERVATION_SLICE: dict[str, Column] = {
    "slice": Column(WHOLE, "Number of the slice in this file"),
    **{name: OBSERVATION_COLUMNS[name] for name in _SLICE},
    "rows": Column(WHOLE, "Number of its observations"),
    "in_use": Column(pl.Boolean, "True in the newest release of its measure and period"),
    "in_file": Column(pl.Boolean, "True where this file has its observations"),
}
OBSERVATION_PLACE: dict[str, Column] = {
    "place": Column(WHOLE, "Number of the place in this file"),
    **{name: OBSERVATION_COLUMNS[name] for name in _PLACE},
}
OBSERVATION_MARK: dict[str, Column] = {
    "mark": Column(WHOLE, "Number of the combination in this file"),
    **{name: OBSERVATION_COLUMNS[name] for name in _MARK},
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

    slices: int = 0
    places: int = 0
    marks: int = 0


class ObservationBatches(NamedTuple):
    """Observations in batches, with schema.OBSERVATION_COLUMNS and `in_use`; the rows of a slice are consecutive.

    Without `has_history`, the figures that are not in use stay out of the file. Their slices are listed in any case.
    """

    batches: Iterable[pl.DataFrame]
    has_history: bool


def fill_observations(con: duckdb.DuckDBPyConnection, observations: ObservationBatches) -> None:
    """Fill the tables of observations, and create the view `observations` and the macros of a day."""
    for name, columns in STORED_TABLES.items():
        _insert(con, f"create table {name} as from incoming", empty_table(columns))
    numbers = Numbers()
    for batch in observations.batches:
        for part in split_batch(batch, numbers, observations.has_history):
            for (name, columns), table in zip(STORED_TABLES.items(), part, strict=True):
                _insert(con, f"insert into {name} from incoming", conform_table(table, columns))
            numbers = Numbers(*(before + table.height for before, table in zip(numbers, part, strict=False)))
    con.execute(OBSERVATIONS_SQL.read_text(encoding="utf-8"))


def _insert(con: duckdb.DuckDBPyConnection, statement: str, table: pl.DataFrame) -> None:
    con.register("incoming", table.to_arrow())
    con.execute(statement)
    con.unregister("incoming")


def split_batch(batch: pl.DataFrame, numbers: Numbers, has_history: bool) -> Iterator[tuple[pl.DataFrame, ...]]:
    """Split observations into slices, places, marks and figures (STORED_TABLES), numbered from `numbers`."""
    if batch.is_empty():
        return
    is_new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in (*_SLICE, "in_use"))
    numbered = batch.with_columns((is_new | (pl.int_range(pl.len()) == 0)).cum_sum().cast(WHOLE).alias("slice"))
    numbered = numbered.with_columns(pl.col("slice") + numbers.slices - 1)
    slices = numbered.group_by("slice", maintain_order=True).agg(
        *(pl.col(name).first() for name in (*_SLICE, "in_use")), pl.len().alias("rows")
    )
    figures = numbered if has_history else numbered.filter("in_use")
    place, places = _number_rows(figures, _PLACE, "place", numbers.places)
    mark, marks = _number_rows(figures, _MARK, "mark", numbers.marks)
    in_file = pl.lit(True) if has_history else pl.col("in_use")
    yield slices.with_columns(in_file.alias("in_file")), places, marks, figures.with_columns(place, mark)


def _number_rows(table: pl.DataFrame, columns: Sequence[str], name: str, first: int) -> tuple[pl.Series, pl.DataFrame]:
    """Number the distinct rows of some columns; return the number of each row, and the rows with their numbers."""
    rows = table.select(columns)
    distinct = rows.unique(maintain_order=True).with_row_index(name, first)
    return rows.join(distinct, on=columns, how="left", nulls_equal=True, maintain_order="left")[name], distinct
