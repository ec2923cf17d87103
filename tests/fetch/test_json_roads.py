"""Roads through JSON answers: hops to a file, and rows in pages or for one place at a time."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.core import snapshots
from pipelines.fetch.snapshot_log import Outcome
from tests.fetch.test_discover import content, get
from tests.fetch.test_refresh import CSV
from tests.publisher import Publisher, publishing, says


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with publishing() as server:
        yield server


def reply(answer: Any) -> Any:
    return says(200, json.dumps(answer).encode())


def test_address_and_release_day_are_read_from_json_answers(tmp_path: Path, office: Publisher) -> None:
    version = office.at("/v1/datasets/x/versions/7", reply({"release_date": "2026-11-17T00:00:00.000Z",
                        "downloads": {"csv": {"href": office.at("/x.csv", says(200, CSV))}}}))  # fmt: skip
    start = office.at("/v1/datasets/x", reply({"links": {"latest_version": {"href": version}}}))
    hop = {"start": start, "follow": "links.latest_version.href", "file": "downloads.csv.href"}
    hop |= {"released": "release_date", "follow": ["links.latest_version.href"]}
    outcome = get(tmp_path, fetch={"json_hop": hop})
    assert content(tmp_path, outcome) == CSV
    assert outcome.snapshot and outcome.snapshot.released == date(2026, 11, 17)
    assert [asked.path for asked in office.asked] == ["/v1/datasets/x", "/v1/datasets/x/versions/7", "/x.csv"]


def test_fixed_address_may_follow_an_answer_with_its_day(tmp_path: Path, office: Publisher) -> None:
    start = office.at("/data-sets/1", reply({"latestVersion": {"published": "2026-10-02T09:30:00+01:00"}}))
    file = office.at("/data-sets/1/csv", says(200, CSV))
    outcome = get(tmp_path, fetch={"json_hop": {"start": start, "file": file, "released": "latestVersion.published"}})
    assert outcome.snapshot and (outcome.snapshot.released, outcome.snapshot.dated_by) == (
        date(2026, 10, 2),
        "publisher",
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"links": {}}, "found no address at links.csv, but links"),
        ({"links": {"csv": "http://localhost:1/x.csv"}}, "found the file on localhost"),
        ({"links": {"csv": "/x.csv"}, "day": "soon"}, "expected a day"),
    ],
)
def test_answer_without_the_address_or_the_day_is_refused(
    tmp_path: Path, office: Publisher, answer: dict[str, Any], expected: str
) -> None:
    office.at("/x.csv", says(200, CSV))
    released = {"released": "day"} if "day" in answer else {}
    hop = {"start": office.at("/v1", reply(answer)), "file": "links.csv", **released}
    outcome = get(tmp_path, fetch={"json_hop": hop})
    assert outcome.result == "failed" and expected in outcome.detail


def rows(*values: int) -> list[dict[str, Any]]:
    return [{"date": "2026-11-01", "metric_value": float(value), "in_delay": False, "note": None} for value in values]


def pages_of(home: Path, office: Publisher, **changes: Any) -> Outcome:
    paged = {"address": office.url("/geographies/{place}?page_size=2"), "places": ["North West", "Wales"],
             "rows": "results", "next": "next", "count": "count", **changes}  # fmt: skip
    return get(home, fetch={"paged": paged})


def test_every_page_of_every_place_is_requested(tmp_path: Path, office: Publisher) -> None:
    more = office.url("/geographies/North%20West?page_size=2&page=2")
    first, last = {"count": 3, "next": more, "results": rows(1, 2)}, {"count": 3, "next": None, "results": rows(3)}
    office.at("/geographies/North%20West", reply(first), reply(last))
    office.at("/geographies/Wales", reply({"count": 1, "next": None, "results": rows(4)}))
    outcome = pages_of(tmp_path, office)
    assert content(tmp_path, outcome).decode() == (
        "date,metric_value,in_delay,note\n" + "".join(f"2026-11-01,{n},false,\n" for n in (1, 2, 3, 4))
    )
    assert [asked.path for asked in office.asked][1:] == [
        "/geographies/North%20West?page_size=2&page=2",
        "/geographies/Wales?page_size=2",
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"count": 9, "results": rows(1)}, "found 1 rows, expected 9"),
        ({"count": 0, "results": []}, "found no rows"),
        ({"detail": "gone"}, "found no list of rows at results"),
        ({"results": ["x"]}, "found no list of rows at results"),
    ],
)
def test_answer_without_the_rows_is_refused(
    tmp_path: Path, office: Publisher, answer: dict[str, Any], expected: str
) -> None:
    office.at("/geographies/Wales", reply(answer))
    outcome = pages_of(tmp_path, office, places=["Wales"])
    assert outcome.result == "failed" and expected in outcome.detail
    assert snapshots.source_snapshots(tmp_path, "claimants") == []


def test_places_without_a_position_in_the_address_are_refused(tmp_path: Path, office: Publisher) -> None:
    with pytest.raises(ValueError, match=r"declare \{place\}"):
        pages_of(tmp_path, office, address=office.url("/geographies"))
