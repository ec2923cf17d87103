"""Slices: boundaries between measures and periods, the newest release, and sums of places."""

import random
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.slices import (
    SLICE_KEY,
    count_repeated_texts,
    has_contiguous_slices,
    newest_slices,
    slice_starts,
    split_slices,
    sum_by_total,
    take_slices,
)


def dated(*rows: tuple[Any, ...], **more: pl.DataType | type[pl.DataType]) -> pl.DataFrame:
    """Build figures of measures and years, with further columns."""
    result = [(measure, date(year, 1, 1), date(year, 12, 31), *rest) for measure, year, *rest in rows]
    return pl.DataFrame(result, dict(zip(SLICE_KEY, (pl.String, pl.Date, pl.Date), strict=True)) | more, orient="row")


SORTED = dated(
    ("a", 2021, 1.0), ("a", 2021, 2.0), ("a", 2022, 3.0), ("b", 2022, 4.0), ("b", 2022, 5.0), ("b", 2022, 6.0),
    value=pl.Float64,
)  # fmt: skip
STARTS = [0, 2, 3]


def test_slice_starts_where_the_measure_or_period_changes() -> None:
    assert slice_starts(SORTED).tolist() == STARTS
    shorter = SORTED.with_columns(pl.Series("period_end", [date(2021, 12, 31)] * 5 + [date(2022, 1, 1)]))
    assert slice_starts(shorter).tolist() == [0, 2, 3, 5]
    assert slice_starts(SORTED.head(1)).tolist() == [0]
    assert slice_starts(SORTED.clear()).tolist() == []


def test_figures_without_a_period_form_a_separate_slice() -> None:
    unknown = SORTED.head(3).with_columns(pl.lit(None, pl.Date).alias("period_start"))
    unknown = unknown.with_columns(pl.lit(None, pl.Date).alias("period_end"))
    assert slice_starts(unknown).tolist() == [0]
    assert slice_starts(pl.concat([unknown, SORTED])).tolist() == [0, 3, 5, 6]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 7])
def test_batches_of_any_size_give_the_same_slices(size: int) -> None:
    actual = list(split_slices(SORTED.iter_slices(size)))
    assert_frame_equal(pl.concat([frame for frame, _ in actual]), SORTED)
    slices = [part for frame, starts in actual for part in cut(frame, starts.tolist())]
    assert len(slices) == len(STARTS)
    for part, wanted in zip(slices, cut(SORTED, STARTS), strict=True):
        assert_frame_equal(part, wanted)


def cut(frame: pl.DataFrame, starts: list[int]) -> list[pl.DataFrame]:
    return [frame.slice(n, end - n) for n, end in zip(starts, [*starts[1:], frame.height], strict=True)]


def test_empty_batches_give_no_slice() -> None:
    blank = SORTED.clear()
    assert list(split_slices([])) == []
    assert list(split_slices([blank, blank])) == []
    actual = list(split_slices([blank, SORTED.head(1), blank, SORTED.slice(1, 1)]))
    assert [(frame.height, starts.tolist()) for frame, starts in actual] == [(2, [0])]


def test_contiguous_and_mixed_slices_are_distinguished() -> None:
    assert has_contiguous_slices(SORTED)
    assert has_contiguous_slices(SORTED.clear())
    assert has_contiguous_slices(SORTED.reverse())
    assert not has_contiguous_slices(SORTED[[0, 2, 1, 3, 4, 5]])
    assert not has_contiguous_slices(SORTED[[0, 1, 3, 2, 4, 5]])


def test_newest_release_is_kept_for_each_measure_and_period() -> None:
    stored = dated(
        ("a", 2021, 1, "x", 10.0), ("a", 2021, 2, "x", 11.0), ("a", 2021, 2, "y", 12.0),
        ("a", 2022, 2, "x", 13.0), ("a", 2022, 3, "x", None),
        ("b", 2021, 1, "x", 14.0), ("b", 2021, 1, "y", 15.0),
        order=pl.Int64, place_code=pl.String, value=pl.Float64,
    )  # fmt: skip
    # A newer release is not completed from an older one, and its nulls remain.
    expected = stored[[1, 2, 4, 5, 6]]
    for seed in range(3):
        mixed = stored.sample(fraction=1.0, shuffle=True, seed=seed)
        kept = newest_slices(mixed)
        assert kept.columns == stored.columns
        assert_frame_equal(kept, expected, check_row_order=False)
    assert newest_slices(stored.clear()).is_empty()


MEMBER = pl.DataFrame(
    [("T", "x"), ("T", "y"), ("T", "z"), ("U", "y"), ("U", "z")], {"total_code": pl.String, "place_code": pl.String},
    orient="row",
)  # fmt: skip
LIMITS: dict[str, Any] = {
    "place_code": pl.String, "value": pl.Float64, "lower_bound": pl.Float64, "upper_bound": pl.Float64,
    "obs_status": pl.String
}  # fmt: skip


def current(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Build figures of measures, years and places, each with bounds and status."""
    return dated(*rows, **LIMITS)


def summed(cells: pl.DataFrame, total: str = "T", year: int = 2021) -> dict[str, Any]:
    """Return the sum of the places of a total, whatever the order of rows."""
    actual = sum_by_total(cells, MEMBER)
    turned = sum_by_total(cells.reverse(), MEMBER.reverse())
    assert_frame_equal(actual, turned, check_row_order=False)
    (row,) = actual.filter(pl.col("total_code") == total, pl.col("period_start").dt.year() == year).to_dicts()
    return {name: row[name] for name in row if name not in (*SLICE_KEY, "total_code")}


KNOWN = {"places_hidden": 0, "suppressed_lower_bound": 0.0, "suppressed_upper_bound": 0.0}


def test_figures_of_places_are_summed_by_total() -> None:
    cells = current(
        ("a", 2021, "x", 1.0, 1.0, 1.0, "normal"), ("a", 2021, "y", 2.0, 2.0, 2.0, "normal"),
        ("a", 2021, "z", 4.0, 4.0, 4.0, "normal"), ("a", 2021, "q", 100.0, 9.0, 9.0, "normal"),
        ("a", 2022, "x", 8.0, 8.0, 8.0, "normal"), ("b", 2021, "x", 16.0, 1.0, 1.0, "normal"),
    )  # fmt: skip
    sums = sum_by_total(cells, MEMBER)
    assert sorted(sums.select("measure", pl.col("period_start").dt.year(), "total_code", "sum_of_places").rows()) == [
        ("a", 2021, "T", 7.0), ("a", 2021, "U", 6.0), ("a", 2022, "T", 8.0), ("b", 2021, "T", 16.0),
    ]  # fmt: skip
    only = cells.filter(pl.col("measure") == "a")
    assert summed(only) == {"sum_of_places": 7.0, "places_given": 3, "figures": 3, **KNOWN}
    assert summed(only, year=2022) == {"sum_of_places": 8.0, "places_given": 1, "figures": 1, **KNOWN}


def test_places_published_together_are_counted_once() -> None:
    cells = current(("a", 2021, "x", 1.0, 1.0, 1.0, "normal"), ("a", 2021, "y+z", 6.0, 6.0, 6.0, "normal"))
    assert summed(cells) == {"sum_of_places": 7.0, "places_given": 3, "figures": 2, **KNOWN}
    # A figure only partly inside the total is not part of the sum.
    half = current(("a", 2021, "x+y", 6.0, 6.0, 6.0, "normal"), ("a", 2021, "z", 1.0, 1.0, 1.0, "normal"))
    assert summed(half, "U") == {"sum_of_places": 1.0, "places_given": 1, "figures": 1, **KNOWN}


def test_suppressed_places_are_counted_with_their_bounds() -> None:
    cells = current(
        ("a", 2021, "x", None, 1.0, 4.0, "confidential"), ("a", 2021, "y", None, None, 9.0, "low"),
        ("a", 2021, "z", 5.0, 0.0, 50.0, "normal"),
    )  # fmt: skip
    assert summed(cells) == {
        "sum_of_places": 5.0, "places_given": 1, "figures": 1, "places_hidden": 2, "suppressed_lower_bound": 1.0,
        "suppressed_upper_bound": 13.0,
    }  # fmt: skip


def test_suppressed_figure_without_an_upper_bound_leaves_the_sum_unbounded() -> None:
    cells = current(
        ("a", 2021, "x", None, 1.0, None, "confidential"), ("a", 2021, "y+z", None, 2.0, 9.0, "confidential"),
    )  # fmt: skip
    assert summed(cells) == {
        "sum_of_places": 0.0, "places_given": 0, "figures": 0, "places_hidden": 3, "suppressed_lower_bound": 3.0,
        "suppressed_upper_bound": None,
    }  # fmt: skip


def test_not_applicable_counts_as_given_and_missing_does_not() -> None:
    cells = current(
        ("a", 2021, "x", None, 3.0, 7.0, "not_applicable"), ("a", 2021, "y", None, 3.0, 7.0, "not_available"),
        ("a", 2021, "z", 2.0, 2.0, 2.0, "confidential"),
    )  # fmt: skip
    assert summed(cells) == {"sum_of_places": 2.0, "places_given": 2, "figures": 1, **KNOWN}


def test_sums_do_not_depend_on_row_order_and_are_empty_without_figures() -> None:
    assert sum_by_total(current(), MEMBER).is_empty()
    rows = [("a", year, place, float(year - 2000), 0.0, 1.0, "normal") for year in (2021, 2022) for place in "xyzq"]
    first = sum_by_total(current(*rows), MEMBER)
    assert first.height == 4
    random.Random(1).shuffle(rows)
    assert_frame_equal(sum_by_total(current(*rows), MEMBER), first, check_row_order=False)


@pytest.mark.parametrize("chosen", [(True, True, True), (True, False, True), (False, True, False), (False,) * 3])
def test_slices_taken_are_the_chosen_ones_in_order(chosen: tuple[bool, ...]) -> None:
    starts = slice_starts(SORTED)
    expected = [part for part, is_chosen in zip(SORTED.partition_by(SLICE_KEY), chosen, strict=True) if is_chosen]
    assert_frame_equal(take_slices(SORTED, starts, np.array(chosen)), pl.concat([SORTED.clear(), *expected]))


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
@pytest.mark.parametrize(
    ("texts", "starts", "rows"),
    [
        (["A", "B", "A", "B"], [0, 2], 2),
        (["A", "B", "A", "B"], [0], 4),
        (["A", "A"], [0, 1], 1),
        (["A", "B", "B", "A"], [0, 2], None),
        (["A", "B", "A", "C"], [0, 2], None),
        (["A", "B", "A", "B"], [0, 3], None),
        (["A", "B", "A"], [0, 2], None),
        (["A", None, "A", None], [0, 2], None),
        ([], [], None),
    ],
)
def test_texts_repeat_where_every_slice_has_the_same_in_one_order(
    texts: list[str | None], starts: list[int], rows: int | None, dtype: type[pl.DataType]
) -> None:
    assert count_repeated_texts(pl.Series(texts, dtype=pl.String).cast(dtype), np.array(starts, np.int64)) == rows
