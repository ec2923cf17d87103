"""The best set of requests within a budget, beside every set tried one by one in plain Python."""

import itertools
import math
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import CommongroundError
from pipelines.gaps.optimise import RequestSet, choose_best_set, choose_cheapest_set, evaluate_set

Bundle = tuple[set[int], int, int]
"""The requests that some answers wait for, how many answers, and their people."""


class Case(NamedTuple):
    """Requests by what each costs and how many cells it closes, and the bundles of answers that wait for them."""

    costs: list[int]
    cells: list[int]
    bundles: list[Bundle]

    @property
    def requests(self) -> pl.DataFrame:
        """The requests as `requests.rank_requests` gives them, with a cost."""
        names = [f"r{n}" for n in range(len(self.costs))]
        columns = pl.Schema({"request": pl.String, "cost": pl.Float64, "cells": pl.Int64})
        return pl.DataFrame([names, [float(c) for c in self.costs], self.cells], schema=columns)

    @property
    def bundled(self) -> pl.DataFrame:
        """The bundles as `requests.bundle_answers` gives them."""
        columns = pl.Schema({"requests": pl.List(pl.String), "answers": pl.Int64, "people": pl.Float64})
        result = [([f"r{n}" for n in sorted(wanted)], a, float(p)) for wanted, a, p in self.bundles]
        return pl.DataFrame(result, schema=columns, orient="row")

    def every_set(self) -> list[tuple[float, float, float, float]]:
        """Return people, answers, cells and the negative cost of every set of requests."""
        numbers = range(len(self.costs))
        sets = (set(some) for k in range(len(self.costs) + 1) for some in itertools.combinations(numbers, k))
        return [
            (
                sum(p for wanted, _, p in self.bundles if wanted <= some),
                sum(a for wanted, a, _ in self.bundles if wanted <= some),
                sum(self.cells[n] for n in some),
                -sum(self.costs[n] for n in some),
            )
            for some in sets
        ]


def aims(actual: RequestSet) -> tuple[float, float, float, float]:
    return (actual.people, actual.answers, actual.cells, -actual.cost)


def cases(most: int) -> st.SearchStrategy[Case]:
    """Build cases of up to `most` requests."""
    return st.integers(1, most).flatmap(
        lambda n: st.builds(
            Case,
            st.lists(st.integers(0, 9), min_size=n, max_size=n),
            st.lists(st.integers(1, 50), min_size=n, max_size=n),
            st.lists(
                st.tuples(
                    st.sets(st.integers(0, n - 1), min_size=1, max_size=4),
                    st.integers(1, 9),
                    st.integers(0, 70_000_000),
                ),
                max_size=8,
            ),
        )
    )


TOGETHER = Case([2, 2, 3], [1, 1, 50], [({0, 1}, 1, 1000), ({2}, 1, 900)])


@pytest.mark.parametrize(
    ("budget", "names", "worth_"),
    [(7, ("r0", "r1", "r2"), (1900, 2, 52, -7)), (6, ("r0", "r1"), (1000, 1, 2, -4)),
     (4, ("r0", "r1"), (1000, 1, 2, -4)), (3.9, ("r2",), (900, 1, 50, -3)), (3, ("r2",), (900, 1, 50, -3)),
     (2.9, ("r0",), (0, 0, 1, -2)), (1, (), (0, 0, 0, 0))],
)  # fmt: skip
def test_requests_useful_only_together_are_chosen_together(
    budget: float, names: tuple[str, ...], worth_: tuple[float, ...]
) -> None:
    actual = choose_best_set(TOGETHER.requests, TOGETHER.bundled, budget)
    assert aims(actual) == worth_
    assert len(actual.requests) == len(names) and (names == ("r0",) or actual.requests == names)


def test_people_come_before_answers_answers_before_cells_and_cells_before_cost() -> None:
    people = Case([5, 5], [1, 99], [({0}, 1, 101), ({1}, 9, 100)])
    assert choose_best_set(people.requests, people.bundled, 5).requests == ("r0",)
    answers = Case([5, 5], [1, 99], [({0}, 2, 100), ({1}, 1, 100)])
    assert choose_best_set(answers.requests, answers.bundled, 5).requests == ("r0",)
    cells = Case([5, 4], [2, 1], [({0}, 1, 100), ({1}, 1, 100)])
    assert choose_best_set(cells.requests, cells.bundled, 5).requests == ("r0",)
    cost = Case([5, 4], [1, 1], [({0}, 1, 100), ({1}, 1, 100)])
    assert choose_best_set(cost.requests, cost.bundled, 5).requests == ("r1",)


def test_cheapest_set_is_none_if_no_set_has_enough_answers() -> None:
    actual = choose_cheapest_set(TOGETHER.requests, TOGETHER.bundled, 1)
    assert actual == RequestSet(("r2",), 3.0, 900.0, 1, 50, optimal=True, gap=0.0)
    both = choose_cheapest_set(TOGETHER.requests, TOGETHER.bundled, 2)
    assert both == RequestSet(("r0", "r1", "r2"), 7.0, 1900.0, 2, 52, optimal=True, gap=0.0)
    assert choose_cheapest_set(TOGETHER.requests, TOGETHER.bundled, 3) is None
    assert choose_cheapest_set(TOGETHER.requests, TOGETHER.bundled.clear(), 1) is None


def test_impossible_budget_is_refused_in_one_sentence() -> None:
    with pytest.raises(CommongroundError, match=r"no set of requests fits the budget \(.+\); raise the budget"):
        choose_best_set(TOGETHER.requests, TOGETHER.bundled, -1)


def test_no_requests_give_an_empty_choice() -> None:
    nothing = Case([], [], [])
    expected = RequestSet((), 0.0, 0.0, 0, 0, optimal=True, gap=0.0)
    assert choose_best_set(nothing.requests, nothing.bundled, 5) == expected


def test_where_nothing_waits_the_most_cells_are_closed() -> None:
    alone = Case([2, 3, 4], [1, 5, 5], [])
    actual = choose_best_set(alone.requests, alone.bundled, 5)
    assert actual == RequestSet(("r0", "r1"), 5.0, 0.0, 0, 6, optimal=True, gap=0.0)


def test_evaluated_set_does_not_claim_to_be_optimal() -> None:
    actual = evaluate_set(TOGETHER.requests, TOGETHER.bundled, {"r1", "r0"})
    assert actual[:6] == (("r0", "r1"), 4.0, 1000.0, 1, 2, False)
    assert math.isnan(actual.gap)
    assert evaluate_set(TOGETHER.requests, TOGETHER.bundled, {"r0", "r2"})[:5] == (("r0", "r2"), 5.0, 900.0, 1, 51)
    assert evaluate_set(TOGETHER.requests, TOGETHER.bundled, set())[:5] == ((), 0.0, 0.0, 0, 0)


def test_of_many_the_best_is_found_to_the_last_one() -> None:
    """A knapsack of 40 that rounding down misses: by dynamic programming in plain Python."""
    costs = [7 + (n * 37) % 61 for n in range(40)]
    people = [cost * 10 + (n * 53) % 29 for n, cost in enumerate(costs)]
    case = Case(costs, [1] * 40, [({n}, 1, item) for n, item in enumerate(people)])
    budget = 501
    most = [0] * (budget + 1)
    for cost, item in zip(costs, people, strict=True):
        most = [max(most[b], most[b - cost] + item if b >= cost else 0) for b in range(budget + 1)]
    actual = choose_best_set(case.requests, case.bundled, budget)
    assert (actual.people, actual.optimal) == (most[budget], True)
    assert actual.cost <= budget


@given(cases(7), st.integers(0, 30))
def test_chosen_set_equals_the_best_by_exhaustive_search(case: Case, budget: int) -> None:
    best = max(item for item in case.every_set() if -item[3] <= budget)
    actual = choose_best_set(case.requests, case.bundled, budget)
    assert actual.optimal and actual.gap == 0
    assert aims(actual) == pytest.approx(best, rel=1e-8, abs=1e-6)


@given(cases(7), st.integers(1, 12))
def test_cheapest_set_is_the_best_among_equally_cheap_sets(case: Case, answers: int) -> None:
    enough = [(c, p, a, n) for p, a, n, c in case.every_set() if a >= answers]
    actual = choose_cheapest_set(case.requests, case.bundled, answers)
    assert (actual is None) == (not enough)
    if actual:
        assert (-actual.cost, actual.people, actual.answers, actual.cells) == pytest.approx(max(enough), rel=1e-8)
        assert actual.optimal and actual.gap == 0
