"""The roads of the bundled sources: their evidence, their exact requests, and the figures in a publisher's answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.source import Source
from pipelines.fetch.discover import AssembledFile, FileAddress, PlanEnd, PlannedRequest
from pipelines.fetch.resolve import build_plan

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = Path(__file__).parent / "requests.txt"
CATALOGUE = load_catalogue(ROOT)
PUBLISHED = {name: s for name, s in CATALOGUE.sources.items() if s.access in ("open", "not_held")}
ROADS = {name: s for name, s in PUBLISHED.items() if s.is_refreshable and s.road and not s.road.copied}
CITATION = re.compile(r"[\w.-]+/[\w.-]+ \S.*|https://\S+|the repository [\w.-]+/[\w.-]+ itself")
LEAST_PROVEN = 45
"""Roads that are recorded or documented, without copies on GitHub."""


def test_every_published_source_has_a_road_or_the_reason_for_none() -> None:
    assert [name for name, source in PUBLISHED.items() if not source.road] == []


def test_every_address_is_cited() -> None:
    cited = {name: source.road.citation for name, source in PUBLISHED.items() if source.is_refreshable and source.road}
    assert [name for name, texts in cited.items() if not texts] == []
    assert [text for texts in cited.values() for text in texts if not CITATION.fullmatch(text)] == []


def test_proven_roads_are_as_many_as_stated() -> None:
    proven = [name for name, source in ROADS.items() if source.has_proven_road]
    assert len(proven) >= LEAST_PROVEN, proven


NOTES = [{"annotationtitle": "LastUpdated", "annotationtext": "2026-11-10 07:00:00"}]
NOMIS_ABOUT = {"structure": {"keyfamilies": {"keyfamily": [{"annotations": {"annotation": NOTES}}]}}}
ITEM = {"labels": ["x"], "uris": ["str:value:x:1"]}
CUBE = {
    "fields": [{"label": "a", "items": [ITEM]}, {"label": "b", "items": [ITEM]}],
    "measures": [{"label": "m", "uri": "m"}],
    "cubes": {"m": {"values": [[1.0]]}},
}


def answers(source: Source) -> Iterator[bytes]:
    """Yield answers of the documented shape, one for each request of a source's plan."""
    fetch = source.fetch
    assert fetch
    if fetch.nomis:
        yield from (json.dumps(NOMIS_ABOUT).encode(), b"DATE,RECORD_COUNT\n2026-10,1\n")
    elif fetch.stat_xplore:
        yield from (json.dumps({"children": [{"id": "member"}]}).encode() for _ in fetch.stat_xplore.valuesets)
        yield json.dumps(CUBE).encode()
    elif fetch.arcgis:
        about = {"objectIdField": "FID", "editingInfo": {"lastEditDate": 1715000000000}}
        feature = {"type": "Feature", "properties": {}, "geometry": None}
        yield from (json.dumps(part).encode() for part in (about, {"count": 1}, {"features": [feature]}))
    elif fetch.paged:
        rows = {"count": 1, "next": None, "results": [{"geography": "England"}]}
        yield from (json.dumps(rows).encode() for _ in fetch.paged.places)
    elif fetch.json_hop:
        version = {"downloads": {"csv": {"href": "/file.csv"}}, "release_date": "2026-11-17"}
        yield from (json.dumps(part).encode() for part in ({"links": {"latest_version": {"href": "/v/7"}}}, version))
    else:
        yield from MATCHES[next(name for name, declared in ROADS.items() if declared is source)]


def list_attachments(*names: str) -> bytes:
    attachments = [{"url": f"https://assets.publishing.service.gov.uk/media/1/{name}", "title": name} for name in names]
    return json.dumps({"details": {"attachments": attachments}, "public_updated_at": "2026-10-23T09:30:00Z"}).encode()


def link_page(*urls: str) -> bytes:
    return "".join(f'<a href="{url}">x</a>' for url in urls).encode()


def list_documents(*paths: str) -> bytes:
    return json.dumps({"links": {"documents": [{"base_path": path} for path in paths]}}).encode()


GP = "https://digital.nhs.uk/data-and-information/publications/statistical/patients-registered-at-a-gp-practice"
SNAPSHOT = "/government/statistics/rough-sleeping-snapshot-in-england-autumn-"
NHSE = "https://www.england.nhs.uk/statistics/wp-content/uploads/sites/2"
HOMELESSNESS = list_attachments(
    "Detailed_LA_202309_revised.ods", "Detailed_LA_202306.ods", "Detailed_LA_202309.xlsx",
    "Statutory_Homelessness_Detailed_Local_Authority_Data_202503_revised.ods",
)  # fmt: skip
SCMD = [
    {"url": f"https://opendata.nhsbsa.net/dataset/a/scmd_{kind}.csv", "name": kind, "last_modified": day}
    for kind, day in (
        ("wip_202609", "2026-11-20"),
        ("provisional_202608", "2026-10-20"),
        ("final_202512", "2026-03-20"),
    )
]
EMISSIONS = "uk-local-authority-and-regional-greenhouse-gas-emissions-statistics-2005-to-"
MATCHES: dict[str, list[bytes]] = {
    "nhse_kh03": [
        link_page(
            f"{NHSE}/2021/05/Beds-Open-Overnight-Web_File-Final-Q4-2020-21-Final-THSDF.xlsx",
            f"{NHSE}/2024/11/Beds-Open-Overnight-Web_File-Q2-2024-25.xlsx",
            f"{NHSE}/2026/08/NHS-Beds-Quarter-1-2026-27-Overnight.xlsx",
            f"{NHSE}/2021/05/Beds-Open-Day-Only-Web_File-Final-Q4-2021-22-Final.xlsx",
        )
    ],
    "nhse_ambulance_incidents": [
        link_page(f"{NHSE}/2026/07/AmbSYS-to-Jun-2026-b4Uah.csv", f"{NHSE}/2022/10/AmbSYS-to-Sep22.csv")
    ],
    "nhse_beds_month": [
        link_page(
            *(f"https://www.england.nhs.uk/a-daily-situation-reports-20{year}/" for year in ("24-25", "25-26", "23-24"))
        ),
        link_page(
            f"{NHSE}/2025/07/202405-May-2024-sitrep-data-FINAL-revised.xlsx",
            f"{NHSE}/2025/08/202506-June-2025-beds-sitrep-data-finalversion.xlsx",
            f"{NHSE}/2022/05/202204-April-2022-sitrep-data-FINAL.xlsx",
        ),
    ],
    "mhclg_homelessness": [HOMELESSNESS],
    "mhclg_temporary_accommodation": [HOMELESSNESS],
    "home_office_recorded_crime": [
        list_attachments(*(f"prc-pfa-mar2013-onwards-tables-{day}.ods" for day in ("230426", "300125", "191023")))
    ],
    "nhsbsa_medicines": [json.dumps({"result": {"resources": part}}).encode() for part in (SCMD[:2], SCMD[2:])],
    "mhclg_rough_sleeping": [
        list_documents(f"{SNAPSHOT}2024", f"{SNAPSHOT}2025", "/government/statistics/rough-sleeping-autumn-2018"),
        list_attachments(
            "Rough_sleeping_snapshot_in_England__autumn_2025_accessible.ods",
            "Rough_sleeping_snapshot_in_England__autumn_2025.ods",
        ),
    ],
    "nhse_ae_attendances": [
        link_page(*(f"https://www.england.nhs.uk/ae-attendances-and-emergency-admissions-20{year}/" for year in
                    ("25-26", "26-27", "24-25"))),
        link_page(
            f"{NHSE}/2026/11/October-2026-CSV-x1.csv", f"{NHSE}/2026/10/September-2026-AE-by-provider-y2.xls",
            f"{NHSE}/2026/10/September-2026-CSV-revised-z3.csv", f"{NHSE}/2024/04/March-2024-CSV-z3.csv",
        ),
    ],
    "nhs_patients_by_area": [
        link_page(f"{GP}/november-2026", f"{GP}/october-2026", f"{GP}/july-2026"),
        link_page(
            "https://files.digital.nhs.uk/1A/2B/gp-reg-pat-prac-all.zip",
            "https://files.digital.nhs.uk/1A/2C/gp-reg-pat-prac-lsoa-male-female-October-26.zip",
        ),
    ],
    "phs_delayed_discharges": [
        json.dumps({"result": {"resources": [
            {"url": f"https://www.opendata.nhs.scot/a/2026-{month}_delayed-discharge-beddays-{area}.csv", "name": area}
            for month, area in (("09", "health-board"), ("08", "council-area"), ("09", "council-area"))
        ]}}).encode()
    ],
    "desnz_ghg_by_district": [
        list_documents(*(f"/government/statistics/{EMISSIONS}{year}" for year in (2023, 2024, 2022))),
        list_attachments("2005-24-uk-local-authority-ghg-emissions.xlsx", "notes.pdf"),
    ],
    "moj_reoffending": [
        list_documents(*(f"/government/statistics/proven-reoffending-statistics-{quarter}" for quarter in
                         ("october-to-december-2023", "january-to-march-2024", "july-to-september-2023"))),
        list_attachments("PRSQ_overall_data_tool_apr12_mar24.xlsx", "PRSQ_Geographical_data_tool_apr12_mar24.xlsx"),
    ],
}  # fmt: skip


def describe_request(step: PlannedRequest) -> str:
    key = f" [{step.key.name} in the {'query' if step.key.in_query else 'header'}]" if step.key else ""
    body = f" {step.body.decode()}" if step.body else ""
    return f"{'POST' if step.body else 'GET'} {step.url}{key}{body}"


def run(source: Source) -> tuple[list[str], PlanEnd]:
    """Run a source's plan against answers of the documented shape; return its requests and its end."""
    plan, given, requests = build_plan(source), answers(source), list[str]()
    try:
        step = next(plan)
        while True:
            requests.append(describe_request(step))
            step = plan.send(next(given))
    except StopIteration as end:
        result: Any = end.value
        return requests, result


def all_requests() -> str:
    """Return every request of every road that is no copy, one source after the other."""
    parts = []
    for name, source in sorted(ROADS.items()):
        requests, end = ([], FileAddress(source.url)) if source.url else run(source)
        ends = end.files if not isinstance(end, FileAddress | AssembledFile) else [end]
        files = [] if isinstance(end, AssembledFile) else [f"GET {file.url}" for file in ends]
        parts.append("\n".join([f"# {name}", *requests, *files]))
    return "\n\n".join(parts) + "\n"


def test_requests_are_exactly_those_reviewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMMONGROUND_NOMIS_UID", raising=False)
    assert all_requests() == REQUESTS.read_text(encoding="utf-8")


if __name__ == "__main__":
    REQUESTS.write_text(all_requests(), encoding="utf-8")
