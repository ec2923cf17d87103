"""Plans for finding a publisher's file: which requests to make, in which order, and how to join the responses.

A plan is a generator without network access: it yields a request and receives the response. It returns the address of
the file, or the file assembled from its pages. `resolve` makes the requests.
"""

import json
from collections.abc import Generator
from datetime import date, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode, urljoin

from pipelines.core.errors import FetchError
from pipelines.declarations.endpoint import Ckan, GovUk, JsonHop, Link, LinkSelection
from pipelines.fetch.links import PageLink, list_matches, parse_links, pick_newest
from pipelines.fetch.urls import redact_address


class ServiceKey(NamedTuple):
    """Where a service expects a key, and the environment variable with it. The key itself is never part of a plan."""

    name: str
    variable: str
    in_query: bool = False
    is_required: bool = True


class PlannedRequest(NamedTuple):
    """One request, with the hosts that a plan may reach beside the publisher's."""

    url: str
    body: bytes = b""
    key: ServiceKey | None = None
    format: str = "json"
    hosts: tuple[str, ...] = ()


class FileAddress(NamedTuple):
    """Result of a plan: the address of the file, its permitted hosts, the label of its link and its stated days."""

    url: str
    hosts: tuple[str, ...] = ()
    label: str = ""
    released: date | None = None
    modified: date | None = None


class FileList(NamedTuple):
    """Result of a plan: every file of a list, oldest first, and the most files to fetch in one run."""

    files: tuple[FileAddress, ...]
    at_most: int


class AssembledFile(NamedTuple):
    """Result of a plan: the file assembled from its pages, one address that identifies it, and its stated day."""

    url: str
    content: bytes
    released: date | None = None


PlanEnd = FileAddress | FileList | AssembledFile
FetchPlan = Generator[PlannedRequest, bytes, PlanEnd]


def plan_address(url: str) -> FetchPlan:
    """Return a plan for a file at a fixed address."""
    yield from ()
    return FileAddress(url)


def plan_link(link: Link) -> FetchPlan:
    """Follow links from a landing page to the newest file, or to every file."""
    here = link.page
    for pattern in link.through:
        page = yield PlannedRequest(here, format="page")
        here = pick_newest(parse_links(page, here), _step_rule(link, pattern), here).url
    page = yield PlannedRequest(here, format="page")
    return _select_files(parse_links(page, here), link, here, None)


def plan_ckan(api: Ckan) -> FetchPlan:
    """Request the resources of one dataset or more from a CKAN portal and select the newest, or every one."""
    links: list[PageLink] = []
    here = ""
    for package in api.package:
        here = f"{api.portal.rstrip('/')}/api/3/action/package_show?{urlencode({'id': package})}"
        listing = parse_reply((yield PlannedRequest(here)), here)
        links += [_read_resource(item) for item in list_items(listing, "result", "resources")]
    return _select_files(links, api, here, None)


def _read_resource(item: Any) -> PageLink:
    changed = _text_field(item, "last_modified") or _text_field(item, "created")
    return PageLink(_text_field(item, "url"), _text_field(item, "name"), "", parse_stated_day(changed))


def plan_govuk(api: GovUk) -> FetchPlan:
    """Request the attachments of a GOV.UK publication, through a collection where declared, and select as declared.

    The page states the day of its last change. It is the release day of its newest attachment, not of the others.
    """
    path = api.path
    for pattern in api.through:
        here = _content_url(api, path)
        listing = parse_reply((yield PlannedRequest(here)), here)
        documents = list_items(listing, "links", "documents")
        links = [PageLink(_text_field(item, "base_path"), _text_field(item, "title")) for item in documents]
        path = pick_newest(links, _step_rule(api, pattern), here).url
    here = _content_url(api, path)
    listing = parse_reply((yield PlannedRequest(here)), here)
    attachments = list_items(listing, "details", "attachments")
    links = [PageLink(_text_field(item, "url"), _text_field(item, "title")) for item in attachments]
    return _select_files(links, api, here, parse_stated_day(_text_field(listing, "public_updated_at")))


def _step_rule(rule: LinkSelection, pattern: str) -> LinkSelection:
    """Return the rule for a page on the way: the newest link by the pattern's period, or else the first or the last.

    The rule of the files says nothing about the order of such pages: a collection need not begin with its newest one.
    """
    if "(?P<period>" in pattern:
        return LinkSelection(pattern=pattern, newest="text" if rule.newest == "text" else "period")
    return LinkSelection(pattern=pattern, newest=rule.newest if rule.newest in ("first", "last") else "first")


def _select_files(links: list[PageLink], rule: LinkSelection, page: str, page_day: date | None) -> PlanEnd:
    if rule.take == "newest":
        chosen = pick_newest(links, rule, page)
        return FileAddress(chosen.url, rule.hosts, chosen.label, chosen.modified or page_day, chosen.modified)
    matches = list_matches(links, rule, page)
    return FileList(
        tuple(FileAddress(link.url, rule.hosts, link.label, link.modified, link.modified) for link in matches),
        rule.at_most,
    )


def plan_json_hop(hop: JsonHop) -> FetchPlan:
    """Follow addresses in JSON answers to the file, and read its release day from the last answer."""
    here = hop.start
    reply = parse_reply((yield PlannedRequest(here, hosts=hop.hosts)), here)
    for path in hop.follow:
        here = _follow_path(reply, path, here)
        reply = parse_reply((yield PlannedRequest(here, hosts=hop.hosts)), here)
    url = hop.file if "://" in hop.file else _follow_path(reply, hop.file, here)
    released = parse_stated_day(_find_text(reply, hop.released)) if hop.released else None
    if hop.released and not released:
        text = _find_text(reply, hop.released)[:40] or "nothing"
        raise build_reply_error(here, f"found {text} at {hop.released}, expected a day; correct the declaration")
    return FileAddress(url, hop.hosts, "", released)


def _follow_path(reply: dict[str, Any], path: str, where: str) -> str:
    address = _find_text(reply, path)
    if not address:
        keys = ", ".join(list(reply)[:8]) or "no keys"
        raise build_reply_error(where, f"found no address at {path}, but {keys}; correct the path in the declaration")
    return urljoin(where, address)


def find_value(reply: Any, path: str) -> Any:
    """Return the value at a path of keys separated by points, or None where there is none."""
    for key in path.split("."):
        reply = reply.get(key) if isinstance(reply, dict) else None
    return reply


def _find_text(reply: Any, path: str) -> str:
    value = find_value(reply, path)
    return value if isinstance(value, str) else ""


def parse_stated_day(text: str) -> date | None:
    """Return the day in a publisher's date, such as 2025-03-21T9:30:00.000Z; None where the text has none."""
    try:
        return datetime.strptime(text[:10], "%Y-%m-%d").date()
    except ValueError:
        return None


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
