"""Placing some slices at a time gives what placing all slices gives, and problems share what they ask alike."""

import pytest
from polars.testing import assert_frame_equal

from pipelines.declarations.project import Project
from pipelines.gaps.placing import list_placed_sources, place_observations, place_sources, stack_sources
from pipelines.geography import load_geography, load_places
from pipelines.observations import scan


@pytest.mark.parametrize("name", ["rough_sleeping", "ventilators_2020"])
def test_placing_in_batches_gives_the_same_figures(
    name: str, edition: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, places = edition.catalogue.problems[name], load_places(edition)
    target = set(load_geography(edition, problem.header.geography).places["place_code"])
    whole = place_observations(edition, problem, places, target)
    monkeypatch.setattr(scan, "ROWS_PER_BATCH", 3000)
    for one, other in zip(place_observations(edition, problem, places, target), whole, strict=True):
        assert_frame_equal(one, other, check_row_order=False, check_exact=True)


def test_problems_share_the_figures_of_a_source_that_they_ask_alike(edition: Project) -> None:
    placed = {}
    for name in ("jobs_recovery", "jobs_south_london"):
        problem = edition.catalogue.problems[name]
        target = frozenset(load_geography(edition, problem.header.geography).places["place_code"])
        own = place_sources(edition, problem, target)
        whole = place_observations(edition, problem, load_places(edition), set(target))
        for one, other in zip(stack_sources(own), whole, strict=True):
            assert_frame_equal(one, other, check_exact=True)
        placed[name] = dict(zip(list_placed_sources(edition, problem), own, strict=True))
    first, second = placed.values()
    shared = {name for name in first.keys() & second if first[name] is second[name]}
    assert shared == {"hmrc_furlough", "ons_claimant_rate", "ons_residents_16_64"}, "a larger table is not kept"
