"""Small areas of the starter edition, compared with the published counts and lookups behind them.

The published files are not part of the project; these tests are skipped where the folder is absent.
"""

import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from pipelines.app.acquire import add_release
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.load import load_small_areas
from pipelines.geography.register import trace_changes
from pipelines.geography.small_areas import Areas

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHED = Path(os.environ.get("COMMONGROUND_PUBLISHED", ROOT.parent / "shared" / "data"))
published = pytest.mark.skipif(
    not (PUBLISHED / "geo" / "MANIFEST.csv").is_file(),
    reason=f"the published files are not at {PUBLISHED}; set COMMONGROUND_PUBLISHED to where they are",
)
MID_2020, CENSUS = "residents_mid_2020", "residents_census_2021"
GROUPS = ("all_ages", "age_0_4", "age_5_15", "age_16_64", "age_65_plus", "age_85_plus")
AGES = {"age_0_4": (0, 4), "age_5_15": (5, 15), "age_16_64": (16, 64), "age_65_plus": (65, 90), "age_85_plus": (85, 90)}


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


@pytest.fixture(scope="module")
def areas(project: Project) -> Areas:
    return load_small_areas(project)[-1]


@pytest.fixture(scope="module")
def table(areas: Areas) -> pl.DataFrame:
    return areas.table


def geo(file: str) -> pl.DataFrame:
    return pl.read_csv(PUBLISHED / "geo" / file, infer_schema=False)


def of(table: pl.DataFrame, nations: str) -> pl.DataFrame:
    return table.filter(pl.col("lad_2024").str.slice(0, 1).is_in(list(nations)))


def several(table: pl.DataFrame, inner: str, outer: str) -> dict[str, int]:
    """Count the outer places of each inner place that is in more than one."""
    counted = table.group_by(inner).agg(pl.col(outer).drop_nulls().n_unique().alias("places"))
    return dict(counted.filter(pl.col("places") > 1).select(inner, "places").iter_rows())


def by_age(read: pl.DataFrame, code: str) -> pl.DataFrame:
    """Sum published single years of age to the population groups of the starter edition, as whole numbers."""
    years = {int(name.removesuffix("+")): name for name in read.columns if name.removesuffix("+").isdigit()}
    sums = {name: pl.sum_horizontal(pl.col(years[age]).cast(pl.Int64) for age in range(a, b + 1))
            for name, (a, b) in AGES.items()}  # fmt: skip
    return read.select(pl.col(code).alias("code"), pl.sum_horizontal(pl.col(list(years.values())).cast(pl.Int64))
                       .alias("all_ages"), **sums)  # fmt: skip


def apart(table: pl.DataFrame, by: str, expected: pl.DataFrame, name: str, groups: tuple[str, ...]) -> pl.DataFrame:
    """Compare sums over areas with published figures: one row a code, the difference for each group."""
    sums = table.group_by(pl.col(by).alias("code")).agg(
        pl.col(f"{name}__{group}").sum().alias(group) for group in groups
    )
    both = sums.join(expected, on="code", how="full", suffix="_told", coalesce=True)
    assert both.height == sums.height == expected.height
    return both.select("code", *((pl.col(group) - pl.col(f"{group}_told")).alias(group) for group in groups))


def test_there_are_as_many_areas_as_combinations(table: pl.DataFrame) -> None:
    assert of(table, "EW").height == 36_630
    assert of(table, "EW").select("lsoa_2011", "lsoa_2021", "pcon_2024").is_unique().all()
    assert of(table, "S").height == of(table, "S")["lsoa_2011"].n_unique() == 6_976
    # Ten super output areas lie in two of the districts of today.
    assert (of(table, "N").height, of(table, "N")["lsoa_2011"].n_unique()) == (900, 890)
    assert len(several(of(table, "N"), "lsoa_2011", "lad_2024")) == 10


def test_residents_sum_to_the_published_totals(table: pl.DataFrame) -> None:
    assert of(table, "EW")[f"{MID_2020}__all_ages"].sum() == pytest.approx(59_719_724, abs=1e-6)
    assert of(table, "S")[f"{MID_2020}__all_ages"].sum() == 5_466_000
    assert of(table, "EW")[f"{CENSUS}__all_ages"].sum() == pytest.approx(59_597_114, abs=1e-6)


def test_missing_residents_are_unknown_and_not_zero(table: pl.DataFrame) -> None:
    weights = pl.col(f"^({MID_2020}|{CENSUS})__.*$")
    assert of(table, "N").select(weights.is_null().all()).row(0) == (True,) * 13
    assert of(table, "S").select(pl.col(f"^{CENSUS}__.*$").is_null().all()).row(0) == (True,) * 7
    assert of(table, "EW").select(weights.null_count()).row(0) == (0,) * 13


def test_groups_of_an_area_sum_to_all_its_residents(table: pl.DataFrame) -> None:
    whole = pl.sum_horizontal(f"{MID_2020}__{group}" for group in GROUPS[1:5])
    assert table.select((whole - pl.col(f"{MID_2020}__all_ages")).abs().max()).item() < 1e-9
    older = table.filter(pl.col(f"{MID_2020}__age_85_plus") > pl.col(f"{MID_2020}__age_65_plus") + 1e-9)
    assert older.is_empty()


def test_each_smaller_place_is_in_one_larger_place(table: pl.DataFrame) -> None:
    for inner, outers in {
        "lsoa_2011": ("msoa_2011", "sub_icb_2022", "icb_2022", "ccg_2021", "stp_2021", "ttwa_2011", "lad_2014"),
        "lsoa_2021": ("msoa_2021", "ward_2024"),
        "sub_icb_2022": ("icb_2022",),
        "lad_2024": ("health_board_2019", "pfa_2024", "fra_2024"),
        "lad_2021": ("lad_2024",),
    }.items():
        for outer in outers:
            assert several(table, inner, outer) == {}, (inner, outer)
    assert several(of(table, "EW"), "lsoa_2021", "lad_2021") == {}


@pytest.mark.parametrize(
    ("system", "nations", "codes"),
    [
        ("lsoa_2011", "EW", 34_753), ("lsoa_2021", "EW", 35_672), ("msoa_2011", "EW", 7_201),
        ("msoa_2021", "EW", 7_264), ("ward_2024", "EW", 7_536), ("lad_2021", "EW", 331), ("lad_2024", "EW", 318),
        ("lad_2024", "S", 32), ("lad_2024", "N", 11), ("lad_2014", "N", 26), ("sub_icb_2022", "E", 106),
        ("icb_2022", "E", 42),
        ("ccg_2021", "E", 106), ("stp_2021", "E", 42), ("ttwa_2011", "EWSN", 228), ("pcon_2024", "EW", 575),
        ("health_board_2019", "S", 14), ("health_board_2019", "W", 7), ("pfa_2024", "EW", 43), ("fra_2024", "EW", 47),
        ("pfa_2024", "SN", 2), ("fra_2024", "SN", 2),
    ],
)  # fmt: skip
def test_every_place_of_a_geography_is_present(table: pl.DataFrame, system: str, nations: str, codes: int) -> None:
    column = of(table, nations)[system]
    assert (column.null_count(), column.n_unique()) == (0, codes)


def test_13_districts_straddle_care_boards_and_north_yorkshire_is_in_three(
    table: pl.DataFrame,
) -> None:
    actual = several(table, "lad_2024", "icb_2022")
    assert len(actual) == 13
    assert {code: count for code, count in actual.items() if count > 2} == {"E06000065": 3}


def test_171_of_331_districts_straddle_travel_to_work_areas(table: pl.DataFrame) -> None:
    # St Albans is one more: since 2013 it has land, with a dozen residents, of an LSOA of Welwyn Hatfield.
    moved = pl.col("area_code") == "E01023964+E01035581"
    actual = several(of(table, "EW").filter(~moved), "lad_2021", "ttwa_2011")
    assert (len(actual), max(actual.values())) == (171, 9)
    assert set(several(of(table, "EW"), "lad_2021", "ttwa_2011")) - set(actual) == {"E07000240"}


def test_constituency_that_splits_an_lsoa_is_weighted_by_output_areas(table: pl.DataFrame) -> None:
    assert len(several(table, "lsoa_2021", "pcon_2024")) == 822


def test_gateshead_has_no_residents_in_northumberland(table: pl.DataFrame) -> None:
    # Census 2021 has 1,088 in the LSOA that gained land from Gateshead 024C; the whole LSOA had 1,140.
    parts = dict(table.filter(lsoa_2011="E01008187").select("lsoa_2021", f"{MID_2020}__all_ages").iter_rows())
    assert parts == {"E01035637": 0.0, "E01035624": 1558.0}


@published
def test_lsoa_changes_match_the_published_lookup(table: pl.DataFrame) -> None:
    kinds = geo("lookups/lsoa11_lsoa21_lad22_ew.csv.gz").select(
        pl.col("F_LSOA11CD").alias("lsoa_2011"), pl.col("LSOA21CD").alias("lsoa_2021"), "CHGIND"
    )
    pairs = of(table, "EW").select("lsoa_2011", "lsoa_2021").unique().join(kinds, on=["lsoa_2011", "lsoa_2021"])
    assert pairs.height == kinds.height == 35_795
    counted = pairs.group_by("CHGIND").agg(
        pl.len(), pl.col("lsoa_2011").n_unique().alias("old"), pl.col("lsoa_2021").n_unique().alias("new")
    )
    assert {row[0]: row[1:] for row in counted.iter_rows()} == {
        "U": (33_647, 33_647, 33_647), "S": (1_900, 861, 1_900), "M": (239, 239, 119), "X": (9, 6, 6),
    }  # fmt: skip


@published
def test_parts_of_an_lsoa_sum_to_its_published_figure(table: pl.DataFrame) -> None:
    result = by_age(geo("population/lsoa11_mid2020_syoa_ew.csv.gz"), "LSOA Code")
    off = apart(of(table, "EW"), "lsoa_2011", result, MID_2020, GROUPS)
    assert max(off.select(pl.col(GROUPS).abs().max()).row(0)) < 1e-9
    zones = by_age(geo("population/dz11_mid2020_syoa_scotland.csv.gz"), "DataZone")
    assert (
        apart(of(table, "S"), "lsoa_2011", zones, MID_2020, GROUPS).select(pl.col(GROUPS).abs().max()).row(0)
        == (0,) * 6
    )


@published
def test_parts_of_a_2021_lsoa_sum_to_its_census_residents(table: pl.DataFrame) -> None:
    long = geo("population/lsoa21_census2021_age6_ew.csv.gz").group_by(pl.col("lsoa21_code").alias("code"))
    result = long.agg(pl.col("usual_residents").cast(pl.Int64).sum().alias("all_ages"))
    off = apart(of(table, "EW"), "lsoa_2021", result, CENSUS, ("all_ages",))
    assert off["all_ages"].abs().max() < 1e-9


@published
def test_districts_of_2021_sum_to_their_published_figures_except_four(table: pl.DataFrame) -> None:
    """Four differ: since 2013 two LSOAs of 2011 are in two districts each, and the ONS counts each in one."""
    result = by_age(geo("population/lad21_mid2020_syoa_ew.csv.gz"), "Code")
    off = apart(of(table, "EW"), "lad_2021", result, MID_2020, GROUPS)
    actual = off.filter(pl.any_horizontal(pl.col(GROUPS).abs() > 1e-6)).sort("code")
    told_all = {code: round(value, 1) for code, value in actual.select("code", "all_ages").iter_rows()}
    assert told_all == {"E07000240": 11.7, "E07000241": -11.7, "E07000242": -137.0, "E07000243": 137.0}


@published
def test_lsoa_is_in_its_district_although_two_lookups_disagree(table: pl.DataFrame) -> None:
    wards = dict(geo("lookups/lsoa21_wd24_lad24_ew.csv.gz").select("LSOA21CD", "LAD24CD").iter_rows())
    gwynedd = dict(geo("lookups/lsoa11_lad21_ew.csv.gz").select("LSOA11CD", "LAD21CD").iter_rows())
    districts = table.select("lsoa_2011", "lsoa_2021", "lad_2021", "lad_2024").unique()
    by_ward = [row for row in of(districts, "EW").iter_rows() if wards[row[1]] != row[3]]
    assert by_ward == [("E01027305", "E01027305", "E06000062", "E06000062")]
    assert (wards["E01027305"], gwynedd["W01000060"]) == ("E07000177", "W06000023")
    assert districts.filter(lsoa_2011="W01000060")["lad_2021"].to_list() == ["W06000002"]


@published
def test_finer_weights_are_read_from_the_published_file(project: Project, tmp_path: Path) -> None:
    other = project._replace(home=tmp_path)
    file = PUBLISHED / "geo/lookups/oa21_lsoa21_msoa21_lad22_pcon24_population_gb.csv.gz"
    add_release(other, "ons_output_areas", file, date(2025, 1, 1), Console(quiet=True))
    finer = next(areas for areas in load_small_areas(other) if areas.source == "ons_output_areas")
    assert (finer.source, finer.table.height) == ("ons_output_areas", 235_243)
    assert finer.table["residents_census_2021__all_ages"].sum() == 59_597_747
    assert finer.table["residents_census_2022__all_ages"].sum() == 5_424_471
    assert finer.table.filter(pl.col("dz_2022").is_not_null())["lad_2022"].n_unique() == 32
    assert finer.table.select((pl.col("lsoa_2021").is_null() == pl.col("dz_2022").is_not_null()).all()).item()


def test_statistical_areas_contain_whole_districts_or_are_null(table: pl.DataFrame) -> None:
    assert several(table, "lad_2024", "itl2_2021") == several(table, "itl2_2021", "itl1_2021") == {}
    names = [name for name in table.columns if name.startswith(("nuts", "itl"))]
    assert {name: set(table.filter(pl.col(name).is_null())["lad_2021"]) for name in names} == {
        "itl1_2021": set(),
        "itl1_2025": set(),
        "itl2_2025": {"S12000021"},
        "itl3_2025": {"S12000021"},
        "itl2_2021": {"S12000021", "S12000035"},  # North Ayrshire; Argyll and Bute
        "nuts1_2018": set(),
        "nuts2_2018": {"S12000021", "S12000035"},
        "nuts3_2018": {"E06000058", "S12000017", "S12000021", "S12000035"},
    }
    assert table.filter(pl.col("nuts3_2018") == "UKN10")["nuts2_2018"].unique().to_list() == ["UKN0"]


@published
def test_statistical_areas_of_districts_match_the_published_lookup(table: pl.DataFrame) -> None:
    lookup = geo("lookups/lad23_itl2_2021_uk.csv").select("gss_code", "RGNCD").filter(pl.len().over("gss_code") == 1)
    stored = table.select("lad_2024", "itl2_2021").drop_nulls().unique()
    assert set(stored.iter_rows()) == set(lookup.iter_rows())


def test_every_area_has_a_2018_district_that_precedes_its_2021_district(project: Project, table: pl.DataFrame) -> None:
    places = load_places(project)
    pairs = table.select("lad_2018", "lad_2021").unique()
    assert (pairs["lad_2018"].null_count(), pairs["lad_2018"].n_unique()) == (0, 391)
    actual = trace_changes(places.changes, pairs["lad_2018"].unique().to_list(), set(table["lad_2021"]))
    assert {(old, actual[old].codes) for old in actual} == {(old, (new,)) for old, new in pairs.iter_rows()}


@published
def test_seven_northamptonshire_districts_have_their_published_residents(table: pl.DataFrame) -> None:
    people = pl.col("All Ages").str.replace_all(",", "").cast(pl.Int64)
    small = geo("population/lsoa11_mid2019_syoa_ew.csv.gz").select(pl.col("LSOA Code").alias("lsoa_2011"), people)
    merged = table.filter(pl.col("lad_2021").is_in(["E06000061", "E06000062"]))
    summed = merged.select("lsoa_2011", "lad_2018").unique().join(small, on="lsoa_2011", validate="1:1")
    result = dict(summed.group_by("lad_2018").agg(pl.col("All Ages").sum()).iter_rows())
    large = geo("population/lad20_mid2019_syoa_ew.csv.gz").filter(pl.col("Code").is_in(list(result)))
    assert len(result) == 7
    assert result == dict(large.select("Code", pl.col("All ages").cast(pl.Int64)).iter_rows())
