"""Placing some slices at a time gives what placing all slices gives, and problems share what they ask alike."""

import pytest
from polars.testing import assert_frame_equal

from pipelines.core.table_cache import forget_tables
from pipelines.declarations.project import Project
from pipelines.gaps.placing import SourceFigures, list_placed_sources, place_sources, stack_sources
from pipelines.geography import load_geography, load_place_data, load_places
from pipelines.observations import scan


def place_problem(edition: Project, name: str, uses_stored_places: bool = True) -> list[SourceFigures]:
    problem = edition.catalogue.problems[name]
    target = frozenset(load_geography(edition, problem.header.geography).places["place_code"])
    replaced = None if uses_stored_places else load_place_data(edition, load_places(edition))
    return place_sources(edition, problem, target, replaced)


@pytest.mark.parametrize("name", ["rough_sleeping", "ventilators_2020"])
def test_placing_in_batches_gives_the_same_figures(
    name: str, edition: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stack_sources(*place_problem(edition, name))
    monkeypatch.setattr(scan, "ROWS_PER_BATCH", 3000)
    forget_tables()
    parts = stack_sources(*place_problem(edition, name))
    assert whole[0].height > 0 and parts[0] is not whole[0]
    for one, other in zip(parts, whole, strict=True):
        assert_frame_equal(one, other, check_row_order=False, check_exact=True)


def test_problems_share_the_figures_of_a_source_that_they_ask_alike(edition: Project) -> None:
    placed = {}
    for name in ("jobs_recovery", "jobs_south_london"):
        own = place_problem(edition, name)
        whole = stack_sources(*place_problem(edition, name, uses_stored_places=False))
        for one, other in zip(stack_sources(*own), whole, strict=True):
            assert_frame_equal(one, other, check_exact=True)
        placed[name] = dict(zip(list_placed_sources(edition, edition.catalogue.problems[name]), own, strict=True))
    first, second = placed.values()
    shared = {name for name in first.keys() & second if first[name] is second[name]}
    assert shared == {"hmrc_furlough", "ons_claimant_rate", "ons_residents_16_64"}, "a larger table is not kept"
