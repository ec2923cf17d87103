"""Placing some slices at a time gives what placing all slices gives."""

import pytest
from polars.testing import assert_frame_equal

from pipelines.declarations.project import Project
from pipelines.gaps.placing import place_observations
from pipelines.geography import load_geography, load_places
from pipelines.observations import scan


@pytest.mark.parametrize("name", ["rough_sleeping", "ventilators_2020"])
def test_placing_in_batches_gives_the_same_figures(
    name: str, bundled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, places = bundled.catalogue.problems[name], load_places(bundled)
    target = set(load_geography(bundled, problem.header.geography).places["place_code"])
    whole = place_observations(bundled, problem, places, target)
    monkeypatch.setattr(scan, "ROWS_PER_BATCH", 700)
    for one, other in zip(place_observations(bundled, problem, places, target), whole, strict=True):
        assert_frame_equal(one, other, check_row_order=False, check_exact=True)
