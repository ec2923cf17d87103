"""List of the gaps of built problems."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipelines.core.errors import UnknownNameError, suggest_names
from pipelines.gaps import is_open, open_reason, read_stored_cells, read_stored_partnerships
from pipelines.geography import fold_name

GAP_COLUMNS = ["problem", "measure", "place_code", "place_name", "period_start", "period_end", "reason", "severity",
               "lower_bound", "upper_bound", "evidence", "data_owner", "remedy", "source"]  # fmt: skip


def list_gaps(home: Path, problems: Sequence[str], place: str | None) -> pl.DataFrame:
    """Return the gaps of some declared problems, and of one place, one partnership or all places (GAP_COLUMNS)."""
    cells = pl.concat([read_stored_cells(home, name) for name in problems])
    if place is not None:
        cells = pl.concat([cells, *(read_stored_partnerships(home, name) for name in problems)])
        cells = cells.filter(pl.col("place_code") == find_place_code(cells, place))
    return cells.filter(is_open()).with_columns(open_reason().alias("reason")).select(GAP_COLUMNS)


def select_gap_columns(gap_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the main columns of gaps. Problem and period are included only if there are several."""
    several = [name for name in ("problem", "period_start") if gap_rows[name].n_unique() > 1]
    return gap_rows.select(*several, "place_name", "measure", "reason", "evidence", "data_owner", "remedy")


def find_place_code(cells: pl.DataFrame, place: str) -> str:
    """Return the code of a place or partnership by name or code; of a partnership also by its name in the file.

    Raises UnknownNameError with the most similar names.
    """
    # Imported late: a list without a place needs no declarations.
    from pipelines.declarations.partnership import partnership_code

    names = dict(cells.select("place_code", "place_name").unique().iter_rows())
    for code in (place, partnership_code(place)):
        if code in names:
            return code
    codes: list[str] = sorted(code for code, name in names.items() if fold_name(name) == fold_name(place))
    if len(codes) != 1:
        raise UnknownNameError(f"unknown place {place!r}; {suggest_names(place, names.values())}")
    return codes[0]
