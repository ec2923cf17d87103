"""A year of one monthly source: revision, silence, recall, outage and a changed heading, with the clock moved."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from pipelines.app.acquire import refresh_sources
from pipelines.app.build import build_problems
from pipelines.app.notices import notify, read_notices
from pipelines.core.clock import clock_at
from pipelines.core.snapshots import source_snapshots
from pipelines.core.store import hash_bytes, read_table, state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.fetch import channels
from pipelines.gaps import load_gaps
from tests.breadth import wide
from tests.publisher import Handler, Publisher, publishing, says
from tests.small import districts_only

QUIET = Console(quiet=True)
PLACES = ("E06000001", "E06000002", "E06000003")
SOURCE = """title: Claims
publisher: Office
licence: OGL 3.0
page: https://example.org/claims
url: {url}
cadence: monthly, 1 month later
geography: lad_2023
coverage: [England]
columns: {{place: code, period: month}}
period_kind: month
measures:
  claims: {{title: Claims, unit: people, kind: count, column: claims}}
"""
PROBLEM = """/*
question: How many claims were made each month?
decision: Where advisers are sent.
owner: Team
geography: lad_2023
place_codes: [{places}]
grain: month
periods: {{start: 2027-01, end: 2027-10}}
needs:
  claims:
*/
select place_period.place_code, place_period.place_name, place_period.period_start, place_period.period_end,
  claims.value as claims
from lad_2023.place_period join lad_2023.claims using (place_code, period_start)
"""
RELEASES = {
    date(2027, 2, 25): 1, date(2027, 3, 25): 2, date(2027, 4, 25): 3, date(2027, 5, 25): 4, date(2027, 6, 25): 5,
    date(2027, 8, 25): 7, date(2027, 9, 25): 8, date(2027, 10, 6): 8, date(2027, 10, 25): 9, date(2027, 11, 25): 10,
    date(2027, 12, 2): 10,
}  # fmt: skip
"""Days of releases, with the last month in each. July brings nothing; 6 October replaces, and so does 2 December."""
RECALLED, RECALL = date(2027, 9, 25), date(2027, 10, 5)
OUTAGE = (date(2027, 11, 4), date(2027, 11, 10))
CHANGED_HEADING = date(2027, 11, 25)


def content(day: date) -> bytes:
    """Return the file of a release: all months to its last. From 25 May, a figure of February is revised."""
    heading = "number" if day == CHANGED_HEADING else "claims"
    lines = [f"code,month,{heading}"]
    for month in range(1, RELEASES[day] + 1):
        for step, place in enumerate(PLACES):
            revised = 7 if (month, step) == (2, 0) and day >= date(2027, 5, 25) else 0
            wrong = 40 if day == RECALLED and month == 8 else 0
            lines.append(f"{place},2027-{month:02},{100 + 10 * step + 3 * month + revised + wrong}")
    return ("\n".join(lines) + "\n").encode()


ONE = "3 verdicts from not answerable to answerable"
VERDICTS = [ONE, ONE, ONE, ONE, ONE.replace("3", "6"), ONE, "24 verdicts from answerable to answerable with caveats",
            "24 verdicts from answerable with caveats to answerable", ONE, ONE]  # fmt: skip
CLOSED = [date(2027, 3, 30), date(2027, 4, 27), date(2027, 5, 25), date(2027, 6, 29), date(2027, 8, 31),
          date(2027, 8, 31), date(2027, 9, 28), date(2027, 10, 26), date(2027, 12, 7)]  # fmt: skip


class Office:
    """A publisher with one file, which changes on the days of RELEASES."""

    def __init__(self) -> None:
        self.today, self.sent = date(2027, 1, 1), Counter[date]()

    def reply(self, handler: Handler) -> None:
        """Send the newest file, 304 to a client that has it, or 503 during the outage."""
        newest = max((day for day in RELEASES if day <= self.today), default=None)
        if newest is None or OUTAGE[0] <= self.today <= OUTAGE[1]:
            return says(503, Retry_After="3600")(handler)
        etag = f'"{newest}"'
        if handler.headers.get("If-None-Match") == etag:
            return says(304, ETag=etag)(handler)
        self.sent[newest] += 1
        modified = format_datetime(datetime.combine(newest, time(9, 30), UTC), usegmt=True)
        return says(200, content(newest), ETag=etag, Last_Modified=modified)(handler)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("COMMONGROUND_AS_OF", raising=False)
    with publishing() as publisher:
        monkeypatch.setenv(channels.WEBHOOK, publisher.at("/hook", says(200)))
        yield publisher


def days_of_the_year() -> Iterator[date]:
    """Yield the scheduled days: every Tuesday, and every day of the outage."""
    for step in range(365):
        day = date(2027, 1, 1) + timedelta(days=step)
        if day >= date(2027, 2, 25) and (day.weekday() == 1 or OUTAGE[0] <= day <= OUTAGE[1]):
            yield day


def live_a_day(root: Path, home: Path, day: date, last: int) -> int:
    """Refresh, build after a new release or on the first Tuesday of a month, and send notices."""
    with clock_at(datetime.combine(day, time(9, 45), UTC)):
        project = Project(load_catalogue(root), home, day)
        refresh_sources(project, ["claims"], QUIET)
        releases = len(source_snapshots(home, "claims"))
        if releases != last or (day.day <= 7 and day.weekday() == 1):
            build_problems(project, [], QUIET)
        assert notify(project) == []
    return releases


def recall(root: Path, day: date) -> None:
    path = root / "sources" / "claims.yaml"
    sha = hash_bytes(content(RECALLED))[:12]
    text = (
        f"withdrawn:\n  '{sha}': {{when: {day}, reason: August was counted twice., link: https://example.org/notice}}\n"
    )
    path.write_text(path.read_text() + text)


@wide
def test_a_year_passes(tmp_path: Path, server: Publisher) -> None:
    office, root, home = Office(), districts_only(tmp_path), tmp_path / "store"
    url = server.at("/claims.csv", office.reply)
    (root / "sources" / "claims.yaml").write_text(SOURCE.format(url=url))
    (root / "pipelines" / "problems" / "claims_by_month.sql").write_text(PROBLEM.format(places=", ".join(PLACES)))
    last = 0
    for day in days_of_the_year():
        office.today = day
        if day == RECALL:
            recall(root, day)
        last = live_a_day(root, home, day, last)
    notices = read_notices(home)
    assert [item.kind for item in notices if item.kind != "verdicts"] == [
        "silence", "unusable", "failure", "recovery", "unusable",
    ]  # fmt: skip
    silence, withdrawn, failure, recovery, heading = [item.text for item in notices if item.kind != "verdicts"]
    assert silence.startswith("claims: figures after 2027-05-31 were due on 2027-07-31")
    assert "recalled by its publisher on 2027-10-05" in withdrawn and "found columns code, month, number" in heading
    assert "HTTP 503" in failure and "2027-11-04" in failure and "2027-11-04" in recovery
    changes = [item.text.partition(" (")[0] for item in notices if item.kind == "verdicts"]
    assert changes == [f"claims_by_month: {text}" for text in VERDICTS]
    bodies = [json.loads(asked.body) for asked in server.asked if asked.path == "/hook"]
    delivered = [item["text"] for body in bodies for item in body["notices"]]
    assert delivered == [item.text for item in notices], "each notice once"

    assert office.sent == dict.fromkeys(RELEASES, 1), "nothing is fetched twice"
    stored = source_snapshots(home, "claims")
    assert [item.released for item in stored] == list(RELEASES)
    assert {item.dated_by for item in stored} == {"server"}
    assert [item.sha256 for item in stored] == [hash_bytes(content(day)) for day in RELEASES]

    project = Project(load_catalogue(root), home, date(2027, 12, 31))
    gaps = load_gaps(project, "claims_by_month")
    closed = dict(gaps.filter(pl.col("place_code") == PLACES[0]).select("period_start", "closed").iter_rows())
    assert list(closed.values()) == CLOSED, "the ledger states when each month became known"
    view = read_table(state_path(home, "view", "claims_by_month")).filter(pl.col("place_code") == PLACES[0])
    assert view["claims"].to_list() == [100 + 3 * month + (7 if month == 2 else 0) for month in range(1, 11)]
