"""List of the gaps of built problems."""

import polars as pl

from pipelines.core.errors import UnknownNameError, suggest_names
from pipelines.declarations.project import Project
from pipelines.gaps import is_open, open_reason, read_built_cells
from pipelines.geography import fold_name

GAP_COLUMNS = ["problem", "measure", "place_code", "place_name", "period_start", "period_end", "reason", "severity",
               "lower_bound", "upper_bound", "evidence", "data_owner", "remedy", "source"]  # fmt: skip


def list_gaps(project: Project, problem: str | None, place: str | None) -> pl.DataFrame:
    """Return the gaps of one problem or all, and of one place or all (GAP_COLUMNS)."""
    names = [problem] if problem else sorted(project.catalogue.problems)
    cells = pl.concat([read_built_cells(project, name) for name in names])
    gap_rows = cells.filter(is_open()).with_columns(open_reason().alias("reason")).select(GAP_COLUMNS)
    if place is None:
        return gap_rows
    return gap_rows.filter(pl.col("place_code") == find_place_code(cells, place))


def select_gap_columns(gap_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the main columns of gaps. Problem and period are included only if there are several."""
    several = [name for name in ("problem", "period_start") if gap_rows[name].n_unique() > 1]
    return gap_rows.select(*several, "place_name", "measure", "reason", "evidence", "data_owner", "remedy")


def find_place_code(cells: pl.DataFrame, place: str) -> str:
    """Return the code of a place by name or code. Raises UnknownNameError with the most similar names."""
    names = dict(cells.select("place_code", "place_name").unique().iter_rows())
    if place in names:
        return place
    codes: list[str] = sorted(code for code, name in names.items() if fold_name(name) == fold_name(place))
    if len(codes) != 1:
        raise UnknownNameError(f"unknown place {place!r}; {suggest_names(place, names.values())}")
    return codes[0]
