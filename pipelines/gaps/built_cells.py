"""Cells of one built problem and of its partnerships, read from the store."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.schema import CELL_COLUMNS, empty_table
from pipelines.core.store import read_table, state_path

if TYPE_CHECKING:  # a command that reads cells alone needs no declarations
    from pipelines.declarations.project import Project


def read_built_cells(project: "Project", problem: str) -> pl.DataFrame:
    """Read the typed cells of a built problem; raise CommongroundError where it is not built."""
    return read_stored_cells(project.home, project.catalogue.find_problem(problem).name)


def read_stored_cells(home: Path, problem: str) -> pl.DataFrame:
    """Read the typed cells of a declared problem from a store; raise CommongroundError where it is not built."""
    path = state_path(home, "cell", problem)
    if not path.is_file():
        raise CommongroundError(f"{problem}: not built yet; run `commonground build {problem}`")
    return read_table(path)


def read_stored_partnerships(home: Path, problem: str) -> pl.DataFrame:
    """Read the typed cells of a declared problem for its partnerships (schema.CELL_COLUMNS); most have none."""
    path = state_path(home, "partnership_cell", problem)
    return read_table(path) if path.is_file() else empty_table(CELL_COLUMNS)
