"""Refreshing: the one place that asks publishers; what is new is kept, and what is held is never lost."""

import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import date
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Literal, NamedTuple

import httpx
import stamina

from pipelines import store
from pipelines.download import (
    Answer,
    Limits,
    Refusal,
    Wanted,
    download,
    file_name,
    moment,
    public,
    safe_name,
    see_content,
    see_size,
)
from pipelines.errors import CommongroundError, FetchError
from pipelines.model import Source
from pipelines.store import Snapshot

__all__ = ["LIMITS", "Limits", "Outcome", "add_file", "refresh", "refresh_all", "see_file"]

LIMITS = Limits()
HOSTS_AT_ONCE = 8
# An earlier Last-Modified is a server's default, not a day of release.
EARLIEST = date(1995, 1, 1)
_HOST = re.compile(r"[a-z+]+://(?:[^/?#]*@)?([^/:?#]+)", re.I)
_LOGGING = Lock()


class Outcome(NamedTuple):
    """What came of refreshing one source, with a sentence for the person who asked."""

    source: str
    what: Literal["new", "unchanged", "not_fetchable", "failed"]
    detail: str
    snapshot: Snapshot | None


class _Job(NamedTuple):
    """One source being refreshed into a store, on a day."""

    home: Path
    name: str
    source: Source
    today: date
    now: str


class _Held(NamedTuple):
    """The publisher's last sound answer, the file it gave or confirmed, and whether that is whole."""

    answer: Snapshot
    file: Snapshot
    whole: bool


def refresh(
    home: Path,
    name: str,
    source: Source,
    *,
    today: date,
    now: str,
    client: httpx.Client | None = None,
    limits: Limits = LIMITS,
) -> Outcome:
    """Fetch a source's file if it has changed and keep it; whatever goes wrong comes back as a sentence."""
    if not source.url:
        return Outcome(name, "not_fetchable", _by_hand(name, source), None)
    _quieten()
    try:
        with nullcontext(client) if client else httpx.Client() as session:
            return _refreshed(_Job(home, name, source, today, now), session, limits)
    except CommongroundError as error:
        return Outcome(name, "failed", str(error), None)
    except OSError as error:
        return Outcome(name, "failed", _unwritten(name, home, error), None)


def refresh_all(
    home: Path,
    sources: dict[str, Source],
    *,
    today: date,
    now: str,
    limits: Limits = LIMITS,
    on_done: Callable[[Outcome], None],
) -> list[Outcome]:
    """Refresh many sources, one at a time per host and hosts side by side; outcomes come back by name.

    `on_done` is called once for every source, never twice at a time, from the thread that fetched it.
    """
    stop, telling = Event(), Lock()
    one = partial(refresh, home, today=today, now=now, limits=limits)

    def one_host(names: list[str], client: httpx.Client) -> list[Outcome]:
        done: list[Outcome] = []
        for name in names:
            if not stop.is_set():
                done.append(one(name, sources[name], client=client))
                with telling:
                    on_done(done[-1])
        return done

    with httpx.Client() as client, ThreadPoolExecutor(HOSTS_AT_ONCE) as pool:
        running = [pool.submit(one_host, names, client) for names in _by_host(sources)]
        try:
            return sorted((done for host in running for done in host.result()), key=lambda done: done.source)
        finally:
            stop.set()  # after Ctrl-C nothing more is begun


def add_file(
    home: Path, name: str, source: Source, path: Path, released: date, now: str, limits: Limits = LIMITS
) -> Outcome:
    """Keep a file that a person downloaded, after the same checks as one that was fetched."""
    job = _Job(home, name, source, released, now)
    if source.access != "open":
        return Outcome(name, "not_fetchable", _by_hand(name, source), None)
    try:
        content = see_file(name, source, path, limits)
        return _kept(job, content, _entry(job, f"file {path.name}", safe_name(path.name)))
    except CommongroundError as error:
        return Outcome(name, "failed", str(error), None)
    except OSError as error:
        return Outcome(name, "failed", _unwritten(name, home, error), None)


def see_file(name: str, source: Source, path: Path, limits: Limits = LIMITS) -> bytes:
    """Read a file that a person downloaded and keep nothing; raise FetchError where it can't be one of the source's."""
    if source.access != "open":
        raise FetchError(_by_hand(name, source))
    try:
        return _read(_wanted(_Job(Path(), name, source, date.min, ""), path.name, limits), path)
    except OSError as error:
        raise FetchError(f"{name}: {path} can't be read ({error}); see its name") from error


def _by_host(sources: dict[str, Source]) -> list[list[str]]:
    hosts: dict[str, list[str]] = {}
    for name in sorted(sources):
        match = _HOST.match(sources[name].url or "")
        hosts.setdefault(match[1].lower() if match else "", []).append(name)
    return list(hosts.values())


def _by_hand(name: str, source: Source) -> str:
    if source.access != "open":
        return f"{name}: access is {source.access}; ask {source.holder or source.publisher}: {source.ask}"
    keep = f"commonground add {name} FILE --released DAY"
    return f"{name}: no url is declared; take the file by hand from {source.page} and keep it with `{keep}`"


def _unwritten(name: str, home: Path, error: OSError) -> str:
    return f"{name}: the store {home} can't be written ({error}); see that it has room and may be written to"


def _quieten() -> None:
    """Keep secrets out of the log of httpx, and stamina off the terminal: the store's log has every attempt."""
    logging.getLogger("httpx").addFilter(_without_secrets)
    stamina.instrumentation.set_on_retry_hooks([])


def _without_secrets(record: logging.LogRecord) -> bool:
    """Take secrets out of the addresses that httpx puts in its own log."""
    if isinstance(record.args, tuple):
        record.args = tuple(public(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


def _read(wanted: Wanted, path: Path) -> bytes:
    see_size(wanted, path.stat().st_size)
    content = path.read_bytes()
    see_content(wanted, content)
    return content


def _refreshed(job: _Job, client: httpx.Client, limits: Limits) -> Outcome:
    held = _held(job)
    wanted = _wanted(job, job.source.url or "", limits, held)
    retrying = stamina.RetryingCaller(limits.attempts, limits.seconds, limits.wait, 8 * limits.wait, limits.wait)
    answer = retrying(partial(_again, wanted), _attempt, job, client, wanted)
    if held and (answer.status == 304 or store.digest(answer.content) == held.file.sha256):
        return _confirmed(job, held, answer)
    name = file_name(answer) or _plain_name(job)
    entry = _entry(job, answer.url, name, headers=answer.headers)
    return _kept(job, answer.content, entry._replace(released=_released(job, answer, held)))


def _wanted(job: _Job, url: str, limits: Limits, held: _Held | None = None) -> Wanted:
    until = time.monotonic() + limits.seconds
    wanted = Wanted(job.name, url, job.source.format, job.source.page, limits, until)
    if not held or not held.whole:
        return wanted
    seen = held.answer
    return wanted._replace(held_url=seen.origin, etag=seen.etag, last_modified=seen.last_modified)


def _held(job: _Job) -> _Held | None:
    """Find by the log what the publisher last gave, or confirmed where the file came by another road."""
    answer, file, newest = None, None, None
    for entry in store.history(job.home):
        if entry.source == job.name and not entry.error:
            newest = entry if entry.sha256 else newest
            if newest and entry.origin.startswith("http"):
                answer, file = entry, entry if entry.sha256 else file or newest
    answer, file = answer or newest, file or newest
    return _Held(answer, file, _whole(job.home, file.sha256)) if answer and file else None


def _whole(home: Path, sha256: str) -> bool:
    try:
        store.read_snapshot(home, sha256)
    except CommongroundError:
        return False
    return True


def _attempt(job: _Job, client: httpx.Client, wanted: Wanted) -> Answer:
    """Ask once; a refusal goes into the log, so that the history of a source tells of it."""
    try:
        return download(client, wanted)
    except Refusal as error:
        entry = _entry(job, public(wanted.url), _plain_name(job))
        with _LOGGING:
            store.log(job.home, entry._replace(released=job.today, status=error.status, error=str(error)))
        raise


def _again(wanted: Wanted, error: Exception) -> bool | float:
    """Say whether to ask again, and when: not at all where the wait would outlast the time there is."""
    if not isinstance(error, Refusal) or not error.again:
        return False
    left = wanted.until - time.monotonic()
    if (wanted.limits.wait if error.wait is None else error.wait) >= left:
        return False
    return True if error.wait is None else error.wait


def _entry(job: _Job, origin: str, file: str, status: int = 200, headers: httpx.Headers | None = None) -> Snapshot:
    """Draft a line of the log, without a file as yet."""
    seen = headers or httpx.Headers()
    etag, modified = seen.get("etag", ""), seen.get("last-modified", "")
    licence = job.source.licence
    return Snapshot(job.name, "", job.today, "", job.now, origin, file, 0, licence, status, etag, modified)


def _plain_name(job: _Job) -> str:
    return f"{job.name}.{'xlsx' if job.source.format == 'excel' else job.source.format}"


def _released(job: _Job, answer: Answer, held: _Held | None) -> date:
    """Give the day of Last-Modified; today where it is absent, impossible, or that of other content."""
    text = answer.headers.get("last-modified", "")
    said = moment(text)
    stale = held is not None and text == held.answer.last_modified
    return said.date() if said and not stale and EARLIEST <= said.date() <= job.today else job.today


def _confirmed(job: _Job, held: _Held, answer: Answer) -> Outcome:
    """Log that the file held is still the newest, by a line without a file: no release is held twice."""
    if answer.content and not held.whole:
        store.write_whole(store.snapshots_dir(job.home) / held.file.sha256, answer.content)
    entry = _entry(job, answer.url, held.file.file, answer.status, answer.headers)
    entry = entry._replace(released=held.file.released, label=held.file.label)
    if answer.status == 304:
        seen = held.answer
        entry = entry._replace(etag=entry.etag or seen.etag, last_modified=entry.last_modified or seen.last_modified)
    with _LOGGING:
        store.log(job.home, entry)
    return Outcome(job.name, "unchanged", f"{job.name}: unchanged since {held.file.released}", held.file)


def _kept(job: _Job, content: bytes, entry: Snapshot) -> Outcome:
    entry = entry._replace(sha256=store.digest(content), size=len(content))
    with _LOGGING:
        new = store.put(job.home, content, entry)
    text = f"{job.name}: {entry.file}, {len(content):,} bytes, released {entry.released}"
    return Outcome(job.name, "new" if new else "unchanged", text if new else f"{text}, was held already", entry)
