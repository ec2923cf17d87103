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
from pipelines.fetch.contents import validate_format
from pipelines.fetch.discover import FileAddress, FileList
from pipelines.fetch.filesystems import is_file_address, read_file_address
from pipelines.fetch.resolve import FetchedFile, KeyMissing, build_plan, fetch_result, first_address, run_plan
from pipelines.fetch.response import Limits, ProgressCallback, Refusal, Request, validate_content, validate_size
from pipelines.fetch.retry import download_with_retries
from pipelines.fetch.snapshot_log import FileInspector, Job, LastFetch, Outcome
from pipelines.fetch.urls import publisher_file_name, redact_address, safe_file_name

__all__ = ["DEFAULT_LIMITS", "Limits", "Outcome", "add_file", "refresh_all", "refresh_source", "validate_file"]

DEFAULT_LIMITS = Limits()
MAX_PARALLEL_HOSTS = 8
_HOST = re.compile(r"[a-z+]+://(?:[^/?#]*@)?([^/:?#]+)", re.I)


def refresh_source(
    home: Path,
    name: str,
    source: Source,
    *,
    today: date,
    now: str,
    limits: Limits = DEFAULT_LIMITS,
    inspect: FileInspector | None = None,
    on_progress: ProgressCallback | None = None,
) -> Outcome:
    """Fetch a source's file where it has changed and store it; report every failure in the outcome.

    A file in which `inspect` finds a fault is not stored, so the stored release stays current.
    """
    if not source.is_refreshable:
        return Outcome(name, "not_fetchable", keeping.describe_manual_route(name, source), None)
    _quieten_loggers()
    job = Job(home, name, source, today, now, inspect)
    try:
        return _fetch_release(job, limits, on_progress)
    except KeyMissing as error:
        return Outcome(name, "not_fetchable", keeping.log_failure(job, f"{name}: {error}"), None)
    except Refusal as error:
        return Outcome(name, "failed", str(error), None, error.again)
    except FetchError as error:
        return Outcome(name, "failed", keeping.log_failure(job, f"{name}: {error}"), None)
    except CommongroundError as error:
        return Outcome(name, "failed", str(error), None)
    except OSError as error:
        return Outcome(name, "failed", _describe_store_fault(name, home, error), None)


def refresh_all(
    home: Path,
    sources: dict[str, Source],
    *,
    today: date,
    now: str,
    limits: Limits = DEFAULT_LIMITS,
    inspector: Callable[[str], FileInspector] | None = None,
    on_done: Callable[[Outcome], None],
    on_bytes: Callable[[str, int, int], None] | None = None,
) -> list[Outcome]:
    """Refresh many sources and return their outcomes, sorted by source.

    Sources on one host are refreshed in turn, and hosts in parallel. `inspector` returns the test of a source's files.
    `on_done` is called once for each source, never concurrently, from the thread that fetched it. `on_bytes` is called
    with a source, the bytes received and the total bytes whenever data arrive.
    """
    stop, outcome_lock = Event(), Lock()
    one = partial(refresh_source, home, today=today, now=now, limits=limits)

    def refresh_host(names: list[str]) -> list[Outcome]:
        done: list[Outcome] = []
        for name in names:
            if not stop.is_set():
                on_progress = partial(on_bytes, name) if on_bytes else None
                inspect = inspector(name) if inspector else None
                done.append(one(name, sources[name], inspect=inspect, on_progress=on_progress))
                with outcome_lock:
                    on_done(done[-1])
        return done

    with ThreadPoolExecutor(MAX_PARALLEL_HOSTS) as pool:
        running = [pool.submit(refresh_host, names) for names in _group_by_host(sources)]
        try:
            return sorted((done for host in running for done in host.result()), key=lambda done: done.source)
        finally:
            stop.set()  # after Ctrl-C, no new source is started


def add_file(
    home: Path, name: str, source: Source, path: Path, released: date, now: str, limits: Limits = DEFAULT_LIMITS
) -> Outcome:
    """Store a file that the user downloaded, after the same checks as a fetched file."""
    job = Job(home, name, source, released, now)
    if not source.is_available:
        return Outcome(name, "not_fetchable", keeping.describe_manual_route(name, source), None)
    try:
        content = validate_file(name, source, path, limits)
        return keeping.store_file(
            job, content, keeping.draft_entry(job, f"file {path.name}", safe_file_name(path.name))
        )
    except CommongroundError as error:
        return Outcome(name, "failed", str(error), None)
    except OSError as error:
        return Outcome(name, "failed", _describe_store_fault(name, home, error), None)


def validate_file(name: str, source: Source, path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Read a file that the user downloaded without storing it; raise FetchError where it can't be the source's file."""
    if not source.is_available:
        raise FetchError(keeping.describe_manual_route(name, source))
    try:
        return _read_added_file(_build_request(Job(Path(), name, source, date.min, ""), path.name, limits), path)
    except OSError as error:
        raise FetchError(f"{name}: {path} can't be read ({error}); check the path") from error


def _group_by_host(sources: dict[str, Source]) -> list[list[str]]:
    hosts: dict[str, list[str]] = {}
    for name in sorted(sources):
        match = _HOST.match(first_address(sources[name]))
        hosts.setdefault(match[1].lower() if match else "", []).append(name)
    return list(hosts.values())


def _describe_store_fault(name: str, home: Path, error: OSError) -> str:
    return f"{name}: the store {home} can't be written ({error}); check free space and permissions"


def _quieten_loggers() -> None:
    """Remove secrets from the httpx log and turn off stamina's console output; the store logs every attempt."""
    logging.getLogger("httpx").addFilter(_redact_log_record)
    stamina.instrumentation.set_on_retry_hooks([])


def _redact_log_record(record: logging.LogRecord) -> bool:
    """Remove secrets from the addresses in an httpx log record."""
    if isinstance(record.args, tuple):
        record.args = tuple(redact_address(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


def _read_added_file(request: Request, path: Path) -> bytes:
    validate_size(request, path.stat().st_size)
    content = path.read_bytes()
    validate_content(request, content)
    validate_format(request, content)
    return content


def _fetch_release(job: Job, limits: Limits, on_progress: ProgressCallback | None) -> Outcome:
    last = keeping.find_last_fetch(job)
    request = _build_request(job, job.source.url or "", limits, last)._replace(
        on_progress=on_progress, part_path=keeping.part_path(job)
    )
    if is_file_address(request.url):
        return _fetch_own_file(job, request)
    download = partial(download_with_retries, job)
    end, start = run_plan(build_plan(job.source), request, download)
    if isinstance(end, FileList):
        if not end.files:
            fault = "found no file since the declared day; open the page, and correct `since` or the pattern"
            raise FetchError(f"{redact_address(start)}: {fault}")
        return _fetch_every(job, end, start, request)
    answered = fetch_result(end, start, request, download)
    if last and (answered.answer.status == 304 or store.hash_bytes(answered.answer.content) == last.file.sha256):
        return keeping.confirm_unchanged(job, last, answered.answer)
    return _store_answer(job, answered, last, request)


def _fetch_every(job: Job, listed: FileList, start: str, request: Request) -> Outcome:
    """Fetch the files of a list that are not stored or may have changed, oldest first, and store each at once.

    A file with a fault fails the source; the others are stored.
    A run that ends early is continued by the next. The newest file is always requested, in case it was replaced.
    """
    fetched = keeping.find_fetched_files(job)
    newest = listed.files[-1] if listed.files else None
    wanted = [file for file in listed.files if file == newest or _is_wanted(file, fetched)]
    outcomes: list[Outcome] = []
    for file in wanted[: listed.at_most]:
        if outcomes:
            time.sleep(request.limits.pause)
        outcomes.append(_fetch_one(job, file, start, request, fetched.get(redact_address(file.url))))
    stored = [outcome for outcome in outcomes if outcome.result == "new"]
    failed = [outcome for outcome in outcomes if outcome.result == "failed"]
    left = len(wanted) - len(outcomes)
    rest = f"; {left:,} more at the next refresh" if left else ""
    same = len(listed.files) - len(stored) - len(failed) - left
    detail = f"{job.name}: {len(stored):,} new files, {same:,} unchanged{rest}"
    if len(stored) == 1:
        detail = f"{stored[0].detail}{rest}"
    last = (stored or outcomes)[-1].snapshot if outcomes else None
    if failed:
        return failed[-1]._replace(snapshot=stored[-1].snapshot if stored else None)
    return Outcome(job.name, "new" if stored else "unchanged", detail, last)


def _is_wanted(file: FileAddress, fetched: dict[str, LastFetch]) -> bool:
    """Return whether a file is not stored, or was changed on or after the day on which it was fetched."""
    last = fetched.get(redact_address(file.url))
    if last is None or not last.is_readable:
        return True
    return file.modified is not None and file.modified.isoformat() >= last.answer.fetched_at[:10]


def _fetch_one(job: Job, file: FileAddress, start: str, request: Request, last: LastFetch | None) -> Outcome:
    asking = _with_stored_version(request._replace(stored_url="", etag="", last_modified=""), last)
    answered = fetch_result(file, start, asking, partial(download_with_retries, job))
    # The address of the list is logged, not the one to which it redirects: by it the file is recognised.
    answered = answered._replace(answer=answered.answer._replace(url=redact_address(file.url)))
    stored = last if answered.answer.status == 304 else keeping.find_stored_copy(job, answered.answer.content)
    if stored:
        return keeping.confirm_unchanged(job, stored, answered.answer)
    return _store_answer(job, answered, last, request)


def _store_answer(job: Job, answered: FetchedFile, last: LastFetch | None, request: Request) -> Outcome:
    """Store a fetched file under the day that the publisher states, or the best day known."""
    answer, label, stated = answered
    validate_format(request._replace(url=answer.url), answer.content)
    released = keeping.release_day(job, answer, last, stated)
    # A table assembled from a service's pages has no headers and no file name.
    name = publisher_file_name(answer.url, answer.headers) if answer.headers else ""
    name = name or keeping.default_file_name(job)
    if last is None:
        name = keeping.distinguish_name(job, name, released.day, label)
    line = keeping.draft_entry(job, answer.url, name, headers=answer.headers)
    line = line._replace(released=released.day, label=label, dated_by=released.dated_by)
    return keeping.store_file(job, answer.content, line)


def _fetch_own_file(job: Job, request: Request) -> Outcome:
    """Store a file from the user's own storage, released on the day of its last change."""
    file = read_file_address(request)
    validate_format(request, file.content)
    line = keeping.draft_entry(job, file.origin, file.name)
    return keeping.store_file(
        job, file.content, line._replace(released=keeping.plausible_release_day(job, file.change_day))
    )


def _build_request(job: Job, url: str, limits: Limits, last: LastFetch | None = None) -> Request:
    until = time.monotonic() + limits.seconds
    request = Request(job.name, url, job.source.format, job.source.page, limits, until)
    return _with_stored_version(request, last)


def _with_stored_version(request: Request, last: LastFetch | None) -> Request:
    """Add the stored version to a request, so that an unchanged file is not sent again."""
    if not last or not last.is_readable:
        return request
    answer = last.answer
    return request._replace(stored_url=answer.origin, etag=answer.etag, last_modified=answer.last_modified)
