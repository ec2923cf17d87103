"""Results kept by the identity of arguments."""

import polars as pl

from pipelines.core.identity_cache import cache_by_identity


def test_only_the_very_same_arguments_give_a_kept_result() -> None:
    seen: list[pl.DataFrame] = []

    @cache_by_identity()
    def count(table: pl.DataFrame, more: int = 0) -> int:
        seen.append(table)
        return table.height + more

    one, equal = pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]})
    assert [count(one), count(one), count(equal), count(one, more=2), count(one, 2)] == [1, 1, 1, 3, 3]
    assert [table is one for table in seen] == [True, False, True, True]


def test_results_beyond_the_most_are_made_again() -> None:
    calls: list[str] = []

    @cache_by_identity(most=1)
    def name(table: pl.DataFrame) -> str:
        calls.append(table.columns[0])
        return table.columns[0]

    one, other = pl.DataFrame({"a": []}), pl.DataFrame({"b": []})
    assert [name(one), name(one), name(other), name(one)] == ["a", "a", "b", "a"]
    assert calls == ["a", "b", "a"]
