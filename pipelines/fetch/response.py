"""What is asked of a publisher, what may come back, and why an answer is refused."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx

from pipelines.core.errors import FetchError
from pipelines.fetch.urls import moment, public

Told = Callable[[int, int], None]
"""Is told how many bytes have come, and how many there are to come in all (0: not said)."""

_WORDS = {
    "csv": "a csv",
    "excel": "an Excel file",
    "ods": "an ODS file",
    "json": "a json",
    "jsonstat": "a JSON-stat file",
    "parquet": "a Parquet file",
    "page": "a page",
}
_PAGE = re.compile(rb"\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.I | re.S)


class Limits(NamedTuple):
    """How often, how long and how much.

    Attempts, seconds in all, bytes, seconds before the second attempt, bytes from which a broken download
    is kept to be gone on with, and requests that one source may take.
    """

    attempts: int = 4
    seconds: float = 60.0
    bytes: int = 200_000_000
    wait: float = 1.0
    keep: int = 1_000_000
    requests: int = 500


class Wanted(NamedTuple):
    """What is asked for: address and format; and of what is held, where it came from and how it is recognised."""

    name: str
    url: str
    format: str
    page: str
    limits: Limits
    until: float
    held_url: str = ""
    etag: str = ""
    last_modified: str = ""
    body: bytes = b""
    secrets: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    part: Path | None = None
    told: Told | None = None


class Answer(NamedTuple):
    """What the publisher answered; without content where it says that nothing has changed (304)."""

    url: str
    status: int
    headers: httpx.Headers
    content: bytes = b""


class Refusal(FetchError):
    """Why no file came, whether to ask again, and after how many seconds if the publisher says."""

    def __init__(self, text: str, status: int = 0, again: bool = False, wait: float | None = None) -> None:
        super().__init__(text)
        self.status, self.again, self.wait = status, again, wait


def refusal(
    wanted: Wanted, found: str, advice: str, status: int = 0, again: bool = False, wait: float | None = None
) -> Refusal:
    """Make the sentence that says which source, from where, what came, what was expected and what to do."""
    where = public(wanted.url)
    text = f"{wanted.name}: {where}: {found} came where {_WORDS[wanted.format]} was expected; {advice}"
    return Refusal(text, status, again, wait)


def see_content(wanted: Wanted, content: bytes, content_type: str = "") -> None:
    """Raise Refusal where the bytes are none, a web page, or an archive cut short; more is not looked at."""
    if not content or content.isspace():
        raise refusal(wanted, "nothing (an empty file)", f"see {wanted.page} and refresh again later", 200)
    # Zero bytes go, so that a page in UTF-16 is known as well.
    head = content[:4096].lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"")
    web = _PAGE.match(head) or content_type.lower().startswith(("text/html", "application/xhtml"))
    if web and wanted.format != "page":
        advice = f"it may be an error or login page: open the url and {wanted.page} and correct the url"
        raise refusal(wanted, "a web page", advice, 200)
    # A server that states too small a Content-Length cuts the file short without a word.
    if content[:4] == b"PK\x03\x04" and not zipfile.is_zipfile(io.BytesIO(content)):
        raise refusal(wanted, "an archive cut short", "refresh again later", 200, again=True)


def see_size(wanted: Wanted, size: int) -> None:
    """Raise Refusal where a file is larger than the limit."""
    if size > wanted.limits.bytes:
        found = f"more than {wanted.limits.bytes:,} bytes"
        raise refusal(wanted, found, "name a smaller extract in the url, or raise the limit", 200)


def see_status(wanted: Wanted, response: httpx.Response) -> None:
    """Raise Refusal for every status but 200, a 304 or a 206 that was asked for."""
    status, headers = response.status_code, response.headers
    sent = response.request.headers
    packed = headers.get("content-encoding", "identity").lower()
    if status in (200, 206) and packed != "identity" and packed not in sent["accept-encoding"]:
        raise refusal(wanted, f"a file packed as {packed}", "tell the publisher: it was not asked for", status)
    known = {"if-none-match", "if-modified-since"} & set(sent)
    if status == 200 or (status == 304 and known) or (status == 206 and "range" in sent):
        return
    # 202: some portals make the extract when first asked, and have it a little later.
    # 416: what was kept of the file is no part of it any more; it is dropped, and asked for anew.
    again = status in (202, 416, 429) or status >= 500
    wait = _wait(headers.get("retry-after", ""))
    found = f"HTTP {status} {response.reason_phrase}".rstrip()
    told = f", with word to wait {wait:.0f} s," if again and wait is not None else ""
    raise refusal(wanted, found + told, _advice(wanted, status, again), status, again, wait)


def _advice(wanted: Wanted, status: int, again: bool) -> str:
    if again:
        return "refresh again later"
    if status in (401, 403, 407):
        return f"it is not open to us: see {wanted.page}, or put the file in by hand"
    return f"find the file on {wanted.page} and correct the url"


def _wait(retry_after: str) -> float | None:
    if re.fullmatch(r"\d{1,9}", retry_after, re.A):
        return float(retry_after)
    until = moment(retry_after)
    return max(0.0, (until - datetime.now(UTC)).total_seconds()) if until else None
