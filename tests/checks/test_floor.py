"""Numbers that are no figures: markers in nines, counts below 0, and rates with a denominator of 0."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import find_impossible_figures
from tests.gaps.plain import measure_of, source_of

YEAR = (date(2023, 1, 1), date(2023, 12, 31))


def release_of(**columns: list[float | None]) -> pl.DataFrame:
    """Return the cells of a release: a column of figures for each measure, a row for each place."""
    rows = [
        (measure, value, None if value is None else f"{value:g}", f"E{place}", *YEAR)
        for measure, values in columns.items()
        for place, value in enumerate(values)
    ]
    schema = {"measure": pl.String, "value": pl.Float64, "text": pl.String, "place_code": pl.String,
              "period_start": pl.Date, "period_end": pl.Date}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def faults_of(kind: str, values: list[float | None], **said: Any) -> dict[float | None, str]:
    """Return the fault of each figure of one measure."""
    cells = release_of(m=values)
    faults = find_impossible_figures(cells, source_of(measures={"m": measure_of(kind, **said), "people": measure_of()}))
    return {cells["value"][cell]: fault for cell, fault in faults.select("_cell", "fault").iter_rows()}


ORDINARY = [12.0, 22.0, 31.0, 8.0, 15.0, 40.0]


@pytest.mark.parametrize("marker", [-1.0, -9.0, -99.0, -999.0, -9999.0, -999999.0])
@pytest.mark.parametrize("kind", ["count", "stock"])
def test_negative_number_of_nines_is_a_marker_in_a_count(kind: str, marker: float) -> None:
    assert faults_of(kind, [*ORDINARY, marker]) == {marker: "numeric_marker"}


@pytest.mark.parametrize("value", [-2.0, -98.0, -100.0, -0.5, -1000.0])
def test_other_count_below_zero_is_implausible(value: float) -> None:
    assert faults_of("count", [*ORDINARY, value]) == {value: "implausible"}


def test_declared_range_below_zero_allows_negative_counts() -> None:
    credits = [-500.0, -250.0, 100.0, -75.0, 30.0, 12.0]
    assert faults_of("count", [*credits, -99.0, -3.0], range=(-1000.0, 1000.0)) == {}


@pytest.mark.parametrize("value", [99999.0, 999999.0])
def test_single_number_of_nines_far_above_all_others_is_a_marker(value: float) -> None:
    assert faults_of("count", [*ORDINARY, value]) == {value: "numeric_marker"}


def test_number_of_nines_of_the_usual_size_is_a_figure() -> None:
    assert faults_of("count", [9000.0, 8500.0, 12000.0, 9999.0, 11000.0, 7000.0]) == {}


def test_number_of_nines_needs_enough_other_figures() -> None:
    assert faults_of("count", [12.0, 15.0, 9999.0]) == {}
    assert faults_of("count", [12.0, 15.0, 20.0, 18.0, 11.0, 9999.0]) == {9999.0: "numeric_marker"}


def test_repeated_number_of_nines_is_a_marker() -> None:
    values = [9000.0, 8500.0, 12000.0, 9999.0, 9999.0, 9999.0, 7000.0, 6500.0]
    assert faults_of("count", values) == {9999.0: "numeric_marker"}


def test_negative_change_rate_is_a_figure_and_a_lone_marker_is_not() -> None:
    assert faults_of("index", [-1.0, -2.5, 3.0, 4.0, 1.0, 2.0]) == {}
    assert faults_of("index", [-99.0, 2.5, 3.0, 4.0, 1.0, 2.0]) == {-99.0: "numeric_marker"}


@given(st.lists(st.integers(0, 9000), min_size=5, max_size=30))
def test_no_count_of_zero_or_more_below_four_nines_is_a_fault(values: list[int]) -> None:
    assert faults_of("count", [float(value) for value in values]) == {}


def test_rate_with_a_denominator_of_zero_is_no_figure() -> None:
    measures = {"events": measure_of("count"), "people": measure_of("stock"),
                "rate": measure_of("rate", numerator="events", denominator="people")}  # fmt: skip
    cells = release_of(events=[110.0, 5.0, 0.0], people=[220000.0, 0.0, 0.0], rate=[50.0, 0.0, 0.0])
    faults = find_impossible_figures(cells, source_of(measures=measures))
    assert faults.select("_cell", "fault", "evidence").rows() == [
        (7, "zero_denominator", "found 0, but people is 0 and events is 5"),
        (8, "zero_denominator", "found 0, but people is 0 and events is 0"),
    ]


def test_printed_division_by_zero_is_named() -> None:
    measures = {"people": measure_of(), "rate": measure_of("rate")}
    cells = release_of(rate=[50.0, None]).with_columns(pl.col("text").fill_null(" #DIV/0! "))
    faults = find_impossible_figures(cells, source_of(measures=measures))
    assert faults.rows() == [(1, "zero_denominator", "found #DIV/0!: a division by 0")]


def percentages(*texts: str) -> pl.DataFrame:
    values = [float(text.rstrip("% ")) for text in texts]
    return release_of(rate=values).with_columns(pl.Series("text", texts))


def test_fraction_among_percentages_is_in_another_unit() -> None:
    source = source_of(measures={"rate": measure_of("rate", unit="%"), "people": measure_of()})
    faults = find_impossible_figures(percentages("61.0%", "50 %", "70%", "0.58"), source)
    assert faults.rows() == [(3, "unit_change", "found 0.58, where most other figures have a sign of %")]
    # A sign, no majority with a sign, and a figure above 1 are no fault.
    half = ("61.0%", "50 %", "70", "0.58")
    for texts in (("61.0%", "50 %", "0.58%"), ("61.0%", "50", "70", "0.58"), half, ("61.0%", "50 %", "70%", "58")):
        assert find_impossible_figures(percentages(*texts), source).is_empty()


def test_release_without_odd_figures_has_no_fault() -> None:
    measures = {"events": measure_of("count"), "people": measure_of(), "rate": measure_of("rate")}
    cells = release_of(events=[1.0, None], people=[10.0, 20.0], rate=[10.0, None])
    assert find_impossible_figures(cells, source_of(measures=measures)).is_empty()


def fractions_of(values: dict[int, list[float]]) -> set[tuple[str, int]]:
    """Return the places and years flagged in a percentage: the values of each year are of places E0, E1 and so on."""
    rows = [
        ("m", value, f"{value:.6g}", f"E{place}", date(year, 1, 1), date(year, 12, 31))
        for year, of_year in values.items()
        for place, value in enumerate(of_year)
    ]
    schema = {"measure": pl.String, "value": pl.Float64, "text": pl.String, "place_code": pl.String,
              "period_start": pl.Date, "period_end": pl.Date}  # fmt: skip
    cells = pl.DataFrame(rows, schema=schema, orient="row")
    source = source_of(measures={"m": measure_of("rate", unit="%"), "people": measure_of()})
    faults = find_impossible_figures(cells, source)
    assert set(faults["fault"]) <= {"unit_change"}
    return {(rows[cell][3], rows[cell][4].year) for cell in faults["_cell"]}


PERCENTAGES = [12.0 + place / 2 for place in range(20)]


def test_fraction_among_percentages_without_signs_is_another_unit() -> None:
    assert fractions_of({2023: [*PERCENTAGES, 0.135], 2024: [*PERCENTAGES, 13.1]}) == {("E20", 2023)}


def test_several_fractions_of_one_period_are_all_found() -> None:
    mixed = [value / 100 if place < 9 else value for place, value in enumerate(PERCENTAGES)]
    assert fractions_of({2023: mixed}) == {(f"E{place}", 2023) for place in range(9)}


@pytest.mark.parametrize(
    "values",
    [
        {2023: [*PERCENTAGES, 0.135], 2024: [*PERCENTAGES, 0.2], 2022: [*PERCENTAGES, 0.1]},  # a place that is low
        {2023: [*PERCENTAGES, 2.4]},  # low, and no fraction
        {2023: [*PERCENTAGES, 0.01]},  # a hundred times more would be far out too
        {2023: [*(0.3 + place / 4 for place in range(20)), 0.2]},  # a measure with small percentages
        {2023: [*PERCENTAGES[:9], 0.135]},  # too few others
        {2023: [value / 100 for value in PERCENTAGES]},  # nothing else to compare with
    ],
)
def test_low_percentage_that_is_no_fraction_stays(values: dict[int, list[float]]) -> None:
    assert fractions_of(values) == set()


MARKERS: dict[str, tuple[str, list[float | None], dict[str, Any], dict[float, str]]] = {
    "least and greatest markers": (
        "count", [*ORDINARY, -999999999.0, 999999999.0], {},
        {-999999999.0: "numeric_marker", 999999999.0: "numeric_marker"},
    ),
    "more than nine nines": ("count", [*ORDINARY, -9999999999.0, 9999999999.0], {}, {-9999999999.0: "implausible"}),
    "three nines": ("count", [*ORDINARY, 999.0], {}, {}),
    "two markers at once": ("count", [*ORDINARY, 9999.0, 99999.0], {},
                            {9999.0: "numeric_marker", 99999.0: "numeric_marker"}),
    "ten times the greatest": ("stock", [*ORDINARY, 999.9, 9999.0], {}, {9999.0: "numeric_marker"}),
    "less than ten times the greatest": ("stock", [*ORDINARY, 1000.0, 9999.0], {}, {}),
    "as large as one other, of small ones": ("count", [5.0, 6.0, 7.0, 8.0, 9.0, 9000.0, 9999.0], {}, {}),
    "four others": ("count", [12.0, 15.0, 20.0, 18.0, 9999.0], {}, {}),
    "four others, twice each": ("count", [12.0, 15.0] * 2 + [18.0, 9999.0], {}, {9999.0: "numeric_marker"}),
    "twice": ("count", [9000.0, 8000.0, 7000.0, 6000.0, 5000.0, 9999.0, 9999.0], {}, {}),
    "three times, as often as another": ("count", [9000.0, 9000.0, 9000.0, 8000.0, 7000.0, *[9999.0] * 3], {}, {}),
    "three times, more often than others": ("count", [9000.0, 9000.0, 8000.0, 7000.0, 6000.0, *[9999.0] * 3], {},
                                            {9999.0: "numeric_marker"}),
    "three times, where small figures are more frequent": (
        "count", [9000.0, *[900.0] * 5, *[9999.0] * 3], {}, {9999.0: "numeric_marker"}
    ),
    "every negative figure is a marker": ("index", [-99.0, -1.0, 2.5, 3.0, 4.0], {},
                                          {-99.0: "numeric_marker", -1.0: "numeric_marker"}),
    "one negative figure is none": ("index", [-99.0, -1.5, 2.5, 3.0, 4.0], {}, {}),
    "below a declared range, ten times": ("count", [1.0, 2.0, 3.0, 4.0, 9.9, -99.0], {"range": (-100.0, 100.0)},
                                          {-99.0: "numeric_marker"}),
    "below a declared range, less": ("count", [1.0, 2.0, 3.0, 4.0, 10.0, -99.0], {"range": (-100.0, 100.0)}, {}),
    "small markers in a declared range": ("count", [0.1, 0.2, 0.3, 0.4, 0.5, -9.0, -1.0], {"range": (-100.0, 100.0)},
                                          {}),
    "a declared range from 0": ("count", [*ORDINARY, -9.0], {"range": (0.0, 100.0)}, {-9.0: "numeric_marker"}),
    "a zero and a null": ("count", [0.0, None, *ORDINARY], {}, {}),
    "counted rows": ("count", [*ORDINARY, 9999.0], {"column": (), "count_rows": True}, {}),
    "in thousands": ("count", [*(value * 1000 for value in ORDINARY), 9999000.0], {"scale": 1000},
                     {9999000.0: "numeric_marker"}),
    "in thousands, by chance": ("count", [*(value * 1000 for value in ORDINARY), 99999.0], {"scale": 1000}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "said", "faults"), MARKERS.values(), ids=list(MARKERS))
def test_numbers_of_nines_are_markers_only_where_other_figures_say_so(
    kind: str, values: list[float | None], said: dict[str, Any], faults: dict[float, str]
) -> None:
    assert faults_of(kind, values, **said) == faults
    assert faults_of(kind, values[::-1], **said) == faults


def test_marker_is_described_by_its_number_and_cells() -> None:
    values: list[float | None] = [9000.0, 8000.0, 7000.0, 6000.0, 5000.0, *[9999.0] * 3]
    measures = {"m": measure_of("count"), "other": measure_of("count")}
    faults = find_impossible_figures(
        release_of(other=[9999.0, *ORDINARY, 8888.0], m=values), source_of(measures=measures)
    )
    evidence = "found 9999 in 3 cells of the release: a number used as a marker"
    assert faults.rows() == [(cell, "numeric_marker", evidence) for cell in (13, 14, 15)]


def test_count_below_zero_is_described_by_its_text() -> None:
    measures = {"m": measure_of("count"), "index": measure_of("index"), "wide": measure_of("count", range=(-9.0, 9.0))}
    cells = release_of(m=[1.0, -2.5, 0.0], index=[-2.5, -3.0], wide=[-2.5])
    assert find_impossible_figures(cells, source_of(measures=measures)).rows() == [
        (1, "implausible", "found -2.5, expected 0 or more")
    ]


def fraction_flagged(value: float, others: list[float], before: list[float] | None = None) -> bool:
    """Return whether a low percentage is flagged among others; `before` has its figures of earlier years."""
    earlier = {2023 - year: [*others, figure] for year, figure in enumerate(before or [], 1)}
    flagged = fractions_of({2023: [*others, value], **earlier})
    return (f"E{len(others)}", 2023) in flagged


STEPS = [10.0 + place for place in range(11)]
"""Percentages from 10 to 20."""
SPREAD = [3.0, *(40.0 + place for place in range(10))]
"""Percentages from 3 to 49."""


@pytest.mark.parametrize(
    ("value", "others", "result"),
    [(0.3, STEPS, True), (0.301, STEPS, False), (0.067, STEPS, True), (0.066, STEPS, False),
     (0.6, SPREAD, True), (0.601, SPREAD, False), (0.15, STEPS[:10], True), (0.15, STEPS[:9], False),
     (1.0, [70.0 + place for place in range(11)], True), (1.01, [70.0 + place for place in range(11)], False),
     (0.3, [*STEPS, 1.0], True), (0.15, [*STEPS, 0.0], True)],
)  # fmt: skip
def test_fraction_lies_far_below_others_and_a_hundred_times_among_them(
    value: float, others: list[float], result: bool
) -> None:
    assert fraction_flagged(value, others) is result


@pytest.mark.parametrize(
    ("before", "result"), [([0.75], False), ([0.76], True), ([0.2, 0.2, 15.0], False), ([0.2, 15.0, 15.0], True)]
)
def test_place_that_is_usually_as_low_has_no_fraction(before: list[float], result: bool) -> None:
    assert fraction_flagged(0.15, STEPS, before) is result


def test_fractions_are_fewer_than_the_other_percentages() -> None:
    eleven = [value / 100 for value in STEPS]
    assert fractions_of({2023: [*STEPS, *eleven[:10]]}) == {(f"E{place}", 2023) for place in range(11, 21)}
    assert fractions_of({2023: [*STEPS, *eleven]}) == set()


def test_fraction_is_described_by_the_percentages_around_it() -> None:
    cells = release_of(rate=[*STEPS, 0.15])
    faults = find_impossible_figures(
        cells, source_of(measures={"rate": measure_of("rate", unit="%"), "people": measure_of()})
    )
    assert faults.rows() == [(11, "unit_change", "found 0.15, where 11 other places have 10.0 to 20.0 %")]
    in_people = source_of(measures={"rate": measure_of("rate", unit="per 1,000"), "people": measure_of()})
    assert find_impossible_figures(cells, in_people).is_empty()


@pytest.mark.parametrize(
    ("text", "result"), [("1", True), ("1.01", False), ("-0.9", True), ("-1.01", False), ("0", True)]
)
def test_figure_without_a_sign_of_at_most_one_is_a_fraction(text: str, result: bool) -> None:
    source = source_of(measures={"rate": measure_of("rate", unit="%"), "people": measure_of()})
    faults = find_impossible_figures(percentages("61.0%", "50 %", "70%", text), source)
    assert ("unit_change" in faults["fault"].to_list()) is result


def test_denominator_of_zero_is_of_the_same_place_and_period() -> None:
    measures = {"people": measure_of("stock"), "rate": measure_of("rate"), "score": measure_of("index")}
    cells = release_of(people=[0.0, 5.0], rate=[1.0, 2.0], score=[1.0, 2.0])
    later = cells.with_columns(pl.lit(date(2024, 1, 1)).alias("period_start")).filter(pl.col("measure") == "rate")
    faults = find_impossible_figures(pl.concat([cells, later]), source_of(measures=measures))
    assert faults.rows() == [(2, "zero_denominator", "found 1, but people is 0")]
    printed = cells.with_columns(pl.lit("#DIV/0!").alias("text"), pl.lit(None, pl.Float64).alias("value"))
    assert find_impossible_figures(printed, source_of(measures=measures))["_cell"].to_list() == [2, 3]
