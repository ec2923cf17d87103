"""Execution of fetch plans: each request is made within limits, and the result is the file."""

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import httpx

from pipelines.core.errors import FetchError
from pipelines.declarations.source import Source
from pipelines.fetch.apis import arcgis, nomis, stat_xplore
from pipelines.fetch.discover import Ask, File, Joined, Road, ckan, govuk, linked, plain
from pipelines.fetch.response import Answer, Wanted, see_content, see_size
from pipelines.fetch.urls import leads_away, public

Asked = Callable[[Wanted], Answer]
_KEY = re.compile(r"[!-~]{8,2000}")


class Walked(NamedTuple):
    """The answer at the end of a plan, and the label of its link."""

    answer: Answer
    label: str


class KeyMissing(FetchError):
    """A service needs a key, and no valid key is set."""


def road_of(source: Source) -> Road:
    """Return the plan for a source's file, from its declaration."""
    roads = {"nomis": nomis, "stat_xplore": stat_xplore, "arcgis": arcgis, "ckan": ckan, "govuk": govuk}
    if source.link:
        return linked(source.link)
    if source.api:
        name = next(iter(source.api.model_fields_set))
        road: Road = roads[name](getattr(source.api, name))  # type: ignore[operator]
        return road
    return plain(source.url or "")


def start_of(source: Source) -> str:
    """Return the first address of a source's plan; empty where there is none."""
    try:
        return next(road_of(source)).url
    except StopIteration as end:
        return str(end.value.url)


def walk(road: Road, wanted: Wanted, asked: Asked) -> Walked:
    """Run a plan to its end with a function that makes one request, with retries.

    Raises Refusal for an unusable answer, FetchError where the plan fails, leaves the publisher's hosts or needs too
    many requests, and KeyMissing where a required key is not set.
    """
    start, size = "", 0
    try:
        ask = next(road)
        for _ in range(wanted.limits.requests):
            start = start or ask.url
            answer = asked(_of(wanted, ask))
            size += len(answer.content)
            see_size(wanted, size)
            ask = road.send(answer.content)
    except StopIteration as end:
        return _arrived(end.value, start, wanted, asked)
    raise FetchError(f"{public(start)}: needs over {wanted.limits.requests} requests; declare a smaller extract")


def _of(wanted: Wanted, ask: Ask) -> Wanted:
    """Apply a planned request to the request settings, without the stored version and with a new deadline."""
    secrets = ((ask.key[0], key(ask.key[1], os.environ)),) if ask.key else ()
    until = time.monotonic() + wanted.limits.seconds
    blank = wanted._replace(held_url="", etag="", last_modified="", part=None, until=until)
    return blank._replace(url=ask.url, body=ask.body, secrets=secrets, format=ask.form)


def key(name: str, surroundings: Mapping[str, str]) -> str:
    """Read a service key from the environment. It is sent, and never stored or displayed."""
    text = surroundings.get(name, "").strip()
    if not _KEY.fullmatch(text):
        what = "is not set" if not text else "is not a valid key"
        raise KeyMissing(
            f"{name} {what}; get a key from your account with the service, set the environment variable {name}, and "
            "refresh again; or download the table from the service and add it with `commonground add`"
        )
    return text


def _arrived(end: File | Joined, start: str, wanted: Wanted, asked: Asked) -> Walked:
    if isinstance(end, Joined):
        see_content(wanted, end.content)
        return Walked(Answer(public(end.url), 200, httpx.Headers(), end.content), "")
    if start:
        here, there = httpx.URL(start), httpx.URL(end.url)
        fault = leads_away(here, here, there, end.hosts)
        if fault:
            raise FetchError(f"{public(start)}: found the file on {there.host or 'no host'}: {fault}")
    until = time.monotonic() + wanted.limits.seconds
    return Walked(asked(wanted._replace(url=end.url, hosts=end.hosts, until=until)), end.label)
