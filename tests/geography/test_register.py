"""The register: codes in use on a day, their larger areas and their successors."""

import random
from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.errors import UnknownNameError, UnreadableError
from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.geography.register import (
    Places,
    Successor,
    _write_names,
    add_regions,
    find_overlapping_codes,
    find_successors,
    list_ancestors,
    nation_code,
    read_changes,
    read_register,
    require_places,
    select_places,
    sort_register,
    trace_graph,
)

RAW = ["ENTITYCD", "GEOGCD", "GEOGNM", "GEOGNMW", "PARENTCD", "OPER_DATE", "TERM_DATE"]
NO_NAMES = {"nation": None, "region_code": None, "region": None}


def raw(*lines: str) -> pl.DataFrame:
    return pl.DataFrame([line.split(",") for line in lines], dict.fromkeys(RAW, pl.String), orient="row")


def place(code: str, first: str | None = "2009-04-01", last: str | None = None, **more: Any) -> dict[str, Any]:
    days = {"valid_from": first and date.fromisoformat(first), "valid_to": last and date.fromisoformat(last)}
    return {"place_code": code, "place_name": code.lower(), "kind": "lad", **days, **more}


def register(*places: dict[str, Any]) -> pl.DataFrame:
    return table_from_records(list(places), PLACE_COLUMNS)


def test_register_rows_are_converted() -> None:
    actual = read_register(
        raw(
            "W06,W06000001, Isle of Anglesey ,Ynys Mon,W92000004,2009-04-01,",
            "E12,E12000007,London,,E92000001,2009-01-01,",
            "E09,E09000024,Merton, ,E12000007,2009-01-01,2020-03-31",
            "E92,E92000001,England,,,2009-01-01,",
            "Q99,Q99000001,Nowhere,,,2009-01-01,",
            "trust,RVR,Epsom,,E40000003,2011-01-01,",
        ),
        "a.csv",
    )
    no_region = {"region_code": None}
    expected = register(
        place("E09000024", "2009-01-01", "2020-03-31", place_name="Merton", parent_code="E12000007", nation="England",
              region_code="E12000007", region="London"),
        place("E12000007", "2009-01-01", place_name="London", kind="region", parent_code="E92000001", nation="England",
              region_code="E12000007", region="London"),
        place("E92000001", "2009-01-01", place_name="England", kind="nation", nation="England", region="England",
              **no_region),
        place("RVR", "2011-01-01", place_name="Epsom", kind="trust", parent_code="E40000003", nation="England",
              region="England", **no_region),
        place("W06000001", "2009-04-01", place_name="Isle of Anglesey", place_name_welsh="Ynys Mon", nation="Wales",
              parent_code="W92000004", region="Wales", **no_region),
    )  # fmt: skip
    assert_frame_equal(actual, expected)


@pytest.mark.parametrize(
    ("row", "actual"),
    [
        ("E09,E1,One,,,01/04/2009,", "found '01/04/2009' in OPER_DATE"),
        ("E09,E1,One,,,2009-04-01,2009-02-30", "found '2009-02-30' in TERM_DATE"),
        (f"E09,E1,One,,,{'x' * 50},", f"found '{'x' * 40}' in OPER_DATE"),
    ],
)
def test_register_with_an_invalid_date_is_refused(row: str, actual: str) -> None:
    with pytest.raises(UnreadableError, match=rf"a\.csv: {actual}, expected a day such as 2023-04-01"):
        read_register(raw("E09,E0,Zero,,,2009-04-01,", row), "a.csv")


def test_register_without_a_column_is_refused() -> None:
    with pytest.raises(UnreadableError, match=r"a\.csv: found columns ENTITYCD, .*, expected also GEOGNMW, TERM_DATE"):
        read_register(raw().drop("GEOGNMW", "TERM_DATE"), "a.csv")


def test_twelve_of_many_columns_are_listed() -> None:
    wide = pl.DataFrame({f"c{n}": ["x"] for n in range(14)})
    with pytest.raises(UnreadableError, match="c10, c11, expected"):
        read_register(wide, "a.csv")


def test_register_order_does_not_depend_on_the_file() -> None:
    wanted = register(
        place("A", "2009-04-01", "2010-03-31"), place("A", "2009-04-01"), place("A", "2011-04-01"), place("B", None)
    )
    for seed in range(4):
        mixed = wanted.sample(fraction=1.0, shuffle=True, seed=seed)
        assert_frame_equal(sort_register(mixed), wanted)


def test_region_is_the_larger_region_or_else_the_nation() -> None:
    rows_of_register = register(
        place("E12000007", kind="region", place_name="London"), place("E09000024", parent_code="E12000007"),
        place("E05000001", parent_code="E09000024"), place("W06000001"), place("S12000001"), place("N09000001"),
        place("K02000001"), place("Q1"), place("Q2", parent_code="W06000001"), place("95A"), place("TLM5"),
    )  # fmt: skip
    regions = add_regions(rows_of_register).select("place_code", "nation", "region_code", "region").rows()
    assert regions == [
        ("E12000007", "England", "E12000007", "London"), ("E09000024", "England", "E12000007", "London"),
        ("E05000001", "England", "E12000007", "London"), ("W06000001", "Wales", None, "Wales"),
        ("S12000001", "Scotland", None, "Scotland"), ("N09000001", "Northern Ireland", None, "Northern Ireland"),
        ("K02000001", None, None, None), ("Q1", None, None, None), ("Q2", "Wales", None, "Wales"),
        ("95A", "Northern Ireland", None, "Northern Ireland"), ("TLM5", "Scotland", None, "Scotland"),
    ]  # fmt: skip


def test_cycle_of_parents_ends_the_list() -> None:
    assert list_ancestors("a", {"a": "b", "b": "c"}) == ["a", "b", "c"]
    assert list_ancestors("a", {"a": "b", "b": "c", "c": "b"}) == ["a", "b", "c"]
    assert list_ancestors("a", {"a": "a"}) == ["a"]
    assert list_ancestors("x", {"a": "b"}) == ["x"]


@pytest.mark.parametrize(
    ("spans", "twice"),
    [
        ([("2009-04-01", "2010-03-31"), ("2010-04-01", None)], []),
        ([("2009-04-01", "2010-03-31"), ("2010-03-31", None)], ["A"]),
        ([("2009-04-01", None), ("2015-04-01", "2016-03-31")], ["A"]),
        ([("2009-04-01", None), ("2009-04-01", None)], ["A"]),
        ([("2009-04-01", "2012-03-31"), ("2010-04-01", "2011-03-31")], ["A"]),
        # A period of no days ends before it begins and overlaps none.
        ([("2009-04-01", None), ("2015-04-01", "2015-03-31")], []),
        ([("2009-04-01", None), ("2015-04-01", "2015-04-01")], ["A"]),
        ([("2009-04-01", None)], []),
    ],
)
def test_code_with_overlapping_periods_is_listed(spans: list[tuple[str, str | None]], twice: list[str]) -> None:
    rows_of_register = register(*(place("A", *item) for item in spans), place("B", "2009-04-01"))
    assert find_overlapping_codes(rows_of_register) == find_overlapping_codes(rows_of_register.reverse()) == twice


def test_geography_has_the_codes_in_use_on_31_december() -> None:
    rows_of_register = register(
        place("E07000001", "2009-04-01", "2022-12-31"), place("E07000002", "2009-04-01", "2023-12-31"),
        place("E07000003", "2023-12-31"), place("E07000004", "2024-01-01"),
        place("E07000005", "2009-04-01", "2023-12-30"),
        place("E06000001", None), place("E12000001", kind="region"),
    )  # fmt: skip
    mixed = rows_of_register.sample(fraction=1.0, shuffle=True, seed=1)
    assert select_places(mixed, "lad_2023")["place_code"].to_list() == ["E07000002", "E07000003"]
    assert select_places(mixed, "lad_2022")["place_code"].to_list() == ["E07000001", "E07000002", "E07000005"]
    assert select_places(mixed, "region_2023")["place_code"].to_list() == ["E12000001"]
    assert select_places(mixed, "lad_2008").is_empty()


def test_unitary_council_is_both_district_and_upper_tier() -> None:
    rows_of_register = register(
        place("E06000001"), place("E07000001"), place("E10000001", kind="county"), place("RVR", kind="trust"),
        place("RM1", kind="site"), place("E38000001", kind="ccg"), place("K1", kind="sub_icb"),
    )  # fmt: skip
    assert select_places(rows_of_register, "utla_2023")["place_code"].to_list() == ["E06000001", "E10000001"]
    assert select_places(rows_of_register, "trust_2023")["place_code"].to_list() == ["RVR"]
    # A clinical commissioning group had the same kind as its successor, a part of a board.
    assert select_places(rows_of_register, "sub_icb_2023")["place_code"].to_list() == ["E38000001", "K1"]


def test_code_has_one_row_with_its_last_state() -> None:
    rows_of_register = register(
        place("E07000001", "2009-04-01", "2020-03-31", place_name="Old"),
        place("E07000001", "2020-04-01", place_name="New"),
        place("E07000002", "2009-04-01", place_name="First"), place("E07000002", "2015-04-01", place_name="Second"),
    )  # fmt: skip
    assert require_places(rows_of_register, "lad_2023").select("place_code", "place_name").rows() == [
        ("E07000001", "New"), ("E07000002", "Second")
    ]  # fmt: skip
    assert require_places(rows_of_register, "lad_2014").select("place_code", "place_name").rows() == [
        ("E07000001", "Old"), ("E07000002", "First")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ("lad_2008", "unknown geography 'lad_2008': no area is stored; .*in the register from 2009 on"),
        ("laad_2023", "nearest: lad|lad"),
        ("sub_icb_2023", "no area is stored; .*kinds are"),
        ("site_2023", "NHS trust sites are not bundled with the project"),
        ("lad", "expected a kind and a year, such as lad_2023"),
    ],
)
def test_unknown_geography_is_refused(system: str, message: str) -> None:
    rows_of_register = register(place("E07000001", "2012-04-01"), place("E07000001", "2009-04-01", "2012-03-31"))
    with pytest.raises(UnknownNameError, match=message):
        require_places(rows_of_register, system)


RECODED, MOVED, MERGED = "recoded", "moved_land", "merged"


def changes(*change_rows: tuple[str, str, str]) -> pl.DataFrame:
    return table_from_records(
        [{"from_code": a, "to_code": b, "kind": kind} for a, b, kind in change_rows], CODE_CHANGE_COLUMNS
    )


def places(*change_rows: tuple[str, str, str], rows_of_register: pl.DataFrame | None = None) -> Places:
    return Places(register() if rows_of_register is None else rows_of_register, changes(*change_rows))


CHAIN = places(("a1", "a2", RECODED), ("a2", "a3", MOVED), ("b", "m", MERGED), ("c", "m", MERGED), ("d", "e", RECODED),
               ("d", "f", RECODED), ("g", "h", MERGED), ("h", "i", RECODED))  # fmt: skip


@pytest.mark.parametrize(
    ("code", "target", "reach"),
    [
        ("a1", "a1", Successor(("a1",), "observed")),
        ("a1", "a2", Successor(("a2",), RECODED)),
        ("a1", "a3", Successor(("a3",), MOVED)),
        ("a2", "a3", Successor(("a3",), MOVED)),
        ("a3", "a1", Successor(("a1",), MOVED)),
        ("a2", "a1", Successor(("a1",), RECODED)),
        ("b", "m", Successor(("m",), MERGED)),
        ("g", "h", Successor(("h",), MERGED)),
        ("g", "i", Successor(("i",), MERGED)),
        ("d", "e f", Successor(("e", "f"), RECODED)),
        ("d", "f", Successor(("f",), RECODED)),
        # A merged area, or one of several successors, has no single predecessor.
        ("m", "b", None),
        ("e", "d", None),
        ("a1", "m", None),
        ("unknown", "a1", None),
        ("unknown", "unknown", Successor(("unknown",), "observed")),
    ],
)
def test_code_is_matched_to_itself_successors_or_predecessor(code: str, target: str, reach: Successor | None) -> None:
    actual = trace_graph(CHAIN.graph, [code], set(target.split()))
    assert actual == ({code: reach} if reach else {})
    reversed_graph = Places(CHAIN.register, CHAIN.changes.reverse()).graph
    assert {
        code: set(item.codes) for code, item in trace_graph(reversed_graph, [code], set(target.split())).items()
    } == {code: set(item.codes) for code, item in actual.items()}


def test_changes_after_the_geography_do_not_affect_the_derivation() -> None:
    graph = places(("a", "b", RECODED), ("b", "c", MOVED), ("c", "d", RECODED), ("d", "m", MERGED)).graph
    assert {goal: trace_graph(graph, ["a"], {goal})["a"].derivation for goal in "bcdm"} == {
        "b": RECODED, "c": MOVED, "d": MOVED, "m": MERGED
    }  # fmt: skip
    assert {goal: trace_graph(graph, ["c"], {goal})["c"].derivation for goal in "abdm"} == {
        "a": MOVED, "b": MOVED, "d": RECODED, "m": MERGED
    }  # fmt: skip
    assert trace_graph(graph, ["d"], {"c"})["d"] == Successor(("c",), RECODED)


def test_two_codes_with_one_successor_are_a_merger() -> None:
    graph = places(("a", "x", RECODED), ("b", "x", RECODED), ("c", "y", RECODED)).graph
    actual = trace_graph(graph, ["a", "b", "c"], {"x", "y"})
    assert {code: item.derivation for code, item in actual.items()} == {"a": MERGED, "b": MERGED, "c": RECODED}


def test_code_in_several_rows_has_one_successor() -> None:
    graph = places(("a", "b", RECODED), ("a", "b", RECODED)).graph
    assert (graph.forward, graph.backward) == ({"a": ("b",)}, {"b": ("a",)})
    assert trace_graph(graph, ["b"], {"a"}) == {"b": Successor(("a",), RECODED)}


def test_cycle_of_changes_ends_the_search() -> None:
    graph = places(("a", "b", RECODED), ("b", "a", RECODED), ("c", "d", RECODED)).graph
    assert trace_graph(graph, ["a", "c"], {"z"}) == {}
    assert trace_graph(graph, ["a"], {"b"}) == {"a": Successor(("b",), RECODED)}


def test_nearest_successors_come_first() -> None:
    graph = places(("a", "b", RECODED), ("b", "d", RECODED), ("a", "c", RECODED)).graph
    assert trace_graph(graph, ["a"], {"b", "c", "d"})["a"].codes == ("b", "c", "d")
    assert trace_graph(graph, ["d"], {"b", "a"})["d"].codes == ("b",)


UPWARDS = places(
    ("E10000001", "E06000009", RECODED), ("E12000001", "E12000008", RECODED), ("E12000001", "E12000009", RECODED),
    rows_of_register=register(
        place("E05000001", parent_code="E07000001"), place("E07000001", parent_code="E10000001"),
        place("E10000001", parent_code="E12000001"), place("E07000002", parent_code="E12000001"),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("code", "target", "reach"),
    [
        ("E05000001", {"E07000001", "E10000001"}, Successor(("E07000001",), "aggregated")),
        ("E05000001", {"E10000001", "E12000001"}, Successor(("E10000001",), "aggregated")),
        # The successor of the county, because the county itself is not in the target.
        ("E05000001", {"E06000009"}, Successor(("E06000009",), "aggregated")),
        ("E05000001", {"E92000001"}, Successor(("E92000001",), "aggregated")),
        # A region with two successors is skipped; the nation is used.
        ("E07000002", {"E12000008", "E12000009"}, None),
        ("E07000002", {"E12000008", "E12000009", "E92000001"}, Successor(("E92000001",), "aggregated")),
        ("E10000001", {"E10000001", "E92000001"}, Successor(("E10000001",), "observed")),
        ("W06000001", {"E92000001"}, None),
        ("RVR", {"E92000001"}, None),
    ],
)
def test_code_without_a_successor_is_matched_through_larger_areas(
    code: str, target: set[str], reach: Successor | None
) -> None:
    assert find_successors(UPWARDS, [code], target) == ({code: reach} if reach else {})
    # Other requested codes have no effect.
    others = ["E05000001", "E07000002", "W06000001", "RVR"]
    assert find_successors(UPWARDS, [*others, code], target).get(code) == reach


def test_nation_code_follows_the_first_letter() -> None:
    codes = ["E09000024", "W06000001", "S12000001", "N09000001", "95A", "K02000001", "RVR"]
    assert [nation_code(code) for code in codes] == [
        "E92000001", "W92000004", "S92000003", "N92000002", "N92000002", "", ""
    ]  # fmt: skip


def changed(*change_rows: tuple[str, str, str]) -> pl.DataFrame:
    """Build a table of code changes as published: from, to and day."""
    full = [
        {"from_code": a, "to_code": b, "kind": RECODED, "changed_on": day, "authority": "o"}
        for a, b, day in change_rows
    ]
    return pl.DataFrame(full, dict.fromkeys(CODE_CHANGE_COLUMNS, pl.String))


def test_changes_are_converted_without_duplicates_in_date_order() -> None:
    change_rows = [
        ("b", "c", "2020-04-01"),
        ("x", "y", "2019-04-01"),
        ("a", "b", "2019-04-01"),
        ("x", "y", "2019-04-01"),
    ]
    expected = pl.DataFrame(
        [("a", "b", RECODED, date(2019, 4, 1), "o"), ("x", "y", RECODED, date(2019, 4, 1), "o"),
         ("b", "c", RECODED, date(2020, 4, 1), "o")],
        {name: column.dtype for name, column in CODE_CHANGE_COLUMNS.items()}, orient="row",
    )  # fmt: skip
    for seed in range(3):
        assert_frame_equal(read_changes(changed(*random.Random(seed).sample(change_rows, 4)), "a.csv"), expected)
    assert_frame_equal(read_changes(changed(), "a.csv"), empty_table(CODE_CHANGE_COLUMNS))


@pytest.mark.parametrize(
    "circle", [[("a", "b"), ("b", "a")], [("a", "a")], [("z", "a"), ("a", "b"), ("b", "c"), ("c", "a")]]
)
def test_cyclic_changes_are_refused(circle: list[tuple[str, str]]) -> None:
    change_rows = [(one, other, "2020-04-01") for one, other in circle]
    with pytest.raises(
        UnreadableError, match=r"a\.csv: found [ab] as its own successor, expected code changes without a cycle"
    ):
        read_changes(changed(*change_rows), "a.csv")


def test_changes_without_a_column_or_with_an_invalid_date_are_refused() -> None:
    with pytest.raises(UnreadableError, match="expected also authority"):
        read_changes(changed(("a", "b", "2020-04-01")).drop("authority"), "a.csv")
    with pytest.raises(UnreadableError, match="found '1/4/20' in changed_on"):
        read_changes(changed(("a", "b", "1/4/20")), "a.csv")


def test_only_names_of_organisations_of_the_nhs_are_written_as_in_a_sentence() -> None:
    table = pl.DataFrame({
        "GEOGNM": [" BARTS HEALTH NHS TRUST ", "ISLE OF WIGHT", None, "THE SURGERY"],
        "ENTITYCD": ["trust", "E06", "trust", "border_practice"],
    })  # fmt: skip
    names = _write_names(table).to_list()
    assert names == ["Barts Health NHS Trust", "ISLE OF WIGHT", None, "The Surgery"]
    assert _write_names(table.filter(pl.col("ENTITYCD") == "E06")).to_list() == ["ISLE OF WIGHT"]
