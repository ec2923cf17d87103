"""Plan for a table of Stat-Xplore: the request, and the conversion of its cube to CSV."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, product
from typing import Any, NamedTuple
from urllib.parse import quote

from pipelines.declarations.endpoint import STATXPLORE_KEY, StatXplore
from pipelines.fetch.apis import encode_csv
from pipelines.fetch.discover import (
    AssembledFile,
    FetchPlan,
    PlannedRequest,
    ServiceKey,
    build_reply_error,
    list_items,
    parse_reply,
)

API_KEY = ServiceKey("APIKey", STATXPLORE_KEY)
MARKS_COLUMN = "Marks"
"""Column with the publisher's marks of a row, such as r for revised and p for provisional."""


class CubeItem(NamedTuple):
    """A value of a field: its label, its code and the publisher's marks."""

    label: str
    code: str
    marks: tuple[str, ...]


def plan_stat_xplore(api: StatXplore) -> FetchPlan:
    """Request a Stat-Xplore table and convert its cube to CSV.

    The members of a declared set of values are requested first. The CSV has a row for each cell, with labels, codes
    and marks; or a column for each value of the second field.
    """
    recodes = {field: _recode(values) for field, values in api.recodes.items()}
    for field, valueset in api.valuesets.items():
        where = f"{api.service}/webapi/rest/v1/schema/{quote(valueset, safe='')}"
        reply = parse_reply((yield PlannedRequest(where, key=API_KEY)), where)
        recodes[field] = _recode(_read_members(reply, where))
    query = {
        "database": api.database,
        "measures": list(api.measures),
        "dimensions": [[name] for name in api.dimensions],
        "recodes": recodes,
    }
    here = f"{api.service}/webapi/rest/v1/table"
    body = json.dumps(query, sort_keys=True).encode()
    reply = parse_reply((yield PlannedRequest(here, body, API_KEY)), here)
    return AssembledFile(here, _flatten_cube(api, reply, here))


def _recode(values: Sequence[str]) -> dict[str, Any]:
    return {"map": [[value] for value in values], "total": False}


def _read_members(reply: dict[str, Any], where: str) -> list[str]:
    members = [item.get("id") for item in list_items(reply, "children") if isinstance(item, dict)]
    if not members or not all(isinstance(member, str) for member in members):
        raise build_reply_error(where, "found no members, expected a set of values; correct valuesets")
    return [str(member) for member in members]


def _flatten_cube(api: StatXplore, reply: dict[str, Any], where: str) -> bytes:
    fields, measures = list_items(reply, "fields"), list_items(reply, "measures")
    cubes = reply.get("cubes") or {}
    try:
        items = [[_read_item(item) for item in field["items"]] for field in fields]
        labels = [str(field["label"]) for field in fields]
        names = [str(measure["label"]) for measure in measures]
        columns = [list(_flatten_values(cubes[measure["uri"]]["values"], api.nil)) for measure in measures]
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise build_reply_error(where, f"the response lacks {error}; check whether the service has changed") from error
    keys = list(product(*items))
    if not keys or not columns or any(len(column) != len(keys) for column in columns):
        raise build_reply_error(
            where, f"found too few or too many values, expected {len(keys):,} a measure; check the query"
        )
    if api.across:
        if len(fields) != 2 or len(columns) != 1:
            raise build_reply_error(where, "across needs two dimensions and one measure; correct the declaration")
        return _encode_across(labels[1], items, columns[0])
    header = [*chain.from_iterable((label, f"{label} code") for label in labels), *names, MARKS_COLUMN]
    figures = zip(*columns, strict=True)
    return encode_csv(header, [_build_row(key, figure) for key, figure in zip(keys, figures, strict=True)])


def _build_row(key: tuple[CubeItem, ...], figure: tuple[str, ...]) -> list[str]:
    marks = dict.fromkeys(chain.from_iterable(item.marks for item in key))
    return [*chain.from_iterable((item.label, item.code) for item in key), *figure, " ".join(marks)]


def _encode_across(heading: str, items: list[list[CubeItem]], values: list[str]) -> bytes:
    """Encode a cube with a row for each value of the first field and a column for each value of the second.

    A mark follows its heading in brackets, as in the service's exports: `November 2023 (p)`.
    """
    rows, columns = items
    width = len(columns)
    header = [heading, *(f"{item.label} ({item.marks[0]})" if item.marks else item.label for item in columns)]
    lines = [[row.label, *values[n * width : (n + 1) * width]] for n, row in enumerate(rows)]
    return encode_csv(header, lines)


def _read_item(item: dict[str, Any]) -> CubeItem:
    """Read an item. Its code is the last part of its URI; its marks are its annotation keys in lower case."""
    uris = item.get("uris") or [""]
    labels = item.get("labels") or [item["type"]]
    marks = tuple(key for key in item.get("annotationKeys") or () if isinstance(key, str) and key.islower())
    return CubeItem("; ".join(labels), str(uris[0]).rsplit(":", 1)[-1], marks)


def _flatten_values(values: Any, nil: str | None) -> Iterator[str]:
    if isinstance(values, list):
        for item in values:
            yield from _flatten_values(item, nil)
    elif values == 0 and nil is not None:
        yield nil
    else:
        yield "" if values is None else f"{values:.15g}"
