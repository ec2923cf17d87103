"""Figures in publishers' answers: recorded ones, cut to a few periods, and ones of the documented shape.

Answers of the documented shape have made-up figures.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.core.snapshots import Snapshot
from pipelines.core.store import hash_bytes
from pipelines.declarations.endpoint import StatXplore
from pipelines.declarations.project import Project
from pipelines.fetch.apis import plan_nomis
from pipelines.fetch.discover import AssembledFile, FetchPlan
from pipelines.fetch.paged import plan_paged
from pipelines.fetch.stat_xplore import plan_stat_xplore
from pipelines.geography.access import list_source_geographies, load_places
from pipelines.observations.ingest import read_release, reading_context
from tests.fetch.test_shipped_roads import NOMIS_ABOUT

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = Path(__file__).parent / "answers"
Figure = tuple[str, str, date, float | None, str]


@pytest.fixture(scope="module")
def project(bundled: Project) -> Project:
    return bundled


def assemble(plan: FetchPlan, *answers: Any) -> bytes:
    """Run a plan against answers and return the file that it assembles."""
    given: Iterator[Any] = iter(answers)
    try:
        next(plan)
        while True:
            answer = next(given)
            plan.send(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    except StopIteration as end:
        result: AssembledFile = end.value
        return result.content


def figures(project: Project, name: str, content: bytes, file: str = "file.csv") -> list[Figure]:
    """Read a file as a release; return place, measure, first day, value and status of each usable cell."""
    snapshot = Snapshot(name, hash_bytes(content), date(2026, 11, 10), "", "", "", file, len(content), "")
    places, systems = load_places(project), list_source_geographies(project, name)
    cells = read_release(reading_context(project.catalogue, name, places, systems), snapshot, content).cells
    sound = cells.filter(pl.col("fault").is_null())
    return sound.select("place_code", "measure", "period_start", "value", "obs_status").rows()


def test_recorded_claimants_of_northern_ireland_are_read(project: Project) -> None:
    rows = figures(project, "nisra_claimants_monthly", (ANSWERS / "nisra_claimants_monthly.json").read_bytes())
    assert len(rows) == 33 and {row[2] for row in rows} == {date(2024, 12, 1), date(2025, 1, 1), date(2025, 2, 1)}
    assert ("N09000003", "claimants_ni_month", date(2025, 2, 1)) in {row[:3] for row in rows}


def test_recorded_benefits_by_assembly_area_are_read(project: Project) -> None:
    rows = figures(project, "nisra_benefits_pcon", (ANSWERS / "nisra_benefits_pcon.json").read_bytes())
    assert len(rows) == 36 and {row[1] for row in rows} == {"universal_credit_ni_pcon", "jobseekers_allowance_ni_pcon"}


def test_claimants_by_district_are_read_from_a_nomis_answer(project: Project) -> None:
    api = project.catalogue.sources["nomis_claimants"].fetch
    assert api and api.nomis
    table = (
        b'"DATE","GEOGRAPHY_CODE","GEOGRAPHY_NAME","OBS_VALUE","OBS_STATUS","RECORD_COUNT"\n'
        b'"2026-10","E08000009","Trafford",4125,"A",2\n"2026-10","E08000016","Barnsley",5430,"A",2\n'
    )
    content = assemble(plan_nomis(api.nomis), NOMIS_ABOUT, table)
    october = date(2026, 10, 1)
    assert sorted(figures(project, "nomis_claimants", content)) == [
        ("E08000009", "claimants", october, 4125.0, "normal"),
        ("E08000016", "claimants", october, 5430.0, "normal"),
    ]


FIELD = "str:field:UC_Households:V_F_UC_HOUSEHOLDS:COA_CODE"


def cube(field: str, items: list[tuple[str, str]], measure: str, values: list[list[float]]) -> dict[str, Any]:
    """Return an answer of Stat-Xplore: places by two months, the newer of them provisional."""
    months = [("September 2026", "202609", ["r"]), ("October 2026", "202610", ["p"])]
    return {
        "fields": [
            {"label": field, "items": [{"labels": [text], "uris": [f"str:value:{code}"]} for text, code in items]},
            {
                "label": "Month",
                "items": [
                    {"labels": [text], "uris": [f"str:value:{code}"], "annotationKeys": ["I", *marks]}
                    for text, code, marks in months
                ],
            },
        ],
        "measures": [{"label": measure, "uri": "m"}],
        "cubes": {"m": {"values": values}},
    }


def stat_xplore_of(project: Project, name: str) -> StatXplore:
    fetch = project.catalogue.sources[name].fetch
    assert fetch and fetch.stat_xplore
    return fetch.stat_xplore


MEMBERS = {"children": [{"id": "str:value:a"}, {"id": "str:value:b"}]}


def test_households_on_universal_credit_are_read_as_in_an_export(project: Project) -> None:
    label = "National - Regional - LA - OAs"
    answer = cube(label, [("Trafford", "E08000009"), ("Merton", "E09000024")], "Households", [[13210, 13305], [0, 9]])
    content = assemble(plan_stat_xplore(stat_xplore_of(project, "dwp_uc_households")), MEMBERS, answer)
    assert content.splitlines()[0] == b"Month,September 2026 (r),October 2026 (p)"
    rows = {(row[0], row[2].month): row[3:] for row in figures(project, "dwp_uc_households", content)}
    assert rows["E08000009", 10] == (13305.0, "provisional") and rows["E08000009", 9] == (13210.0, "revised")
    assert rows["E09000024", 9] == (None, "low"), "0 is nil or negligible, no true zero"


def test_people_on_universal_credit_are_read_with_their_marks(project: Project) -> None:
    label = "National - Regional - LA - OAs"
    answer = cube(label, [("Trafford", "E08000009")], "People on Universal Credit", [[20110, 20240]])
    content = assemble(plan_stat_xplore(stat_xplore_of(project, "dwp_uc_people")), MEMBERS, answer)
    assert [row[3:] for row in figures(project, "dwp_uc_people", content)] == [
        (20110.0, "revised"),
        (20240.0, "provisional"),
    ]


def test_ambulance_incidents_are_read_from_the_file_of_all_months(project: Project) -> None:
    file = (
        b"Year,Month,Region,Org Code,Org Name,A7,A8,A10,A11,A12\n"
        b"2026,9,Eng,Eng,England,700000,78000,420000,110000,3000\n2026,9,Y60,RX7,North West,88000,9900,51000,14000,.\n"
    )
    rows = {row[1]: row[3:] for row in figures(project, "nhse_ambulance_incidents", file) if row[0] == "RX7"}
    assert rows["category_1_incidents_month"] == (9900.0, "normal")
    assert rows["category_4_incidents_month"] == (None, "not_available")


def test_medicines_of_trusts_are_read(project: Project) -> None:
    name = "Rocuronium bromide 50mg/5ml solution for injection vials"
    file = (
        "YEAR_MONTH,ODS_CODE,VMP_SNOMED_CODE,VMP_PRODUCT_NAME,UNIT_OF_MEASURE_IDENTIFIER,UNIT_OF_MEASURE_NAME,"
        f"TOTAL_QUANITY_IN_VMP_UNIT,INDICATIVE_COST\n202609,RM3,1,{name},2,vial,640,1.5\n202609,RM3,2,Other,2,vial,3,1\n"
    )
    rows = figures(project, "nhsbsa_medicines", file.encode())
    assert [row[:4] for row in rows] == [("RM3", "rocuronium_50mg_vials_issued", date(2026, 9, 1), 640.0)]


def test_recorded_crime_is_summed_by_force_and_quarter() -> None:
    offences = [("Greater Manchester", 40), ("Greater Manchester", 60), ("London, City of", 7)]
    rows = [("2025/26", "2", force, "Theft", str(number)) for force, number in offences]
    raw = pl.DataFrame(
        rows, schema=["Financial Year", "Financial Quarter", "Force Name", "Offence Description", "Number of Offences"],
        orient="row",
    ).with_row_index("_row")  # fmt: skip
    scope: dict[str, Any] = {}
    exec((ROOT / "sources" / "home_office_recorded_crime.py").read_text(encoding="utf-8"), scope)
    assert scope["tidy"](raw).select("Force Name", "quarter", "offences").rows() == [
        ("Greater Manchester", "2025-26 Q2", "100"),
        ("London, City of", "2025-26 Q2", "7"),
    ]


def test_cases_by_day_are_read_from_pages(project: Project) -> None:
    fetch = project.catalogue.sources["ukhsa_covid_cases"].fetch
    assert fetch and fetch.paged
    row = {
        "geography": "England",
        "geography_code": "E92000001",
        "metric_value": 412.0,
        "in_reporting_delay_period": False,
    }
    pages = [
        {
            "count": 2,
            "next": "https://api.ukhsa-dashboard.data.gov.uk/v2/x?page=2",
            "results": [{**row, "date": "2026-11-01"}],
        },
        {"count": 2, "next": None, "results": [{**row, "date": "2026-11-02"}]},
    ]
    content = assemble(plan_paged(fetch.paged), *pages)
    assert [row[2] for row in figures(project, "ukhsa_covid_cases", content)] == [date(2026, 11, 1), date(2026, 11, 2)]
