"""Cells of one built problem and of its partnerships, and why the last build refused it, read from the store."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.schema import CELL_COLUMNS, empty_table
from pipelines.core.store import read_table, state_path

REFUSAL_TABLE = "refusal"
"""State table with the sentence of a refusal of a problem. It rests on sources: an error may quote a figure."""

if TYPE_CHECKING:  # a command that reads cells alone needs no declarations
    from pipelines.declarations.project import Project


def read_built_cells(project: "Project", problem: str) -> pl.DataFrame:
    """Read the typed cells of a built problem; raise CommongroundError where it is not built."""
    return read_stored_cells(project.home, project.catalogue.find_problem(problem).name)


def read_stored_cells(home: Path, problem: str) -> pl.DataFrame:
    """Read the typed cells of a declared problem from a store; raise CommongroundError where it is not built."""
    path = state_path(home, "cell", problem)
    if not path.is_file():
        refusal = read_refusal(home, problem)
        fault = (
            f"the last build refused it: {refusal}" if refusal else f"not built yet; run `commonground build {problem}`"
        )
        raise CommongroundError(f"{problem}: {fault}")
    return read_table(path)


def read_refusal(home: Path, problem: str) -> str:
    """Read why the last build refused a problem; blank where it did not."""
    path = state_path(home, REFUSAL_TABLE, problem)
    return str(read_table(path)["sentence"].item()) if path.is_file() else ""


def read_stored_partnerships(home: Path, problem: str) -> pl.DataFrame:
    """Read the typed cells of a declared problem for its partnerships (schema.CELL_COLUMNS); most have none."""
    path = state_path(home, "partnership_cell", problem)
    return read_table(path) if path.is_file() else empty_table(CELL_COLUMNS)
