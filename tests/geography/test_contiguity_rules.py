"""Neighbours of drawn squares: a common segment makes a border, a common point does not."""

import random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.geography.contiguity import PAIR, find_border_segments, find_neighbours, merge_neighbours


def ring(x: float, y: float, size: int = 1) -> list[list[float]]:
    """Draw a square, closed, with a point at each step of its sides."""
    steps = range(size)
    return [
        *([x + n, y] for n in steps), *([x + size, y + n] for n in steps),
        *([x + size - n, y + size] for n in steps), *([x, y + size - n] for n in steps), [x, y],
    ]  # fmt: skip


def feature(code: str, *polygons: list[list[list[float]]]) -> dict[str, Any]:
    several = len(polygons) > 1
    coordinates = list(polygons) if several else polygons[0]
    geometry = {"type": "MultiPolygon" if several else "Polygon", "coordinates": coordinates}
    return {"properties": {"code": code}, "geometry": geometry}


def feature_collection(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def pairs(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, PAIR, orient="row")


# B lies right of A along two pieces; C touches A in a point; D is in two parts, one beside A, one far away; E lies in
# a hole of F.
A = feature("A", [ring(0, 0, 2)])
B = feature("B", [ring(2, 0, 2)])
C = feature("C", [ring(2, 2)])
D = feature("D", [ring(-1, 0)], [ring(50, 50)])
E = feature("E", [ring(21, 21)])
F = feature("F", [ring(20, 20, 3), ring(21, 21)[::-1]])
ALL = [A, B, C, D, E, F]
EXPECTED = pairs(
    ("A", "B", 2), ("A", "D", 1), ("B", "A", 2), ("B", "C", 1), ("C", "B", 1), ("D", "A", 1), ("E", "F", 4),
    ("F", "E", 4),
)  # fmt: skip


def test_areas_with_a_common_segment_are_neighbours_in_both_directions() -> None:
    assert_frame_equal(find_neighbours(feature_collection(*ALL)), EXPECTED)
    mixed = random.Random(3).sample(ALL, len(ALL))
    assert_frame_equal(find_neighbours(feature_collection(*mixed)), EXPECTED)


def test_area_with_two_features_is_not_its_own_neighbour() -> None:
    twice = feature_collection(feature("A", [ring(0, 0)]), feature("A", [ring(1, 0)]), feature("B", [ring(2, 0)]))
    assert_frame_equal(find_neighbours(twice), pairs(("A", "B", 1), ("B", "A", 1)))


def test_three_areas_along_one_segment_are_all_neighbours() -> None:
    one = [feature(code, [ring(0, 0)]) for code in "BAC"]
    codes = [(a, b, 4) for a in "ABC" for b in "ABC" if a != b]
    assert_frame_equal(find_neighbours(feature_collection(*one)), pairs(*codes))


@pytest.mark.parametrize("boundaries", [None, feature_collection(), feature_collection(A)])
def test_single_area_has_no_neighbours(boundaries: dict[str, Any] | None) -> None:
    assert_frame_equal(find_neighbours(boundaries), pairs())
    assert find_border_segments(boundaries, {("A", "B")}) == {}


def test_larger_areas_share_all_borders_of_their_parts() -> None:
    within = {"A": "X", "D": "X", "B": "Y", "C": "Z", "E": "Z"}
    # F is in no larger area: its border with E is excluded; the border of A and D is inside X.
    assert_frame_equal(
        merge_neighbours(EXPECTED, within), pairs(("X", "Y", 2), ("Y", "X", 2), ("Y", "Z", 1), ("Z", "Y", 1))
    )
    both = {**within, "C": "X"}
    assert_frame_equal(merge_neighbours(EXPECTED, both), pairs(("X", "Y", 3), ("Y", "X", 3)))
    assert_frame_equal(merge_neighbours(EXPECTED, {}), pairs())


def test_border_segments_are_returned_for_requested_pairs_only() -> None:
    upright = [((2.0, 0.0), (2.0, 1.0)), ((2.0, 1.0), (2.0, 2.0))]
    level = [((2.0, 2.0), (3.0, 2.0))]
    asked = {("B", "A"), ("B", "C"), ("A", "C"), ("C", "E")}
    actual = find_border_segments(feature_collection(*ALL), asked)
    assert {pair: sorted(pieces) for pair, pieces in actual.items()} == {("B", "A"): upright, ("B", "C"): level}
    assert find_border_segments(feature_collection(*ALL), set()) == {}
