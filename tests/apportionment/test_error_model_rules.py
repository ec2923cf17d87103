"""Errors of apportioned figures by share, the unevenness of a slice, and the interval of each figure."""

import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from pipelines.apportionment import add_interval, load_error_model, slice_unevenness
from pipelines.apportionment.error_model import (
    ERROR_CLASS,
    MIN_PLACES,
    MIN_SPREAD_PLACES,
    errors_by_share,
    select_error_classes,
)
from pipelines.core.slices import SLICE_KEY

DAY = date(2023, 6, 30)
SLICE = {"measure": "m", "period_start": DAY, "period_end": DAY}
PEOPLE = {"A": 10.0, "B": 30.0, "C": 20.0, "D": 40.0}


def unevenness(values: dict[str, float | None], people: dict[str, float | None]) -> float | None:
    """Return the unevenness of one slice."""
    figures = pl.DataFrame([{**SLICE, "place_code": code, "value": value} for code, value in values.items()],
                           schema_overrides={"value": pl.Float64})  # fmt: skip
    legs = pl.DataFrame({"from_code": [*people], "weight_population": pl.Series([*people.values()], dtype=pl.Float64)})
    actual = slice_unevenness(figures, legs)
    assert actual.columns == [*SLICE_KEY, "unevenness"] and actual.height == 1
    result: float | None = actual["unevenness"][0]
    return result


def test_unevenness_is_the_variation_per_head_weighted_by_people() -> None:
    """The rates are 1, 2, 3 and 4 per head; their mean is 2.9."""
    values: dict[str, float | None] = {"A": 10.0, "B": 60.0, "C": 60.0, "D": 160.0}
    spread = math.sqrt((10 * 1.9**2 + 30 * 0.9**2 + 20 * 0.1**2 + 40 * 1.1**2) / 100)
    assert unevenness(values, dict(PEOPLE)) == pytest.approx(spread / 2.9)
    # Places without people or a figure, and those of which the crosswalk has no people, do not count.
    more: dict[str, float | None] = {**PEOPLE, "E": 0.0, "F": None, "G": 7.0}
    assert unevenness({**values, "E": 5.0, "F": 5.0, "G": None, "H": 9.0}, more) == pytest.approx(spread / 2.9)


def test_unevenness_is_the_same_with_less_than_one_resident_in_a_place() -> None:
    values: dict[str, float | None] = {"A": 10.0, "B": 60.0, "C": 60.0, "D": 160.0}
    few: dict[str, float | None] = {code: people / 20 for code, people in PEOPLE.items()}
    assert unevenness(values, few) == pytest.approx(unevenness(values, dict(PEOPLE)))


def test_even_figures_have_no_unevenness_and_figures_without_a_positive_mean_have_none_measured() -> None:
    assert unevenness({code: 3 * people for code, people in PEOPLE.items()}, dict(PEOPLE)) == pytest.approx(0.0)
    assert unevenness(dict.fromkeys(PEOPLE, 0.0), dict(PEOPLE)) is None
    assert unevenness(dict.fromkeys(PEOPLE, -5.0), dict(PEOPLE)) is None


def test_unevenness_needs_enough_places_with_a_figure() -> None:
    assert len(PEOPLE) == MIN_SPREAD_PLACES
    assert unevenness({"A": 1.0, "B": 2.0, "C": 3.0, "D": None}, dict(PEOPLE)) is None


def test_people_of_a_place_are_those_of_all_its_parts() -> None:
    figures = pl.DataFrame([{**SLICE, "place_code": code, "value": people} for code, people in PEOPLE.items()])
    halves = pl.DataFrame(
        {"from_code": [*PEOPLE, *PEOPLE, None], "weight_population": [*[n / 2 for n in PEOPLE.values()] * 2, 9.0]}
    )
    assert slice_unevenness(figures, halves)["unevenness"].to_list() == pytest.approx([0.0])
    half_known = halves.with_columns(
        weight_population=pl.when(pl.int_range(pl.len()) == 0).then(None).otherwise("weight_population")
    )
    assert slice_unevenness(figures, half_known)["unevenness"].to_list() == [None]


def trials(errors: list[float], share: float = 0.5, places: str = "P") -> pl.DataFrame:
    """Build a trial of each error, at a place of its own."""
    return pl.DataFrame(
        {"place_code": [f"{places}{at}" for at in range(len(errors))], "apportioned_share": share, "estimate": 10.0,
         "truth": [10.0 * (1 + error) for error in errors], "unevenness": 2.0}
    )  # fmt: skip


EVEN = [number / 100 for number in range(-19, 20)]


def test_ends_of_an_interval_are_the_ranks_that_include_nine_in_ten_further_trials() -> None:
    """Of 39 trials these are the 38th from either end; errors are in units of unevenness."""
    row = errors_by_share(trials(EVEN)).row(0, named=True)
    assert list(row) == [name for name in ERROR_CLASS if name not in ("from_kind", "to_kind", "weighed_by")]
    assert (row["share_from"], row["share_to"], row["trials"]) == (0.0, 1.0, 39)
    assert (row["low"], row["high"]) == (pytest.approx(-0.09), pytest.approx(0.09))
    sizes = sorted(abs(error) for error in EVEN)
    assert row["mean_error"] == pytest.approx(sum(sizes) / 39)
    assert (row["p95_error"], row["max_error"]) == (pytest.approx(np.quantile(sizes, 0.95)), pytest.approx(0.19))


def test_few_trials_have_the_whole_range_and_the_estimate_is_within_it() -> None:
    assert errors_by_share(trials(EVEN[:18])).select("low", "high").row(0) == (pytest.approx(-0.095), 0.0)
    assert errors_by_share(trials(EVEN[-18:])).select("low", "high").row(0) == (0.0, pytest.approx(0.095))
    assert errors_by_share(trials([0.5])).select("low", "high", "trials").row(0) == (0.0, pytest.approx(0.25), 1)


@pytest.mark.parametrize("column", ["apportioned_share", "estimate", "unevenness"])
def test_trials_without_a_share_an_estimate_or_unevenness_are_left_out(column: str) -> None:
    nothing = trials([0.9]).with_columns(pl.lit(0.0).alias(column))
    assert errors_by_share(nothing).is_empty()
    assert errors_by_share(pl.concat([trials(EVEN), nothing])).equals(errors_by_share(trials(EVEN)))
    little = trials([0.9]).with_columns(pl.lit(0.001).alias(column))
    assert errors_by_share(pl.concat([trials(EVEN), little]))["trials"].to_list() == [40]


@pytest.mark.parametrize(
    ("shares", "classes"),
    [*(([edge, edge + 0.001], [(0.0, edge), (edge, 1.0)]) for edge in (0.01, 0.03, 0.1, 0.2, 0.35, 0.6)),
     ([0.01, 0.9], [(0.0, 0.01), (0.01, 1.0)]), ([0.011, 0.9], [(0.0, 0.03), (0.03, 1.0)]),
     ([0.03, 0.1], [(0.0, 0.03), (0.03, 1.0)]), ([0.2, 0.35, 0.6], [(0.0, 0.2), (0.2, 0.35), (0.35, 1.0)]),
     ([1.0], [(0.0, 1.0)])],
)  # fmt: skip
def test_shares_are_in_classes_with_enough_places(shares: list[float], classes: list[tuple[float, float]]) -> None:
    every = [trials([0.1] * MIN_PLACES, share, f"{share}-") for share in shares]
    assert errors_by_share(pl.concat(every)).select("share_from", "share_to").rows() == classes
    assert errors_by_share(pl.concat(every))["trials"].to_list() == [MIN_PLACES] * len(classes)


def test_class_with_too_few_places_joins_the_next() -> None:
    few = trials([0.1] * (MIN_PLACES - 1), 0.05)
    again = pl.concat([few, few, trials([0.1] * MIN_PLACES, 0.9, "Q")])
    # A place with two figures is one place.
    assert errors_by_share(again).select("share_from", "share_to", "trials").rows() == [(0.0, 1.0, 34)]
    assert errors_by_share(few).select("share_from", "share_to", "trials").rows() == [(0.0, 1.0, MIN_PLACES - 1)]


MODEL = pl.DataFrame(
    [("lad", "icb", "all_ages", 0.2, 1.0, 9, -0.5, 1.0, 0.1, 0.2, 0.3),
     ("lad", "icb", "all_ages", 0.0, 0.2, 9, -0.25, 0.5, 0.1, 0.2, 0.3),
     ("lad", "icb", "aged_65", 0.0, 1.0, 9, -0.1, 0.1, 0.1, 0.2, 0.3),
     ("icb", "lad", "all_ages", 0.0, 1.0, 9, -0.9, 0.9, 0.1, 0.2, 0.3),
     ("lad", "ttwa", "all_ages", 0.0, 1.0, 9, -0.8, 0.8, 0.1, 0.2, 0.3)],
    schema=[*ERROR_CLASS], orient="row",
)  # fmt: skip
WIDE = (0.0, 1000.0)
INTERVALS = {
    "smaller share": (100.0, 0.1, WIDE, 0.2, (95.0, 110.0)),
    "share at the edge of a class": (100.0, 0.2, WIDE, 0.2, (95.0, 110.0)),
    "larger share": (100.0, 0.21, WIDE, 0.2, (90.0, 120.0)),
    "twice as uneven": (100.0, 0.21, WIDE, 0.4, (80.0, 140.0)),
    "within the bounds": (100.0, 0.21, (93.0, 104.0), 0.2, (93.0, 104.0)),
    "without bounds": (100.0, 0.21, (None, None), 0.2, (90.0, 120.0)),
    "no split": (100.0, 0.0, WIDE, 0.2, (100.0, 100.0)),
    "no split, unevenness unknown": (100.0, 0.0, WIDE, None, (100.0, 100.0)),
    "unevenness unknown": (100.0, 0.1, WIDE, None, (None, None)),
    "no figure": (None, None, WIDE, 0.2, (None, None)),
}


@pytest.mark.parametrize(("value", "share", "bounds", "spread", "expected"), INTERVALS.values(), ids=list(INTERVALS))
def test_interval_of_a_figure(
    value: float | None, share: float | None, bounds: tuple[float | None, float | None], spread: float | None,
    expected: tuple[float | None, float | None],
) -> None:  # fmt: skip
    number = {"value": value, "apportioned_share": share, "lower_bound": bounds[0], "upper_bound": bounds[1]}
    table = pl.DataFrame([{**SLICE, "place_code": "X", **number}], schema_overrides=dict.fromkeys(number, pl.Float64))
    spreads = pl.DataFrame([{**SLICE, "unevenness": spread}], schema_overrides={"unevenness": pl.Float64})
    actual = add_interval(table, spreads, ("lad", "icb"), "all_ages", MODEL)
    assert actual.drop("interval_lower", "interval_upper").equals(table)
    assert actual.select("interval_lower", "interval_upper").row(0) == pytest.approx(expected)


def test_errors_are_those_of_the_pair_and_group_or_else_of_all_ages() -> None:
    def lows(start: str, end: str, group: str) -> list[float]:
        return select_error_classes((start, end), group, MODEL)["low"].to_list()

    assert lows("lad", "icb", "all_ages") == [-0.25, -0.5]
    assert lows("lad", "icb", "aged_65") == [-0.1]
    assert lows("lad", "icb", "aged_90") == [-0.25, -0.5]
    assert lows("icb", "lad", "aged_65") == [-0.9]
    assert lows("icb", "icb", "all_ages") == []


def test_figures_of_a_pair_without_trials_have_no_interval() -> None:
    table = pl.DataFrame([{**SLICE, "place_code": "X", "value": 5.0, "apportioned_share": share, "lower_bound": 0.0,
                           "upper_bound": 9.0} for share in (0.5, 0.0)])  # fmt: skip
    spreads = pl.DataFrame([{**SLICE, "unevenness": 0.2}])
    actual = add_interval(table, spreads, ("icb", "icb"), "all_ages", MODEL)
    assert actual.select("interval_lower", "interval_upper").rows() == [(None, None), (5.0, 5.0)]


def test_bundled_classes_of_each_pair_follow_one_another_up_to_the_whole() -> None:
    pairs = load_error_model().group_by("from_kind", "to_kind", "weighed_by", maintain_order=True)
    ends = [pair.select("share_from", "share_to").rows() for _, pair in pairs]
    assert len(ends) > 20
    for classes in ends:
        assert (classes[0][0], classes[-1][1]) == (0.0, 1.0)
        assert [start for start, _ in classes[1:]] == [end for _, end in classes[:-1]]
