"""Rules for agreement of figures with another source, with their components, and with residents."""

from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from checks.agreement import find_conflicts, find_inconsistent_rates, find_low_reach
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from tests.checks.figures_expected import assert_doubts, places, year

Figure = float | tuple[float, float, float] | None
"""A figure alone, or with the least and the most it can be."""


def observed(measure: str, figures: list[Figure], of: int = 2020, **same: Any) -> pl.DataFrame:
    """Give one year of figures of places."""
    start, end = year(of)
    return table_from_records(
        [
            {"source": f"source_of_{measure}", "release": "r", "measure": measure, "place_code": code, "file": "f.csv",
             "place_label": "Place", "period_start": start, "period_end": end,
             **dict(zip(("value", "lower_bound", "upper_bound"), figure if isinstance(figure, tuple) else (figure,),
                        strict=False)),
             **same}
            for code, figure in zip(places(len(figures)), figures, strict=True)
        ],
        OBSERVATION_COLUMNS,
    )  # fmt: skip


def mixed(*frames: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(frames).sample(fraction=1, shuffle=True, seed=3)


OF_2020 = dict(zip(("period_start", "period_end"), year(2020), strict=True))


def test_conflict_states_how_much_rounding_explains() -> None:
    mine = mixed(observed("m", [(5.0, 4.9, 5.1), (9.0, 8.9, 9.1), None]), observed("m", [(1.0, 0.9, 1.1)], 2019))
    other = mixed(observed("n", [(6.1234, 6.0, 6.3), (9.0, 8.9, 9.1), 3.0]), observed("n", [(1.0, 0.9, 1.1)], 2019))
    evidence = (
        "{} here, {} in measure {} of source_of_{}: difference 1.12, of which rounding explains up to 0.25 "
        "and 0.87 remains"
    )
    common = {"place_code": "E00", **OF_2020, "reason": "conflict", "others": 1, "withheld": False}
    assert_doubts(
        find_conflicts(mine, other),
        [{"measure": "m", "source": "source_of_m", "value": 5.0, "expected": 6.1234,
          "compared_with": "n of source_of_n", "evidence": evidence.format("5", "6.12", "n", "n")}],
        **common,
    )  # fmt: skip
    assert_doubts(
        find_conflicts(other, mine),
        [{"measure": "n", "source": "source_of_n", "value": 6.1234, "expected": 5.0,
          "compared_with": "m of source_of_m", "evidence": evidence.format("6.12", "5", "m", "m")}],
        **common,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mine", "other", "conflicts"),
    [
        ((3.0, 2.9, 3.1), (3.3, 3.1, 3.5), False),
        ((3.0, 2.9, 3.1), (3.3, 3.101, 3.5), True),
        ((3.0, 2.9, 3.1), (2.7, 2.5, 2.9), False),
        ((3.0, 2.9, 3.1), (2.7, 2.5, 2.899), True),
        (1.0, 1.1, True),
        (1.0, 1.0 + 1e-10, False),
        (1e6, 1e6 + 1e-4, False),
        (1e6, 1e6 + 1e-2, True),
        (-1e6, -1e6 + 1e-4, False),
        (-1e6, -1e6 - 1e-4, False),
        (1.0, None, False),
        (None, 1.0, False),
    ],
)
def test_figures_conflict_where_their_intervals_have_no_point_in_common(
    mine: Figure, other: Figure, conflicts: bool
) -> None:
    assert find_conflicts(observed("m", [mine]), observed("n", [other])).height == conflicts
    assert find_conflicts(observed("n", [other]), observed("m", [mine])).height == conflicts


def test_conflict_of_estimates_without_bounds_has_evidence() -> None:
    actual = find_conflicts(observed("m", [3.0]), observed("n", [4.0]))
    assert actual["evidence"].to_list() == [
        "3 here, 4 in measure n of source_of_n: difference 1, of which rounding explains up to 0 and 1.0 remains"
    ]


PEOPLE = [1000.0, 2000.0, 4000.0, 5000.0, 8000.0]
BELOW = observed("people", list(PEOPLE))


def shares(top: list[float], people: list[float], scale: float = 100.0) -> list[Figure]:
    return [scale * item / of for item, of in zip(top, people, strict=True)]


CLAIMANTS = [30.0, 80.0, 200.0, 300.0, 560.0]
TOP = observed("claimants", list(CLAIMANTS))
RIGHT = shares(CLAIMANTS, PEOPLE)


def test_inconsistent_rate_states_the_recomputed_rate() -> None:
    wrong = [*RIGHT[:2], 5.5, *RIGHT[3:]]
    below = mixed(BELOW, observed("people", [9000.0] * 5, 2019))
    top = mixed(TOP, observed("claimants", [7.0] * 5, 2019))
    assert_doubts(
        find_inconsistent_rates(mixed(observed("rate", wrong)), top, below),
        [{"place_code": "E02", "value": 5.5, "expected": 5.0, "evidence": "5.5, but 200 divided by 4000 is 5"}],
        source="source_of_rate", measure="rate", **OF_2020, reason="inconsistent_rate",
        compared_with="numerator divided by denominator", others=1, withheld=False,
    )  # fmt: skip


@pytest.mark.parametrize("scale", [1.0, 100.0, 1000.0, 100_000.0])
def test_scale_of_a_rate_is_the_best_fitting_power_of_ten(scale: float) -> None:
    right = shares(CLAIMANTS, PEOPLE, scale)
    assert find_inconsistent_rates(observed("rate", right), TOP, BELOW).is_empty()
    actual = find_inconsistent_rates(observed("rate", [*right[:4], 7.0 * scale]), TOP, BELOW)
    assert actual.select("place_code", pl.col("expected").round(9)).rows() == [("E04", round(0.07 * scale, 9))]


def test_each_measure_has_its_own_scale() -> None:
    percent, thousandths = observed("rate", RIGHT), observed("other", shares(CLAIMANTS, PEOPLE, 1000.0))
    assert find_inconsistent_rates(mixed(percent, thousandths), TOP, BELOW).is_empty()


@pytest.mark.parametrize(
    ("rates", "claimants"),
    [
        ([0.0, 0.0, 0.0, 6.0, 6.0], [0.0, 0.0, 0.0, 300.0, 560.0]),
        ([0.0, 0.0, 0.0, 6.0, 6.0], [30.0, 80.0, 200.0, 300.0, 560.0]),
        ([3.0, 4.0, 5.0, 6.0, 6.0], [0.0, 0.0, 0.0, 300.0, 560.0]),
    ],
    ids=["nought over nought", "rates of nought", "nobody counted"],
)
def test_zeros_do_not_determine_the_scale(rates: list[Figure], claimants: list[Figure]) -> None:
    actual = find_inconsistent_rates(observed("rate", rates), observed("claimants", claimants), BELOW)
    assert ("E04", 7.0) in actual.select("place_code", pl.col("expected").round(9)).rows()
    assert "E03" not in actual["place_code"].to_list()


@pytest.mark.parametrize(
    ("rate", "wrong"), [(1.9, True), (1.96, False), (2.0, False), (5.0, False), (5.1, False), (5.2, True)]
)
def test_rate_must_lie_within_the_rounding_of_its_components(rate: float, wrong: bool) -> None:
    """From 24 over 1200, which is 2 %, to 40 over 800, which is 5 %, with 0.05 to either side."""
    rates = observed("rate", [*RIGHT[1:], (rate, rate - 0.05, rate + 0.05)])
    top = observed("claimants", [*CLAIMANTS[1:], (30.0, 24.0, 40.0)])
    below = observed("people", [*PEOPLE[1:], (1000.0, 800.0, 1200.0)])
    if rate == 5.1:
        rates = rates.with_columns(
            pl.when(pl.col("value") == 5.1).then(5.0).otherwise("lower_bound").alias("lower_bound")
        )
    actual = find_inconsistent_rates(rates, top, below)
    assert actual["place_code"].to_list() == ["E04"] * wrong


def test_denominator_that_may_be_zero_is_not_compared() -> None:
    rates = observed("rate", [*RIGHT[1:], 90.0])
    top = observed("claimants", [*CLAIMANTS[1:], 1.0])
    result = find_inconsistent_rates(rates, top, observed("people", [*PEOPLE[1:], 1.0]))
    assert result["expected"].to_list() == [100.0]
    assert find_inconsistent_rates(rates, top, observed("people", [*PEOPLE[1:], (0.4, 0.0, 0.5)])).is_empty()
    assert find_inconsistent_rates(rates, top, observed("people", [*PEOPLE[1:], None])).is_empty()
    assert find_inconsistent_rates(observed("rate", [None, *RIGHT[1:]]), TOP, BELOW).is_empty()


EARLIER = [600.0, 1300.0, 2700.0, 3100.0, 5300.0]


def test_rates_over_another_period_name_the_nearest_fitting_denominator() -> None:
    below = mixed(*(observed("people", list(EARLIER), of) for of in (2014, 2018, 2023)), BELOW)
    rates = mixed(observed("rate", shares(CLAIMANTS, EARLIER)))
    assert_doubts(
        find_inconsistent_rates(rates, TOP, below),
        [{"place_code": code, "value": 100 * top / people, "expected": 100 * top / people,
          "evidence": f"{100 * top / people:.2f} is {top:g} divided by {people:g}, "
          "the denominator for 2018-12-31 and not for its own period"
          .replace("5.00 is", "5 is")}
         for code, top, people in zip(places(5), CLAIMANTS, EARLIER, strict=True)],
        source="source_of_rate", measure="rate", **OF_2020, reason="denominator_mismatch",
        compared_with="the denominator for 2018-12-31", others=1, withheld=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fitting", "expected"),
    [
        (5, {"denominator_mismatch": 5}),
        (4, {"denominator_mismatch": 4, "inconsistent_rate": 1}),
        (3, {"inconsistent_rate": 5}),
    ],
)
def test_another_denominator_must_give_most_rates_of_the_period(fitting: int, expected: dict[str, int]) -> None:
    rates = shares(CLAIMANTS, EARLIER)[:fitting] + shares(CLAIMANTS, [11 * item for item in PEOPLE])[fitting:]
    below = mixed(BELOW, observed("people", list(EARLIER), 2018))
    actual = find_inconsistent_rates(observed("rate", rates), TOP, below)
    assert dict(actual.group_by("reason").len().iter_rows()) == expected


@pytest.mark.parametrize(
    ("wrong", "reason"), [(1, "inconsistent_rate"), (2, "denominator_mismatch")], ids=["one rate", "two rates"]
)
def test_one_rate_that_another_denominator_gives_may_be_chance(wrong: int, reason: str) -> None:
    rates = shares(CLAIMANTS, EARLIER)[:wrong] + RIGHT[wrong:]
    below = mixed(BELOW, observed("people", list(EARLIER), 2018))
    actual = find_inconsistent_rates(observed("rate", rates), TOP, below)
    assert actual["reason"].to_list() == [reason] * wrong


def test_low_reach_is_measured_against_the_nearest_residents() -> None:
    years = {2018: 50.0, 2021: 90.0, 2025: 30.0}
    people = mixed(*(observed("residents", [item, 100.0], of) for of, item in years.items()))
    seen = mixed(observed("m", [30.0, 60.0]), observed("m", [20.0, 60.0], 2024))
    evidence = "30 counted of 90 residents, 33.33 %"
    assert_doubts(
        find_low_reach(seen, people),
        [{"place_code": "E00", **OF_2020, "value": 30.0, "expected": 90.0, "evidence": evidence}],
        source="source_of_m", measure="m", reason="low_reach", compared_with="residents", others=1, withheld=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "people", "expected"),
    [
        (50.0, 100.0, False), (49.9, 100.0, True), (0.0, 1.0, True), (0.0, 0.0, False), (1.0, 0.0, False),
        (None, 100.0, False), (10.0, None, False), (float("nan"), 100.0, False), (-1.0, 0.0, False),
    ],
)  # fmt: skip
def test_source_must_cover_half_of_the_residents(seen: Figure, people: Figure, expected: bool) -> None:
    assert find_low_reach(observed("m", [seen]), observed("residents", [people])).height == expected


def test_no_figures_give_no_flags() -> None:
    nothing = observed("rate", RIGHT).clear()
    actual = [
        find_conflicts(nothing, TOP),
        find_inconsistent_rates(nothing, TOP, BELOW),
        find_low_reach(nothing, BELOW),
    ]
    assert [item.height for item in actual] == [0, 0, 0]
    assert_frame_equal(actual[0], actual[1])
