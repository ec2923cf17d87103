"""Roads to a publisher's file: what to ask for, one request after the other, and how the answers join.

A road is a generator and touches no network: it gives a request and is sent what came. It ends with the
address of the file, or with the file itself, joined from its pages. Whoever walks it does the asking.
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
    """One request. `key` is a header and the environment variable that has its text; the text is never here."""

    url: str
    body: bytes = b""
    key: tuple[str, str] | None = None
    form: str = "json"


class File(NamedTuple):
    """The end of a road: where the file is, the hosts it may be on, and what its link calls it."""

    url: str
    hosts: tuple[str, ...] = ()
    label: str = ""


class Joined(NamedTuple):
    """The end of a road: the file itself, joined from its pages, and the address that stands for them."""

    url: str
    content: bytes


Road = Generator[Ask, bytes, File | Joined]


def plain(url: str) -> Road:
    """A file at an address that stays."""
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
    """Ask a CKAN portal what a dataset has, and take its newest resource."""
    here = f"{api.portal.rstrip('/')}/api/3/action/package_show?{urlencode({'id': api.package})}"
    listing = read_json((yield Ask(here)), here)
    found = [Found(_text(each, "url"), _text(each, "name")) for each in items(listing, "result", "resources")]
    chosen = pick(found, api, here)
    return File(chosen.url, api.hosts, chosen.label)


def govuk(api: GovUk) -> Road:
    """Ask gov.uk what a publication has attached, by way of a collection if so declared."""
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
    """Say what is wrong with what came from an address."""
    return FetchError(f"{public(where)}: {text}")


def read_json(content: bytes, where: str) -> dict[str, Any]:
    """Read what a service answered as JSON; raise FetchError where it is none, or tells of an error."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise astray(where, f"found {content[:60]!r}, expected JSON; see whether the service has moved") from error
    if not isinstance(told, dict):
        raise astray(where, f"found a {type(told).__name__}, expected an object; see whether the service changed")
    fault = told.get("error")
    if fault:
        said = " ".join(str(fault.get("message") if isinstance(fault, dict) else fault).split())
        raise astray(where, f"the service refuses ({said[:200]}); correct the query")
    return told


def items(told: dict[str, Any], *keys: str) -> list[Any]:
    """Give a list inside what a service answered; none where it has no such list."""
    found: Any = told
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, list) else []
