"""Engines by address: `duckdb`, in this process, or sc://HOST:PORT, a Spark Connect server (core.sql_engine).

A build stops with one sentence where the server is not there, has another version, or goes away during a query.
"""

import re
import socket
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

import polars as pl

from pipelines.core.errors import EngineError
from pipelines.core.sql_engine import SqlEngine

SPARK_PREFIX, DUCKDB = "sc://", "duckdb"
_DEFAULT_PORT = 15002
_CONNECT_SECONDS = 5
"""Wait for a connection. The client of Spark Connect itself tries a wrong address for over 200 seconds."""
_ANSWER_SECONDS = 60
"""Wait for the first answer of a server, which starts its own processes then."""
_RETRIES = 2
"""Repeated requests of the client, within about a second; by default they last minutes."""
_Result = TypeVar("_Result")


@cache
def open_engine(address: str) -> SqlEngine:
    """Open an engine once in each process. Raises EngineError where it cannot be used."""
    if address == DUCKDB:
        return _DuckDbEngine()
    if not address.startswith(SPARK_PREFIX) or not urlsplit(address).hostname:
        raise EngineError(f"engine: found {address!r}, expected sc://HOST:PORT or {DUCKDB}")
    return _SparkEngine(address)


class _DuckDbEngine:
    """DuckDB in this process; what does not fit in memory goes to a temporary folder."""

    address = DUCKDB

    def __init__(self) -> None:
        import duckdb

        self._folder = TemporaryDirectory(prefix="commonground-engine-", ignore_cleanup_errors=True)
        self._connection = duckdb.connect(config={"temp_directory": self._folder.name})

    def name_files(self, view: str, paths: Sequence[Path]) -> None:
        """Name the rows of Parquet files."""
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
        self._connection.execute(
            f"create or replace view {view} as select * from read_parquet([{listed}], hive_partitioning = false)"
        )

    def name_table(self, view: str, table: pl.DataFrame) -> None:
        """Copy a small table."""
        self._connection.register("sent", table.to_arrow())
        self._connection.execute(f"create or replace table {view} as select * from sent")
        self._connection.unregister("sent")

    def query(self, text: str) -> pl.DataFrame:
        """Run a query. Raises EngineError for a lack of memory or a file that is gone."""
        import duckdb

        try:
            table: pl.DataFrame = self._connection.sql(text).pl()
        except duckdb.Error as error:
            raise _describe_failure(DUCKDB, error) from error
        return table


class _SparkEngine:
    """A session of a Spark Connect server."""

    def __init__(self, address: str) -> None:
        self.address = address
        _require_listener(address)
        self._session = _answer_in_time(address, lambda: _start_session(address))
        version = _answer_in_time(address, lambda: str(self._session.version))
        _require_fit_version(address, version)

    def name_files(self, view: str, paths: Sequence[Path]) -> None:
        """Name the rows of Parquet files, which the server reads by the same paths."""
        self._run(lambda: self._session.read.parquet(*map(str, paths)).createOrReplaceTempView(view))

    def name_table(self, view: str, table: pl.DataFrame) -> None:
        """Send a small table."""
        self._run(lambda: self._session.createDataFrame(table.to_arrow()).createOrReplaceTempView(view))

    def query(self, text: str) -> pl.DataFrame:
        """Run a query, and receive its rows as Arrow."""
        return pl.DataFrame(self._run(lambda: self._session.sql(text).toArrow()))

    def _run(self, work: Callable[[], _Result]) -> _Result:
        try:
            return work()
        except Exception as error:
            open_engine.cache_clear()
            raise _describe_failure(self.address, error) from error


def _require_listener(address: str) -> None:
    """Raise EngineError where nothing accepts a connection at the address."""
    place = urlsplit(address)
    try:
        socket.create_connection((place.hostname, place.port or _DEFAULT_PORT), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{address}: no server accepts a connection there ({error}); nothing was published: start the server, "
            "correct the address, or build without --engine"
        ) from error


def _start_session(address: str) -> Any:
    try:
        from pyspark.sql import SparkSession
        from pyspark.sql.connect.client.retries import DefaultPolicy
    except ImportError as error:
        raise EngineError(
            f"{address}: a Spark Connect server needs its client, which is not installed; install it with "
            "`pip install 'commonground[spark]'`"
        ) from error
    warnings.filterwarnings("ignore", r"\[RETRIES_EXCEEDED\]")  # the error says the same
    session = SparkSession.builder.remote(address).create()
    session.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES, max_backoff=1000)])
    return session


def _answer_in_time(address: str, work: Callable[[], _Result]) -> _Result:
    """Return the result of the first requests; raise EngineError where the server gives none in time."""
    results: SimpleQueue[tuple[_Result | None, Exception | None]] = SimpleQueue()

    def put_result() -> None:
        try:
            results.put((work(), None))
        except Exception as error:  # noqa: BLE001 (whatever the client raises becomes one sentence)
            results.put((None, error))

    Thread(target=put_result, daemon=True).start()
    with suppress(Empty):
        result, error = results.get(timeout=_ANSWER_SECONDS)
        if error is None:
            return result  # type: ignore[return-value]
        if isinstance(error, EngineError):
            raise error
        raise _describe_failure(address, error) from error
    raise EngineError(
        f"{address}: the server accepts connections but gave no answer in {_ANSWER_SECONDS} seconds; nothing was "
        "published: check that it is a Spark Connect server"
    )


def _require_fit_version(address: str, server: str) -> None:
    """Raise EngineError where the server is older than the client, or of another major version."""
    import pyspark

    client = str(pyspark.__version__)
    theirs, ours = (text.split(".")[:2] for text in (server, client))
    if not all(part.isdecimal() for part in theirs) or theirs[0] != ours[0] or int(theirs[1]) < int(ours[1]):
        raise EngineError(
            f"{address}: the server has version {server} and the client {client}, expected a server of version "
            f"{'.'.join(ours)} or later of {ours[0]}; nothing was published: install the client of the server's "
            f"version (`pip install 'pyspark-client=={'.'.join(theirs)}.*'`)"
        )


def _describe_failure(address: str, error: Exception) -> EngineError:
    """Return a failure of a request as one sentence: the details of the server, or the first line of the message."""
    text = str(error).strip() or type(error).__name__
    details = re.search(r'details = "(.*)"', text)
    reason = details[1] if details else text.splitlines()[0]
    return EngineError(
        f"{address}: the engine did not complete a query ({reason[:300]}); nothing was published: run the command "
        "again, or build without --engine"
    )
