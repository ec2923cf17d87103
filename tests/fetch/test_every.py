"""Roads that take every file of a list: oldest first, each once, in several runs, from a local publisher."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.core import snapshots
from pipelines.fetch.refresh import refresh_source
from pipelines.fetch.snapshot_log import Outcome
from tests.fetch.test_discover import ROOMY, source
from tests.fetch.test_refresh import CSV, LATER, NOW, TODAY
from tests.publisher import Publisher, file, publishing, says

QUICK = ROOMY._replace(pause=0.0, attempts=1)
MONTHS = ("july2026", "september2026", "august2026", "october2026")


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with publishing() as server:
        yield server


def body(name: str) -> bytes:
    return f"code,value\nE06000001,{name}\n".encode()


def list_page(office: Publisher, names: tuple[str, ...]) -> str:
    for name in names:
        office.script.setdefault(f"/{name}.csv", [file(body(name), f'"{name}"')])
    links = "".join(f'<a href="/{name}.csv">{name}</a>' for name in names)
    return office.at("/landing", says(200, links.encode(), Content_Type="text/html"))


def get(home: Path, page: str, now: str = NOW, **changes: Any) -> Outcome:
    link = {
        "page": page,
        "pattern": r"(?P<period>[a-z]+20\d\d)\S*\.csv$",
        "newest": "period",
        "take": "every",
        **changes,
    }
    return refresh_source(home, "claimants", source(fetch={"link": link}), today=TODAY, now=now, limits=QUICK)


def stored(home: Path) -> list[str]:
    return [entry.file for entry in snapshots.source_snapshots(home, "claimants")]


def test_every_file_since_a_day_is_stored_oldest_first(tmp_path: Path, office: Publisher) -> None:
    outcome = get(tmp_path, list_page(office, MONTHS), since=date(2026, 8, 1))
    assert stored(tmp_path) == ["august2026.csv", "september2026.csv", "october2026.csv"]
    assert outcome.result == "new" and outcome.detail == "claimants: 3 new files, 0 unchanged"


def test_run_is_bounded_and_the_next_continues(tmp_path: Path, office: Publisher) -> None:
    page = list_page(office, MONTHS)
    details = [get(tmp_path, page, at_most=3).detail for _ in range(2)]
    assert details[0].endswith("3 new files, 0 unchanged; 1 more at the next refresh")
    assert stored(tmp_path) == [f"{month}2026.csv" for month in ("july", "august", "september", "october")]
    files = [asked.path for asked in office.asked if asked.path != "/landing"]
    assert len(files) == len(set(files)) == 4, "no file is fetched twice"


def test_run_that_fails_midway_is_continued_by_the_next(tmp_path: Path, office: Publisher) -> None:
    page = list_page(office, MONTHS)
    office.at("/september2026.csv", says(503), file(body("september2026"), '"9"'))
    assert get(tmp_path, page).result == "failed"
    assert stored(tmp_path) == ["july2026.csv", "august2026.csv"]
    assert get(tmp_path, page).result == "new"
    assert stored(tmp_path)[2:] == ["september2026.csv", "october2026.csv"]


def test_second_run_requests_only_the_page_and_the_newest_file(tmp_path: Path, office: Publisher) -> None:
    page = list_page(office, MONTHS)
    get(tmp_path, page)
    before = len(office.asked)
    assert get(tmp_path, page).result == "unchanged"
    assert [asked.path for asked in office.asked[before:]] == ["/landing", "/october2026.csv"]
    assert office.asked[-1].headers["if-none-match"] == '"october2026"'


def test_newest_file_replaced_in_place_is_a_release(tmp_path: Path, office: Publisher) -> None:
    page = list_page(office, MONTHS)
    get(tmp_path, page)
    office.at("/october2026.csv", file(LATER, '"2"'))
    assert get(tmp_path, page).result == "new"
    assert len(stored(tmp_path)) == 5


def test_older_file_under_another_address_is_a_release(tmp_path: Path, office: Publisher) -> None:
    get(tmp_path, list_page(office, MONTHS))
    revised = (*MONTHS, "august2026-revised")
    assert get(tmp_path, list_page(office, revised)).result == "new"
    assert stored(tmp_path)[-1] == "august2026-revised.csv"


def test_same_bytes_under_another_address_are_stored_once(tmp_path: Path, office: Publisher) -> None:
    get(tmp_path, list_page(office, MONTHS))
    office.at("/august2026-2.csv", says(200, body("august2026")))
    page = list_page(office, (*MONTHS, "august2026-2"))
    assert [get(tmp_path, page).result for _ in range(2)] == ["unchanged", "unchanged"]
    assert len(stored(tmp_path)) == 4
    assert [asked.path for asked in office.asked].count("/august2026-2.csv") == 1


def test_files_of_one_name_on_one_day_are_separate_releases(tmp_path: Path, office: Publisher) -> None:
    links = "".join(f'<a href="/{month}/table.csv">x</a>' for month in MONTHS[:2])
    for month in MONTHS[:2]:
        office.at(f"/{month}/table.csv", says(200, body(month)))
    page = office.at("/landing", says(200, links.encode()))
    get(tmp_path, page, pattern=r"(?P<period>[a-z]+2026)/table")
    assert stored(tmp_path) == ["table.csv", "table september2026.csv"]
    assert {entry.dated_by for entry in snapshots.source_snapshots(tmp_path, "claimants")} == {"asked"}


def test_resource_changed_since_its_fetch_is_requested_again(tmp_path: Path, office: Publisher) -> None:
    def listing(changed: str) -> bytes:
        days = {"202608": changed, "202609": "2026-11-01T07:00:00"}
        items = [
            {"name": name, "url": office.url(f"/scmd_{name}.csv"), "last_modified": day} for name, day in days.items()
        ]
        return json.dumps({"result": {"resources": items}}).encode()

    replies = [says(200, listing(day)) for day in ("2026-10-20", "2026-10-20", "2026-11-24")]
    office.at("/api/3/action/package_show", *replies)
    office.at("/scmd_202608.csv", file(CSV, '"1"'), file(LATER, '"2"'))
    office.at("/scmd_202609.csv", file(body("x"), '"1"'))
    api = {"portal": office.url(""), "package": ["wip", "final"], "pattern": r"scmd_(?P<period>\d{6})",
           "newest": "period", "take": "every"}  # fmt: skip
    road = source(fetch={"ckan": {**api, "package": "wip"}})
    outcomes = [
        refresh_source(tmp_path, "claimants", road, today=TODAY, now=NOW, limits=QUICK).result for _ in range(3)
    ]
    assert outcomes == ["new", "unchanged", "new"]
    days = [(entry.released, entry.dated_by) for entry in snapshots.source_snapshots(tmp_path, "claimants")]
    assert days == [
        (date(2026, 10, 20), "publisher"),
        (date(2026, 11, 1), "publisher"),
        (date(2026, 11, 24), "publisher"),
    ]


def test_resources_of_several_datasets_are_one_list(tmp_path: Path, office: Publisher) -> None:
    def listing(kind: str, day: str) -> bytes:
        item = {"name": f"scmd_{kind}", "url": office.url(f"/scmd_{kind}_202608.csv"), "created": day}
        return json.dumps({"result": {"resources": [item]}}).encode()

    provisional, final = listing("provisional", "2026-10-20"), listing("final", "2026-11-20")
    office.at("/api/3/action/package_show", says(200, provisional), says(200, final))
    for kind in ("provisional", "final"):
        office.at(f"/scmd_{kind}_202608.csv", says(200, body(kind)))
    api = {"portal": office.url(""), "package": ["wip", "finalised"], "pattern": r"scmd_\w+_(?P<period>\d{6})",
           "newest": "period", "take": "every"}  # fmt: skip
    road = source(fetch={"ckan": api})
    refresh_source(tmp_path, "claimants", road, today=TODAY, now=NOW, limits=QUICK)
    assert [asked.path for asked in office.asked[:2]] == [
        "/api/3/action/package_show?id=wip",
        "/api/3/action/package_show?id=finalised",
    ]
    assert [entry.released for entry in snapshots.source_snapshots(tmp_path, "claimants")] == [
        date(2026, 10, 20),
        date(2026, 11, 20),
    ]


def test_files_of_one_source_are_fetched_with_a_pause(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("pipelines.fetch.refresh.time.sleep", waits.append)
    link = {"page": list_page(office, MONTHS), "pattern": r"(?P<period>[a-z]+20\d\d)\.csv$", "newest": "period",
            "take": "every"}  # fmt: skip
    road = source(fetch={"link": link})
    refresh_source(tmp_path, "claimants", road, today=TODAY, now=NOW, limits=ROOMY._replace(pause=2.0))
    assert waits == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"newest": "first"}, "needs newest: period"), ({"take": "newest", "since": date(2026, 1, 1)}, "since needs")],
)
def test_contradictory_rule_is_refused(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        get(tmp_path, "https://a.org", **changes)
