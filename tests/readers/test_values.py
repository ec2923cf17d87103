"""Figures and markers: what a text is, its unit and its status, and texts that are neither."""

from typing import Any

import polars as pl
import pytest

from pipelines.declarations.source import Source
from pipelines.readers.values import looks_like_figure, parse_band, parse_number, parse_values

STOCK: dict[str, Any] = {"title": "s", "unit": "items", "kind": "stock", "column": "stock"}
MARKERS = {"c": "confidential", "z": "not_applicable", "p": "provisional", "r": "revised", "[low]": "low", "..": "low"}
NOTED = r"\[note \d+\]|\(\w\)"


def declared(**more: Any) -> Source:
    """Build a declaration of one or several measures."""
    settings = {
        "title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
        "columns": {"place": "code", "period": "year"}, "measures": {"stock": STOCK}, "markers": MARKERS,
    }  # fmt: skip
    return Source.model_validate({**settings, **more})


def read(source: Source, *cells: tuple[str, str], measure: str = "stock", fault: str | None = None) -> list[Any]:
    """Return value, status, marker and fault of cells, each given as a text and its row's status."""
    columns = ("text", "status_text", "measure", "fault", "fault_evidence")
    rows = [(text, status, measure, fault, fault and "seen before") for text, status in cells]
    frame = pl.DataFrame(rows, dict.fromkeys(columns, pl.String), orient="row")
    return parse_values(frame, source).select("value", "obs_status", "published_marker", "fault").rows()


SOUND = ("normal", None, None)


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("7", 7.0), ("0", 0.0), ("-3", -3.0), ("+3", 3.0), ("2.5", 2.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0),
        ("1.5E-2", 0.015), (" 7 ", 7.0), ("'7", 7.0), ("1,234", 1234.0), ("-1,234,567.5", -1234567.5),
        ("12,345", 12345.0), ("1\u00a0234", 1234.0), ("1\u202f234\u2009567", 1234567.0), ("1\u2009234.5", 1234.5),
        ("1e308", 1e308), ("1,234e3", 1234000.0), ("1,234.5e+1", 12345.0), ("1,234.", 1234.0),
    ],
)  # fmt: skip
def test_number_is_read_with_or_without_grouped_thousands(text: str, figure: float) -> None:
    assert read(declared(), (text, "")) == [(figure, *SOUND)]


@pytest.mark.parametrize(
    "text",
    ["1,23", "1,234,5", "12,345,67", "1,234,", "12,34,567", "1234,567", ",123", "1 234", "1e400", "-1e400", "nan",
     "inf", "seven", "1.2.3", "--1", "1,234\u00a0567", "£7", "7%", "7 c", "1,234e", "1\u00a0234,5"],
)  # fmt: skip
def test_text_that_is_neither_figure_nor_marker_is_a_fault(text: str) -> None:
    assert read(declared(), (text, "")) == [(None, "normal", None, "unreadable")]


@pytest.mark.parametrize(
    ("text", "figure"),
    [("1.234,5", 1234.5), ("1.234", 1234.0), ("7,5", 7.5), ("-1.234.567", -1234567.0), ("1\u00a0234,5", 1234.5),
     ("7.5", None), ("1,234,5", None), ("1.23", None), ("7", 7.0), ("1.234.5", None),
     ("1.234,5e1", 12345.0)],
)  # fmt: skip
def test_points_group_thousands_where_the_decimal_mark_is_a_comma(text: str, figure: float | None) -> None:
    ((value, _, _, fault),) = read(declared(decimal="comma"), (text, ""))
    assert (value, fault) == (figure, None if figure is not None else "unreadable")


def test_markers_have_statuses_and_a_blank_is_not_available() -> None:
    assert read(declared(), ("c", ""), ("z", ""), ("..", ""), ("", ""), (" ", "")) == [
        (None, "confidential", "c", None), (None, "not_applicable", "z", None), (None, "low", "..", None),
        (None, "not_available", None, None), (None, "not_available", None, None),
    ]  # fmt: skip


def test_marker_without_a_figure_leaves_the_cell_without_a_value() -> None:
    # p means provisional, without a figure: no value is derived from it.
    assert read(declared(), ("p", "")) == [(None, "normal", "p", None)]


def test_row_status_applies_to_figures_and_blanks() -> None:
    assert read(declared(), ("7", "p"), ("", "z"), ("", "p"), ("", "c")) == [
        (7.0, "provisional", "p", None), (None, "not_applicable", "z", None), (None, "not_available", "p", None),
        (None, "confidential", "c", None),
    ]  # fmt: skip


def test_cell_marker_takes_precedence_over_its_row() -> None:
    assert read(declared(), ("c", "p"), ("c", "z"), ("z", "c")) == [
        (None, "confidential", "c", None), (None, "confidential", "c", None), (None, "not_applicable", "z", None)
    ]  # fmt: skip


def test_figure_in_a_suppressed_row_is_not_used() -> None:
    assert read(declared(), ("7", "c"), ("0", "z")) == [
        (None, "confidential", "c", None), (None, "not_applicable", "z", None)
    ]  # fmt: skip


def test_row_with_an_unknown_status_has_no_figure() -> None:
    assert read(declared(), ("7", "?"), ("c", "?"), ("", "?")) == [
        (None, "normal", "?", "unreadable"), (None, "confidential", "c", "unreadable"),
        (None, "not_available", "?", "unreadable"),
    ]  # fmt: skip


def test_blank_marker_does_not_affect_figures_beside_it() -> None:
    source = declared(markers={"": "confidential", "p": "provisional"}, footnotes=NOTED)
    assert read(source, ("7", ""), ("", ""), ("7 [note 1]", ""), ("", "p"), ("7", "p")) == [
        (7.0, "normal", None, None), (None, "confidential", None, None), (7.0, "normal", "[note 1]", None),
        (None, "confidential", "p", None), (7.0, "provisional", "p", None),
    ]  # fmt: skip


def test_earlier_fault_retains_its_evidence() -> None:
    assert read(declared(), ("7", ""), ("seven", ""), fault="unmatched_place") == [
        (7.0, "normal", None, "unmatched_place"), (None, "normal", None, "unmatched_place"),
    ]  # fmt: skip


def test_fault_names_the_text_and_the_status() -> None:
    frame = pl.DataFrame({"text": ["7", "x"], "status_text": ["", "p"], "measure": "stock"}).with_columns(
        pl.lit(None, pl.String).alias("fault"), pl.lit(None, pl.String).alias("fault_evidence")
    )
    assert parse_values(frame, declared())["fault_evidence"].to_list() == [
        None, "found x with status p, expected a figure or a declared marker"
    ]  # fmt: skip


def test_footnote_mark_after_a_figure_is_its_marker() -> None:
    source = declared(footnotes=NOTED)
    assert read(source, ("7 [note 12]", ""), ("1,234[note 1]", "p"), ("[note 1]", ""), ("c [note 3]", "")) == [
        (7.0, "normal", "[note 12]", None), (1234.0, "provisional", "[note 1]", None),
        (None, "not_available", "[note 1]", None), (None, "confidential", "c", None),
    ]  # fmt: skip
    # Without a declared footnote mark it is no figure.
    assert read(declared(), ("7 [note 12]", "")) == [(None, "normal", None, "unreadable")]


def test_bracketed_mark_may_be_a_marker_and_the_worse_status_applies() -> None:
    source = declared(footnotes=NOTED)
    assert read(source, ("7 (p)", ""), ("7 (p)", "r"), ("7 (r)", "p"), ("7 (q)", "r"), ("7 (c)", "")) == [
        (7.0, "provisional", "(p)", None), (7.0, "provisional", "(p)", None), (7.0, "provisional", "(r)", None),
        (7.0, "revised", "(q)", None), (None, "confidential", "(c)", None),
    ]  # fmt: skip


def test_marker_that_resembles_a_footnote_mark_is_a_marker() -> None:
    source = declared(footnotes=r"\[\w+\]", markers=MARKERS)
    assert read(source, ("[low]", ""), ("7 [c]", "")) == [
        (None, "low", "[low]", None),
        (None, "confidential", "[c]", None),
    ]


def test_figure_is_converted_to_its_measures_unit() -> None:
    thousands = {**STOCK, "scale": 1000.0}
    ranked = {**STOCK, "count_rows": "at most 10"}
    source = declared(measures={"stock": STOCK, "thousands": thousands, "ranked": ranked})
    texts = [("2.5", ""), ("10", ""), ("10.1", ""), ("", "")]
    by_measure = {entry: [row[0] for row in read(source, *texts, measure=entry)] for entry in source.measures}
    assert by_measure == {
        "stock": [2.5, 10.0, 10.1, None], "thousands": [2500.0, 10000.0, 10100.0, None],
        "ranked": [1.0, 1.0, 0.0, None],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "figure"),
    [("7", 7.0), (" '1,234 ", None), ("'1,234 ", 1234.0), ("7 [note 1]", 7.0), ("[note 1]", None), ("1e400", None),
     ("c", None), ("", None), ("-0.5(p)", -0.5)],
)  # fmt: skip
def test_limit_is_read_as_a_number_without_its_footnote_mark(text: str, figure: float | None) -> None:
    frame = pl.DataFrame({"limit": [text]})
    assert frame.select(parse_number(pl.col("limit"), declared(footnotes=NOTED))).item() == figure
    if "(" not in text and "[" not in text:
        assert frame.select(parse_number(pl.col("limit"), declared())).item() == figure


@pytest.mark.parametrize("text", ["7", "-7.5", "+.5", "1,234", "12,345,678.9", "1e3", "7."])
def test_text_is_recognised_as_a_number(text: str) -> None:
    assert looks_like_figure(text)


@pytest.mark.parametrize("text", ["", "x", "1,23", "1.2.3", "7 ", "E09000024", "."])
def test_text_is_not_recognised_as_a_number(text: str) -> None:
    assert not looks_like_figure(text)


def test_band_is_no_figure_and_its_ends_are_bounds() -> None:
    assert read(declared(), ("1 to 4", ""), ("1,000 to 1,999", ""), ("4 to 4", "")) == [
        (None, "low", "1 to 4", None), (None, "low", "1,000 to 1,999", None), (None, "low", "4 to 4", None),
    ]  # fmt: skip
    ends = pl.DataFrame({"text": ["1 to 4", "1,000 to 1,999", "4 to 1", "1 to", "c", None]})
    assert ends.select(parse_band(pl.col("text"), 1), parse_band(pl.col("text"), 2).alias("upper")).rows() == [
        (1.0, 4.0), (1000.0, 1999.0), (None, None), (None, None), (None, None), (None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["4 to 1", "1 to 4 people", "-1 to 4", "1 to 4.5", "1to4"])
def test_text_that_is_no_whole_band_is_a_fault(text: str) -> None:
    assert read(declared(), (text, "")) == [(None, "normal", None, "unreadable")]


@pytest.mark.parametrize("more", [{}, {"markers": {"-9": "not_available", "c": "confidential"}},
                                  {"measures": {"stock": {**STOCK, "scale": 1000}}}])  # fmt: skip
def test_plain_numbers_are_read_alike_beside_other_texts_and_alone(more: dict[str, Any]) -> None:
    source, numbers = declared(**more), [("7", ""), ("-0", ""), ("2.5", ""), ("1e3", "")]
    assert read(source, *numbers) == read(source, *numbers, ("c", ""))[:-1]
    assert read(source, *numbers, ("-9", ""))[:-1] == read(source, *numbers)
