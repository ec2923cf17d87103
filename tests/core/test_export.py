"""Console tables and CSV: whole words within the width, and no harm from data to a terminal or spreadsheet."""

import csv
import io
import json
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from rich.console import Console
from rich.table import Table

from pipelines.core.export import format_csv, format_json, format_table, progress_bar
from pipelines.core.row_lists import RowLists

WIDE = pl.DataFrame(
    {
        "source": ["ons_homicide", "ons_smokers"],
        "measure": ["homicide_rate", "cigarette_smokers_share"],
        "places_most_affected": ["W15000001, E23000008, E23000022", None],
        "suspicion": ["the heading changed from Observation to observation", "[bold]none[/bold]"],
        "ratio": [1.0004, 2.5],
    }
)


def print_table(frame: pl.DataFrame, width: int) -> str:
    out = io.StringIO()
    Console(width=width, file=out, color_system=None).print(format_table(frame, width))
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_table_does_not_break_words_at_any_width(width: int) -> None:
    text = print_table(WIDE, width)
    for word in ("ons_homicide", "cigarette_smokers_share", "W15000001,", "places_most_affected", "[bold]none[/bold]"):
        assert word in text
    assert max(map(len, text.splitlines())) <= width


def test_wide_rows_are_printed_as_lists() -> None:
    lines = [line.strip("\u2502 ") for line in print_table(WIDE, 60).splitlines()]
    assert [line.split()[0] for line in lines if "ons_" in line] == ["source", "source"]
    assert any(line.split("\u2502")[-1].strip() == "1" for line in lines if line.startswith("ratio"))
    assert lines[-1] == "2 rows"


def test_narrow_rows_are_printed_as_one_line_each() -> None:
    text = print_table(WIDE.select("source", "ratio").head(1), 80)
    assert [line.split()[1::2] for line in text.splitlines() if "ons_" in line] == [["ons_homicide", "1"]]
    assert "1 row" in text and "1 rows" not in text


@pytest.mark.parametrize(
    ("figure", "shown"),
    [(0.0028, "0.0028"), (0.2773, "0.277"), (0.0, "0"), (-0.004, "-0.004"), (1234.5678, "1,234.57")],
)
def test_small_figure_is_never_printed_as_zero(figure: float, shown: str) -> None:
    assert print_table(pl.DataFrame({"weight": [figure]}), 80).splitlines()[-3].strip("\u2502 ") == shown


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_escapes_text_that_a_spreadsheet_would_evaluate(text: str) -> None:
    (row,) = csv.DictReader(io.StringIO(format_csv(pl.DataFrame({"name": [text], "value": [-1.0]})), newline=""))
    assert row == {"name": f"'{text}", "value": "-1.0"}


def test_csv_escapes_only_the_texts_that_are_formulas() -> None:
    frame = pl.DataFrame({"name": ["=1", "York", None], "other": ["a-b", "b", "c"], "value": [1.5, None, -2.0]})
    assert format_csv(frame) == "name,other,value\n'=1,a-b,1.5\nYork,b,\n,c,-2.0\n"
    assert format_csv(frame.select("value")) == "value\n1.5\n\n-2.0\n"


def test_json_has_numbers_as_they_are_and_days_as_iso_dates() -> None:
    frame = pl.DataFrame({"name": ["Ynys Môn", None], "day": [date(2024, 4, 1), None], "value": [0.1, 2.0]})
    text = format_json(frame)
    assert json.loads(text) == [
        {"name": "Ynys Môn", "day": "2024-04-01", "value": 0.1}, {"name": None, "day": None, "value": 2.0}
    ]  # fmt: skip
    assert text.startswith('[\n {\n  "name": "Ynys Môn",\n') and text.endswith("}\n]\n")
    numbers = pl.DataFrame({"sum": [Decimal("3.00"), Decimal("2.50")]})
    assert format_json(numbers) == '[\n {\n  "sum": 3\n },\n {\n  "sum": 2.5\n }\n]\n'


@pytest.mark.parametrize(
    ("rows", "note", "last"),
    [(0, "0 rows", None), (1, "1 row", 0), (2, "2 rows", 1), (60, "60 rows", 59),
     (61, "first 60 of 61 rows; --format csv gives all", 59),
     (1_061, "first 60 of 1,061 rows; --format csv gives all", 59)],
)  # fmt: skip
def test_table_has_the_first_sixty_rows_and_says_how_many_there_are(rows: int, note: str, last: int | None) -> None:
    table = format_table(pl.DataFrame({"n": range(rows)}, schema={"n": pl.Int64}), 80)
    assert isinstance(table, Table) and table.caption == note and table.row_count == min(rows, 60)
    shown = [str(cell) for cell in table.columns[0].cells]
    assert shown[-1:] == ([] if last is None else [str(last)])


def test_rows_become_lists_where_the_columns_do_not_fit() -> None:
    """Three columns of long texts need 16 characters each, three around each, and one for the frame."""
    frame = pl.DataFrame({"one": ["a" * 30], "two": ["b" * 17], "six": ["c" * 16]})
    assert isinstance(format_table(frame, 58), Table) and isinstance(format_table(frame, 57), RowLists)
    short = pl.DataFrame({name: ["a" * 15] for name in ("one", "two", "six")})
    assert isinstance(format_table(short, 55), Table) and isinstance(format_table(short, 54), RowLists)
    wide = format_table(frame, 300)
    assert isinstance(wide, Table) and wide.width == 240


def test_numbers_are_on_the_right_and_texts_on_the_left() -> None:
    table = format_table(pl.DataFrame({"name": ["York"], "value": [1.5], "count": [7]}), 80)
    assert isinstance(table, Table) and not table.show_lines and table.show_header
    assert [column.justify for column in table.columns] == ["left", "right", "right"]
    assert table.caption_justify == "left"


def test_names_that_can_not_be_lists_are_a_table_of_two_columns_with_a_line_between_rows() -> None:
    frame = pl.DataFrame({f"a[{n}]": ["x" * 20, "y" * 20] for n in range(5)})
    table = format_table(frame, 60)
    assert isinstance(table, Table) and not table.show_header and table.row_count == 10
    names, values = table.columns
    assert names.no_wrap and not values.no_wrap and values.ratio == 1
    assert [str(cell) for cell in names.cells] == frame.columns * 2
    assert [str(cell) for cell in values.cells] == ["x" * 20] * 5 + ["y" * 20] * 5
    assert [row.end_section for row in table.rows] == [False, False, False, False, True] * 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "·"), (True, "True"), (1234567, "1,234,567"), (1234.0, "1,234"), (1.5, "1.5"), (12.3456, "12.35"),
     (0.99949, "0.999"), ("a\x1b[2J", "a\\x1b[2J")],
)  # fmt: skip
def test_values_are_printed_with_their_thousands_and_few_decimals(value: object, shown: str) -> None:
    table = format_table(pl.DataFrame({"a": [value]}), 80)
    assert isinstance(table, Table)
    assert [str(cell) for cell in table.columns[0].cells] == [shown]


def test_progress_leaves_nothing_on_the_screen() -> None:
    assert progress_bar(Console(file=io.StringIO())).live.transient
