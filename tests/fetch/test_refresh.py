"""Fetching from a local publisher that succeeds and fails as real publishers do."""

import asyncio
import gzip
import logging
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import get_ident
from typing import Any

import httpx
import pytest

from pipelines.core import snapshots, store
from pipelines.declarations.source import Source
from pipelines.fetch.refresh import add_file, refresh_all, refresh_source
from pipelines.fetch.response import Limits
from pipelines.fetch.snapshot_log import Outcome
from pipelines.fetch.urls import find_redirect_fault, publisher_file_name, redact_address, safe_file_name
from tests.publisher import (
    PAGE,
    Publisher,
    Reply,
    cut_short,
    dripping,
    dripping_headers,
    endless,
    file,
    publishing,
    says,
    silent,
)

CSV = b"code,value\nE06000001,5\n"
LATER = b"code,value\nE06000001,6\n"
TODAY = date(2026, 11, 24)
NOW = "2026-11-24T09:30:00Z"
MODIFIED = "Tue, 17 Nov 2026 09:30:00 GMT"
QUICK = Limits(attempts=4, seconds=3.0, bytes=10_000, wait=0.01)
HASTY = QUICK._replace(seconds=0.45)


def source(url: str | None, **changes: Any) -> Source:
    settings: dict[str, Any] = {"title": "Claimants", "publisher": "Office", "licence": "OGL 3.0"}
    settings |= {"page": "https://example.org/claimants", "provides": "boundary", "url": url}
    return Source(**{**settings, **changes})


def get(home: Path, url: str | None, limits: Limits = QUICK, **changes: Any) -> Outcome:
    return refresh_source(home, "claimants", source(url, **changes), today=TODAY, now=NOW, limits=limits)


def failures(home: Path) -> list[tuple[int, bool]]:
    return [
        (entry.status, bool(entry.error)) for entry in snapshots.read_log(home) if entry.change in ("same", "failed")
    ]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def office() -> Iterator[Publisher]:
    with publishing() as server:
        yield server


def test_new_file_is_stored_with_its_metadata(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/data/claimants.csv", says(200, CSV, ETag='"1"', Last_Modified=MODIFIED))
    outcome = get(tmp_path, url)
    assert outcome.result == "new"
    assert outcome.snapshot == snapshots.Snapshot(
        "claimants", store.hash_bytes(CSV), date(2026, 11, 17), "", NOW, url, "claimants.csv", len(CSV), "OGL 3.0",
        200, '"1"', MODIFIED, change="new", dated_by="server",
    )  # fmt: skip
    assert snapshots.source_snapshots(tmp_path, "claimants") == [outcome.snapshot]
    assert snapshots.read_snapshot(tmp_path, store.hash_bytes(CSV)) == CSV


def test_user_agent_identifies_the_client_and_its_contact(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for contact in ("", "data@council.gov.uk", "line\r\nbreak"):
        monkeypatch.setenv("COMMONGROUND_CONTACT", contact)
        get(tmp_path, office.at("/a.csv", says(200, CSV)))
    agents = [asked.headers["user-agent"] for asked in office.asked]
    assert all(agent.startswith("Commonground/") for agent in agents)
    assert agents[1].endswith("(contact data@council.gov.uk)") and "break" not in agents[2]


def test_unchanged_file_is_requested_by_etag_and_not_sent_again(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", file(CSV, '"1"'))
    outcomes = [get(tmp_path, url) for _ in range(3)]
    assert [outcome.result for outcome in outcomes] == ["new", "unchanged", "unchanged"]
    assert [asked.headers.get("if-none-match") for asked in office.asked] == [None, '"1"', '"1"']
    assert outcomes[0].snapshot == outcomes[2].snapshot
    assert failures(tmp_path) == [(304, False), (304, False)]


def test_publisher_without_etags_is_asked_by_date(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", says(200, CSV, Last_Modified=MODIFIED), says(304))
    assert [get(tmp_path, url).result for _ in range(2)] == ["new", "unchanged"]
    assert office.asked[1].headers["if-modified-since"] == MODIFIED


def test_same_bytes_on_another_day_are_no_new_release(tmp_path: Path, office: Publisher) -> None:
    here = source(office.at("/a.csv", says(200, CSV)))
    for day in (TODAY, TODAY + timedelta(days=1)):
        outcome = refresh_source(tmp_path, "claimants", here, today=day, now=NOW, limits=QUICK)
    assert outcome.result == "unchanged"
    assert outcome.snapshot and outcome.snapshot.released == TODAY
    assert len(snapshots.source_snapshots(tmp_path, "claimants")) == 1


def test_changed_content_under_the_same_etag_is_a_new_release(tmp_path: Path, office: Publisher) -> None:
    headers = {"ETag": '"1"', "Last_Modified": MODIFIED}
    url = office.at("/a.csv", says(200, CSV, **headers), says(200, LATER, **headers))
    assert [get(tmp_path, url).result for _ in range(2)] == ["new", "new"]
    stored = snapshots.source_snapshots(tmp_path, "claimants")
    assert [entry.sha256 for entry in stored] == [store.hash_bytes(CSV), store.hash_bytes(LATER)]
    assert [entry.released for entry in stored] == [date(2026, 11, 17), TODAY], "the date belongs to the first content"


def test_new_address_is_requested_without_the_first_etag(tmp_path: Path, office: Publisher) -> None:
    get(tmp_path, office.at("/2025.csv", file(CSV, '"1"')))
    assert get(tmp_path, office.at("/2026.csv", file(LATER, '"1"'))).result == "new"


def test_lost_or_damaged_file_is_fetched_again(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", file(CSV, '"1"'))
    get(tmp_path, url)
    kept = snapshots.snapshots_dir(tmp_path) / store.hash_bytes(CSV)
    kept.write_bytes(CSV.replace(b"5", b"7"))
    assert get(tmp_path, url).result == "unchanged"
    assert kept.read_bytes() == CSV
    kept.unlink()
    get(tmp_path, url)
    assert kept.read_bytes() == CSV


def test_unrequested_304_is_a_failure(tmp_path: Path, office: Publisher) -> None:
    outcome = get(tmp_path, office.at("/a.csv", says(304)))
    assert (outcome.result, failures(tmp_path)) == ("failed", [(304, True)])


@pytest.mark.parametrize(
    "modified", ["", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "Tue, 24 Nov 2099 00:00:00 GMT"]
)
def test_release_day_is_the_fetch_day_without_a_valid_last_modified(
    tmp_path: Path, office: Publisher, modified: str
) -> None:
    headers = {"Last_Modified": modified} if modified else {}
    outcome = get(tmp_path, office.at("/a.csv", says(200, CSV, **headers)))
    assert outcome.snapshot and outcome.snapshot.released == TODAY


def test_retry_after_is_respected(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", says(429, Retry_After="1"), says(200, CSV))
    assert get(tmp_path, url).result == "new"
    assert office.asked[1].at - office.asked[0].at >= 1.0
    assert failures(tmp_path) == [(429, True)]


def test_retry_after_may_be_a_date(tmp_path: Path, office: Publisher) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    url = office.at("/a.csv", says(503, Retry_After=format_datetime(soon, usegmt=True)), says(200, CSV))
    assert get(tmp_path, url).result == "new"
    assert datetime.now(UTC) >= soon


def test_fetch_ends_when_the_wait_exceeds_the_deadline(tmp_path: Path, office: Publisher) -> None:
    outcome = get(tmp_path, office.at("/a.csv", says(429, Retry_After="3600")))
    assert (outcome.result, len(office.asked)) == ("failed", 1)
    assert "retry after 3600 s" in outcome.detail


def test_recovering_server_is_retried_with_growing_waits(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", says(503), says(503), says(200, CSV))
    assert get(tmp_path, url, QUICK._replace(wait=0.1)).result == "new"
    first, second, third = (asked.at for asked in office.asked)
    assert second - first >= 0.1 and third - second >= 0.2
    assert failures(tmp_path) == [(503, True), (503, True)]


def test_failing_server_is_given_up_after_four_attempts(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", says(200, CSV), says(503, PAGE))
    stored = get(tmp_path, url).snapshot
    outcome = get(tmp_path, url)
    assert (outcome.result, outcome.snapshot, len(office.asked)) == ("failed", None, 5)
    assert outcome.detail == (
        f"claimants: {url}: found HTTP 503 Service Unavailable, expected a CSV file; refresh again later"
    )
    assert failures(tmp_path) == [(503, True)] * 4
    assert snapshots.source_snapshots(tmp_path, "claimants") == [stored], "stored releases are retained"


@pytest.mark.parametrize(("status", "advice"), [(404, "correct the url"), (403, "access is restricted")])
def test_permanent_error_is_not_retried(tmp_path: Path, office: Publisher, status: int, advice: str) -> None:
    outcome = get(tmp_path, office.at("/a.csv", says(status, PAGE)))
    assert (outcome.result, len(office.asked), failures(tmp_path)) == ("failed", 1, [(status, True)])
    assert advice in outcome.detail


REFUSED: dict[str, tuple[Reply, str]] = {
    "an error page with status 200": (says(200, PAGE), "found a web page, expected a CSV file"),
    "a page after a byte order mark": (says(200, b"\xef\xbb\xbf \n<HTML>"), "found a web page"),
    "a page in UTF-16": (says(200, PAGE.decode().encode("utf-16")), "found a web page"),
    "a page by its type": (says(200, b"Please log in", Content_Type="text/html; charset=utf-8"), "found a web page"),
    "an empty body": (says(200), "found an empty file"),
    "white space": (says(200, b" \r\n"), "found an empty file"),
    "no content": (says(204), "found HTTP 204 No Content"),
    "a truncated body": (cut_short(CSV, 5_000), "a truncated file"),
    "a body too large by its length": (cut_short(CSV, 10_001), "found more than 10,000 bytes"),
    "a body too large by its bytes": (endless, "found more than 10,000 bytes"),
    "a body too large when unpacked": (
        says(200, gzip.compress(CSV * 5_000), Content_Encoding="gzip"),
        "found more than 10,000 bytes",
    ),
    "an encoding not requested": (
        says(200, b"\x00\x01", Content_Encoding="x-own"),
        "unrequested content encoding",
    ),
    "a redirect to nowhere": (says(302), "found HTTP 302 Found"),
    "a redirect to a file": (says(302, Location="file:///etc/hosts"), "not encrypted"),
    "a broken encoding": (says(200, b"\x00\x01", Content_Encoding="gzip"), "a broken connection"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_unusable_response_is_refused_and_logged(tmp_path: Path, office: Publisher, what: str) -> None:
    reply, expected = REFUSED[what]
    url = office.at("/a.csv", reply)
    outcome = get(tmp_path, url)
    assert outcome.result == "failed"
    assert expected in outcome.detail and url in outcome.detail
    assert snapshots.read_log(tmp_path)[-1].error == outcome.detail
    assert snapshots.source_snapshots(tmp_path, "claimants") == []


FOREIGN: dict[str, tuple[str, bytes, str]] = {
    "headings only": ("csv", b"code,value\n", "one line and no rows"),
    "headings and blank cells": ("csv", b"code,value\r\n,\r\n", "one line and no rows"),
    "a JSON response": ("csv", b'{"error": "no such table"}', "found a JSON response"),
    "an XML response": ("csv", b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>", "an XML response"),
    "a PDF": ("csv", b"%PDF-1.7\n1 0 obj\n", "a PDF file"),
    "text instead of a workbook": ("excel", b"Please try again\nlater", "not excel"),
    "text instead of a Parquet file": ("parquet", b"Please try again\nlater", "not parquet"),
    "text instead of JSON": ("json", b"Please try again\nlater", "not JSON"),
    "an empty listing": ("json", b'{"type": "FeatureCollection", "features": []}', "a JSON file without rows"),
    "an error in JSON": ("json", b'{"error": "no such table"}', "an error (no such table)"),
    "an empty object": ("json", b"{}", "a JSON file without rows"),
    "an empty list": ("json", b"[]", "a JSON file without rows"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_file_without_the_declared_content_is_refused(tmp_path: Path, office: Publisher, what: str) -> None:
    form, body, expected = FOREIGN[what]
    url = office.at("/a", says(200, body))
    outcome = get(tmp_path, url, format=form)
    assert outcome.result == "failed" and expected in outcome.detail and url in outcome.detail
    assert snapshots.read_log(tmp_path)[-1].error == outcome.detail
    assert snapshots.source_snapshots(tmp_path, "claimants") == []


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("csv", b"code,value\n\nE06000001,5"),
        ("csv", b"code,value\rE06000001,5"),
        ("csv", "code,value\nE06000001,5\n".encode("utf-16")),
        ("csv", b"[note 1] See the page.\ncode,value\nE06000001,5\n"),
        ("json", b'{"type": "FeatureCollection", "notes": [], "features": [{}]}'),
        ("json", b'\xef\xbb\xbf[{"code": "E06000001", "value": 5}]'),
    ],
)
def test_small_file_with_one_row_is_a_release(tmp_path: Path, office: Publisher, form: str, body: bytes) -> None:
    outcome = get(tmp_path, office.at("/a", says(200, body)), format=form)
    assert outcome.result == "new", outcome.detail


@pytest.mark.parametrize("reply", [silent, dripping, dripping_headers], ids=lambda reply: reply.__name__)
def test_endless_response_is_given_up_within_the_limit(tmp_path: Path, office: Publisher, reply: Reply) -> None:
    begun = time.monotonic()
    outcome = get(tmp_path, office.at("/a.csv", reply), HASTY)
    assert outcome.result == "failed"
    assert time.monotonic() - begun < 2.0
    assert "within 0.45 s" in outcome.detail or "no response in time" in outcome.detail


def test_download_works_inside_a_running_event_loop(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", says(200, CSV))

    async def cell_of_a_notebook() -> Outcome:
        return get(tmp_path, url)

    assert asyncio.run(cell_of_a_notebook()).result == "new"


def test_ctrl_c_ends_a_download_immediately(tmp_path: Path, office: Publisher) -> None:
    def interrupting(handler: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        silent(handler)

    with pytest.raises(KeyboardInterrupt):
        get(tmp_path, office.at("/a.csv", interrupting), QUICK._replace(seconds=30.0))
    assert len(office.asked) == 1


def test_timeout_is_retried(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", silent, says(200, CSV))
    assert get(tmp_path, url, QUICK._replace(seconds=0.9)).result == "new"


def test_unreachable_publisher_is_a_failure(tmp_path: Path) -> None:
    with publishing() as gone:
        url = gone.url("/a.csv")
    outcome = get(tmp_path, url)
    assert outcome.result == "failed"
    assert len(failures(tmp_path)) == 4


@pytest.mark.parametrize(
    "url", ["ftp://example.org/a.csv", "example.org/a.csv", "http://:x/", f"http://{'a' * 70}.org/", "http://a\nb/"]
)
def test_invalid_address_is_a_failure(tmp_path: Path, url: str) -> None:
    outcome = get(tmp_path, url)
    assert (outcome.result, failures(tmp_path)) == ("failed", [(0, True)])


def test_redirect_within_the_host_is_followed(tmp_path: Path, office: Publisher) -> None:
    office.at("/files/2026.csv", file(CSV, '"1"'))
    latest = office.at("/latest", says(302, Location="/files/2026.csv"))
    outcomes = [get(tmp_path, latest) for _ in range(2)]
    assert [outcome.result for outcome in outcomes] == ["new", "unchanged"]
    assert outcomes[0].snapshot and outcomes[0].snapshot.origin == office.url("/files/2026.csv")
    known = [(asked.path, asked.headers.get("if-none-match")) for asked in office.asked[2:]]
    assert known == [("/latest", None), ("/files/2026.csv", '"1"')]


def test_redirect_to_a_login_on_another_host_is_not_followed(tmp_path: Path, office: Publisher) -> None:
    office.at("/login", says(200, PAGE))
    outcome = get(tmp_path, office.at("/a.csv", says(302, Location=office.url("/login?token=abc", "localhost"))))
    assert outcome.result == "failed"
    assert "localhost" in outcome.detail and "login" in outcome.detail and "abc" not in outcome.detail
    assert [asked.path for asked in office.asked] == ["/a.csv"]


def test_redirect_loop_ends(tmp_path: Path, office: Publisher) -> None:
    office.at("/b", says(302, Location="/a"))
    outcome = get(tmp_path, office.at("/a", says(302, Location="/b")))
    assert "a redirect loop" in outcome.detail
    assert len(office.asked) == 6


FAMILIES = [
    ("https://www.ons.gov.uk/a", "https://download.ons.gov.uk/a", True),
    ("https://a.service.gov.uk/a", "https://b.service.gov.uk/a", True),
    ("https://www.ons.gov.uk/a", "https://www.nhs.uk/a", False),
    ("https://www.ons.gov.uk/a", "https://login.dwp.gov.uk/a", False),
    ("https://digital.nhs.uk/a", "https://files.digital.nhs.uk/a", True),
    ("https://data.example.org/a", "https://example.org/a", True),
    ("https://one.s3.amazonaws.com/a", "https://two.s3.amazonaws.com/a", False),
    ("https://10.1.2.3/a", "https://9.1.2.3/a", False),
    ("https://www.ons.gov.uk/a", "http://www.ons.gov.uk/a", False),
    ("http://www.ons.gov.uk/a", "https://www.ons.gov.uk/a", True),
]


@pytest.mark.parametrize(("one", "other", "followed"), FAMILIES)
def test_redirects_stay_within_the_publisher(one: str, other: str, followed: bool) -> None:
    fault = find_redirect_fault(httpx.URL(one), httpx.URL(one), httpx.URL(other))
    assert (not fault) == followed


def test_secrets_in_an_address_are_sent_but_never_stored(
    tmp_path: Path, office: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    office.at("/a.csv", says(500), says(200, CSV))
    outcome = get(tmp_path, office.url("/a.csv?geography=K02&api_key=hush&Ocp-Subscription-Key=hush#hush"))
    assert office.asked[0].path == "/a.csv?geography=K02&api_key=hush&Ocp-Subscription-Key=hush"
    assert outcome.snapshot and outcome.snapshot.origin == office.url("/a.csv?geography=K02")
    written = (snapshots.snapshots_dir(tmp_path) / "log.jsonl").read_text()
    assert "geography=K02" in caplog.text
    assert not any("hush" in text for text in (written, caplog.text, str(outcome)))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:hush@a.org/b?x=1", "https://a.org/b?x=1"),
        ("https://a.org/b?token=hush", "https://a.org/b"),
        ("https://a.org/b?x=1;key=hush&keyword=tea", "https://a.org/b?keyword=tea"),
        ("https://a.org/b?X-Amz-Signature=hush&y=2", "https://a.org/b?y=2"),
        ("https://a.org/b?access%5Ftoken=hush", "https://a.org/b"),
        ("https://a.org/b?monkey=1", "https://a.org/b?monkey=1"),
    ],
)
def test_possible_secrets_are_removed_from_an_address(url: str, shown: str) -> None:
    assert redact_address(url) == shown


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        ("", "/data/a%20b.csv", "a b.csv"),
        ('attachment; filename="stats.xlsx"', "/download", "stats.xlsx"),
        ("attachment; filename*=UTF-8''Ynys%20M%C3%B4n.csv", "/download", "Ynys Môn.csv"),
        ('attachment; filename="../../etc/hosts"', "/download", "hosts"),
        ('attachment; filename="C:\\\\temp\\\\nul.csv"', "/download", "_nul.csv"),
        ('attachment; filename="a<b>:c.csv"', "/download", "a_b__c.csv"),
        ('attachment; filename=".."', "/download", "download"),
        ("", "", ""),
        ("", "/", ""),
    ],
)
def test_file_name_is_the_publishers_made_safe(disposition: str, path: str, name: str) -> None:
    headers = httpx.Headers({"content-disposition": disposition} if disposition else {})
    assert publisher_file_name(f"https://example.org{path}", headers) == name


def test_long_file_name_keeps_its_suffix() -> None:
    assert safe_file_name("x" * 300 + ".csv") == "x" * 116 + ".csv"


def test_source_without_address_explains_the_manual_route(tmp_path: Path) -> None:
    assert "download the file from https://example.org/claimants" in get(tmp_path, None).detail
    outcome = get(tmp_path, None, access="not_open", request="open the extract", data_owner="The department")
    assert outcome.result == "not_fetchable"
    assert "ask The department: open the extract" in outcome.detail
    assert snapshots.read_log(tmp_path) == []


def test_unwritable_store_is_reported_without_an_exception(tmp_path: Path, office: Publisher) -> None:
    (tmp_path / "home").write_text("a file where the store should be")
    outcome = get(tmp_path / "home", office.at("/a.csv", says(200, CSV)))
    assert outcome.result == "failed" and "can't be written" in outcome.detail


def test_damaged_log_is_reported_without_an_exception(tmp_path: Path, office: Publisher) -> None:
    snapshots.snapshots_dir(tmp_path).mkdir()
    (snapshots.snapshots_dir(tmp_path) / "log.jsonl").write_text("{}\n")
    outcome = get(tmp_path, office.at("/a.csv", says(200, CSV)))
    assert outcome.result == "failed" and "restore the file" in outcome.detail


def test_sources_are_refreshed_in_turn_per_host_and_sorted_by_name(tmp_path: Path, office: Publisher) -> None:
    names = ["delta", "alpha", "charlie", "bravo"]
    sources = {name: source(office.at(f"/{name}.csv", says(200, CSV + name.encode()))) for name in names}
    sources["nowhere"] = source(None)
    sources["broken"] = source(office.at("/broken.csv", says(404)))
    outcomes_seen: list[Outcome] = []
    outcomes = refresh_all(tmp_path, sources, today=TODAY, now=NOW, limits=QUICK, on_done=outcomes_seen.append)
    assert [outcome.source for outcome in outcomes] == sorted(sources)
    assert sorted(outcomes_seen) == sorted(outcomes)
    assert [asked.path for asked in office.asked] == [f"/{name}.csv" for name in sorted(sources) if name != "nowhere"]
    assert [outcome.source for outcome in outcomes if outcome.result != "new"] == ["broken", "nowhere"]


def test_hosts_are_refreshed_in_parallel_into_one_log(tmp_path: Path) -> None:
    threads: set[int] = set()
    with publishing() as slow, publishing() as quick:
        slow_url = slow.at("/a.csv", lambda handler: (time.sleep(0.4), says(200, CSV)(handler))[0])
        here = source(slow_url)
        # Another port of the same machine is the same host; another name is another host.
        there = source(quick.at("/b.csv", says(200, LATER)).replace("127.0.0.1", "localhost"))
        outcomes_seen: list[str] = []

        def on_done(outcome: Outcome) -> None:
            threads.add(get_ident())
            outcomes_seen.append(outcome.source)

        refresh_all(tmp_path, {"a": here, "b": there}, today=TODAY, now=NOW, limits=QUICK, on_done=on_done)
    assert outcomes_seen == ["b", "a"]
    assert len(threads) == 2
    assert {entry.source for entry in snapshots.read_log(tmp_path)} == {"a", "b"}


def test_added_file_is_stored_as_a_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(CSV)
    outcomes_seen = [add_file(tmp_path / "s", "claimants", source(None), path, TODAY, NOW) for _ in range(2)]
    assert [outcome.result for outcome in outcomes_seen] == ["new", "unchanged"]
    assert outcomes_seen[0].snapshot and outcomes_seen[0].snapshot.origin == "file export.csv"
    assert snapshots.read_snapshot(tmp_path / "s", outcomes_seen[0].snapshot.sha256) == CSV


@pytest.mark.parametrize(
    ("content", "expected"),
    [(PAGE, "found a web page"), (b"", "found an empty file"), (b"x" * 10_001, "more than"), (None, "can't be read")],
)
def test_added_file_passes_the_checks_of_a_fetched_file(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "export.csv"
    if content is not None:
        path.write_bytes(content)
    outcome = add_file(tmp_path / "s", "claimants", source(None), path, TODAY, NOW, QUICK)
    assert outcome.result == "failed" and expected in outcome.detail
    assert snapshots.read_log(tmp_path / "s") == []


def test_added_file_is_recognised_when_the_publisher_returns_it(tmp_path: Path, office: Publisher) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(CSV)
    url = office.at("/a.csv", file(CSV, '"1"'))
    add_file(tmp_path / "s", "claimants", source(url), path, date(2026, 11, 3), NOW)
    assert [get(tmp_path / "s", url).result for _ in range(2)] == ["unchanged", "unchanged"]
    assert office.asked[1].headers["if-none-match"] == '"1"'
    assert [entry.released for entry in snapshots.source_snapshots(tmp_path / "s", "claimants")] == [date(2026, 11, 3)]
