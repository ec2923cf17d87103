"""Problems of housing, crime, carbon, food and town centres, answered from the starter edition."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines import answering, steps
from pipelines.catalogue import load
from pipelines.steps import Project
from pipelines.store import read_table, state_path

ROOT = Path(__file__).resolve().parent.parent
PROBLEMS = ("rough_sleeping", "homelessness", "reoffending", "carbon", "food_and_volunteers", "town_centres")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(load(ROOT), tmp_path_factory.mktemp("store"), date(2026, 11, 24))
    steps.prepare(project)
    for name in PROBLEMS:
        answering.answer_problem(project, name)
    return project


def cells(project: Project, problem: str, measure: str, year: int | None = None) -> pl.DataFrame:
    """Give the cells of one measure, of one year or the latest."""
    found = read_table(state_path(project.home, "cell", problem)).filter(pl.col("measure") == measure)
    return found.filter(pl.col("period_start").dt.year() == year) if year else found


def one(project: Project, problem: str, measure: str, place: str, year: int | None = None) -> dict[str, object]:
    return cells(project, problem, measure, year).filter(pl.col("place_code") == place).row(0, named=True)


CUMBERLAND, BRENT, LEEDS, BIRMINGHAM = "E06000063", "E09000005", "E08000035", "E08000025"


def test_rough_sleeping_of_all_districts_is_englands_own_figure(project: Project) -> None:
    for year, england in ((2019, 4_266), (2022, 3_069)):
        found = cells(project, "rough_sleeping", "people_sleeping_rough", year)
        assert (found["value"].sum(), found["value"].drop_nulls().len()) == (england, 296)


def test_whether_rough_sleeping_was_counted_is_not_averaged_over_councils_that_merged(project: Project) -> None:
    cell = one(project, "rough_sleeping", "rough_sleeping_counted", CUMBERLAND, 2022)
    assert (cell["value"], cell["reason"]) == (None, "needs_parts")


def test_a_year_whose_snapshot_is_not_held_is_late_and_never_nought(project: Project) -> None:
    found = cells(project, "rough_sleeping", "people_sleeping_rough", 2023)
    assert found["value"].drop_nulls().len() == 0
    assert set(found["reason"]) == {"late", "nation_not_covered"}


def test_a_council_that_made_no_return_of_homelessness_has_no_figure(project: Project) -> None:
    for measure in ("households_owed_homelessness_duty", "households_in_temporary_accommodation"):
        assert one(project, "homelessness", measure, BRENT)["reason"] == "not_available"
        assert cells(project, "homelessness", measure).filter(pl.col("reason") == "not_available").height == 20


def test_nobody_can_tell_of_reoffending_and_every_force_area_says_so(project: Project) -> None:
    found = read_table(state_path(project.home, "cell", "reoffending"))
    assert found["value"].drop_nulls().len() == 0
    assert found["place_code"].n_unique() == 45
    assert found["holder"].null_count() == found["remedy"].null_count() == 0


def test_emissions_of_cumberland_are_those_of_its_three_districts(project: Project) -> None:
    assert one(project, "carbon", "co2_emissions", CUMBERLAND, 2020)["value"] == pytest.approx(1293.4, abs=0.05)
    assert one(project, "carbon", "co2_emissions", CUMBERLAND, 2021)["reason"] == "late"


def test_an_old_figure_of_one_town_is_not_the_old_figure_of_another(project: Project) -> None:
    assert one(project, "town_centres", "town_centre_footfall", LEEDS)["reason"] == "stale"
    elsewhere = one(project, "town_centres", "town_centre_footfall", BIRMINGHAM)
    assert (elsewhere["reason"], elsewhere["reasons_also"]) == ("not_returned", None)
    assert "Leeds" not in f"{elsewhere['holder']} {elsewhere['remedy']}"


def test_volunteers_are_counted_by_nobody(project: Project) -> None:
    assert set(cells(project, "food_and_volunteers", "volunteers_registered")["reason"]) == {"not_collected"}
    assert cells(project, "food_and_volunteers", "shielded_patients")["value"].sum() == 120_465
