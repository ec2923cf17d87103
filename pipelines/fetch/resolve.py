"""Execution of fetch plans: each request is made within limits, and the result is the file."""

import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import NamedTuple

import httpx

from pipelines.core.errors import FetchError
from pipelines.declarations.endpoint import NOMIS_KEY
from pipelines.declarations.source import Source
from pipelines.fetch.apis import plan_arcgis, plan_nomis
from pipelines.fetch.discover import (
    AssembledFile,
    FetchPlan,
    FileAddress,
    PlanEnd,
    PlannedRequest,
    ServiceKey,
    plan_address,
    plan_ckan,
    plan_govuk,
    plan_json_hop,
    plan_link,
)
from pipelines.fetch.paged import plan_paged
from pipelines.fetch.response import Answer, Request, validate_content, validate_size
from pipelines.fetch.stat_xplore import plan_stat_xplore
from pipelines.fetch.urls import find_redirect_fault, redact_address

Downloader = Callable[[Request], Answer]
_KEY_TEXT = re.compile(r"[!-~]{8,2000}")


class PlanResult(NamedTuple):
    """The end of a plan, and the address of its first request; blank where it made none."""

    end: PlanEnd
    start: str


class FetchedFile(NamedTuple):
    """A fetched file: the answer, the label of its link, and the release day that the publisher states."""

    answer: Answer
    label: str
    released: date | None = None


class KeyMissing(FetchError):
    """A service needs a key, and no valid key is set."""


def build_plan(source: Source) -> FetchPlan:
    """Return the plan for a source's file, from its declaration."""
    planners = {
        "link": plan_link,
        "stat_xplore": plan_stat_xplore,
        "arcgis": plan_arcgis,
        "ckan": plan_ckan,
        "govuk": plan_govuk,
        "json_hop": plan_json_hop,
        "paged": plan_paged,
    }
    if source.fetch and source.fetch.nomis:
        return plan_nomis(source.fetch.nomis, bool(os.environ.get(NOMIS_KEY, "").strip()))
    if source.fetch:
        name = next(iter(source.fetch.model_fields_set))
        plan: FetchPlan = planners[name](getattr(source.fetch, name))  # type: ignore[operator]
        return plan
    return plan_address(source.url or "")


def first_address(source: Source) -> str:
    """Return the first address of a source's plan; empty where there is none."""
    try:
        return next(build_plan(source)).url
    except StopIteration as end:
        return str(end.value.url)


def run_plan(plan: FetchPlan, request: Request, download: Downloader) -> PlanResult:
    """Run a plan to its end with a function that makes one request, with retries.

    Raises Refusal for an unusable answer, and KeyMissing where a required key is not set. Raises FetchError where the
    plan fails, leaves the publisher's hosts or needs too many requests.
    """
    start, size = "", 0
    try:
        step = next(plan)
        for _ in range(request.limits.requests):
            start = start or step.url
            _refuse_other_host(start, step.url, step.hosts, "the next answer")
            answer = download(apply_step(request, step))
            size += len(answer.content)
            validate_size(request, size)
            step = plan.send(answer.content)
    except StopIteration as end:
        return PlanResult(end.value, start)
    raise FetchError(
        f"{redact_address(start)}: needs over {request.limits.requests} requests; declare a smaller extract"
    )


def apply_step(request: Request, step: PlannedRequest) -> Request:
    """Apply a planned request to the request settings, without the stored version and with a new deadline."""
    key = step.key
    secret = read_service_key(key, os.environ) if key else ""
    named = ((key.name, secret),) if key and secret else ()
    in_query = bool(key and key.in_query)
    deadline = time.monotonic() + request.limits.seconds
    blank = request._replace(stored_url="", etag="", last_modified="", part_path=None, deadline=deadline)
    return blank._replace(
        url=step.url,
        body=step.body,
        secrets=() if in_query else named,
        secret_query=named if in_query else (),
        format=step.format,
        hosts=step.hosts,
    )


def read_service_key(key: ServiceKey, environment: Mapping[str, str]) -> str:
    """Read a service key from the environment; blank where an optional key is not set.

    It is sent, and never stored or displayed.
    """
    name = key.variable
    text = environment.get(name, "").strip()
    if not text and not key.is_required:
        return ""
    if not _KEY_TEXT.fullmatch(text):
        fault = "is not set" if not text else "is not a valid key"
        raise KeyMissing(
            f"{name} {fault}; get a key from your account with the service, set the environment variable {name}, and "
            "refresh again; or download the table from the service and add it with `commonground add`"
        )
    return text


def fetch_result(end: FileAddress | AssembledFile, start: str, request: Request, download: Downloader) -> FetchedFile:
    """Return the file at the end of a plan; download it where the plan has its address."""
    if isinstance(end, AssembledFile):
        validate_content(request, end.content)
        return FetchedFile(Answer(redact_address(end.url), 200, httpx.Headers(), end.content), "", end.released)
    _refuse_other_host(start, end.url, end.hosts, "the file")
    deadline = time.monotonic() + request.limits.seconds
    answer = download(request._replace(url=end.url, hosts=end.hosts, deadline=deadline))
    return FetchedFile(answer, end.label, end.released)


def _refuse_other_host(start: str, url: str, hosts: tuple[str, ...], location: str) -> None:
    """Raise FetchError where an address that a publisher's answer names is not the publisher's."""
    if not start or start == url:
        return
    here, there = httpx.URL(start), httpx.URL(url)
    fault = find_redirect_fault(here, here, there, hosts)
    if fault:
        raise FetchError(f"{redact_address(start)}: found {location} on {there.host or 'no host'}: {fault}")
