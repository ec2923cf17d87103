"""Complete published hospital, testing and deprivation files, read by the declarations of the starter edition.

These tests are skipped where the published files are absent.
"""

import polars as pl
import pytest

from pipelines.declarations.project import Project
from tests.starter.test_published import cells, project, pytestmark

__all__ = ["project", "pytestmark"]

CAPACITY, COVID = "indicators/hospital_capacity", "indicators/covid_cases_testing"
DEPRIVATION, MEDICINES = "indicators/deprivation_health", "indicators/hospital_medicines"


def total(read: pl.DataFrame, measure: str) -> float:
    """Sum the figures of a measure over its places."""
    return float(read.filter(pl.col("fault").is_null(), pl.col("measure") == measure)["value"].sum())


def printed(read: pl.DataFrame, measure: str) -> list[str]:
    """Return the published totals of a measure."""
    return read.filter(pl.col("fault") == "total", pl.col("measure") == measure)["text"].to_list()


def test_critical_care_beds_of_trusts_sum_to_england(project: Project) -> None:
    read = cells(project, "nhse_msitrep", f"{CAPACITY}/MSitRep-January-2020-LGBH3.xls")
    for measure, england in (("open", "4123"), ("occupied", "3423")):
        name = f"adult_critical_care_beds_{measure}_thursday"
        assert printed(read, name) == [england]
        assert total(read, name) == float(england)


def test_overnight_beds_sum_to_england_with_the_period_above_the_headings(project: Project) -> None:
    read = cells(project, "nhse_kh03", f"{CAPACITY}/KH03-Beds-Open-Overnight-Q1-2020-21-revised-2020-11-19.xlsx")
    assert set(read.select(pl.concat_str("period_start", "period_end", separator=" ")).to_series()) == {
        "2020-04-01 2020-06-30"
    }
    name = "general_acute_beds_available_overnight"
    every = read.filter(pl.col("measure") == name, pl.col("fault").fill_null("none") != "total")
    assert every["value"].sum() == pytest.approx(float(printed(read, name)[0]), abs=1e-6)
    # Four care trusts in no stored list, and two trusts that merged in October 2020, are set aside by name.
    assert set(every.drop_nulls("fault")["place_code"]) >= {"TAD", "TAH", "RD3", "RDZ"}


def test_beds_before_the_mergers_sum_to_england(project: Project) -> None:
    read = cells(project, "nhse_kh03_2019", f"{CAPACITY}/KH03-Beds-Open-Overnight-Q3-2019-20.xlsx")
    name = "general_acute_beds_available_overnight_2019"
    every = read.filter(pl.col("measure") == name, pl.col("fault").fill_null("none") != "total")
    assert every["value"].sum() == pytest.approx(float(printed(read, name)[0]), abs=1e-6)


def test_day_listed_twice_in_a_winter_table_is_read_once(project: Project) -> None:
    read = cells(project, "nhse_winter_sitrep", f"{CAPACITY}/nhse_winter_sitrep_2020-21.csv.gz")
    beds = read.filter(pl.col("measure") == "adult_critical_care_beds_open")
    days = beds.filter(pl.col("fault").is_null())["period_start"]
    # 2 November to 4 April, every day, although the file spells some days in two ways.
    assert days.n_unique() == 154
    assert beds.filter(pl.col("fault") == "duplicate").height == 0


def test_england_total_of_each_winter_day_equals_all_trusts(project: Project) -> None:
    """A second row for England counts only trusts with a major emergency department: 1 to 3 % fewer beds."""
    read = cells(project, "nhse_winter_sitrep", f"{CAPACITY}/nhse_winter_sitrep_2020-21.csv.gz")
    key = ["measure", "period_start"]
    of_trusts = read.filter(pl.col("fault").is_null()).group_by(key).agg(pl.col("value").sum().alias("sum"))
    england = read.filter(pl.col("fault") == "total")
    assert england.height == england.select(key).n_unique() == 5 * 154
    apart = england.join(of_trusts, on=key).filter(pl.col("value") != pl.col("sum"))
    assert apart.height == 0


def test_ventilated_patients_are_read_for_trusts_only(project: Project) -> None:
    read = cells(project, "nhse_covid_ventilated", f"{CAPACITY}/nhse_covid_hospital_activity_trust_2020-11-19.csv.gz")
    assert read["place_code"].cast(pl.String).str.len_chars().unique().to_list() == [3]
    assert read.filter(pl.col("period_start") == pl.date(2020, 11, 17))["value"].sum() == 1_228


def test_returned_stock_remains_negative(project: Project) -> None:
    read = cells(project, "nhsbsa_covid_medicines", f"{MEDICINES}/scmd_covid_medicines_by_trust.csv")
    assert read["value"].min() == -20_400
    assert read.filter(pl.col("fault") == "implausible").height == 0


def test_pharmacy_under_its_old_code_belongs_to_the_merged_trust(project: Project) -> None:
    read = cells(project, "nhsbsa_covid_medicines", f"{MEDICINES}/scmd_covid_medicines_by_trust.csv")
    assert set(read["place_code"]).isdisjoint({"RA3", "RBA", "RC1", "RDD", "RQ8", "RW3"})
    assert {"RA7", "RH5", "RC9", "RAJ", "R0A"} <= set(read["place_code"])


def test_medicines_are_summed_in_milligrams_across_presentations(project: Project) -> None:
    read = cells(project, "nhsbsa_covid_medicines", f"{MEDICINES}/scmd_covid_medicines_by_trust.csv")
    every = read.filter(pl.col("measure") == "remdesivir_issued")["value"].sum()
    # 62,621 vials of 100 mg, 371,180 ml of 5 mg each, 16 vials of 150 mg.
    assert every == 62_621 * 100 + 371_180 * 5 + 16 * 150


@pytest.mark.parametrize(
    ("name", "file", "areas", "tenth"),
    [
        ("mhclg_small_areas_2019", "imd2019_england_lsoa11.csv.gz", 32_844, 3_284),
        ("mhclg_small_areas_2025", "imd2025_england_lsoa21.csv.gz", 33_755, 3_375),
        ("gov_wales_deprivation", "wimd2019_wales.ods", 1_909, 191),
        ("gov_scot_deprivation", "simd2020v2_ranks.xlsx", 6_976, 697),
        ("nisra_deprivation", "NIMDM17_SOAresults.xls", 890, 89),
    ],
)
def test_small_areas_of_the_most_deprived_tenth(project: Project, name: str, file: str, areas: int, tenth: int) -> None:
    read = cells(project, name, f"{DEPRIVATION}/{file}")
    sums = {measure: total(read, measure) for measure in read["measure"].unique()}
    assert {sum_ for measure, sum_ in sums.items() if measure.startswith("small_areas")} == {areas}
    assert {sum_ for measure, sum_ in sums.items() if "tenth_areas" in measure} == {tenth}


def test_age_under_one_does_not_suppress_life_expectancy(project: Project) -> None:
    read = cells(project, "ons_life_expectancy_pcon", f"{DEPRIVATION}/life_expectancy_pcon24_2022.csv")
    assert read.filter(pl.col("fault").is_null(), pl.col("value").is_not_null()).height == 650


def test_repeated_headings_are_counted_and_no_case_is_lost(project: Project) -> None:
    read = cells(project, "phe_dashboard_cases", f"{COVID}/dashboard_utla_cases_snapshot_2020-10-02.csv")
    assert read.filter(pl.col("fault").is_null())["place_code"].n_unique() == 182
    assert read.filter(pl.col("period_start") == pl.date(2020, 9, 1))["value"].sum() == 115_316


@pytest.mark.parametrize(
    ("day", "england", "councils"), [("2020-04-27", "112467", 107_566), ("2020-07-01", "160764", 154_171)]
)
def test_cases_in_councils_are_fewer_than_in_england(project: Project, day: str, england: str, councils: int) -> None:
    read = cells(project, "phe_cases", f"indicators/covid_cases_testing/phe_coronavirus_cases_latest_{day}.csv")
    newest = read.filter(pl.col("period_end") == read["period_end"].max())
    assert england in printed(newest, "cases_so_far_pillar_1")
    assert total(newest, "cases_so_far_pillar_1") == councils
