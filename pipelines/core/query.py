"""Run one DuckDB query within limits of memory and time, without access to files."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Timer
from typing import Any, NamedTuple

import duckdb
import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.limits import MEMORY, SECONDS, limit, memory_limited, raising

_ROWS_AT_ONCE = 50_000
_QUESTIONS = ("SELECT", "EXPLAIN", "RELATION", "PRAGMA", "MULTI")


class Most(NamedTuple):
    """Limits of a query: bytes of memory, and seconds."""

    memory: int
    seconds: float


def whole_limit() -> Most:
    """Return the limits of a query that a user runs."""
    return Most(limit(MEMORY) * 1_000_000, limit(SECONDS))


def closed_config(most: Most) -> dict[str, Any]:
    """Return the settings of a connection that runs untrusted SQL.

    The directory for temporary files is empty, because DuckDB lets COPY write there even without other file access.
    """
    return {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "memory_limit": f"{most.memory // 2_000_000}MB",
        "threads": 2,
        "temp_directory": "",
        "lock_configuration": "true",
    }


def run_question(con: duckdb.DuckDBPyConnection, text: str, most: Most, what: str = "the query") -> pl.DataFrame:
    """Run one query and return its rows; raise duckdb.Error where it is invalid, CommongroundError at a limit."""
    statements = con.extract_statements(text)
    if len(statements) != 1 or statements[0].type.name not in _QUESTIONS:
        raise duckdb.InvalidInputException("expected one SELECT; only queries are allowed")
    late = Event()
    with _interrupted(con, late, most.seconds), memory_limited(most.memory):
        try:
            return _rows(con, text, late, most.memory // 4)
        except (MemoryError, duckdb.OutOfMemoryException) as error:
            raise CommongroundError(f"{what} needs too much memory; {raising(MEMORY)}") from error
        except duckdb.InterruptException as error:
            raise CommongroundError(f"{what} takes too long; {raising(SECONDS)}") from error


@contextmanager
def _interrupted(con: duckdb.DuckDBPyConnection, late: Event, seconds: float) -> Iterator[None]:
    """Interrupt the query of a connection after a number of seconds."""

    def interrupt() -> None:
        late.set()
        con.interrupt()

    timer = Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _rows(con: duckdb.DuckDBPyConnection, text: str, late: Event, most: int) -> pl.DataFrame:
    """Fetch the rows in batches, so that their total size is checked before memory runs out."""
    import pyarrow

    relation = con.sql(text)
    if relation is None:
        raise duckdb.InvalidInputException("the query returns no rows")
    reader = relation.to_arrow_reader(_ROWS_AT_ONCE)
    batches, size = [], 0
    try:
        for batch in reader:
            size += batch.nbytes
            if late.is_set():
                raise duckdb.InterruptException("interrupted")
            if size > most:
                raise MemoryError
            batches.append(batch)
    except OSError as error:  # Arrow raises DuckDB's own error as an OSError
        raise _stopped(str(error), late) from error
    found = pl.from_arrow(pyarrow.Table.from_batches(batches, reader.schema))
    assert isinstance(found, pl.DataFrame)
    return found


def _stopped(message: str, late: Event) -> Exception:
    if "Out of Memory" in message:
        return MemoryError(message)
    return duckdb.InterruptException(message) if late.is_set() else duckdb.InvalidInputException(message)
