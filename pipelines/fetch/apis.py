"""Plans for publishers' services that return a table in pages or build one on request."""

import csv
import io
import json
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from pipelines.declarations.endpoint import NOMIS_KEY, ArcGis, Nomis
from pipelines.fetch.discover import (
    AssembledFile,
    FetchPlan,
    PlannedRequest,
    ServiceKey,
    build_reply_error,
    find_value,
    list_items,
    parse_reply,
    parse_stated_day,
)

NOMIS_PAGE = 25_000
"""Maximum rows that Nomis returns to one request without an account."""
NOMIS_ACCOUNT_PAGE = 1_000_000
"""Maximum rows that Nomis returns to one request with the uid of an account."""
_NOMIS_UID = ServiceKey("uid", NOMIS_KEY, in_query=True, is_required=False)


def plan_nomis(api: Nomis, has_account: bool = False) -> FetchPlan:
    """Request a Nomis table page by page until the number of rows equals RECORD_COUNT.

    The first request asks when the dataset was updated. Every row of the others carries RECORD_COUNT, the total number
    of rows. Raises FetchError where fewer rows arrive.
    """
    about = f"{api.service}/api/v01/dataset/{api.dataset}.def.sdmx.json"
    released = _read_nomis_update(parse_reply((yield PlannedRequest(about)), about))
    address = f"{api.service}/api/v01/dataset/{api.dataset}.data.csv"
    query = {name: ",".join(values) for name, values in api.query.items()}
    if api.select:
        query["select"] = ",".join([*api.select, *({"RECORD_COUNT"} - set(api.select))])
    lines: list[list[str]] = []
    header: list[str] = []
    total = 0
    while True:
        limit = NOMIS_ACCOUNT_PAGE if has_account else NOMIS_PAGE
        page = {"recordlimit": str(limit), "recordoffset": str(len(lines))}
        here = f"{address}?{urlencode(query | page, safe=',')}"
        rows = _parse_rows((yield PlannedRequest(here, format="csv", key=_NOMIS_UID)), here)
        header = header or rows[0]
        if rows[0] != header:
            raise build_reply_error(
                here, f"found headings {rows[0]} on a later page, expected {header}; refresh again later"
            )
        lines += rows[1:]
        total = _read_row_count(header, rows[1:], here) if rows[1:] else total
        if len(lines) >= total or not rows[1:]:
            break
    if not lines:
        raise build_reply_error(here, "found no rows, expected at least one; correct the query, or refresh again later")
    if len(lines) != total:
        raise build_reply_error(
            here, f"found {len(lines):,} rows, expected {total:,} (RECORD_COUNT); refresh again later"
        )
    return AssembledFile(f"{address}?{urlencode(query, safe=',')}", encode_csv(header, lines), released)


def _read_nomis_update(about: dict[str, Any]) -> date | None:
    """Return the day of the annotation LastUpdated in the definition of a Nomis dataset."""
    families = find_value(about, "structure.keyfamilies.keyfamily")
    first = families[0] if isinstance(families, list) and families else {}
    notes = find_value(first, "annotations.annotation")
    texts = [
        str(note.get("annotationtext"))
        for note in (notes if isinstance(notes, list) else [])
        if isinstance(note, dict) and note.get("annotationtitle") == "LastUpdated"
    ]
    return parse_stated_day(texts[0]) if texts else None


def _parse_rows(content: bytes, where: str) -> list[list[str]]:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise build_reply_error(where, f"not a CSV file ({error}); check whether the service has changed") from error
    if not rows or "RECORD_COUNT" not in rows[0]:
        headings = ", ".join(rows[0][:6]) if rows else "nothing"
        raise build_reply_error(where, f"found {headings[:200]}, expected a CSV with RECORD_COUNT; correct the query")
    return rows


def _read_row_count(header: list[str], rows: list[list[str]], where: str) -> int:
    """Return the total number of rows, which every row repeats in RECORD_COUNT."""
    place = header.index("RECORD_COUNT")
    counts = {row[place] for row in rows if len(row) > place}
    if len(counts) != 1 or not (text := next(iter(counts))).isdecimal():
        raise build_reply_error(
            where, f"found RECORD_COUNT {', '.join(sorted(counts))[:80]}, expected one number; refresh later"
        )
    return int(text)


def plan_arcgis(api: ArcGis) -> FetchPlan:
    """Request a feature layer page by page, ordered by object id, and check the number of features."""
    layer = api.layer.rstrip("/")
    about = parse_reply((yield PlannedRequest(f"{layer}?f=json")), layer)
    count_url = f"{layer}/query?{urlencode({'where': api.where, 'returnCountOnly': 'true', 'f': 'json'})}"
    total = parse_reply((yield PlannedRequest(count_url)), count_url).get("count")
    if not isinstance(total, int):
        raise build_reply_error(count_url, f"found count {str(total)[:40]}, expected a number; check the layer")
    if not total:
        raise build_reply_error(
            count_url, "found no features, expected at least one; correct the query, or refresh again later"
        )
    query = _build_arcgis_query(api, about)
    features: list[Any] = []
    more = True
    while more:
        here = f"{layer}/query?{urlencode({**query, 'resultOffset': str(len(features))})}"
        page = parse_reply((yield PlannedRequest(here)), here)
        came = list_items(page, "features")
        features += came
        more = bool(came) and (_has_more(page) or len(features) < total)
    if len(features) != total or not all(isinstance(feature, dict) for feature in features):
        raise build_reply_error(layer, f"found {len(features):,} features, expected {total:,}; refresh again later")
    return AssembledFile(f"{layer}/query?{urlencode(query)}", _encode_features(api, features), _read_edit_day(about))


def _read_edit_day(about: dict[str, Any]) -> date | None:
    """Return the day of the last edit of a layer's data, which the service states in milliseconds."""
    moments = [find_value(about, f"editingInfo.{key}") for key in ("dataLastEditDate", "lastEditDate")]
    moment = next((moment for moment in moments if isinstance(moment, int) and 0 < moment < 10**13), None)
    return datetime.fromtimestamp(moment / 1000, UTC).date() if moment else None


def _has_more(page: dict[str, Any]) -> bool:
    """Return whether more features follow. GeoJSON puts the flag under `properties`, JSON at the top level."""
    within = page.get("properties")
    objects = [page, within if isinstance(within, dict) else {}]
    return any(item.get("exceededTransferLimit") is True for item in objects)


def _build_arcgis_query(api: ArcGis, about: dict[str, Any]) -> dict[str, str]:
    ids = [field["name"] for field in _list_objects(about, "fields") if "esriFieldTypeOID" in field.values()]
    order = about.get("objectIdField") or next(iter(ids), "")
    form = {"f": "geojson", "outSR": "4326"} if api.geometry else {"f": "json", "returnGeometry": "false"}
    return {"where": api.where, "outFields": ",".join(api.fields), "orderByFields": str(order), **form}


def _list_objects(reply: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [item for item in list_items(reply, key) if isinstance(item, dict)]


def _encode_features(api: ArcGis, features: list[Any]) -> bytes:
    if api.geometry:
        return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")).encode()
    rows = [feature.get("attributes") or {} for feature in features]
    header = list(dict.fromkeys(chain.from_iterable(rows)))
    return encode_csv(header, [["" if row.get(name) is None else str(row[name]) for name in header] for row in rows])


def encode_csv(header: list[str], rows: list[list[str]]) -> bytes:
    """Encode a header and rows as CSV in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()
