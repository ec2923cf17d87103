"""Rehearsing a reorganisation: the plan is checked, and what comes out is what its districts add to."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from pipelines.app.build import report_scenario
from pipelines.core.errors import DeclarationError, UnknownNameError
from pipelines.declarations.catalogue import Problem, load_catalogue
from pipelines.declarations.problem_file import read_problem
from pipelines.declarations.project import Project
from pipelines.gaps.scenario import list_lost_measures, run_scenario
from pipelines.geography.access import load_places
from pipelines.geography.load import load_small_areas
from pipelines.geography.reorganisation import Scenario, read_scenario
from tests.breadth import cases

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def cells(edition: Project) -> pl.DataFrame:
    scenario, path = read_scenario(ROOT, "surrey_2027")
    return run_scenario(edition, edition.catalogue.problems["jobs_recovery"], scenario, path).cells


def test_both_sides_are_there_and_marked_as_a_scenario(cells: pl.DataFrame) -> None:
    assert cells.filter(pl.col("side") == "now")["place_code"].n_unique() == 11
    assert set(cells.filter(pl.col("side") == "then")["place_name"]) == {"East Surrey", "West Surrey"}
    assert cells["scenario"].null_count() == 0


@pytest.mark.parametrize("measure", ["residents_16_64", "furloughed_employments", "households_on_universal_credit"])
def test_new_councils_add_to_what_their_districts_add_to(cells: pl.DataFrame, measure: str) -> None:
    mine = cells.filter(pl.col("measure") == measure)
    sums = mine.group_by("council", "side").agg(pl.col("value").sum()).sort("council", "side")
    for council in ("East Surrey", "West Surrey"):
        now, then = sums.filter(pl.col("council") == council)["value"]
        assert now == then > 0


def test_rate_is_averaged_only_with_its_denominator(cells: pl.DataFrame) -> None:
    claimants = cells.filter(pl.col("measure") == "claimant_rate", pl.col("side") == "then")
    assert claimants["derivation"].unique().to_list() == ["rate_averaged"]
    lost = list_lost_measures(cells, load_catalogue(ROOT).measures)
    assert lost["measure"].unique().to_list() == ["furlough_take_up"]
    assert lost["reason"].unique().to_list() == ["needs_parts"]
    assert lost["remedy"].str.contains("numerator").all()


def test_scenario_runs_for_a_monthly_problem(edition: Project) -> None:
    scenario, path = read_scenario(ROOT, "surrey_2027")
    cells = run_scenario(edition, _declare(edition, CLAIMANTS), scenario, path).cells
    then = cells.filter(pl.col("side") == "then")
    assert then.height == 2 * 6 and then["period_start"].n_unique() == 6


def test_scenario_does_not_reach_published_outputs(edition: Project) -> None:
    register = load_places(edition).register
    assert not register["place_code"].str.starts_with("PLAN-").any()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("E07000207, ", "", "E07000207 Elmbridge is omitted"),
        ("E07000209, ", "E07000207, E07000209, ", "E07000207 Elmbridge is in two councils"),
        ("E07000209, ", "E07000209, E07000026, ", "E07000026 is not in lad_2023"),
        ("E07000209, ", "E07000209, E09000024, ", "E09000024 Merton is not a district of E10000030"),
        ("PLAN-EAST-SURREY", "E06000063", "starts with PLAN-"),
        ("PLAN-EAST-SURREY", "PLAN-WEST-SURREY", "for two councils"),
        ("replaces: E10000030", "replaces: E10000099", "found no districts of E10000099"),
        ("day: 2027-04-01", "day: 2019-04-01", "is not after"),
        ("replaces:", "replace:", "did you mean replaces"),
    ],
)
def test_invalid_scenario_is_refused_with_its_fault(
    edition: Project, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    folder = tmp_path / "pipelines" / "scenarios"
    shutil.copytree(ROOT / "pipelines" / "scenarios", folder)
    path = folder / "surrey_2027.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DeclarationError, match=complaint):
        scenario, actual = read_scenario(tmp_path, "surrey_2027")
        run_scenario(edition, edition.catalogue.problems["jobs_recovery"], scenario, actual)


def test_unknown_scenario_is_refused_with_similar_names() -> None:
    with pytest.raises(UnknownNameError, match="surrey_2027"):
        read_scenario(ROOT, "surrey_2028")


def split(tmp_path: Path, system: str, north: list[str], south: list[str]) -> tuple[Scenario, Path]:
    """Write a plan in which Elmbridge is cut and the rest of Surrey goes to the south."""
    whole = ["E07000208", "E07000209", "E07000210", "E07000211", "E07000212", "E07000213", "E07000214", "E07000215",
             "E07000216", "E07000217"]  # fmt: skip
    path = tmp_path / "cut.yaml"
    path.write_text(
        f"""
title: Elmbridge is cut
plan: https://example.org/plan
day: 2027-04-01
geography: lad_2023
replaces: E10000030
new:
  - {{code: PLAN-NORTH, name: North, parts: [{{geography: {system}, codes: [{", ".join(north)}]}}]}}
  - code: PLAN-SOUTH
    name: South
    districts: [{", ".join(whole)}]
    parts: [{{geography: {system}, codes: [{", ".join(south)}]}}]
"""
    )
    return read_scenario(ROOT, str(path))


RESIDENTS = """/*
question: Where do people of working age live, and how many of them were on furlough?
decision: Which council gets how many advisers.
owner: Team
geography: lad_2023
grain: latest
needs:
  residents_16_64: {max_age: 5 years, downscale: SHARED}
  furlough_take_up: {from: 2020-03, until: 2021-09, downscale: SHARED}
*/
select place.place_code, place.place_name, residents_16_64.value as residents_16_64,
  furlough_take_up.value as furlough_take_up
from lad_2023.place join lad_2023.residents_16_64 using (place_code) join lad_2023.furlough_take_up using (place_code)
"""


ALONE = (
    ("  furlough_take_up: {from: 2020-03, until: 2021-09, downscale: SHARED}\n", ""),
    (",\n  furlough_take_up.value as furlough_take_up", ""),
    (" join lad_2023.furlough_take_up using (place_code)", ""),
)
"""Parts of the problem about its second measure."""


def of_residents(project: Project, *, is_shared: bool = True, is_alone: bool = False) -> Problem:
    """Declare a problem of two measures or one, which takes shares of a larger place's figures or does not."""
    text = RESIDENTS
    for old, new in (*(ALONE if is_alone else ()), ("SHARED", str(is_shared).lower())):
        assert old in text
        text = text.replace(old, new)
    return _declare(project, text)


CLAIMANTS = """/*
question: Where are people out of work?
decision: Where advisers are sent each month.
owner: Team
geography: lad_2023
grain: month
periods: {start: 2024-01, end: 2024-06}
needs: {claimant_rate: }
*/
select place_period.place_code, place_period.period_start, claimant_rate.value as claimant_rate
from lad_2023.place_period join lad_2023.claimant_rate using (place_code, period_start)
"""


def _declare(project: Project, text: str) -> Problem:
    catalogue = project.catalogue
    sources = {measure: catalogue.sources[name] for measure, name in catalogue.measure_source.items()}
    return read_problem(Path("asked.sql"), text, catalogue.measures, sources, {})


@pytest.fixture(scope="module")
def elmbridge(edition: Project) -> pl.DataFrame:
    table = load_small_areas(edition)[-1].table
    return table.filter(pl.col("lad_2024") == "E07000207")


@pytest.mark.parametrize("system", cases(["ward_2024"], wide=["lsoa_2021"]))
def test_cut_district_is_apportioned_by_residents_of_its_parts(
    edition: Project, elmbridge: pl.DataFrame, tmp_path: Path, system: str
) -> None:
    codes = elmbridge[system].unique().sort().to_list()
    north, south = codes[: len(codes) // 3], codes[len(codes) // 3 :]
    scenario, path = split(tmp_path, system, north, south)
    actual = run_scenario(edition, of_residents(edition), scenario, path)
    mine = actual.cells.filter(pl.col("measure") == "residents_16_64")
    values = dict(mine.select("place_code", "value").iter_rows())
    people = elmbridge.group_by(pl.col(system).is_in(north).alias("north")).agg(
        pl.col("residents_census_2021__all_ages").sum().alias("people")
    )
    share = people.filter("north")["people"].item() / people["people"].sum()
    assert values["PLAN-NORTH"] == pytest.approx(values["E07000207"] * share) and 0 < share < 1
    assert values["PLAN-NORTH"] + values["PLAN-SOUTH"] == pytest.approx(
        sum(value for code, value in values.items() if not code.startswith("PLAN-"))
    )
    new = mine.filter(pl.col("side") == "then").sort("place_code")
    assert new.select("derivation", "obs_status").rows() == [("apportioned", "estimated")] * 2
    assert mine.filter(pl.col("place_code") == "E07000207")["council"].to_list() == ["North; South"]
    assert set(actual.view.filter(pl.col("side") == "then")["place_name"]) == {"North", "South"}
    assert (
        list_lost_measures(actual.cells, edition.catalogue.measures)
        .filter(pl.col("measure") == "furlough_take_up")
        .height
    )


def test_district_can_be_cut_by_declared_shares(edition: Project, tmp_path: Path) -> None:
    path = tmp_path / "shares.yaml"
    path.write_text(SHARES)
    scenario, actual = read_scenario(ROOT, str(path))
    cells = run_scenario(edition, of_residents(edition, is_alone=True), scenario, actual).cells
    values = dict(cells.filter(pl.col("measure") == "residents_16_64").select("place_code", "value").iter_rows())
    assert values["PLAN-A"] == pytest.approx(0.25 * values["E06000009"])
    assert values["PLAN-B"] == pytest.approx(0.75 * values["E06000009"])
    new = cells.filter(pl.col("measure") == "residents_16_64", pl.col("side") == "then")
    # The error of the shares is estimated from districts cut by other places of that size.
    assert (
        new.select((pl.col("interval_lower") < pl.col("value")) & (pl.col("value") < pl.col("interval_upper")))
        .to_series()
        .all()
    )
    assert new.select("interval_lower", "interval_upper").null_count().sum_horizontal().item() == 0


def test_council_of_minor_parts_has_no_figures_until_shares_are_declared(edition: Project, tmp_path: Path) -> None:
    path = tmp_path / "shares.yaml"
    path.write_text(SHARES)
    scenario, actual = read_scenario(ROOT, str(path))
    cells = run_scenario(edition, of_residents(edition, is_shared=False, is_alone=True), scenario, actual).cells
    residents = cells.filter(pl.col("measure") == "residents_16_64", pl.col("side") == "then").sort("place_code")
    assert residents["reason"].to_list() == ["coarser_only", None]
    lost = list_lost_measures(cells, edition.catalogue.measures)
    assert lost.filter(pl.col("measure") == "residents_16_64")["council"].to_list() == ["A"]


SHARES = """
title: Blackpool is cut
plan: https://example.org/plan
day: 2027-04-01
geography: lad_2023
replaces: E06000009
new:
  - {code: PLAN-A, name: A, shares: {E06000009: 0.25}}
  - {code: PLAN-B, name: B, shares: {E06000009: 0.75}}
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("0.75", "0.7", "the shares of E06000009 Blackpool sum to 0.95, expected 1"),
        ("0.75", "1.75", "Blackpool has the share 1.75, expected more than 0 and less than 1"),
        ("0.75}", "0.75, E06000008: 0.5}", "E06000008 Blackburn with Darwen is not a district of E06000009"),
        ("shares: {E06000009: 0.75}", "districts: [E06000009]", "the shares of E06000009 Blackpool sum to 0.25"),
        ("name: B, ", "name: B, districts: [E06000009], ", "E06000009 Blackpool is in two councils"),
        ("name: B, ", "name: B, districts: [E07000026], ", r"it is E07000026 \(Allerdale, a lad code in use"),
        ("name: B, ", "name: B, districts: [PLAN-A], ", "PLAN-B takes over PLAN-A, which is a new council"),
        ("name: B, ", "name: B, districts: [PLAN-B], ", "PLAN-B takes over PLAN-B: found a cycle"),
        ("name: A, ", "name: A, districts: [PLAN-B], parts: [], ", "which is a new council"),
        ("name: B, ", "name: B, parts: [{geography: ward_2024, codes: [E05001644]}], ", "by parts and by shares"),
        ("shares: {E06000009: 0.25}", "districts: []", "PLAN-A has no districts"),
    ],
)
def test_shares_and_councils_that_can_not_be_are_refused(
    edition: Project, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(SHARES.replace(old, new))
    with pytest.raises(DeclarationError, match=complaint):
        scenario, actual = read_scenario(ROOT, str(path))
        run_scenario(edition, edition.catalogue.problems["jobs_recovery"], scenario, actual)


def test_two_councils_formed_from_each_other_are_a_circle(edition: Project, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(
        SHARES.replace("name: A, ", "name: A, districts: [PLAN-B], ").replace(
            "name: B, ", "name: B, districts: [PLAN-A], "
        )
    )
    scenario, actual = read_scenario(ROOT, str(path))
    with pytest.raises(DeclarationError, match="PLAN-A takes over PLAN-B takes over PLAN-A: found a cycle"):
        run_scenario(edition, edition.catalogue.problems["jobs_recovery"], scenario, actual)


def test_invalid_parts_are_refused_with_their_fault(edition: Project, elmbridge: pl.DataFrame, tmp_path: Path) -> None:
    wards, lsoas = (elmbridge[system].unique().sort().to_list() for system in ("ward_2024", "lsoa_2021"))
    gone = load_small_areas(edition)[-1].table.filter(
        ~pl.col("lsoa_2011").is_in(pl.col("lsoa_2021").drop_nulls().implode())
    )
    old = gone["lsoa_2011"].drop_nulls()[0]
    for system, north, south, complaint in (
        ("ward_2024", wards[:2], wards[3:], f"{wards[2]} of E07000207 Elmbridge omitted"),
        ("lsoa_2021", lsoas[:1], lsoas[9:], "more of E07000207 Elmbridge omitted"),
        ("ward_2024", wards[:2], wards[1:], f"found {wards[1]} twice"),
        ("ward_2024", [wards[0], wards[0]], wards[1:], f"found {wards[0]} twice"),
        ("ward_2024", ["E05009999"], wards, "E05009999 is not in ward_2024"),
        ("lsoa_2021", [old], lsoas, f"{old} is not in lsoa_2021; it is a code of lsoa_2011"),
        ("lsoa_2021", ["E01003371"], lsoas, "E01003371 is in E09000024 Merton, expected a part of E10000030"),
        ("ward_1999", wards[:1], wards[1:], "found no stored small areas by ward_1999; did you mean ward_2024"),
    ):
        scenario, path = split(tmp_path, system, north, south)
        with pytest.raises(DeclarationError, match=complaint):
            run_scenario(edition, edition.catalogue.problems["jobs_recovery"], scenario, path)


def test_refused_plan_writes_no_file(edition: Project, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(SHARES.replace("0.75", "0.7"))
    with pytest.raises(DeclarationError):
        report_scenario(edition, str(plan), [], Console())
    assert not list(edition.home.rglob("scenario_*"))


RENAMED = """
title: Merton is renamed
plan: https://example.org/plan
day: 2027-04-01
geography: lad_2023
replaces: E09000024
new:
  - {code: PLAN-A, name: A, districts: [E09000024]}
"""


def test_scenario_in_a_file_is_applied_to_every_problem(furlough: Project, tmp_path: Path) -> None:
    problems = furlough.catalogue.root / "pipelines" / "problems"
    shutil.copy(problems / "furlough.sql", problems / "again.sql")
    plan = tmp_path / "mine.yaml"
    plan.write_text(RENAMED)
    both = furlough._replace(catalogue=load_catalogue(furlough.catalogue.root))
    report_scenario(both, str(plan), [], Console())
    written = {path.name for path in both.home.rglob("scenario_*")}
    assert written == {f"scenario_mine_{name}.csv" for name in ("cells", "lost", "again", "furlough")}
    assert "Merton is renamed" in next(both.home.rglob("scenario_mine_furlough.csv")).read_text()
