"""Newer and whole files of the starter edition: claimants by month and rough sleeping to 2025."""

from datetime import date

import polars as pl
import pytest

from pipelines.core.store import read_table, state_path
from pipelines.declarations.project import Project
from pipelines.gaps import answer_problem
from pipelines.observations import load_source_tables, scan_observations

NORTHERN_IRELAND = {f"N090000{n:02}" for n in range(1, 12)}
GREATER_MANCHESTER = {f"E080000{n:02}" for n in range(1, 11)}
LIKE_TRAFFORD = {"E06000006", "E06000007", "E06000004", "E06000015", "E06000020", "E06000025", "E06000030", "E06000031",
                 "E06000042", "E06000050", "E06000055", "E06000061", "E08000002", "E08000007", "E08000009",
                 "E08000029"}  # fmt: skip


def figures(project: Project, source: str) -> pl.DataFrame:
    """Return the newest figure of each place and month."""
    seen = scan_observations(project, source).filter(pl.col("value").is_not_null()).collect()
    return seen.sort("released_at").unique(["place_code", "period_start"], keep="last")


def months_of(figures: pl.DataFrame, places: set[str], first: date, last: date) -> set[int]:
    """Return the numbers of months in a span for which the places have figures."""
    own = figures.filter(pl.col("place_code").is_in(list(places)), pl.col("period_start").is_between(first, last))
    counted = own.group_by("place_code").len()
    assert set(counted["place_code"]) == places
    return set(counted["len"])


def test_every_northern_irish_district_has_every_month_from_2005_to_april_2025(edition: Project) -> None:
    monthly = figures(edition, "nisra_claimants_monthly")
    assert months_of(monthly, NORTHERN_IRELAND, date(2005, 1, 1), date(2025, 4, 1)) == {244}


@pytest.mark.parametrize(
    ("places", "first", "last", "months"),
    [
        (GREATER_MANCHESTER, date(2015, 1, 1), date(2017, 10, 1), 34),
        ({"E08000009"}, date(2013, 1, 1), date(2019, 4, 1), 76),
        (LIKE_TRAFFORD, date(2023, 3, 1), date(2026, 3, 1), 37),
    ],
    ids=["Greater Manchester", "Trafford", "districts like Trafford"],
)
def test_stored_districts_have_every_month(
    edition: Project, places: set[str], first: date, last: date, months: int
) -> None:
    assert months_of(figures(edition, "nomis_claimants"), places, first, last) == {months}


def test_claimants_of_april_2026_are_of_361_districts_and_sum_within_rounding(edition: Project) -> None:
    april = pl.col("period_start") == date(2026, 4, 1)
    districts = figures(edition, "nomis_claimants").filter(april)
    totals = load_source_tables(edition, "nomis_claimants").total.filter(april, pl.col("place_code") == "E92000001")
    english = districts.filter(pl.col("place_code").str.starts_with("E"))
    assert (districts.height, english["value"].sum(), totals["value"].to_list()) == (361, 1_498_200, [1_498_215])


@pytest.mark.parametrize(("year", "england"), [(2024, 4_667), (2025, 4_793)])
def test_rough_sleeping_of_2024_and_2025_sums_to_the_published_figures(
    edition: Project, year: int, england: int
) -> None:
    counted = figures(edition, "mhclg_rough_sleeping").filter(pl.col("period_start") == date(year, 1, 1))
    assert (counted.height, counted["value"].sum()) == (296, england)


@pytest.fixture(scope="module")
def by_month(edition: Project) -> pl.DataFrame:
    answer_problem(edition, "jobs_by_month")
    return read_table(state_path(edition.home, "cell", "jobs_by_month")).filter(pl.col("need") == "needed")


def known_months(cells: pl.DataFrame, places: set[str]) -> set[int]:
    """Return the numbers of months with a figure of the places."""
    own = cells.filter(pl.col("place_code").is_in(list(places)))
    return set(own.group_by("place_code").agg(pl.col("value").count())["value"])


def test_each_district_has_one_cell_a_month_and_northern_ireland_its_own_figures(by_month: pl.DataFrame) -> None:
    assert by_month.group_by("place_code").len()["len"].unique().to_list() == [160]
    # 148 months to April 2025, and April 2026.
    assert known_months(by_month, NORTHERN_IRELAND) == {149}
    assert known_months(by_month, {"E09000024"}) == {1}


def test_month_outside_the_stored_extracts_is_not_loaded(by_month: pl.DataFrame) -> None:
    assert by_month.filter(pl.col("value").is_null())["reason"].unique().to_list() == ["not_loaded"]
    merton = by_month.filter(pl.col("place_code") == "E09000024", pl.col("period_start") == date(2016, 5, 1))
    assert "is an extract with some of the publisher's places" in merton["evidence"][0]


def test_trusts_without_a_free_critical_care_bed_on_some_day_are_98_of_134(edition: Project) -> None:
    cells = answer_problem(edition, "ventilators_2020").filter(
        pl.col("measure") == "adult_critical_care_beds_free", pl.col("need") == "needed"
    )
    assert cells["period_start"].unique().sort().to_list() == [
        date(2020, 11, 1), date(2020, 12, 1), date(2021, 1, 1), date(2021, 2, 1),
    ]  # fmt: skip
    # The lowest of the known days bounds a month from above, also where too many days have no figure.
    lowest = cells.drop_nulls("upper_bound").group_by("place_code").agg(pl.col("upper_bound").min())
    assert (lowest.filter(pl.col("upper_bound") <= 0).height, lowest.height) == (98, 134)
    known = cells.drop_nulls("value")
    assert set(known["derivation"]) == {"aggregated_in_time"} and known.height > 500
    days = scan_observations(edition, "nhse_winter_sitrep").collect()
    days = days.filter(pl.col("measure") == "adult_critical_care_beds_free")
    of_days = days.filter(pl.col("period_end").is_between(date(2021, 1, 1), date(2021, 1, 31)))
    expected = (
        of_days.with_columns(pl.col("place_code").cast(pl.String)).group_by("place_code").agg(pl.col("value").min())
    )
    january = known.filter(pl.col("period_start") == date(2021, 1, 1)).select(
        "place_code", pl.col("value").alias("cell")
    )
    joined = january.join(expected, on="place_code")
    assert joined.height > 120 and joined.filter(pl.col("cell") != pl.col("value")).is_empty()


def test_beds_of_february_2020_are_those_of_its_last_day_and_say_so(edition: Project) -> None:
    cells = answer_problem(edition, "ventilators_2020").filter(
        pl.col("measure") == "adult_critical_care_beds_open_2020"
    )
    known = cells.drop_nulls("value")
    assert known["period_start"].unique().to_list() == [date(2020, 2, 1)]
    assert known.height == 123
    assert set(known.select("reference_start", "reference_end").rows()) == {(date(2020, 2, 29), date(2020, 2, 29))}
    days = scan_observations(edition, "nhse_winter_sitrep_2019").collect()
    leap_day = days.filter(pl.col("measure") == cells["measure"][0], pl.col("period_end") == date(2020, 2, 29))
    published = dict(leap_day.select(pl.col("place_code").cast(pl.String), "value").iter_rows())
    alone = known.filter(~pl.col("source_areas").str.contains(","))
    assert alone.height > 100
    assert {code: value for code, value in published.items() if code in set(alone["place_code"])} == dict(
        alone.select("place_code", "value").iter_rows()
    )


def test_beds_of_university_hospitals_dorset_are_those_of_the_two_trusts_that_merged(edition: Project) -> None:
    measure = "general_acute_beds_available_overnight"
    cells = answer_problem(edition, "ventilators_2020").filter(
        pl.col("measure") == measure, pl.col("place_code") == "R0D", pl.col("value").is_not_null()
    )
    # The list of trusts of 2020 has neither of the two codes, so their rows lie beside the observations.
    both = load_source_tables(edition, "nhse_kh03").total.filter(
        pl.col("measure") == measure, pl.col("place_code").is_in(["RD3", "RDZ"]), pl.col("role") == "retired_code"
    )
    assert sorted(both["value"].round(1).to_list()) == [491.6, 519.9]
    assert cells["period_start"].to_list() == [date(2020, month, 1) for month in (4, 5, 6)]
    assert cells["value"].round(1).unique().to_list() == [1011.5]
    assert set(cells["caveats"]) == {"coarser_period"} and set(cells["source_areas"]) == {"RD3,RDZ"}
