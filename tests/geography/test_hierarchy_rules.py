"""Areas that contain, are within and overlap others, on small drawn tables; and locations of postcodes."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.geography.catchments import Shares
from pipelines.geography.hierarchy import (
    AREA_HIERARCHY,
    build_hierarchy,
    describe_membership,
    describe_postcodes,
    find_people_column,
    is_postcode,
)
from pipelines.geography.register import Places
from pipelines.geography.small_areas import Areas, WeightSet

REGION, ONE, TWO, THREE = "E12000009", "E06000001", "E06000002", "E06000003"
P, Q, R = "E54000001", "E54000002", "E54000003"


def place(code: str, name: str, kind: str, first: str = "2009-04-01", **more: Any) -> dict[str, Any]:
    nation = more.pop("nation", "England")
    return {"place_code": code, "place_name": name, "kind": kind, "nation": nation,
            "valid_from": date.fromisoformat(first), **more}  # fmt: skip


REGISTER = table_from_records(
    [
        place("E92000001", "England", "nation"), place("S92000003", "Scotland", "nation", nation="Scotland"),
        place(REGION, "South West", "region", parent_code="E92000001"),
        place(ONE, "New One", "lad", "2020-04-01", parent_code=REGION), place(ONE, "Old One", "lad"),
        place(TWO, "Two", "lad"), place("S12000001", "Four", "lad", nation="Scotland"),
        place("K02000001", "Everywhere", "above_nation", nation=None), place(P, "A board", "icb"),
    ],
    PLACE_COLUMNS,
)  # fmt: skip
PLACES = Places(REGISTER, empty_table(CODE_CHANGE_COLUMNS))
MID = WeightSet("mid", date(2022, 6, 30), ("all_ages",))
SYSTEMS = ("lad_2024", "icb_2022")


def table(*area_rows: tuple[Any, ...], systems: tuple[str, ...] = SYSTEMS, weights: tuple[WeightSet, ...] = (MID,),
          source: str = "areas", best_fit: frozenset[str] = frozenset()) -> Areas:  # fmt: skip
    """Build a table of small areas: code, an area of each geography, and the residents of each set and group."""
    people = {f"{item.name}__{group}": pl.Float64 for item in weights for group in item.groups}
    columns = {"area_code": pl.String, **dict.fromkeys(systems, pl.String), **people}
    frame = pl.DataFrame(area_rows, columns, orient="row")
    return Areas(source, date(2024, 1, 1), "spring", systems, best_fit, weights, frame)


AREAS = table(
    ("a", ONE, P, 30.0), ("b", ONE, P, 10.0), ("c", TWO, P, 30.0), ("d", TWO, Q, 6.0), ("e", TWO, None, 4.0),
    ("f", THREE, Q, 0.0), ("g", THREE, R, 0.0), ("h", "E06000004", R, None), ("i", "E06000004", Q, 5.0),
)  # fmt: skip


def parent(code: str, kind: str, system: str | None, above: str | None, name: str | None, share: float = 1.0,
           share_of: str | None = None, source: str | None = None) -> dict[str, Any]:  # fmt: skip
    return dict(zip(AREA_HIERARCHY, (code, kind, system, above, name, share, share_of, False, source), strict=True))


def board(
    code: str, above: str | None, share: float, share_of: str = "people", name: str | None = None
) -> dict[str, Any]:
    return parent(code, "icb", "icb_2022", above, name, share, share_of, source="areas")


def test_every_row_of_the_hierarchy() -> None:
    expected = table_from_records(
        [
            board(ONE, P, 1.0, name="A board"),
            parent(ONE, "nation", None, "E92000001", "England"),
            parent(ONE, "region", None, REGION, "South West"),
            board(TWO, P, 0.75, name="A board"), board(TWO, Q, 0.15), board(TWO, None, 0.1),
            parent(TWO, "nation", None, "E92000001", "England"),
            board(THREE, Q, 0.5, "small areas"), board(THREE, R, 0.5, "small areas"),
            board("E06000004", Q, 0.5, "small areas"), board("E06000004", R, 0.5, "small areas"),
            parent("S12000001", "nation", None, "S92000003", "Scotland"),
        ],
        AREA_HIERARCHY,
    )  # fmt: skip
    codes = [ONE, TWO, THREE, "E06000004", "S12000001", "K02000001", "unknown"]
    actual = build_hierarchy(PLACES, [AREAS], codes)
    assert_frame_equal(actual, expected.sort("place_code", maintain_order=True))
    register = REGISTER.sample(fraction=1.0, shuffle=True, seed=2)
    assert_frame_equal(build_hierarchy(Places(register, empty_table(CODE_CHANGE_COLUMNS)), [AREAS], set(codes)), actual)


def test_nations_and_areas_above_them_have_no_larger_area() -> None:
    assert build_hierarchy(PLACES, [AREAS], ["E92000001", "K02000001"]).is_empty()
    assert build_hierarchy(PLACES, [], [REGION])["parent_code"].to_list() == ["E92000001"]


def test_unpopulated_parts_have_no_share() -> None:
    areas = table(("a", ONE, P, 5.0), ("b", ONE, Q, 0.0), ("c", TWO, P, 5.0), ("d", THREE, P, 1.0))
    actual = build_hierarchy(PLACES, [areas], [ONE]).filter(pl.col("kind") == "icb")
    assert actual.select("parent_code", "share", "share_of").rows() == [(P, 1.0, "people")]


def test_area_with_one_resident_has_a_population_share() -> None:
    areas = table(("a", ONE, P, 0.5), ("b", ONE, Q, 0.5), ("c", TWO, P, 0.0), ("d", TWO, Q, 0.0), ("e", THREE, P, 9.0))
    actual = build_hierarchy(PLACES, [areas], [ONE, TWO]).filter(pl.col("kind") == "icb")
    assert actual.select("place_code", "share", "share_of").rows() == [
        (ONE, 0.5, "people"), (ONE, 0.5, "people"), (TWO, 0.5, "small areas"), (TWO, 0.5, "small areas"),
    ]  # fmt: skip


def test_share_outside_all_larger_areas_is_stated() -> None:
    areas = table(("a", ONE, P, 9.0), ("b", ONE, None, 1.0))
    assert describe_relations(ONE, areas)[1] == ("contains", f"icb_2022: {P} A board 90.0%, unknown 10.0%")


def test_table_without_residents_counts_small_areas() -> None:
    area_rows = [("a", ONE, P), ("b", ONE, P), ("c", ONE, P), ("d", ONE, Q), ("e", TWO, Q), ("f", THREE, P)]
    actual = build_hierarchy(PLACES, [table(*area_rows, weights=())], [ONE]).filter(pl.col("kind") == "icb")
    assert actual.select("parent_code", "share", "share_of").rows() == [
        (P, 0.75, "small areas"),
        (Q, 0.25, "small areas"),
    ]


def test_larger_areas_belong_to_a_geography_with_fewer_areas() -> None:
    as_many = table(("a", ONE, P, 1.0), ("b", TWO, Q, 1.0), ("c", TWO, None, 1.0), ("d", None, R, 1.0))
    assert build_hierarchy(PLACES, [as_many], [ONE, P]).filter(pl.col("kind").is_in(["icb", "lad"])).is_empty()
    # Where both are known, there are two districts and one board.
    fewer = table(("a", ONE, P, 1.0), ("b", TWO, P, 1.0), ("c", None, Q, 1.0), ("d", None, R, 1.0))
    assert build_hierarchy(PLACES, [fewer], [ONE]).filter(pl.col("kind") == "icb")["parent_code"].to_list() == [P]


def test_newest_geography_of_an_area_is_used_and_never_its_own_kind() -> None:
    systems = ("lad_2020", "lad_2024", "icb_2022")
    old = "E06000005"
    area_rows = [("a", ONE, ONE, P, 1.0), ("b", ONE, TWO, Q, 3.0), ("c", TWO, TWO, Q, 1.0), ("d", old, THREE, P, 1.0)]
    expected = [(ONE, "icb_2022", P, 1.0), (old, "icb_2022", P, 1.0)]
    for order in (systems, ("lad_2024", "lad_2020", "icb_2022")):
        areas = table(*area_rows, systems=systems)._replace(systems=order)
        actual = build_hierarchy(PLACES, [areas], [ONE, old]).filter(pl.col("kind") == "icb")
        assert actual.select("place_code", "parent_geography", "parent_code", "share").rows() == expected
        assert build_hierarchy(PLACES, [areas], [ONE, old]).filter(pl.col("kind") == "lad").is_empty()


def test_first_table_with_a_geography_is_used_for_each_area() -> None:
    first = table(("a", ONE, P, 1.0), ("b", THREE, P, 1.0), source="first")
    second = table(("a", ONE, Q, 1.0), ("b", TWO, Q, 1.0), ("c", TWO, Q, 3.0), source="second")
    actual = build_hierarchy(PLACES, [first, second], [ONE, TWO]).filter(pl.col("kind") == "icb")
    assert actual.select("place_code", "parent_code", "source").rows() == [(ONE, P, "first"), (TWO, Q, "second")]


@pytest.mark.parametrize(
    ("best_fit", "fitted"), [((), False), (("lad_2024",), True), (("icb_2022",), True), (("x",), False)]
)
def test_best_fit_tables_are_marked(best_fit: tuple[str, ...], fitted: bool) -> None:
    areas = table(("a", ONE, P, 1.0), ("b", TWO, P, 1.0), best_fit=frozenset(best_fit))
    actual = build_hierarchy(PLACES, [areas], [ONE])
    assert dict(actual.select("kind", "best_fit").iter_rows()) == {"icb": fitted, "nation": False, "region": False}


def test_newest_set_of_all_residents_is_used() -> None:
    sets = [
        WeightSet("old", date(2011, 3, 27), ("all_ages",)), WeightSet("new", date(2021, 3, 21), ("all_ages", "men")),
        WeightSet("newest", date(2022, 6, 30), ("men",)),
    ]  # fmt: skip
    for order in (sets, sets[::-1]):
        assert find_people_column(table(weights=tuple(order))) == "new__all_ages"
    assert find_people_column(table(weights=tuple(sets[2:]))) is None
    assert find_people_column(table(weights=())) is None


NAMES = {ONE: "One", P: "A board", Q: "B board"}


def describe_relations(code: str, *tables: Areas, shares: tuple[Shares, ...] = ()) -> list[tuple[str, str]]:
    return list(describe_membership(tables, shares, code, NAMES))


def test_description_states_containing_contained_and_overlapping_areas() -> None:
    assert describe_relations(ONE, AREAS) == [("geographies", "lad_2024 (areas)"), ("within", f"icb_2022: {P} A board")]
    assert describe_relations(TWO, AREAS) == [
        ("geographies", "lad_2024 (areas)"),
        ("overlaps", f"icb_2022: {P} A board 75.0%, {Q} B board 15.0%, unknown 10.0%"),
    ]  # fmt: skip
    assert describe_relations(P, AREAS) == [
        ("geographies", "icb_2022 (areas)"), ("overlaps", f"lad_2024: {ONE} One 57.1%, {TWO} 42.9%")
    ]  # fmt: skip
    assert describe_relations("unknown", AREAS) == []


def test_unpopulated_area_has_shares_of_small_areas() -> None:
    assert describe_relations(THREE, AREAS)[1] == ("overlaps", f"icb_2022: {Q} B board 50.0%, {R} 50.0%")
    some = AREAS._replace(table=AREAS.table.with_columns(pl.lit(None, pl.Float64).alias("mid__all_ages")))
    assert describe_relations(TWO, some)[1] == (
        "overlaps", f"icb_2022: {P} A board 33.3%, {Q} B board 33.3%, unknown 33.3%"
    )  # fmt: skip


def whole(count: int) -> Areas:
    return table(*((f"a{n}", f"L{n}", P, float(n)) for n in range(1, count + 1)), ("z", None, Q, 1.0))


def test_many_contained_areas_are_counted() -> None:
    six = ", ".join(f"L{n} {n / 21:.1%}" for n in range(6, 0, -1))
    assert describe_relations(P, whole(6))[1] == ("contains", f"lad_2024: {six}")
    assert describe_relations(P, whole(7))[1] == ("contains", "lad_2024: 7 areas")


def test_six_largest_overlaps_are_listed() -> None:
    areas = table(*((f"a{n}", f"L{n}", P, float(n)) for n in range(1, 9)), ("y", "L1", Q, 1.0))
    six = ", ".join(f"L{n} {n / 36:.1%}" for n in range(8, 2, -1))
    assert describe_relations(P, areas)[1] == ("overlaps", f"lad_2024: {six}, and 2 more")
    seven = table(*((f"a{n}", f"L{n}", P, 1.0) for n in range(1, 8)), ("y", "L1", Q, 1.0))
    assert describe_relations(P, seven)[1][1].endswith("L5 14.3%, L6 14.3%, and 1 more")


def test_share_below_a_thousandth_is_not_shown_as_zero() -> None:
    areas = table(("a", TWO, P, 9995.0), ("b", TWO, Q, 5.0), ("c", THREE, Q, 1.0))
    assert describe_relations(TWO, areas)[1][1] == f"icb_2022: {P} A board 100.0%, {Q} B board under 0.1%"
    areas = table(("a", TWO, P, 9990.0), ("b", TWO, Q, 10.0), ("c", THREE, Q, 1.0))
    assert describe_relations(TWO, areas)[1][1].endswith("B board 0.1%")


def test_area_is_in_every_geography_with_its_code() -> None:
    areas = table(("a", ONE, ONE, P, None, 1.0), ("b", TWO, TWO, P, None, 1.0),
                  systems=("lad_2023", "lad_2024", "icb_2022", "pfa_2023"))  # fmt: skip
    # The table has no police forces for this area.
    assert describe_relations(ONE, areas) == [
        ("geographies", "lad_2023, lad_2024 (areas)"),
        ("within", f"icb_2022: {P} A board"),
    ]
    mixed = areas._replace(table=areas.table.with_columns(pl.Series("lad_2023", [TWO, TWO])))
    assert describe_relations(TWO, mixed)[1] == ("within", f"icb_2022: {P} A board")


def test_published_share_states_its_geography_and_source() -> None:
    frame = pl.DataFrame({"from_code": ["T", "T", "U"], "to_code": [P, Q, R], "share": [0.25, 0.75, 1.0]})
    shares = Shares("flows", "trust_2020", "icb_2022", date(2020, 3, 31), "patients", frame)
    assert describe_relations("T", shares=(shares,)) == [
        ("shares", f"in icb_2022: {Q} B board 75.0%, {P} A board 25.0% (patients, 2020-03-31; flows)")
    ]  # fmt: skip
    assert describe_relations("V", shares=(shares,)) == []


@pytest.mark.parametrize("text", ["M", "m33", "M33 2", "M33 2AB", "M332AB", " sw1a 1aa ", "EC1A", "B1 1AA", "SW"])
def test_text_is_recognised_as_a_postcode(text: str) -> None:
    assert is_postcode(text)


@pytest.mark.parametrize("text", ["", "Merton", "E09000024", "M33 2ABC", "33", "ABC1", "M3 22"])
def test_text_is_not_recognised_as_a_postcode(text: str) -> None:
    assert not is_postcode(text)


POSTCODES = table(
    ("M332AB", ONE, P), ("M332AC", ONE, P), ("M333AB", TWO, P), ("M32AB", TWO, Q), ("ME11AA", THREE, Q),
    ("B11AA", None, None),
    weights=(), source="kept",
)  # fmt: skip
PROVISO = ("not stored", "a postcode directory of the whole country")


def describe_text(text: str, *tables: Areas) -> list[tuple[str, str]]:
    *said, last = describe_postcodes(list(tables), text, NAMES)
    assert last[0] == PROVISO[0] and last[1].startswith(PROVISO[1])
    return said


@pytest.mark.parametrize(
    ("text", "count"),
    [("M", 4), ("M3", 1), ("M33", 3), ("M33 2", 2), ("M33 2A", 2), ("M33 2AB", 1), ("m332ab ", 1), ("ME", 1),
     ("ME1", 1),
     ("M33 3", 1), ("B", 1), ("M3 2AB", 1)],
)  # fmt: skip
def test_postcodes_with_a_prefix_are_counted(text: str, count: int) -> None:
    assert describe_text(text, POSTCODES)[0] == ("postcode", f"{text}: {count} rows of kept, spring")


def test_postcodes_are_located_in_each_geography() -> None:
    assert describe_text("M33", POSTCODES) == [
        ("postcode", "M33: 3 rows of kept, spring"), ("within", f"lad_2024: {ONE} One 66.7%, {TWO} 33.3%"),
        ("within", f"icb_2022: {P} A board"),
    ]  # fmt: skip
    # A postcode outside all areas has no geography; a table without a label gives its day.
    assert describe_text("B1", POSTCODES._replace(label="")) == [("postcode", "B1: 1 rows of kept, 2024-01-01")]


def test_postcodes_may_be_a_column_and_come_from_several_tables() -> None:
    sites = table(("s1", "M332AB", ONE), ("s2", "M333AB", TWO), ("s3", None, TWO),
    systems=("postcode_2024", "lad_2024"),
                  weights=(), source="sites")  # fmt: skip
    assert describe_text("M33 2AB", POSTCODES, sites) == [
        ("postcode", "M33 2AB: 1 rows of kept, spring"), ("within", f"lad_2024: {ONE} One"),
        ("within", f"icb_2022: {P} A board"), ("postcode", "M33 2AB: 1 rows of sites, spring"),
        ("within", f"lad_2024: {ONE} One"),
    ]  # fmt: skip
    assert describe_text("M33 2AB", sites, POSTCODES)[0] == ("postcode", "M33 2AB: 1 rows of sites, spring")


def test_unknown_postcodes_list_the_stored_tables() -> None:
    assert describe_text("ZE1", POSTCODES) == [("postcode", "ZE1 is unknown; stored tables: kept")]
    assert describe_text("ZE1") == [("postcode", "ZE1 is unknown; stored tables: no table of postcodes")]
