"""Figures far from their own history and their peers: both sides of each threshold, and what the doubt says."""

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import polars as pl
import pytest

from checks.expected import Fit
from checks.medians import Groups
from checks.plausible import (
    find_implausible_figures,
    find_near_zero_leaks,
    find_partial_returns,
    find_suspected_zeros,
    select_suspects,
)
from tests.checks.figures_expected import assert_doubts, judged, months, places, spots

Rule = Callable[[pl.DataFrame], pl.DataFrame]
COMPARED = "its own history and the movement of its peers"
TENTH, FACTOR = log(0.1), log(1.6)


def suspected_zeros(frame: pl.DataFrame, additive: list[str]) -> pl.DataFrame:
    above = (pl.col("value") > 0).sum().over("measure", "period_start")
    return find_suspected_zeros(frame.with_columns(above.alias("above")), additive)


def zeros(frame: pl.DataFrame) -> pl.DataFrame:
    return suspected_zeros(frame, ["m"])


def zero_rates(frame: pl.DataFrame) -> pl.DataFrame:
    return suspected_zeros(frame, [])


def leaks(frame: pl.DataFrame) -> pl.DataFrame:
    return find_near_zero_leaks(frame)


def parts(frame: pl.DataFrame) -> pl.DataFrame:
    return find_partial_returns(frame.with_columns(pl.lit(False).alias("kept")), ["m"])


def period(nought: dict[str, Any], above: int = 6, peers: int = 10) -> pl.DataFrame:
    """Return a month with a zero in one place and small figures in some others; all had figures before."""
    now = [{"value": 0.5 if place <= above else 0.0, "usual": 0.1, "long_run": 0.1, "place_code": code}
           for place, code in enumerate(places(peers)) if place]  # fmt: skip
    first = {"value": 0.0, "place_code": "E00", **nought}
    before = [{"value": 9.0, "place_code": code, "period_start": months(2)[1]} for code in places(peers)]
    return judged([*now, first, *before], peers=peers).sample(fraction=1, shuffle=True, seed=2)


def test_implausible_zero_states_both_distances() -> None:
    frame = period({"apart": -6.0, "own_spread": 0.31, "noise": 0.16, "peer_spread": 0.6, "usual": 100.0,
                    "long_run": 120.5, "periods": 8})  # fmt: skip
    assert_doubts(
        zeros(frame),
        [{"place_code": "E00", "value": 0.0, "expected": 120.5, "own_history": -11.9, "peers": -8.3, "others": 7,
          "evidence": "0, where 120.5 is expected from its other 7 periods; 6 of 9 peers have a figure above 0"}],
        reason="suspected_zero", compared_with=COMPARED, withheld=True,
    )  # fmt: skip
    assert zeros(frame.with_columns(pl.col("long_run") / 100))["expected"].to_list() == [100.0]


@pytest.mark.parametrize(("spread", "least"), [(0.0, 13.8156), (1e-3, 13.8156), (0.5, 122.4911), (1.0, 999_999.0)])
def test_zero_count_is_flagged_below_one_in_a_million(spread: float, least: float) -> None:
    for likely, result in ((least * 0.999, 0), (least * 1.001, 1)):
        for usual, long_run in ((likely, 0.0), (0.0, likely)):
            frame = period({"usual": usual, "long_run": long_run, "own_spread": spread})
            assert zeros(frame).height == result
            assert zero_rates(frame).is_empty()


@pytest.mark.parametrize(
    ("above", "peers", "expected"), [(4, 10, 0), (5, 10, 1), (5, 11, 0), (6, 11, 1), (8, 9, 0), (10, 11, 1)]
)
def test_zero_is_flagged_only_if_most_peers_have_a_figure(above: int, peers: int, expected: int) -> None:
    assert zeros(period({}, above, peers)).height == expected


@pytest.mark.parametrize(
    ("nought", "expected"),
    [
        ({"apart": -4.5, "own_spread": 1.0}, 0), ({"apart": -4.51, "own_spread": 1.0}, 1),
        ({"apart": -4.5, "peer_spread": 1.0}, 0), ({"apart": -4.51, "peer_spread": 1.0}, 1),
        ({"apart": 4.6}, 0), ({"apart": -4.51, "periods": 4}, 0), ({"apart": -4.51, "value": 0.1}, 0),
        ({"apart": -4.51, "value": None}, 0), ({"apart": None}, 0),
    ],
)  # fmt: skip
def test_zero_rate_is_flagged_only_far_below_history_and_peers(nought: dict[str, Any], expected: int) -> None:
    frame = period({"usual": 5.0, "long_run": 5.0, **nought})
    assert zero_rates(frame).height == expected
    assert zeros(frame).is_empty()


def low(**given: Any) -> pl.DataFrame:
    return judged([{"value": 0.5, **given}])


FAR = {"own_spread": 0.01, "peer_spread": 0.01}
ENOUGH = {"periods": 4, "peers": 9}
CASES: list[tuple[Rule, dict[str, Any], bool]] = [
    (leaks, {"apart": TENTH, **FAR}, False),
    (leaks, {"apart": TENTH - 0.01, **FAR}, True),
    (leaks, {"apart_long": TENTH, **FAR}, False),
    (leaks, {"apart_long": TENTH - 0.01, **FAR}, True),
    (leaks, {"apart": TENTH - 0.01, "apart_long": 9.0, **FAR}, True),
    (leaks, {"apart": 3.0, **FAR}, False),
    *(
        (leaks, {of: item, spread: 1.0}, item < -4.5)
        for of in ("apart", "apart_long")
        for spread in FAR
        for item in (-4.5, -4.51)
    ),
    (leaks, {"apart": -3.0, "noise": 1.0}, False),
    (leaks, {"apart": -3.0, "value": 0.0}, False),
    (parts, {"apart": -FACTOR, **FAR}, False),
    (parts, {"apart": -FACTOR - 0.01, **FAR}, True),
    (parts, {"apart_before": -FACTOR, **FAR}, False),
    (parts, {"apart_before": -FACTOR - 0.01, **FAR}, True),
    *((parts, {"apart": item, spread: 1.0}, item < -4.5) for spread in FAR for item in (-4.5, -4.51)),
    *((parts, {"apart_before": item, spread: 1.0}, item < -8) for spread in FAR for item in (-8.0, -8.01)),
    (parts, {"apart": 3.0, **FAR}, False),
    (parts, {"apart": -3.0, "value": 0.0}, False),
    (parts, {"apart": -3.0, "measure": "rate"}, False),
    (find_implausible_figures, {"apart": FACTOR, **FAR}, False),
    (find_implausible_figures, {"apart": FACTOR + 0.01, **FAR}, True),
    (find_implausible_figures, {"apart": -FACTOR, **FAR}, False),
    (find_implausible_figures, {"apart": -FACTOR - 0.01, **FAR}, True),
    *(
        (find_implausible_figures, {"apart": item, spread: 1.0}, abs(item) > 4.5)
        for spread in FAR
        for item in (-4.51, -4.5, 4.5, 4.51)
    ),
    *(
        (rule, {"apart": -3.0, few: item, **FAR}, False)
        for rule in (leaks, parts, find_implausible_figures)
        for few, item in ENOUGH.items()
    ),
    *(
        (rule, {"apart": odd, "apart_before": odd, "apart_long": odd}, False)
        for rule in (leaks, parts, find_implausible_figures)
        for odd in (0.0, None)
    ),
]


@pytest.mark.parametrize(("rule", "figure", "expected"), CASES)
def test_figure_is_flagged_only_if_far_by_spreads_and_by_factor(
    rule: Rule, figure: dict[str, Any], expected: bool
) -> None:
    assert rule(low(**figure)).height == expected


FIGURE = {"value": 65.0, "apart": -3.0, "apart_before": -3.0, "own_spread": 0.3, "noise": 0.16, "peer_spread": 0.6,
          "periods": 8, "peers": 12, "usual": 160.0, "before": 120.0, "long_run": 150.0}  # fmt: skip
SAID = {"value": 65.0, "own_history": -6.0, "peers": -4.2, "others": 7, "compared_with": COMPARED}
"""The doubt of that figure, but for what it is compared with; its peers are further away where they are looked at."""


@pytest.mark.parametrize(
    ("rule", "reason", "other", "expected"),
    [
        (leaks, "near_zero_leak", "long_run", 160.0),
        (parts, "partial_return", "before", 160.0),
        (leaks, "near_zero_leak", "long_run", 180.0),
        (parts, "partial_return", "before", 180.0),
    ],
)
def test_low_figure_states_its_share_of_the_greater_expectation(
    rule: Rule, reason: str, other: str, expected: float
) -> None:
    figure = FIGURE | {"peer_spread": 0.5} | ({other: expected} if expected == 180.0 else {})
    share = {160.0: "40.6", 180.0: "36.1"}[expected]
    evidence = f"65, {share} % of the {expected:g} expected from its other 7 periods and 11 peers"
    row = SAID | {"peers": -4.7, "expected": expected, "evidence": evidence}
    assert_doubts(rule(judged([figure])), [row], reason=reason, withheld=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_implausible_figure_states_its_distance_from_both_expectations(sign: int) -> None:
    evidence = "65, where 160 is expected: 6.0 spreads away by its 7 other periods, 4.7 spreads by its 11 peers"
    row = SAID | {"own_history": 6.0 * sign, "peers": 4.7 * sign, "expected": 160.0, "evidence": evidence}
    frame = judged([FIGURE | {"apart": 3.0 * sign, "peer_spread": 0.5}])
    assert_doubts(find_implausible_figures(frame), [row], reason="implausible", withheld=False)


def test_continued_level_is_not_a_partial_return() -> None:
    frame = low(apart=-3.0, **FAR)
    assert parts(frame).height == 1
    assert find_partial_returns(frame.with_columns(pl.lit(True).alias("kept")), ["m"]).is_empty()


def test_figures_of_other_places_and_measures_change_nothing() -> None:
    low_one = {"place_code": "E09", "value": 0.5, "apart": -5.0}
    usual = [{"place_code": code, "period_start": month} for code in places(9) for month in months(6)]
    mixed = judged([*usual, low_one, *({**item, "measure": "n"} for item in usual)])
    for rule in (leaks, parts, find_implausible_figures):
        actual = rule(mixed.sample(fraction=1, shuffle=True, seed=5))
        assert spots(actual) == [("E09", months(1)[0])]
        assert actual.equals(rule(judged([low_one])))


ONE: dict[str, Any] = {"value": 100.0, "base": 0.0, "rest": 0.0, "near": 0.0, "before": 0.0, "long": 0.0,
                       "own_spread": 0.01, "peer_spread": 0.01, "noise": 0.0, "periods": 5, "peers": 10}  # fmt: skip


def selected(*figures: dict[str, Any], is_additive: bool = False) -> list[int]:
    """Return the numbers of suspects among figures that each have a place and a period of their own."""
    columns = {name: np.array([{**ONE, **figure}[name] for figure in figures]) for name in ONE}
    number = np.arange(len(figures))
    names = ("value", "base", "rest", "long", "near", "before", "own_spread", "peer_spread", "noise")
    fit = Fit(row=number, place=number, period=number, by_place=Groups(number, columns["periods"], ()),
              by_period=Groups(number, columns["peers"], ()), step=1.0, movement=number * 0.0,
              **{name: columns[name] for name in names})  # fmt: skip
    return select_suspects(fit, is_additive).tolist()


NEARLY = 0.99
"""Share of each limit from which figures are looked at in full."""
WIDE_SPREAD = 4.5 * NEARLY
SELECTED: list[tuple[dict[str, Any], bool]] = [
    *(({"rest": sign * FACTOR * NEARLY * times}, times > 1) for sign in (-1, 1) for times in (0.999, 1.001)),
    *(({"rest": sign * WIDE_SPREAD * times, spread: 1.0}, times > 1)
      for sign in (-1, 1) for times in (0.999, 1.001) for spread in ("own_spread", "peer_spread")),
    *(({"rest": WIDE_SPREAD * times, "noise": 1.0 - 0.01**2}, times > 1) for times in (0.999, 1.001)),
    *(({"before": FACTOR * NEARLY * times}, times > 1) for times in (0.999, 1.001)),
    *(({"before": 8 * NEARLY * times, "own_spread": 1.0}, times > 1) for times in (0.999, 1.001)),
    ({"before": -FACTOR * 2}, False),
    *(({"long": -TENTH * NEARLY * times}, times > 1) for times in (0.999, 1.001)),
    *(({"long": WIDE_SPREAD * times, "peer_spread": 1.0}, times > 1) for times in (0.999, 1.001)),
    ({"long": TENTH * 2}, False),
    ({"rest": 1.0, "periods": 4}, False), ({"rest": 1.0, "peers": 9}, False), ({"rest": float("nan")}, False),
    ({"value": 0.0, "rest": -0.045}, True), ({"value": 0.0, "rest": -0.044}, False), ({"rest": -0.045}, False),
]  # fmt: skip


@pytest.mark.parametrize(("figure", "result"), SELECTED)
def test_only_figures_near_a_limit_are_looked_at_in_full(figure: dict[str, Any], result: bool) -> None:
    assert selected(figure) == ([0] if result else [])
    assert selected({}, figure, {}, figure) == ([1, 3] if result else [])


LIKELY = log(-NEARLY * log(1e-6))
"""The logarithm of a count of which a zero is nearly impossible."""


@pytest.mark.parametrize("part", [{"base": 1.0}, {"near": 1.0, "rest": 1.0}, {"long": 1.0}, {"near": float("nan")}])
@pytest.mark.parametrize("over", [-0.001, 0.001])
def test_zero_of_a_count_is_looked_at_where_its_place_is_likely_to_have_some(
    part: dict[str, float], over: float
) -> None:
    """Whether the level, the periods around or the better periods say so."""
    given = sum(value for name, value in part.items() if name != "rest" and value == value)
    zero = {"value": 0.0, **part, "base": part.get("base", 0.0) + LIKELY - given + over}
    expected = [0] if over > 0 else []
    assert selected(zero, is_additive=True) == expected
    assert selected(zero, is_additive=False) == []
    assert selected({**zero, "value": 1.0}, is_additive=True) == []
