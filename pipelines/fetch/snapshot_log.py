"""The stored state of a source's file before a fetch, and the storage and logging of its result."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple, TypeGuard

import httpx

from pipelines.core import snapshots, store
from pipelines.core.errors import CommongroundError
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.source import Source
from pipelines.fetch.discover import parse_stated_day
from pipelines.fetch.resolve import first_address
from pipelines.fetch.response import Answer
from pipelines.fetch.urls import parse_http_date, redact_address, safe_file_name

# An earlier Last-Modified is a server's default, not a release day.
EARLIEST_RELEASE = date(1995, 1, 1)
_LOG_LOCK = Lock()


class Outcome(NamedTuple):
    """Result of refreshing one source, with a message for the user, and whether a failure may pass by itself."""

    source: str
    result: Literal["new", "unchanged", "not_fetchable", "failed"]
    detail: str
    snapshot: Snapshot | None
    is_temporary: bool = False

    @property
    def is_success(self) -> bool:
        """Return whether the publisher returned a usable answer."""
        return self.result in ("new", "unchanged")


FileInspector = Callable[[bytes, Snapshot], str]
"""Test of a fetched file before it is stored: takes its bytes and log entry, and returns its fault or an empty text."""


class Job(NamedTuple):
    """The refresh of one source into a store on a given day."""

    home: Path
    name: str
    source: Source
    today: date
    now: str
    inspect: FileInspector | None = None


class LastFetch(NamedTuple):
    """The publisher's last usable answer, the file that it returned or confirmed, and whether that file is intact."""

    answer: Snapshot
    file: Snapshot
    is_readable: bool


def describe_manual_route(name: str, source: Source) -> str:
    """Explain how to obtain a file that can't be fetched."""
    if not source.is_available:
        return f"{name}: access is {source.access}; ask {source.data_owner or source.publisher}: {source.request}"
    keep = f"commonground add {name} FILE --released DAY"
    return f"{name}: no url, link or api is declared; download the file from {source.page} and add it with `{keep}`"


def find_last_fetch(job: Job) -> LastFetch | None:
    """Return the file that the publisher last returned, or confirmed where it was added by another route."""
    answer, file, newest = None, None, None
    for entry in snapshots.read_log(job.home):
        if entry.source == job.name and not entry.error:
            newest = entry if entry.is_new_release else newest
            if newest and entry.origin.startswith("http"):
                answer, file = entry, entry if entry.is_new_release else file or newest
    answer, file = answer or newest, file or newest
    return LastFetch(answer, file, _is_readable(job.home, file.sha256)) if answer and file else None


def _is_readable(home: Path, sha256: str) -> bool:
    try:
        snapshots.read_snapshot(home, sha256)
    except CommongroundError:
        return False
    return True


def part_path(job: Job) -> Path:
    """Return the path of a partial download."""
    return snapshots.snapshots_dir(job.home) / f".part-{job.name}"


def log_failure(job: Job, error: str, origin: str = "", status: int = 0) -> str:
    """Log a failure, so that the source's history includes it, and return its message."""
    line = draft_entry(job, redact_address(origin or first_address(job.source)), default_file_name(job), status)
    with _LOG_LOCK:
        snapshots.append_log(job.home, line._replace(error=error, change="failed"))
    return error


def draft_entry(job: Job, origin: str, file: str, status: int = 200, headers: httpx.Headers | None = None) -> Snapshot:
    """Draft a log entry, without a file."""
    fields = headers or httpx.Headers()
    etag, last_modified = fields.get("etag", ""), fields.get("last-modified", "")
    licence = job.source.licence
    return Snapshot(job.name, "", job.today, "", job.now, origin, file, 0, licence, status, etag, last_modified)


def default_file_name(job: Job) -> str:
    """Return a file name made from the source's name and format."""
    ending = {"excel": "xlsx", "jsonstat": "json"}.get(job.source.format, job.source.format)
    return f"{job.name}.{ending}"


class ReleaseDay(NamedTuple):
    """The day of a release, and who states it."""

    day: date
    dated_by: snapshots.DayOrigin


def release_day(job: Job, answer: Answer, last: LastFetch | None, stated: date | None = None) -> ReleaseDay:
    """Return the day that the publisher states, else the day of Last-Modified, else today.

    An impossible day is not used, nor a Last-Modified that belongs to earlier content.
    """
    stated = stated or (_read_update_day(answer.content) if job.source.format == "jsonstat" else None)
    if _is_plausible(stated, job):
        return ReleaseDay(stated, "publisher")
    text = answer.headers.get("last-modified", "")
    modified = parse_http_date(text)
    stale = last is not None and text == last.answer.last_modified
    day = modified.date() if modified and not stale else None
    return ReleaseDay(day, "server") if _is_plausible(day, job) else ReleaseDay(job.today, "asked")


def _read_update_day(content: bytes) -> date | None:
    """Return the day of the key `updated` in a JSON-stat file."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return parse_stated_day(str(document.get("updated") or "")) if isinstance(document, dict) else None


def _is_plausible(day: date | None, job: Job) -> TypeGuard[date]:
    return day is not None and EARLIEST_RELEASE <= day <= job.today


def plausible_release_day(job: Job, day: date | None) -> date:
    """Return a release day; today where it is absent or impossible."""
    return day if _is_plausible(day, job) else job.today


def find_fetched_files(job: Job) -> dict[str, LastFetch]:
    """Return the last usable answer of each address of a source, with the file that it returned or confirmed."""
    entries = [entry for entry in snapshots.read_log(job.home) if entry.source == job.name]
    files = {entry.origin: entry for entry in entries if entry.sha256 and not entry.error}
    return {origin: LastFetch(entry, entry, _is_readable(job.home, entry.sha256)) for origin, entry in files.items()}


def find_stored_copy(job: Job, content: bytes) -> LastFetch | None:
    """Return the stored release with the same bytes, whatever its address; None where there is none."""
    sha256 = store.hash_bytes(content)
    same = [entry for entry in snapshots.source_snapshots(job.home, job.name) if entry.sha256 == sha256]
    return LastFetch(same[-1], same[-1], _is_readable(job.home, sha256)) if same else None


def distinguish_name(job: Job, name: str, released: date, label: str) -> str:
    """Return a file name that no other file of the same day has: with its label where the publisher repeats a name."""
    taken = {entry.file for entry in snapshots.source_snapshots(job.home, job.name) if entry.released == released}
    stem, point, suffix = name.rpartition(".")
    return safe_file_name(f"{stem} {label}{point}{suffix}") if name in taken and label and stem else name


def confirm_unchanged(job: Job, last: LastFetch, answer: Answer) -> Outcome:
    """Log that the stored file is still the newest, without storing the release again."""
    if answer.content and not last.is_readable:
        snapshots.store_bytes(job.home, answer.content, not job.source.is_public)
    entry = draft_entry(job, answer.url, last.file.file, answer.status, answer.headers)
    file = last.file
    entry = entry._replace(
        released=file.released,
        label=file.label,
        sha256=file.sha256,
        size=file.size,
        change="same",
        dated_by=file.dated_by,
    )
    if answer.status == 304:
        previous = last.answer
        entry = entry._replace(
            etag=entry.etag or previous.etag, last_modified=entry.last_modified or previous.last_modified
        )
    with _LOG_LOCK:
        snapshots.append_log(job.home, entry)
    return Outcome(job.name, "unchanged", f"{job.name}: unchanged since {last.file.released}", last.file)


def store_file(job: Job, content: bytes, entry: Snapshot) -> Outcome:
    """Store a file and return the outcome; a file with a fault is not stored, and its fault is logged."""
    entry = entry._replace(sha256=store.hash_bytes(content), size=len(content))
    fault = job.inspect(content, entry) if job.inspect else ""
    if fault:
        return Outcome(job.name, "failed", log_failure(job, fault, entry.origin, entry.status), None)
    with _LOG_LOCK:
        line = snapshots.store_snapshot(job.home, content, entry, not job.source.is_public)
    text = f"{job.name}: {line.file}, {len(content):,} bytes, released {line.released}"
    if line.change == "same":
        return Outcome(job.name, "unchanged", f"{text}, already stored", line)
    return Outcome(job.name, "new", text, line)
