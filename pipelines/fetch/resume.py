"""Going on with a large download that broke: what has come is kept, and the rest asked for.

A server is asked for the rest only of the very same file (If-Range), from a little before the end of what is
held. Where the two do not overlap, or the whole has another size, the publisher has changed the file under
the same mark: what was kept is dropped, and the file asked for anew.
"""

import json
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

import httpx

from pipelines.core.store import open_private

OVERLAP = 65_536
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.A)


class Part(NamedTuple):
    """What is held of a file: where from, by what mark it is known, its whole size, how much has come."""

    url: str
    mark: str
    total: int
    size: int


def held(path: Path | None, url: str) -> Part | None:
    """Give what is held of the file at an address; null where there is nothing, or of another."""
    if path is None or not path.is_file() or not _note(path).is_file():
        return None
    try:
        told = json.loads(_note(path).read_text(encoding="utf-8"))
        part = Part(told["url"], told["mark"], told["total"], path.stat().st_size)
    except (ValueError, KeyError, TypeError):
        return None
    return part if part.url == url and part.size else None


def headers(part: Part | None) -> dict[str, str]:
    """Ask for the rest of a file, if it is still the same."""
    if part is None:
        return {}
    return {"Range": f"bytes={_start(part)}-", "If-Range": part.mark, "Accept-Encoding": "identity"}


def _start(part: Part) -> int:
    return max(0, part.size - OVERLAP)


def mark_of(response: httpx.Response) -> str:
    """Give the mark by which a server knows this very file: a strong ETag, else its Last-Modified; or none."""
    seen = response.headers
    if seen.get("content-encoding", "identity") != "identity" or seen.get("accept-ranges") == "none":
        return ""
    etag: str = seen.get("etag", "")
    mark = etag if etag and not etag.startswith("W/") else seen.get("last-modified", "")
    return mark if mark.isascii() else ""


def begin(path: Path, url: str, mark: str, total: int) -> BinaryIO:
    """Begin to keep a file that comes whole; only the owner can read it until all of it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _note(path).write_text(json.dumps({"url": url, "mark": mark, "total": total}), encoding="utf-8")
    return open_private(path)


def fits(part: Part, response: httpx.Response) -> bool:
    """Tell whether what is offered is the rest of what is held: from where it was asked, of the same size."""
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if not match or int(match[1]) != _start(part):
        return False
    return match[3] == "*" or not part.total or int(match[3]) == part.total


def tail(path: Path, part: Part) -> bytes:
    """Give the end of what is held, which the rest begins with again."""
    with path.open("rb") as file:
        file.seek(_start(part))
        return file.read()


def drop(path: Path | None) -> None:
    """Forget what is held of a file."""
    if path:
        path.unlink(missing_ok=True)
        _note(path).unlink(missing_ok=True)


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")
