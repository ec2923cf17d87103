"""Geographies from tables: the codes of every column, the names of the register, and the main district of an area."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import UnknownNameError
from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.geography.catchments import Shares
from pipelines.geography.crosswalk import PlaceData
from pipelines.geography.register import Places, add_regions
from pipelines.geography.small_areas import Areas
from pipelines.geography.systems import geography_from_register, geography_from_tables, geography_kind

ROWS: list[dict[str, Any]] = [
    {"place_code": "E12000007", "place_name": "London", "kind": "region", "parent_code": "E92000001"},
    {"place_code": "E92000001", "place_name": "England", "kind": "nation"},
    {"place_code": "E10000003", "place_name": "Cambridgeshire", "kind": "county", "parent_code": "E12000006"},
    {"place_code": "E12000006", "place_name": "East of England", "kind": "region", "parent_code": "E92000001"},
    {"place_code": "E09000024", "place_name": "Merton", "kind": "lad", "parent_code": "E12000007"},
    {"place_code": "E07000008", "place_name": "Cambridge", "kind": "lad", "parent_code": "E10000003"},
    {"place_code": "W06000015", "place_name": "Cardiff", "kind": "lad", "parent_code": "W92000004"},
    {"place_code": "MSOA1", "place_name": "A named area", "kind": "msoa"},
]
REGISTER = add_regions(table_from_records([{**row, "valid_from": date(2009, 1, 1)} for row in ROWS], PLACE_COLUMNS))
PLACES = Places(REGISTER, empty_table(CODE_CHANGE_COLUMNS))


def areas_of(**columns: list[str | None]) -> Areas:
    size = len(next(iter(columns.values())))
    table = pl.DataFrame(
        {"area_code": [f"a{n}" for n in range(size)], **columns}, schema_overrides=dict.fromkeys(columns, pl.String)
    )
    return Areas("areas", date(2022, 1, 1), "", tuple(columns), frozenset(), (), table)


def shares_of(start: str, end: str, *pairs: tuple[str, str]) -> Shares:
    table = pl.DataFrame(list(pairs), schema=["from_code", "to_code"], orient="row")
    return Shares("shares", start, end, date(2022, 1, 1), "", table.with_columns(pl.lit(1.0).alias("share")))


AREAS = areas_of(
    msoa_2021=["MSOA1", "MSOA1", "MSOA2", "MSOA2", "MSOA2", "MSOA3", "MSOA4", None],
    lad_2019=["W06000015"] * 8,
    lad_2022=["E07000008", "E07000008", "E07000008", "E09000024", "E09000024", "W06000015", None, "E09000024"],
)


def build(system: str, *tables: Areas | Shares) -> Any:
    areas = tuple(table for table in tables if isinstance(table, Areas))
    return geography_from_tables(
        PlaceData(PLACES, areas, tuple(table for table in tables if isinstance(table, Shares))), system
    )


def test_areas_are_in_the_district_with_most_of_their_small_areas() -> None:
    geography = build("msoa_2021", AREAS)
    assert geography.name == "msoa_2021" and geography.other_codes == frozenset()
    assert geography.places.columns == list(PLACE_COLUMNS)
    columns = ("place_code", "place_name", "kind", "parent_code", "nation", "region_code", "region")
    assert geography.places.select(columns).rows() == [
        ("MSOA1", "A named area", "msoa", "E07000008", "England", "E12000006", "East of England"),
        ("MSOA2", "MSOA2", "msoa", "E09000024", "England", "E12000007", "London"),
        ("MSOA3", "MSOA3", "msoa", "W06000015", "Wales", None, "Wales"),
        ("MSOA4", "MSOA4", "msoa", None, None, None, None),
    ]
    shuffled = AREAS._replace(table=AREAS.table.sample(fraction=1, shuffle=True, seed=1))
    assert build("msoa_2021", shuffled).places.equals(geography.places)


def test_area_in_equal_parts_of_districts_is_in_the_one_of_the_last_code() -> None:
    for codes in (["E07000008", "E09000024"], ["E09000024", "E07000008"]):
        places = build("msoa_2021", areas_of(msoa_2021=["M1", "M1"], lad_2022=codes)).places
        assert places["parent_code"].to_list() == ["E09000024"]


def test_districts_are_of_the_first_table_with_both() -> None:
    bare, other = areas_of(msoa_2021=["MSOA9"]), areas_of(ward_2022=["E05000001"], lad_2023=["E09000024"])
    later = areas_of(msoa_2021=["MSOA2"], lad_2023=["W06000015"])
    places = build("msoa_2021", bare, other, AREAS, later).places
    assert places.select("place_code", "parent_code").rows() == [
        ("MSOA1", "E07000008"), ("MSOA2", "E09000024"), ("MSOA3", "W06000015"), ("MSOA4", None), ("MSOA9", None),
    ]  # fmt: skip


def test_codes_are_of_all_tables_and_those_of_other_years_are_other_codes() -> None:
    older = areas_of(msoa_2011=["MSOA1", "MSOA0", None], ward_2011=["E05000001"] * 3)
    catchments = shares_of("msoa_2021", "trust_2020", ("MSOA7", "RJ7"), ("MSOA1", "RJ7"))
    back = shares_of("trust_2020", "msoa_2021", ("RX1", "MSOA8"))
    geography = build("msoa_2021", AREAS, older, catchments, back)
    assert geography.places["place_code"].to_list() == [f"MSOA{n}" for n in (1, 2, 3, 4, 7, 8)]
    assert geography.other_codes == {"MSOA0"}
    assert build("trust_2020", catchments, back).places["place_code"].to_list() == ["RJ7", "RX1"]
    assert build("ward_2011", older).other_codes == frozenset()


def test_geography_in_no_table_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown geography 'msoa_2001': no area is stored"):
        build("msoa_2001", AREAS)
    with pytest.raises(UnknownNameError, match="unknown geography 'lad_2023': no stored table has its codes"):
        build("lad_2023", AREAS)


def test_register_has_a_geography_where_it_has_any_of_its_areas() -> None:
    geography = geography_from_register(REGISTER, "lad_2023")
    assert geography and geography.places["place_code"].to_list() == ["E07000008", "E09000024", "W06000015"]
    assert geography.name == "lad_2023" and geography.other_codes == frozenset()
    assert geography_from_register(REGISTER, "ward_2023") is None
    assert geography_from_register(REGISTER, "lad_2008") is None


def test_kind_is_the_name_without_the_year() -> None:
    assert geography_kind("lad_2023") == "lad" and geography_kind("sub_icb_2022") == "sub_icb"
