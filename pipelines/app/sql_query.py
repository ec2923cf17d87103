"""Read-only query of an analyst on commonground.duckdb."""

from pathlib import Path

import duckdb
import polars as pl

from pipelines.core.errors import CommongroundError, UnknownNameError
from pipelines.core.query import run_limited_query, sandbox_config, user_query_limits
from pipelines.core.renames import add_new_name
from pipelines.core.store import output_path
from pipelines.outputs import newest_warehouse


def run_query(home: Path, text: str) -> pl.DataFrame:
    """Run a read-only query on commonground.duckdb, without access to other files."""
    path = newest_warehouse(output_path(home, ""))
    if not path.is_file():
        raise CommongroundError(f"{path}: not found; run `commonground build` first")
    most = user_query_limits()
    with duckdb.connect(str(path), read_only=True, config=sandbox_config(most)) as con:
        try:
            return run_limited_query(con, text, most)
        except duckdb.Error as error:
            raise UnknownNameError(f"invalid query: {add_new_name(str(error))}") from error
