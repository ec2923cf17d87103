"""Crosswalks as tables: every area has a row, weights sum to 1, and authorities are listed."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.core.errors import CommongroundError, CrosswalkError, UnknownNameError
from pipelines.core.schema import CODE_CHANGE_COLUMNS, table_from_records
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.crosswalk import CROSSWALK, PlaceData, build_crosswalk
from pipelines.geography.load import load_place_data
from pipelines.geography.register import Places, require_places
from pipelines.outputs.crosswalk_file import write_crosswalk
from tests.breadth import cases

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def places(edition: Project) -> Places:
    return load_places(edition)


@pytest.mark.parametrize("year", range(2011, 2023))
def test_every_district_has_one_district_of_2023_with_weight_one(places: Places, year: int) -> None:
    table = build_crosswalk(PlaceData(places), f"lad_{year}", "lad_2023")
    codes = require_places(places.register, f"lad_{year}")["place_code"].to_list()
    # The 26 districts of Northern Ireland ended in 2015; five were split among today's districts.
    whole = table.filter(pl.col("kind") != "split")
    assert table["from_code"].unique().sort().to_list() == codes
    assert whole["weight"].to_list() == [1.0] * (len(codes) - (5 if year < 2015 else 0))
    assert whole["from_code"].is_unique().all()
    assert set(table["to_code"]) <= set(require_places(places.register, "lad_2023")["place_code"])


@pytest.fixture(scope="module")
def place_data(edition: Project) -> PlaceData:
    return load_place_data(edition, load_places(edition))


@pytest.mark.parametrize("year", cases([2014, 2019, 2025], wide=[2011, 2015, 2018, 2020, 2021, 2022]))
def test_districts_of_2023_are_apportioned_to_earlier_years_by_residents(place_data: PlaceData, year: int) -> None:
    table = build_crosswalk(place_data, "lad_2023", f"lad_{year}")
    summed = table.drop_nulls("from_code").group_by("from_code").agg(pl.col("weight").sum(), pl.col("kind").first())
    # For Northern Ireland's 11 districts, residents are unknown by the areas of its 26 former districts.
    cut = table.filter(pl.col("kind") == "split")["from_code"].unique().sort()
    assert cut.len() == (11 if year < 2015 else 0) and all(code.startswith("N") for code in cut)
    whole = summed.filter(pl.col("kind") != "split")
    assert whole.height + cut.len() == 361
    assert (whole["weight"] - 1).abs().max() < 1e-12
    assert "lost" not in set(table["kind"])
    # Every district of that year has a row.
    assert set(table["to_code"]) >= set(require_places(place_data.places.register, f"lad_{year}")["place_code"])


def test_residents_of_all_areas_are_given_where_some_are_apportioned(place_data: PlaceData) -> None:
    """The interval depends on all areas of a geography, not on the apportioned ones only."""
    back = build_crosswalk(place_data, "lad_2024", "lad_2018", "all_ages", date(2020, 6, 30))
    assert set(back.filter(pl.col("weight_population").is_null())["from_code"].str.head(1)) == {
        "N"
    }  # not in the set of mid-2020
    assert back["weight_population"].sum() == pytest.approx(65_185_724)
    assert build_crosswalk(place_data, "lad_2021", "lad_2023")["weight_population"].null_count() == 374


def test_authorities_of_code_changes_are_listed(places: Places) -> None:
    table = build_crosswalk(PlaceData(places), "lad_2016", "lad_2023")
    allerdale = table.filter(pl.col("from_code") == "E07000026").row(0, named=True)
    assert (allerdale["to_name"], allerdale["kind"]) == ("Cumberland", "merged")
    assert allerdale["authority"] == "The Cumbria (Structural Changes) Order 2022"
    # Taunton Deane merged twice: into Somerset West and Taunton, then into Somerset.
    taunton = table.filter(pl.col("from_code") == "E07000190").row(0, named=True)
    assert taunton["to_name"] == "Somerset"
    assert taunton["authority"].count("Order") == 2
    merton = table.filter(pl.col("from_code") == "E09000024").row(0, named=True)
    assert (merton["kind"], merton["authority"]) == ("observed", None)


def test_districts_are_nested_in_regions(places: Places) -> None:
    table = build_crosswalk(PlaceData(places), "lad_2023", "region_2023")
    kinds = dict(table["kind"].value_counts().iter_rows())
    # Wales, Scotland and Northern Ireland have no regions: their 65 districts are rows of kind lost.
    assert kinds == {"aggregated": 296, "lost": 65}


def test_split_area_has_no_weights(places: Places) -> None:
    split = table_from_records(
        [
            {
                "from_code": "E07000026",
                "to_code": code,
                "kind": "split",
                "changed_on": date(2022, 1, 1),
                "authority": "o",
            }
            for code in ("E06000063", "E06000064")
        ],
        CODE_CHANGE_COLUMNS,
    )
    others = places.changes.filter(pl.col("from_code") != "E07000026")
    table = build_crosswalk(PlaceData(places._replace(changes=pl.concat([others, split]))), "lad_2019", "lad_2023")
    legs = table.filter(pl.col("from_code") == "E07000026")
    assert legs.select("to_code", "kind", "weight").rows() == [
        ("E06000063", "split", None),
        ("E06000064", "split", None),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lad_2023", "pfa_2023"),
        ("lad_2023", "lad_1066"),
        ("ttwa_2011", "csp_1990"),
        ("lad_2023", "icb_2020x"),
        ("lad", "lad_2023"),
        ("lad_2023", "lad_0000"),
    ],
)
def test_unlinked_geographies_are_refused(places: Places, one: str, other: str) -> None:
    with pytest.raises(UnknownNameError, match=r"no stored table|unknown geography"):
        build_crosswalk(PlaceData(places), one, other)


def test_crosswalk_file_format_follows_its_suffix(places: Places, tmp_path: Path) -> None:
    table = build_crosswalk(PlaceData(places), "lad_2019", "lad_2023")
    write_crosswalk(table, tmp_path / "x.parquet")
    assert pl.read_parquet(tmp_path / "x.parquet").equals(table)
    write_crosswalk(table, tmp_path / "x.csv")
    assert pl.read_csv(tmp_path / "x.csv").columns == list(CROSSWALK)
    with pytest.raises(CommongroundError, match=r"expected \.csv or \.parquet"):
        write_crosswalk(table, tmp_path / "x.xls")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_crosswalk_with_lost_residents_is_not_written(places: Places, tmp_path: Path, ending: str) -> None:
    table = build_crosswalk(PlaceData(places), "lad_2019", "lad_2023").with_columns(pl.col("weight") * 0.5)
    with pytest.raises(CrosswalkError, match="do not add to 1"):
        write_crosswalk(table, tmp_path / f"x.{ending}")
    assert not list(tmp_path.iterdir())
