"""Check that a downloaded file has the declared format and at least one row below its headings."""

import json
import re
from typing import Any

from pipelines.core.errors import FetchError
from pipelines.fetch.response import Request
from pipelines.fetch.urls import redact_address

_PACKED = (b"PK\x03\x04", b"\x1f\x8b")
_OLE = b"\xd0\xcf\x11\xe0"
_STARTS = {"excel": (b"PK\x03\x04", _OLE), "ods": (b"PK\x03\x04",), "parquet": (b"PAR1",)}
_FOREIGN = {b"%PDF": "a PDF file", b"<?xml": "an XML response", b"PAR1": "a Parquet file", _OLE: "an Excel file"}
_TWO_LINES = re.compile(rb'[^\s,;"\x00][^\r\n]*[\r\n]+[\s,;"\x00]*[^\s,;"\x00]')
_SMALL = 100_000
"""Maximum size in bytes of a JSON file that is parsed to check whether it has rows."""


def validate_format(request: Request, content: bytes) -> None:
    """Raise FetchError where a file has a format other than the declared one, or no rows.

    The content of an archive is checked later, when the file is read.
    """
    head = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    starts = _STARTS.get(request.format)
    fault = ""
    if starts and not head.startswith((*starts, *_PACKED)):
        fault = f"a file that is not {request.format} (it begins with {head[:12]!r})"
    elif request.format == "csv" and not head.startswith(_PACKED):
        fault = _find_csv_fault(head, content)
    elif request.format in ("json", "jsonstat") and not head.startswith(_PACKED):
        fault = _find_json_fault(head, content)
    if fault:
        raise FetchError(
            f"{redact_address(request.url)}: found {fault}, expected {request.format} with rows; open the url and "
            f"{request.page}, and correct the declaration, or refresh again later"
        )


def _find_csv_fault(head: bytes, content: bytes) -> str:
    foreign = next((description for start, description in _FOREIGN.items() if head.startswith(start)), "")
    if foreign:
        return foreign
    if head[:1] in (b"{", b"[") and _parse_small_json(content) is not None:
        return "a JSON response"
    return "" if _TWO_LINES.search(content) else "a file with one line and no rows below it"


def _find_json_fault(head: bytes, content: bytes) -> str:
    if head[:1] not in (b"{", b"["):
        return f"a file that is not JSON (it begins with {head[:12]!r})"
    document = _parse_small_json(content) if len(content) <= _SMALL else None
    if isinstance(document, dict) and document.get("error"):
        return f"an error ({str(document['error'])[:120]})"
    within = [value for value in document.values() if isinstance(value, list)] if isinstance(document, dict) else []
    empty = document in ([], {}) or (within and not any(within))
    return "a JSON file without rows" if empty else ""


def _parse_small_json(content: bytes) -> Any:
    """Parse small JSON; return None where it is invalid."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
