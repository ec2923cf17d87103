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
from pipelines.fetch.links import Found, links_of, pick
from pipelines.fetch.urls import public


class Ask(NamedTuple):
    """One request. `key` names a header and the environment variable with the secret, which is never part of a plan."""

    url: str
    body: bytes = b""
    key: tuple[str, str] | None = None
    form: str = "json"


class File(NamedTuple):
    """Result of a plan: the address of the file, its permitted hosts and the label of its link."""

    url: str
    hosts: tuple[str, ...] = ()
    label: str = ""


class Joined(NamedTuple):
    """Result of a plan: the file assembled from its pages, and one address that identifies it."""

    url: str
    content: bytes


Road = Generator[Ask, bytes, File | Joined]


def plain(url: str) -> Road:
    """Return a plan for a file at a fixed address."""
    yield from ()
    return File(url)


def linked(link: Link) -> Road:
    """Follow links from a landing page to the newest file."""
    here = link.page
    for pattern in link.through:
        page = yield Ask(here, form="page")
        here = pick(links_of(page, here), link.model_copy(update={"pattern": pattern}), here).url
    page = yield Ask(here, form="page")
    found = pick(links_of(page, here), link, here)
    return File(found.url, link.hosts, found.label)


def ckan(api: Ckan) -> Road:
    """Request the resources of a dataset from a CKAN portal and select the newest."""
    here = f"{api.portal.rstrip('/')}/api/3/action/package_show?{urlencode({'id': api.package})}"
    listing = read_json((yield Ask(here)), here)
    found = [Found(_text(each, "url"), _text(each, "name")) for each in items(listing, "result", "resources")]
    chosen = pick(found, api, here)
    return File(chosen.url, api.hosts, chosen.label)


def govuk(api: GovUk) -> Road:
    """Request the attachments of a GOV.UK publication and select the newest, through a collection where declared."""
    path = api.path
    for pattern in api.through:
        here = _content(api, path)
        listing = read_json((yield Ask(here)), here)
        documents = items(listing, "links", "documents")
        found = [Found(_text(each, "base_path"), _text(each, "title")) for each in documents]
        path = pick(found, api.model_copy(update={"pattern": pattern}), here).url
    here = _content(api, path)
    listing = read_json((yield Ask(here)), here)
    attached = items(listing, "details", "attachments")
    chosen = pick([Found(_text(each, "url"), _text(each, "title")) for each in attached], api, here)
    return File(chosen.url, api.hosts, chosen.label)


def _content(api: GovUk, path: str) -> str:
    return f"{api.service}/api/content/{path.lstrip('/')}"


def _text(item: Any, key: str) -> str:
    return str(item.get(key) or "") if isinstance(item, dict) else ""


def astray(where: str, text: str) -> FetchError:
    """Build the error for an unusable response from an address."""
    return FetchError(f"{public(where)}: {text}")


def read_json(content: bytes, where: str) -> dict[str, Any]:
    """Parse a service's response as a JSON object; raise FetchError where it is invalid or reports an error."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise astray(where, f"found {content[:60]!r}, expected JSON; check whether the service has moved") from error
    if not isinstance(told, dict):
        raise astray(where, f"found a {type(told).__name__}, expected an object; check whether the service has changed")
    fault = told.get("error")
    if fault:
        said = " ".join(str(fault.get("message") if isinstance(fault, dict) else fault).split())
        raise astray(where, f"the service reports an error ({said[:200]}); correct the query")
    return told


def items(told: dict[str, Any], *keys: str) -> list[Any]:
    """Return the list at a path of keys in a response, or an empty list where there is none."""
    found: Any = told
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, list) else []
