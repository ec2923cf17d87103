"""What a process keeps: tables read once until the file changes, not too many, and results for the very same ones."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.core import table_cache
from pipelines.core.store import (
    load_or_build_tables,
    prune_tables,
    read_table,
    state_path,
    table_key,
    write_table,
    write_table_parts,
)
from pipelines.core.table_cache import (
    encode_stream,
    find_kept,
    forget_large_tables,
    forget_results,
    keep_results,
    read_once,
    read_stream,
)


@pytest.fixture(autouse=True)
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    done: list[Path] = []
    read = table_cache._read_file

    def note(path: Path, size: int, columns: Sequence[str] | None) -> pl.DataFrame:
        done.append(path)
        return read(path, size, columns)

    monkeypatch.setattr(table_cache, "_read_file", note)
    monkeypatch.setattr(table_cache, "_READ", table_cache._Tables(table_cache.MOST_BYTES))
    return done


def test_unchanged_file_is_read_once_and_a_replaced_one_again(tmp_path: Path, reads: list[Path]) -> None:
    path = tmp_path / "a.parquet"
    for value in (1, 2):
        write_table(path, pl.DataFrame({"a": [value]}), "key")
        assert [read_table(path).item() for _ in range(3)] == [value] * 3
    assert reads == [path, path]


def test_change_of_a_returned_table_changes_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, pl.DataFrame({"a": [1]}), "key")
    read_table(path).with_columns(b=pl.lit(2))
    assert read_table(path).columns == ["a"]


def test_tables_used_longest_ago_go_first(tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{name}.parquet" for name in "abc"]
    for path in paths:
        write_table(path, pl.DataFrame({"a": range(100)}), "key")
    first = read_once(paths[0]).estimated_size()
    monkeypatch.setattr(table_cache._READ, "most", 2 * first)
    for path in (*paths, paths[2], paths[1], paths[0]):
        read_once(path)
    assert reads == [*paths, paths[0]]


def test_large_table_is_not_kept(tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_cache, "LARGEST_TABLE", 10)
    path = tmp_path / "a.parquet"
    write_table(path, pl.DataFrame({"a": range(100)}), "key")
    assert read_once(path).equals(read_once(path)) and reads == [path, path]


@pytest.mark.parametrize(("dtype", "again"), [(pl.String, 0), (pl.Categorical, 1)])
def test_table_of_this_process_is_read_only_where_a_file_may_change_it(
    tmp_path: Path, reads: list[Path], dtype: pl.DataType, again: int
) -> None:
    table = pl.DataFrame({"a": ["x"]}, {"a": dtype})
    for key in ("one", "two"):
        (kept,) = load_or_build_tables(tmp_path, ["slice"], "a", key, lambda: [table])
        assert kept.equals(table) and len(reads) == again * (2 if key == "two" else 1)


TABLES = [
    pl.DataFrame({"a": ["x", None, "ü\n"], "n": [1, None, 3], "v": [0.1 + 0.2, float("inf"), None],
                  "day": [date(2026, 1, 1), None, date(1, 1, 1)], "is": [True, None, False]}),
    pl.DataFrame(schema={"a": pl.String, "c": pl.Categorical, "v": pl.Float64}),
    pl.DataFrame({"c": ["x", "y"] * 40_000}, {"c": pl.Categorical}),
    pl.concat([pl.DataFrame({"a": ["x"]}), pl.DataFrame({"a": ["y"]})]),
]  # fmt: skip


def test_stream_returns_its_tables_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.stream"
    path.write_bytes(encode_stream(TABLES, {}))
    for before, after in zip(TABLES, read_stream(path), strict=True):
        assert after.equals(before) and after.schema == before.schema
    assert path.stat().st_size < 100_000, "a large table is compressed"


@pytest.mark.parametrize("table", TABLES)
def test_streamed_table_has_its_key_and_is_read_like_another(tmp_path: Path, table: pl.DataFrame) -> None:
    path = state_path(tmp_path, "finding", "a")
    assert path.suffix == ".stream"
    write_table(path, table, "key")
    assert table_key(path) == "key" and read_table(path).equals(table)
    (tmp_path / "b").mkdir()
    write_table(again := state_path(tmp_path / "b", "finding", "a"), table, "key")
    assert read_table(again, table.columns[-1:]).equals(table[table.columns[-1:]])


def test_streamed_table_that_is_not_whole_has_no_key(tmp_path: Path) -> None:
    whole = encode_stream(TABLES[:1], {"commonground_key": "key"})
    damaged = [b"", b"\n", b"{}\n", b"[1]\n", b"not JSON", whole[:20], whole[:-1], whole + b"x"]
    for number, content in enumerate([whole, *damaged]):
        path = tmp_path / f"{number}.stream"
        path.write_bytes(content)
        assert table_key(path) == (None if number else "key"), content


def test_table_in_the_form_of_another_version_is_removed(tmp_path: Path) -> None:
    paths = [state_path(tmp_path, kind, name) for kind in ("finding", "slice") for name in ("a", "gone")]
    other = [path.with_suffix(".parquet" if path.suffix == ".stream" else ".stream") for path in paths]
    for path in (*paths, *other):
        write_table(path, TABLES[0], "key")
    for kind in ("finding", "slice"):
        prune_tables(tmp_path, kind, {"a"})
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {paths[0], paths[2]}


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_once(tmp_path / "a.parquet")


def count_calls(most: int) -> tuple[Callable[..., int], list[tuple[int, str]]]:
    done: list[tuple[int, str]] = []

    @keep_results(most)
    def add(table: pl.DataFrame, name: str, days: frozenset[date] = frozenset()) -> int:
        done.append((table.height, name))
        return table.height + len(days)

    return add, done


def test_result_is_kept_for_the_very_same_table_and_an_equal_text() -> None:
    add, done = count_calls(4)
    table, day = pl.DataFrame({"a": [1]}), date(2026, 1, 1)
    assert [add(table, "".join(["x", "y"])) for _ in range(3)] == [1, 1, 1] and done == [(1, "xy")]
    assert add(table.clone(), "xy") == 1, "another table, although it is equal"
    assert add(table, "other") == 1
    assert [add(table, "xy", days=frozenset({day})), add(table, "xy", frozenset({day}))] == [2, 2]
    assert done == [(1, "xy"), (1, "xy"), (1, "other"), (1, "xy"), (1, "xy")]


def test_large_result_is_not_kept() -> None:
    done: list[int] = []

    @keep_results(4, len)
    def repeat(text: str, times: int) -> str:
        done.append(times)
        return text * times

    size = table_cache.LARGEST_TABLE
    assert [len(repeat("a", times)) for times in (size, size, size + 1, size + 1)] == [size, size, size + 1, size + 1]
    assert done == [size, size + 1, size + 1]


def test_oldest_result_goes_first() -> None:
    add, done = count_calls(2)
    tables = [pl.DataFrame({"a": range(number)}) for number in (1, 2, 3)]
    for table in (*tables, tables[1], tables[2], tables[0]):
        assert add(table, "a") == table.height
    assert done == [(1, "a"), (2, "a"), (3, "a"), (1, "a")]


def test_table_that_is_gone_leaves_no_result_for_a_new_one() -> None:
    add, done = count_calls(1)
    for number in range(1, 200):
        # Without a reference, Python gives a new table the place in memory of the last.
        assert add(pl.DataFrame({"a": range(number)}), "a") == number
    assert len(done) == 199


def test_results_of_a_table_are_forgotten_and_those_of_others_stay() -> None:
    add, done = count_calls(3)
    first, second = pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1, 2]})
    for _ in range(2):
        for table in (first, second):
            add(table, "a")
        forget_results(first)
    assert done == [(1, "a"), (2, "a"), (1, "a")]


def test_some_columns_come_from_the_kept_table_or_from_the_file(tmp_path: Path, reads: list[Path]) -> None:
    path, table = tmp_path / "a.parquet", pl.DataFrame({"a": [1], "b": [2], "c": [3]})
    write_table(path, table, "key")
    assert read_table(path, ["c", "a"]).equals(table.select("c", "a")) and reads == [path]
    assert read_table(path).equals(table) and reads == [path] * 2
    assert read_table(path, ["c", "a"]).equals(table.select("c", "a")) and reads == [path] * 2


def test_large_table_is_not_read_back_by_the_step_that_built_it(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_cache, "LARGEST_TABLE", 10)
    table = pl.DataFrame({"a": range(100)})
    (built,) = load_or_build_tables(tmp_path, ["slice"], "a", "key", lambda: [table])
    assert built.equals(table) and reads == []


def test_forgotten_tables_are_read_and_results_computed_again(tmp_path: Path, reads: list[Path]) -> None:
    add, done = count_calls(2)
    path = tmp_path / "a.parquet"
    write_table(path, pl.DataFrame({"a": [1]}), "key")
    kept = read_once(path)
    assert [add(kept, "a"), add(kept, "a")] == [1, 1] and done == [(1, "a")]
    table_cache.forget_tables()
    assert read_once(path).equals(kept) and read_once(path) is not kept and reads == [path, path]
    assert add(kept, "a") == 1 and done == [(1, "a")] * 2


def test_caches_of_their_own_are_emptied_with_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, calls = {"code": 1}, list[str]()
    monkeypatch.setattr(table_cache, "_CLEARED", [])
    table_cache.clear_between_steps(kept.clear)
    table_cache.clear_between_steps(lambda: calls.append("second"))
    assert kept and not calls
    table_cache.forget_tables()
    assert not kept and calls == ["second"]


def test_large_table_of_one_part_is_kept_until_it_is_forgotten_and_equals_its_file(tmp_path: Path) -> None:
    rows = table_cache.LARGEST_TABLE // 16
    texts = pl.Series("text", ["a", None], pl.Categorical).new_from_index(0, rows)
    part = pl.DataFrame({"n": range(rows), "text": texts, "blank": texts.clear().extend_constant(None, rows),
                         "figure": [None] * rows}, schema_overrides={"figure": pl.Float64})  # fmt: skip
    path, parted = state_path(tmp_path, "values", "one"), state_path(tmp_path, "values", "two")
    write_table_parts(path, [part], "key", is_one_part=True)
    write_table_parts(parted, [part.head(rows // 2), part.tail(-(rows // 2))], "key")
    stored, kept = pl.read_parquet(path), find_kept(path)
    assert kept is part and stored.schema == part.schema and stored.equals(part)
    assert find_kept(parted) is None and pl.read_parquet(parted).equals(part)
    forget_large_tables()
    assert find_kept(path) is None
    assert table_key(path) == table_key(parted) == "key"
