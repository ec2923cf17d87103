"""Read-only query of an analyst on commonground.duckdb."""

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from pipelines.core.errors import CommongroundError, UnknownNameError
from pipelines.core.query import run_limited_query, sandbox_config, user_query_limits
from pipelines.core.renames import add_new_name
from pipelines.core.store import output_path
from pipelines.outputs import newest_warehouse


class QueryAnswer(NamedTuple):
    """Rows of a query, and one sentence for each problem in it that has no cells in the file."""

    table: pl.DataFrame
    absences: list[str]


def run_query(home: Path, text: str) -> QueryAnswer:
    """Run a read-only query on commonground.duckdb, without access to other files.

    Raises UnknownNameError for an invalid query; where it reads the view of a problem without an answer, with the
    reason for that.
    """
    path = newest_warehouse(output_path(home, ""))
    if not path.is_file():
        raise CommongroundError(f"{path}: not found; run `commonground build` first")
    most = user_query_limits()
    with duckdb.connect(str(path), read_only=True, config=sandbox_config(most)) as con:
        absences = _describe_absences(con, text)
        try:
            return QueryAnswer(run_limited_query(con, text, most), absences)
        except duckdb.CatalogException as error:
            raise UnknownNameError("; ".join(absences) or _describe_error(error)) from error
        except duckdb.Error as error:
            raise UnknownNameError(_describe_error(error)) from error


def _describe_error(error: duckdb.Error) -> str:
    return f"invalid query: {add_new_name(str(error))}"


_PROBLEM_NAMES = re.compile(r"""problem\s*\.\s*"?(\w+)|'(\w+)'""", re.IGNORECASE)
"""Names that may be of problems: views, and texts."""
_PARTNERSHIPS = "_partnerships"
"""End of the name of a view of partnerships."""


def _describe_absences(con: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """Return one sentence for each problem without an answer that a query names as a view or as a text."""
    named = {name.lower() for match in _PROBLEM_NAMES.findall(text) for name in match if name}
    names = sorted(named | {name.removesuffix(_PARTNERSHIPS) for name in named})
    if not names:
        return []
    query = (
        "select problem, not_answered from problems where not_answered is not null and problem in (select unnest($1))"
    )
    with suppress(duckdb.Error):  # a file of an earlier version
        rows = con.execute(f"{query} order by problem", [names]).fetchall()
        return [f"{name}: this file has no answer: {reason}" for name, reason in rows]
    return []
