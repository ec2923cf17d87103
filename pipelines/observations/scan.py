"""Observations from the files of their releases: chosen slices, or a lazy view of all of them.

A reader gets the columns of schema.OBSERVATION_COLUMNS. Whatever is constant in a slice comes from the table of slices,
and the caveats of flagged figures come from the flags.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from checks import add_caveats
from pipelines.core.errors import UnreadableError
from pipelines.core.schema import NUMBER, OBSERVATION_COLUMNS, TEXT, VALUE_COLUMNS, WHOLE, empty_frame, polars_schema
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import release_path
from pipelines.core.table_cache import find_kept
from pipelines.observations.published_limits import PUBLISHED_SOURCE

OBSERVATION_SCHEMA = pl.Schema(polars_schema(OBSERVATION_COLUMNS) | {"order": WHOLE})
ROWS_PER_BATCH = 1 << 19
"""Rows that a scan reads together, in whole slices."""
_FLAGGED = ("caveats", "caveat_evidence")
_FLAG_TEXTS = ("release", "measure", "place_code")
_FLAG_KEY = (*_FLAG_TEXTS, "period_start", "period_end")
_SLICE_OF_FLAG = ["release", *SLICE_KEY]
_LIMITS = ("interval_lower", "interval_upper")
_OF_LIMITS = ("interval_level", "interval_source")


def newest_of_slices(slices: pl.DataFrame) -> pl.DataFrame:
    """Return the newest release of each measure and period, from a table of slices (schema.SLICE_COLUMNS)."""
    newest = slices.filter(pl.col("order") == pl.col("order").max().over("source", *SLICE_KEY))
    return newest.sort("source", *SLICE_KEY)


def scan_slices(home: Path, slices: pl.DataFrame, flags: pl.DataFrame) -> pl.LazyFrame:
    """Return a lazy view of the observations of some slices: schema.OBSERVATION_COLUMNS and `order`.

    `flags` are the plausibility flags of the source (checks.PLAUSIBILITY_FLAG), which become caveats. Only the columns
    that a query uses are read, some whole slices at a time. A filter on columns of the slices alone, such as measure
    and period, reads no other slices.
    """

    def read_batches(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        chosen, left = slices, n_rows
        if predicate is not None and set(predicate.meta.root_names()) <= _SLICE_NAMES:
            chosen, predicate = slices.filter(predicate), None
        wanted = columns if columns is not None else list(OBSERVATION_SCHEMA)
        needed = list(dict.fromkeys([*wanted, *(predicate.meta.root_names() if predicate is not None else [])]))
        for batch in [*cut_batches(chosen), chosen.clear()]:
            frame = read_slices(home, batch, needed, flags)
            frame = (frame if predicate is None else frame.filter(predicate)).select(wanted)
            yield frame if left is None else frame.head(left)
            left = None if left is None else left - frame.height
            if left is not None and left <= 0:
                return

    return register_io_source(read_batches, schema=OBSERVATION_SCHEMA)


_SLICE_NAMES = {"source", "release", "order", "released_at", *SLICE_KEY, "geography", "unit", "file"}
"""Columns of an observation that are constant in its slice."""


def cut_batches(slices: pl.DataFrame) -> list[pl.DataFrame]:
    """Cut slices into batches: a batch has the whole slices that start within the same ROWS_PER_BATCH rows."""
    number = slices.select((pl.col("rows").cum_sum() - pl.col("rows")) // ROWS_PER_BATCH).to_series()
    return slices.with_columns(number.alias("_batch")).partition_by("_batch", maintain_order=True, include_key=False)


def read_slices(
    home: Path, slices: pl.DataFrame, columns: Collection[str], flags: pl.DataFrame, *, encoded: bool = False
) -> pl.DataFrame:
    """Read some columns of the observations of some slices (schema.SLICE_COLUMNS), in the order of the slices.

    Texts are String, or with `encoded` Categorical and an Enum of the statuses, which need a sixth of the memory and
    compare by number. Raises UnreadableError where a file of figures is gone.
    """
    wanted = list(columns)
    if flags.height and any(name in wanted for name in _FLAGGED):
        # A large source has few flags, and most batches of its slices have none.
        flags = flags.join(slices, on=_SLICE_OF_FLAG, how="semi", maintain_order="left")
    if flags.is_empty() or not any(name in wanted for name in _FLAGGED):
        return _read_columns(home, slices, wanted, encoded=encoded)
    plain = _read_columns(home, slices, list(dict.fromkeys([*wanted, *_FLAG_KEY, *_FLAGGED])), encoded=True)
    keys = flags.with_columns(pl.col(_FLAG_TEXTS).cast(pl.Categorical))
    flagged = add_caveats(plain.with_columns(pl.col(_FLAGGED).cast(TEXT)), keys).select(wanted)
    if encoded:
        return flagged.with_columns(pl.col([name for name in _FLAGGED if name in wanted]).cast(pl.Categorical))
    return flagged.cast({name: OBSERVATION_SCHEMA[name] for name in wanted})


def _read_columns(home: Path, slices: pl.DataFrame, columns: list[str], *, encoded: bool) -> pl.DataFrame:
    stored = [name for name in VALUE_COLUMNS if name in columns and name not in SLICE_KEY]
    if set(_OF_LIMITS) & set(columns):
        stored = list(dict.fromkeys([*stored, *_LIMITS]))
    values = _read_values(home, slices, stored)
    numbers = np.repeat(np.arange(slices.height), slices["rows"].to_numpy())
    constant = [name for name in columns if name in slices.columns and name not in stored]
    shared = slices.select(
        pl.col(name).cast(pl.Categorical) if encoded and slices.schema[name] == TEXT else pl.col(name)
        for name in dict.fromkeys([*constant, *(["file_column"] if "file_column" in columns else []),
                                   *(["interval_level"] if "interval_level" in columns else [])])
    ).rename({"file_column": "_heading"}, strict=False)  # fmt: skip
    # What all slices share stays one entry for all rows. Without a stored column, the rows come from these.
    same = [name for name in shared.columns if stored and _has_one_entry(shared[name])]
    varying = shared.drop(same)
    table = pl.concat([values, varying[numbers]], how="horizontal") if varying.width else values
    table = table.with_columns(pl.lit(shared[name].head(1)).first().alias(name) for name in same)
    empty = frozenset(name for name in stored if values[name].null_count() == values.height)
    if empty.issuperset(_LIMITS):
        table = table.with_columns(pl.lit(None, OBSERVATION_SCHEMA[name]).alias(name) for name in _OF_LIMITS)
    return table.select(_rebuild_column(name, encoded, empty) for name in columns)


def _has_one_entry(column: pl.Series) -> bool:
    """Return whether a column has one entry in all rows, null or not."""
    if column.null_count():
        return column.null_count() == column.len()
    return column.len() > 0 and column.n_unique() == 1


def _rebuild_column(name: str, encoded: bool, empty: frozenset[str]) -> pl.Expr:
    """Return a column of an observation from its value and the row of its slice; `empty` lists those without values."""
    has_interval = pl.any_horizontal(pl.col(_LIMITS).is_not_null())
    if name == "file_column":
        heading = pl.col("_heading").cast(pl.Categorical)
        column = heading if name in empty else pl.coalesce(pl.col("file_column"), heading)
    elif name in _OF_LIMITS and empty.issuperset(_LIMITS):
        column = pl.col(name)
    elif name == "interval_level":
        column = pl.when(has_interval).then("interval_level").alias(name).cast(NUMBER)
    elif name == "interval_source":
        column = pl.when(has_interval).then(pl.lit(PUBLISHED_SOURCE)).cast(TEXT)
    else:
        column = pl.col(name)
    return (column if encoded else column.cast(OBSERVATION_SCHEMA[name])).alias(name)


def _read_values(home: Path, slices: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Read columns of the files of figures; adjacent slices of a file are one read."""
    if not columns:
        return pl.DataFrame()
    parts = [
        _scan_values(_values_path(home, source, file)).slice(first, rows).select(columns)
        for source, file, first, rows in _adjacent_rows(slices)
    ]
    if not parts:
        return empty_frame({name: VALUE_COLUMNS[name].dtype for name in columns})
    return (parts[0] if len(parts) == 1 else pl.concat(parts)).collect()


def _scan_values(path: Path) -> pl.LazyFrame:
    """Return a view of a file of figures, which the step that has just read the release has in memory."""
    kept = find_kept(path)
    return pl.scan_parquet(path) if kept is None else kept.lazy()


def _values_path(home: Path, source: str, file: str) -> Path:
    path = release_path(home, "values", source, file.removesuffix(".parquet"))
    if not path.is_file():
        raise UnreadableError(
            f"{path}: the table of slices names this file, but it is missing; delete state/ and build"
        )
    return path


def _adjacent_rows(slices: pl.DataFrame) -> Iterator[tuple[str, str, int, int]]:
    """Yield the source, file, first row and number of rows of each run of adjacent slices."""
    after: Any = None
    rows = slices.select("source", "values_file", "first_row", "rows").iter_rows()
    runs: list[tuple[str, str, int, int]] = []
    for source, file, first, count in rows:
        if runs and (source, file, first) == after:
            runs[-1] = (*runs[-1][:3], runs[-1][3] + count)
        else:
            runs.append((source, file, first, count))
        after = (source, file, first + count)
    yield from runs
