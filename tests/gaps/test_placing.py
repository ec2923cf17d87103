"""Placing some slices at a time gives what placing all slices gives."""

import pytest
from polars.testing import assert_frame_equal

from pipelines.declarations.project import Project
from pipelines.gaps.placing import place_observations
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
