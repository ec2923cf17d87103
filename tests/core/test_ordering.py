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


@pytest.mark.parametrize(("texts", "repeats"), [("", 0), ("abc", 0), ("cab", 0), ("aab", 1), ("bab", 1), ("aaa", 2)])
def test_repeats_are_entries_that_an_earlier_one_equals(texts: str, repeats: int) -> None:
    assert count_repeats(pl.Series(list(texts), dtype=pl.String)) == repeats


def test_selected_rows_are_those_where_the_expression_is_true() -> None:
    frame = pl.DataFrame({"a": [1, None, 3]})
    assert filter_frame(frame, pl.col("a") > 1)["a"].to_list() == [3]
    known = frame.drop_nulls()
    assert filter_frame(known, pl.col("a") > 0) is known
