"""Plans for finding a publisher's file: which requests to make, in which order, and how to join the responses.

A plan is a generator without network access: it yields a request and receives the response. It returns the address of
the file, or the file assembled from its pages. `resolve` makes the requests.
"""

import json
from collections.abc import Generator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from pipelines.core.errors import FetchError
from pipelines.declarations.endpoint import Ckan, GovUk, Link
from pipelines.fetch.links import PageLink, parse_links, pick_newest
from pipelines.fetch.urls import redact_address


class PlannedRequest(NamedTuple):
    """One request. `key` names a header and the environment variable with the secret, which is never part of a plan."""

    url: str
    body: bytes = b""
    key: tuple[str, str] | None = None
    format: str = "json"


class FileAddress(NamedTuple):
    """Result of a plan: the address of the file, its permitted hosts and the label of its link."""

    url: str
    hosts: tuple[str, ...] = ()
    label: str = ""


class AssembledFile(NamedTuple):
    """Result of a plan: the file assembled from its pages, and one address that identifies it."""

    url: str
    content: bytes


FetchPlan = Generator[PlannedRequest, bytes, FileAddress | AssembledFile]


def plan_address(url: str) -> FetchPlan:
    """Return a plan for a file at a fixed address."""
    yield from ()
    return FileAddress(url)


def plan_link(link: Link) -> FetchPlan:
    """Follow links from a landing page to the newest file."""
    here = link.page
    for pattern in link.through:
        page = yield PlannedRequest(here, format="page")
        here = pick_newest(parse_links(page, here), link.model_copy(update={"pattern": pattern}), here).url
    page = yield PlannedRequest(here, format="page")
    newest = pick_newest(parse_links(page, here), link, here)
    return FileAddress(newest.url, link.hosts, newest.label)


def plan_ckan(api: Ckan) -> FetchPlan:
    """Request the resources of a dataset from a CKAN portal and select the newest."""
    here = f"{api.portal.rstrip('/')}/api/3/action/package_show?{urlencode({'id': api.package})}"
    listing = parse_reply((yield PlannedRequest(here)), here)
    links = [
        PageLink(_text_field(item, "url"), _text_field(item, "name"))
        for item in list_items(listing, "result", "resources")
    ]
    chosen = pick_newest(links, api, here)
    return FileAddress(chosen.url, api.hosts, chosen.label)


def plan_govuk(api: GovUk) -> FetchPlan:
    """Request the attachments of a GOV.UK publication and select the newest, through a collection where declared."""
    path = api.path
    for pattern in api.through:
        here = _content_url(api, path)
        listing = parse_reply((yield PlannedRequest(here)), here)
        documents = list_items(listing, "links", "documents")
        links = [PageLink(_text_field(item, "base_path"), _text_field(item, "title")) for item in documents]
        path = pick_newest(links, api.model_copy(update={"pattern": pattern}), here).url
    here = _content_url(api, path)
    listing = parse_reply((yield PlannedRequest(here)), here)
    attachments = list_items(listing, "details", "attachments")
    chosen = pick_newest(
        [PageLink(_text_field(item, "url"), _text_field(item, "title")) for item in attachments], api, here
    )
    return FileAddress(chosen.url, api.hosts, chosen.label)


def _content_url(api: GovUk, path: str) -> str:
    return f"{api.service}/api/content/{path.lstrip('/')}"


def _text_field(item: Any, key: str) -> str:
    return str(item.get(key) or "") if isinstance(item, dict) else ""


def build_reply_error(where: str, text: str) -> FetchError:
    """Build the error for an unusable response from an address."""
    return FetchError(f"{redact_address(where)}: {text}")


def parse_reply(content: bytes, where: str) -> dict[str, Any]:
    """Parse a service's response as a JSON object; raise FetchError where it is invalid or reports an error."""
    try:
        reply = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise build_reply_error(
            where, f"found {content[:60]!r}, expected JSON; check whether the service has moved"
        ) from error
    if not isinstance(reply, dict):
        raise build_reply_error(
            where, f"found a {type(reply).__name__}, expected an object; check whether the service has changed"
        )
    fault = reply.get("error")
    if fault:
        message = " ".join(str(fault.get("message") if isinstance(fault, dict) else fault).split())
        raise build_reply_error(where, f"the service reports an error ({message[:200]}); correct the query")
    return reply


def list_items(reply: dict[str, Any], *keys: str) -> list[Any]:
    """Return the list at a path of keys in a response, or an empty list where there is none."""
    value: Any = reply
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, list) else []
