"""Numbers of slices, places and marks in the analyst's file: whole tables, batches and the removal of a source."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import OBSERVATION_COLUMNS
from pipelines.outputs import warehouse_observations
from pipelines.outputs.warehouse_observations import (
    _BATCH_ROWS,
    _MANY_ROWS,
    FIGURE_COLUMNS,
    MAX_OBSERVATIONS,
    Numbers,
    SliceBatch,
    _is_constant,
    _join_parts,
    _number_places,
    _number_rows,
    batch_parts,
    create_observations,
    fill_observations,
    remove_observations,
    split_batch,
)

DAY = date(2025, 1, 1)
SCHEMA = {name: OBSERVATION_COLUMNS[name].dtype for name in FIGURE_COLUMNS}


def figures_of(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"place_code": "A", "place_label": "a", "obs_status": "normal", "value": 1.0, "file_row": 1}
    return pl.DataFrame([{**usual, **row} for row in rows], schema=SCHEMA)


def slices_of(*rows: int, source: str = "s", **said: Any) -> pl.DataFrame:
    """Return slices of months with some rows each."""
    own = [
        {"source": source, "release": "r", "released_at": DAY, "measure": "m", "period_start": date(2024, n + 1, 1),
         "period_end": date(2024, n + 1, 28), "geography": "g", "unit": "u", "file": "f.csv", "rows": number,
         "in_use": True, "values_file": "v", "first_row": sum(rows[:n]), **said}
        for n, number in enumerate(rows)
    ]  # fmt: skip
    return pl.DataFrame(own)


def batch_of(slices: pl.DataFrame, *rows: dict[str, Any]) -> SliceBatch:
    return SliceBatch(slices, slices, figures_of(*rows))


def test_limits_of_the_file_are_whole_numbers_of_rows() -> None:
    assert (MAX_OBSERVATIONS, _MANY_ROWS, _BATCH_ROWS) == (5_000_000, 32_768, 250_000)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], True), ([1.0], True), ([1.0, 1.0, 1.0], True), ([1.0, 1.0, 2.0], False), ([2.0, 1.0, 1.0], False),
     ([None, None, None], True), ([1.0, None, 1.0], False), (["a", "a", "a"], True), (["a", "b", "a"], False)],
)  # fmt: skip
@pytest.mark.parametrize("many", [0, 1, 3, 4, 1 << 15])
def test_column_is_constant_however_many_rows_it_has(
    values: list[Any], expected: bool, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_observations, "_MANY_ROWS", many)
    column = pl.Series(values, dtype=None if values else pl.Float64)
    assert _is_constant(column) is expected
    if isinstance(values[:1] and values[0], str):
        assert _is_constant(column.cast(pl.Categorical)) is expected


TABLE = pl.DataFrame({
    "text": ["b", "a", None, "b", "a", None], "same": ["x"] * 6, "level": [95.0, 95.0, None, 90.0, 95.0, None],
    "sure": [True, False, True, True, False, True],
})  # fmt: skip


@pytest.mark.parametrize("first", [0, 7])
def test_distinct_rows_are_numbered_in_order_of_their_first(first: int) -> None:
    def numbered(*columns: str) -> tuple[list[int], pl.DataFrame]:
        numbers, rows = _number_rows(TABLE, columns, "n", first)
        assert numbers.name == "n" and numbers.dtype == pl.UInt32
        assert rows["n"].to_list() == list(range(first, first + rows.height)) and rows.columns == ["n", *columns]
        assert TABLE.select(columns).rows() == [rows.drop("n").row(number - first) for number in numbers]
        return [number - first for number in numbers], rows

    assert numbered("text", "same")[0] == [0, 1, 2, 0, 1, 2]
    assert numbered("text", "sure")[0] == [0, 1, 2, 0, 1, 2]
    assert numbered("text", "level")[0] == [0, 1, 2, 3, 1, 2]
    assert numbered("level")[0] == [0, 0, 1, 2, 0, 1]
    assert numbered("same")[0] == [0] * 6 and numbered("same")[1].height == 1
    nothing, none = _number_rows(TABLE.clear(), ("text", "same"), "n", first)
    assert nothing.len() == none.height == 0


def test_many_combinations_of_few_rows_are_numbered_alike() -> None:
    """The numbers of the combinations then have gaps."""
    rng = np.random.default_rng(1)
    table = pl.DataFrame({name: [f"{name}{n}" for n in rng.integers(0, 40, 50)] for name in "abcd"})
    numbers, rows = _number_rows(pl.concat([table, table.reverse()]), tuple("abcd"), "n", 3)
    assert pl.concat([table, table.reverse()]).rows() == [rows.drop("n").row(number - 3) for number in numbers]
    assert_frame_equal(rows.drop("n"), table.unique(maintain_order=True))


def test_places_that_slices_repeat_are_numbered_once() -> None:
    def numbered(codes: str, labels: str, *rows: int) -> tuple[list[int], int]:
        figures = figures_of(*({"place_code": code, "place_label": label}
                               for code, label in zip(codes, labels, strict=True)))  # fmt: skip
        numbers, places = _number_places(figures, np.array(rows), 4)
        assert places.columns == ["place", "place_code", "place_label"]
        keys = [places.row(number - 4)[1:] for number in numbers]
        assert keys == list(zip(codes, labels, strict=True)) and numbers.dtype == pl.UInt32
        return numbers.to_list(), places.height

    assert numbered("ABAB", "abab", 2, 2) == ([4, 5, 4, 5], 2)
    assert numbered("ABCABC", "aaaaaa", 3, 3) == ([4, 5, 6] * 2, 3)
    assert numbered("ABBA", "abba", 2, 2) == ([4, 5, 5, 4], 2)
    assert numbered("ABABA", "ababa", 2, 3) == ([4, 5, 4, 5, 4], 2)
    assert numbered("ABAB", "abcd", 2, 2) == ([4, 5, 6, 7], 4)
    assert numbered("ABCB", "aaaa", 2, 2) == ([4, 5, 6, 5], 3)
    assert numbered("ABA", "aba", 3) == ([4, 5, 4], 2)


def test_batch_is_split_into_numbered_tables_with_bounds_left_out_where_they_are_the_figure() -> None:
    rows = [
        {"value": 5.0, "lower_bound": 5.0, "upper_bound": 5.0},
        {"place_code": "B", "value": 5.0, "lower_bound": 4.0, "upper_bound": 5.0},
        {"value": 5.0, "lower_bound": 5.0, "upper_bound": 6.0}, {"place_code": "B", "value": 5.0, "upper_bound": 5.0},
        {"place_code": "C", "value": None, "lower_bound": 1.0, "upper_bound": 1.0, "obs_status": "low"},
    ]  # fmt: skip
    slices, places, marks, figures = split_batch(batch_of(slices_of(2, 2, 1), *rows), Numbers(3, 5, 7))
    assert slices.select("slice", "rows", "in_use", "in_file").rows() == [
        (3, 2, True, True), (4, 2, True, True), (5, 1, True, True),
    ]  # fmt: skip
    assert places.rows() == [(5, "A", "a"), (6, "B", "a"), (7, "C", "a")]
    assert marks.select("mark", "obs_status", "is_exact").rows() == [(7, "normal", True), (8, "normal", False),
                                                                     (9, "low", False)]  # fmt: skip
    assert figures.select("slice", "place", "mark", "value", "lower_bound", "upper_bound").rows() == [
        (3, 5, 7, 5.0, None, None), (3, 6, 8, 5.0, 4.0, 5.0), (4, 5, 8, 5.0, 5.0, 6.0), (4, 6, 8, 5.0, None, 5.0),
        (5, 7, 9, None, 1.0, 1.0),
    ]  # fmt: skip


def test_slices_that_are_not_stored_are_listed_without_figures() -> None:
    slices = slices_of(1, 2, 1)
    stored = slices[[1]]
    own, *_, figures = split_batch(SliceBatch(slices, stored, figures_of({}, {"place_code": "B"})), Numbers(0, 0, 0))
    assert own["in_file"].to_list() == [False, True, False] and figures["slice"].to_list() == [1, 1]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create table releases (source text, release text, released_at date, release_order bigint)")
        create_observations(connection)
        yield connection


def numbers_in(con: duckdb.DuckDBPyConnection) -> list[list[int]]:
    return [
        [row[0] for row in con.sql(f"select {name} from observation_{table} order by 1").fetchall()]
        for name, table in (("slice", "slices"), ("place", "places"), ("mark", "marks"), ("slice", "figures"))
    ]


def test_batches_are_numbered_after_each_other_and_a_source_is_removed_whole(con: duckdb.DuckDBPyConnection) -> None:
    assert numbers_in(con) == [[], [], [], []]
    rows = ({}, {"place_code": "B", "obs_status": "low"})
    first, second = (batch_of(slices_of(1, 1, source=name), *rows) for name in ("s", "t"))
    fill_observations(con, [first, first])
    fill_observations(con, [second])
    fill_observations(con, [])
    assert numbers_in(con) == [[0, 1, 2, 3, 4, 5]] * 4
    remove_observations(con, "none")
    assert numbers_in(con) == [[0, 1, 2, 3, 4, 5]] * 4
    remove_observations(con, "s")
    assert numbers_in(con) == [[4, 5]] * 4
    fill_observations(con, [first])
    assert numbers_in(con) == [[4, 5, 6, 7]] * 4
    remove_observations(con, "t")
    assert numbers_in(con) == [[6, 7]] * 4
    assert con.sql("select distinct source from observation_slices").fetchall() == [("s",)]


@pytest.mark.parametrize(("least", "joined"), [(1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (4, [3])])
def test_batches_are_joined_up_to_a_number_of_figures(
    least: int, joined: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_observations, "_BATCH_ROWS", least)
    tables = list(split_batch(batch_of(slices_of(1), {}), Numbers(0, 0, 0)))
    assert [figures.height for *_, figures in _join_parts([tables] * 3)] == joined
    assert list(_join_parts([])) == []


def sizes(parts: list[Any], least: int) -> list[Any]:
    """Return the rows of each batch, and the names of files."""
    return [
        part["n"].to_list() if isinstance(part, pl.DataFrame) else [path.name for path in part]
        for part in batch_parts(iter(parts), least)
    ]


def test_frames_are_joined_up_to_a_number_of_rows_and_files_stay_apart() -> None:
    one, two, three = (pl.DataFrame({"n": list(range(number))}) for number in (1, 2, 3))
    assert sizes([], 2) == [] and sizes([one], 2) == [[0]]
    assert sizes([one, one, one], 2) == [[0, 0], [0]] and sizes([two, one, one], 2) == [[0, 1], [0, 0]]
    assert sizes([three, one], 4) == [[0, 1, 2, 0]] and sizes([iter([one, two]), one, three], 3) == [
        [0, 0, 1], [0, 0, 1, 2],
    ]  # fmt: skip
    files = [Path("a"), Path("b")]
    assert sizes([one, *files, two, Path("c")], 9) == [[0], ["a", "b"], [0, 1], ["c"]]
