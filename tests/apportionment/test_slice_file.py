"""Files of slices: figures are apportioned as from any frame, and other files are rejected."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.apportionment.counts import apportion_counts
from pipelines.apportionment.slice_file import apportion_slices, write_slices
from pipelines.core.errors import CrosswalkError, UnreadableError
from tests.apportionment.test_counts import FIGURES, PAIRS, START, crosswalks, slices

END = date(2020, 12, 31)
CROSSWALK = pl.DataFrame([("A", "X", 1.0, 1.0), ("B", "X", 0.5, 2.0), ("B", "Y", 0.5, 2.0)], PAIRS, orient="row")


def figures(*rows: tuple[str, float | None]) -> pl.DataFrame:
    """Build one slice of figures by place."""
    result = [("one", START, END, code, value, None, None, "normal") for code, value in rows]
    return pl.DataFrame(result, FIGURES, orient="row")


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 5), st.booleans())
def test_slices_are_apportioned_as_frames_are(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, size: int, signed: bool
) -> None:
    path = tmp_path_factory.mktemp("slices") / "figures.parquet"
    crosswalk = data.draw(crosswalks())
    codes = sorted(crosswalk["from_code"].drop_nulls().unique())
    observed = data.draw(slices(codes, -20 if signed else 5))
    # A file can have fewer places than the crosswalk.
    stored = sorted(set(observed["place_code"]) | set(data.draw(st.lists(st.sampled_from(codes)))))
    batches = [observed.slice(start, size) for start in range(0, observed.height, size)]
    assert write_slices(batches, stored, path) == observed["measure"].n_unique()
    moved = pl.concat(apportion_slices(path, crosswalk, signed=signed))
    assert moved.equals(apportion_counts(observed, crosswalk, signed=signed))


def test_place_without_a_row_is_missing_and_not_zero(tmp_path: Path) -> None:
    write_slices([figures(("B", 4.0))], ["A", "B"], tmp_path / "f.parquet")
    moved = pl.concat(apportion_slices(tmp_path / "f.parquet", CROSSWALK))
    assert moved.select("place_code", "value", "partial", "missing").rows() == [("X", None, 2.0, 1), ("Y", 2.0, 2.0, 0)]
    assert pl.read_parquet(tmp_path / "f.parquet")["value"].to_list() == [None, 4.0]


def released(*days: date) -> list[pl.DataFrame]:
    """Build releases of one slice, each with a figure one higher."""
    return [
        figures(("A", float(n)), ("B", 2.0)).with_columns(pl.lit(day).alias("released_at"))
        for n, day in enumerate(days)
    ]


def test_newest_release_of_a_slice_is_apportioned(tmp_path: Path) -> None:
    path, days = tmp_path / "f.parquet", (date(2021, 3, 1), date(2022, 3, 1), date(2021, 9, 1))
    assert write_slices([pl.concat(released(*days))], ["A", "B"], path) == 3

    def moved(as_of: date | None) -> list[tuple[object, ...]]:
        actual = pl.concat(apportion_slices(path, CROSSWALK, as_of=as_of))
        return actual.filter(pl.col("place_code") == "X").select("value", "released_at").rows()

    assert moved(None) == [(2.0, days[1])]
    assert moved(date(2021, 12, 31)) == [(3.0, days[2])]
    assert not list(apportion_slices(path, CROSSWALK, as_of=date(2021, 2, 28)))


def test_as_of_day_needs_a_file_with_releases(tmp_path: Path) -> None:
    write_slices([figures(("A", 1.0))], ["A"], tmp_path / "f.parquet")
    with pytest.raises(UnreadableError, match="found no days of release"):
        list(apportion_slices(tmp_path / "f.parquet", CROSSWALK, as_of=END))


def test_nan_is_missing_and_written_as_null(tmp_path: Path) -> None:
    write_slices([figures(("A", float("nan")), ("B", 4.0))], ["A", "B"], tmp_path / "f.parquet")
    assert pl.read_parquet(tmp_path / "f.parquet")["value"].to_list() == [None, 4.0]


def test_file_with_other_statuses_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_slices([figures(("A", 1.0))], ["A"], tmp_path / "f.parquet")
    monkeypatch.setattr("pipelines.apportionment.slice_file.OBSERVATION_STATUSES", ("normal", "guessed"))
    with pytest.raises(UnreadableError, match="write the file again"):
        list(apportion_slices(tmp_path / "f.parquet", CROSSWALK))


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [((("A", 1.0), ("C", 1.0)), "C is not a place"), ((("A", 1.0), ("A", 2.0)), "A has two figures")],
)
def test_unknown_code_or_second_figure_leaves_no_file(
    tmp_path: Path, rows: tuple[tuple[str, float], ...], complaint: str
) -> None:
    with pytest.raises(CrosswalkError, match=complaint):
        write_slices([figures(*rows)], ["A", "B"], tmp_path / "f.parquet")
    assert not list(tmp_path.iterdir())


def test_crosswalk_without_a_place_of_the_file_is_rejected(tmp_path: Path) -> None:
    write_slices([figures(("A", 1.0), ("C", 1.0))], ["A", "C"], tmp_path / "f.parquet")
    with pytest.raises(CrosswalkError, match="C and 0 more places are not in the crosswalk"):
        list(apportion_slices(tmp_path / "f.parquet", CROSSWALK))


def test_other_parquet_files_are_rejected(tmp_path: Path) -> None:
    figures(("A", 1.0)).write_parquet(tmp_path / "f.parquet")
    with pytest.raises(UnreadableError, match="no list of places"):
        list(apportion_slices(tmp_path / "f.parquet", CROSSWALK))


@pytest.mark.parametrize("order", [["A", "B"], ["B", "A"]])
def test_separate_file_of_a_month_gives_the_same_result(tmp_path: Path, order: list[str]) -> None:
    months = [
        figures(*((code, float(n + ord(code))) for code in order)).with_columns(period_start=pl.lit(date(2020, n, 1)))
        for n in range(1, 4)
    ]
    write_slices(months, ["A", "B"], tmp_path / "all.parquet")
    write_slices(months[-1:], ["A", "B"], tmp_path / "month.parquet")
    every, alone = (pl.concat(apportion_slices(tmp_path / f"{name}.parquet", CROSSWALK)) for name in ("all", "month"))
    assert alone.height == 2 and every.filter(pl.col("period_start") == date(2020, 3, 1)).equals(alone)
