"""Cells of one built problem, read from the store."""

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.store import read_table, state_path
from pipelines.declarations.project import Project


def read_built_cells(project: Project, problem: str) -> pl.DataFrame:
    """Read the typed cells of a built problem; raise CommongroundError where it is not built."""
    path = state_path(project.home, "cell", project.catalogue.find_problem(problem).name)
    if not path.is_file():
        raise CommongroundError(f"{problem}: not built yet; run `commonground build {problem}`")
    return read_table(path)
