"""Medians of groups and of neighbours on arrays, against plain loops."""

from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.medians import (
    LONG_GROUP,
    group_figures,
    group_medians,
    group_upper_quarters,
    nearby_medians,
    shift_within_groups,
)

NAN = float("nan")
FIGURES = st.lists(st.tuples(st.integers(0, 6), st.sampled_from([NAN, -2.0, 0.0, 0.5, 1.0, 7.0])), max_size=60)


def known(figures: list[float]) -> list[float]:
    return sorted(item for item in figures if item == item)


def assert_same(actual: np.ndarray, due: list[float]) -> None:  # type: ignore[type-arg]
    np.testing.assert_allclose(actual, due, rtol=1e-12)


@given(FIGURES)
def test_medians_and_quarters_are_of_the_known_figures_of_each_group(pairs: list[tuple[int, float]]) -> None:
    of_figure, figures = (np.array([pair[n] for pair in pairs], dtype) for n, dtype in ((0, np.intp), (1, float)))
    groups = group_figures(of_figure, 8)
    members = [known([figure for group, figure in pairs if group == number]) for number in range(8)]
    assert groups.sizes.tolist() == [sum(group == number for group, _ in pairs) for number in range(8)]
    assert_same(group_medians(figures, groups), [median(item) if item else NAN for item in members])
    upper = [item[int(0.75 * (len(item) - 1) + 0.5)] if item else NAN for item in members]
    assert_same(group_upper_quarters(figures, groups), upper)


def test_groups_of_unlike_size_do_not_share_a_matrix() -> None:
    of_figure = np.array([0] * 100 + [1, 2, 3, 3])
    groups = group_figures(of_figure, 4)
    assert sorted(at.shape for _, at in groups.tables) == [(1, 2), (1, 100), (2, 1)]
    assert sum((at < len(of_figure)).sum() for _, at in groups.tables) == len(of_figure)


@pytest.mark.parametrize("size", [LONG_GROUP - 1, LONG_GROUP, LONG_GROUP + 1])
@pytest.mark.parametrize("missing", [0, 1, 400, LONG_GROUP - 2, LONG_GROUP - 1])
def test_median_of_a_long_group_is_of_its_known_figures(size: int, missing: int) -> None:
    chance = np.random.default_rng(size + missing)
    figures = chance.permutation(np.concatenate([chance.random(size - missing), np.full(missing, NAN)]))
    of_figure = np.append(np.zeros(size, int), 1)
    due = known(figures.tolist())
    medians = group_medians(np.append(figures, 7.0), group_figures(of_figure, 2))
    assert_same(medians, [median(due) if due else NAN, 7.0])


@pytest.mark.parametrize("steps", [[-2, -1, 1, 2], [1, 2, 3], [1], [-1, 1]])
@given(pairs=FIGURES)
def test_neighbours_are_of_the_same_group_and_known(steps: list[int], pairs: list[tuple[int, float]]) -> None:
    pairs = sorted(pairs, key=lambda pair: pair[0])
    of_figure, figures = (np.array([pair[n] for pair in pairs], dtype) for n, dtype in ((0, np.intp), (1, float)))
    due = []
    for number, (group, _) in enumerate(pairs):
        near = [number - step for step in steps if 0 <= number - step < len(pairs)]
        some = known([pairs[at][1] for at in near if pairs[at][0] == group])
        due.append(median(some) if some else NAN)
    assert_same(nearby_medians(figures, of_figure, steps), due)
    chosen = np.arange(0, len(pairs), 2)
    assert_same(nearby_medians(figures, of_figure, steps, chosen), due[::2])


def test_more_figures_than_a_block_keep_their_neighbours() -> None:
    figures = np.arange(70_000.0)
    assert_same(nearby_medians(figures, np.zeros(70_000, int), [-1, 1])[1:-1], figures[1:-1])


def test_shift_gives_the_figure_before_or_after_in_the_group() -> None:
    of_figure, figures = np.array([0, 0, 0, 1, 1]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert_same(shift_within_groups(figures, of_figure, 1), [NAN, 1, 2, NAN, 4])
    assert_same(shift_within_groups(figures, of_figure, -2), [3, NAN, NAN, NAN, NAN])
