"""Apportionment where a boundary crosses places: figures kept, averaged, or withheld with a reason."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.apportionment import Crosswalk, place_figures
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.geography.crosswalk import CROSSWALK
from pipelines.geography.overlay import OVERLAY, compose_overlays

YEAR = (date(2023, 1, 1), date(2023, 12, 31))
MEASURES = {
    "people": Measure(title="p", unit="people", kind="stock", column=("p",)),
    "events": Measure(title="e", unit="events", kind="count", column=("e",)),
    "rate": Measure(title="r", unit="%", kind="rate", denominator="people", column=("r",)),
    "score": Measure(title="s", unit="score", kind="index", column=("s",)),
}
Bounds = tuple[float | None, float | None]
Legs = dict[str, dict[str | None, float]]
"""Number of people of each source place in each target place."""


def crosswalk_of(legs: Legs) -> pl.DataFrame:
    """Build a crosswalk from the number of people of each source place in each target place."""
    actual = [
        {"from_code": code, "to_code": to, "weight": people / sum(there.values()), "weight_population": people}
        for code, there in legs.items()
        for to, people in there.items()
    ]
    frame = pl.DataFrame(actual, schema=OVERLAY).with_columns(
        pl.lit("lad_2021").alias("from_geography"), pl.lit("icb_2022").alias("to_geography")
    )
    return conform_table(frame, CROSSWALK)


def observed(figures: dict[str, dict[str, float | None]]) -> pl.DataFrame:
    """Build observations of some measures by place, for one year and one release."""
    cells: list[dict[str, Any]] = [
        {"source": "s", "release": "x", "released_at": date(2024, 1, 1), "measure": measure, "place_code": code,
         "geography": "lad_2021", "period_start": YEAR[0], "period_end": YEAR[1], "value": value, "lower_bound": value,
         "upper_bound": value, "obs_status": "normal" if value is not None else "not_available", "file": "f",
         "file_row": 1,
         "file_column": "c"}
        for measure, by_code in figures.items() for code, value in by_code.items()
    ]  # fmt: skip
    return table_from_records(cells, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))


def shared(figures: dict[str, dict[str, float | None]], legs: Legs, **given: Any) -> dict[tuple[str, str], Any]:
    """Apportion figures; return each row by measure and target place."""
    table = observed(figures)
    stored = table.filter(pl.col("measure") == "people")
    actual = place_figures(table, Crosswalk(crosswalk_of(legs), "all_ages"), MEASURES, stored, **given)
    return {(row["measure"], row["to_code"]): row for row in actual.iter_rows(named=True)}


CUT: Legs = {"A": {"X": 300.0, "Y": 100.0}, "B": {"Y": 200.0}}


def test_count_is_apportioned_by_people_and_marked_estimated() -> None:
    actual = shared({"events": {"A": 40.0, "B": 5.0}}, CUT)
    x, y = actual["events", "X"], actual["events", "Y"]
    assert (x["value"], y["value"]) == (30.0, 15.0)
    assert (x["derivation"], x["obs_status"], x["apportioned_share"]) == ("apportioned", "estimated", 1.0)
    assert y["apportioned_share"] == pytest.approx(10 / 15)
    # Whatever the weights are, Y has all of B, and at most all of both.
    assert (y["lower_bound"], y["upper_bound"]) == (5.0, 45.0)


def test_rate_is_averaged_by_the_apportioned_denominator() -> None:
    actual = shared({"rate": {"A": 2.0, "B": 8.0}, "people": {"A": 400.0, "B": 200.0}}, CUT)
    assert actual["rate", "X"]["value"] == 2.0
    assert actual["rate", "Y"]["value"] == pytest.approx((2 * 100 + 8 * 200) / 300)
    assert (actual["rate", "Y"]["derivation"], actual["rate", "Y"]["obs_status"]) == ("rate_averaged", "estimated")


@pytest.mark.parametrize(
    ("legs", "rate", "score"),
    [({"A": {"Y": 100.0}, "B": {"Y": 200.0}, "C": {"Z": 1.0, "X": 1.0}}, (2.0, 8.0), (1.0, 3.0)),
     (CUT, (None, None), (None, None))],
    ids=["whole parts", "one part cut"],
)  # fmt: skip
def test_rate_without_a_denominator_has_bounds_from_whole_parts(legs: Legs, rate: Bounds, score: Bounds) -> None:
    """The rate of part of a place is unbounded."""
    actual = shared({"rate": {"A": 2.0, "B": 8.0}, "score": {"A": 1.0, "B": 3.0}}, legs)
    for measure, bounds in (("rate", rate), ("score", score)):
        row = actual[measure, "Y"]
        assert (row["value"], row["reason"]) == (None, "needs_parts")
        assert (row["lower_bound"], row["upper_bound"]) == bounds


def test_index_of_a_whole_place_does_not_change() -> None:
    actual = shared({"score": {"A": 1.0, "B": 3.0}}, {"A": {"X": 1.0}, "B": {"Y": 1.0}})
    assert (actual["score", "X"]["value"], actual["score", "Y"]["value"]) == (1.0, 3.0)


def test_part_without_a_figure_is_named_by_the_gap() -> None:
    actual = shared({"events": {"A": 40.0, "B": None}}, CUT)
    row = actual["events", "Y"]
    assert (row["value"], row["reason"]) == (None, "children_incomplete")
    assert "B" in row["evidence"]
    assert row["coverage"] == pytest.approx(100 / 300)


DOWN: Legs = {"A": {"X": 30.0, "Y": 30.0, "Z": 40.0}}


def test_smaller_part_of_a_larger_place_is_withheld_unless_allowed() -> None:
    actual = shared({"events": {"A": 100.0}}, DOWN)
    row = actual["events", "X"]
    assert (row["value"], row["reason"]) == (None, "coarser_only")
    assert (row["lower_bound"], row["upper_bound"]) == (0.0, 100.0)
    asked = shared({"events": {"A": 100.0}}, DOWN, allowed=frozenset({"events"}))["events", "X"]
    assert (asked["value"], asked["reason"], asked["derivation"]) == (30.0, None, "apportioned")


def test_residents_outside_the_source_give_a_gap() -> None:
    way = crosswalk_of({"A": {"X": 60.0}})
    outside = way.with_columns(
        pl.lit(None, pl.String).alias("from_code"),
        pl.lit(None, pl.Float64).alias("weight"),
        pl.lit(40.0).alias("weight_population"),
    )
    actual = place_figures(
        observed({"events": {"A": 6.0}}),
        Crosswalk(pl.concat([way, outside]), "all_ages"),
        MEASURES,
        observed({}),
    )
    row = actual.row(0, named=True)
    assert (row["value"], row["reason"]) == (None, "low_reach")
    assert row["evidence"] == "40.0 % of its residents are outside the source's geography"


def test_combined_places_are_apportioned_by_the_people_of_both() -> None:
    legs: Legs = {"A": {"X": 300.0, "Y": 100.0}, "B": {"Y": 400.0}}
    actual = shared({"events": {"A+B": 80.0}}, legs)
    assert (actual["events", "X"]["value"], actual["events", "Y"]["value"]) == (30.0, 50.0)


PLACES_LED_TO = ["X", "Y", "Z"]


@st.composite
def legs_drawn(draw: st.DrawFn) -> Legs:
    """Draw the distribution of people from source to target places; some are partly unallocated."""
    actual: Legs = {}
    for code in "ABCD":
        to = draw(st.lists(st.sampled_from([*PLACES_LED_TO, None]), min_size=1, max_size=3, unique=True))
        if to == [None]:
            to = ["X"]
        actual[code] = {item: float(draw(st.integers(1, 1000))) for item in to}
    return actual


def numbers(least: int, most: int) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries({code: st.integers(least, most).map(float) for code in "ABCD"})


ALL = frozenset(MEASURES)


@given(legs=legs_drawn(), events=numbers(0, 10_000))
def test_totals_are_preserved_except_unallocated_shares(legs: Legs, events: dict[str, float]) -> None:
    actual = shared({"events": dict(events)}, legs, allowed=ALL)
    lost = sum(events[code] * there.get(None, 0.0) / sum(there.values()) for code, there in legs.items())
    assert sum(row["value"] for row in actual.values()) + lost == pytest.approx(sum(events.values()))


@given(legs=legs_drawn(), events=numbers(0, 10_000), shares=st.data())
def test_bounds_include_the_figure_and_every_possible_truth(
    legs: Legs, events: dict[str, float], shares: st.DataObject
) -> None:
    actual = shared({"events": dict(events)}, legs, allowed=ALL)
    truth = dict.fromkeys(PLACES_LED_TO, 0.0)
    for code, there in legs.items():
        left = events[code]
        for to in list(there)[:-1]:
            part = left * shares.draw(st.floats(0, 1))
            left -= part
            truth[to or "X"] += part if to else 0.0
        if (last := list(there)[-1]) is not None:
            truth[last] += left
    for (_, to), row in actual.items():
        assert row["lower_bound"] - 1e-6 <= row["value"] <= row["upper_bound"] + 1e-6
        assert row["lower_bound"] - 1e-6 <= truth[to] <= row["upper_bound"] + 1e-6
        if row["interval_lower"] is not None:
            assert row["lower_bound"] - 1e-6 <= row["interval_lower"] <= row["value"] + 1e-6
            assert row["value"] - 1e-6 <= row["interval_upper"] <= row["upper_bound"] + 1e-6


@given(legs=legs_drawn(), rate=numbers(0, 100), people=numbers(1, 10_000))
def test_rate_is_within_the_range_of_its_parts(legs: Legs, rate: dict[str, float], people: dict[str, float]) -> None:
    actual = shared({"rate": dict(rate), "people": dict(people)}, legs, allowed=ALL)
    for (measure, to), row in actual.items():
        if measure == "rate":
            parts = [rate[code] for code, there in legs.items() if to in there]
            assert min(parts) - 1e-9 <= row["value"] <= max(parts) + 1e-9


@given(events=numbers(0, 10_000), rate=numbers(0, 100))
def test_identity_crosswalk_changes_nothing(events: dict[str, float], rate: dict[str, float]) -> None:
    same: Legs = {code: {code: 10.0} for code in "ABCD"}
    actual = shared({"events": dict(events), "rate": dict(rate)}, same)
    assert {code: actual["events", code]["value"] for code in "ABCD"} == events
    assert {code: actual["rate", code]["value"] for code in "ABCD"} == rate
    assert {row["apportioned_share"] for (measure, _), row in actual.items() if measure == "events"} == {0.0}


@given(
    up=st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("MNO"), min_size=1),
    top=st.fixed_dictionaries({code: st.sampled_from("PQ") for code in "MNO"}),
)
def test_apportionment_through_nested_places_equals_the_direct_one(up: dict[str, str], top: dict[str, str]) -> None:
    def whole(pairs: dict[str, str]) -> pl.DataFrame:
        actual = [(code, to, 1.0, None) for code, to in pairs.items()]
        return pl.DataFrame(actual, schema=OVERLAY, orient="row")

    by_way = compose_overlays(whole(up), whole(top)).select("from_code", "to_code", "weight").sort("from_code")
    straight = whole({code: top[to] for code, to in up.items()}).select("from_code", "to_code", "weight")
    assert by_way.equals(straight.sort("from_code"))
