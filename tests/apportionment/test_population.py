"""Residents of places: of all ages, whatever group a problem asks for."""

from pathlib import Path

from pipelines.apportionment import population_measure
from pipelines.declarations.catalogue import load_catalogue

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
