"""The newest period with a figure in the tables of a source."""

from datetime import date
from pathlib import Path

import polars as pl

from pipelines.core.store import read_table, state_path


def newest_stored_period(home: Path, name: str) -> date | None:
    """Return the last day of the newest period with a figure, from a source's table of slices (SLICE_COLUMNS)."""
    path = state_path(home, "slice", name)
    if not path.is_file():
        return None
    newest: date | None = read_table(path).filter(pl.col("known") > 0).select(pl.col("period_end").max()).item()
    return newest
