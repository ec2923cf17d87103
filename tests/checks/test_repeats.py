"""Runs of the very same figure, and periods rounded without a word: both sides of each threshold."""

from math import inf, log, sqrt
from statistics import NormalDist
from typing import Any

import polars as pl
import pytest

from checks.expected import Fit, fit_expected
from checks.repeats import describe_multiples, describe_repeats, find_repeated_values, find_undeclared_rounding
from checks.series import number_slices, select_releases
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from tests.checks.figures_expected import assert_doubts, judged, months, places, spots
from tests.checks.figures_in_full import add_repeats


def repeated(frame: pl.DataFrame) -> pl.DataFrame:
    return find_repeated_values(add_repeats(frame))


def series(same: dict[int, range], peers: int = 10, starts: dict[int, int] | None = None, **given: Any) -> pl.DataFrame:
    """Give nine months of places with ever new figures, but for the months in which some stay at 100."""
    return judged(
        [
            {"place_code": code, "period_start": month, "usual": 99.0,
             "value": 100.0 if number in same.get(place, ()) else 200.0 + 10 * place + number}
            for place, code in enumerate(places(peers))
            for number, month in enumerate(months(9)) if number >= (starts or {}).get(place, 0)
        ],
        peers=peers, **given,
    )  # fmt: skip


AGAIN = "100 repeated 4 times in a row; 10.0 % of peers repeat theirs in this period"


def test_improbable_run_is_flagged_except_its_first_figure() -> None:
    assert_doubts(
        repeated(series({4: range(2, 7)})),
        [{"place_code": "E04", "period_start": month, "evidence": AGAIN} for month in months(9)[3:7]],
        value=100.0, reason="repeated_value", expected=99.0,
        compared_with="the previous period, and peers in this period", others=4, withheld=False,
    )  # fmt: skip


def test_one_of_three_peers_that_repeats_is_printed_to_one_decimal() -> None:
    actual = repeated(series({4: range(2, 7)}, peers=12))
    assert actual["evidence"].unique().to_list() == [AGAIN.replace("10.0", "8.3")]


@pytest.mark.parametrize(
    ("frame", "cells"),
    [
        (series({4: range(2, 6)}), 0),
        (series({4: range(2, 7)}, peers=9), 0),
        (series({4: range(2, 7), 5: range(2, 7)}), 8),
        (series({4: range(2, 7), 5: range(2, 7), 6: range(2, 7)}), 0),
        (series({4: range(5)}), 4),
        (series({4: range(3, 8)}, starts={4: 3}), 4),
        (series({4: range(3, 7)}, starts={4: 3}), 0),
        (series({4: range(2, 7)}).with_columns(pl.col("value", "step") / 200), 4),
        (series({4: range(2, 7)}).with_columns(pl.col("value") - 100), 0),
        (series({4: range(2, 7)}).clear(), 0),
        (series({4: range(2, 7)}).with_columns(pl.lit(float("nan")).alias("own_spread")), 0),
    ],
    ids=["three times", "nine peers", "a fifth of peers", "more of them", "from the start", "a place that came late",
         "came late, three times", "small figures", "noughts", "no figures", "no spread"],
)  # fmt: skip
def test_run_of_repeats_states_its_length_and_the_repeats_of_peers(frame: pl.DataFrame, cells: int) -> None:
    assert repeated(frame).height == cells


def test_two_short_runs_are_not_one() -> None:
    two = series({4: range(4)}).with_columns(
        pl.when(pl.col("place_code") == "E04", pl.col("period_start") >= months(9)[5]).then(150.0).otherwise("value")
        .alias("value")
    )  # fmt: skip
    assert repeated(two).is_empty()
    long = two.with_columns(pl.when(pl.col("value") == 100).then(150.0).otherwise("value").alias("value"))
    assert repeated(long).is_empty()


def test_places_and_measures_next_to_each_other_are_not_compared() -> None:
    frame = series({4: range(6, 9), 5: range(3)})
    other = series({4: range(6, 9), 5: range(3)}).with_columns(pl.lit("n").alias("measure"))
    assert repeated(pl.concat([frame, other])).is_empty()
    result = series({4: range(2, 7)})
    assert spots(repeated(pl.concat([other, result]))) == spots(repeated(result))


@pytest.mark.parametrize(
    ("value", "step", "own", "noise", "variance"),
    [
        (100.0, 1.0, 0.1, 0.0, 0.04),
        (100.0, 1.0, 0.1, 0.05, 0.12),
        (50.0, 5.0, 0.2, 0.03, 0.28),
        (0.5, 0.1, 0.3, 0.1, 0.58),
    ],
)
def test_chance_of_a_repeat_follows_a_normal_error_within_one_step(
    value: float, step: float, own: float, noise: float, variance: float
) -> None:
    """The step over the figure, times the density of twice the variance, where all places moved by so much."""
    deviation = sqrt(variance)
    due = deviation * sqrt(2 * log(step / value * NormalDist(0, deviation).pdf(0) / 1e-6))
    for moved, result in ((0.999 * due, 0), (1.001 * due, 1), (-0.999 * due, 0), (-1.001 * due, 1)):
        frame = series({4: range(2, 4)}, step=step, own_spread=own, noise=noise).with_columns(
            (pl.col("value") / 100 * value).alias("value"),
            pl.when(pl.col("period_start") >= months(9)[3]).then(moved + 0.5).otherwise(0.5).alias("movement"),
        )
        assert repeated(frame).height == result


def period(figures: list[float], step: float = 1.0, **given: Any) -> pl.DataFrame:
    rows = [{"place_code": code, "value": item} for code, item in zip(places(len(figures)), figures, strict=True)]
    return judged(rows, step=step, **given)


def multiples(base: float, count: int = 20, kinds: int = 5) -> list[float]:
    """Return multiples of a base and, except for 10, of no larger base that the check tries."""
    return [base * (1 + 2 * (n % kinds)) for n in range(count)]


def test_rounded_period_is_flagged_with_the_greatest_base() -> None:
    frame = pl.concat([period([*multiples(100.0), 0.0]), period([3.0, 4.0] * 20, period_start=months(2)[1])])
    assert_doubts(
        find_undeclared_rounding(frame.sample(fraction=1, shuffle=True, seed=4)),
        [{"place_code": code, "value": figure,
          "evidence": "all 20 figures in the period are multiples of 100.0; no such rounding is declared"}
         for code, figure in zip(places(20), multiples(100.0), strict=True)],
        reason="rounded", compared_with="the declared rounding", others=19, withheld=False,
    )  # fmt: skip


@pytest.mark.parametrize("base", [5.0, 10.0, 50.0, 100.0, 1000.0])
def test_each_base_is_found(base: float) -> None:
    actual = find_undeclared_rounding(period(multiples(base)))
    assert actual.height == 20
    assert actual["evidence"].str.contains(f"multiples of {base};", literal=True).all()


@pytest.mark.parametrize(
    ("frame", "cells"),
    [
        (period(multiples(5.0, count=19)), 0),
        (period([*multiples(5.0, count=19), 0.0]), 0),
        (period(multiples(5.0, kinds=4)), 0),
        (period([*multiples(5.0), 6.0]), 0),
        (period([*multiples(5.0), 1.0]), 0),
        (period([*multiples(5.0), 5.001], step=0.001), 0),
        (period(multiples(5.0), step=5.0), 0),
        (period(multiples(5.0), step=4.9), 0),
        (period(multiples(10.0), step=5.0), 20),
        (period(multiples(15.0), step=3.0), 20),
        (period(multiples(5.0), step=3.0), 0),
        (period(multiples(5.0)).clear(), 0),
        (period([float("nan")] * 20), 0),
        (period([-item for item in multiples(5.0)]), 0),
    ],
    ids=["few figures", "few but for noughts", "few kinds", "one is no multiple", "one of 1", "a fine one",
         "declared", "steps that do not divide", "more than declared", "of threes", "not of threes", "none",
         "no numbers", "negative"],
)  # fmt: skip
def test_every_one_of_enough_different_figures_must_be_a_multiple(frame: pl.DataFrame, cells: int) -> None:
    assert find_undeclared_rounding(frame).height == cells


def test_period_is_flagged_once_whatever_other_measures_are_present() -> None:
    both = pl.concat([period(multiples(1000.0)), period([7.0] * 30, measure="n")])
    actual = find_undeclared_rounding(both)
    assert actual.height == 20
    assert actual.equals(find_undeclared_rounding(period(multiples(1000.0))))


COUNT = Measure(title="t", unit="things", kind="count", column=("figure",))


def fit_of(values: list[list[float | None]]) -> tuple[Fit, pl.DataFrame]:
    """Fit the figures of places (rows) by month (columns), with the rows that they come from."""
    cells = [{"measure": "m", "place_code": f"E{place:02}", "period_start": months(12)[month],
              "period_end": months(12)[month], "value": value}
             for place, of_place in enumerate(values) for month, value in enumerate(of_place)]  # fmt: skip
    rows = table_from_records(cells, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    slices = number_slices(rows)
    return fit_expected(slices, select_releases(slices), COUNT), slices.rows


def again(*same: tuple[int, range], peers: int = 10, value: float = 100.0) -> list[list[float | None]]:
    """Return ever new figures of places by month, but for those that stay at a value in some months."""
    stays = dict(same)
    return [[value if month in stays.get(place, ()) else 200.0 + 10 * place + month for month in range(6)]
            for place in range(peers)]  # fmt: skip


def test_figures_that_repeat_the_one_before_are_described() -> None:
    rows = describe_repeats(*fit_of(again((4, range(1, 4)), (7, range(4, 6)))), most=inf)
    assert rows.select("place_code", "period_start", "share").rows() == [
        ("E04", months(12)[2], 0.1), ("E04", months(12)[3], 0.1), ("E07", months(12)[5], 0.1)
    ]  # fmt: skip
    assert rows["run"][0] == rows["run"][1] != rows["run"][2]
    steps = [rows["movement"][0] - movement_of(1), rows["movement"][1] - rows["movement"][0],
             rows["movement"][2] - movement_of(4)]  # fmt: skip
    assert rows["due"].to_list() == pytest.approx(steps)


def test_repeats_that_chance_explains_are_not_described() -> None:
    fit, rows = fit_of(again((4, range(1, 6)), (7, range(4, 6))))
    assert describe_repeats(fit, rows, most=inf)["place_code"].unique().sort().to_list() == ["E04", "E07"]
    least = find_repeated_values(describe_repeats(fit, rows, most=inf))["place_code"].unique().sort().to_list()
    assert set(least) <= set(describe_repeats(fit, rows)["place_code"]) < {"E04", "E07"}


def movement_of(month: int) -> float:
    fit, _ = fit_of(again((4, range(1, 4)), (7, range(4, 6))))
    return float(fit.movement[month])


@pytest.mark.parametrize(
    ("values", "cells"),
    [(again((4, range(2, 4)), (5, range(2, 4))), 2), (again(*((place, range(2, 4)) for place in (4, 5, 6))), 0),
     (again((4, range(2, 4)), peers=9), 0), (again((4, range(2, 4)), value=0.0), 0),
     (again((4, range(2, 4)), value=0.5), 1), (again(), 0),
     ([[5.0], *([6.0 + place] for place in range(10))], 0)],
    ids=["two in ten", "three in ten", "nine peers", "zeros", "below one", "none", "one period"],
)  # fmt: skip
def test_repeats_of_few_places_among_enough_peers_are_looked_at(values: list[list[float | None]], cells: int) -> None:
    assert describe_repeats(*fit_of(values), most=inf).height == cells


@pytest.mark.parametrize(
    ("figures", "cells"),
    [([5.0 * (place + 1) for place in range(20)], 20), ([5.0 * (place + 1) for place in range(19)], 0),
     ([*(5.0 * (place + 1) for place in range(20)), 3.0], 0), ([*(5.0 * (place + 1) for place in range(20)), 0.0], 20),
     ([*(5.0 * (place + 1) for place in range(19)), 0.0], 0)],
    ids=["twenty", "nineteen", "one that is none", "a zero", "nineteen and a zero"],
)  # fmt: skip
def test_periods_of_multiples_of_five_are_looked_at(figures: list[float], cells: int) -> None:
    both = [[figure, 3.0 + place] for place, figure in enumerate(figures)]
    rows = describe_multiples(*fit_of([*both]))
    assert rows.height == cells
    assert set(rows["period_start"]) == ({months(1)[0]} if cells else set())
