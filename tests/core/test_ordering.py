"""Rows of large frames: those in order stay, others are sorted, and a selection of all is no copy."""

import polars as pl
import pytest

from pipelines.core.ordering import count_repeats, filter_frame, sort_frame


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("a", 1)],
        [("a", 1), ("a", 1), ("b", 0)],
        [("a", 2), ("a", 1)],
        [("b", 1), ("a", 2)],
        [("a", 1), ("b", 3), ("b", 2), ("c", 1)],
    ],
)
def test_rows_are_in_order_after_a_sort_and_equal_ones_as_they_were(rows: list[tuple[str, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.Int64}, orient="row").with_row_index()
    assert sort_frame(frame, "a", "b").equals(frame.sort("a", "b", maintain_order=True))
    assert sort_frame(frame, "a").equals(frame.sort("a", maintain_order=True))


def test_rows_in_order_are_the_frame_itself_and_equal_ones_of_others_stay_as_they_were() -> None:
    frame = pl.DataFrame({"a": ["a", "a", "b"], "b": [1, 2, 0]})
    assert sort_frame(frame, "a", "b") is frame and sort_frame(frame, "a") is frame
    many = pl.DataFrame({"a": [n % 3 for n in range(5_000)], "b": [n % 2 for n in range(5_000)]}).with_row_index()
    assert all(part["index"].is_sorted() for part in sort_frame(many, "a", "b").partition_by("a", "b"))
    blank = pl.DataFrame({"a": ["b", None, "a"]})
    assert sort_frame(blank, "a")["a"].to_list() == [None, "a", "b"]


@pytest.mark.parametrize(
    ("texts", "repeats"),
    [("", 0), ("abc", 0), ("cab", 0), ("aab", 1), ("bab", 1), ("aaa", 2), ("abb", 1), ("abcd", 0), ("abca", 1)],
)
def test_repeats_are_entries_that_an_earlier_one_equals(texts: str, repeats: int) -> None:
    assert count_repeats(pl.Series(list(texts), dtype=pl.String)) == repeats


def test_selected_rows_are_those_where_the_expression_is_true() -> None:
    frame = pl.DataFrame({"a": [1, None, 3]})
    assert filter_frame(frame, pl.col("a") > 1)["a"].to_list() == [3]
    known = frame.drop_nulls()
    assert filter_frame(known, pl.col("a") > 0) is known
