"""Releases of many cells are read some measures at a time, with the same result as in one piece."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import PLACE_COLUMNS, conform_table
from pipelines.core.snapshots import Snapshot, release_name, store_snapshot
from pipelines.core.store import hash_bytes, release_path
from pipelines.declarations.source import Source
from pipelines.observations import ingest, release_reading
from pipelines.observations.conform import Codes
from pipelines.observations.ingest import ReadingContext
from pipelines.observations.release_reading import ReleaseReading, combine_parts, load_reading
from pipelines.readers import csv

CODES = ["E09000001", "E09000002", "E09000003"]
SOURCE = Source.model_validate({
    "title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
    "columns": {"place": "code", "label": "name", "period": "year"}, "coverage": ["England"],
    "withdrawn": {}, "markers": {"c": {"status": "confidential", "lower_bound": 1, "upper_bound": 4}},
    "measures": {
        name: {"title": "t", "unit": "homes", "kind": "count", "column": "n", "filter": {"item": name}}
        for name in ("b", "a", "c", "d")
    },
})  # fmt: skip
NAMED = list(zip(CODES, ("One", "Two", "Three"), strict=True))
EXTRA = {"a": [("E09000009", "Nowhere", 2021, "7"), ("E09000001", "One", 2020, "5")]}
ROWS = [
    (item, code, label, year, figure)
    for item in ("b", "a", "c")
    for code, label, year, figure in [
        *((code, name, year, "c" if code == CODES[1] else str(year % 7 + n))
          for year in (2020, 2021, 2023) for n, (code, name) in enumerate(NAMED)),
        *EXTRA.get(item, []),
    ]
]  # fmt: skip


def read(home: Path) -> tuple[ReleaseReading, pl.DataFrame]:
    """Read the release in an empty store; return what was read and its figures."""
    text = "item,code,name,year,n\n" + "".join(f"{','.join(map(str, row))}\n" for row in ROWS)
    content = text.encode()
    snapshot = Snapshot("s", hash_bytes(content), date(2024, 1, 1), "", "", "", "s.csv", len(content), "l")
    store_snapshot(home, content, snapshot)
    places = conform_table(pl.DataFrame({"place_code": CODES, "place_name": ["One", "Two", "Three"],
                                         "nation": "England", "kind": "lad"}), PLACE_COLUMNS)  # fmt: skip
    codes = Codes(frozenset(CODES), dict.fromkeys(CODES, "lad"), {}, places)
    context = ReadingContext("s", SOURCE, codes, home / "s.py", places, ())
    reading = load_reading(home, context, snapshot, "key")
    path = release_path(home, "values", "s", release_name(snapshot))
    return reading, pl.read_parquet(path) if path.is_file() else pl.DataFrame()


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ReleaseReading, pl.DataFrame]:
    """Return the release as read in one piece, with faults that would refuse a release of so few rows."""
    monkeypatch.setattr("checks.contract.is_tolerated", lambda *_: True)
    return read(tmp_path / "whole")


def _note_parts(combined: list[int]) -> Callable[[Sequence[ReleaseReading]], ReleaseReading]:
    """Return combine_parts, with a note of the number of parts."""

    def combine(readings: Sequence[ReleaseReading]) -> ReleaseReading:
        combined.append(len(readings))
        return combine_parts(readings)

    return combine


@pytest.mark.parametrize(("most", "number"), [(1, 3), (10, 3), (24, 2)])
def test_parts_of_a_release_give_what_the_whole_gives(
    whole: tuple[ReleaseReading, pl.DataFrame], most: int, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    combined: list[int] = []
    monkeypatch.setattr(ingest, "MOST_CELLS", most)
    monkeypatch.setattr(release_reading, "combine_parts", _note_parts(combined))
    parts, values = read(tmp_path)
    assert combined == [number] and values.height
    assert_frame_equal(values, whole[1])
    for name in ReleaseReading._fields:
        assert_frame_equal(getattr(parts, name), getattr(whole[0], name), check_row_order=False)


def test_part_that_fails_alone_is_judged_with_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tolerate_few(_: object, judged: int, failing: int) -> bool:
        return judged > 12 or not failing

    monkeypatch.setattr(ingest, "MOST_CELLS", 1)
    monkeypatch.setattr("checks.contract.is_tolerated", tolerate_few)
    parts, values = read(tmp_path)
    assert parts.contract["tolerated"].all() and parts.release["usable"].to_list() == [True]
    assert parts.release["cells_read"].item() == len(ROWS) and values.height == parts.slices["rows"].sum()


def test_sample_of_a_rule_is_the_first_of_a_part_that_breaks_it(whole: tuple[ReleaseReading, pl.DataFrame]) -> None:
    """Without such a part it is the sample of the first part."""
    rule = whole[0].contract.head(1)

    def sample_of(*parts: tuple[bool, str]) -> tuple[bool, str]:
        readings = [
            whole[0]._replace(contract=rule.with_columns(pl.lit(met).alias("met"), pl.lit(sample).alias("sample")))
            for met, sample in parts
        ]
        (row,) = combine_parts(readings).contract.select("met", "sample").rows()
        return row

    assert sample_of((True, "a"), (False, "b"), (False, "c"), (True, "d")) == (False, "b")
    assert sample_of((True, "a"), (True, "b")) == (True, "a")


def test_refused_release_stores_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "MOST_CELLS", 1)
    monkeypatch.setattr("checks.contract.is_tolerated", lambda *_: False)
    reading, values = read(tmp_path)
    assert reading.release["usable"].to_list() == [False] and reading.slices.is_empty() and values.is_empty()
    assert not list(tmp_path.rglob(".making-*"))


def test_refused_release_names_only_the_rules_that_refuse_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checks.contract.is_tolerated", lambda rule, *_: rule.name != "given_once")
    reading, _ = read(tmp_path)
    said = reading.finding.filter(pl.col("check") == "contract")["evidence"].to_list()
    why = "given_once fails for 2 of 29 cells (duplicate: One 4, One 5)"
    assert said == [f"s.csv: does not match its declaration, so it is not used: {why}"]


@pytest.mark.parametrize("piece", [16, 30, 100])
def test_large_text_in_pieces_has_the_same_cells(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["place,year,n"] + [
        f"E{n % 3},20{n % 2}, {n}" if n % 5 == 0 else f"E{n % 3},20{n % 2},{n}" for n in range(60)
    ]
    content = ("\n".join(lines) + "\n").encode()
    expected = csv.split_text(content, SOURCE, "f")[0]
    monkeypatch.setattr(csv, "PIECE", piece)
    actual = csv.split_text(content, SOURCE, "f", encode=True)[0]
    assert_frame_equal(actual.cast(expected.schema), expected)
