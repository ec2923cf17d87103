"""Neighbours, derived from the bundled boundaries."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.contiguity import find_neighbours, merge_neighbours
from pipelines.geography.contiguity_load import load_neighbours, map_whole_districts, read_boundaries
from pipelines.geography.load import load_place_data
from tests.report_sample import sample
from tests.starter.test_published import PUBLISHED, pytestmark

published = pytestmark
del pytestmark
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


@pytest.fixture(scope="module")
def pairs(project: Project) -> pl.DataFrame:
    return find_neighbours(read_boundaries(project))


def of(pairs: pl.DataFrame, code: str) -> set[str]:
    return set(pairs.filter(pl.col("place_code") == code)["neighbour_code"])


def test_neighbours_of_merton_are_found(pairs: pl.DataFrame) -> None:
    # Kingston, Sutton, Wandsworth, Lambeth, Croydon.
    assert of(pairs, "E09000024") == {"E09000021", "E09000029", "E09000032", "E09000022", "E09000008"}


def test_enclosed_district_has_one_neighbour(pairs: pl.DataFrame) -> None:
    # Cambridge is within South Cambridgeshire.
    assert of(pairs, "E07000008") == {"E07000012"}


@pytest.mark.parametrize("island", ["E06000053", "S12000023", "S12000027", "S12000013", "E06000046"])
def test_islands_have_no_neighbours(pairs: pl.DataFrame, island: str) -> None:
    assert of(pairs, island) == set()


def test_neighbours_across_the_border_of_wales_are_found(pairs: pl.DataFrame) -> None:
    # Shropshire and Powys.
    assert "W06000023" in of(pairs, "E06000051")


def test_pairs_occur_in_both_directions_and_never_with_itself(pairs: pl.DataFrame) -> None:
    turned = pairs.rename({"place_code": "neighbour_code", "neighbour_code": "place_code"}).select(pairs.columns)
    assert turned.sort("place_code", "neighbour_code").equals(pairs)
    assert pairs.filter(pl.col("place_code") == pl.col("neighbour_code")).is_empty()


def test_areas_with_a_common_corner_are_no_neighbours() -> None:
    squares = find_neighbours(sample().boundaries)
    # Five squares in two rows of three: the first and the fifth have only a point in common.
    assert "W06000001" not in of(squares, "E06000001")
    assert of(squares, "E06000001") == {"E06000002", "E09000001"}


def test_missing_boundaries_give_no_neighbours() -> None:
    assert find_neighbours(None).is_empty()


def test_larger_areas_are_neighbours_where_their_districts_are(project: Project) -> None:
    forces = load_neighbours(project, "pfa_2023")
    # Durham: Northumbria, Cumbria, North Yorkshire, Cleveland.
    assert of(forces, "E23000008") == {"E23000007", "E23000002", "E23000009", "E23000013"}
    assert set(forces["boundary_source"]) == {"aggregated districts, boundaries of lad_2024"}
    assert of(load_neighbours(project, "nation_2020"), "E92000001") == {"S92000003", "W92000004"}
    assert of(load_neighbours(project, "region_2024"), "E12000007") == {"E12000006", "E12000008"}  # London
    # Cornwall's only neighbours are Devon's districts, and Devon is their upper tier.
    assert of(load_neighbours(project, "utla_2023"), "E06000052") == {"E10000008"}


def test_districts_with_unchanged_codes_have_the_same_neighbours(project: Project, pairs: pl.DataFrame) -> None:
    for system in ("lad_2023", "lad_2024"):
        assert load_neighbours(project, system).select(pairs.columns).equals(pairs)


@pytest.mark.parametrize("system", ["icb_2022", "sub_icb_2022", "ttwa_2011", "trust_2020", "lad_1066"])
def test_districts_split_over_larger_areas_give_no_borders(project: Project, pairs: pl.DataFrame, system: str) -> None:
    place_data = load_place_data(project, load_places(project))
    assert map_whole_districts(place_data, pairs, system) == {}


def test_boards_have_neighbours_from_their_own_boundaries(project: Project, pairs: pl.DataFrame) -> None:
    boards = load_neighbours(project, "icb_2022")
    assert boards["place_code"].n_unique() == 42 and set(boards["boundary_source"]) == {"boundaries of icb_2022"}
    table = load_place_data(project, load_places(project)).areas[-1].table
    lies_in = dict(table.drop_nulls("icb_2022").group_by("lad_2024").agg(pl.col("icb_2022").unique()).iter_rows())
    ends = [(lies_in.get(a, []), lies_in.get(b, [])) for a, b in pairs.select(pairs.columns[:2]).iter_rows()]
    possible = {(a, b) for here, there in ends for a in here for b in there if a != b}
    certain = {(here[0], there[0]) for here, there in ends if len(here) == len(there) == 1 and here != there}
    code_pairs = set(boards.select("place_code", "neighbour_code").iter_rows())
    assert certain <= code_pairs <= possible


def test_border_segments_are_summed_and_unassigned_areas_excluded() -> None:
    squares = find_neighbours(sample().boundaries)
    within = dict.fromkeys(squares["place_code"].unique(), "X")
    assert merge_neighbours(squares, within).is_empty()
    apart = {**within, "E09000001": "Y"}
    code_pairs = merge_neighbours(squares, apart)
    assert code_pairs.select("place_code", "neighbour_code").rows() == [("X", "Y"), ("Y", "X")]
    own = squares.filter(pl.col("place_code") == "E09000001")["segments"].sum()
    assert code_pairs["segments"].to_list() == [own, own]
    assert merge_neighbours(squares, {"E09000001": "Y"}).is_empty()


@published
def test_neighbours_of_police_forces_match_their_published_boundaries(project: Project) -> None:
    drawn = json.loads((PUBLISHED / "geo/boundaries/pfa_2020-12_ew.geojson").read_text())
    for feature in drawn["features"]:
        feature["properties"]["code"] = feature["properties"]["PFA20CD"]
    own = set(find_neighbours(drawn).select("place_code", "neighbour_code").iter_rows())
    code_pairs = set(load_neighbours(project, "pfa_2024").select("place_code", "neighbour_code").iter_rows())
    # Lincolnshire and Northamptonshire share about twenty metres, less than the grid of the stored boundaries.
    assert own - code_pairs == {("E23000020", "E23000022"), ("E23000022", "E23000020")}
    assert {one[:1] + other[:1] for one, other in code_pairs - own} == {"ES", "SE"}  # Scotland is not in that file
