"""Notices are sent once for each occasion, by webhook and mail, and never before a user configures a channel."""

import json
from collections.abc import Iterator
from datetime import date
from email import message_from_string, policy
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pipelines.app.definitions import define_project
from pipelines.app.notices import (
    Notice,
    collect_notices,
    compare_verdicts,
    describe_changes,
    find_fetch_notices,
    notices_dir,
    notify,
    read_notices,
)
from pipelines.core.schema import SLICE_COLUMNS, table_from_records
from pipelines.core.snapshots import Snapshot, append_log
from pipelines.core.store import read_table, state_path, table_key, write_table
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.fetch import notify as channels
from tests.app.test_refresh import project
from tests.command import run
from tests.mailbox import Mailbox, mailbox
from tests.publisher import Publisher, publishing, says

AS_OF = date(2026, 11, 24)
VARIABLES = ("WEBHOOK", "WEBHOOK_FORM", "MAIL_TO", "MAIL_FROM", "MAIL_SERVER", "MAIL_USER", "MAIL_PASSWORD")
SETTINGS = [getattr(channels, name) for name in VARIABLES]
SECRET = "T0SECRET0HUSH"


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with publishing() as server:
        yield server


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mailbox() as server:
        monkeypatch.setenv(channels.MAIL_SERVER, server.url)
        monkeypatch.setenv(channels.MAIL_TO, "team@example.org, lead@example.org")
        monkeypatch.setenv(channels.MAIL_FROM, "commonground@example.org")
        yield server


def entry(at: str, error: str = "", source: str = "a") -> Snapshot:
    change = "failed" if error else "new"
    return Snapshot(source, "", AS_OF, "", at, "https://a.org", "a.csv", 0, "", error=error, change=change)  # type: ignore[arg-type]


def failing(folder: Path, **extra: str) -> Project:
    """Return a project with a source after a failed fetch."""
    root = project(folder, a="url: https://a.org/a.csv", **extra)
    append_log(
        folder / "store", entry("2026-11-24T09:45:00", "a: found HTTP 503, expected a CSV file; refresh again later")
    )
    return Project(load_catalogue(root), folder / "store", AS_OF)


def test_nothing_is_sent_or_written_until_a_channel_is_configured(tmp_path: Path, office: Publisher) -> None:
    stored = failing(tmp_path)
    assert notify(stored) == [] and not notices_dir(stored.home).exists() and office.asked == []


def test_outage_has_one_notice_and_its_end_another() -> None:
    log = [entry("2026-11-01T09:45"), entry("2026-11-02T09:45", "a: no"), entry("2026-11-03T09:45", "a: none")]
    [failure] = find_fetch_notices(log, set())
    assert failure == Notice("failure", "a", "a: none. The first failure was on 2026-11-02.", "a 2026-11-02T09:45")
    [longer] = find_fetch_notices([*log, entry("2026-11-04T09:45", "a: no")], set())
    assert longer.occasion == failure.occasion
    logged = {("failure", failure.occasion)}
    [recovery] = find_fetch_notices([*log, entry("2026-11-05T09:45")], logged)
    assert (recovery.kind, recovery.text) == (
        "recovery",
        "a: the publisher delivers again. It did not from 2026-11-02 on.",
    )
    assert list(find_fetch_notices([*log, entry("2026-11-05T09:45")], set())) == [], "nobody heard of the failure"


@pytest.mark.parametrize("form", ["json", "slack"])
def test_webhook_gets_each_notice_once(
    form: str, tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(channels.WEBHOOK, office.at(f"/services/{SECRET}", says(500), says(200, b"ok")))
    monkeypatch.setenv(channels.WEBHOOK_FORM, form)
    stored = failing(tmp_path)
    [fault] = notify(stored)
    assert "HTTP 500" in fault and SECRET not in fault
    assert notify(stored) == [] and notify(stored) == []
    assert len(office.asked) == 2, "one refused, one delivered"
    body = json.loads(office.asked[1].body)
    if form == "slack":
        assert set(body) == {"text"} and body["text"].startswith(
            "*Commonground: 1 notice (a)*\n\u2022 a: found HTTP 503"
        )
    else:
        assert body["project"] == "commonground"
        assert [(item["kind"], item["subject"]) for item in body["notices"]] == [("failure", "a")]
    assert SECRET not in "".join(path.read_text() for path in notices_dir(stored.home).rglob("*.json*"))


@pytest.mark.usefixtures("office")
def test_mail_is_delivered_once(tmp_path: Path, post: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(channels.MAIL_USER, "robot")
    monkeypatch.setenv(channels.MAIL_PASSWORD, SECRET)
    stored = failing(tmp_path)
    post.refuses = b"RCPT"
    [fault] = notify(stored)
    assert "mail: not delivered" in fault and SECRET not in fault
    post.refuses = b""
    assert notify(stored) == [] and notify(stored) == []
    [mail] = [message_from_string(text, policy=policy.default) for text in post.mails]
    assert (mail["Subject"], mail["To"]) == ("Commonground: 1 notice (a)", "team@example.org, lead@example.org")
    assert "found HTTP 503" in mail.get_content()
    assert any(command.startswith("AUTH") for command in post.commands)


@pytest.mark.usefixtures("office")
def test_password_is_not_sent_without_encryption_to_another_machine(
    post: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(channels.MAIL_USER, "robot")
    monkeypatch.setattr(channels, "LOOPBACK", ())
    fault = channels.send_message("mail", channels.Message("s", ["t"], {}))
    assert "offers no encryption" in fault and not any(command.startswith("AUTH") for command in post.commands)


MAIL = {"MAIL_TO": "a@example.org", "MAIL_SERVER": "smtp://127.0.0.1:9"}


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"WEBHOOK": "not an address"}, "webhook: not delivered"),
        ({"WEBHOOK": "http://127.0.0.1:9", "WEBHOOK_FORM": "xml"}, "expected json or slack"),
        ({"MAIL_TO": "a@example.org"}, "expected COMMONGROUND_SMTP as smtp://"),
        (MAIL, "COMMONGROUND_MAIL_FROM is not set"),
        (
            {"MAIL_TO": "a@example.org", "MAIL_SERVER": "smtp://127.0.0.1:9", "MAIL_FROM": "b@example.org"},
            "not delivered",
        ),
    ],
    ids=str,
)
def test_wrong_setting_is_explained(
    settings: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(getattr(channels, name), value)
    [fault] = notify(failing(tmp_path))
    assert words in fault


@pytest.mark.usefixtures("office")
def test_silence_has_one_notice_for_each_period(tmp_path: Path) -> None:
    stored = failing(tmp_path, good="url: https://a.org/good.csv\ncadence: monthly, 1 month later")
    append_log(stored.home, entry("2026-10-24T09:45", source="good"))
    slices = table_from_records([{"period_end": date(2026, 8, 31), "known": 1}], SLICE_COLUMNS)
    write_table(state_path(stored.home, "slice", "good"), slices, "key")

    def silences(day: date) -> list[Notice]:
        return [notice for notice in collect_notices(stored._replace(as_of=day)) if notice.kind == "silence"]

    assert silences(date(2026, 11, 3)) == [], "due on 31 October, and a few days late"
    [notice] = silences(date(2026, 11, 4))
    assert notice.text == "good: figures after 2026-08-31 were due on 2026-10-31, and the publisher has released none."
    assert silences(date(2026, 12, 24)) == [notice]


def test_changed_verdicts_are_compared_by_place_and_period() -> None:
    rows = {"place_code": ["E1", "E2", "E3"], "place_name": ["Aye", "Bee", "Cee"], "verdict": ["answerable"] * 3}
    before = pl.DataFrame(rows)
    now = pl.DataFrame({**rows, "verdict": ["answerable", "not_answerable", "not_answerable"]})
    changed = compare_verdicts(
        before, pl.concat([now, now.head(1).with_columns(place_code=pl.lit("E9"))]), ["place_code"]
    )
    assert describe_changes(changed) == "2 verdicts from answerable to not answerable (Bee, Cee)."
    many = pl.DataFrame({"place_name": list("ABCDE"), "was": ["answerable"] * 5, "verdict": ["with_caveats"] * 5})
    assert describe_changes(many) == "5 verdicts from answerable to answerable with caveats (A, B, C and 2 more)."


def test_build_sends_a_notice_of_a_changed_verdict(
    small: Project, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(channels.WEBHOOK, office.at("/hook", says(200)))
    assert run("build", store=small.home, project=small.catalogue.root).returncode == 0
    assert not [notice for notice in read_notices(small.home) if notice.kind == "verdicts"], "first seen, not changed"
    path = state_path(small.home, "verdict", "jobs_recovery")
    table = read_table(path)
    assert set(table["verdict"]) != {"not_answerable"}
    write_table(path, table.with_columns(verdict=pl.lit("not_answerable")), table_key(path) or "")
    assert run("build", store=small.home, project=small.catalogue.root).returncode == 0
    [notice] = [notice for notice in read_notices(small.home) if notice.kind == "verdicts"]
    assert notice.subject == "jobs_recovery" and "to not answerable" in notice.text
    listed = run("notices", "--format", "json", store=small.home, project=small.catalogue.root)
    assert notice.text in [row["text"] for row in json.loads(listed.stdout)]


def test_test_message_goes_to_every_channel(
    tmp_path: Path, office: Publisher, post: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(channels.WEBHOOK, office.at("/hook", says(200), says(404)))
    root = project(tmp_path, good="")
    assert run("notices", "--test", store=tmp_path / "store", project=root).returncode == 0
    assert len(office.asked) == len(post.mails) == 1
    done = run("notices", "--test", store=tmp_path / "store", project=root)
    assert done.returncode == 5 and "HTTP 404" in done.stderr


def test_failed_run_of_dagster_sends_a_notice(
    tmp_path: Path, office: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(channels.WEBHOOK, office.at("/hook", says(200)))
    root = project(
        tmp_path,
        gone=f"url: {office.at('/gone.csv', says(404))}",
    )
    defs = define_project(load_catalogue(root), tmp_path / "store", AS_OF)
    sensors = {sensor.name: sensor for sensor in defs.sensors or []}
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("refresh_gone").execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="notices_after_failure", dagster_instance=instance, dagster_run=result.dagster_run,
            dagster_event=next(event for event in result.all_events if event.is_job_failure),
        )  # fmt: skip
        sensors["notices_after_failure"](context)
    [asked] = [asked for asked in office.asked if asked.path == "/hook"]
    assert json.loads(asked.body)["notices"][0]["text"].startswith("gone: http://127.0.0.1")
