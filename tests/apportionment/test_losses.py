"""Unallocated residuals: the published total equals the apportioned total plus the listed residuals."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given

from pipelines.app import steps
from pipelines.apportionment.counts import apportion_counts
from pipelines.apportionment.losses import RESIDUAL, list_residuals, problem_residuals, whole_residuals
from pipelines.core.store import read_table, state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.observations.access import scan_observations
from tests.apportionment.test_weighted import CUT, MEASURES, Legs, crosswalk_of, legs_drawn, numbers, observed
from tests.small import places_only


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


PROBLEM = """/*
question: q
decision: d
owner: o
geography: region_2023
grain: latest
needs: {residents_16_64: {max_age: 20 years}}
*/
select place.place_code, residents_16_64.value as residents
from region_2023.place join region_2023.residents_16_64 using (place_code)
"""


def test_problem_by_region_lists_the_districts_outside_england(tmp_path: Path) -> None:
    folder = places_only(tmp_path, "ons_residents_16_64")
    (folder / "pipelines" / "problems" / "regions.sql").write_text(PROBLEM, encoding="utf-8")
    project = Project(load_catalogue(folder), tmp_path / "store", date(2026, 11, 24))
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "regions")
    lost = read_table(state_path(project.home, "loss", "regions"))
    assert lost["place_code"].str.slice(0, 1).unique().sort().to_list() == ["N", "S", "W"]
    newest = lost.filter(pl.col("period_end") == date(2022, 6, 30))
    assert newest.height == 22 + 32 + 11
    seen = scan_observations(project, "ons_residents_16_64").collect()
    before = seen.filter(pl.col("period_end") == date(2022, 6, 30), pl.col("measure") == "residents_16_64")[
        "value"
    ].sum()
    assert cells["value"].sum() + newest["value"].sum() == before
