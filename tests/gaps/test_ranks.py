"""Ranks as far as they are known: ties, overlaps, gaps, noise."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.gaps import ranks
from pipelines.gaps.ranks import RANK, format_rank, has_order, rank_places

MEASURES = {
    "people": Measure(title="People", unit="people", kind="count", column=("x",)),
    "rate": Measure(title="Rate", unit="%", kind="rate", denominator="people", column=("x",)),
    "estimate": Measure(title="Estimate", unit="%", kind="index", column=("x",), uncertainty="estimate"),
    "noisy": Measure(title="Noisy", unit="people", kind="count", column=("x",), uncertainty="perturbed"),
}
Given = tuple[float | None, float | None, float | None]


def ranked(figures: list[Given], measure: str = "people") -> list[tuple[int, int]]:
    """Rank figures given as value, low, high; give the best and the worst rank of each."""
    cells = table_from_records(
        [
            {"problem": "p", "measure": measure, "place_code": f"E{n}", "value": value, "lower_bound": low,
             "upper_bound": high,
             "reason": None if value is not None else "suppressed"}
            for n, (value, low, high) in enumerate(figures)
        ],
        CELL_COLUMNS,
    )  # fmt: skip
    actual = rank_places(cells, MEASURES)
    assert actual.columns == list(RANK)
    return actual.select("rank_lower_bound", "rank_upper_bound").rows()


def known(*values: float) -> list[Given]:
    return [(value, value, value) for value in values]


def test_highest_is_first() -> None:
    assert ranked(known(5, 9, 7)) == [(3, 3), (1, 1), (2, 2)]


def test_equal_figures_share_a_rank_and_the_next_is_counted_on() -> None:
    assert ranked(known(9, 9, 7)) == [(1, 1), (1, 1), (3, 3)]


def test_intervals_that_overlap_leave_the_rank_open() -> None:
    assert ranked([(10, 7.5, 12.5), (10, 7.5, 12.5), (2, 2, 2)]) == [(1, 2), (1, 2), (3, 3)]


def test_intervals_that_only_touch_may_be_equal_and_so_share_a_rank() -> None:
    assert ranked([(5, 5, 5), (6, 5, 7)]) == [(1, 2), (1, 1)]


def test_gap_without_bounds_may_have_any_rank() -> None:
    assert ranked([*known(5, 3), (None, None, None)]) == [(1, 2), (2, 3), (1, 3)]


def test_suppressed_figure_is_ranked_within_its_bounds() -> None:
    assert ranked([*known(50, 40, 2), (None, 1, 4)]) == [(1, 1), (2, 2), (3, 4), (3, 4)]


def test_missing_count_is_not_negative() -> None:
    assert ranked([*known(0), (None, None, None)]) == [(1, 2), (1, 1)]


def test_rate_without_a_declared_range_may_be_negative() -> None:
    assert ranked([*known(0), (None, None, None)], "rate") == [(1, 2), (1, 2)]


def test_yes_or_no_has_no_order() -> None:
    measures = {**MEASURES, "counted": Measure(title="Counted (1) or not (0)", unit="yes or no", kind="index",
                                               column=("x",))}  # fmt: skip
    rows = pl.DataFrame({"measure": ["people", "counted", "rate", "unknown", "counted"]})
    assert rows.filter(has_order(measures))["measure"].to_list() == ["people", "rate", "unknown"]
    assert rows.filter(has_order(MEASURES)).height == rows.height


def test_measure_without_figures_has_no_ranks() -> None:
    assert ranked([(None, 1, 4), (None, None, None)]) == []


def test_figures_with_unknown_noise_are_ranked_as_published_with_a_note() -> None:
    cells = table_from_records(
        [{"problem": "p", "measure": "noisy", "place_code": c, "value": v} for c, v in (("a", 3.0), ("b", 4.0))],
        CELL_COLUMNS,
    )
    actual = rank_places(cells, MEASURES)
    assert actual.select("rank_lower_bound", "rank_upper_bound").rows() == [(2, 2), (1, 1)]
    assert actual["noise"].null_count() == 0


def test_problems_ranked_together_have_the_ranks_of_each() -> None:
    figures = [
        ("p", "people", 3.0),
        ("p", "people", 4.0),
        ("p", "noisy", 5.0),
        ("q", "people", 9.0),
        ("q", "rate", 1.0),
    ]
    cells = table_from_records(
        [{"problem": problem, "measure": measure, "place_code": f"E{n}", "value": value}
         for n, (problem, measure, value) in enumerate(figures)],
        CELL_COLUMNS,
    )  # fmt: skip
    alone = [rank_places(own, MEASURES) for own in cells.partition_by("problem", maintain_order=True)]
    assert rank_places(cells, MEASURES).equals(pl.concat(alone))


def limited(figures: list[tuple[float, float | None, float | None]]) -> pl.DataFrame:
    """Rank estimates given as value and published limits."""
    cells = [
        {"problem": "p", "measure": "estimate", "place_code": f"E{n}", "value": value, "interval_lower": low,
         "interval_upper": high, "interval_level": 95.0, "interval_source": None if low is None else "published"}
        for n, (value, low, high) in enumerate(figures)
    ]  # fmt: skip
    return rank_places(table_from_records(cells, CELL_COLUMNS), MEASURES)


def test_estimates_with_overlapping_limits_are_similar_and_unranked() -> None:
    actual = limited([(82.0, 81.0, 83.0), (81.5, 80.5, 82.5), (70.0, 69.0, 71.0)])
    assert actual.select("rank", "rank_lower_bound", "rank_upper_bound", "similar_places").rows() == [
        (None, 1, 2, 1), (None, 1, 2, 1), (3, 3, 3, 0),
    ]  # fmt: skip
    assert [format_rank(row) for row in actual.iter_rows(named=True)] == [
        "statistically similar to 1 other", "statistically similar to 1 other", "rank 3 of 3",
    ]  # fmt: skip


def test_limits_that_touch_do_not_part_two_places() -> None:
    # 0.1 + 0.2 is 0.30000000000000004 in binary.
    actual = limited([(0.2, 0.1, 0.3), (0.4, 0.1 + 0.2, 0.5)])
    assert (
        actual.select("rank", "rank_lower_bound", "rank_upper_bound", "similar_places").rows() == [(None, 1, 2, 1)] * 2
    )


def test_bounds_that_touch_are_compared_as_decimals() -> None:
    # 76.1 - 0.05 is 76.05 and 76.0 + 0.05 is 76.05, but not in binary.
    figures: list[Given] = [(n / 10, n / 10 - 0.05, n / 10 + 0.05) for n in range(700, 800)]
    assert ranked(figures, "rate") == [(max(99 - n, 1), 100 - n) for n in range(100)]


def test_an_estimate_without_limits_has_no_rank_and_unsettles_the_others() -> None:
    actual = limited([(82.0, 81.0, 83.0), (70.0, None, None)])
    assert actual.select("rank", "rank_lower_bound", "rank_upper_bound", "similar_places", "no_interval").rows() == [
        (None, 1, 2, 0, None), (None, 1, 2, None, "no interval published"),
    ]  # fmt: skip
    assert format_rank(actual.row(1, named=True)) == "no rank: no interval published"


def test_figures_with_noise_have_no_sure_rank() -> None:
    actual = rank_places(
        table_from_records([{"problem": "p", "measure": "noisy", "place_code": "a", "value": 3.0}], CELL_COLUMNS),
        MEASURES,
    )
    assert actual["rank"].to_list() == [None]
    assert format_rank(actual.row(0, named=True)).startswith("about rank 1 of 1: the publisher adds noise")


def test_row_of_ranks_has_all_columns() -> None:
    actual = rank_places(
        table_from_records(
            [
                cell_of("a", 10.0, 7.5, 12.5),
                cell_of("b", 10.0, 7.5, 12.5),
                cell_of("c", 2.0, 2.0, 2.0),
                cell_of("d", 1.0, 1.0, 1.0),
            ],
            CELL_COLUMNS,
        ),
        MEASURES,
    )
    names = ["place_code", "value", "rank", "rank_lower_bound", "rank_upper_bound", "similar_places", "places",
             "rank_share", "noise",
             "no_interval"]  # fmt: skip
    assert actual.select(names).rows() == [
        ("a", 10.0, None, 1, 2, 1, 4, 0.25, None, None), ("b", 10.0, None, 1, 2, 1, 4, 0.25, None, None),
        ("c", 2.0, 3, 3, 3, 0, 4, 0.0, None, None), ("d", 1.0, 4, 4, 4, 0, 4, 0.0, None, None),
    ]  # fmt: skip


def cell_of(place: str, value: float | None, low: float | None, high: float | None, **said: Any) -> dict[str, Any]:
    return {
        "problem": "p",
        "measure": "people",
        "place_code": place,
        "value": value,
        "lower_bound": low,
        "upper_bound": high,
        **said,
    }


def test_only_an_estimate_without_limits_is_marked_no_interval() -> None:
    cells = [
        {"problem": "p", "measure": measure, "place_code": place, "value": value}
        for measure in ("estimate", "rate", "noisy") for place, value in (("a", 5.0), ("b", None))
    ]  # fmt: skip
    actual = rank_places(table_from_records(cells, CELL_COLUMNS), MEASURES)
    assert actual.select("measure", "place_code", "no_interval").rows() == [
        ("estimate", "a", "no interval published"), ("estimate", "b", None), ("rate", "a", None), ("rate", "b", None),
        ("noisy", "a", None), ("noisy", "b", None),
    ]  # fmt: skip


def test_count_with_a_declared_minimum_is_not_negative() -> None:
    floors = {"people": (1, 1), "stock": (1, 1), "from_one": (1, 1), "below": (1, 2), "rate": (1, 2)}
    measures = {
        **MEASURES,
        "stock": Measure(title="t", unit="u", kind="stock", column=("x",)),
        "from_one": Measure(title="t", unit="u", kind="count", column=("x",), range=(0.0, 9.0)),
        "below": Measure(title="t", unit="u", kind="count", column=("x",), range=(-1.0, 9.0)),
    }
    places: list[tuple[str, float | None]] = [("a", 0.0), ("b", None)]
    cells = [cell_of(place, value, value, value, measure=name) for name in floors for place, value in places]
    actual = rank_places(table_from_records(cells, CELL_COLUMNS), measures).filter(pl.col("place_code") == "b")
    result = actual.select("measure", "rank_lower_bound", "rank_upper_bound").iter_rows()
    assert {name: (low, high) for name, low, high in result} == floors


def test_each_measure_and_year_is_ranked_separately() -> None:
    days = [date(2000 + n, 1, 1) for n in range(20)]
    places = [("a", 1.0), ("b", 2.0)]
    cells = [cell_of(place, value, value, value, period_start=day) for day in days for place, value in places]
    actual = rank_places(table_from_records(cells, CELL_COLUMNS), MEASURES)
    assert actual.select("period_start", "place_code", "rank", "places").rows() == [
        (day, place, rank, 2) for day in days for place, rank in (("a", 2), ("b", 1))
    ]


@pytest.mark.parametrize("most", [1, 3, 5, 100])
def test_ranks_in_parts_are_those_of_all_cells(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [date(2000 + n, 1, 1) for n in range(4)]
    # The slices of one measure and year are apart, and one has no figure.
    cells = table_from_records(
        [cell_of(place, None if day == days[1] else value, value, value, period_start=day)
         for place, value in (("a", 1.0), ("b", 2.0)) for day in days],
        CELL_COLUMNS,
    )  # fmt: skip
    expected = rank_places(cells, MEASURES)
    assert expected.height == 6
    monkeypatch.setattr(ranks, "_MOST_ROWS", most)
    parts = list(ranks.rank_in_parts(cells, MEASURES))
    assert pl.concat(parts).equals(expected) and rank_places(cells, MEASURES).equals(expected)
    assert [part.height for part in parts] == {1: [2, 2, 2], 3: [2, 2, 2], 5: [4, 2], 100: [6]}[most]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"value": None}, ""), ({"no_interval": "none"}, "no rank: none"), ({"rank": 1234}, "rank 1,234 of 2,000"),
        ({"interval_source": "published", "similar_places": 1}, "statistically similar to 1 other"),
        ({"interval_source": "published", "similar_places": 1000}, "statistically similar to 1,000 others"),
        ({"interval_source": "published", "similar_places": 0}, "statistically similar to 0 others"),
        ({"noise": "noisy"}, "about rank 3 of 2,000: noisy"), ({}, "between rank 3 and 1,005 of 2,000"),
        ({"interval_source": "back-tests"}, "between rank 3 and 1,005 of 2,000"),
    ],
)  # fmt: skip
def test_rank_is_formatted_in_words(said: dict[str, Any], words: str) -> None:
    row = {"value": 1.0, "no_interval": None, "rank": None, "places": 2000, "interval_source": None,
           "similar_places": None,
           "rank_lower_bound": 3, "rank_upper_bound": 1005, "noise": None}  # fmt: skip
    assert format_rank({**row, **said}) == words


def test_no_cells_give_no_ranks() -> None:
    assert rank_places(table_from_records([], CELL_COLUMNS), MEASURES).is_empty()


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=12)
)
def test_true_rank_lies_between_the_two(figures: list[tuple[int, int, int, bool]]) -> None:
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
def test_both_ends_can_happen(figures: list[tuple[int, int, int]]) -> None:
    """A place at its upper end, with all others at their lower end, has its best rank; the reverse, its worst."""
    low = np.array([max(value - below, 0) for value, below, _ in figures], float)
    high = np.array([value + above for value, _, above in figures], float)
    given_: list[Given] = [(float(v), float(a), float(b)) for (v, _, _), a, b in zip(figures, low, high, strict=True)]
    for n, (best, worst) in enumerate(ranked(given_)):
        others = np.arange(len(low)) != n
        assert best == 1 + (low[others] > high[n]).sum()
        assert worst == 1 + (high[others] > low[n]).sum()


def test_ranks_have_the_documented_columns() -> None:
    assert set(RANK) >= {"rank_lower_bound", "rank_upper_bound", "places", "noise"}
    assert rank_places(table_from_records([], CELL_COLUMNS), MEASURES).schema == pl.Schema(
        {name: c.dtype for name, c in RANK.items()}
    )
