"""Neighbours, read off the boundaries that travel with the project."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines import steps
from pipelines.bordering import boundaries
from pipelines.catalogue import load
from pipelines.neighbours import neighbours
from pipelines.steps import Project
from tests.report_sample import sample

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    project = Project(load(ROOT), tmp_path_factory.mktemp("store"), date(2026, 11, 24))
    steps.prepare(project)
    return neighbours(boundaries(project))


def of(pairs: pl.DataFrame, code: str) -> set[str]:
    return set(pairs.filter(pl.col("place_code") == code)["neighbour_code"])


def test_mertons_neighbours(pairs: pl.DataFrame) -> None:
    # Kingston, Sutton, Wandsworth, Lambeth, Croydon.
    assert of(pairs, "E09000024") == {"E09000021", "E09000029", "E09000032", "E09000022", "E09000008"}


def test_a_district_inside_another_has_it_as_its_only_neighbour(pairs: pl.DataFrame) -> None:
    # Cambridge lies within South Cambridgeshire.
    assert of(pairs, "E07000008") == {"E07000012"}


@pytest.mark.parametrize("island", ["E06000053", "S12000023", "S12000027", "S12000013", "E06000046"])
def test_islands_have_none(pairs: pl.DataFrame, island: str) -> None:
    assert of(pairs, island) == set()


def test_the_border_of_england_and_wales_is_there(pairs: pl.DataFrame) -> None:
    # Shropshire and Powys.
    assert "W06000023" in of(pairs, "E06000051")


def test_each_pair_stands_both_ways_and_no_place_is_its_own_neighbour(pairs: pl.DataFrame) -> None:
    turned = pairs.rename({"place_code": "neighbour_code", "neighbour_code": "place_code"}).select(pairs.columns)
    assert turned.sort("place_code", "neighbour_code").equals(pairs)
    assert pairs.filter(pl.col("place_code") == pl.col("neighbour_code")).is_empty()


def test_places_that_touch_in_a_corner_only_are_no_neighbours() -> None:
    squares = neighbours(sample().boundaries)
    # Five squares in two rows of three: the first and the fifth touch in a point.
    assert "W06000001" not in of(squares, "E06000001")
    assert of(squares, "E06000001") == {"E06000002", "E09000001"}


def test_no_boundaries_give_no_neighbours() -> None:
    assert neighbours(None).is_empty()
