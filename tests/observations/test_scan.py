"""Observations from files of figures and the table of slices: whole rows, batches, filters and flags."""

from datetime import date
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from checks.flags import PLAUSIBILITY_FLAG
from pipelines.core.errors import UnreadableError
from pipelines.core.schema import OBSERVATION_COLUMNS, SLICE_COLUMNS, VALUE_COLUMNS, conform_table, table_from_records
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import release_path, write_table
from pipelines.observations.scan import OBSERVATION_SCHEMA, cut_batches, newest_of_slices, read_slices, scan_slices

NO_FLAGS = pl.DataFrame()
FIGURE: dict[str, Any] = {"place_label": "Place", "obs_status": "normal", "lower_bound": 0.5, "upper_bound": 99.5}


def days(month: int) -> dict[str, date]:
    return {"period_start": date(2023, month, 1), "period_end": date(2023, month, 28)}


def figure(measure: str, month: int, code: str, value: float | None, row: int, **more: Any) -> dict[str, Any]:
    return {**FIGURE, "measure": measure, "place_code": code, "value": value, "file_row": row, **days(month), **more}


FILES: dict[str, list[dict[str, Any]]] = {
    "one": [
        figure("m", 1, "A", 1.0, 2, caveats="late", caveat_evidence="Seen", published_marker="p"),
        figure("m", 1, "B", None, 3, obs_status="confidential", published_marker="c"),
        figure("m", 2, "A", 3.0, 4, interval_lower=2.0, interval_upper=4.0),
        figure("m", 2, "B", 4.0, 5),
        figure("n", 1, "A", 5.0, 6, file_column="own heading"),
    ],
    "two": [figure("m", 2, "A", 30.0, 2), figure("m", 3, "A", 31.0, 3, interval_upper=40.0)],
}
"""Figures of two releases, in order of measure, period and place."""


def make_store(home: Path) -> pl.DataFrame:
    """Write the files of figures of a source; return its slices in order of file and row."""
    slices = []
    for order, (name, figures) in enumerate(FILES.items()):
        rows = [{column: row.get(column) for column in VALUE_COLUMNS} for row in figures]
        schema = {column: kind.dtype for column, kind in VALUE_COLUMNS.items()}
        write_table(release_path(home, "values", "s", name), pl.DataFrame(rows, schema=schema), f"key of {name}")
        table = pl.DataFrame(rows, schema=schema).with_row_index("first_row").with_columns(
            pl.col("measure").cast(pl.String)
        )  # fmt: skip
        mine = table.group_by(SLICE_KEY, maintain_order=True).agg(pl.col("first_row").min(), pl.len().alias("rows"))
        slices += [
            {**row, "source": "s", "release": name, "order": order, "released_at": date(2024, order + 1, 1),
             "geography": "lad_2023", "unit": "things", "interval_level": 95.0, "file": f"{name}.csv",
             "file_column": None if row["measure"] == "n" else "heading", "values_file": f"{name}.parquet"}
            for row in mine.iter_rows(named=True)
        ]  # fmt: skip
    return conform_table(pl.DataFrame(slices, infer_schema_length=None), SLICE_COLUMNS)


def expected_rows() -> pl.DataFrame:
    """Return the observations of all slices, row by row."""
    rows = [
        {**row, "source": "s", "release": name, "released_at": date(2024, order + 1, 1), "geography": "lad_2023",
         "unit": "things", "file": f"{name}.csv", "file_column": row.get("file_column", "heading"),
         "interval_level": 95.0 if has else None, "interval_source": "published" if has else None}
        for order, (name, figures) in enumerate(FILES.items()) for row in figures
        for has in ["interval_lower" in row or "interval_upper" in row]
    ]  # fmt: skip
    order = [number for number, figures in enumerate(FILES.values()) for _ in figures]
    table = table_from_records(rows, OBSERVATION_COLUMNS)
    return table.with_columns(pl.Series("order", order, pl.Int64)).cast(OBSERVATION_SCHEMA)  # type: ignore[arg-type]


def test_slices_are_read_as_whole_rows_in_their_order(tmp_path: Path) -> None:
    slices = make_store(tmp_path)
    assert slices["rows"].to_list() == [2, 2, 1, 1, 1]
    actual = read_slices(tmp_path, slices, list(OBSERVATION_SCHEMA), NO_FLAGS)
    assert actual.rows(named=True) == expected_rows().rows(named=True)
    assert actual.schema == OBSERVATION_SCHEMA
    some = read_slices(tmp_path, slices[[4, 1, 0]], ["value", "release", "file_row"], NO_FLAGS)
    assert some.rows() == [(31.0, "two", 3), (3.0, "one", 4), (4.0, "one", 5), (1.0, "one", 2), (None, "one", 3)]


@pytest.mark.parametrize("encoded", [False, True])
def test_some_slices_have_the_rows_that_all_have(tmp_path: Path, encoded: bool) -> None:
    """Slices that share a unit, a release or a heading, or have no interval, are read as those that do not."""
    slices = make_store(tmp_path)
    whole = read_slices(tmp_path, slices, list(OBSERVATION_SCHEMA), NO_FLAGS, encoded=encoded)
    ends = slices["rows"].cum_sum().to_list()
    for first, last in combinations_with_replacement(range(6), 2):
        start, end = [0, *ends][first], [0, *ends][last]
        for columns in (list(OBSERVATION_SCHEMA), *([name] for name in OBSERVATION_SCHEMA)):
            part = read_slices(tmp_path, slices[first:last], columns, NO_FLAGS, encoded=encoded)
            assert part.rows() == whole[start:end].select(columns).rows()
            assert part.schema == whole.select(columns).schema


@pytest.mark.parametrize(
    "columns",
    [["interval_level"], ["interval_source"], ["file_column"], ["order", "unit"], ["caveats"], ["value", "file_row"]],
)
def test_each_column_is_read_alone_as_with_others(tmp_path: Path, columns: list[str]) -> None:
    slices = make_store(tmp_path)
    assert read_slices(tmp_path, slices, columns, NO_FLAGS).equals(expected_rows().select(columns))


def test_encoded_texts_are_the_same_texts(tmp_path: Path) -> None:
    slices = make_store(tmp_path)
    coded = read_slices(tmp_path, slices, list(OBSERVATION_SCHEMA), NO_FLAGS, encoded=True)
    assert coded.schema["place_code"] == coded.schema["release"] == pl.Categorical
    assert isinstance(coded.schema["obs_status"], pl.Enum)
    assert coded.cast(OBSERVATION_SCHEMA).rows() == expected_rows().rows()  # type: ignore[arg-type]


def flags(*rows: tuple[str, str, str, int, str, str]) -> pl.DataFrame:
    return table_from_records(
        [{"release": release, "measure": measure, "place_code": code, **days(month), "reason": reason, "evidence": text}
         for release, measure, code, month, reason, text in rows],
        PLAUSIBILITY_FLAG,
    )  # fmt: skip


@pytest.mark.parametrize("encoded", [False, True])
def test_flags_become_caveats_of_their_figure_alone(tmp_path: Path, encoded: bool) -> None:
    slices = make_store(tmp_path)
    doubt = flags(("one", "m", "A", 1, "implausible", "Odd"), ("two", "m", "A", 2, "rounded", "Round"))
    actual = read_slices(tmp_path, slices, ["value", "caveats", "caveat_evidence"], doubt, encoded=encoded)
    assert actual.rows() == [
        (1.0, "late,implausible", "Seen. Odd"), (None, None, None), (3.0, None, None), (4.0, None, None),
        (5.0, None, None), (30.0, "rounded", "Round"), (31.0, None, None),
    ]  # fmt: skip
    alone = read_slices(tmp_path, slices, ["caveat_evidence"], doubt, encoded=encoded)
    assert alone.columns == ["caveat_evidence"] and alone["caveat_evidence"].null_count() == 5
    assert read_slices(tmp_path, slices, ["value"], doubt, encoded=encoded).columns == ["value"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_view_gives_the_same_rows_in_batches_of_any_size(
    tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.observations.scan.ROWS_PER_BATCH", limit)
    slices, every = make_store(tmp_path), expected_rows()
    view = scan_slices(tmp_path, slices, NO_FLAGS)
    assert view.collect().rows() == every.rows()
    for number in range(9):
        assert view.head(number).collect().rows() == every.head(number).rows()
    second = pl.col("period_start") == date(2023, 2, 1)
    assert view.filter(second).collect().rows() == every.filter(second).rows()
    large = pl.col("value") > 3
    assert view.filter(large).select("release").collect().rows() == every.filter(large).select("release").rows()
    assert view.filter(large & second).head(2).collect().rows() == every.filter(large & second).head(2).rows()
    assert view.select(pl.col("value").sum()).collect().item() == every["value"].sum()
    assert view.select(pl.len()).collect().item() == every.height
    assert scan_slices(tmp_path, slices.clear(), NO_FLAGS).collect().is_empty()


@pytest.mark.parametrize(("limit", "heights"), [(1, [1, 1, 1, 1, 1]), (3, [2, 2, 1]), (4, [2, 3]), (100, [5])])
def test_batches_are_whole_slices_of_limited_rows(
    tmp_path: Path, limit: int, heights: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.observations.scan.ROWS_PER_BATCH", limit)
    slices = make_store(tmp_path)
    batches = cut_batches(slices)
    assert [batch.height for batch in batches] == heights
    assert pl.concat(batches).equals(slices)


def test_newest_release_of_each_measure_and_period_is_in_use(tmp_path: Path) -> None:
    slices = make_store(tmp_path)
    other = slices.filter(pl.col("release") == "one").with_columns(source=pl.lit("r"))
    newest = newest_of_slices(pl.concat([slices, other]))
    assert newest.select("source", "measure", pl.col("period_start").dt.month(), "release").rows() == [
        ("r", "m", 1, "one"), ("r", "m", 2, "one"), ("r", "n", 1, "one"),
        ("s", "m", 1, "one"), ("s", "m", 2, "two"), ("s", "m", 3, "two"), ("s", "n", 1, "one"),
    ]  # fmt: skip


def test_adjacent_slices_of_a_file_are_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slices, scan = make_store(tmp_path), pl.scan_parquet
    opened: list[str] = []

    def count(path: Path) -> pl.LazyFrame:
        opened.append(path.stem)
        return scan(path)

    monkeypatch.setattr(pl, "scan_parquet", count)
    read_slices(tmp_path, slices, ["value"], NO_FLAGS)
    read_slices(tmp_path, slices[[0, 2]], ["value"], NO_FLAGS)
    assert opened == ["one", "two", "one", "one"]


def test_missing_file_of_figures_is_named(tmp_path: Path) -> None:
    slices = make_store(tmp_path)
    (path := release_path(tmp_path, "values", "s", "two")).unlink()
    assert read_slices(tmp_path, slices.head(3), ["value"], NO_FLAGS).height == 5
    with pytest.raises(UnreadableError, match=f"{path.name}: the table of slices names this file"):
        read_slices(tmp_path, slices, ["value"], NO_FLAGS)
