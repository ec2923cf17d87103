"""Layouts that need no tidy(): areas in headings, one area, and rows to count."""

import re
from pathlib import Path

import polars as pl
import pytest

from pipelines.core.errors import DeclarationError, UnreadableError
from pipelines.declarations.catalogue import load_catalogue
from tests.readers.test_read import PLAIN, cells, left_out, source, values

ROOT = Path(__file__).resolve().parent.parent.parent
ONE = "measures: {stock: {title: s, unit: items, kind: stock}}\n"
BY_NAME = 'columns: {label: "*", period: year}\n'
BOARDS = b"year,Merton,Sutton\n2022,7,*\n2023,8,0\n"


def usable_cells(read: pl.DataFrame) -> list[tuple[str, int, float | None, str]]:
    """Return area, year, figure and column of every usable cell."""
    sound = read.filter(pl.col("fault").is_null()).sort("period_start", "place_code")
    return sound.select("place_code", pl.col("period_start").dt.year(), "value", "file_column").rows()


def test_file_with_areas_in_columns_gives_a_cell_for_each_area_and_row() -> None:
    declared = source("markers: {'*': confidential}\n" + BY_NAME, ONE)
    assert usable_cells(cells(declared, BOARDS)) == [
        ("E09000024", 2022, 7.0, "Merton"), ("E09000029", 2022, None, "Sutton"),
        ("E09000024", 2023, 8.0, "Merton"), ("E09000029", 2023, 0.0, "Sutton"),
    ]  # fmt: skip


def test_area_headings_may_be_codes_and_others_may_be_ignored() -> None:
    content = b"year,status,E09000024,Note,E09000029\n2023,p,7,x,0\n"
    text = 'markers: {p: provisional}\ncolumns: {place: "*", period: year, status: status}\n'
    read = cells(source(text + "skip_columns: [Note]\n", ONE), content)
    assert read.select("place_code", "value", "obs_status").rows() == [
        ("E09000024", 7.0, "provisional"), ("E09000029", 0.0, "provisional")
    ]  # fmt: skip


def test_cells_under_an_unknown_area_heading_are_findings() -> None:
    read = cells(source(BY_NAME, ONE), BOARDS.replace(b"Sutton", b"Suttn").replace(b"*", b"1"))
    astray = read.filter(pl.col("fault") == "unmatched_place")
    assert astray.select("place_label", "text").rows() == [("Suttn", "1"), ("Suttn", "0")]
    assert len(usable_cells(read)) == 2


@pytest.mark.parametrize("heading", ["*", "^.*$", "measure", "file_row", "status_text", "text", "file_column"])
def test_heading_equal_to_an_internal_name_is_an_ordinary_heading(heading: str) -> None:
    read = cells(source(BY_NAME, ONE), f"year,Merton,{heading}\n2023,7,8\n".encode())
    assert set(read.select("place_label", "value", "fault").rows()) == {
        ("Merton", 7.0, None), (heading, 8.0, "unmatched_place")
    }  # fmt: skip


def test_file_without_rows_or_areas_gives_no_cells() -> None:
    assert cells(source(BY_NAME, ONE), b"year,Merton\n").height == 0
    with pytest.raises(UnreadableError, match="found only declared headings, expected one for each area"):
        cells(source(BY_NAME, ONE), b"year\n2023\n")


@pytest.mark.parametrize(
    ("text", "rest", "complaint"),
    [
        ('columns: {label: "*", place: "*", period: year}\n', ONE, "has either place"),
        (BY_NAME, ONE.replace("stock: {", "more: {title: m, unit: x, kind: stock}, stock: {"), "has one measure"),
        (
            BY_NAME,
            ONE.replace("kind: stock", "kind: stock, filter: {a: b}"),
            "filter of a measure is for a file with a row for each figure",
        ),
        ('columns: {label: "*"}\n', ONE, "declare the period"),
        (BY_NAME + "place: E09000024\n", ONE, "or the one place of all figures"),
        ("columns: {period: year}\n", PLAIN.partition("\n")[2], "declare the column of place codes"),
        (
            BY_NAME + "heading_pattern: '(?P<period>.*)'\n",
            ONE,
            "heading_pattern is for a file with a column for each period",
        ),
    ],
)
def test_declaration_that_areas_in_headings_exclude_is_refused(text: str, rest: str, complaint: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(complaint)):
        source(text, rest)


OF_ONE = "place: E09000024\ncolumns: {period: year}\n" + PLAIN.partition("\n")[2]


def test_file_about_one_area_belongs_to_the_declared_area() -> None:
    assert values(source("", OF_ONE), b"year,stock\n2023,7\n") == {"E09000024": 7.0}
    (row,) = cells(source("", OF_ONE.replace("E09000024", "E09000099")), b"year,stock\n2023,7\n").to_dicts()
    assert (row["fault"], row["value"]) == ("unmatched_place", 7.0)


LISTED = b"name,code,kind\nA,E09000024,bank\nB,E09000029,bank\nC,E09000024,kitchen\n"
COUNTED = """\
period: {start: 2020-01-01, end: 2020-12-31}
columns: {place: code}
measures:
  listed: {title: l, unit: places, kind: stock, count_rows: true}
  banks: {title: b, unit: places, kind: stock, count_rows: true, filter: {kind: bank}}
"""


def test_rows_of_a_list_are_counted_by_area_and_measure() -> None:
    read = cells(source("", COUNTED), LISTED)
    assert read.select("measure", "place_code", "value", "file_row").rows() == [
        ("banks", "E09000024", 1.0, 2), ("banks", "E09000029", 1.0, 3),
        ("listed", "E09000024", 2.0, 2), ("listed", "E09000029", 1.0, 3),
    ]  # fmt: skip


def test_area_missing_from_a_list_has_no_figure_rather_than_zero() -> None:
    read = cells(source("", COUNTED), b"name,code,kind\nA,E09000024,kitchen\n")
    assert read.select("measure", "place_code").rows() == [("listed", "E09000024")]


def test_rows_without_an_area_and_unreadable_rows_give_no_count() -> None:
    read = cells(source("", COUNTED), LISTED + b"D,,bank\nE,E09000029,bank, and more\n")
    faults = read.filter(pl.col("measure") == "listed").select("place_code", "value", "fault").rows()
    assert faults == [("E09000024", 2.0, None), (None, 1.0, "unmatched_place"), ("E09000029", 2.0, "unreadable")]
    assert left_out(source("", COUNTED), LISTED).skipped_rows == 0


def test_rank_up_to_a_limit_is_one_and_above_it_zero() -> None:
    rest = PLAIN.replace("column: stock", "column: rank, count_rows: at most 10")
    content = b"code,year,rank\nE09000024,2023,10\nE09000029,2023,10.5\nE06000052,2023,\n"
    read = cells(source("", rest), content)
    assert read.select("place_code", "value", "obs_status", "text").rows() == [
        ("E09000024", 1.0, "normal", "10"), ("E09000029", 0.0, "normal", "10.5"),
        ("E06000052", None, "not_available", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "complaint"),
    [
        ("kind: index, count_rows: true", "only a count or a stock has count_rows; found kind index"),
        ("kind: stock, count_rows: true, column: x", "a measure with count_rows: true has no column"),
        ("kind: stock, count_rows: at most 3", "measure stock: column is missing"),
        ("kind: stock, count_rows: three", "expected true, or a limit as in `at most 697`"),
    ],
)
def test_impossible_count_declaration_is_refused(measure: str, complaint: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(complaint)):
        source("", PLAIN.replace("kind: stock, column: stock", measure))


def test_list_without_its_heading_is_refused() -> None:
    with pytest.raises(UnreadableError, match="code"):
        cells(source("", COUNTED), b"name,place\nA,E09000024\n")


def test_at_most_a_fifth_of_sources_have_a_short_tidy() -> None:
    catalogue = load_catalogue(ROOT)
    tidies = sorted(path for path in (ROOT / "sources").glob("*.py"))
    assert len(tidies) <= len(catalogue.open_sources()) / 5
    assert {path.name: n for path in tidies if (n := len(path.read_text().splitlines())) > 30} == {}
