"""Figures in files of the documented layout, as the publishers' roads bring them; the figures are made up."""

import io
import json
import zipfile
from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.declarations.project import Project
from pipelines.fetch.apis import plan_arcgis, plan_nomis
from pipelines.fetch.stat_xplore import plan_stat_xplore
from pipelines.geography.access import load_places
from pipelines.geography.crosswalk import PlaceData, build_crosswalk
from tests import workbooks
from tests.fetch.test_answers import MEMBERS, ROOT, assemble, cube, figures, project, stat_xplore_of
from tests.fetch.test_shipped_roads import NOMIS_ABOUT

__all__ = ["project"]
DECILE = "Decile (where 1 is most deprived 10% of LSOAs)"
APS = b"DATE_NAME,GEOGRAPHY_CODE,GEOGRAPHY_NAME,VARIABLE_NAME,MEASURES_NAME,OBS_VALUE,OBS_STATUS_NAME,RECORD_COUNT\n"


def csv(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def pack(member: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(member, content)
    return stream.getvalue()


def jsonstat(statistics: list[str], time: str, periods: list[str], geography: str, places: list[str]) -> bytes:
    """Return a table of the service of Northern Ireland, with the values 1, 2, 3 and so on."""
    sizes = [len(statistics), len(periods), len(places)]
    axes = zip(("STATISTIC", time, geography), (statistics, periods, places), strict=True)
    return json.dumps(
        {
            "class": "dataset",
            "version": "2.0",
            "id": ["STATISTIC", time, geography],
            "size": sizes,
            "dimension": {name: {"category": {"index": codes, "label": {c: c for c in codes}}} for name, codes in axes},
            "value": list(range(1, sizes[0] * sizes[1] * sizes[2] + 1)),
        }
    ).encode()


def ods(sheets: dict[str, list[list[object]]]) -> bytes:
    texts = {name: [[str(cell) for cell in row] for row in rows] for name, rows in sheets.items()}
    return workbooks.ods(texts)


def nomis(project: Project, name: str, *lines: str) -> bytes:
    fetch = project.catalogue.sources[name].fetch
    assert fetch and fetch.nomis
    return assemble(plan_nomis(fetch.nomis), NOMIS_ABOUT, csv(*lines))


FILES: dict[str, tuple[str, bytes, list[tuple[str, str, date, float | None]]]] = {
    "mhclg_small_areas_2019": (
        "File_7.csv",
        csv(
            f"LSOA code (2011),Index of Multiple Deprivation (IMD) {DECILE},Health Deprivation and Disability {DECILE}",
            "E01000001,9,10",
        ),
        [
            ("E01000001", "small_areas_2019", date(2019, 1, 1), 1.0),
            ("E01000001", "deprived_tenth_areas_2019", date(2019, 1, 1), 0.0),
            ("E01000001", "health_deprived_tenth_areas_2019", date(2019, 1, 1), 0.0),
        ],
    ),
    "mhclg_small_areas_2025": (
        "File_7.csv",
        csv(
            f"LSOA code (2021),Index of Multiple Deprivation (IMD) {DECILE},Health Deprivation and Disability {DECILE}",
            "E01000001,1,1",
        ),
        [
            ("E01000001", "small_areas_2025", date(2025, 1, 1), 1.0),
            ("E01000001", "deprived_tenth_areas_2025", date(2025, 1, 1), 1.0),
            ("E01000001", "health_deprived_tenth_areas_2025", date(2025, 1, 1), 1.0),
        ],
    ),
    "phs_beds": (
        "beds.csv",
        csv(
            "Quarter,HB,Location,SpecialtyName,AverageAvailableStaffedBeds,AverageOccupiedBeds,PercentageOccupancy",
            "2026Q2,S08000015,S08000015,All Specialties,1210.5,1100.25,91",
            "2026Q2,S08000015,A111H,All Specialties,600,500,83",
            "2026Q2,S92000003,S92000003,All Specialties,20000,18000,90",
        ),
        [
            ("S08000015", "staffed_beds_available_scotland", date(2026, 4, 1), 1210.5),
            ("S08000015", "staffed_beds_occupied_scotland", date(2026, 4, 1), 1100.25),
        ],
    ),
    "ons_vacancies_uk": (
        "series.csv",
        csv(
            '"Title","UK Vacancies (thousands) - Total"', '"CDID","AP2Y"', '"Release date","17-11-2026"',
            '"2025","730"', '"2026 Q2","710"', '"2026 Q3","705"', '"2026 SEP","706"',
        ),
        [
            ("K02000001", "vacancies_uk", date(2026, 4, 1), 710_000.0),
            ("K02000001", "vacancies_uk", date(2026, 7, 1), 705_000.0),
        ],
    ),
    "nisra_drug_deaths": (
        "table.json",
        jsonstat(["DRDCOUNT", "MISUSECOUNT"], "TLIST(A1)", ["2024"], "LGD2014", ["N92000002", "N09000003"]),
        [
            ("N09000003", "drug_related_deaths_ni", date(2024, 1, 1), 2.0),
            ("N09000003", "drug_misuse_deaths_ni", date(2024, 1, 1), 4.0),
        ],
    ),
    "nisra_claimants_soa": (
        "table.json",
        jsonstat(["CCN", "CCP"], "TLIST(M1)", ["2026M09"], "SOA", ["95AA01S1"]),
        [("95AA01S1", "claimants_ni_soa_month", date(2026, 9, 1), 1.0)],
    ),
    "phs_delayed_discharges": (
        "2026-09_delayed-discharge-beddays-council-area.csv",
        csv(
            "MonthOfDelay,CA,AgeGroup,ReasonForDelay,NumberOfDelayedBedDays,AverageDailyNumberOfDelayedBeds",
            "202608,S12000033,All (18plus),All Delay Reasons,1500,48",
            "202608,S12000033,75plus,All Delay Reasons,900,29",
            "202608,S12000033,All (18plus),Code 9,100,3",
        ),
        [("S12000033", "delayed_discharge_bed_days", date(2026, 8, 1), 1500.0)],
    ),
    "nhse_ae_attendances": (
        "October-2026-CSV-x1.csv",
        csv(
            "Period,Org Code,Parent Org,Org name,A&E attendances Type 1,A&E attendances Type 2,"
            "A&E attendances Other A&E Department,Attendances over 4hrs Type 1,Attendances over 4hrs Type 2,"
            "Attendances over 4hrs Other Department",
            "MSitAE-OCTOBER-2026,RM3,NHS ENGLAND NORTH WEST,NORTHERN CARE ALLIANCE,20000,100,5000,9000,10,50",
            "TOTAL,TOTAL,TOTAL,TOTAL,1400000,40000,800000,600000,1000,30000",
        ),
        [
            ("RM3", "ae_attendances_type_1", date(2026, 10, 1), 20_000.0),
            ("RM3", "ae_attendances_type_2", date(2026, 10, 1), 100.0),
            ("RM3", "ae_attendances_type_3", date(2026, 10, 1), 5_000.0),
            ("RM3", "ae_attendances_type_1_over_4_hours", date(2026, 10, 1), 9_000.0),
        ],
    ),
    "nhs_patients_by_area": (
        "gp-reg-pat-prac-lsoa-male-female-October-26.zip",
        pack(
            "gp-reg-pat-prac-lsoa-all.csv",
            csv(
                "PUBLICATION,EXTRACT_DATE,PRACTICE_CODE,PRACTICE_NAME,LSOA_CODE,SEX,NUMBER_OF_PATIENTS",
                "GP_PRAC,01OCT2026,A81001,ONE,E01000001,ALL,40", "GP_PRAC,01OCT2026,A81002,TWO,E01000001,ALL,5",
                "GP_PRAC,01OCT2026,A81002,TWO,W01000001,ALL,3", "GP_PRAC,01OCT2026,A81002,TWO,NO2011,ALL,2",
            ),
        ),
        [("E01000001", "gp_patients", date(2026, 10, 1), 45.0)],
    ),
    "ofcom_premises": (
        "202601_fixed_broadband_coverage.zip",
        pack(
            "202601_fixed_laua_coverage_r1/202601_fixed_laua_coverage_r1.csv",
            csv(
                "laua,laua_name,All Premises,Number of premises with Full Fibre availability",
                "E08000009,Trafford,110000,90000",
            ),
        ),
        [("E08000009", "premises", date(2026, 1, 1), 110_000.0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_figures_of_a_publishers_file_are_read(project: Project, name: str) -> None:
    file, content, expected = FILES[name]
    assert sorted(row[:4] for row in figures(project, name, content, file)) == sorted(expected)


def test_rough_sleeping_is_read_from_the_layout_of_2025(project: Project) -> None:
    rows: list[list[object]] = [
        ["Table 1: Estimated number of people sleeping rough, by local authority district and region, 2010 - 2025"],
        ["This worksheet contains one table. [x] = Not Available. [z] = Not Applicable."],
        ["Local Authority Code", "Local Authority Name", "Region Code", "Region Name", 2024, 2025],
        ["[z]", "[z]", "E92000001", "England", 13, 16],
        ["[z]", "[z]", "[z]", "Rest of England", 13, 16],
        ["[z]", "[z]", "E12000003", "Yorkshire and The Humber", 13, 16],
        ["E08000038", "Barnsley", "E12000003", "Yorkshire and The Humber", 6, "[x]"],
        ["E08000039", "Sheffield", "E12000003", "Yorkshire and The Humber", 7, 9],
    ]
    content = ods({"Contents": [["Table of contents"]], "Table_1_Total": rows})
    read = figures(project, "mhclg_rough_sleeping", content, "Rough_sleeping_snapshot_in_England__autumn_2025.ods")
    assert sorted((row[0], row[2].year, *row[3:]) for row in read) == [
        ("E08000038", 2024, 6.0, "normal"),
        ("E08000038", 2025, None, "not_available"),
        ("E08000039", 2024, 7.0, "normal"),
        ("E08000039", 2025, 9.0, "normal"),
    ]


def test_ranks_of_small_areas_of_wales_are_read_from_the_publishers_ods(project: Project) -> None:
    rows: list[list[object]] = [
        ["Welsh Index of Multiple Deprivation 2019"],
        ["Ranks: 1 is the most deprived"],
        ["LSOA code", "LSOA name (Eng)", "Local Authority name (Eng)", "WIMD 2019", "Income", "Employment", "Health"],
        ["W01000003", "Llanfair", "Isle of Anglesey", 150, 300, 300, 800],
    ]
    read = figures(project, "gov_wales_deprivation", ods({"WIMD_2019_ranks": rows}), "ranks.ods")
    assert {row[1]: row[3] for row in read} == {
        "small_areas_wales": 1.0, "deprived_tenth_areas_wales": 1.0, "health_deprived_tenth_areas_wales": 0.0,
    }  # fmt: skip


def test_employments_eligible_for_furlough_are_read_from_the_sheet_of_councils(project: Project) -> None:
    code, label = "County and district / unitary authority Codes", "County and district / unitary authority"
    rows: list[list[object]] = [
        ["Table 5"],
        [code, label, "Employments furloughed", "Eligible employments", "Take-up rate"],
        ["E92000001", "England", 8_000_000, 25_000_000, 0.32],
        ["E08000009", "Trafford", 33_000, 106_000, 0.31],
        ["E06000052, E06000053", "Cornwall and Isles of Scilly", 83_400, 232_000, 0.36],
        [""],
        ["Notes"],
    ]
    read = figures(project, "hmrc_furlough_eligible", ods({"5. Local Authority": rows}), "CJRS.xlsx")
    shared, first = "E06000052+E06000053", date(2020, 3, 1)
    assert {row[0]: row[2:4] for row in read} == {"E08000009": (first, 106_000.0), shared: (first, 232_000.0)}


def test_economically_active_residents_are_the_denominator_of_the_unemployment_rate(project: Project) -> None:
    rate = "Unemployment rate - aged 16+"
    content = nomis(
        project, "ons_economically_active", APS.decode().strip(),
        f"Jul 2025-Jun 2026,E08000009,Trafford,{rate},Variable,3.4,Normal Value,2",
        f"Jul 2025-Jun 2026,E08000009,Trafford,{rate},Denominator,121000,Normal Value,2",
    )  # fmt: skip
    assert [row[:4] for row in figures(project, "ons_economically_active", content)] == [
        ("E08000009", "economically_active", date(2025, 7, 1), 121_000.0)
    ]


def test_modelled_unemployment_is_read_from_a_nomis_answer(project: Project) -> None:
    content = nomis(
        project, "nomis_modelled_unemployment",
        "DATE_NAME,GEOGRAPHY_CODE,GEOGRAPHY_NAME,ITEM_NAME,OBS_VALUE,RECORD_COUNT",
        "Apr 2025-Mar 2026,E08000009,Trafford,Unemployment rate,3.1,1",
    )  # fmt: skip
    assert [row[:4] for row in figures(project, "nomis_modelled_unemployment", content)] == [
        ("E08000009", "modelled_unemployment_rate_survey_year", date(2025, 4, 1), 3.1)
    ]


def test_claimants_by_small_area_are_read_from_a_nomis_answer(project: Project) -> None:
    content = nomis(
        project, "nomis_claimants_lsoa",
        "DATE,GEOGRAPHY_CODE,GEOGRAPHY_NAME,OBS_VALUE,OBS_STATUS,RECORD_COUNT", "2026-10,E01000001,City 001A,5,A,1",
    )  # fmt: skip
    assert [row[:4] for row in figures(project, "nomis_claimants_lsoa", content)] == [
        ("E01000001", "claimants_by_small_area", date(2026, 10, 1), 5.0)
    ]


def years_cube(field: str, code: str, place: str, measure: str, values: list[float]) -> dict[str, Any]:
    """Return an answer by financial year, the newer of them provisional."""
    answer = cube(field, [(place, code)], measure, [values])
    answer["fields"][1] = {
        "label": "Year",
        "items": [
            {"labels": [text], "uris": [f"str:value:{text}"], "annotationKeys": ["I", *marks]}
            for text, marks in (("2023/24", ["r"]), ("2024/25", ["p"]))
        ],
    }
    return answer


def test_children_in_low_income_are_read_by_financial_year(project: Project) -> None:
    answer = years_cube("National - Regional - LA - OAs", "E08000009", "Trafford", "Relative Low Income", [5100, 5300])
    content = assemble(plan_stat_xplore(stat_xplore_of(project, "dwp_children_low_income")), MEMBERS, answer)
    read = figures(project, "dwp_children_low_income", content)
    assert [row[2:] for row in read] == [
        (date(2023, 4, 1), 5100.0, "revised"),
        (date(2024, 4, 1), 5300.0, "provisional"),
    ]


@pytest.mark.parametrize("what", ["people", "households"])
def test_universal_credit_by_jobcentre_is_in_the_district_of_its_office(project: Project, what: str) -> None:
    name, measure = f"dwp_uc_{what}_by_jobcentre", f"{what.capitalize()} on Universal Credit"
    offices = [("Altrincham", "ALT"), ("Stretford", "STR"), ("An office of 2025", "NEW")]
    answer = cube("Jobcentre Plus", offices, measure, [[2100, 2200], [3100, 3200], [50, 60]])
    content = assemble(plan_stat_xplore(stat_xplore_of(project, name)), answer)
    rows = figures(project, name, content)
    assert {row[3] for row in rows} == {2100.0, 2200.0, 3100.0, 3200.0}, "an unknown office is set aside"
    legs = build_crosswalk(PlaceData(load_places(project)), "jobcentre_2016", "lad_2023")
    assert set(legs.filter(pl.col("from_code").is_in({row[0] for row in rows}))["to_code"]) == {"E08000009"}


def test_force_boundaries_are_joined_from_pages_of_the_layer(project: Project) -> None:
    fetch = project.catalogue.sources["ons_pfa_boundaries"].fetch
    assert fetch and fetch.arcgis
    shape = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    feature = {
        "type": "Feature",
        "properties": {"PFA23CD": "E23000005", "PFA23NM": "Greater Manchester"},
        "geometry": shape,
    }
    about = {"objectIdField": "FID", "editingInfo": {"lastEditDate": 1715000000000}}
    content = assemble(
        plan_arcgis(fetch.arcgis), about, {"count": 1}, {"type": "FeatureCollection", "features": [feature]}
    )
    features = json.loads(content)["features"]
    assert [item["properties"]["PFA23CD"] for item in features] == ["E23000005"]


def test_hospitals_of_scotland_are_read_from_the_publishers_list() -> None:
    raw = pl.DataFrame({"HospitalCode": ["A111H"], "HospitalName": ["Crosshouse"], "HealthBoard": ["S08000015"]})
    scope: dict[str, Any] = {}
    exec((ROOT / "sources" / "phs_hospitals.py").read_text(encoding="utf-8"), scope)
    assert scope["tidy"](raw).select("GEOGCD", "GEOGNM", "PARENTCD").rows() == [("A111H", "Crosshouse", "S08000015")]


def test_adults_who_reoffend_are_read_from_the_totals_of_upper_tier_councils(project: Project) -> None:
    rows: list[list[object]] = [
        ["Cohort", "Adult / Juvenile", "Geography", "Category", "offenders", "reoffenders"],
        ["April 2022 to March 2023", "Adult", "Lambeth", "UTLA total", 2_000, 500],
        ["April 2023 to March 2024", "Adult", "Lambeth", "UTLA total", 2_100, 550],
        ["April 2023 to March 2024", "Juvenile", "Lambeth", "UTLA total", 90, 30],
        ["April 2023 to March 2024", "Adult", "Lambeth", "UTLA by sex", 300, 60],
        ["April 2023 to March 2024", "Adult", "London", "Region total", 60_000, 14_000],
        ["April 2023 to March 2024", "Adult", "England and Wales", "National total", 330_000, 90_000],
    ]
    data = [[str(cell) for cell in row] for row in rows]
    content = workbooks.xlsx({"Notes": [["Geographical data tool"]], "Data": data})
    read = figures(project, "moj_reoffending", content, "PRSQ_Geographical_data_tool_apr12_mar24.xlsx")
    assert sorted((*row[:2], row[2].year, row[3]) for row in read) == [
        ("E09000022", "offenders_in_cohort", 2022, 2_000.0),
        ("E09000022", "offenders_in_cohort", 2023, 2_100.0),
        ("E09000022", "offenders_who_reoffended", 2022, 500.0),
        ("E09000022", "offenders_who_reoffended", 2023, 550.0),
    ]
