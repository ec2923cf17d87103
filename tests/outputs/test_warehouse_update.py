"""The analyst's file after changes of some parts: the same as one made from nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.schema import CELL_COLUMNS, FINDING_COLUMNS, conform_table
from pipelines.core.store import output_path
from pipelines.gaps import RANK
from pipelines.outputs.warehouse import (
    FILE_RECORD,
    FileContent,
    StackedTable,
    _make_rows,
    column_meanings,
    write_warehouse,
)
from pipelines.outputs.warehouse_observations import STORED_TABLES, Rows, SliceBatch
from tests.breadth import wide
from tests.outputs.test_warehouse_observations import NEW, OLD, batch_of

VIEWS = ("gaps", "source_status", "observations", "observation_rows")
DATES = ("newest_period_end", "next_due")
NUMBERED = {"slice", "place", "mark"}
STACKED = {"cells": ("problem", CELL_COLUMNS), "ranks": ("problem", RANK), "findings": ("source", FINDING_COLUMNS)}
State = dict[str, int]
"""What each part of the file shows: a number, or for observations the number of releases."""


def _rows(table: str, part: str, shown: int) -> pl.DataFrame:
    """Return as many rows of a problem or source in a table that stacks them."""
    named_by, columns = STACKED[table]
    rows = [{named_by: part, "measure": f"{table} {shown}", "reason": "not_loaded", "need": "needed"}] * shown
    return conform_table(pl.DataFrame(rows, schema=["problem", "source", "measure", "reason", "need"]), columns)


def _frame(table: str, shown: int) -> pl.DataFrame:
    columns = column_meanings()[table]
    row = {name: None if name in DATES else f"{table} {shown}" for name in columns}
    return pl.DataFrame([row] * shown, schema={name: pl.Date if name in DATES else pl.String for name in columns})


def _observations(source: str, releases: int) -> Iterator[SliceBatch]:
    for release, months in ((OLD, {1}), (NEW, {2, 3}))[:releases]:
        one = batch_of(release.with_columns(pl.lit(source).alias("source")), months, True)
        yield one


def _content(state: State, read: Callable[[str], object] = str, form: str = "1") -> FileContent:
    """Return the content of the file for a state; `read` is called with each part that is read."""

    def reader(name: str) -> Callable[[], pl.DataFrame]:
        return lambda: (read(name), _frame(name, state.get(name, 0)))[1]

    def view(name: str) -> Callable[[], pl.DataFrame]:
        return lambda: (read(name), pl.DataFrame({"n": range(state[name])}))[1]

    def slices(name: str) -> Callable[[], Iterator[SliceBatch]]:
        return lambda: (read(name), _observations(name.removeprefix("observations "), state[name]))[1]

    def rows(name: str) -> Callable[[], Rows]:
        def read_rows() -> Rows:
            read(name)
            table = _rows(*name.split(" "), state[name])
            return table.iter_slices(2) if name.startswith("ranks ") else table

        return read_rows

    def parts_of(table: str) -> list[str]:
        return [name for name in state if name.startswith(f"{table} ")]

    tables = [name for name in column_meanings() if name not in (*VIEWS, *STORED_TABLES, *STACKED)]
    problems = [name for name in state if name.startswith("problem.")]
    parts = [name for name in state if " " in name]
    return FileContent(
        {"form": form, **{name: str(state.get(name, 0)) for name in (*tables, *problems, *parts)}},
        {**{name: reader(name) for name in tables}, **{name: view(name) for name in problems}},
        {
            table: StackedTable(columns, by, {name.split(" ")[1]: rows(name) for name in parts_of(table)})
            for table, (by, columns) in STACKED.items()
        },
        {name: ("Question", {"n": "Number"}) for name in problems},
        {name.split(" ")[1]: slices(name) for name in parts_of("observations")},
    )


def _read_file(home: Path) -> dict[str, object]:
    """Return the rows of all tables and views, without the numbers that join them, and all comments."""
    with duckdb.connect(str(output_path(home, "commonground.duckdb")), read_only=True) as con:
        names = con.sql("select table_schema || '.' || table_name from information_schema.tables").fetchall()
        rows_by_name: dict[str, object] = {}
        for (name,) in names:
            frame = con.sql(f"select * from {name}").pl()
            frame = frame.drop(NUMBERED & set(frame.columns))
            if name.removeprefix("main.") not in STORED_TABLES:
                rows_by_name[name] = sorted(frame.rows(), key=repr)
        rows_by_name["comments"] = con.sql(
            "select schema_name, table_name, column_name, comment from duckdb_columns() where not internal order by all"
        ).fetchall()
    return rows_by_name


def test_rows_are_made_from_several_parts_together() -> None:
    table = StackedTable({}, "problem", {}, lambda frame: frame.with_columns(pl.len().alias("rows")))
    made = _make_rows(table, [pl.DataFrame({"a": [1]}), iter([pl.DataFrame({"a": [2, 3]})])])
    assert [frame.rows() for frame in made if isinstance(frame, pl.DataFrame)] == [[(1, 3), (2, 3), (3, 3)]]


PARTS = (
    *("measures", "problem.a", "problem.b", "observations s", "observations t"),
    *("cells a", "cells b", "ranks a", "findings s", "findings t"),
)
STATES = st.dictionaries(st.sampled_from(PARTS), st.integers(0, 2), min_size=2)


@wide
@settings(max_examples=settings.default.max_examples // 7)  # type: ignore[union-attr]
@given(st.lists(STATES, min_size=2, max_size=4))
def test_changes_one_after_another_give_the_file_made_from_nothing(states: list[State]) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        record = FILE_RECORD.to_frame()
        for state in states:
            record = write_warehouse(Path(one), ["s"], _content(state), record)
        write_warehouse(Path(other), ["s"], _content(states[-1]), FILE_RECORD.to_frame())
        assert _read_file(Path(one)) == _read_file(Path(other))


FULL: State = {"measures": 1, "problem.a": 1, "cells a": 1, "cells b": 2, "observations s": 1, "observations t": 2}


def test_parts_with_the_same_key_are_not_read_again(tmp_path: Path) -> None:
    record, read = write_warehouse(tmp_path, ["s"], _content(FULL), FILE_RECORD.to_frame()), list[str]()
    changed = {**FULL, "measures": 2, "cells b": 3, "observations s": 2}
    write_warehouse(tmp_path, ["s"], _content(changed, read.append), record)
    assert sorted(read) == ["cells b", "measures", "observations s"]


def test_a_file_of_another_form_is_made_from_nothing(tmp_path: Path) -> None:
    record, read = write_warehouse(tmp_path, ["s"], _content(FULL), FILE_RECORD.to_frame()), list[str]()
    write_warehouse(tmp_path, ["s"], _content(FULL, read.append, form="2"), record)
    assert set(FULL) <= set(read)


def test_rows_of_a_problem_that_is_gone_leave_the_file(tmp_path: Path) -> None:
    record = write_warehouse(tmp_path, ["s"], _content(FULL), FILE_RECORD.to_frame())
    write_warehouse(tmp_path, ["s"], _content({name: n for name, n in FULL.items() if name != "cells b"}), record)
    with duckdb.connect(str(output_path(tmp_path, "commonground.duckdb")), read_only=True) as con:
        assert (
            con.sql("select problem from cells").fetchall()
            == con.sql("select problem from gaps").fetchall()
            == [("a",)]
        )


def test_a_file_that_a_user_changed_is_made_from_nothing(tmp_path: Path) -> None:
    record, read = write_warehouse(tmp_path, ["s"], _content(FULL), FILE_RECORD.to_frame()), list[str]()
    with duckdb.connect(str(output_path(tmp_path, "commonground.duckdb"))) as con:
        con.execute("create table mine as select 1 as n")
    write_warehouse(tmp_path, ["s"], _content(FULL, read.append), record)
    assert set(FULL) <= set(read) and "main.mine" not in _read_file(tmp_path)


@wide
def test_a_record_of_another_file_is_not_used(tmp_path: Path) -> None:
    """A build that ends before it writes its record leaves the record of the file before."""
    earlier = write_warehouse(tmp_path, ["s"], _content(FULL), FILE_RECORD.to_frame())
    write_warehouse(tmp_path, ["s"], _content({**FULL, "measures": 2}), earlier)
    write_warehouse(tmp_path, ["s"], _content(FULL), earlier)
    assert len(_read_file(tmp_path)["main.measures"]) == 1  # type: ignore[arg-type]


@wide
def test_a_release_that_is_gone_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    record, read = write_warehouse(tmp_path, ["s"], _content(FULL), FILE_RECORD.to_frame()), list[str]()
    write_warehouse(tmp_path, ["s"], _content({**FULL, "observations t": 1}, read.append), record)
    assert set(FULL) <= set(read)


@wide
def test_file_does_not_grow_with_each_change(tmp_path: Path) -> None:
    record, sizes = FILE_RECORD.to_frame(), []
    for number in range(12):
        record = write_warehouse(
            tmp_path, ["s"], _content({**FULL, "measures": 1 + number % 2, "cells a": 1 + number % 2}), record
        )
        sizes.append(output_path(tmp_path, "commonground.duckdb").stat().st_size)
    assert max(sizes) <= 3 * sizes[0]
