"""Interface of an engine that runs SQL on Parquet files: DuckDB in this process, or a Spark Connect server.

The room `fetch` opens one by its address. The setting of a build names it, and the size of a measure that goes there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import polars as pl

ENGINE_VARIABLE, ENGINE_ROWS_VARIABLE = "COMMONGROUND_ENGINE", "COMMONGROUND_ENGINE_ROWS"
LARGE_MEASURE_ROWS = 5_000_000
"""Rows in use from which a measure goes to the engine. Below, its figures take under about 1 GB of memory here."""


class EngineSetting(NamedTuple):
    """Setting of a build: the address of an engine, and the rows in use from which a measure goes there."""

    address: str
    least_rows: int = LARGE_MEASURE_ROWS


class SqlEngine(Protocol):
    """An engine. Raises EngineError, as one sentence, where it cannot be used."""

    address: str

    def name_files(self, view: str, paths: Sequence[Path]) -> None:
        """Name the rows of Parquet files, which the engine reads itself by the same paths."""

    def name_table(self, view: str, table: "pl.DataFrame") -> None:
        """Name a small table, which is sent to the engine; it has at least one row."""

    def query(self, text: str) -> "pl.DataFrame":
        """Run a query and return its rows."""
