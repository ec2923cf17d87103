"""The request to a publisher, the possible answers, and the refusal of an unusable answer."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx

from pipelines.core.clock import current_time
from pipelines.core.errors import FetchError
from pipelines.fetch.urls import parse_http_date, redact_address

ProgressCallback = Callable[[int, int], None]
"""Receives the number of bytes downloaded and the total number, 0 where the total is unknown."""

_FORMAT_WORDS = {
    "csv": "a CSV file",
    "excel": "an Excel file",
    "ods": "an ODS file",
    "json": "a JSON file",
    "jsonstat": "a JSON-stat file",
    "parquet": "a Parquet file",
    "page": "a page",
}
_WEB_PAGE = re.compile(rb"\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.I | re.S)


class Limits(NamedTuple):
    """Limits on a download.

    Attempts; total seconds; bytes; seconds before the second attempt; size in bytes from which a partial download is
    stored to be resumed; requests for one source; and seconds between two files of one source.
    """

    attempts: int = 4
    seconds: float = 60.0
    bytes: int = 200_000_000
    wait: float = 1.0
    keep: int = 1_000_000
    requests: int = 500
    pause: float = 1.0


class Request(NamedTuple):
    """A request: address, format and limits; for a stored version also its address, ETag and Last-Modified."""

    name: str
    url: str
    format: str
    page: str
    limits: Limits
    deadline: float
    stored_url: str = ""
    etag: str = ""
    last_modified: str = ""
    body: bytes = b""
    secrets: tuple[tuple[str, str], ...] = ()
    secret_query: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    part_path: Path | None = None
    on_progress: ProgressCallback | None = None


class Answer(NamedTuple):
    """The publisher's answer; without content where nothing has changed (HTTP 304)."""

    url: str
    status: int
    headers: httpx.Headers
    content: bytes = b""


class Refusal(FetchError):
    """Why no file was returned, whether to try again, and after how many seconds where the publisher states it."""

    def __init__(self, text: str, status: int = 0, again: bool = False, wait: float | None = None) -> None:
        super().__init__(text)
        self.status, self.again, self.wait = status, again, wait


def build_refusal(
    request: Request, fault: str, advice: str, status: int = 0, again: bool = False, wait: float | None = None
) -> Refusal:
    """Build the message: source, address, what was found, what was expected and what to do."""
    where = redact_address(request.url)
    text = f"{request.name}: {where}: found {fault}, expected {_FORMAT_WORDS[request.format]}; {advice}"
    return Refusal(text, status, again, wait)


def validate_content(request: Request, content: bytes, content_type: str = "") -> None:
    """Raise Refusal where the content is empty, a web page or a truncated archive."""
    if not content or content.isspace():
        raise build_refusal(request, "an empty file", f"check {request.page} and refresh again later", 200)
    # Zero bytes are removed so that a page in UTF-16 is recognised.
    head = content[:4096].lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"")
    web = _WEB_PAGE.match(head) or content_type.lower().startswith(("text/html", "application/xhtml"))
    if web and request.format != "page":
        advice = f"it may be an error or login page: open the url and {request.page} and correct the url"
        raise build_refusal(request, "a web page", advice, 200)
    # A server that states too small a Content-Length truncates the file without an error.
    if content[:4] == b"PK\x03\x04" and not zipfile.is_zipfile(io.BytesIO(content)):
        raise build_refusal(request, "a truncated archive", "refresh again later", 200, again=True)


def validate_size(request: Request, size: int) -> None:
    """Raise Refusal where a file exceeds the size limit."""
    if size > request.limits.bytes:
        fault = f"more than {request.limits.bytes:,} bytes"
        raise build_refusal(request, fault, "request a smaller extract in the url, or raise the limit", 200)


def validate_status(request: Request, response: httpx.Response) -> None:
    """Raise Refusal for every status except 200, and 304 or 206 where requested."""
    status, headers = response.status_code, response.headers
    sent = response.request.headers
    encoding = headers.get("content-encoding", "identity").lower()
    if status in (200, 206) and encoding != "identity" and encoding not in sent["accept-encoding"]:
        raise build_refusal(request, f"unrequested content encoding {encoding}", "report it to the publisher", status)
    validators = {"if-none-match", "if-modified-since"} & set(sent)
    if status == 200 or (status == 304 and validators) or (status == 206 and "range" in sent):
        return
    # 202: some portals prepare the extract on the first request and return it later.
    # 416: the stored part no longer belongs to the file; it is deleted and the file is requested again.
    again = status in (202, 416, 429) or status >= 500
    wait = _parse_retry_after(headers.get("retry-after", ""))
    fault = f"HTTP {status} {response.reason_phrase}".rstrip()
    wait_note = f" (retry after {wait:.0f} s)" if again and wait is not None else ""
    raise build_refusal(request, fault + wait_note, _advise_action(request, status, again), status, again, wait)


def _advise_action(request: Request, status: int, again: bool) -> str:
    if again:
        return "refresh again later"
    if status in (401, 403, 407):
        return f"access is restricted: check {request.page}, or download the file and use `commonground add`"
    return f"find the file on {request.page} and correct the url"


def _parse_retry_after(retry_after: str) -> float | None:
    if re.fullmatch(r"\d{1,9}", retry_after, re.A):
        return float(retry_after)
    until = parse_http_date(retry_after)
    return max(0.0, (until - current_time()).total_seconds()) if until else None
