"""Checks of roads: one request to a local publisher for each source, and nothing stored."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.declarations.endpoint import STATXPLORE_KEY
from pipelines.fetch.check import RoadCheck, check_road
from pipelines.fetch.check_log import has_passed_check, is_scheduled, log_check
from tests.fetch.test_discover import CUBE, LAYER, XPLORE, source
from tests.fetch.test_refresh import CSV, NOW
from tests.publisher import PAGE, Publisher, publishing, says


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv(STATXPLORE_KEY, "hush-hush-1234")
    with publishing() as server:
        yield server


def check(**road: Any) -> RoadCheck:
    return check_road("claimants", source(**road))


def reply(answer: Any) -> Any:
    return says(200, json.dumps(answer).encode())


def links(*names: str) -> bytes:
    return "".join(f'<a href="/{name}">x</a>' for name in names).encode()


BY_MONTH = {"pattern": r"a-(?P<period>[a-z]+2026)\.csv", "newest": "period"}


def roads(office: Publisher) -> dict[str, tuple[dict[str, Any], str]]:
    """Return a road of each kind on the local publisher, and the newest file that its first answer names."""
    page = office.at("/page", says(200, links("a-may2026.csv", "a-june2026.csv")))
    table = b"DATE,GEOGRAPHY_CODE,RECORD_COUNT\n2026-10,E08000009,9\n"
    office.at("/api/v01/dataset/NM_162_1.data.csv", says(200, table))
    office.at("/webapi/rest/v1/table", reply(CUBE))
    layer = office.at(LAYER, reply({"objectIdField": "FID"}))
    resources = [{"name": "a-june2026.csv", "url": office.url("/a-june2026.csv")}]
    office.at("/api/3/action/package_show", reply({"result": {"resources": resources}}))
    attachments = [{"title": "a-july2026.csv", "url": office.url("/a-july2026.csv")}]
    office.at("/api/content/stats", reply({"details": {"attachments": attachments}}))
    start = office.at("/v1", reply({"csv": "/a.csv"}))
    rows = office.at("/rows", reply({"results": [{"a": 1}], "next": office.url("/rows?page=2")}))
    nomis = {"dataset": "NM_162_1", "query": {"date": "latestMINUS47-latest"}, "select": ["DATE", "GEOGRAPHY_CODE"]}
    return {
        "url": ({"url": office.at("/a.csv", says(200, CSV))}, ""),
        "link": ({"fetch": {"link": {"page": page, **BY_MONTH}}}, "june2026"),
        "every": ({"fetch": {"link": {"page": page, **BY_MONTH, "take": "every"}}}, "june2026"),
        "nomis": ({"fetch": {"nomis": {**nomis, "service": office.url("")}}}, "2026-10"),
        "stat_xplore": ({"fetch": {"stat_xplore": {**XPLORE, "service": office.url("")}}}, ""),
        "arcgis": ({"fetch": {"arcgis": {"layer": layer}}}, ""),
        "ckan": ({"fetch": {"ckan": {"portal": office.url(""), "package": "a", **BY_MONTH}}}, "june2026"),
        "govuk": ({"fetch": {"govuk": {"path": "/stats", "service": office.url(""), **BY_MONTH}}}, "july2026"),
        "json_hop": ({"fetch": {"json_hop": {"start": start, "file": "csv"}}}, ""),
        "paged": ({"fetch": {"paged": {"address": rows, "rows": "results", "next": "next"}}}, ""),
    }


@pytest.mark.parametrize(
    "kind", ["url", "link", "every", "nomis", "stat_xplore", "arcgis", "ckan", "govuk", "json_hop", "paged"]
)
def test_road_is_checked_by_one_request(office: Publisher, kind: str) -> None:
    road, newest = roads(office)[kind]
    result = check(**road)
    assert (result.result, result.newest) == ("works", newest), result.detail
    assert len(office.asked) == 1
    assert kind != "nomis" or ("date=latest&" in office.asked[0].path and "recordlimit=1&" in office.asked[0].path)


@pytest.mark.parametrize(
    ("road", "expected"),
    [
        ({"url": "/a.csv"}, "found HTTP 404"),
        ({"url": "/page"}, "found a web page"),
        ({"link": {"page": "/page", "pattern": "csv"}}, "no link matches"),
        ({"json_hop": {"start": "/v1", "file": "csv"}}, "found no address at csv"),
        ({"nomis": {"dataset": "NM_1_1", "query": {}, "select": "DATE"}}, "found no column DATE"),
    ],
)
def test_answer_of_another_shape_fails_the_check(office: Publisher, road: dict[str, Any], expected: str) -> None:
    office.at("/a.csv", says(404))
    office.at("/page", says(200, PAGE))
    office.at("/v1", reply({"data": "x"}))
    office.at("/api/v01/dataset/NM_1_1.data.csv", says(200, b"x,RECORD_COUNT\n1,1\n"))
    text = json.dumps(road).replace('"/', f'"{office.url("/")}')
    declared = json.loads(text)
    if "nomis" in declared:
        declared["nomis"]["service"] = office.url("")
    result = check(**(declared if "url" in declared else {"fetch": declared}))
    assert result.result == "fails" and expected in result.detail and result.detail.startswith("claimants: ")


def test_source_without_an_address_has_no_road_to_check() -> None:
    assert check().result == "no_road"


INFERRED = {"evidence": "inferred", "citation": "a/b c"}


def test_inferred_road_is_scheduled_once_a_check_has_succeeded(tmp_path: Path) -> None:
    inferred = source(url="https://a.org/a.csv", road=INFERRED)
    assert not is_scheduled(tmp_path, "claimants", inferred)
    log_check(tmp_path, "claimants", inferred, NOW, "fails", "")
    assert not is_scheduled(tmp_path, "claimants", inferred)
    log_check(tmp_path, "claimants", inferred, NOW, "works", "")
    assert is_scheduled(tmp_path, "claimants", inferred)
    moved = source(url="https://a.org/b.csv", road=INFERRED)
    assert not has_passed_check(tmp_path, "claimants", moved), "a check is of one address"


def test_documented_road_is_scheduled_at_once(tmp_path: Path) -> None:
    documented = source(url="https://a.org/a.csv", road={**INFERRED, "evidence": "documented"})
    assert is_scheduled(tmp_path, "claimants", documented)
    assert is_scheduled(tmp_path, "claimants", source(url="https://a.org/a.csv")), "the user's own address"


@pytest.mark.parametrize(
    ("road", "complaint"),
    [
        ({}, "declare either evidence"),
        ({"evidence": "inferred", "unknown": "x"}, "declare either evidence"),
        ({"evidence": "documented"}, "needs a citation"),
        ({"unknown": "x"}, "road has evidence for"),
    ],
)
def test_contradictory_evidence_is_refused(road: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        source(url="https://a.org/a.csv", road=road)
