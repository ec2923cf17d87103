"""Columns of figures in an undeclared table: markers, marks, rounding, and forms that the reader rejects."""

from typing import Any

import polars as pl
import pytest

from pipelines.observations.column_figures import (
    columns_of_damaged_codes,
    figure_columns,
    is_unreadable_figure,
    rounding_base,
    split_mark,
    unreadable_figures,
)

LETTERS = "abcdefghijklm"


def described(cells: list[str | None], excluded: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the name, markers, rounding and marks of a table with one column."""
    columns = figure_columns(pl.DataFrame({"n": cells, "_row": range(len(cells))}), list(excluded))
    return [(column.name, column.markers, column.rounding, dict(column.marks)) for column in columns]


@pytest.mark.parametrize(
    ("cells", "markers"),
    [
        (["7", "9", None, ""], {}), (["7", "x", "x", "3", "5", "low"], {"x": 2, "low": 1}), (["7", "low"], {"low": 1}),
        # Of fewer than half, only the usual symbols are markers.
        (["7", "low", "high"], None), (["7", "[c]", "..", "x"], {"[c]": 1, "..": 1, "x": 1}), (["x", ".."], None),
        (["7"] * 12 + list(LETTERS[:12]), dict.fromkeys(LETTERS[:12], 1)), (["7"] * 13 + list(LETTERS), None),
        ([None, ""], None),
        # Numbers of rows, from 0 or 1.
        (["0", "1", "2"], None), (["1", "2", "3"], None), (["1", "2", "4"], {}), (["2", "3"], {}), (["1"], {}),
    ],
)  # fmt: skip
def test_column_of_figures_has_few_other_texts(cells: list[str | None], markers: dict[str, int] | None) -> None:
    assert described(cells) == ([] if markers is None else [("n", markers, None, {})])
    assert described(cells, ("n",)) == []


def test_marks_after_figures_are_counted() -> None:
    assert described(["61%", "7 [r]", "9 [r]", "[low][p]"]) == [("n", {"[low]": 1}, None, {"[r]": 2, "%": 1, "[p]": 1})]


@pytest.mark.parametrize(
    ("text", "pair"),
    [("61%", ("61", "%")), ("230 [r]", ("230", "[r]")), ("5*", ("5", "*")), ("[low][p]", ("[low]", "[p]")),
     ("low %", ("low %", "")), ("7", ("7", "")), ("*", ("*", ""))],
)  # fmt: skip
def test_mark_follows_a_figure_or_a_symbol(text: str, pair: tuple[str, str]) -> None:
    assert split_mark(text) == pair


@pytest.mark.parametrize(
    ("numbers", "base"),
    [
        (range(0, 105, 5), 5), (range(5, 100, 5), None), (range(10, 210, 10), 10), (range(50, 1050, 50), 50),
        (range(100, 2100, 100), 100), (range(1000, 21000, 1000), 1000), ([*range(5, 105, 5), 101], None),
        ([*range(5, 105, 5), 2.5], None), ([*range(5, 105, 5), 5.0], 5),
    ],
)  # fmt: skip
def test_rounding_is_the_largest_base_of_twenty_different_figures(numbers: list[float], base: int | None) -> None:
    why = f"all 20 different figures are multiples of {base}" if base else ""
    assert rounding_base([f"{number:,}" for number in numbers]) == (base, why)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("£1,200", True), ("(5)", True), ("12.3m", True), ("5 %", True), ("1,200", False), ("-7", False), ("low", False)],
)
def test_figure_with_a_currency_in_brackets_or_in_millions_is_unreadable(text: str, is_one: bool) -> None:
    assert is_unreadable_figure(text) == is_one


def test_column_is_unreadable_where_half_of_its_cells_are() -> None:
    table = pl.DataFrame({"_row": ["£1"] * 4, "a": ["£1", "£2", "x", "y"], "b": ["£1", "x", "y", None],
                          "c": [None, "", "£3", None], "d": ["1", "2", "3", "4"]})  # fmt: skip
    assert unreadable_figures(table, []) == {"a": "£1", "c": "£3"}
    assert unreadable_figures(table, ["a"]) == {"c": "£3"}


def test_codes_that_became_numbers_are_those_beside_other_codes() -> None:
    table = pl.DataFrame({"a": ["1E+01", "01E", "1E+01"], "b": ["1E+01", "2", "3"], "c": ["01E", "02E", "x"]})
    assert columns_of_damaged_codes(table, []) == {"a": ["1E+01"]}
    assert columns_of_damaged_codes(table, ["a"]) == {}
