"""Placed figures as cells: derivations, and the intervals of publishers and of back-tests."""

from typing import Any

import polars as pl
import pytest

from pipelines.apportionment import Crosswalk, place_figures
from pipelines.apportionment.error_model import ERROR_CLASS, INTERVAL_LEVEL
from pipelines.apportionment.mapped_figure import INTERVAL_COLUMNS
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from tests.apportionment.oracle import Leg, Row
from tests.apportionment.test_place import MEASURES, crosswalk_frame, figure, place_rows

MODEL = pl.DataFrame(
    [("lad", "icb", "all_ages", 0.0, 0.5, 9, -0.1, 0.2, 0.1, 0.2, 0.3),
     ("lad", "icb", "all_ages", 0.5, 1.0, 9, -0.4, 0.8, 0.1, 0.2, 0.3)],
    schema=[*ERROR_CLASS], orient="row",
)  # fmt: skip
LEGS: list[Leg] = [("A", "X", 1.0, 10.0), ("B", "Y", 1.0, 30.0), ("C", "Y", 1.0, 30.0), ("D", "Z", 0.6, 60.0),
                   ("D", "Y", 0.4, 40.0), ("E", "Z", 1.0, 10.0)]  # fmt: skip
PEOPLE = {"A": 10.0, "B": 30.0, "C": 30.0, "D": 100.0, "E": 10.0}
VALUES = {"A": 10.0, "B": 60.0, "C": 0.0, "D": 100.0, "E": 40.0}


def intervals(rows: list[Row], group: str | None = "all_ages", legs: list[Leg] = LEGS) -> dict[str, Any]:
    """Return the interval of each target place."""
    return {to: tuple(row[name] for name in INTERVAL_COLUMNS) for to, row in place_rows(rows, legs, group).items()}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a small table of errors."""
    monkeypatch.setattr("pipelines.apportionment.placed_cells.load_error_model", lambda: MODEL)


NOTHING = (None, None, None, None)


def spread_of_values() -> float:
    """Return the unevenness of the figures over people."""
    everyone = sum(PEOPLE.values())
    mean = sum(VALUES.values()) / everyone
    squares = sum(people * (VALUES[code] / people - mean) ** 2 for code, people in PEOPLE.items())
    return float((squares / everyone) ** 0.5 / mean)


def test_apportioned_count_has_an_interval_by_its_share_and_a_sum_of_whole_places_its_own_figure() -> None:
    actual = intervals([figure(code, value) for code, value in VALUES.items()])
    assert actual["X"] == (10.0, 10.0, INTERVAL_LEVEL * 100, "back-tests")
    # From D are 40 of the 100 in Y, and 60 of the 100 in Z, which cannot have more than 140.
    spread = spread_of_values()
    low, high = 100 * (1 - 0.1 * spread), 100 * (1 + 0.2 * spread)
    assert actual["Y"] == (pytest.approx(low), pytest.approx(high), 90.0, "back-tests")
    assert actual["Z"] == (pytest.approx(100 * (1 - 0.4 * spread)), 140.0, 90.0, "back-tests")


def test_gap_has_no_interval() -> None:
    values: dict[str, float | None] = {**VALUES, "C": None, "E": None}
    actual = intervals([figure(code, value) for code, value in values.items()])
    assert actual["X"][3] == "back-tests" and actual["Y"] == actual["Z"] == NOTHING


def test_succession_of_codes_has_no_modelled_interval() -> None:
    assert set(intervals([figure(code, value) for code, value in VALUES.items()], None).values()) == {NOTHING}


def test_unevenness_that_cannot_be_measured_leaves_exact_sums_alone() -> None:
    """Of four places with a figure, one has no people."""
    legs: list[Leg] = [*LEGS[:3], ("D", "Z", 0.6, None), ("D", "Y", 0.4, None), ("E", "Z", 1.0, None)]
    actual = intervals([figure(code, VALUES[code]) for code in VALUES], legs=legs)
    assert actual["X"][:2] == (10.0, 10.0)
    assert actual["Z"] == NOTHING


def published(code: str, value: float | None, measure: str = "stock") -> Row:
    """Build an estimate with its published interval."""
    ends = {"interval_lower": (value or 5.0) - 2, "interval_upper": (value or 5.0) + 3, "interval_level": 95.0}
    return {**figure(code, value, measure), "interval_source": "published", **ends}


@pytest.mark.parametrize("group", [None, "all_ages"])
def test_published_interval_stays_with_one_whole_figure(group: str | None) -> None:
    """Sums of estimates have none; an apportioned estimate has one of the back-tests."""
    actual = intervals([published(code, value) for code, value in VALUES.items()], group)
    assert actual["X"] == (8.0, 13.0, 95.0, "published")
    assert (actual["Z"][3], actual["Y"][3]) == (("back-tests", "back-tests") if group else (None, None))
    sums: list[Leg] = [("A", "X", 1.0, 10.0), *((code, "Y", 1.0, 10.0) for code in "BCDE")]
    actual = intervals([published(code, value) for code, value in VALUES.items()], group, sums)
    assert actual == {"X": (8.0, 13.0, 95.0, "published"), "Y": NOTHING}


def test_published_interval_of_a_hidden_figure_or_without_a_source_is_not_given() -> None:
    rows = [published("A", None), {**published("B", 30.0), "interval_source": None}, published("C", 1.0)]
    legs: list[Leg] = [(code, to, 1.0, 10.0) for code, to in ("AX", "BY", "CZ")]
    assert intervals(rows, None, legs) == {"X": NOTHING, "Y": NOTHING, "Z": (-1.0, 4.0, 95.0, "published")}


def test_sum_of_whole_counts_is_exact_and_a_sum_of_estimates_is_not() -> None:
    legs: list[Leg] = [(code, "X", 1.0, 10.0) for code in VALUES]
    counts = [figure(code, value) for code, value in VALUES.items()]
    estimates = [figure(code, value, "stock") for code, value in VALUES.items()]
    assert intervals(counts, legs=legs) == {"X": (210.0, 210.0, 90.0, "back-tests")}
    assert intervals(estimates, legs=legs) == {"X": NOTHING}


def place_every(rows: list[Row]) -> pl.DataFrame:
    table = table_from_records(rows, OBSERVATION_COLUMNS)
    return place_figures(table, crosswalk_frame(LEGS, "all_ages"), MEASURES, table.clear())


def test_intervals_of_two_slices_are_not_mixed_up() -> None:
    """`count` is uneven and `issued` even: its apportioned figures are as certain as whole ones."""
    rows = [figure(code, value, "issued") for code, value in PEOPLE.items()]
    uneven = [figure(code, value) for code, value in VALUES.items()]
    alone = place_rows(rows, LEGS, "all_ages")
    both = place_every([*rows, *uneven])
    actual = {row["to_code"]: (row["interval_lower"], row["interval_upper"])
              for row in both.filter(pl.col("measure") == "issued").iter_rows(named=True)}  # fmt: skip
    assert actual == {to: (row["interval_lower"], row["interval_upper"]) for to, row in alone.items()}
    assert actual["Z"] == (pytest.approx(70.0), pytest.approx(70.0))


def test_derivation_says_how_the_figure_came_about() -> None:
    """A crossed part of 0 adds nothing, so that the figure comes from whole places."""
    some = place_rows([figure(code, value) for code, value in VALUES.items()], LEGS, "all_ages")
    assert {to: row["derivation"] for to, row in some.items()} == {
        "X": "merged",
        "Y": "apportioned",
        "Z": "apportioned",
    }
    words = "from places crossed by a boundary, apportioned by people"
    assert [row["evidence"] for row in some.values()] == [None, f"40.0 % {words}", f"60.0 % {words}"]
    none = place_rows([figure(code, value) for code, value in {**VALUES, "D": 0.0}.items()], LEGS, "all_ages")
    assert {to: row["derivation"] for to, row in none.items()} == {"X": "merged", "Y": "aggregated", "Z": "aggregated"}
    gaps = place_rows([figure("A", 1.0)], LEGS, "all_ages")
    assert {to: row["derivation"] for to, row in gaps.items()} == {"X": "merged", "Y": None, "Z": None}
    about = ("value", "apportioned_share", "obs_status", "evidence")
    assert [none["Y"][name] for name in about] == [60.0, 0.0, "normal", None]


def test_smaller_part_of_a_place_says_where_the_figure_is_known() -> None:
    most = place_rows([figure("A", 8.0)], [("A", "X", 0.25, 25.0), ("A", "Y", 0.75, 75.0)], "all_ages")
    assert [(row["value"], row["reason"], row["evidence"]) for row in most.values()] == [
        (None, "coarser_only", "known only for A, and this is a smaller part"),
        (6.0, None, "100.0 % from places crossed by a boundary, apportioned by people"),
    ]


@pytest.mark.parametrize(
    ("start", "end", "kinds"),
    [("lad_2021", "icb_2022", ("lad", "icb")), ("nhs_region_2021", "plan_2028", ("nhs_region", "utla")),
     ("lsoa_2011", "lsoa_2021", ("lsoa", "lsoa")), ("plan_2028", "utla_2021", ("plan", "utla"))],
)  # fmt: skip
def test_kinds_are_geographies_without_their_year_and_planned_councils_are_upper_tiers(
    start: str, end: str, kinds: tuple[str, str]
) -> None:
    table = pl.DataFrame({"from_geography": [start, "other_1"], "to_geography": [end, "other_1"]})
    assert Crosswalk(table).kinds == kinds
    assert Crosswalk(table).group is None
