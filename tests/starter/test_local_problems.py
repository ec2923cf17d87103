"""Problems of housing, crime, carbon, food and town centres, answered from the starter edition."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.app.gap_list import list_gaps
from pipelines.core.store import read_table, state_path
from pipelines.declarations.project import Project
from pipelines.observations.providers import load_providers

ROOT = Path(__file__).resolve().parent.parent.parent


def cells(starter: Project, problem: str, measure: str, year: int | None = None) -> pl.DataFrame:
    """Return the cells of one measure, for one year or the latest."""
    actual = read_table(state_path(starter.home, "cell", problem)).filter(pl.col("measure") == measure)
    return actual.filter(pl.col("period_start").dt.year() == year) if year else actual


def one(starter: Project, problem: str, measure: str, place: str, year: int | None = None) -> dict[str, object]:
    return cells(starter, problem, measure, year).filter(pl.col("place_code") == place).row(0, named=True)


MANCHESTER_CENTRAL = "E14001352"
CUMBERLAND, BRENT, LEEDS, BIRMINGHAM = "E06000063", "E09000005", "E08000035", "E08000025"


def test_rough_sleeping_in_districts_sums_to_the_england_figure(starter: Project) -> None:
    for year, england in ((2019, 4_266), (2022, 3_069), (2024, 4_667), (2025, 4_793)):
        actual = cells(starter, "rough_sleeping", "people_sleeping_rough", year)
        assert actual.filter(pl.col("value").is_null(), pl.col("nation") == "England").is_empty()
        assert actual["value"].sum() == england


def test_method_of_rough_sleeping_counts_is_known_only_where_all_merged_councils_had_none(starter: Project) -> None:
    cell = one(starter, "rough_sleeping", "rough_sleeping_counted", CUMBERLAND, 2022)
    assert (cell["value"], cell["reason"], cell["source_areas"]) == (0.0, None, "E07000026,E07000028,E07000029")
    # One of the four councils of Somerset counted in 2021, so there is no answer for all of them.
    cell = one(starter, "rough_sleeping", "rough_sleeping_counted", "E06000066", 2021)
    assert (cell["value"], cell["reason"]) == (None, "needs_parts")


def test_year_without_a_stored_snapshot_is_not_loaded_and_not_zero(starter: Project) -> None:
    actual = cells(starter, "rough_sleeping", "people_sleeping_rough", 2023)
    assert actual["value"].drop_nulls().len() == 0
    assert set(actual["reason"]) == {"not_loaded"}


def test_council_without_a_homelessness_return_is_a_gap(starter: Project) -> None:
    for measure in ("households_owed_homelessness_duty", "households_in_temporary_accommodation"):
        assert one(starter, "homelessness", measure, BRENT)["reason"] == "not_available"
        assert cells(starter, "homelessness", measure).filter(pl.col("reason") == "not_available").height == 20


def test_reoffending_is_a_gap_in_every_police_force_area_until_it_is_refreshed(starter: Project) -> None:
    actual = read_table(state_path(starter.home, "cell", "reoffending"))
    assert actual["value"].drop_nulls().len() == 0
    assert actual["place_code"].n_unique() == 43
    counted = actual.filter(pl.col("measure") == "offenders_in_cohort")
    assert set(counted["reason"]) == {"not_loaded"}
    assert set(counted["remedy"]) == {"Run `commonground refresh moj_reoffending`."}
    assert actual["data_owner"].null_count() == actual["remedy"].null_count() == 0


def test_emissions_in_cumberland_are_the_sum_of_its_three_districts(starter: Project) -> None:
    assert one(starter, "carbon", "co2_emissions", CUMBERLAND, 2020)["value"] == pytest.approx(1293.4, abs=0.05)
    assert one(starter, "carbon", "co2_emissions", CUMBERLAND, 2021)["reason"] == "late"


def test_old_figure_of_one_town_is_not_used_for_another(starter: Project) -> None:
    assert one(starter, "town_centres", "town_centre_footfall", LEEDS)["reason"] == "stale"
    elsewhere = one(starter, "town_centres", "town_centre_footfall", BIRMINGHAM)
    assert (elsewhere["reason"], elsewhere["other_reasons"]) == ("outside_source", None)
    assert "Leeds" not in f"{elsewhere['data_owner']} {elsewhere['remedy']}"


def test_volunteers_are_not_collected(starter: Project) -> None:
    assert set(cells(starter, "food_and_volunteers", "volunteers_registered")["reason"]) == {"not_collected"}


def test_decision_of_2020_uses_the_list_of_2020(starter: Project) -> None:
    shielded = cells(starter, "food_and_volunteers", "shielded_patients")
    assert shielded["value"].count() == shielded.height == 10
    assert shielded["reference_end"].unique().to_list() == [date(2020, 5, 15)]


def test_constituency_without_police_returns_is_a_gap_and_not_a_low_count(starter: Project) -> None:
    result = [
        one(starter, "crime_constituencies", "recorded_crimes", MANCHESTER_CENTRAL, year) for year in (2018, 2019)
    ]
    assert [cell["value"] for cell in result] == [47_009, None]
    assert result[1]["reason"] == "dropped"
    after = cells(starter, "crime_constituencies", "recorded_crimes").filter(
        pl.col("place_code") == MANCHESTER_CENTRAL, pl.col("period_start") >= date(2020, 1, 1)
    )
    assert (after.height, set(after["reason"]), after["value"].null_count()) == (5, {"near_zero_leak"}, 5)


def test_crime_in_scotland_is_a_gap_and_not_the_railway_police_count(starter: Project) -> None:
    actual = cells(starter, "crime_constituencies", "recorded_crimes", 2023)
    assert set(actual.filter(pl.col("nation") == "Scotland")["reason"]) == {"nation_not_covered"}
    northern_irish = actual.filter(pl.col("nation") == "Northern Ireland")
    assert set(northern_irish["reason"]) == {"dropped"}


def test_force_without_returns_has_homicides_but_no_recorded_crimes(starter: Project) -> None:
    manchester = "E23000005"
    assert one(starter, "crime", "recorded_crimes", manchester)["value"] is None
    assert one(starter, "crime", "homicide_rate", manchester)["value"] == pytest.approx(10.0036, abs=1e-4)


def test_rate_over_half_of_its_residents_is_a_gap(starter: Project) -> None:
    """South Yorkshire's homicides were divided by the residents of two of its four districts, as two had new codes."""
    cell = one(starter, "crime", "homicide_rate", "E23000011")
    assert (cell["value"], cell["reason"]) == (None, "dropped")
    assert "two of four districts" in cell["evidence"]
    known = cells(starter, "crime", "homicide_rate")["value"].drop_nulls()
    assert known.max() < 28.9


def test_each_nation_is_answered_by_its_own_index(starter: Project) -> None:
    view = read_table(state_path(starter.home, "view", "health_inequalities"))
    name = "small_areas_in_most_deprived_tenth_of_nation"
    known = view.filter(pl.col(name).is_not_null()).select("nation", f"{name}_measure").unique()
    assert dict(known.rows()) == {
        "England": "deprived_tenth_areas_2025", "Wales": "deprived_tenth_areas_wales",
        "Scotland": "deprived_tenth_areas_scotland", "Northern Ireland": "deprived_tenth_areas_northern_ireland",
    }  # fmt: skip


def test_proxy_is_in_no_column_of_another_measure_and_its_gap_is_open(starter: Project) -> None:
    view = read_table(state_path(starter.home, "view", "crime"))
    assert view["police_recorded_crimes"].null_count() == view.height == 43
    assert view["police_recorded_crimes_status"].unique().to_list() == ["not_loaded"]
    proxied = cells(starter, "crime", "police_recorded_crimes").drop_nulls("value")
    assert proxied.height == 41 and proxied["proxy_measure"].unique().to_list() == ["recorded_crimes"]
    open_gaps = list_gaps(starter.home, ["crime"], None).filter(pl.col("measure") == "police_recorded_crimes")
    assert open_gaps.height == 43 and open_gaps["reason"].unique().to_list() == ["not_loaded"]


@pytest.mark.parametrize(
    ("measure", "year", "force", "least"),
    [
        ("recorded_crimes", 2023, "Devon & Cornwall", 18),
        ("recorded_crimes", 2021, "West Midlands", 26),
        ("recorded_anti_social_behaviour", 2018, "Hampshire", 18),
    ],
)
def test_constituencies_of_a_force_that_sent_too_little_have_the_doubt(
    starter: Project, measure: str, year: int, force: str, least: int
) -> None:
    year_cells = cells(starter, "crime_constituencies", measure, year)
    providers = load_providers(starter, "pcon_2024", "pfa_2023")
    own = year_cells.join(providers.filter(pl.col("name") == force), on="place_code", how="semi")
    assert own.height >= least
    marked = pl.col("caveats").fill_null("").str.contains("provider_shortfall")
    # A figure that is withheld on its own has its reason.
    assert own.filter(~marked, pl.col("value").is_not_null()).is_empty()
    assert own.filter(marked).height >= 0.75 * own.height
    assert own.filter(marked)["evidence"].str.contains(f"{force}: ", literal=True).all()
    elsewhere = year_cells.filter(marked).join(own, on="place_code", how="anti")
    assert not elsewhere["evidence"].str.contains(f"{force}: ", literal=True).any()
