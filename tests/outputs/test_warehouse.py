"""Rows are inserted in transactions of a limited number of rows."""

import duckdb
import polars as pl
import pytest

from pipelines.outputs import warehouse
from pipelines.outputs.warehouse import _insert_rows

PARTS = [pl.DataFrame({"number": [3 * part + row for row in range(3)]}) for part in range(5)]


@pytest.mark.parametrize(
    ("most", "committed"), [(100, 0), (15, 15), (9, 9), (7, 9), (6, 12), (3, 15), (1, 15)]
)  # fmt: skip
def test_rows_are_committed_once_there_are_as_many_as_a_transaction_has(
    most: int, committed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "ROWS_COMMITTED", most)
    monkeypatch.setattr(warehouse, "batch_parts", iter)
    with duckdb.connect() as con:
        con.execute("create table numbers (number bigint)")
        con.begin()
        _insert_rows(con, "numbers", ["number"], PARTS)
        assert con.sql("select number from numbers order by number").fetchall() == [(number,) for number in range(15)]
        con.rollback()
        assert con.sql("select count(*), max(number) from numbers").fetchall() == [
            (committed, committed - 1 if committed else None)
        ]
