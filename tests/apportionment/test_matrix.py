"""A crosswalk as matrices: facts about its target places, and the crosswalks that it refuses."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.apportionment import build_matrix, list_parts
from pipelines.apportionment.matrix import MAX_PARTS_LISTED, WEIGHT_TOLERANCE, CrosswalkMatrix, merge_joint_places
from pipelines.core.errors import CrosswalkError
from pipelines.geography import Successor
from tests.apportionment.oracle import Leg

PAIRS = {"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64, "weight_population": pl.Float64}


def crosswalk(*legs: Leg) -> pl.DataFrame:
    return pl.DataFrame(legs, PAIRS, orient="row")


def by_target(matrix: CrosswalkMatrix, name: str) -> dict[str, Any]:
    """Return a vector of the targets, by target."""
    vector = matrix.place[name].to_list() if name in matrix.place.columns else getattr(matrix, name).tolist()
    return dict(zip(matrix.targets, vector, strict=True))


MIXED = build_matrix(
    crosswalk(
        ("A", "W", 1.0, 10.0),
        ("B", "X", 0.25, 1.0), ("B", "Y", 0.75, 3.0),
        ("C", "Y", 1.0, 6.0),
        ("D", "Z", None, None), ("D", "Y", None, 2.0),
        ("E", "Z", 0.5, 5.0), ("E", None, 0.5, 5.0),
        (None, "Z", None, 8.0), (None, "W", None, 0.0),
    )
)  # fmt: skip
"""Places that are whole, cut, split without weights, partly unallocated, and with residents outside the source."""


def test_each_target_has_its_facts() -> None:
    """Residents outside the source make a place that is not single, even if there are none."""
    assert by_target(MIXED, "parts") == {"W": 1, "X": 1, "Y": 3, "Z": 2}
    assert by_target(MIXED, "figures") == {"W": 1, "X": 1, "Y": 3, "Z": 2}
    assert by_target(MIXED, "is_single") == {"W": False, "X": False, "Y": False, "Z": False}
    assert by_target(MIXED, "is_crossed") == {"W": False, "X": True, "Y": True, "Z": True}
    assert by_target(MIXED, "lacks_weight") == {"W": False, "X": False, "Y": True, "Z": True}
    assert by_target(MIXED, "has_outside") == {"W": False, "X": False, "Y": False, "Z": True}
    np.testing.assert_equal(by_target(MIXED, "residents"), {"W": 10.0, "X": 1.0, "Y": 11.0, "Z": np.nan})
    assert by_target(MIXED, "source_areas") == {"W": "A", "X": "B", "Y": "B,C,D", "Z": "D,E"}
    assert by_target(MIXED, "split_codes") == {"W": None, "X": None, "Y": "D", "Z": "D"}
    assert by_target(MIXED, "outside") == {"W": 0.0, "X": None, "Y": None, "Z": 8 / 13}
    # Z has a part without people, so that weights are compared; half a place is no minor part.
    assert by_target(MIXED, "elsewhere") == {"W": 0.0, "X": 1.0, "Y": 0.0, "Z": 0.0}


def test_residents_of_an_origin_include_those_without_a_target() -> None:
    assert MIXED.origins == ["A", "B", "C", "D", "E"]
    np.testing.assert_equal(MIXED.origin_people, [10.0, 4.0, 6.0, np.nan, 10.0])


def test_entries_of_the_matrices_are_those_of_the_crosswalk() -> None:
    names = ("whole", "cut", "touch", "codes", "unweighed", "people")
    actual = {name: getattr(MIXED, name).toarray().tolist() for name in names}
    zero = [0.0] * 5
    assert actual == {
        "whole": [[1, 0, 0, 0, 0], zero, [0, 0, 1, 0, 0], zero],
        "cut": [zero, [0, 0.25, 0, 0, 0], [0, 0.75, 0, 0, 0], [0, 0, 0, 0, 0.5]],
        "touch": [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 1]],
        "codes": [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 1]],
        "unweighed": [zero, zero, [0, 0, 0, 1, 0], [0, 0, 0, 1, 0]],
        "people": [[10, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 3, 6, 2, 0], [0, 0, 0, 0, 5]],
    }
    assert MIXED.touching.tolist() == [0, 1, 1, 2, 3, 3, 4]
    assert (MIXED.listed.codes.to_list(), MIXED.listed.origins.tolist()) == (list("ABBCDDE"), [0, 1, 1, 2, 3, 3, 4])
    assert MIXED.listed.starts.tolist() == [0, 1, 2, 5, 7]


def test_weight_within_the_tolerance_is_whole() -> None:
    small = WEIGHT_TOLERANCE / 2
    matrix = build_matrix(crosswalk(("A", "X", 1.0 - small, 1.0), ("B", "X", 1.0 + small, 1.0)))
    assert by_target(matrix, "is_crossed") == {"X": False}


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [((1 - 3 * WEIGHT_TOLERANCE,), "weights of 1 places do not add to 1"),
     ((1 + 3 * WEIGHT_TOLERANCE,), "has the weight 1.0"), ((-0.5, 1.5), "has the weight -0.5"),
     ((0.5, 0.4), r"\(A: 0.900000\)"), ((0.7, 0.5), r"\(A: 1.200000\)")],
)  # fmt: skip
def test_weights_that_lose_or_add_people_are_refused(weights: tuple[float, ...], complaint: str) -> None:
    legs: list[Leg] = [("A", to, weight, 1.0) for to, weight in zip("XY", weights, strict=False)]
    with pytest.raises(CrosswalkError, match=complaint):
        build_matrix(crosswalk(*legs))


def test_place_with_another_target_or_without_a_weight_is_not_whole() -> None:
    """A shares its place with Y, without people; B has one target, by an unknown weight."""
    matrix = build_matrix(crosswalk(("A", "X", 1.0, 4.0), ("A", "Y", 0.0, 0.0), ("B", "Z", None, 1.0)))
    assert by_target(matrix, "is_crossed") == {"X": True, "Y": True, "Z": True}
    assert by_target(matrix, "is_single") == {"X": False, "Y": False, "Z": False}
    assert matrix.cut.toarray().tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(("people", "has_outside"), [(None, True), (0.5, True), (0.0, False)])
def test_residents_outside_the_source_count_also_where_unknown(people: float | None, has_outside: bool) -> None:
    matrix = build_matrix(crosswalk(("A", "X", 1.0, 4.0), (None, "X", None, people), ("B", "Y", 1.0, 1.0)))
    assert by_target(matrix, "has_outside") == {"X": has_outside, "Y": False}
    assert by_target(matrix, "is_single") == {"X": False, "Y": True}


def test_first_place_that_loses_people_is_named() -> None:
    legs: list[Leg] = [("A", "X", 1.0, 1.0), *((code, "X", 0.5, 1.0) for code in "ZJKLMNOPQRSTUVWY")]
    with pytest.raises(CrosswalkError, match=r"weights of 16 places do not add to 1 \(Z: 0.500000\)"):
        build_matrix(crosswalk(*legs))


def test_only_a_place_with_one_whole_part_is_single() -> None:
    matrix = build_matrix(crosswalk(("A", "X", 1.0, 1.0), ("B", "Y", 1.0, 1.0), ("C", "Y", 1.0, 1.0),
                                    ("D", "Z", 0.5, 1.0), ("D", None, 0.5, 1.0)))  # fmt: skip
    assert by_target(matrix, "is_single") == {"X": True, "Y": False, "Z": False}
    assert by_target(matrix, "is_crossed") == {"X": False, "Y": False, "Z": True}


@pytest.mark.parametrize("number", [MAX_PARTS_LISTED, MAX_PARTS_LISTED + 1])
def test_codes_are_listed_up_to_a_maximum(number: int) -> None:
    codes = [f"P{at:02}" for at in range(number)]
    legs: list[Leg] = [(code, to, None, 1.0) for code in reversed(codes) for to in "XY"]
    matrix = build_matrix(crosswalk(*legs))
    many = number > MAX_PARTS_LISTED
    assert by_target(matrix, "source_areas")["X"] == (f"{number} places" if many else ",".join(codes))
    assert by_target(matrix, "split_codes")["X"] == (f"{number} places" if many else ", ".join(codes))


@pytest.mark.parametrize(
    ("kinds", "derivation"),
    [(["observed"], "observed"), (["aggregated"], "aggregated"), (["renamed", "renamed"], "merged"),
     (["renamed", "aggregated"], "aggregated"), (["aggregated", "aggregated"], "aggregated"), ([None, None], "merged")],
)  # fmt: skip
def test_derivation_of_several_parts_follows_the_largest_change(kinds: list[str | None], derivation: str) -> None:
    legs: list[Leg] = [(code, "X", 1.0, 1.0) for code, _ in zip("AB", kinds, strict=False)]
    table = crosswalk(*legs).with_columns(pl.Series("kind", kinds, pl.String))
    assert by_target(build_matrix(table), "derivation") == {"X": derivation}


@pytest.mark.parametrize(("smaller", "share"), [(0.49, 1.0), (0.5, 0.0)])
def test_place_is_elsewhere_with_less_than_half_of_its_weight(smaller: float, share: float) -> None:
    legs: list[Leg] = [("A", "X", smaller, 10.0), ("A", "Y", 1 - smaller, 90.0)]
    assert by_target(build_matrix(crosswalk(*legs)), "elsewhere") == {"X": share, "Y": 0.0}


def test_share_elsewhere_counts_people_and_not_those_outside_the_source() -> None:
    legs: list[Leg] = [("A", "X", 0.25, 30.0), ("A", "Y", 0.75, 90.0), ("B", "X", 1.0, 10.0), (None, "X", None, 60.0)]
    matrix = build_matrix(crosswalk(*legs))
    assert by_target(matrix, "elsewhere") == {"X": 0.75, "Y": 0.0}
    assert by_target(matrix, "outside") == {"X": 0.6, "Y": None}


def joined(together: tuple[str, ...], *legs: Leg) -> dict[tuple[str | None, str | None], tuple[Any, ...]]:
    """Merge places published together; return weight, people, kind and codes by pair."""
    table = crosswalk(*legs).with_columns(pl.lit("renamed").alias("kind"))
    return {(row[0], row[1]): row[2:] for row in merge_joint_places(table, together).rows()}


def test_places_published_together_are_one_origin_with_the_people_of_both() -> None:
    actual = joined(
        ("A+B",), ("A", "X", 0.75, 300.0), ("A", "Y", 0.25, 100.0), ("B", "Y", 1.0, 400.0), ("C", "Y", 1.0, 7.0)
    )
    assert actual == {("A+B", "X"): (0.375, 300.0, "renamed", 1), ("A+B", "Y"): (0.625, 500.0, "merged", 2),
                      ("C", "Y"): (1.0, 7.0, "renamed", 1)}  # fmt: skip


def test_places_published_together_in_one_target_have_weight_one_and_elsewhere_none_without_people() -> None:
    assert joined(("A+B",), ("A", "X", 1.0, None), ("B", "X", 1.0, 4.0)) == {("A+B", "X"): (1.0, None, "merged", 2)}
    unknown = joined(("A+B",), ("A", "X", 1.0, None), ("B", "Y", 1.0, 4.0))
    assert {pair: row[0] for pair, row in unknown.items()} == {("A+B", "X"): None, ("A+B", "Y"): None}
    few = joined(("A+B",), ("A", "X", 1.0, 0.25), ("B", "Y", 1.0, 0.75))
    assert {pair: row[0] for pair, row in few.items()} == {("A+B", "X"): 0.25, ("A+B", "Y"): 0.75}
    nobody = joined(("A+B",), ("A", "X", 1.0, 0.0), ("B", "Y", 1.0, 0.0))
    assert {pair: row[0] for pair, row in nobody.items()} == {("A+B", "X"): None, ("A+B", "Y"): None}


def test_place_published_together_that_the_crosswalk_lacks_is_without_a_target() -> None:
    assert joined(("A+Q",), ("A", "X", 1.0, 5.0)) == {("A+Q", "X"): (None, 5.0, "renamed", 1),
                                                      ("A+Q", None): (None, None, "lost", 1)}  # fmt: skip


def test_origins_published_together_are_listed_by_code() -> None:
    matrix = build_matrix(crosswalk(("B", "X", 1.0, 4.0), ("A", "X", 1.0, 4.0), ("C", "Y", 1.0, 4.0)), ("A+B",))
    assert (matrix.origins, matrix.figures.tolist(), matrix.parts.tolist()) == (["A+B", "C"], [1, 1], [2, 1])
    assert (matrix.listed.codes.to_list(), matrix.listed.origins.tolist()) == (["A", "B", "C"], [0, 0, 1])
    assert by_target(matrix, "source_areas") == {"X": "A,B", "Y": "C"}
    assert by_target(matrix, "is_single") == {"X": True, "Y": True}


def test_succession_has_weight_one_unless_a_code_was_split() -> None:
    roll = {"A": Successor(("X",), "renamed"), "B": Successor(("X", "Y"), "merged")}
    assert list_parts(roll).rows() == [
        ("A", "X", 1.0, None, "renamed"), ("B", "X", None, None, "merged"), ("B", "Y", None, None, "merged")
    ]  # fmt: skip


def test_crosswalk_without_any_target_has_no_places() -> None:
    matrix = build_matrix(crosswalk(("A", None, 1.0, 1.0)))
    assert (matrix.targets, matrix.origins, matrix.place.height) == ([], ["A"], 0)
