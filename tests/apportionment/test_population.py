"""Residents of places: of all ages, whatever group a problem asks for."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.app import steps
from pipelines.apportionment import population_days, population_measure, problem_residents
from pipelines.apportionment.population import system_residents
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from tests.gaps.plain import catalogue_of, measure_of, problem_of, source_of
from tests.small import districts_only

ROOT = Path(__file__).resolve().parent.parent.parent


def test_residents_are_of_all_ages_in_every_problem() -> None:
    catalogue = load_catalogue(ROOT)
    assert "residents_16_64" in catalogue.problems["jobs_recovery"].measures
    assert population_measure(catalogue) == "residents"
    assert catalogue.measures["residents"].title == "Residents of all ages"


def test_residents_are_unknown_without_a_measure_of_all_ages() -> None:
    whole = load_catalogue(ROOT)
    owner = whole.measure_source["residents"]
    closed = whole.sources[owner].model_copy(update={"access": "private"})
    assert population_measure(whole._replace(measures={"residents_16_64": whole.measures["residents_16_64"]})) is None
    assert population_measure(whole._replace(sources={**whole.sources, owner: closed})) is None


@pytest.mark.parametrize(("kind", "expected"), [("stock", "residents"), ("count", None)])
def test_residents_are_a_stock(kind: str, expected: str | None) -> None:
    catalogue = catalogue_of(a_source=source_of(measures={"residents": measure_of(kind)}))
    assert population_measure(catalogue) == expected


ALLERDALE, CARLISLE, COPELAND, CUMBERLAND, MERTON = "E07000026", "E07000028", "E07000029", "E06000063", "E09000024"
SOURCE = """title: Residents
publisher: An office
licence: OGL 3.0
page: https://example.org/residents
geography: lad_2021
columns: {place: code, period: year}
period_kind: year
markers: {c: confidential}
releases: [{file: starter/residents.csv, released: 2026-11-01}]
measures: {residents: {title: People, unit: people, kind: stock, column: residents}}
"""
FIGURES = {2028: ("5", "10", "20", "30"), 2026: ("3", "8", "9", "7"), 2027: ("4", "11", "12", "13"),
           2029: ("c", "40", "c", "50")}  # fmt: skip
"""Residents of Merton, and of three districts that became Cumberland in 2023, projected, in no order of years."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("residents")
    root = districts_only(folder)
    places = (MERTON, ALLERDALE, CARLISLE, COPELAND)
    rows = [f"{code},{year},{n}" for year, line in FIGURES.items() for code, n in zip(places, line, strict=True)]
    (root / "sources" / "residents_by_year.yaml").write_text(SOURCE)
    (root / "sources" / "starter" / "residents.csv").write_text("\n".join(["code,year,residents", *rows]) + "\n")
    project = Project(load_catalogue(root), folder / "store", date(2030, 6, 30))
    steps.prepare_store(project)
    return project


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        # A year without every part of Cumberland has no sum: the newest figure is a year older.
        (date(2030, 6, 30), [(CUMBERLAND, 60.0), (MERTON, 5.0)]),
        (date(2028, 12, 31), [(CUMBERLAND, 60.0), (MERTON, 5.0)]),
        (date(2028, 12, 30), [(CUMBERLAND, 36.0), (MERTON, 4.0)]),
        (date(2027, 1, 1), [(CUMBERLAND, 24.0), (MERTON, 3.0)]),
        (date(2026, 12, 30), []),
    ],
)  # fmt: skip
def test_residents_are_the_newest_that_a_place_has_by_the_day(
    stored: Project, as_of: date, expected: list[tuple[str, float]]
) -> None:
    residents, title = problem_residents(stored._replace(as_of=as_of), problem_of())
    assert residents.rows() == expected and residents.columns == ["place_code", "people"]
    assert title == "People"


def test_residents_of_a_geography_are_those_of_its_own_places(stored: Project) -> None:
    assert system_residents(stored, "residents", "lad_2021").rows() == [
        (ALLERDALE, 40.0), (CARLISLE, 20.0), (COPELAND, 50.0), (MERTON, 5.0),
    ]  # fmt: skip


def test_each_period_with_residents_begins_a_new_answer(stored: Project) -> None:
    assert sorted(population_days(stored, problem_of())) == [date(year, 12, 31) for year in (2026, 2027, 2028)]
    bare = stored._replace(catalogue=catalogue_of())
    assert population_days(bare, problem_of()) == []
    residents, title = problem_residents(bare, problem_of())
    assert residents.is_empty() and residents.columns == ["place_code", "people"] and title == "people"
