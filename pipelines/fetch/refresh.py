"""Refresh of sources: new releases are stored, and stored releases are never lost."""

import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from threading import Event, Lock

import httpx
import stamina

from pipelines.core import store
from pipelines.core.errors import CommongroundError, FetchError
from pipelines.declarations.source import Source
from pipelines.fetch import snapshot_log as keeping
from pipelines.fetch.contents import see_kind
from pipelines.fetch.filesystems import is_file_address, taken
from pipelines.fetch.resolve import KeyMissing, road_of, start_of, walk
from pipelines.fetch.response import Limits, Refusal, Told, Wanted, see_content, see_size
from pipelines.fetch.retry import ask_with_retries
from pipelines.fetch.snapshot_log import Held, Job, Outcome
from pipelines.fetch.urls import file_name, public, safe_name

__all__ = ["LIMITS", "Limits", "Outcome", "add_file", "refresh_all", "refresh_source", "see_file"]

LIMITS = Limits()
HOSTS_AT_ONCE = 8
_HOST = re.compile(r"[a-z+]+://(?:[^/?#]*@)?([^/:?#]+)", re.I)


def refresh_source(
    home: Path,
    name: str,
    source: Source,
    *,
    today: date,
    now: str,
    limits: Limits = LIMITS,
    told: Told | None = None,
) -> Outcome:
    """Fetch a source's file where it has changed and store it; report every failure in the outcome."""
    if not source.fetched:
        return Outcome(name, "not_fetchable", keeping.by_hand(name, source), None)
    _quieten()
    job = Job(home, name, source, today, now)
    try:
        return _refreshed(job, limits, told)
    except KeyMissing as error:
        return Outcome(name, "not_fetchable", keeping.log_failure(job, f"{name}: {error}"), None)
    except Refusal as error:
        return Outcome(name, "failed", str(error), None)
    except FetchError as error:
        return Outcome(name, "failed", keeping.log_failure(job, f"{name}: {error}"), None)
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
    on_bytes: Callable[[str, int, int], None] | None = None,
) -> list[Outcome]:
    """Refresh many sources and return their outcomes, sorted by source.

    Sources on one host are refreshed in turn, and hosts in parallel. `on_done` is called once for each source, never
    concurrently, from the thread that fetched it. `on_bytes` is called with a source, the bytes received and the total
    bytes whenever data arrive.
    """
    stop, telling = Event(), Lock()
    one = partial(refresh_source, home, today=today, now=now, limits=limits)

    def one_host(names: list[str]) -> list[Outcome]:
        done: list[Outcome] = []
        for name in names:
            if not stop.is_set():
                told = partial(on_bytes, name) if on_bytes else None
                done.append(one(name, sources[name], told=told))
                with telling:
                    on_done(done[-1])
        return done

    with ThreadPoolExecutor(HOSTS_AT_ONCE) as pool:
        running = [pool.submit(one_host, names) for names in _by_host(sources)]
        try:
            return sorted((done for host in running for done in host.result()), key=lambda done: done.source)
        finally:
            stop.set()  # after Ctrl-C, no new source is started


def add_file(
    home: Path, name: str, source: Source, path: Path, released: date, now: str, limits: Limits = LIMITS
) -> Outcome:
    """Store a file that the user downloaded, after the same checks as a fetched file."""
    job = Job(home, name, source, released, now)
    if source.access != "open":
        return Outcome(name, "not_fetchable", keeping.by_hand(name, source), None)
    try:
        content = see_file(name, source, path, limits)
        return keeping.kept(job, content, keeping.drafted(job, f"file {path.name}", safe_name(path.name)))
    except CommongroundError as error:
        return Outcome(name, "failed", str(error), None)
    except OSError as error:
        return Outcome(name, "failed", _unwritten(name, home, error), None)


def see_file(name: str, source: Source, path: Path, limits: Limits = LIMITS) -> bytes:
    """Read a file that the user downloaded without storing it; raise FetchError where it can't be the source's file."""
    if source.access != "open":
        raise FetchError(keeping.by_hand(name, source))
    try:
        return _read(_wanted(Job(Path(), name, source, date.min, ""), path.name, limits), path)
    except OSError as error:
        raise FetchError(f"{name}: {path} can't be read ({error}); check the path") from error


def _by_host(sources: dict[str, Source]) -> list[list[str]]:
    hosts: dict[str, list[str]] = {}
    for name in sorted(sources):
        match = _HOST.match(start_of(sources[name]))
        hosts.setdefault(match[1].lower() if match else "", []).append(name)
    return list(hosts.values())


def _unwritten(name: str, home: Path, error: OSError) -> str:
    return f"{name}: the store {home} can't be written ({error}); check free space and permissions"


def _quieten() -> None:
    """Remove secrets from the httpx log and turn off stamina's console output; the store logs every attempt."""
    logging.getLogger("httpx").addFilter(_without_secrets)
    stamina.instrumentation.set_on_retry_hooks([])


def _without_secrets(record: logging.LogRecord) -> bool:
    """Remove secrets from the addresses in an httpx log record."""
    if isinstance(record.args, tuple):
        record.args = tuple(public(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


def _read(wanted: Wanted, path: Path) -> bytes:
    see_size(wanted, path.stat().st_size)
    content = path.read_bytes()
    see_content(wanted, content)
    see_kind(wanted, content)
    return content


def _refreshed(job: Job, limits: Limits, told: Told | None) -> Outcome:
    held = keeping.known(job)
    wanted = _wanted(job, job.source.url or "", limits, held)._replace(told=told, part=keeping.part_path(job))
    if is_file_address(wanted.url):
        return _from_files(job, wanted)
    answer, label = walk(road_of(job.source), wanted, partial(ask_with_retries, job))
    if held and (answer.status == 304 or store.digest(answer.content) == held.file.sha256):
        return keeping.confirmed(job, held, answer)
    see_kind(wanted._replace(url=answer.url), answer.content)
    # A table assembled from a service's pages has no headers and no file name.
    name = file_name(answer.url, answer.headers) if answer.headers else ""
    line = keeping.drafted(job, answer.url, name or keeping.plain_name(job), headers=answer.headers)
    day = keeping.release_day(job, answer, held)
    return keeping.kept(job, answer.content, line._replace(released=day, label=label))


def _from_files(job: Job, wanted: Wanted) -> Outcome:
    """Store a file from the user's own storage, released on the day of its last change."""
    found = taken(wanted)
    see_kind(wanted, found.content)
    line = keeping.drafted(job, found.origin, found.name)
    return keeping.kept(job, found.content, line._replace(released=keeping.possible_day(job, found.changed)))


def _wanted(job: Job, url: str, limits: Limits, held: Held | None = None) -> Wanted:
    until = time.monotonic() + limits.seconds
    wanted = Wanted(job.name, url, job.source.format, job.source.page, limits, until)
    if not held or not held.whole:
        return wanted
    seen = held.answer
    return wanted._replace(held_url=seen.origin, etag=seen.etag, last_modified=seen.last_modified)
