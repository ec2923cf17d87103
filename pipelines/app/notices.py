"""Notices for a person: a source that fails or is silent, a file that cannot be used, a changed verdict.

    notices/log.jsonl               in the store: every notice, numbered by its line
    notices/delivered.json          for each channel, how many lines it has delivered
    notices/verdicts/<problem>.parquet   verdicts that the last notice of the problem was about

Nothing is written until a channel is configured. Each occasion has one notice, and each channel delivers it once. A
channel that fails delivers later.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.core.attempts import is_attempt
from pipelines.core.clock import current_time
from pipelines.core.snapshots import Snapshot, read_log
from pipelines.core.store import lock_store, read_table, state_path, write_atomically, write_table
from pipelines.declarations.project import Project
from pipelines.fetch import Message, is_scheduled, list_channels, send_message
from pipelines.gaps import VERDICT_WORDS
from pipelines.observations import all_findings
from pipelines.outputs import next_release_days

GRACE = timedelta(days=3)
"""Time past the day due before a notice of silence: publishers are sometimes a few days late."""
MOST_NAMES = 3
USELESS_FILES = ("readable", "contract", "recalled_release")
"""Checks by which a file, or a release, is not used."""


class Notice(NamedTuple):
    """One notice: its kind, source or problem, sentence, and the occasion by which it is sent once.

    Kinds: failure and recovery of a road, silence past due, an unusable file, and verdicts that changed.
    """

    kind: str
    subject: str
    text: str
    occasion: str


def notify(project: Project) -> list[str]:
    """Log new notices and deliver those not delivered yet. Return the faults of channels; nothing where none is set."""
    channels = list_channels()
    if not channels:
        return []
    with lock_store(project.home):
        _log_notices(project.home, collect_notices(project))
    return deliver_notices(project.home, channels)


def collect_notices(project: Project) -> list[Notice]:
    """Return the notices of a store that are not logged yet, and keep the verdicts for the next comparison."""
    logged = {(notice.kind, notice.occasion) for notice in read_notices(project.home)}
    due = [
        *_find_changed_verdicts(project),
        *find_fetch_notices(read_log(project.home), logged),
        *_find_silence(project),
        *_find_unusable_files(project),
    ]
    new = [notice for notice in due if (notice.kind, notice.occasion) not in logged]
    return [_hide_private_text(project, notice) for notice in new]


def _hide_private_text(project: Project, notice: Notice) -> Notice:
    """Leave out what a fault says about a private source: a notice leaves the machine."""
    source = project.catalogue.sources.get(notice.subject)
    if source is None or source.is_public:
        return notice
    return notice._replace(text=f"{notice.subject}: {notice.kind} of a private source; run `commonground status`.")


def find_fetch_notices(log: Sequence[Snapshot], logged: set[tuple[str, str]]) -> Iterator[Notice]:
    """Find the sources with a failed last attempt, and those that deliver again after a notice of a failure."""
    attempts: dict[str, list[Snapshot]] = {}
    for entry in log:
        if is_attempt(entry):
            attempts.setdefault(entry.source, []).append(entry)
    for source, entries in sorted(attempts.items()):
        failed = list(takewhile(lambda entry: entry.error, reversed(entries)))
        if failed:
            text = f"{failed[0].error}. The first failure was on {failed[-1].fetched_at[:10]}."
            yield Notice("failure", source, text, f"{source} {failed[-1].fetched_at}")
        else:
            yield from _find_recovery(source, entries, logged)


def _find_recovery(source: str, entries: Sequence[Snapshot], logged: set[tuple[str, str]]) -> Iterator[Notice]:
    failures = [entry.fetched_at for entry in entries if ("failure", f"{source} {entry.fetched_at}") in logged]
    if failures:
        text = f"{source}: the publisher delivers again. It did not from {failures[-1][:10]} on."
        yield Notice("recovery", source, text, f"{source} {failures[-1]}")


def _find_silence(project: Project) -> Iterator[Notice]:
    """Find the scheduled sources that delivered before, with a next period overdue by more than GRACE."""
    delivered = {entry.source for entry in read_log(project.home) if is_attempt(entry) and not entry.error}
    for source, (newest, due) in sorted(next_release_days(project).items()):
        declared = project.catalogue.sources[source]
        if source not in delivered or not newest or not due or not is_scheduled(project.home, source, declared):
            continue
        if project.as_of > due + GRACE:
            yield Notice("silence", source, _describe_silence(source, newest, due), f"{source} {newest}")


def _describe_silence(source: str, newest: date, due: date) -> str:
    return f"{source}: figures after {newest} were due on {due}, and the publisher has released none."


def _find_unusable_files(project: Project) -> Iterator[Notice]:
    findings = all_findings(project).filter(pl.col("check").is_in(USELESS_FILES), pl.col("severity") != "info")
    for source, evidence in findings.select("source", "evidence").unique(maintain_order=True).iter_rows():
        yield Notice("unusable", source, f"{source}: {evidence}", f"{source} {evidence}")


def _find_changed_verdicts(project: Project) -> Iterator[Notice]:
    """Compare the verdicts of each problem with those of its last notice, and keep the new ones."""
    for name, problem in sorted(project.catalogue.problems.items()):
        stored, noticed = (
            state_path(project.home, "verdict", name),
            notices_dir(project.home) / "verdicts" / f"{name}.parquet",
        )
        if not stored.is_file():
            continue
        keys = ["place_code"] if problem.header.grain == "latest" else ["place_code", "period_start", "period_end"]
        now = read_table(stored).select("place_name", "verdict", *keys)
        if noticed.is_file():
            changed = compare_verdicts(read_table(noticed), now, keys)
            if changed.height:
                # Later verdicts may change back, so the occasion is the time and not the change.
                yield Notice(
                    "verdicts", name, f"{name}: {describe_changes(changed)}", f"{name} {current_time().isoformat()}"
                )
        write_table(noticed, now, "")


def compare_verdicts(before: pl.DataFrame, now: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return place_name, was and verdict of places and periods with a changed verdict; new ones are not changes."""
    if not set(keys) <= set(before.columns):
        return now.clear().with_columns(pl.lit("").alias("was"))
    joined = now.join(before.select(*keys, was="verdict"), on=list(keys), how="inner", nulls_equal=True)
    return joined.filter(pl.col("was") != pl.col("verdict"))


def describe_changes(changed: pl.DataFrame) -> str:
    """Describe changes of verdicts (place_name, was, verdict) by kind of change, with some places."""
    parts = []
    for (was, verdict), group in sorted(
        changed.group_by("was", "verdict"), key=lambda item: (-item[1].height, item[0])
    ):
        names = group["place_name"].unique(maintain_order=True).sort().to_list()
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        places = f"{', '.join(names[:MOST_NAMES])}{more}"
        words = f"{VERDICT_WORDS[str(was)]} to {VERDICT_WORDS[str(verdict)]}"
        parts.append(f"{group.height:,} verdicts from {words} ({places})")
    return "; ".join(parts) + "."


def notices_dir(home: Path) -> Path:
    """Return the folder of notices in a store."""
    return home / "notices"


def read_notices(home: Path) -> list[Notice]:
    """Return every notice of a store, oldest first."""
    return [Notice(**{name: item[name] for name in Notice._fields}) for item in _read_lines(home)]


def _read_lines(home: Path) -> list[dict[str, str]]:
    path = notices_dir(home) / "log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def _log_notices(home: Path, notices: Sequence[Notice]) -> None:
    if notices:
        at = current_time().isoformat(timespec="seconds")
        text = "".join(json.dumps({"at": at, **notice._asdict()}, ensure_ascii=False) + "\n" for notice in notices)
        path = notices_dir(home) / "log.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


def deliver_notices(home: Path, channels: Sequence[str]) -> list[str]:
    """Deliver by each channel the notices that it has not delivered yet, in one message. Return the faults."""
    lines, faults = _read_lines(home), []
    for channel in channels:
        done = _read_delivered(home).get(channel, 0)
        if done >= len(lines):
            continue
        fault = send_message(channel, build_message(lines[done:]))
        if fault:
            faults.append(fault)
            continue
        with lock_store(home):
            content = json.dumps({**_read_delivered(home), channel: len(lines)})
            write_atomically(notices_dir(home) / "delivered.json", content.encode())
    return faults


def build_message(lines: Sequence[Mapping[str, str]]) -> Message:
    """Return the message of some lines of the log."""
    count = f"{len(lines)} notice{'s' if len(lines) > 1 else ''}"
    subjects = ", ".join(dict.fromkeys(line["subject"] for line in lines))
    short = subjects if len(subjects) <= 60 else f"{subjects[:57]}..."
    document = {
        "project": "commonground",
        "notices": [{k: v for k, v in line.items() if k != "occasion"} for line in lines],
    }
    return Message(f"Commonground: {count} ({short})", [line["text"] for line in lines], document)


def send_test_message() -> list[str]:
    """Send a test message by each configured channel. Return the faults."""
    line = {"at": current_time().isoformat(timespec="seconds"), "kind": "test", "subject": "test",
            "text": "This is a test message of Commonground."}  # fmt: skip
    return [fault for channel in list_channels() if (fault := send_message(channel, build_message([line])))]


def _read_delivered(home: Path) -> dict[str, int]:
    path = notices_dir(home) / "delivered.json"
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}
