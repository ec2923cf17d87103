"""Walking a road: each of its requests made within limits, to the file at its end."""

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
    """What stood at the end of a road, and what its link calls it."""

    answer: Answer
    label: str


class KeyMissing(FetchError):
    """A service needs a key of the person who asks, and there is none."""


def road_of(source: Source) -> Road:
    """Give the road to a source's file, by its declaration."""
    roads = {"nomis": nomis, "stat_xplore": stat_xplore, "arcgis": arcgis, "ckan": ckan, "govuk": govuk}
    if source.link:
        return linked(source.link)
    if source.api:
        name = next(iter(source.api.model_fields_set))
        road: Road = roads[name](getattr(source.api, name))  # type: ignore[operator]
        return road
    return plain(source.url or "")


def start_of(source: Source) -> str:
    """Give the first address of a source's road; blank where it has none."""
    try:
        return next(road_of(source)).url
    except StopIteration as end:
        return str(end.value.url)


def walk(road: Road, wanted: Wanted, asked: Asked) -> Walked:
    """Walk a road to its end with a function that asks once, or again where that may help.

    Raises Refusal where an answer is none, FetchError where the road leads nowhere or away from the
    publisher, or where it takes too many requests, and KeyMissing where a key is wanted that is not set.
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
    raise FetchError(f"{public(start)}: over {wanted.limits.requests} requests for one file; ask for less of it")


def _of(wanted: Wanted, ask: Ask) -> Wanted:
    """Turn a request of a road into what is wanted: nothing is held of it, and its time begins now."""
    secrets = ((ask.key[0], key(ask.key[1], os.environ)),) if ask.key else ()
    until = time.monotonic() + wanted.limits.seconds
    blank = wanted._replace(held_url="", etag="", last_modified="", part=None, until=until)
    return blank._replace(url=ask.url, body=ask.body, secrets=secrets, format=ask.form)


def key(name: str, surroundings: Mapping[str, str]) -> str:
    """Read a key from the surroundings; it is sent, and never written down or shown."""
    text = surroundings.get(name, "").strip()
    if not _KEY.fullmatch(text):
        what = "is not set" if not text else "is set to what can be no key"
        raise KeyMissing(
            f"{name} {what}; take a key from your account with the service, set {name} to it where this runs, and "
            "refresh again; or make the table by hand on its page and keep it with `commonground add`"
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
            raise FetchError(f"{public(start)}: the file is on {there.host or 'no host'}: {fault}")
    until = time.monotonic() + wanted.limits.seconds
    return Walked(asked(wanted._replace(url=end.url, hosts=end.hosts, until=until)), end.label)
