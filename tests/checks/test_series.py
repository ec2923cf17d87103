"""Numbers in place of codes and days, and the choice of releases, for one measure."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.series import (
    number_slices,
    order_in_time,
    renumber,
    select_compared_days,
    select_releases,
    split_measures,
)
from tests.checks.figures_expected import year


def rows(*given: tuple[str, tuple[date, date], int], **same: Any) -> pl.DataFrame:
    """Give rows of a place, a reference period and the order of their release."""
    records = [{"measure": "m", "place_code": code, "period_start": start, "period_end": end, "order": order, **same}
               for code, (start, end), order in given]  # fmt: skip
    return pl.DataFrame(records)


MIXED = rows(
    ("B", year(2021), 0), ("A", year(2020), 0), ("A", year(2021), 3), ("B", (date(2020, 1, 1), date(2020, 1, 31)), 0),
    ("A+B", year(2021), 3),
)  # fmt: skip


def test_places_periods_and_slices_have_numbers_in_order() -> None:
    slices = number_slices(MIXED)
    assert slices.period.tolist() == [1, 0, 1, 0, 1]
    assert slices.slice.tolist() == [2, 1, 2, 0, 2]
    assert len(set(slices.place.tolist())) == slices.place.max() + 1 == 3
    assert slices.place[0] == slices.place[3] and slices.place[1] == slices.place[2]
    coded = number_slices(MIXED.with_columns(pl.col("place_code").cast(pl.Categorical)))
    assert coded.slice.tolist() == slices.slice.tolist()


def test_repeated_list_of_places_is_numbered_as_any_other() -> None:
    spans = (year(2021), year(2020), (date(2020, 1, 1), date(2020, 1, 31)))
    repeated = rows(*((code, span, 0) for span in spans for code in ("C", "A", "B")))
    mixed = number_slices(repeated.vstack(rows(("C", year(2019), 0))))
    for actual, other in zip(number_slices(repeated)[1:], mixed[1:], strict=True):
        assert renumber(actual).tolist() == renumber(other[:9]).tolist() and actual.dtype == other.dtype


def test_newest_release_of_each_period_is_selected_and_the_one_before() -> None:
    slices = number_slices(MIXED)
    assert select_releases(slices).tolist() == [False, True, True, True, True]
    assert select_releases(slices, back=1).tolist() == [True, False, False, False, False]
    alone = number_slices(MIXED.with_columns(pl.lit(5).alias("order")))
    assert select_releases(alone).all() and not select_releases(alone, back=1).any()
    three = number_slices(rows(*(("A", year(2020), order) for order in (4, 0, 2))))
    assert [select_releases(three, back=back).tolist().index(True) for back in range(3)] == [0, 2, 1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=40))
def test_figures_are_in_order_of_place_and_then_time(pairs: list[tuple[int, int]]) -> None:
    place, time = (np.array([pair[n] for pair in pairs], np.int32) for n in (0, 1))
    due = sorted(range(len(pairs)), key=lambda number: pairs[number])
    assert order_in_time(place, time).tolist() == due


@pytest.mark.parametrize(("numbers", "due"), [([], []), ([7], [0]), ([9, 2, 2, 5], [2, 0, 0, 1])])
def test_renumbered_numbers_have_no_gap(numbers: list[int], due: list[int]) -> None:
    assert renumber(np.array(numbers, np.int64)).tolist() == due


def test_measures_are_split_in_order_of_name_with_their_rows() -> None:
    names = ["b", "a", "a", "b", "c"]
    frame = pl.DataFrame({"measure": names, "number": range(5)})
    split = {name: part["number"].to_list() for name, part in split_measures(frame)}
    assert split == {"a": [1, 2], "b": [0, 3], "c": [4]} and list(split) == ["a", "b", "c"]
    many = pl.DataFrame({"measure": ["b", "a"] * 6_000, "number": range(12_000)})
    assert [part["number"].head(2).to_list() for _, part in split_measures(many)] == [[1, 3], [0, 2]]
    assert list(split_measures(frame.clear())) == []


def test_last_day_of_each_month_is_compared_in_a_series_by_day() -> None:
    days = [date(2021, month, day) for month in (1, 2) for day in (30 - month, 27 - month, 3)]
    by_day = rows(*((code, (day, day), 0) for day in days for code in ("A", "B")))
    assert select_compared_days(by_day).select("place_code", "period_start").rows() == [
        (code, day) for day in (date(2021, 1, 29), date(2021, 2, 28)) for code in ("A", "B")
    ]
    mixed = pl.concat([by_day, rows(("A", year(2020), 0))])
    assert select_compared_days(mixed) is mixed
    assert select_compared_days(by_day.clear()).is_empty()
