"""What a file that came must have in it to be kept: bytes of its format, and something below the headings."""

import json
import re
from typing import Any

from pipelines.core.errors import FetchError
from pipelines.fetch.response import Wanted
from pipelines.fetch.urls import public

_PACKED = (b"PK\x03\x04", b"\x1f\x8b")
_OLE = b"\xd0\xcf\x11\xe0"
_STARTS = {"excel": (b"PK\x03\x04", _OLE), "ods": (b"PK\x03\x04",), "parquet": (b"PAR1",)}
_FOREIGN = {b"%PDF": "a PDF file", b"<?xml": "an XML answer", b"PAR1": "a Parquet file", _OLE: "an Excel file"}
_TWO_LINES = re.compile(rb'[^\s,;"\x00][^\r\n]*[\r\n]+[\s,;"\x00]*[^\s,;"\x00]')
_SMALL = 100_000
"""Bytes up to which a JSON file is read to see whether anything is in it."""


def see_kind(wanted: Wanted, content: bytes) -> None:
    """Raise FetchError where a file is of another format than declared, or has nothing in it that could be read.

    What lies inside an archive is looked at when it is read.
    """
    head = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    starts = _STARTS.get(wanted.format)
    fault = ""
    if starts and not head.startswith((*starts, *_PACKED)):
        fault = f"no {wanted.format} file (it begins with {head[:12]!r})"
    elif wanted.format == "csv" and not head.startswith(_PACKED):
        fault = _fault_of_csv(head, content)
    elif wanted.format in ("json", "jsonstat") and not head.startswith(_PACKED):
        fault = _fault_of_json(head, content)
    if fault:
        raise FetchError(
            f"{public(wanted.url)}: {fault} came, expected {wanted.format} with rows; open it and {wanted.page}, "
            "and correct the declaration, or take the file again later"
        )


def _fault_of_csv(head: bytes, content: bytes) -> str:
    foreign = next((what for start, what in _FOREIGN.items() if head.startswith(start)), "")
    if foreign:
        return foreign
    if head[:1] in (b"{", b"[") and _read(content) is not None:
        return "a JSON answer"
    return "" if _TWO_LINES.search(content) else "a file with one line and no row below it"


def _fault_of_json(head: bytes, content: bytes) -> str:
    if head[:1] not in (b"{", b"["):
        return f"no JSON (it begins with {head[:12]!r})"
    told = _read(content) if len(content) <= _SMALL else None
    if isinstance(told, dict) and told.get("error"):
        return f"an error ({str(told['error'])[:120]})"
    within = [each for each in told.values() if isinstance(each, list)] if isinstance(told, dict) else []
    empty = told in ([], {}) or (within and not any(within))
    return "a JSON file without a row" if empty else ""


def _read(content: bytes) -> Any:
    """Read small JSON; null where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
