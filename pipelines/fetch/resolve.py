"""Execution of fetch plans: each request is made within limits, and the result is the file."""

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import httpx

from pipelines.core.errors import FetchError
from pipelines.declarations.source import Source
from pipelines.fetch.apis import plan_arcgis, plan_nomis, plan_stat_xplore
from pipelines.fetch.discover import (
    AssembledFile,
    FetchPlan,
    FileAddress,
    PlannedRequest,
    plan_address,
    plan_ckan,
    plan_govuk,
    plan_link,
)
from pipelines.fetch.response import Answer, Request, validate_content, validate_size
from pipelines.fetch.urls import find_redirect_fault, redact_address

Downloader = Callable[[Request], Answer]
_KEY_TEXT = re.compile(r"[!-~]{8,2000}")


class PlanResult(NamedTuple):
    """The answer at the end of a plan, and the label of its link."""

    answer: Answer
    label: str


class KeyMissing(FetchError):
    """A service needs a key, and no valid key is set."""


def build_plan(source: Source) -> FetchPlan:
    """Return the plan for a source's file, from its declaration."""
    planners = {
        "link": plan_link,
        "nomis": plan_nomis,
        "stat_xplore": plan_stat_xplore,
        "arcgis": plan_arcgis,
        "ckan": plan_ckan,
        "govuk": plan_govuk,
    }
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
            answer = download(_apply_step(request, step))
            size += len(answer.content)
            validate_size(request, size)
            step = plan.send(answer.content)
    except StopIteration as end:
        return _finish_plan(end.value, start, request, download)
    raise FetchError(
        f"{redact_address(start)}: needs over {request.limits.requests} requests; declare a smaller extract"
    )


def _apply_step(request: Request, step: PlannedRequest) -> Request:
    """Apply a planned request to the request settings, without the stored version and with a new deadline."""
    secrets = ((step.key[0], read_service_key(step.key[1], os.environ)),) if step.key else ()
    deadline = time.monotonic() + request.limits.seconds
    blank = request._replace(stored_url="", etag="", last_modified="", part_path=None, deadline=deadline)
    return blank._replace(url=step.url, body=step.body, secrets=secrets, format=step.format)


def read_service_key(name: str, environment: Mapping[str, str]) -> str:
    """Read a service key from the environment. It is sent, and never stored or displayed."""
    text = environment.get(name, "").strip()
    if not _KEY_TEXT.fullmatch(text):
        fault = "is not set" if not text else "is not a valid key"
        raise KeyMissing(
            f"{name} {fault}; get a key from your account with the service, set the environment variable {name}, and "
            "refresh again; or download the table from the service and add it with `commonground add`"
        )
    return text


def _finish_plan(end: FileAddress | AssembledFile, start: str, request: Request, download: Downloader) -> PlanResult:
    if isinstance(end, AssembledFile):
        validate_content(request, end.content)
        return PlanResult(Answer(redact_address(end.url), 200, httpx.Headers(), end.content), "")
    if start:
        here, there = httpx.URL(start), httpx.URL(end.url)
        fault = find_redirect_fault(here, here, there, end.hosts)
        if fault:
            raise FetchError(f"{redact_address(start)}: found the file on {there.host or 'no host'}: {fault}")
    deadline = time.monotonic() + request.limits.seconds
    return PlanResult(download(request._replace(url=end.url, hosts=end.hosts, deadline=deadline)), end.label)
