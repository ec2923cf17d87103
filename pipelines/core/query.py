"""Run one DuckDB query within limits of memory and time, without access to files."""

import atexit
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from threading import Event, Timer
from typing import Any, NamedTuple

import duckdb
import polars as pl

from pipelines.core.errors import CommongroundError
from pipelines.core.limits import MEMORY, SECONDS, limit_advice, limit_memory, read_limit

_BATCH_ROWS = 50_000
_FEW_ROWS = 10_000
"""Maximum number of rows that are fetched without Arrow."""
_PLAIN_TYPES: dict[str, pl.DataType] = {
    "BOOLEAN": pl.Boolean(),
    "INTEGER": pl.Int32(),
    "BIGINT": pl.Int64(),
    "HUGEINT": pl.Decimal(38, 0),
    "DOUBLE": pl.Float64(),
    "DATE": pl.Date(),
    "VARCHAR": pl.String(),
}
"""Types that Arrow and Python convert to the same columns."""
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_QUERY_TYPES = ("SELECT", "EXPLAIN", "RELATION", "PRAGMA", "MULTI")


class QueryLimits(NamedTuple):
    """Limits of a query: bytes of memory, and seconds."""

    memory: int
    seconds: float


def user_query_limits() -> QueryLimits:
    """Return the limits of a query that a user runs."""
    return QueryLimits(read_limit(MEMORY) * 1_000_000, read_limit(SECONDS))


def sandbox_config(limits: QueryLimits) -> dict[str, Any]:
    """Return the settings of a connection that runs untrusted SQL.

    The directory for temporary files is empty, because DuckDB lets COPY write there even without other file access.
    """
    return {
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "memory_limit": f"{limits.memory // 2_000_000}MB",
        "threads": 2,
        "temp_directory": "",
        "lock_configuration": "true",
    }


_MEMORY_STEP = 128_000_000
"""Bytes by which the limits of sandboxes differ, so that queries of about the same size share one."""
_MOST_IDLE = 2
_LARGEST_IDLE = 1_000_000_000
"""Bytes of memory of a sandbox that is kept at most. A database keeps some of the memory that its queries used."""
_IDLE: list[tuple[dict[str, Any], duckdb.DuckDBPyConnection]] = []
"""Sandboxes that no query uses, with their settings."""


@atexit.register
def _close_sandboxes() -> None:
    """Close the sandboxes before Python ends: DuckDB reports those that are open then."""
    while _IDLE:
        _IDLE.pop()[1].close()


def _take_idle(config: dict[str, Any]) -> duckdb.DuckDBPyConnection | None:
    """Take a sandbox with some settings, which no other thread gets then; None where there is none."""
    for settings, shared in tuple(_IDLE):
        if settings == config:
            with suppress(ValueError):  # another thread took it
                _IDLE.remove((settings, shared))
                return shared
    return None


@contextmanager
def open_sandbox(memory: int, schema: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory for untrusted SQL, with an empty schema that ends with the block.

    A process uses a database again, because starting one takes longer than a small query. An error closes it, and so
    does the end of a large query.
    """
    config = sandbox_config(QueryLimits(-(-memory // _MEMORY_STEP) * _MEMORY_STEP, 0))
    shared = _take_idle(config) or duckdb.connect(":memory:", config=config)
    try:
        # What a block registers belongs to its cursor.
        with shared.cursor() as con:
            con.execute(f"create schema {schema}")
            yield con
            con.execute(f"drop schema {schema} cascade")
    except BaseException:
        shared.close()
        raise
    if memory > _LARGEST_IDLE:
        shared.close()
        return
    _IDLE.append((config, shared))
    if len(_IDLE) > _MOST_IDLE:
        _IDLE.pop(0)[1].close()


def run_limited_query(
    con: duckdb.DuckDBPyConnection, text: str, limits: QueryLimits, description: str = "the query", expected: int = 0
) -> pl.DataFrame:
    """Run one query and return its rows; raise duckdb.Error where it is invalid, CommongroundError at a limit.

    `expected` is the probable number of rows: a query that runs anew for many rows takes twice as long.
    """
    statements = con.extract_statements(text)
    if len(statements) != 1 or statements[0].type.name not in _QUERY_TYPES:
        raise duckdb.InvalidInputException("expected one SELECT; only queries are allowed")
    late = Event()
    with _interrupt_after(con, late, limits.seconds), limit_memory(limits.memory):
        try:
            return _fetch_rows(con, text, late, limits.memory // 4, expected)
        except (MemoryError, duckdb.OutOfMemoryException) as error:
            raise CommongroundError(f"{description} needs too much memory; {limit_advice(MEMORY)}") from error
        except duckdb.InterruptException as error:
            raise CommongroundError(f"{description} takes too long; {limit_advice(SECONDS)}") from error


@contextmanager
def _interrupt_after(con: duckdb.DuckDBPyConnection, late: Event, seconds: float) -> Iterator[None]:
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


def _fetch_rows(con: duckdb.DuckDBPyConnection, text: str, late: Event, max_bytes: int, expected: int) -> pl.DataFrame:
    """Fetch the rows in batches, so that their total size is checked before memory runs out."""
    relation = con.sql(text)
    if relation is None:
        raise duckdb.InvalidInputException("the query returns no rows")
    few = _fetch_few_rows(relation, max_bytes) if expected <= _FEW_ROWS else None
    return _fetch_batches(relation, late, max_bytes) if few is None else few


def _fetch_few_rows(relation: duckdb.DuckDBPyRelation, max_bytes: int) -> pl.DataFrame | None:
    """Fetch the rows of a small result without Arrow, which takes long to load; null for other results."""
    types = [_column_type(str(dtype)) for dtype in relation.types]
    if None in types or len(set(relation.columns)) < len(types):
        return None
    rows: list[tuple[Any, ...]] = list(islice(relation.iter_rows(), _FEW_ROWS + 1))
    if len(rows) > _FEW_ROWS:
        return None
    if sum(len(value) for row in rows for value in row if isinstance(value, str)) > max_bytes:
        raise MemoryError
    return pl.DataFrame(rows, schema=dict(zip(relation.columns, types, strict=True)), orient="row")


def _column_type(name: str) -> pl.DataType | None:
    """Return the type of a column by the name of DuckDB's type; null for types that Arrow converts otherwise."""
    decimal = _DECIMAL.fullmatch(name)
    return pl.Decimal(int(decimal[1]), int(decimal[2])) if decimal else _PLAIN_TYPES.get(name)


def _fetch_batches(relation: duckdb.DuckDBPyRelation, late: Event, max_bytes: int) -> pl.DataFrame:
    import pyarrow

    reader = relation.to_arrow_reader(_BATCH_ROWS)
    batches, size = [], 0
    try:
        for batch in reader:
            size += batch.nbytes
            if late.is_set():
                raise duckdb.InterruptException("interrupted")
            if size > max_bytes:
                raise MemoryError
            batches.append(batch)
    except OSError as error:  # Arrow raises DuckDB's own error as an OSError
        raise _convert_error(str(error), late) from error
    twice = [name for n, name in enumerate(reader.schema.names) if name in reader.schema.names[:n]]
    if twice:
        raise duckdb.InvalidInputException(f"two columns are named {twice[0]}; give one another name with AS")
    frame = pl.from_arrow(pyarrow.Table.from_batches(batches, reader.schema))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _convert_error(message: str, late: Event) -> Exception:
    if "Out of Memory" in message:
        return MemoryError(message)
    return duckdb.InterruptException(message) if late.is_set() else duckdb.InvalidInputException(message)
