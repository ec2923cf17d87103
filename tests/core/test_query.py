"""Sandboxes for untrusted SQL, which queries share one after another."""

import duckdb
import polars as pl
import pytest

from pipelines.core import query
from pipelines.core.query import open_sandbox

MEMORY = 300_000_000


@pytest.fixture(autouse=True)
def _no_idle_sandboxes() -> None:
    query._close_sandboxes()


def test_a_sandbox_has_nothing_of_the_query_before() -> None:
    with open_sandbox(MEMORY, "places") as con:
        con.register("incoming", pl.DataFrame({"a": [1]}).to_arrow())
        con.execute("create table places.known as from incoming")
        con.execute("create temp table aside as select 2 as b")
    shared = query._IDLE[0][1]
    with open_sandbox(MEMORY, "places") as con:
        assert con.execute("select table_name from duckdb_tables()").fetchall() == []
        for name in ("places.known", "incoming", "aside"):
            with pytest.raises(duckdb.CatalogException):
                con.execute(f"from {name}")
    assert query._IDLE[0][1] is shared


def test_a_sandbox_reads_no_file_and_keeps_its_settings() -> None:
    for _ in range(2):
        with open_sandbox(MEMORY, "places") as con:
            with pytest.raises(duckdb.PermissionException):
                con.execute(f"from read_text('{__file__}')")
            with pytest.raises(duckdb.InvalidInputException):
                con.execute("set memory_limit = '8GB'")


def test_a_failed_query_ends_its_sandbox() -> None:
    with pytest.raises(duckdb.CatalogException), open_sandbox(MEMORY, "places") as con:
        con.execute("from places.nothing")
    assert query._IDLE == []
    with pytest.raises(duckdb.ConnectionException):
        con.execute("select 1")
    with open_sandbox(MEMORY, "places") as other:
        assert other.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]
    assert len(query._IDLE) == 1


def test_queries_of_other_sizes_have_their_own_limits() -> None:
    limits = []
    for memory in (MEMORY, 2 * MEMORY, 3 * MEMORY, MEMORY):
        with open_sandbox(memory, "places") as con:
            limits += con.execute("select current_setting('memory_limit')").fetchall()
    assert limits[0] == limits[3] != limits[1] != limits[2]
    assert len(query._IDLE) == 2


def test_database_of_a_large_query_is_closed_after_it() -> None:
    before = [shared for _, shared in query._IDLE]
    with open_sandbox(query._LARGEST_IDLE + 1, "places") as con:
        assert con.sql("select 1").fetchall() == [(1,)]
    assert [shared for _, shared in query._IDLE] == before
