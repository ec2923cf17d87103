"""Search of measures for a need in plain words."""

from pathlib import Path

import pytest

from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.measure_search import find_measures, index_measures, list_stems

CATALOGUE = load_catalogue(Path(__file__).parents[2])
INDEX = index_measures(CATALOGUE, {name for name, source in CATALOGUE.observation_sources().items() if source.releases})


@pytest.mark.parametrize(
    ("need", "measure", "state"),
    [
        ("claimants of unemployment-related benefits as a share of residents", "claimant_rate", "loaded"),
        ("households on Universal Credit", "households_on_universal_credit", "loaded"),
        ("unfilled job vacancies", "vacancies", "not_collected"),
        ("naloxone kits supplied", "naloxone_kits_supplied", "not_collected"),
        ("dwellings", "dwellings", "not_loaded"),
        ("people_waiting_over_a_year", "people_waiting_over_a_year", "not_open"),
    ],
)
def test_need_in_plain_words_finds_its_measure(need: str, measure: str, state: str) -> None:
    best = find_measures(need, INDEX)[0]
    assert (best.measure, best.state) == (measure, state)


@pytest.mark.parametrize(
    "need", ["days that people wait for a first appointment with a work coach", "zebras", "of the"]
)
def test_need_without_a_measure_finds_nothing(need: str) -> None:
    assert find_measures(need, INDEX) == []


def test_words_without_meaning_are_left_out() -> None:
    assert list_stems("How many of the Claimants are claiming?") == ["claim"]


def test_measure_with_figures_comes_before_an_equal_one() -> None:
    equal = INDEX._replace(
        stems=dict.fromkeys(("a", "b"), frozenset({"home"})), states={"a": "not_open", "b": "loaded"}
    )
    assert [match.measure for match in find_measures("homes", equal)] == ["b", "a"]
