"""Resumption of a large download: the received part is stored, and only the remainder is requested.

The remainder is requested for the same version only (If-Range), from shortly before the end of the stored part. Where
the two do not overlap, or the total size differs, the publisher has changed the file under the same ETag. The stored
part is then deleted and the file requested again.
"""

import json
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

import httpx

from pipelines.core.store import open_private_file

OVERLAP_BYTES = 65_536
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.A)


class PartialFile(NamedTuple):
    """A partial download: its address, its version (ETag or Last-Modified), its total size and its stored size."""

    url: str
    mark: str
    total: int
    size: int


def read_partial(path: Path | None, url: str) -> PartialFile | None:
    """Return the stored part of the file at an address; None where there is none, or another file's."""
    if path is None or not path.is_file() or not _note_path(path).is_file():
        return None
    try:
        note = json.loads(_note_path(path).read_text(encoding="utf-8"))
        part = PartialFile(note["url"], note["mark"], note["total"], path.stat().st_size)
    except (ValueError, KeyError, TypeError):
        return None
    return part if part.url == url and part.size else None


def range_headers(part: PartialFile | None) -> dict[str, str]:
    """Return headers that request the remainder of a file, if the file has not changed."""
    if part is None:
        return {}
    return {"Range": f"bytes={_resume_offset(part)}-", "If-Range": part.mark, "Accept-Encoding": "identity"}


def _resume_offset(part: PartialFile) -> int:
    return max(0, part.size - OVERLAP_BYTES)


def version_mark(response: httpx.Response) -> str:
    """Return the version of a file: a strong ETag, else Last-Modified; empty where neither is usable."""
    fields = response.headers
    if fields.get("content-encoding", "identity") != "identity" or fields.get("accept-ranges") == "none":
        return ""
    etag: str = fields.get("etag", "")
    mark = etag if etag and not etag.startswith("W/") else fields.get("last-modified", "")
    return mark if mark.isascii() else ""


def open_partial(path: Path, url: str, mark: str, total: int) -> BinaryIO:
    """Open a file for a complete download; only its owner can read it until it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _note_path(path).write_text(json.dumps({"url": url, "mark": mark, "total": total}), encoding="utf-8")
    return open_private_file(path)


def is_continuation(part: PartialFile, response: httpx.Response) -> bool:
    """Return whether a response continues the stored part: from the requested byte, with the same total size."""
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if not match or int(match[1]) != _resume_offset(part):
        return False
    return match[3] == "*" or not part.total or int(match[3]) == part.total


def read_overlap(path: Path, part: PartialFile) -> bytes:
    """Return the end of the stored part, which the remainder repeats."""
    with path.open("rb") as file:
        file.seek(_resume_offset(part))
        return file.read()


def delete_partial(path: Path | None) -> None:
    """Delete the stored part of a file."""
    if path:
        path.unlink(missing_ok=True)
        _note_path(path).unlink(missing_ok=True)


def _note_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")
