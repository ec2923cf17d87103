"""GP practices on the border of England and Wales: listed wherever a crosswalk has their NHS bodies."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.app.api import describe_crossings
from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.border_practices import UNKNOWN_CROSSINGS, describe_border_practices, list_border_practices
from pipelines.geography.crosswalk import PlaceData, build_crosswalk
from pipelines.geography.load import load_place_data, load_postcode_tables
from pipelines.geography.register import Places
from pipelines.geography.small_areas import Areas
from tests.starter.test_published import PUBLISHED, pytestmark

published = pytestmark
del pytestmark
ROOT = Path(__file__).resolve().parent.parent.parent
WYE_VALLEY, MARCHES = "W93019", "W91021"


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


@pytest.fixture(scope="module")
def place_data(project: Project) -> PlaceData:
    return load_place_data(project, load_places(project))


def test_border_practices_are_listed_with_their_bodies(project: Project, place_data: PlaceData) -> None:
    actual = list_border_practices(place_data.places, load_postcode_tables(project))
    assert actual.group_by("postcode_district", "nation").len().sort("postcode_district", "nation").rows() == [
        ("CH4", "England", 2), ("CH4", "Wales", 1), ("GL15", "England", 4), ("GL15", "Wales", 1),
    ]  # fmt: skip
    wye = actual.filter(pl.col("place_code") == WYE_VALLEY).row(0, named=True)
    assert (wye["body_name"], wye["same_nation_practices"], wye["other_nation_practices"]) == (
        "Aneurin Bevan University Health Board",
        1,
        4,
    )


@pytest.mark.parametrize(
    ("start", "end", "districts"),
    [
        ("lad_2021", "icb_2022", ["CH4", "GL15"]),
        ("sub_icb_2022", "icb_2022", ["CH4", "GL15"]),
        ("lad_2023", "health_board_2019", ["CH4", "GL15"]),
        ("lad_2021", "lad_2023", []),
        ("lad_2023", "pfa_2023", []),
    ],
)
def test_crosswalk_of_border_boards_lists_practices_and_the_unknown(
    project: Project, place_data: PlaceData, start: str, end: str, districts: list[str]
) -> None:
    lines = list(describe_crossings(project, place_data, build_crosswalk(place_data, start, end)))
    assert [line.partition(":")[0] for line in lines if line != UNKNOWN_CROSSINGS] == districts
    assert (UNKNOWN_CROSSINGS in lines) == bool(districts)
    assert (
        not districts or f"{WYE_VALLEY} Wye Valley Practice (Aneurin Bevan University Health Board, Wales)" in lines[1]
    )


def test_crosswalk_of_other_boards_lists_no_practices(project: Project, place_data: PlaceData) -> None:
    crosswalk = build_crosswalk(place_data, "lad_2021", "icb_2022").filter(
        pl.col("to_code") == "E54000027"
    )  # in London
    practices = list_border_practices(place_data.places, load_postcode_tables(project))
    assert list(describe_border_practices(practices, place_data.places, crosswalk)) == []


def register(*rows: tuple[str, str, str | None, str | None]) -> Places:
    """Make a register of codes with their kinds, what they lie in and their nations."""
    records = [{"place_code": code, "place_name": code, "kind": kind, "parent_code": up, "nation": nation,
             "valid_from": date(2009, 1, 1)} for code, kind, up, nation in rows]  # fmt: skip
    return Places(
        pl.DataFrame([*records], schema={name: record.dtype for name, record in PLACE_COLUMNS.items()}),
        empty_table(CODE_CHANGE_COLUMNS),
    )


def postcodes(**of: str | None) -> Areas:
    table = pl.DataFrame(
        {"area_code": list(of), "postcode_2022": list(of.values())}, schema_overrides={"postcode_2022": pl.String}
    )
    return Areas("postcodes", date(2022, 6, 30), "", ("postcode_2022",), frozenset(), (), table)


def test_practices_without_a_border_postcode_or_known_nation_are_excluded() -> None:
    places = register(
        ("E38000001", "sub_icb", None, "England"), ("W11000001", "health_board", None, "Wales"),
        *((code, "border_practice", "E38000001", "England") for code in ("E1", "E2", "E3", "E4")),
        ("W1", "border_practice", "W11000001", "Wales"), ("N1", "border_practice", None, None),
    )  # fmt: skip
    table = postcodes(E1="CH40NR", E2="CH14AB", E3="CH4 1AA", E4=None, W1="CH42ZZ", N1="CH14AB", X9="CH49ZZ")
    actual = list_border_practices(places, [table])
    assert actual.select("place_code", "postcode_district", "same_nation_practices",
                        "other_nation_practices").rows() == [
        ("E1", "CH4", 2, 1), ("E3", "CH4", 2, 1), ("W1", "CH4", 1, 2),
    ]  # fmt: skip


def test_no_practices_are_listed_without_postcodes(place_data: PlaceData) -> None:
    assert list_border_practices(place_data.places, []).is_empty()


@published
def test_published_list_has_no_further_border_districts() -> None:
    cells = pl.read_csv(PUBLISHED / "geo/nhs/ods_epraccur_2022_noheader.csv.gz", has_header=False, infer_schema=False)
    code, postcode, status, body, setting = (cells.columns[n] for n in (0, 9, 12, 14, 25))
    active = cells.filter(pl.col(status) == "A", pl.col(setting) == "4", pl.col(postcode).is_not_null())
    welsh, district = pl.col(body).str.starts_with("7A"), pl.col(postcode).str.extract(r"^(\S+) ")
    assert active.height == 6_925
    # The code of every practice belongs to the nation of its body.
    assert active.filter(pl.col(code).str.starts_with("W") != welsh).is_empty()
    both = active.group_by(district.alias("at")).agg(welsh.any().alias("wales"), (~welsh).any().alias("england"))
    assert sorted(both.filter("wales", "england")["at"]) == ["CH4", "GL15"]
