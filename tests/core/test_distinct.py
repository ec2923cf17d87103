"""Distinct entries by number: rows are counted, compared and sorted as their entries are."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import distinct
from pipelines.core.distinct import find_repeated, number_entries, number_rows, rank_entries, sort_rows

TEXTS = st.lists(st.none() | st.sampled_from(["b", "a", "", "Z", "ä"]), max_size=12)
DAYS = st.none() | st.dates(date(1990, 1, 1), date(2030, 1, 1))
ROWS = st.lists(st.tuples(st.sampled_from("ba"), DAYS, st.none() | st.integers(-3, 3)), max_size=15)
COLUMNS = ["text", "day", "number"]


def as_frame(rows: list[tuple[str, date | None, int | None]]) -> pl.DataFrame:
    """Return rows as a frame with a category, a day and a whole number."""
    return pl.DataFrame(rows, {"text": pl.Categorical, "day": pl.Date, "number": pl.Int64}, orient="row")


@given(TEXTS, st.sampled_from([pl.String, pl.Categorical, pl.Enum(["", "Z", "a", "b", "ä"])]))
def test_each_row_has_the_number_of_its_entry(texts: list[str | None], dtype: pl.DataType) -> None:
    numbers, entries = number_entries(pl.Series(texts, dtype=pl.String).cast(dtype))
    assert [entries[int(number)] for number in numbers] == texts
    assert len(set(entries.to_list())) == entries.len() == len(set(texts)) or not texts


@pytest.mark.parametrize("numbers", [[5, 10**12, 5, None], [7, 7], [None, None], [-4, None], [0, 3, 1]])
def test_numbers_far_apart_are_numbered_as_well(numbers: list[int | None]) -> None:
    actual, entries = number_entries(pl.Series(numbers, dtype=pl.Int64))
    assert [entries[int(number)] for number in actual] == numbers and entries.n_unique() == entries.len()


@given(TEXTS.filter(bool))
def test_entries_are_ranked_by_text_with_null_first(texts: list[str | None]) -> None:
    entries = pl.Series(list(dict.fromkeys(texts)), dtype=pl.Categorical)
    expected = sorted(entries.to_list(), key=lambda text: (text is not None, text or ""))
    assert [expected[rank] for rank in rank_entries(entries)] == entries.to_list()


@given(ROWS, st.booleans())
def test_rows_have_one_number_where_all_entries_are_equal(
    rows: list[tuple[str, date | None, int | None]], ordered: bool
) -> None:
    keys, limit = number_rows(as_frame(rows), COLUMNS, ordered=ordered)
    assert all((keys[a] == keys[b]) == (rows[a] == rows[b]) for a in range(len(rows)) for b in range(len(rows)))
    assert all(0 <= key < limit for key in keys)


@given(ROWS, st.sampled_from([0, 4]))
def test_repeated_rows_are_those_with_another_like_them(
    rows: list[tuple[str, date | None, int | None]], sparse: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_SMALL", sparse)
        patch.setattr(distinct, "SPARSE", sparse)
        actual = find_repeated(number_rows(as_frame(rows), COLUMNS))
    assert actual.tolist() == [n for n, row in enumerate(rows) if rows.count(row) > 1]


@given(ROWS, st.sampled_from([0, 4]))
def test_rows_are_sorted_by_their_entries_and_stay_where_equal(
    rows: list[tuple[str, date | None, int | None]], sparse: int
) -> None:
    frame = as_frame(rows).with_row_index("row")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_SMALL", sparse)
        patch.setattr(distinct, "SPARSE", sparse)
        order = sort_rows(number_rows(frame, COLUMNS, ordered=True))
    plain = frame.with_columns(pl.col("text").cast(pl.String)).sort(COLUMNS, nulls_last=False, maintain_order=True)
    actual = np.arange(len(rows)) if order is None else order
    assert actual.tolist() == plain["row"].to_list()


@pytest.mark.parametrize("most", [1, 2, 7, 1 << 62])
@given(rows=ROWS)
def test_rows_are_numbered_alike_where_numbers_would_grow_too_large(
    most: int, rows: list[tuple[str, date | None, int | None]]
) -> None:
    usual = number_rows(as_frame(rows), COLUMNS, ordered=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_MOST_KEYS", most)
        other = number_rows(as_frame(rows), COLUMNS, ordered=True)
    assert other.limit > other.keys.max(initial=0)
    assert rank(other) == rank(usual)


def rank(rows: distinct.RowKeys) -> list[int]:
    """Return the position of each row's number among the numbers."""
    places = {key: place for place, key in enumerate(sorted(set(rows.keys.tolist())))}
    return [places[key] for key in rows.keys.tolist()]


@given(ROWS)
def test_rows_are_numbered_alike_where_few_pairs_of_entries_occur(
    rows: list[tuple[str, date | None, int | None]],
) -> None:
    usual = number_rows(as_frame(rows), COLUMNS, ordered=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_is_countable", lambda limit, _: limit < len(rows))
        other = number_rows(as_frame(rows), COLUMNS, ordered=True)
    assert other.limit > other.keys.max(initial=0) and rank(other) == rank(usual)
