"""Plan for a JSON service that returns rows in pages, or for one place at a time."""

import json
from typing import Any
from urllib.parse import quote, urljoin

from pipelines.declarations.endpoint import PagedRows
from pipelines.fetch.apis import encode_csv
from pipelines.fetch.discover import (
    AssembledFile,
    FetchPlan,
    PlannedRequest,
    build_reply_error,
    find_value,
    parse_reply,
)


def plan_paged(api: PagedRows) -> FetchPlan:
    """Request every page of every place and convert the rows to one CSV.

    Raises FetchError where an answer has no list of rows, or fewer rows arrive than the service counts.
    """
    rows: list[dict[str, Any]] = []
    for place in api.places or ("",):
        start = api.address.replace("{place}", quote(place, safe=""))
        here, received = start, 0
        while here:
            reply = parse_reply((yield PlannedRequest(here)), here)
            page = _read_rows(reply, api, here)
            rows += page
            received += len(page)
            counted = find_value(reply, api.count) if api.count else None
            here = _next_page(api, reply, here, len(page))
        if isinstance(counted, int) and counted != received:
            raise build_reply_error(start, f"found {received:,} rows, expected {counted:,}; refresh again later")
    if not rows:
        raise build_reply_error(api.address, "found no rows, expected at least one; check the address and the places")
    return AssembledFile(api.address, _encode_rows(api, rows))


def _read_rows(reply: dict[str, Any], api: PagedRows, where: str) -> list[dict[str, Any]]:
    rows = find_value(reply, api.rows)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise build_reply_error(where, f"found no list of rows at {api.rows}; check whether the service has changed")
    return rows


def _next_page(api: PagedRows, reply: dict[str, Any], here: str, received: int) -> str:
    """Return the address of the next page; blank after the last one."""
    address = find_value(reply, api.next) if api.next else None
    return urljoin(here, address) if isinstance(address, str) and received else ""


def _encode_rows(api: PagedRows, rows: list[dict[str, Any]]) -> bytes:
    header = list(api.columns) or list(dict.fromkeys(key for row in rows for key in row))
    return encode_csv(header, [[_format_value(row.get(name)) for name in header] for row in rows])


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else json.dumps(value)
