"""Rules of bounds from sums: thresholds, cycles of sums, and sums that no figures satisfy."""

import numpy as np
import pytest

from pipelines.observations.bounds import BoundVectors, SumConstraint, narrow_bounds

INF = np.inf
STEP = 1e-6
"""Smallest change that counts as narrowing."""
Ends = list[tuple[float, float]]


def interval(*ends: tuple[float, float]) -> BoundVectors:
    low, high = np.array(ends, float).T
    return BoundVectors(low, high)


def ends(actual: BoundVectors | None) -> Ends:
    assert actual is not None
    return list(zip(actual.low.tolist(), actual.high.tolist(), strict=True))


@pytest.mark.parametrize(
    ("start", "parts", "whole", "expected"),
    [
        # The rest of the total, from below and from above.
        ([(10, 10), (1, 4), (0, INF), (20, 20)], (0, 1, 2), True, [(10, 10), (1, 4), (6, 9), (20, 20)]),
        ([(10, 10), (1, 4), (13, 13)], (0, 1), True, [(10, 10), (3, 3), (13, 13)]),
        # An inclusive total bounds its parts from above only, and they bound it from below only.
        ([(10, 10), (1, 4), (13, 13)], (0, 1), False, [(10, 10), (1, 3), (13, 13)]),
        ([(10, 10), (1, 4), (0, INF)], (0, 1), False, [(10, 10), (1, 4), (11, INF)]),
        ([(10, 10), (1, 4), (0, INF)], (0, 1), True, [(10, 10), (1, 4), (11, 14)]),
        # Two infinite bounds leave the sum unbounded; one does not.
        ([(0, INF), (0, INF), (5, INF)], (0, 1), True, [(0, INF), (0, INF), (5, INF)]),
        ([(0, INF), (0, INF), (5, 9)], (0, 1), True, [(0, 9), (0, 9), (5, 9)]),
        ([(-INF, INF), (2, 3), (5, 9)], (0, 1), True, [(2, 7), (2, 3), (5, 9)]),
        ([(-INF, INF), (-INF, 3), (5, 9)], (0, 1), True, [(2, INF), (-INF, 3), (5, 9)]),
        # Other bounds are rounded outward to a millionth.
        ([(0, 1), (0.25, 1 / 3)], (0,), True, [(0.25, 0.333334), (0.25, 1 / 3)]),
        ([(0, 1), (1 / 3, 0.75)], (0,), True, [(0.333333, 0.75), (1 / 3, 0.75)]),
    ],
)
def test_one_sum_narrows_each_figure_by_the_others(
    start: Ends, parts: tuple[int, ...], whole: bool, expected: Ends
) -> None:
    actual = ends(narrow_bounds(interval(*start), [SumConstraint(len(start) - 1, parts, whole=whole)]))
    assert actual == [pytest.approx(item, abs=1e-10) for item in expected]


def test_changes_of_at_most_a_millionth_are_ignored() -> None:
    start = interval((0, 2 * STEP), (STEP, STEP))
    assert ends(narrow_bounds(start, [SumConstraint(1, (0,))])) == ends(start)
    more = interval((0, 4 * STEP), (2 * STEP, 2 * STEP))
    assert ends(narrow_bounds(more, [SumConstraint(1, (0,))]))[0] == (2 * STEP, 2 * STEP)


def test_bounds_without_sums_and_the_input_do_not_change() -> None:
    start = interval((0, 9), (3, 3))
    assert ends(narrow_bounds(start, [])) == [(0, 9), (3, 3)]
    assert ends(narrow_bounds(start, [SumConstraint(1, (0,))])) == [(3, 3), (3, 3)]
    assert ends(start) == [(0, 9), (3, 3)]


@pytest.mark.parametrize(
    ("total", "met"), [(5, False), (10.9999, False), (10.9999995, True), (11, True), (14, True), (14.5, False)]
)
def test_sums_that_no_figures_satisfy_return_none(total: float, met: bool) -> None:
    start = interval((10, 10), (1, 4), (total, total), (0, 1), (0, 1))
    assert (narrow_bounds(start, [SumConstraint(2, (0, 1))]) is not None) == met
    assert (narrow_bounds(start, [SumConstraint(4, (3,)), SumConstraint(2, (0, 1))]) is not None) == met


def test_inclusive_total_conflicts_only_with_larger_parts() -> None:
    assert narrow_bounds(interval((10, 10), (1, 4), (5, 5)), [SumConstraint(2, (0, 1), whole=False)]) is None
    assert narrow_bounds(interval((10, 10), (1, 4), (99, 99)), [SumConstraint(2, (0, 1), whole=False)]) is not None


def test_chain_of_sums_is_followed_for_a_hundred_rounds() -> None:
    """Each figure equals the next; a pass in reverse order carries the known figure only one link further."""
    links = [SumConstraint(n + 1, (n,)) for n in range(120)]
    for known in ((7, 7), (7, INF), (0, 7)):
        start = interval(known, *[(0, INF)] * 120)
        assert ends(narrow_bounds(start, links)) == [known] * 121
        assert ends(narrow_bounds(start, links[::-1])) == [known] * 101 + [(0, INF)] * 20


def test_chain_of_sums_is_followed_from_either_end() -> None:
    start = interval((7, 8), *[(0, INF)] * 20, (2, 2))
    links = [SumConstraint(n + 1, (n, 21)) for n in range(20)]
    expected = [(7 + 2 * n, 8 + 2 * n) for n in range(21)]
    for order in (links, links[::-1]):
        assert ends(narrow_bounds(start, order))[:21] == expected
    backwards = interval((0, INF), *[(0, INF)] * 19, (47, 48), (2, 2))
    for order in (links, links[::-1]):
        assert ends(narrow_bounds(backwards, order))[:21] == expected


# Three figures with a sum for each pair: no single sum narrows any figure.
PAIRS = [SumConstraint(3, (0, 1)), SumConstraint(4, (0, 2)), SumConstraint(5, (1, 2))]


def test_cycle_of_sums_is_solved_exactly() -> None:
    actual = ends(narrow_bounds(interval(*[(0, 1)] * 3, *[(1, 1)] * 3), PAIRS))
    assert actual == [(0.5, 0.5)] * 3 + [(1, 1)] * 3
    # With different sums each figure is exact: x + y = 5, x + z = 4, y + z = 3.
    assert ends(narrow_bounds(interval(*[(0, 9)] * 3, (5, 5), (4, 4), (3, 3)), PAIRS))[:3] == [(3, 3), (2, 2), (1, 1)]


def test_known_figures_in_a_cycle_are_subtracted_from_its_sums() -> None:
    # The fourth figure, 5, is in the first sum and is the total of the third.
    start = interval(*[(0, 9)] * 3, (5, 5), (11, 11), (6, 6))
    sums = [SumConstraint(4, (0, 1, 3)), SumConstraint(5, (0, 2)), SumConstraint(3, (1, 2))]
    assert ends(narrow_bounds(start, sums))[:3] == [(3.5, 3.5), (2.5, 2.5), (2.5, 2.5)]


def test_unknown_total_is_solved_with_its_parts() -> None:
    start = interval(*[(0, 1)] * 3, *[(1, 1)] * 3, (0, INF))
    assert ends(narrow_bounds(start, [*PAIRS, SumConstraint(6, (0, 1, 2))]))[6] == (1.5, 1.5)


def test_unbounded_figure_in_a_cycle_stays_unbounded() -> None:
    start = interval(*[(0, 1)] * 3, *[(1, 1)] * 3, (0, INF), (0, INF))
    assert ends(narrow_bounds(start, [*PAIRS, SumConstraint(7, (0, 6))])) == [
        *[(0.5, 0.5)] * 3, *[(1, 1)] * 3, (0, INF), (0.5, INF)
    ]  # fmt: skip


def test_cycle_of_sums_that_no_figures_satisfy_returns_none() -> None:
    """Each pair adds to 1, so all three add to 1.5, although each sum alone is possible."""
    start = [(0.0, 1.0)] * 3 + [(1.0, 1.0)] * 3
    assert (
        ends(narrow_bounds(interval(*start, (1.5, 1.5)), [*PAIRS, SumConstraint(6, (0, 1, 2))]))[:3] == [(0.5, 0.5)] * 3
    )
    assert narrow_bounds(interval(*start, (2, 2)), [*PAIRS, SumConstraint(6, (0, 1, 2))]) is None
    # A contradiction in one cycle makes all sums impossible.
    apart = [(0.0, 1.0)] * 3 + [(1.0, 1.0)] * 3
    other = [SumConstraint(item.total + 7, tuple(part + 7 for part in item.parts)) for item in PAIRS]
    assert narrow_bounds(interval(*start, (2, 2), *apart), [*other, *PAIRS, SumConstraint(6, (0, 1, 2))]) is None


def test_inclusive_totals_are_solved_as_inequalities() -> None:
    more = [item._replace(whole=False) for item in PAIRS]
    start = [(0.0, 1.0)] * 3 + [(1.0, 1.0)] * 3
    # Each pair adds to at most 1. A total of 1.5 gives 0.5 each, at most 1.5 gives no bound, 1.4 gives at least 0.4.
    assert (
        ends(narrow_bounds(interval(*start, (1.5, 1.5)), [*more, SumConstraint(6, (0, 1, 2))]))[:3] == [(0.5, 0.5)] * 3
    )
    assert (
        ends(narrow_bounds(interval(*start, (1.5, 1.5)), [*more, SumConstraint(6, (0, 1, 2), whole=False)]))[:3]
        == [(0, 1)] * 3
    )
    assert (
        ends(narrow_bounds(interval(*start, (1.4, 1.4)), [*more, SumConstraint(6, (0, 1, 2))]))[:3] == [(0.4, 0.6)] * 3
    )
    assert narrow_bounds(interval(*start, (1.6, 1.6)), [*more, SumConstraint(6, (0, 1, 2))]) is None


@pytest.mark.parametrize(
    ("total", "low", "high"),
    [
        (1.5, 0.5, 0.5),
        (0.375, 0.125, 0.125),
        # Not exact to three decimals: widened by a millionth, or by a millionth of a large figure.
        (1.0, 1 / 3 - STEP, 1 / 3 + STEP),
        (0.0003, 0.0001 - STEP, 0.0001 + STEP),
        (1000.0, 1000 / 3 * (1 - STEP), 1000 / 3 * (1 + STEP)),
    ],
)
def test_solved_bound_is_widened_unless_exact_to_three_decimals(total: float, low: float, high: float) -> None:
    # Three equal figures and their sum.
    actual = ends(
        narrow_bounds(
            interval(*[(0, total)] * 3, (total, total)),
            [SumConstraint(1, (0,)), SumConstraint(2, (0,)), SumConstraint(3, (0, 1, 2))],
        )
    )
    assert actual[:3] == [pytest.approx((low, high), abs=1e-10)] * 3


@pytest.mark.parametrize(("others", "solved"), [(57, True), (58, False)])
def test_cycles_of_up_to_sixty_unknowns_are_solved(others: int, solved: bool) -> None:
    start = interval(*[(0, 1)] * 3, *[(1, 1)] * 3, (100, 100), *[(0, INF)] * others)
    actual = ends(narrow_bounds(start, [*PAIRS, SumConstraint(6, (0, *range(7, 7 + others)))]))
    assert actual[:3] == [(0.5, 0.5) if solved else (0, 1)] * 3
    assert actual[7] == ((0, 99.5) if solved else (0, 100))


def test_large_tree_does_not_prevent_solving_a_small_cycle() -> None:
    start = interval(*[(0, 1)] * 3, *[(1, 1)] * 3, (100, 100), *[(0, INF)] * 70)
    actual = ends(narrow_bounds(start, [SumConstraint(6, tuple(range(7, 77))), *PAIRS]))
    assert actual[:3] == [(0.5, 0.5)] * 3
    assert actual[7:] == [(0, 100)] * 70


def test_order_of_sums_parts_and_figures_is_irrelevant() -> None:
    start = interval((0, 9), (0, 9), (0, 9), (5, 5), (4, 4), (3, 3), (0, INF), (20, 20))
    sums = [*PAIRS, SumConstraint(7, (0, 1, 6))]
    expected = ends(narrow_bounds(start, sums))
    assert expected[6] == (15, 15)
    rng = np.random.default_rng(1)
    for _ in range(5):
        place = rng.permutation(len(start.low))
        moved = BoundVectors(np.empty(len(place)), np.empty(len(place)))
        moved.low[place], moved.high[place] = start.low, start.high
        turned = [
            SumConstraint(int(place[s.total]), tuple(int(place[p]) for p in reversed(s.parts))) for s in reversed(sums)
        ]
        actual = ends(narrow_bounds(moved, turned))
        assert [actual[place[n]] for n in range(len(place))] == expected
