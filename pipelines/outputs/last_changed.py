"""Day on which the content of an output file last changed, recorded beside the key of the output."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl

from pipelines.core.store import read_table, table_key

FILE_CHANGE = pl.Schema({"file": pl.String, "sha256": pl.String, "changed": pl.Date})
"""A file of an output: its name, the hash of its content, and the day of the build that last changed it."""


def read_file_changes(path: Path) -> pl.DataFrame:
    """Read the recorded files of an output (FILE_CHANGE); an empty table where none are recorded."""
    table = read_table(path) if table_key(path) else FILE_CHANGE.to_frame()
    # An earlier version recorded the names of the files alone.
    return table.select(FILE_CHANGE.names()) if set(FILE_CHANGE) <= set(table.columns) else FILE_CHANGE.to_frame()


def date_file_changes(before: pl.DataFrame, hashes: Mapping[str, str], day: date) -> pl.DataFrame:
    """Return the files of an output with the day of their last change (FILE_CHANGE).

    A file with the recorded content keeps its day; any other changed on `day`, the day of the build.
    """
    files = pl.DataFrame({"file": list(hashes), "sha256": list(hashes.values())}, schema_overrides=FILE_CHANGE)
    if before.is_empty():
        return files.with_columns(pl.lit(day, pl.Date).alias("changed"))
    dated = files.join(before, on=["file", "sha256"], how="left", maintain_order="left")
    return dated.with_columns(pl.col("changed").fill_null(day)).select(FILE_CHANGE.names())


def last_change(changes: pl.DataFrame) -> date | None:
    """Return the day on which any of the files last changed, or None where none are recorded."""
    return changes["changed"].max()  # type: ignore[return-value]
