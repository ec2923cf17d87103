"""Figures by slice: any observations come back from their file, and the row of a slice counts them."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from checks import PLAUSIBILITY_FLAG
from pipelines.core.schema import OBSERVATION_COLUMNS, OBSERVATION_STATUSES, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY, newest_slices
from pipelines.core.store import release_path, write_table
from pipelines.declarations.source import Source
from pipelines.observations import values
from pipelines.observations.conform import CELLS
from pipelines.observations.scan import newest_of_slices, read_slices
from pipelines.observations.values import split_release

SOURCE = Source.model_validate({
    "title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
    "columns": {"place": "code", "period": "year"},
    "measures": {"m": {"title": "t", "unit": "homes", "kind": "count", "column": "n"}},
})  # fmt: skip
KEY = [*SLICE_KEY, "place_code"]
NO_FLAGS = empty_table(PLAUSIBILITY_FLAG)
TEXTS = st.sampled_from(["", "a", "Æ+b", "c,d"])
FIGURES = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def releases(draw: st.DrawFn) -> list[pl.DataFrame]:
    """Draw the cells of some releases: any places and periods, each once in a release, in any order."""
    places, years = st.sampled_from(["E09000024", "E1+E2", "ß", "W1"]), st.integers(2019, 2022)
    cell = st.tuples(st.sampled_from(["b", "a"]), places, years)
    made = []
    for number in range(draw(st.integers(1, 3))):
        keys = draw(st.lists(cell, unique=True, max_size=12))
        made.append(conform_table(pl.DataFrame([draw_row(draw, number, *key) for key in keys], CELL_TYPES), CELLS))
    return made


CELL_TYPES = {name: column.dtype for name, column in CELLS.items()}


def draw_row(draw: st.DrawFn, number: int, measure: str, place: str, year: int) -> dict[str, Any]:
    """Return one cell; limits come with a level and a source, and a file has one heading a measure or several."""
    limits = (draw(FIGURES), draw(FIGURES))
    known = any(limit is not None for limit in limits)
    return {
        "source": "s", "release": f"sha{number}", "released_at": date(2024, 1, 1 + number), "measure": measure,
        "place_code": place, "geography": "lad_2023", "place_label": draw(TEXTS), "period_start": date(year, 1, 1),
        "period_end": date(year, 12, 31), "value": draw(FIGURES), "lower_bound": draw(FIGURES),
        "upper_bound": draw(FIGURES), "interval_lower": limits[0], "interval_upper": limits[1],
        "interval_level": 95.0 if known else None, "interval_source": "published" if known else None,
        "obs_status": draw(st.sampled_from(OBSERVATION_STATUSES)), "published_marker": draw(st.none() | TEXTS),
        "unit": "homes", "caveats": draw(st.none() | TEXTS), "caveat_evidence": draw(st.none() | TEXTS),
        "file": f"{number}.csv", "file_row": draw(st.integers(1, 2**31)),
        "file_column": draw(st.sampled_from(["n", "n"] if measure == "a" else ["n", "o"])), "text": "1.25",
    }  # fmt: skip


def stored(home: Path, made: list[pl.DataFrame]) -> pl.DataFrame:
    """Store each release, and return the slices of all with their order."""
    tables = []
    for number, cells in enumerate(made):
        values, slices = split_release(cells, SOURCE, f"{number}.parquet")
        write_table(release_path(home, "values", "s", str(number)), values, "key")
        tables.append(slices.with_columns(pl.lit(number, pl.Int64).alias("order")))
    return pl.concat(tables)


def as_observations(made: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the cells as observations with `order`, without slices or files."""
    tables = [conform_table(cells, OBSERVATION_COLUMNS).with_columns(pl.lit(number, pl.Int64).alias("order"))
              for number, cells in enumerate(made)]  # fmt: skip
    return pl.concat(tables)


@given(releases())
def test_observations_come_back_from_their_slices(made: list[pl.DataFrame]) -> None:
    every = as_observations(made)
    with TemporaryDirectory() as folder:
        slices = stored(Path(folder), made)
        back = read_slices(Path(folder), slices, every.columns, NO_FLAGS)
        encoded = read_slices(Path(folder), slices, every.columns, NO_FLAGS, encoded=True)
    assert_frame_equal(back, every.sort("order", *KEY), check_exact=True)
    assert_frame_equal(encoded.cast(back.schema), back, check_exact=True)
    assert slices["rows"].sum() == every.height and slices["known"].sum() == every["value"].count()


@given(releases())
def test_slices_choose_the_newest_figures_as_rows_do(made: list[pl.DataFrame]) -> None:
    every = as_observations(made)
    with TemporaryDirectory() as folder:
        chosen = newest_of_slices(stored(Path(folder), made))
        actual = read_slices(Path(folder), chosen, every.columns, NO_FLAGS)
    assert_frame_equal(actual, newest_slices(every).sort(KEY), check_exact=True)


@given(releases(), st.randoms())
def test_hash_of_a_slice_follows_its_content_alone(made: list[pl.DataFrame], random: Any) -> None:
    cells = made[0]
    hashes = split_release(cells, SOURCE, "a")[1].select(*SLICE_KEY, "sha256")
    order = random.sample(range(cells.height), cells.height)
    moved = cells[order].with_columns(pl.col("file_row") + 7, pl.lit("other").cast(pl.Categorical).alias("release"))
    assert_frame_equal(split_release(moved, SOURCE, "b")[1].select(hashes.columns), hashes)
    for measure in cells["measure"].unique().cast(pl.String):
        # Whatever is before a slice in its file, its content has one hash.
        alone = split_release(cells.filter(pl.col("measure").cast(pl.String) == measure), SOURCE, "a")[1]
        mine = hashes.filter(pl.col("measure").cast(pl.String) == measure)
        assert alone["sha256"].to_list() == mine["sha256"].to_list()
    if cells.height:
        place = random.randrange(cells.height)
        value = pl.when(pl.int_range(pl.len()) == place).then(pl.col("value").fill_null(0.5) + 1e300 / 7)
        changed = cells.with_columns(value.otherwise("value").alias("value"))
        different = split_release(changed, SOURCE, "a")[1].select("sha256").to_series() != hashes["sha256"]
        assert different.sum() == (0 if changed["value"].equals(cells["value"]) else 1)


@pytest.mark.parametrize("places", [["A", "B", "C"], ["B", "A", "C"], ["A", "A", "B"], ["A"]])
@pytest.mark.parametrize("years", [[2020, 2021], [2021, 2020], [2021]])
def test_repeated_list_of_places_gives_what_any_other_gives(
    places: list[str], years: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"source": "s", "release": "r", "released_at": date(2024, 1, 1), "measure": measure, "place_code": place,
         "period_start": date(year, 1, 1), "period_end": date(year, 12, 31), "value": year / 7 + number,
         "obs_status": "normal", "published_marker": "c" if number else None, "place_label": place.lower(),
         "geography": "lad_2023", "unit": "homes", "file": "a.csv", "file_row": number, "text": "1"}
        for measure in ("b", "a") for year in years for number, place in enumerate(places)
    ]  # fmt: skip
    cells = conform_table(pl.DataFrame(rows, infer_schema_length=None), CELLS)
    repeated = split_release(cells, SOURCE, "a.parquet")
    monkeypatch.setattr(values, "count_repeated_texts", lambda *_: None)
    for actual, other in zip(repeated, split_release(cells, SOURCE, "a.parquet"), strict=True):
        assert_frame_equal(actual, other, check_exact=True)


def test_row_of_a_slice_counts_and_describes_its_figures() -> None:
    row = {"source": "s", "release": "sha", "released_at": date(2024, 1, 1), "measure": "m", "geography": "lad_2023",
           "period_start": date(2023, 1, 1), "period_end": date(2023, 12, 31), "unit": "homes", "file": "a.csv",
           "obs_status": "normal", "file_column": "n", "place_label": ""}  # fmt: skip
    rows = [
        {**row, "place_code": "B", "value": 2.5, "text": "2.50", "file_row": 2},
        {**row, "place_code": "A", "value": -1.0, "text": "-1", "file_row": 3, "obs_status": "provisional"},
        {**row, "place_code": "C", "text": "1.2345", "file_row": 4, "obs_status": "confidential"},
    ]
    values, slices = split_release(conform_table(pl.DataFrame(rows), CELLS), SOURCE, "a.parquet")
    (actual,) = slices.to_dicts()
    stated = (
        "rows",
        "known",
        "sum",
        "min",
        "max",
        "decimals",
        "period_kind",
        "file_column",
        "first_row",
    )
    assert {name: actual[name] for name in stated} == {
        "rows": 3, "known": 2, "sum": 1.5, "min": -1.0, "max": 2.5, "decimals": 2, "period_kind": "year",
        "file_column": "n", "first_row": 0,
    }  # fmt: skip
    assert [actual[f"rows_{status}"] for status in ("normal", "provisional", "confidential", "low")] == [1, 1, 1, 0]
    assert values["place_code"].to_list() == ["A", "B", "C"] and values["file_column"].null_count() == 3


@pytest.mark.parametrize(
    ("texts", "decimals"),
    [(["7", "12"], 0), (["7", "1.5"], 1), (["7.", "3"], 0), ([None, None], None), (["0.125", None], 3)],
)
def test_decimals_of_a_slice_are_those_of_its_most_exact_figure(texts: list[str | None], decimals: int | None) -> None:
    row = {"source": "s", "release": "sha", "released_at": date(2024, 1, 1), "measure": "m", "geography": "lad_2023",
           "period_start": date(2023, 1, 1), "period_end": date(2023, 12, 31), "unit": "homes", "file": "a.csv",
           "obs_status": "normal", "file_column": "n", "place_label": ""}  # fmt: skip
    rows = [
        {**row, "place_code": f"P{number}", "text": text or "x", "value": float(text) if text else None}
        for number, text in enumerate(texts)
    ]
    cells = conform_table(pl.DataFrame(rows, CELL_TYPES), CELLS)
    table = split_release(cells, SOURCE, "a")[1]
    known = [float(text) for text in texts if text]
    assert table.select("decimals", "rows", "known", "sum", "min", "max").rows() == [
        (decimals, 2, len(known), sum(known) if known else None, min(known, default=None), max(known, default=None))
    ]  # fmt: skip
