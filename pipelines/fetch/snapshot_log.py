"""The stored state of a source's file before a fetch, and the storage and logging of its result."""

from datetime import date
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple

import httpx

from pipelines.core import store
from pipelines.core.errors import CommongroundError
from pipelines.core.store import Snapshot
from pipelines.declarations.source import Source
from pipelines.fetch.resolve import start_of
from pipelines.fetch.response import Answer
from pipelines.fetch.urls import moment, public

# An earlier Last-Modified is a server's default, not a release day.
EARLIEST = date(1995, 1, 1)
_LOGGING = Lock()


class Outcome(NamedTuple):
    """Result of refreshing one source, with a message for the user."""

    source: str
    what: Literal["new", "unchanged", "not_fetchable", "failed"]
    detail: str
    snapshot: Snapshot | None

    @property
    def answered(self) -> bool:
        """Return whether the publisher returned a usable answer."""
        return self.what in ("new", "unchanged")


class Job(NamedTuple):
    """The refresh of one source into a store on a given day."""

    home: Path
    name: str
    source: Source
    today: date
    now: str


class Held(NamedTuple):
    """The publisher's last usable answer, the file that it returned or confirmed, and whether that file is intact."""

    answer: Snapshot
    file: Snapshot
    whole: bool


def by_hand(name: str, source: Source) -> str:
    """Explain how to obtain a file that can't be fetched."""
    if source.access != "open":
        return f"{name}: access is {source.access}; ask {source.data_owner or source.publisher}: {source.request}"
    keep = f"commonground add {name} FILE --released DAY"
    return f"{name}: no url, link or api is declared; download the file from {source.page} and add it with `{keep}`"


def known(job: Job) -> Held | None:
    """Return the file that the publisher last returned, or confirmed where it was added by another route."""
    answer, file, newest = None, None, None
    for entry in store.history(job.home):
        if entry.source == job.name and not entry.error:
            newest = entry if entry.brings_file else newest
            if newest and entry.origin.startswith("http"):
                answer, file = entry, entry if entry.brings_file else file or newest
    answer, file = answer or newest, file or newest
    return Held(answer, file, _whole(job.home, file.sha256)) if answer and file else None


def _whole(home: Path, sha256: str) -> bool:
    try:
        store.read_snapshot(home, sha256)
    except CommongroundError:
        return False
    return True


def part_path(job: Job) -> Path:
    """Return the path of a partial download."""
    return store.snapshots_dir(job.home) / f".part-{job.name}"


def log_failure(job: Job, error: str, origin: str = "", status: int = 0) -> str:
    """Log a failure, so that the source's history includes it, and return its message."""
    line = drafted(job, public(origin or start_of(job.source)), plain_name(job), status)
    with _LOGGING:
        store.log(job.home, line._replace(error=error, change="failed"))
    return error


def drafted(job: Job, origin: str, file: str, status: int = 200, headers: httpx.Headers | None = None) -> Snapshot:
    """Draft a log entry, without a file."""
    seen = headers or httpx.Headers()
    etag, modified = seen.get("etag", ""), seen.get("last-modified", "")
    licence = job.source.licence
    return Snapshot(job.name, "", job.today, "", job.now, origin, file, 0, licence, status, etag, modified)


def plain_name(job: Job) -> str:
    """Return a file name made from the source's name and format."""
    ending = {"excel": "xlsx", "jsonstat": "json"}.get(job.source.format, job.source.format)
    return f"{job.name}.{ending}"


def release_day(job: Job, answer: Answer, held: Held | None) -> date:
    """Return the day of Last-Modified; today where it is absent, impossible or belongs to earlier content."""
    text = answer.headers.get("last-modified", "")
    said = moment(text)
    stale = held is not None and text == held.answer.last_modified
    return possible_day(job, said.date() if said and not stale else None)


def possible_day(job: Job, day: date | None) -> date:
    """Return a release day; today where it is absent or impossible."""
    return day if day and EARLIEST <= day <= job.today else job.today


def confirmed(job: Job, held: Held, answer: Answer) -> Outcome:
    """Log that the stored file is still the newest, without storing the release again."""
    if answer.content and not held.whole:
        store.keep_bytes(job.home, answer.content, not job.source.shown)
    entry = drafted(job, answer.url, held.file.file, answer.status, answer.headers)
    file = held.file
    entry = entry._replace(released=file.released, label=file.label, sha256=file.sha256, size=file.size, change="same")
    if answer.status == 304:
        seen = held.answer
        entry = entry._replace(etag=entry.etag or seen.etag, last_modified=entry.last_modified or seen.last_modified)
    with _LOGGING:
        store.log(job.home, entry)
    return Outcome(job.name, "unchanged", f"{job.name}: unchanged since {held.file.released}", held.file)


def kept(job: Job, content: bytes, entry: Snapshot) -> Outcome:
    """Store a file and return the outcome."""
    entry = entry._replace(sha256=store.digest(content), size=len(content))
    with _LOGGING:
        line = store.put(job.home, content, entry, not job.source.shown)
    text = f"{job.name}: {line.file}, {len(content):,} bytes, released {line.released}"
    if line.change == "same":
        return Outcome(job.name, "unchanged", f"{text}, already stored", line)
    return Outcome(job.name, "new", text, line)
