"""Overlays of small drawn tables: weights, targets and unknowns of each area."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.geography.overlay import (
    OVERLAY,
    CrosswalkRequest,
    WeightChoice,
    build_overlay,
    compose_overlays,
    compute_weights,
    count_residents,
    drop_weights,
    find_membership,
    link_to_shares,
    rank_weights,
)
from pipelines.geography.register import Places
from pipelines.geography.small_areas import Areas, WeightSet

A, B, C, OLD, OLDER, M1, M2 = (f"E0700000{n}" for n in range(1, 8))
X, Y, Z = (f"E5400000{n}" for n in range(1, 4))
N1 = "N09000001"


def place(code: str, kind: str, first: str = "2009-04-01", last: str | None = None, **more: Any) -> dict[str, Any]:
    days = {"valid_from": date.fromisoformat(first), "valid_to": last and date.fromisoformat(last)}
    return {"place_code": code, "place_name": code, "kind": kind, **days, **more}


def change(start: str, end: str, kind: str = "recoded") -> dict[str, Any]:
    return {"from_code": start, "to_code": end, "kind": kind}


PLACES = Places(
    table_from_records(
        [
            place("E12000001", "region"), place("E12000002", "region"),
            place(A, "lad", parent_code="E12000001"), place(B, "lad", "2020-04-01", parent_code="E12000001"),
            place(C, "lad", "2020-04-01", parent_code="E12000002"), place(OLD, "lad", "2009-04-01", "2020-03-31"),
            place(M1, "lad", "2009-04-01", "2020-03-31"), place(M2, "lad", "2009-04-01", "2020-03-31"),
            place(N1, "lad"), *(place(code, "icb") for code in (X, Y, Z)),
        ],
        PLACE_COLUMNS,
    ),
    table_from_records([change(OLD, C), change(M1, B, "merged"), change(M2, B, "merged"), change(OLDER, A),
    change(OLDER, B)], CODE_CHANGE_COLUMNS),
)  # fmt: skip
MID = WeightSet("mid", date(2022, 6, 30), ("all_ages", "children"), 1000)
ROWS = [
    ("a1", A, X, 30.0, 3.0), ("a2", A, X, 10.0, 0.0), ("b1", B, X, 45.0, 0.0), ("b2", B, Y, 15.0, 0.0),
    ("c1", C, Y, 20.0, 5.0), ("c2", C, Y, 5.0, 5.0), ("c3", C, None, 75.0, 10.0), ("n1", None, Z, 7.0, 1.0),
    ("n2", None, None, 100.0, 1.0),
]  # fmt: skip


def table(area_rows: list[tuple[Any, ...]], systems: tuple[str, ...] = ("lad_2023", "icb_2022"),
          weights: tuple[WeightSet, ...] = (MID,)) -> Areas:  # fmt: skip
    """Build a table of small areas: code, an area of each geography, and the residents of each set and group."""
    people = {f"{item.name}__{group}": pl.Float64 for item in weights for group in item.groups}
    columns = {"area_code": pl.String, **dict.fromkeys(systems, pl.String), **people}
    return Areas(
        "areas", date(2024, 1, 1), "", systems, frozenset(), weights, pl.DataFrame(area_rows, columns, orient="row")
    )


AREAS = table(ROWS)
BY_ALL = WeightChoice(MID, "all_ages")
TRIP = CrosswalkRequest("lad_2023", "icb_2022")


def build_pairs(*pairs: tuple[str | None, str | None, float | None, float | None]) -> pl.DataFrame:
    return pl.DataFrame(pairs, OVERLAY, orient="row")


def shuffled(areas: Areas, seed: int = 1) -> Areas:
    return areas._replace(table=areas.table.sample(fraction=1.0, shuffle=True, seed=seed))


def years(*area_rows: int, groups: tuple[str, ...] = ("all_ages",)) -> tuple[WeightSet, ...]:
    return tuple(WeightSet(f"y{year}", date(year, 6, 30), groups) for year in area_rows)


@pytest.mark.parametrize(
    ("day", "names"),
    [
        (None, ["y2021", "y2016", "y2011"]),
        (date(2011, 6, 30), ["y2011", "y2016", "y2021"]),
        (date(2016, 1, 1), ["y2016", "y2011", "y2021"]),
        (date(2017, 1, 1), ["y2016", "y2021", "y2011"]),
        (date(2030, 1, 1), ["y2021", "y2016", "y2011"]),
    ],
)
def test_weights_nearest_to_the_day_come_first_or_else_the_newest(day: date | None, names: list[str]) -> None:
    for order in ((2011, 2016, 2021), (2021, 2016, 2011), (2016, 2021, 2011)):
        actual = rank_weights(table([], weights=years(*order)), "all_ages", day)
        assert [item.weights.name for item in actual] == names
        assert {item.group for item in actual} == {"all_ages"}


def test_set_without_the_group_is_not_used() -> None:
    sets = (*years(2011, groups=("children",)), *years(2021), *years(2016, groups=("all_ages", "children")))
    areas = table([], weights=sets)
    assert [item.weights.name for item in rank_weights(areas, "children", None)] == ["y2016", "y2011"]
    assert rank_weights(areas, "pensioners", date(2020, 1, 1)) == []
    assert rank_weights(table([], weights=()), "all_ages", None) == []


def test_weights_too_far_from_the_day_are_not_valid() -> None:
    by = WeightChoice(WeightSet("mid", date(2022, 6, 30), ("all_ages",), 10), "all_ages")
    assert by.is_valid_for(None)
    for off, good in ((0, True), (10, True), (11, False)):
        assert by.is_valid_for(date(2022, 6, 30) + timedelta(days=off)) is good
        assert by.is_valid_for(date(2022, 6, 30) - timedelta(days=off)) is good


def test_columns_of_a_group_and_of_all_residents_are_named() -> None:
    by = WeightChoice(MID, "children")
    assert (by.column, by.fallback) == ("mid__children", "mid__all_ages")
    only = WeightChoice(MID._replace(groups=("children",)), "children")
    assert (only.column, only.fallback) == ("mid__children", "mid__children")


EXPECTED = build_pairs(
    (None, Z, None, 7.0), (A, X, 1.0, 40.0), (B, X, 0.75, 45.0), (B, Y, 0.25, 15.0), (C, None, 0.75, 75.0),
    (C, Y, 0.25, 25.0),
)  # fmt: skip


def test_areas_are_apportioned_by_residents_of_small_areas() -> None:
    assert_frame_equal(build_overlay(AREAS, PLACES, [A, B, C], TRIP, BY_ALL), EXPECTED)
    for seed in range(3):
        assert_frame_equal(build_overlay(shuffled(AREAS, seed), PLACES, [C, A, B], TRIP, BY_ALL), EXPECTED)
    # Codes that are not requested are excluded, without an effect on others.
    assert_frame_equal(
        build_overlay(AREAS, PLACES, [B], TRIP, BY_ALL),
        EXPECTED.filter(pl.col("from_code").is_in([B]) | (pl.col("to_code") == Z)),
    )
    # Twice the residents everywhere give the same shares.
    twice = AREAS._replace(table=AREAS.table.with_columns(pl.col(pl.Float64) * 2))
    assert_frame_equal(
        build_overlay(twice, PLACES, [A, B, C], TRIP, BY_ALL), EXPECTED.with_columns(pl.col("weight_population") * 2)
    )


def test_area_without_the_group_is_apportioned_by_all_residents() -> None:
    actual = build_overlay(AREAS, PLACES, [A, B, C], TRIP, WeightChoice(MID, "children"))
    assert_frame_equal(
        actual,
        build_pairs((None, Z, None, 1.0), (A, X, 1.0, 3.0), (B, X, 0.75, 0.0), (B, Y, 0.25, 0.0), (C, None, 0.5, 10.0),
              (C, Y, 0.5, 10.0)),
    )  # fmt: skip


def test_unknown_residents_leave_no_weights_except_for_one_target() -> None:
    area_rows = [("a1", A, X, None, 1.0), *ROWS[1:3], ("b2", B, Y, None, None), *ROWS[4:]]
    assert_frame_equal(
        build_overlay(table(area_rows), PLACES, [A, B], TRIP, BY_ALL),
        build_pairs((None, Z, None, 7.0), (A, X, 1.0, None), (B, X, None, 45.0), (B, Y, None, None)),
    )


def test_overlay_needs_columns_of_both_geographies() -> None:
    assert build_overlay(AREAS, PLACES, [A], CrosswalkRequest("lad_2023", "trust_2023"), BY_ALL) is None
    assert build_overlay(AREAS, PLACES, ["RVR"], CrosswalkRequest("trust_2023", "icb_2022"), BY_ALL) is None


def test_former_areas_follow_their_successors() -> None:
    # OLD became C, so C's residents are its own; M1 and M2 merged into B. B's areas were in no requested area.
    others = build_pairs((None, X, None, 45.0), (None, Y, None, 15.0), (None, Z, None, 7.0))
    assert_frame_equal(
        build_overlay(AREAS, PLACES, [OLD], CrosswalkRequest("lad_2018", "icb_2022"), BY_ALL),
        pl.concat([others, build_pairs((OLD, None, 0.75, 75.0), (OLD, Y, 0.25, 25.0))]),
    )
    assert_frame_equal(
        build_overlay(AREAS, PLACES, [M1, M2], CrosswalkRequest("lad_2018", "icb_2022"), BY_ALL).drop_nulls(
            "from_code"
        ),
        build_pairs((M1, X, 0.75, None), (M1, Y, 0.25, None), (M2, X, 0.75, None), (M2, Y, 0.25, None)),
    )
    # An area with two successors has no known weights.
    assert (
        build_overlay(AREAS, PLACES, [OLDER], CrosswalkRequest("lad_2018", "icb_2022"), BY_ALL)
        .drop_nulls("from_code")
        .is_empty()
    )


def test_column_with_most_successors_is_used() -> None:
    area_rows = [
        ("a1", A, None, X, 1.0, 1.0),
        ("b1", B, B, X, 3.0, 1.0),
        ("b2", B, B, Y, 1.0, 1.0),
        ("c1", None, C, Y, 1.0, 1.0),
    ]
    for systems in (("lad_2023", "lad_2022", "icb_2022"), ("lad_2022", "lad_2023", "icb_2022")):
        both = table(area_rows, systems)
        one = build_overlay(both, PLACES, [M1, OLD], CrosswalkRequest("lad_1999", "icb_2022"), BY_ALL)
        assert set(one.drop_nulls("from_code")["from_code"]) == {M1, OLD}


NORTHERN = [
    ("a1", A, None, X, 1.0, 1.0), ("b1", B, B, Y, 1.0, 1.0), ("n1", None, N1, Z, 1.0, 1.0),
    ("q", None, None, None, 1.0, 1.0)
]  # fmt: skip
TWO_YEARS = ("lad_2023", "lad_2024", "icb_2022")


def of(actual: tuple[pl.Series, str] | None) -> tuple[list[str | None], str] | None:
    return (actual[0].to_list(), actual[1]) if actual else None


def test_blanks_of_a_column_are_filled_from_the_same_kind() -> None:
    areas = table(NORTHERN, TWO_YEARS)
    assert of(find_membership(areas, PLACES, "lad_2023")) == ([A, B, N1, None], "lad_2023")
    assert of(find_membership(areas, PLACES, "lad_2024")) == ([A, B, N1, None], "lad_2024")
    assert of(find_membership(areas, PLACES, "icb_2022")) == ([X, Y, Z, None], "icb_2022")
    # The geography's own column takes precedence over other columns.
    odd = areas._replace(table=areas.table.with_columns(pl.Series("lad_2024", [B, A, N1, None])))
    assert of(find_membership(odd, PLACES, "lad_2023")) == ([A, B, N1, None], "lad_2023")


def test_small_areas_use_their_own_column_only() -> None:
    areas = table(NORTHERN, ("ward_2023", "ward_2024", "icb_2022"))
    assert of(find_membership(areas, PLACES, "ward_2023")) == ([A, B, None, None], "ward_2023")


def test_geography_without_a_column_is_derived_from_successors_or_nesting() -> None:
    # B was two districts then: the district of each of its small areas is unknown.
    assert of(find_membership(AREAS, PLACES, "lad_2018")) == ([A, A, None, None, OLD, OLD, OLD, None, None], "lad_2023")
    north, south = ["E12000001"] * 4, ["E12000002"] * 3
    assert of(find_membership(AREAS, PLACES, "region_2023")) == ([*north, *south, None, None], "lad_2023")
    assert find_membership(AREAS, PLACES, "lad_1999") is None
    assert find_membership(table(ROWS, ("ward_2023", "icb_2022")), PLACES, "region_2023") is None


def test_column_with_fewest_unknowns_is_used_for_a_larger_geography() -> None:
    area_rows = [("a", A, None, None, 1.0, 1.0), ("b", B, None, C, 1.0, 1.0), ("c", C, C, None, 1.0, 1.0)]
    for systems in (("lad_2024", "lad_2022", "utla_2023"), ("lad_2024", "utla_2023", "lad_2022")):
        actual = find_membership(table(area_rows, systems), PLACES, "region_2023")
        assert of(actual) == (["E12000001", "E12000001", "E12000002"], "lad_2024")


def test_nearest_year_and_same_kind_take_precedence() -> None:
    area_rows = [("a", A, C, C, 1.0, 1.0), ("b", B, C, C, 1.0, 1.0)]
    north, south = ["E12000001"] * 2, ["E12000002"] * 2
    for systems in (("lad_2024", "lad_2020", "lad_2012"), ("lad_2024", "lad_2012", "lad_2020")):
        assert of(find_membership(table(area_rows, systems), PLACES, "region_2023")) == (north, "lad_2024")
    for systems in (("lad_2013", "lad_2024", "lad_2032"), ("lad_2012", "lad_2019", "lad_2020")):
        last = "lad_2024" if "lad_2024" in systems else "lad_2020"
        assert of(find_membership(table(area_rows, systems), PLACES, "region_2023")) == (south, last)
    # Districts of another year take precedence over counties of the same year.
    kinds = ("lad_2012", "utla_2023", "county_2023")
    assert of(find_membership(table(area_rows, kinds), PLACES, "lad_2023")) == ([A, B], "lad_2012")


WARDS = ("E05000001", "E05000002")
PARTS = ("E38000001", "E38000002")
SMALL_PLACES = Places(
    table_from_records(
        [*(place(code, "ward") for code in WARDS), *(place(code, "sub_icb", "2020-04-01") for code in PARTS)],
        PLACE_COLUMNS,
    ),
    PLACES.changes,
)


def test_kind_with_an_underscore_is_recognised() -> None:
    area_rows = [("a", PARTS[0], PARTS[0], 1.0, 1.0), ("b", None, PARTS[1], 1.0, 1.0), ("c", None, None, 1.0, 1.0)]
    areas = table(area_rows, ("sub_icb_2022", "sub_icb_2023"))
    assert of(find_membership(areas, SMALL_PLACES, "sub_icb_2022")) == ([*PARTS, None], "sub_icb_2022")
    assert of(find_membership(areas, SMALL_PLACES, "sub_icb_2024")) == ([*PARTS, None], "sub_icb_2023")
    # Columns of other kinds, such as boards, fill nothing in.
    boards = table(area_rows, ("sub_icb_2022", "icb_2022"))
    assert of(find_membership(boards, SMALL_PLACES, "sub_icb_2022")) == ([PARTS[0], None, None], "sub_icb_2022")
    gone = build_overlay(areas, SMALL_PLACES, [PARTS[1]], CrosswalkRequest("sub_icb_2022", "sub_icb_2023"), BY_ALL)
    assert_frame_equal(gone, build_pairs((PARTS[1], PARTS[1], 1.0, 1.0)))
    older = Places(
        SMALL_PLACES.register,
        table_from_records([change("E38000009", PARTS[1]), change("E38000008", PARTS[1])], CODE_CHANGE_COLUMNS),
    )
    both = build_overlay(
        areas, older, ["E38000009", "E38000008"], CrosswalkRequest("sub_icb_2019", "sub_icb_2023"), BY_ALL
    )
    assert both.drop_nulls("from_code").select("from_code", "to_code").rows() == [
        ("E38000008", PARTS[1]), ("E38000009", PARTS[1])
    ]  # fmt: skip


def test_wards_are_not_filled_from_another_year() -> None:
    area_rows = [("a", WARDS[0], WARDS[0], 1.0, 1.0), ("b", None, WARDS[1], 1.0, 1.0)]
    areas = table(area_rows, ("ward_2023", "ward_2024"))
    assert of(find_membership(areas, SMALL_PLACES, "ward_2023")) == ([WARDS[0], None], "ward_2023")


def test_target_replaces_the_codes_of_a_geography() -> None:
    assert of(find_membership(AREAS, PLACES, "icb_2022", frozenset({X, Y, Z}))) == (
        AREAS.table["icb_2022"].to_list(),
        "icb_2022",
    )
    # A scenario with areas that the column lacks is derived like any other geography.
    assert of(find_membership(AREAS, PLACES, "lad_2023", frozenset({"E12000001"}))) == (
        ["E12000001"] * 4 + [None] * 5, "lad_2023"
    )  # fmt: skip
    assert find_membership(AREAS, PLACES, "lad_2023", frozenset({"E12000009"})) is None


def test_geography_outside_the_register_uses_its_own_column_only() -> None:
    area_rows = [("a", "RVR", "RXX", 1.0, 1.0), ("b", None, "RXY", 1.0, 1.0)]
    areas = table(area_rows, ("trust_2023", "trust_2022"))
    assert of(find_membership(areas, PLACES, "trust_2023")) == (["RVR", None], "trust_2023")
    assert find_membership(areas, PLACES, "trust_2021") is None


def test_weights_sum_to_one_and_are_null_where_residents_are_unknown() -> None:
    pairs = pl.DataFrame(
        [("A", "X", 0.0, 3.0), ("A", "Y", 0.0, 1.0), ("B", "X", 1.0, None), ("B", "Y", 3.0, None),
         ("C", "X", None, None),
         ("D", "X", 0.0, 0.0), ("D", "Y", 0.0, 0.0), ("E", "X", None, 1.0), ("E", "Y", 5.0, 1.0), (None, "X", 9.0, 9.0),
         (None, "Y", 1.0, 9.0), ("F", "X", None, None), ("F", "Y", 5.0, 1.0), ("G", "X", 0.25, 9.0),
         ("G", "Y", 0.5, 9.0), ("G", None, 0.25, 9.0)],
        {"from_code": pl.String, "to_code": pl.String, "weight_population": pl.Float64, "everyone": pl.Float64},
        orient="row",
    )  # fmt: skip
    expected = build_pairs(
        (None, "X", None, 9.0), (None, "Y", None, 1.0), ("A", "X", 0.75, 0.0), ("A", "Y", 0.25, 0.0),
        ("B", "X", 0.25, 1.0),
        ("B", "Y", 0.75, 3.0), ("C", "X", 1.0, None), ("D", "X", None, 0.0), ("D", "Y", None, 0.0),
        ("E", "X", 0.5, None),
        ("E", "Y", 0.5, 5.0), ("F", "X", None, None), ("F", "Y", None, 5.0),
        ("G", None, 0.25, 0.25), ("G", "X", 0.25, 0.25), ("G", "Y", 0.5, 0.5),
    )  # fmt: skip
    for seed in range(3):
        assert_frame_equal(compute_weights(pairs.sample(fraction=1.0, shuffle=True, seed=seed)), expected)


def test_weights_of_apportioned_areas_are_removed() -> None:
    assert_frame_equal(
        drop_weights(build_pairs(("A", "X", 0.75, 3.0), ("A", "Y", 0.25, 1.0), ("B", "X", 1.0, 2.0))),
        build_pairs(("A", "X", None, 3.0), ("A", "Y", None, 1.0), ("B", "X", 1.0, 2.0)),
    )


SECOND = build_pairs(
    ("x", "P", 0.25, 10.0), ("x", "Q", 0.75, 30.0), ("y", "P", 1.0, 5.0), ("z", None, 1.0, 2.0), (None, "Q", None, 4.0)
)


def test_shares_are_multiplied_and_summed_over_intermediate_areas() -> None:
    first = build_pairs(("A", "x", 0.5, 20.0), ("A", "y", 0.5, 8.0), ("B", "x", 1.0, 40.0), ("C", "z", 1.0, None))
    expected = build_pairs(
        (None, "Q", None, 4.0), ("A", "P", 0.625, 13.0), ("A", "Q", 0.375, 15.0), ("B", "P", 0.25, 10.0),
        ("B", "Q", 0.75, 30.0), ("C", None, 1.0, 2.0),
    )  # fmt: skip
    for seed in range(3):
        assert_frame_equal(
            compose_overlays(first.sample(fraction=1.0, shuffle=True, seed=seed), SECOND.reverse()), expected
        )


def test_residents_are_known_where_an_intermediate_area_has_one_source() -> None:
    known = build_pairs(("A", "x", 1.0, None))
    assert_frame_equal(
        compose_overlays(known, SECOND),
        build_pairs((None, "Q", None, 4.0), ("A", "P", 0.25, 10.0), ("A", "Q", 0.75, 30.0)),
    )
    for first in (build_pairs(("A", "x", 0.5, None)), build_pairs(("A", "x", 1.0, None), ("B", "x", 1.0, None))):
        actual = compose_overlays(first, SECOND).drop_nulls("from_code")
        assert actual.height == 2 * first.height
        assert actual["weight_population"].null_count() == actual.height


def test_area_missing_from_the_second_overlay_has_no_target() -> None:
    unknown = build_pairs((None, "Q", None, 4.0), ("A", None, 1.0, 7.0), ("B", None, 0.5, None), ("B", "P", 0.5, None))
    assert_frame_equal(
        compose_overlays(build_pairs(("A", "w", 1.0, 7.0), ("B", None, 0.5, None), ("B", "y", 0.5, None)), SECOND),
        unknown,
    )


def test_sum_with_an_unknown_weight_is_unknown() -> None:
    first = build_pairs(("A", "x", None, 3.0), ("A", "y", None, 5.0), ("B", "y", 1.0, None))
    actual = compose_overlays(first, SECOND).drop_nulls("from_code")
    assert_frame_equal(actual, build_pairs(("A", "P", None, 5.75), ("A", "Q", None, 2.25), ("B", "P", 1.0, None)))
    unsure = build_pairs(("x", "P", None, 10.0), ("y", "P", 1.0, 5.0))
    assert compose_overlays(build_pairs(("A", "x", 0.5, None), ("A", "y", 0.5, None)), unsure)["weight"].to_list() == [
        None
    ]


def test_residents_are_summed_from_the_nearest_weights() -> None:
    sets = (*years(2021), *years(2011))
    area_rows = [("a1", A, 1.0, 100.0), ("a2", A, 2.0, 200.0), ("b1", B, 4.0, 400.0), ("q", None, 9.0, 9.0)]
    for weights in (sets, sets[::-1]):
        areas = table(area_rows, ("lad_2023",), sets)._replace(weights=weights)
        trip = CrosswalkRequest("lad_2023", "lad_2023")
        for day, expected in ((None, (3.0, 4.0)), (date(2020, 1, 1), (3.0, 4.0)), (date(2012, 1, 1), (300.0, 400.0))):
            actual = count_residents(areas, PLACES, [A, B], trip._replace(day=day)).sort("place_code")
            assert actual.rows() == [(A, expected[0]), (B, expected[1])]


def test_residents_of_a_group_are_unknown_where_a_part_is() -> None:
    area_rows = [*ROWS[:2], ("b1", B, X, None, 1.0), *ROWS[3:]]
    actual = count_residents(table(area_rows), PLACES, [A, B, C], TRIP).sort("place_code")
    assert actual.rows() == [(A, 40.0), (B, None), (C, 100.0)]
    actual = count_residents(table(area_rows), PLACES, [A, B, C], TRIP._replace(group="children")).sort("place_code")
    assert actual.rows() == [(A, 3.0), (B, 1.0), (C, 20.0)]
    assert count_residents(AREAS, PLACES, [A], TRIP._replace(group="pensioners")) is None
    assert count_residents(AREAS, PLACES, ["RVR"], CrosswalkRequest("trust_2023", "icb_2022")) is None


TRUSTS = Places(
    table_from_records([], PLACE_COLUMNS),
    table_from_records(
        [
            change("P1", "P", "merged"), change("P2", "P", "merged"), change("Q", "R"), change("S", "T"),
            change("S", "U"),
            change("V", "W"), change("V2", "W"), change("Y", "W"), change("Y", "A"),
        ],
        CODE_CHANGE_COLUMNS,
    ),
)  # fmt: skip
PUBLISHED = build_pairs(
    ("P1", "x", 0.5, 10.0), ("P1", "y", 0.5, 20.0), ("P2", "x", 1.0, 90.0), ("Q", "x", 1.0, 5.0), ("S", "x", 1.0, 8.0),
    ("W", "x", 1.0, 6.0), ("A", "x", 1.0, None),
)  # fmt: skip


def test_trusts_have_the_patients_of_all_their_predecessors() -> None:
    # T and U each acquired an unknown part of S; V merged into W with others; Y was split in two.
    expected = build_pairs(
        ("A", "A", 1.0, None), ("P", "P1", 0.25, 30.0), ("P", "P2", 0.75, 90.0), ("R", "Q", 1.0, 5.0),
        ("T", "S", None, None), ("U", "S", None, None), ("V", "W", 1.0, None),
    )  # fmt: skip
    codes = ["P", "R", "T", "U", "V", "A", "Y", "unknown"]
    for order in (codes, codes[::-1]):
        actual = link_to_shares(TRUSTS, order, PUBLISHED.reverse())
        assert_frame_equal(actual.sort("from_code", "to_code"), expected)


def test_patients_of_a_trust_are_unknown_where_a_part_is() -> None:
    unsure = PUBLISHED.with_columns(
        pl.when(pl.col("to_code") != "y").then("weight_population").alias("weight_population")
    )
    area_rows = link_to_shares(TRUSTS, ["P"], unsure).sort("to_code")
    assert_frame_equal(area_rows, build_pairs(("P", "P1", None, None), ("P", "P2", None, 90.0)))
    assert link_to_shares(TRUSTS, ["unknown"], PUBLISHED).is_empty()
