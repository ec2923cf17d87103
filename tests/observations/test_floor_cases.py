"""Public situations with numbers that are no figures, read from their files to cells."""

from datetime import date

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps.answer import answer_problem
from pipelines.observations.access import load_source_tables
from tests.command import ROOT
from tests.small import districts_only

CASES = ROOT.parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the public cases are not at {CASES}")
ABOUT = "title: t\npublisher: A publisher\nlicence: l\npage: https://example.org\ncadence: once\n"
COUNTED = "{title: n, unit: things, kind: count, column: "
SOURCES = {
    "merge": ("21-numeric-sentinel", "lad_2022", "year", "code, label: name, period: year", 
              "cases: " + COUNTED + "cases}"),
    "admissions": ("21-numeric-sentinel", "lad_2023", "day", "areaCode, label: areaName, period: date",
                   "admitted: " + COUNTED + "admitted}"),
    "year": ("21-numeric-sentinel", "lad_2023", "year", "areaCode, label: areaName, period: year",
             "year_cases: " + COUNTED + "cases}"),
    "contradicts": ("18-zero-denominator", "lad_2023", "year", "area_code, label: area, period: year",
                    "events: " + COUNTED + "events}, population: {title: p, unit: people, kind: stock,"
                    " column: population},"
                    " rate: {title: r, unit: per 100000, kind: rate, numerator: events, denominator: population,"
                    " column: rate_per_100000}"),
    "uptake_2022": ("20-percent-text", "lad_2022", "year", "Code, label: District, period: Year",
                    "invited: " + COUNTED + "Invited}, uptake: {title: u, unit: '%', kind: rate, denominator: invited,"
                    " column: Uptake}"),
}  # fmt: skip
PROBLEMS = {"merged": ("cases", "2022"), "invited_rate": ("uptake", "2022"), "rates": ("rate", "2023")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Declare the inputs as sources beside the bundled places, with problems for three of them."""
    folder = tmp_path_factory.mktemp("floor")
    root = districts_only(folder)
    for name, (case, system, kind, columns, measures) in SOURCES.items():
        content = (CASES / case / f"{name}.csv").read_bytes()
        (root / "sources" / "starter" / f"{name}.csv").write_bytes(content)
        (root / "sources" / f"{name}.yaml").write_text(
            f"{ABOUT}geography: {system}\nperiod_kind: {kind}\ncolumns: {{place: {columns}}}\n"
            f"footnotes: ' ?%'\nreleases: [{{file: starter/{name}.csv, released: 2024-06-11}}]\n"
            f"measures: {{{measures}}}\n"
        )
    for name, (measure, period) in PROBLEMS.items():
        (root / "pipelines" / "problems" / f"{name}.sql").write_text(
            f"/*\nquestion: q\ndecision: d\nowner: o\ngeography: lad_2023\ngrain: year\n"
            f"periods: {{start: '{period}', end: '{period}'}}\nneeds: {{{measure}: {{}}}}\n*/\n"
            f"select place_period.place_code, place_period.period_start, {measure}.value as n\n"
            f"from lad_2023.place_period join lad_2023.{measure} using (place_code, period_start)\n"
        )
    project = Project(load_catalogue(root), folder / "store", date(2026, 11, 24))
    steps.prepare_store(project)
    return project


def faults(project: Project, source: str) -> dict[tuple[str, str], str]:
    """Return the evidence of each finding about an impossible figure, by place and reason."""
    kinds = ["numeric_marker", "zero_denominator", "unit_change"]
    table = load_source_tables(project, source).finding.filter(pl.col("reason").is_in(kinds))
    rows = table.select("place_code", "reason", "evidence").iter_rows()
    return {(code, reason): evidence for code, reason, evidence in rows}


def cell(project: Project, problem: str, code: str) -> dict[str, object]:
    return answer_problem(project, problem).filter(pl.col("place_code") == code).row(0, named=True)


def test_marker_in_a_part_is_no_part_of_a_sum(project: Project) -> None:
    assert set(faults(project, "merge")) == {("E07000029", "numeric_marker")}
    cumberland = cell(project, "merged", "E06000063")
    assert (cumberland["value"], cumberland["reason"]) == (None, "children_incomplete")
    assert (cumberland["lower_bound"], cumberland["upper_bound"]) == (1200.0, None)


def test_daily_and_yearly_markers_are_found(project: Project) -> None:
    daily = load_source_tables(project, "admissions").finding.filter(pl.col("reason") == "numeric_marker")
    assert sorted(daily["evidence"].str.extract(r"found (-?\d+)").unique()) == ["-999999", "9999"]
    assert daily["rows"].sum() == 4
    assert {code for code, _ in faults(project, "year")} == {"E09000003", "E09000006"}


def test_rate_of_nothing_is_no_rate(project: Project) -> None:
    assert faults(project, "contradicts") == {
        ("E09000004", "zero_denominator"): "found 0, but population is 0 and events is 5",
        ("E09000005", "zero_denominator"): "found #DIV/0!: a division by 0",
    }
    bexley = cell(project, "rates", "E09000004")
    assert (bexley["value"], bexley["reason"]) == (None, "zero_denominator")


def test_fraction_among_percentages_is_withheld_and_others_are_averaged(project: Project) -> None:
    assert set(faults(project, "uptake_2022")) == {("E07000164", "unit_change")}
    assert cell(project, "invited_rate", "E06000063")["value"] == pytest.approx(54.67, abs=0.005)
