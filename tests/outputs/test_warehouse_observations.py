"""Observations of the analyst's file: the same rows as stored, with and without those of superseded releases."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.outputs import warehouse_observations
from pipelines.outputs.warehouse_observations import FIGURE_COLUMNS, SliceBatch, create_observations, fill_observations

DAYS = (date(2025, 1, 1), date(2025, 2, 1))
PLACES = ("E06000001", "E06000002", "E06000003")
FIRST, SECOND = DAYS


def _release(number: int, months: tuple[int, ...]) -> pl.DataFrame:
    """Return one release of a source: each place and month, with a gap, a marker and an interval."""
    rows = [
        {
            "source": "s", "release": str(number), "released_at": DAYS[number], "measure": "m", "place_code": place,
            "geography": "lad_2023", "place_label": place.lower(), "period_start": date(2024, month, 1),
            "period_end": date(2024, month, 28), "value": None if place == PLACES[2] else number * 100.0 + month,
            "lower_bound": _lower_bound(number, month, n), "upper_bound": number * 100.0 + month if n < 2 else 4.0,
            "interval_lower": 1.0 if month == 1 else None, "interval_level": 95.0 if month == 1 else None,
            "obs_status": "confidential" if place == PLACES[2] else "normal", "unit": "u",
            "published_marker": "c" if place == PLACES[2] else None, "file": f"{number}.csv", "file_row": n,
            "file_column": "value",
        }
        for month in months
        for n, place in enumerate(PLACES)
    ]  # fmt: skip
    return conform_table(pl.DataFrame(rows, infer_schema_length=None), OBSERVATION_COLUMNS)


def _lower_bound(number: int, month: int, place: int) -> float | None:
    """Return a bound equal to the figure, none, or the bound of a gap."""
    return (None, number * 100.0 + month, 1.0)[place]


OLD, NEW = _release(0, (1, 2, 3)), _release(1, (2, 3))
IN_USE = pl.concat([OLD.filter(pl.col("period_start") == date(2024, 1, 1)), NEW])
SUPERSEDED = OLD.filter(pl.col("period_start") > date(2024, 1, 1))
ORDER = ("release", "period_start", "place_code")


def _file(has_history: bool) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("create table releases (source text, release text, released_at date, release_order bigint)")
    con.execute(f"insert into releases values ('s', '0', '{FIRST}', 0), ('s', '1', '{SECOND}', 1)")
    old, new = batch_of(OLD, {1}, has_history), batch_of(NEW, {2, 3}, has_history)
    create_observations(con)
    fill_observations(con, [old, new, SliceBatch(*(table.clear() for table in new))])
    return con


def batch_of(release: pl.DataFrame, months_in_use: set[int], has_history: bool) -> SliceBatch:
    """Return the slices of a release, those that the file stores, and their figures as the store encodes them."""
    constant = ("source", "release", "released_at", "measure", "period_end", "geography", "unit", "file")
    slices = release.group_by("period_start", maintain_order=True).agg(
        *(pl.col(name).first() for name in constant), pl.len().cast(pl.Int64).alias("rows")
    )
    slices = slices.with_columns(
        pl.col("period_start").dt.month().is_in(list(months_in_use)).alias("in_use"),
        pl.col("release").alias("values_file"),
        (pl.col("rows").cum_sum() - pl.col("rows")).alias("first_row"),
    )
    stored = slices if has_history else slices.filter("in_use")
    figures = release.join(stored, on="period_start", how="semi", maintain_order="left").select(FIGURE_COLUMNS)
    return SliceBatch(slices, stored, figures.with_columns(pl.col("place_code", "place_label").cast(pl.Categorical)))


@pytest.fixture(params=[True, False], ids=["all releases", "releases in use"])
def has_history(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def con(has_history: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    with _file(has_history) as connection:
        yield connection


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return con.sql(query).pl().sort(ORDER).select(list(OBSERVATION_COLUMNS)).rows()


def expected(*tables: pl.DataFrame) -> list[tuple[object, ...]]:
    return pl.concat(tables).sort(ORDER).rows()


def test_view_has_every_column_and_row_as_stored(con: duckdb.DuckDBPyConnection, has_history: bool) -> None:
    assert rows(con, "from observations") == expected(*([OLD, NEW] if has_history else [IN_USE]))
    assert con.sql("from observations").columns == list(OBSERVATION_COLUMNS)


def test_every_slice_is_listed_with_its_rows_and_use(con: duckdb.DuckDBPyConnection, has_history: bool) -> None:
    slices = con.sql("from observation_slices order by slice").pl()
    assert slices["rows"].to_list() == [3] * 5 and slices["in_use"].to_list() == [True, False, False, True, True]
    assert slices["in_file"].to_list() == [has_history or used for used in slices["in_use"]]


def test_figures_known_on_a_day_come_from_the_file_and_its_folder(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    SUPERSEDED.write_parquet(tmp_path / "s.parquet")
    assert rows(con, f"from as_known_at(date '{FIRST}', '{tmp_path}')") == expected(OLD)
    assert rows(con, f"from as_known_at(date '{SECOND}', '{tmp_path}')") == expected(IN_USE)
    assert rows(con, f"from as_known_at(date '{SECOND}')") == expected(IN_USE)
    assert rows(con, f"from superseded_observations('{tmp_path}')") == expected(SUPERSEDED)


def test_file_without_its_folder_says_what_to_copy() -> None:
    with _file(has_history=True) as con:
        assert rows(con, f"from as_known_at(date '{FIRST}')") == expected(OLD)
    with _file(has_history=False) as con, pytest.raises(duckdb.InvalidInputException) as error:
        con.sql(f"select * from as_known_at(date '{FIRST}')").fetchall()
    assert "This file lacks figures that were known on 2025-01-01 (slices: 2)" in str(error.value)
    assert "Copy that folder too, and add its path: select * from as_known_at(date '2025-01-01', 'PATH/" in str(
        error.value
    )


@pytest.mark.parametrize(("most", "inserted"), [(1, 3), (10, 2), (250_000, 1)])
def test_batches_inserted_together_give_the_same_tables(
    monkeypatch: pytest.MonkeyPatch, most: int, inserted: int
) -> None:
    expected = _file(True)
    calls = list[str]()
    insert = warehouse_observations._insert

    def count(con: duckdb.DuckDBPyConnection, statement: str, table: pl.DataFrame) -> None:
        calls.append(statement)
        insert(con, statement, table)

    monkeypatch.setattr(warehouse_observations, "_BATCH_ROWS", most)
    monkeypatch.setattr(warehouse_observations, "_insert", count)
    actual = _file(True)
    assert calls.count("insert into observation_figures from incoming") == inserted
    for name in warehouse_observations.STORED_TABLES:
        rows = expected.table(name).fetchall()
        assert rows and actual.table(name).fetchall() == rows


def test_places_that_every_slice_repeats_are_numbered_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, numbers = batch_of(OLD, {1}, has_history=True), warehouse_observations.Numbers(1, 5, 2)
    repeated = warehouse_observations.split_batch(batch, numbers)
    monkeypatch.setattr(warehouse_observations, "count_repeated_texts", lambda *_: None)
    for actual, other in zip(repeated, warehouse_observations.split_batch(batch, numbers), strict=True):
        assert_frame_equal(actual, other)
