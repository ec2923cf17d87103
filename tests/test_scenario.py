"""Rehearsing a reorganisation: the plan is checked, and what comes out is what its districts add to."""

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines import steps
from pipelines.catalogue import load
from pipelines.errors import DeclarationError, UnknownNameError
from pipelines.scenario import lost_measures, read_scenario, rehearse
from pipelines.steps import Project

ROOT = Path(__file__).resolve().parent.parent
AS_OF = date(2026, 11, 24)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(load(ROOT), tmp_path_factory.mktemp("store"), AS_OF)
    steps.prepare(project)
    return project


@pytest.fixture(scope="module")
def cells(project: Project) -> pl.DataFrame:
    scenario, path = read_scenario(ROOT, "surrey_2027")
    return rehearse(project, project.catalogue.problems["jobs_recovery"], scenario, path)


def test_both_sides_are_there_and_marked_as_a_scenario(cells: pl.DataFrame) -> None:
    assert cells.filter(pl.col("side") == "now")["place_code"].n_unique() == 11
    assert set(cells.filter(pl.col("side") == "then")["place_name"]) == {"East Surrey", "West Surrey"}
    assert cells["scenario"].null_count() == 0


@pytest.mark.parametrize("measure", ["residents_16_64", "furloughed_employments", "households_on_universal_credit"])
def test_the_new_councils_add_to_what_their_districts_add_to(cells: pl.DataFrame, measure: str) -> None:
    mine = cells.filter(pl.col("measure") == measure)
    sums = mine.group_by("council", "side").agg(pl.col("value").sum()).sort("council", "side")
    for council in ("East Surrey", "West Surrey"):
        now, then = sums.filter(pl.col("council") == council)["value"]
        assert now == then > 0


def test_a_rate_with_its_denominator_is_averaged_and_one_without_is_lost(cells: pl.DataFrame) -> None:
    claimants = cells.filter(pl.col("measure") == "claimant_rate", pl.col("side") == "then")
    assert claimants["basis"].unique().to_list() == ["rate_averaged"]
    lost = lost_measures(cells)
    assert lost["measure"].unique().to_list() == ["furlough_take_up"]
    assert lost["reason"].unique().to_list() == ["needs_parts"]
    assert lost["remedy"].str.contains("numerator").all()


def test_a_problem_by_month_is_rehearsed_too(project: Project) -> None:
    scenario, path = read_scenario(ROOT, "surrey_2027")
    cells = rehearse(project, project.catalogue.problems["jobs_south_london"], scenario, path)
    assert cells.filter(pl.col("side") == "then").height == 2 * 6 * 46


def test_nothing_of_a_scenario_reaches_what_is_published(project: Project) -> None:
    register = steps.register_places(project).register
    assert not register["place_code"].str.starts_with("PLAN-").any()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("E07000207, ", "", "E07000207 Elmbridge is left out"),
        ("E07000209, ", "E07000207, E07000209, ", "E07000207 Elmbridge is in two councils"),
        ("E07000209, ", "E07000209, E07000026, ", "E07000026 is no place of lad_2023"),
        ("E07000209, ", "E07000209, E09000024, ", "E09000024 Merton is no district of E10000030"),
        ("PLAN-EAST-SURREY", "E06000063", "starts with PLAN-"),
        ("PLAN-EAST-SURREY", "PLAN-WEST-SURREY", "stands for two councils"),
        ("replaces: E10000030", "replaces: E10000099", "has no districts"),
        ("day: 2027-04-01", "day: 2019-04-01", "is not after"),
        ("replaces:", "replace:", "did you mean replaces"),
    ],
)
def test_a_wrong_plan_is_refused_with_what_is_wrong(
    project: Project, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    folder = tmp_path / "pipelines" / "scenarios"
    shutil.copytree(ROOT / "pipelines" / "scenarios", folder)
    path = folder / "surrey_2027.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DeclarationError, match=complaint):
        scenario, found = read_scenario(tmp_path, "surrey_2027")
        rehearse(project, project.catalogue.problems["jobs_recovery"], scenario, found)


def test_an_unknown_scenario_is_met_with_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="surrey_2027"):
        read_scenario(ROOT, "surrey_2028")
