"""Unallocated residuals: the published total equals the apportioned total plus the listed residuals."""

import pytest
from hypothesis import given

from pipelines.apportionment.counts import apportion_counts
from pipelines.apportionment.losses import RESIDUAL, list_residuals, problem_residuals, whole_residuals
from tests.apportionment.test_weighted_rules import CUT, MEASURES, Legs, crosswalk_of, legs_drawn, numbers, observed


def test_unallocated_share_of_a_count_is_listed() -> None:
    legs: Legs = {"A": {"X": 300.0, None: 100.0}, "B": {"X": 50.0}}
    table = observed({"events": {"A": 40.0, "B": 5.0}, "rate": {"A": 2.0, "B": 3.0}})
    lost = list_residuals(table, crosswalk_of(legs), MEASURES)
    assert lost.select("measure", "place_code", "share", "value").rows() == [("events", "A", 0.25, 10.0)]


def test_no_residual_where_every_place_has_a_target() -> None:
    assert list_residuals(observed({"events": {"A": 40.0, "B": 5.0}}), crosswalk_of(CUT), MEASURES).is_empty()


def test_places_without_a_target_are_whole_residuals() -> None:
    table = observed({"events": {"A": 40.0, "B": None, "C": 7.0, "A+D": 3.0}})
    lost = whole_residuals(table, {"A"}, MEASURES)
    assert lost.select("place_code", "value").rows() == [("C", 7.0)]
    assert list(problem_residuals([lost], "p", "icb_2022").columns) == list(RESIDUAL)


@given(legs=legs_drawn(), events=numbers(0, 10_000))
def test_published_total_is_apportioned_total_plus_residuals(legs: Legs, events: dict[str, float]) -> None:
    table, way = observed({"events": dict(events)}), crosswalk_of(legs)
    after = apportion_counts(table, way)["value"].sum()
    assert after + list_residuals(table, way, MEASURES)["value"].sum() == pytest.approx(sum(events.values()))


def test_unallocated_share_of_zero_or_of_a_missing_figure_is_not_listed() -> None:
    legs: Legs = {"B": {"X": 50.0, None: 50.0}, "A": {"X": 300.0, None: 0.0}, "C": {"X": 1.0, None: 3.0}}
    table = observed({"people": {"C": 8.0, "B": 6.0}, "events": {"A": 40.0, "B": None, "C": 8.0}})
    lost = list_residuals(table, crosswalk_of(legs), MEASURES)
    assert lost.select("measure", "place_code", "share", "value").rows() == [
        ("events", "C", 0.75, 6.0), ("people", "B", 0.5, 3.0), ("people", "C", 0.75, 6.0)
    ]  # fmt: skip


def test_residuals_of_a_problem_are_in_one_order_with_its_name_and_geography() -> None:
    lost = [
        whole_residuals(observed({measure: {"B": 1.0, "A": 2.0}}), set(), MEASURES) for measure in ("people", "events")
    ]
    actual = problem_residuals(lost, "a_problem", "icb_2022")
    assert actual.select("problem", "measure", "place_code", "to_geography", "share", "value").rows() == [
        ("a_problem", measure, code, "icb_2022", 1.0, value)
        for measure in ("events", "people") for code, value in (("A", 2.0), ("B", 1.0))
    ]  # fmt: skip


def test_places_together_are_a_residual_only_if_none_of_them_has_a_target() -> None:
    table = observed({"events": {"A+B": 3.0, "C+D": 4.0, "E": 5.0}})
    assert whole_residuals(table, {"B", "E"}, MEASURES).select("place_code", "value").rows() == [("C+D", 4.0)]
