"""Ranks as far as they are known: ties, overlaps, gaps, noise."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.schema import CELL, rows
from pipelines.declarations.measure import Measure
from pipelines.gaps.ranks import RANK, rank_places, rank_said

MEASURES = {
    "people": Measure(title="People", unit="people", kind="count", column=("x",)),
    "rate": Measure(title="Rate", unit="%", kind="rate", denominator="people", column=("x",)),
    "estimate": Measure(title="Estimate", unit="%", kind="index", column=("x",), estimate=True),
    "noisy": Measure(title="Noisy", unit="people", kind="count", column=("x",), perturbed=True),
}
Given = tuple[float | None, float | None, float | None]


def ranked(figures: list[Given], measure: str = "people") -> list[tuple[int, int]]:
    """Rank figures given as value, low, high; give the best and the worst rank of each."""
    cells = rows(
        [
            {"problem": "p", "measure": measure, "place_code": f"E{n}", "value": value, "low": low, "high": high,
             "reason": None if value is not None else "suppressed"}
            for n, (value, low, high) in enumerate(figures)
        ],
        CELL,
    )  # fmt: skip
    found = rank_places(cells, MEASURES)
    assert found.columns == list(RANK)
    return found.select("rank_low", "rank_high").rows()


def known(*values: float) -> list[Given]:
    return [(value, value, value) for value in values]


def test_the_highest_is_first() -> None:
    assert ranked(known(5, 9, 7)) == [(3, 3), (1, 1), (2, 2)]


def test_equal_figures_share_a_rank_and_the_next_is_counted_on() -> None:
    assert ranked(known(9, 9, 7)) == [(1, 1), (1, 1), (3, 3)]


def test_intervals_that_overlap_leave_the_rank_open() -> None:
    assert ranked([(10, 7.5, 12.5), (10, 7.5, 12.5), (2, 2, 2)]) == [(1, 2), (1, 2), (3, 3)]


def test_intervals_that_only_touch_may_be_equal_and_so_share_a_rank() -> None:
    assert ranked([(5, 5, 5), (6, 5, 7)]) == [(1, 2), (1, 1)]


def test_a_gap_without_bounds_may_stand_anywhere_and_unsettles_the_others() -> None:
    assert ranked([*known(5, 3), (None, None, None)]) == [(1, 2), (2, 3), (1, 3)]


def test_a_hidden_figure_with_bounds_stands_only_where_they_allow() -> None:
    assert ranked([*known(50, 40, 2), (None, 1, 4)]) == [(1, 1), (2, 2), (3, 4), (3, 4)]


def test_a_count_that_is_missing_is_not_below_nought() -> None:
    assert ranked([*known(0), (None, None, None)]) == [(1, 2), (1, 1)]


def test_a_rate_may_be_so_that_is_not_said_of_it() -> None:
    assert ranked([*known(0), (None, None, None)], "rate") == [(1, 2), (1, 2)]


def test_a_measure_of_which_nothing_is_known_has_no_ranks() -> None:
    assert ranked([(None, 1, 4), (None, None, None)]) == []


def test_figures_with_noise_of_unknown_size_are_ranked_as_printed_and_said_to_be_noisy() -> None:
    cells = rows(
        [{"problem": "p", "measure": "noisy", "place_code": c, "value": v} for c, v in (("a", 3.0), ("b", 4.0))], CELL
    )
    found = rank_places(cells, MEASURES)
    assert found.select("rank_low", "rank_high").rows() == [(2, 2), (1, 1)]
    assert found["noise"].null_count() == 0


def limited(figures: list[tuple[float, float | None, float | None]]) -> pl.DataFrame:
    """Rank estimates given as value and published limits."""
    cells = [
        {"problem": "p", "measure": "estimate", "place_code": f"E{n}", "value": value, "likely_low": low,
         "likely_high": high, "likely_level": 95.0, "likely_source": None if low is None else "published"}
        for n, (value, low, high) in enumerate(figures)
    ]  # fmt: skip
    return rank_places(rows(cells, CELL), MEASURES)


def test_estimates_whose_limits_overlap_have_no_rank_and_say_to_how_many_they_are_similar() -> None:
    found = limited([(82.0, 81.0, 83.0), (81.5, 80.5, 82.5), (70.0, 69.0, 71.0)])
    assert found.select("rank", "rank_low", "rank_high", "similar_to").rows() == [
        (None, 1, 2, 1), (None, 1, 2, 1), (3, 3, 3, 0),
    ]  # fmt: skip
    assert [rank_said(row) for row in found.iter_rows(named=True)] == [
        "statistically similar to 1 other", "statistically similar to 1 other", "rank 3 of 3",
    ]  # fmt: skip


def test_limits_that_touch_do_not_part_two_places() -> None:
    # 0.1 + 0.2 is 0.30000000000000004 in binary.
    found = limited([(0.2, 0.1, 0.3), (0.4, 0.1 + 0.2, 0.5)])
    assert found.select("rank", "rank_low", "rank_high", "similar_to").rows() == [(None, 1, 2, 1)] * 2


def test_bounds_that_touch_are_compared_as_decimals() -> None:
    # 76.1 - 0.05 is 76.05 and 76.0 + 0.05 is 76.05, but not in binary.
    figures: list[Given] = [(n / 10, n / 10 - 0.05, n / 10 + 0.05) for n in range(700, 800)]
    assert ranked(figures, "rate") == [(max(99 - n, 1), 100 - n) for n in range(100)]


def test_an_estimate_without_limits_has_no_rank_and_unsettles_the_others() -> None:
    found = limited([(82.0, 81.0, 83.0), (70.0, None, None)])
    assert found.select("rank", "rank_low", "rank_high", "similar_to", "no_interval").rows() == [
        (None, 1, 2, 0, None), (None, 1, 2, None, "no interval published"),
    ]  # fmt: skip
    assert rank_said(found.row(1, named=True)) == "no rank: no interval published"


def test_figures_with_noise_have_no_sure_rank() -> None:
    found = rank_places(rows([{"problem": "p", "measure": "noisy", "place_code": "a", "value": 3.0}], CELL), MEASURES)
    assert found["rank"].to_list() == [None]
    assert rank_said(found.row(0, named=True)).startswith("about rank 1 of 1: the publisher adds noise")


def test_no_cells_give_no_ranks() -> None:
    assert rank_places(rows([], CELL), MEASURES).is_empty()


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=12)
)
@settings(max_examples=200, deadline=None)
def test_the_true_rank_lies_between_the_two(figures: list[tuple[int, int, int, bool]]) -> None:
    truth = np.array([value for value, *_ in figures], float)
    given_ = [
        (None if hidden else value, float(max(value - below, 0)), float(value + above))
        for value, below, above, hidden in figures
    ]
    if all(value is None for value, *_ in given_):
        return
    for n, (best, worst) in enumerate(ranked(given_)):
        true = 1 + int((truth > truth[n]).sum())
        assert best <= true <= worst


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=6))
@settings(max_examples=100, deadline=None)
def test_both_ends_can_happen(figures: list[tuple[int, int, int]]) -> None:
    """A place at its most and all others at their least stands best; the other way round, worst."""
    low = np.array([max(value - below, 0) for value, below, _ in figures], float)
    high = np.array([value + above for value, _, above in figures], float)
    given_: list[Given] = [(float(v), float(a), float(b)) for (v, _, _), a, b in zip(figures, low, high, strict=True)]
    for n, (best, worst) in enumerate(ranked(given_)):
        others = np.arange(len(low)) != n
        assert best == 1 + (low[others] > high[n]).sum()
        assert worst == 1 + (high[others] > low[n]).sum()


def test_ranks_stand_in_the_columns_that_are_documented() -> None:
    assert set(RANK) >= {"rank_low", "rank_high", "places", "noise"}
    assert rank_places(rows([], CELL), MEASURES).schema == pl.Schema({name: c.dtype for name, c in RANK.items()})
