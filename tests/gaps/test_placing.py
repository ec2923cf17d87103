"""Placing some slices at a time gives what placing all slices gives."""

from datetime import date
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from pipelines.app import steps
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps.placing import place_observations
from pipelines.geography import load_geography, load_places
from pipelines.observations import scan

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("name", ["rough_sleeping", "ventilators_2020"])
def test_placing_in_batches_gives_the_same_figures(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(load_catalogue(ROOT), tmp_path, date(2026, 11, 24))
    steps.prepare_store(project)
    problem, places = project.catalogue.problems[name], load_places(project)
    target = set(load_geography(project, problem.header.geography).places["place_code"])
    whole = place_observations(project, problem, places, target)
    monkeypatch.setattr(scan, "ROWS_PER_BATCH", 700)
    for one, other in zip(place_observations(project, problem, places, target), whole, strict=True):
        assert_frame_equal(one, other, check_row_order=False, check_exact=True)
