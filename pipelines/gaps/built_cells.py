"""Cells of one built problem and of its partnerships, read from the store."""

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.schema import CELL_COLUMNS, empty_table
from pipelines.core.store import read_table, state_path
from pipelines.declarations.project import Project


def read_built_cells(project: Project, problem: str) -> pl.DataFrame:
    """Read the typed cells of a built problem; raise CommongroundError where it is not built."""
    path = state_path(project.home, "cell", project.catalogue.find_problem(problem).name)
    if not path.is_file():
        raise CommongroundError(f"{problem}: not built yet; run `commonground build {problem}`")
    return read_table(path)


def read_built_partnerships(project: Project, problem: str) -> pl.DataFrame:
    """Read the typed cells of a built problem for its partnerships (schema.CELL_COLUMNS); most have none."""
    path = state_path(project.home, "partnership_cell", project.catalogue.find_problem(problem).name)
    return read_table(path) if path.is_file() else empty_table(CELL_COLUMNS)
