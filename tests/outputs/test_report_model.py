"""Parts of a report that are computed once."""

import polars as pl

from pipelines.outputs.report_model import compute_once


def test_only_the_very_same_arguments_give_a_kept_result() -> None:
    seen: list[pl.DataFrame] = []

    @compute_once
    def count(table: pl.DataFrame, more: int = 0) -> int:
        seen.append(table)
        return table.height + more

    one, equal = pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]})
    assert [count(one), count(one), count(equal), count(one, more=2), count(one, 2)] == [1, 1, 1, 3, 3]
    assert [table is one for table in seen] == [True, False, True, True]


def test_two_results_are_kept() -> None:
    calls: list[str] = []

    @compute_once
    def name(table: pl.DataFrame) -> str:
        calls.append(table.columns[0])
        return table.columns[0]

    one, other, third = (pl.DataFrame({column: []}) for column in "abc")
    assert [name(table) for table in (one, other, one, third, other, one)] == ["a", "b", "a", "c", "b", "a"]
    assert calls == ["a", "b", "c", "a"]
