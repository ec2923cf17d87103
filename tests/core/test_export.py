"""Console tables and CSV: whole words within the width, and no harm from data to a terminal or spreadsheet."""

import csv
import io

import polars as pl
import pytest
from rich.console import Console

from pipelines.core.export import format_csv, format_table

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
