"""Practices of two nations in one postcode district: counted from both sides, and described where bodies meet."""

from datetime import date
from typing import Any

import polars as pl

from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.geography.border_practices import (
    BODIES,
    BORDER_PRACTICE,
    UNKNOWN_CROSSINGS,
    describe_border_practices,
    list_border_practices,
)
from pipelines.geography.register import Places
from pipelines.geography.small_areas import Areas


def register(*rows: tuple[Any, ...]) -> Places:
    """Make a register of codes with their kinds, larger areas and nations, and then a name and a first day."""
    records = [
        {"place_code": code, "place_name": more[0] if more else code, "kind": kind, "parent_code": up,
         "nation": nation, "valid_from": more[1] if len(more) > 1 else date(2009, 1, 1)}
        for code, kind, up, nation, *more in rows
    ]  # fmt: skip
    return Places(table_from_records(records, PLACE_COLUMNS), empty_table(CODE_CHANGE_COLUMNS))


def postcodes(source: str = "postcodes", system: str = "postcode_2022", **of: str | None) -> Areas:
    table = pl.DataFrame({"area_code": list(of), system: list(of.values())}, schema_overrides={system: pl.String})
    return Areas(source, date(2022, 6, 30), "", ("lad_2022", system), frozenset(), (), table)


PLACES = register(
    ("E38000001", "sub_icb", "E54000001", "England"), ("E54000001", "icb", None, "England"),
    ("W11000001", "health_board", None, "Wales", "New name", date(2020, 1, 1)),
    ("W11000001", "health_board", None, "Wales", "Old name"),
    *((code, "border_practice", "E38000001", "England") for code in ("E1", "E2", "E3", "E4")),
    ("E5", "border_practice", "X99", "England"), ("E6", "surgery", "E38000001", "England"),
    ("W1", "border_practice", "W11000001", "Wales"), ("W2", "border_practice", "W11000001", "Wales"),
    ("N1", "border_practice", None, None),
)  # fmt: skip
TABLE = postcodes(
    W2="GL154LL", E5="GL153AA", W1="CH42ZZ", E3="CH4 1AA", E1="CH40NR", E2="CH14AB", E4=None, N1="CH14AB",
    X9="CH49ZZ", E6="CH41ZZ",
)  # fmt: skip
EXPECTED = [
    ("E1", "E1", "CH4", "E38000001", "E38000001", "England", 2, 1, "postcodes"),
    ("E3", "E3", "CH4", "E38000001", "E38000001", "England", 2, 1, "postcodes"),
    ("W1", "W1", "CH4", "W11000001", "New name", "Wales", 1, 2, "postcodes"),
    ("E5", "E5", "GL15", "X99", None, "England", 1, 1, "postcodes"),
    ("W2", "W2", "GL15", "W11000001", "New name", "Wales", 1, 1, "postcodes"),
]


def test_practices_of_both_nations_are_counted_from_both_sides() -> None:
    """A practice with no postcode, no nation or no entry in the register is on no side; a body may have no name."""
    actual = list_border_practices(PLACES, [TABLE])
    assert actual.columns == list(BORDER_PRACTICE) and actual.rows() == EXPECTED
    shuffled = TABLE._replace(table=TABLE.table.sample(fraction=1, shuffle=True, seed=1))
    mixed = Places(PLACES.register.sample(fraction=1, shuffle=True, seed=2), PLACES.changes)
    assert list_border_practices(mixed, [shuffled]).equals(actual)


def test_practice_is_where_the_last_table_has_it() -> None:
    later = postcodes("later", E1="CH14AB", W2="CH4 9ZZ")
    actual = list_border_practices(PLACES, [TABLE, later]).select(
        "place_code", "postcode_district", "same_nation_practices", "other_nation_practices", "source"
    )
    assert actual.rows() == [
        ("E3", "CH4", 1, 2, "postcodes"), ("W1", "CH4", 2, 1, "postcodes"), ("W2", "CH4", 2, 1, "later")
    ]  # fmt: skip


def test_table_without_postcodes_has_no_practices() -> None:
    other = postcodes(system="ward_2022", E1="CH40NR", W1="CH42ZZ")
    assert list_border_practices(PLACES, []).is_empty() and list_border_practices(PLACES, [other]).is_empty()
    assert list_border_practices(PLACES, [other, TABLE]).rows() == EXPECTED
    one_nation = postcodes(E1="CH40NR", E3="CH41AA")
    assert list_border_practices(PLACES, [one_nation]).is_empty()


def pairs(*ends: tuple[str | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(list(ends), schema={"from_code": pl.String, "to_code": pl.String}, orient="row")


CH4 = (
    "CH4: E1 E1 (E38000001, England); E3 E3 (E38000001, England); W1 W1 (New name, Wales)"
)  # fmt: skip
GL15 = "GL15: E5 E5 (None, England); W2 W2 (New name, Wales)"


def test_districts_are_described_where_a_body_or_one_above_is_in_the_crosswalk() -> None:
    practices = list_border_practices(PLACES, [TABLE])

    def lines(*ends: tuple[str | None, str | None]) -> list[str]:
        return list(describe_border_practices(practices, PLACES, pairs(*ends)))

    assert lines(("E07000001", "W11000001")) == [CH4, GL15, UNKNOWN_CROSSINGS]
    assert lines(("W11000001", None)) == [CH4, GL15, UNKNOWN_CROSSINGS]
    assert lines((None, "E54000001")) == lines(("E38000001", "E07000001")) == [CH4, UNKNOWN_CROSSINGS]
    assert lines(("E07000001", "E54000002")) == lines((None, None)) == lines() == []
    assert list(describe_border_practices(practices.clear(), PLACES, pairs(("W11000001", None)))) == []


def test_only_bodies_of_the_health_service_count() -> None:
    """A council above a body is no NHS body, even where the register has it."""
    places = register(("W11000001", "health_board", "W92000004", "Wales"))
    rows = [{"place_code": "W1", "postcode_district": "CH4", "body_code": "W11000001"}]
    practices = table_from_records(rows, BORDER_PRACTICE)
    assert list(describe_border_practices(practices, places, pairs(("W92000004", "W92000004")))) == []
    assert BODIES == ("E38", "E54", "W11")
