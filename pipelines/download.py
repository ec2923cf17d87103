"""One download: a publisher is asked once, within limits, and its answer is a file or a refusal that says why."""

import re
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from importlib import metadata
from threading import Event, Timer
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_plus

import httpx

from pipelines.errors import FetchError

REDIRECTS = 5
_PUBLIC_SUFFIX = re.compile(r"(ac|co|gov|ltd|me|net|nhs|org|plc|police|sch)\.uk")
# Here neighbours are strangers: only the very same host is the publisher.
_SHARED_HOSTING = re.compile(r"(amazonaws|azurewebsites|cloudfront|github|googleapis|windows)\.(com|io|net)")
# What a word of a query's name is where its value opens something (Nomis calls its key uid).
_SECRET = re.compile(
    r"(access|api|auth|client|subscription)?(key|token|secret)|auth(orization)?|credentials?|passw(or)?d|pwd"
    r"|sig(nature)?|uid"
)
_WORDS = {"csv": "a csv", "excel": "an Excel file", "json": "a json", "parquet": "a Parquet file"}
_PAGE = re.compile(rb"\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.I | re.S)
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)


class Limits(NamedTuple):
    """How often, how long and how much: attempts, seconds in all, bytes, seconds before the second attempt."""

    attempts: int = 4
    seconds: float = 60.0
    bytes: int = 200_000_000
    wait: float = 1.0


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


class _Watch(NamedTuple):
    """The connections of one download, to be cut when its time is up."""

    cut: Event
    streams: list[Any]


def download(client: httpx.Client, wanted: Wanted) -> Answer:
    """Ask a publisher once for a file; raise Refusal for everything that is not one.

    A timeout of httpx bounds a single read, so that a slow drip never ends: the connection is cut instead.
    """
    watch = _Watch(Event(), [])
    timer = Timer(max(0.0, wanted.until - time.monotonic()), _cut, [watch])
    timer.daemon = True
    timer.start()
    try:
        answer = _followed(client, wanted, watch)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise _refusal(wanted, f"no sound address ({error})", "correct the url") from error
    except httpx.RequestError as error:
        raise _broken(wanted, error, watch) from error
    finally:
        timer.cancel()
    if answer.status == 200:
        see_content(wanted, answer.content, answer.headers.get("content-type", ""))
    return answer


def see_content(wanted: Wanted, content: bytes, content_type: str = "") -> None:
    """Raise Refusal where the bytes are none or a web page; what else they hold is not looked at."""
    if not content or content.isspace():
        raise _refusal(wanted, "nothing (an empty file)", f"see {wanted.page} and refresh again later", 200)
    # Zero bytes go, so that a page in UTF-16 is known as well.
    head = content[:4096].lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"")
    if _PAGE.match(head) or content_type.lower().startswith(("text/html", "application/xhtml")):
        advice = f"it may be an error or login page: open the url and {wanted.page} and correct the url"
        raise _refusal(wanted, "a web page", advice, 200)


def see_size(wanted: Wanted, size: int) -> None:
    """Raise Refusal where a file is larger than the limit."""
    if size > wanted.limits.bytes:
        found = f"more than {wanted.limits.bytes:,} bytes"
        raise _refusal(wanted, found, "name a smaller extract in the url, or raise the limit", 200)


def public(url: str) -> str:
    """Give an address without what may be secret: user and password, keys in the query, the fragment."""
    bare = re.sub(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", r"\1", url.partition("#")[0], flags=re.I)
    address, mark, query = bare.partition("?")
    kept = "&".join(part for part in query.split("&") if not _secret(part))
    return f"{address}{mark if kept else ''}{kept}"


def _secret(part: str) -> bool:
    names = [unquote_plus(pair.partition("=")[0]).lower() for pair in part.split(";")]
    return any(_SECRET.fullmatch(word) for name in names for word in re.split(r"[^a-z0-9]+", name))


def file_name(answer: Answer) -> str:
    """Give the name the publisher has for the file, safe on any system; empty where there is none."""
    message = Message()
    message["content-disposition"] = answer.headers.get("content-disposition", "")
    path = answer.url.partition("?")[0].partition("://")[2]
    return safe_name(message.get_filename() or "") or safe_name(unquote(path.partition("/")[2]))


def safe_name(name: str) -> str:
    """Give the last part of a name without what some file system refuses; the end, with the suffix, is kept."""
    last = re.split(r"[/\\]", name)[-1]
    sound = "".join(sign if sign.isprintable() and sign not in '<>:"|?*' else "_" for sign in last)
    short = sound[-120:].strip(" .")
    return f"_{short}" if _DEVICE.fullmatch(short) else short


def moment(text: str) -> datetime | None:
    """Read an HTTP date; null where it is none."""
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _cut(watch: _Watch) -> None:
    watch.cut.set()
    for stream in watch.streams:
        _shut(stream)


def _shut(stream: Any) -> None:
    # Closing a socket does not wake a thread that reads from it; shutting it down does.
    with suppress(OSError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _noticed(watch: _Watch, event: str, info: dict[str, Any]) -> None:
    if event.endswith(("connect_tcp.complete", "start_tls.complete")):
        watch.streams.append(info["return_value"])
        if watch.cut.is_set():
            _shut(watch.streams[-1])


def _followed(client: httpx.Client, wanted: Wanted, watch: _Watch) -> Answer:
    url = httpx.URL(wanted.url)
    timeout = wanted.limits.seconds / 3
    notice = {"trace": partial(_noticed, watch)}
    ask = partial(client.stream, "GET", timeout=timeout, follow_redirects=False, extensions=notice)
    for _ in range(REDIRECTS + 1):
        with ask(url, headers=_headers(wanted, str(url))) as response:
            if not response.has_redirect_location:
                return _answer(wanted, response, watch)
        url = _next(wanted, url, response)
    found = f"redirects in a circle, or more than {REDIRECTS},"
    raise _refusal(wanted, found, f"find the file on {wanted.page} and correct the url", response.status_code)


def _headers(wanted: Wanted, url: str) -> dict[str, str]:
    """Say who asks, and what is held of this very address; a connection is not kept, so that it can be cut."""
    agent = f"Commonground/{_version()} (+toolkit that reads published statistics, one file at a time)"
    headers = {"User-Agent": agent, "Connection": "close"}
    if wanted.held_url == public(url):
        known = {"If-None-Match": wanted.etag, "If-Modified-Since": wanted.last_modified}
        headers |= {name: text for name, text in known.items() if text and text.isascii()}
    return headers


def _version() -> str:
    try:
        return metadata.version("commonground")
    except metadata.PackageNotFoundError:
        return "0"


def _next(wanted: Wanted, here: httpx.URL, response: httpx.Response) -> httpx.URL:
    there = here.join(response.headers["location"])
    fault = redirect_fault(httpx.URL(wanted.url), here, there)
    if fault:
        found = f"a redirect to {public(str(there))}"
        raise _refusal(wanted, found, fault, response.status_code)
    return there


def redirect_fault(start: httpx.URL, here: httpx.URL, there: httpx.URL) -> str:
    """Say why a redirect is not followed: it leaves the publisher, or encryption; empty where it is sound."""
    if there.scheme not in ("https", here.scheme):
        return "it is not encrypted: ask the publisher for an https address"
    if _family(there.host) != _family(start.host):
        return "it may be a login; if it is the publisher's, declare it as the url"
    return ""


def _family(host: str) -> str:
    labels = host.lower().rstrip(".").split(".")
    last = ".".join(labels[-2:])
    if _SHARED_HOSTING.fullmatch(last) or labels[-1].isdigit() or ":" in host:
        return host.lower()
    return ".".join(labels[-3:]) if _PUBLIC_SUFFIX.fullmatch(last) else last


def _answer(wanted: Wanted, response: httpx.Response, watch: _Watch) -> Answer:
    _see_status(wanted, response)
    parts: list[bytes] = []
    size = 0
    length = response.headers.get("content-length", "")
    see_size(wanted, int(length) if re.fullmatch(r"\d{1,18}", length, re.A) else 0)
    for part in response.iter_bytes():
        size += len(part)
        see_size(wanted, size)
        parts.append(part)
    if watch.cut.is_set():
        raise _late(wanted)
    return Answer(public(str(response.url)), response.status_code, response.headers, b"".join(parts))


def _see_status(wanted: Wanted, response: httpx.Response) -> None:
    status, headers = response.status_code, response.headers
    packed = headers.get("content-encoding", "identity").lower()
    if status == 200 and packed != "identity" and packed not in response.request.headers["accept-encoding"]:
        raise _refusal(wanted, f"a file packed as {packed}", "tell the publisher: it was not asked for", status)
    asked = {"if-none-match", "if-modified-since"} & set(response.request.headers)
    if status == 200 or (status == 304 and asked):
        return
    # 202: some portals make the extract when first asked, and have it a little later.
    again = status in (202, 429) or status >= 500
    wait = _wait(headers.get("retry-after", ""))
    found = f"HTTP {status} {response.reason_phrase}".rstrip()
    told = f", with word to wait {wait:.0f} s," if again and wait is not None else ""
    raise _refusal(wanted, found + told, _advice(wanted, status, again), status, again, wait)


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


def _broken(wanted: Wanted, error: httpx.RequestError, watch: _Watch) -> Refusal:
    if watch.cut.is_set():
        return _late(wanted)
    if isinstance(error, httpx.TimeoutException):
        return _refusal(wanted, "no answer in time", "refresh again later", again=True)
    found = f"a broken connection, or a file cut short ({error}),"
    return _refusal(wanted, found, "see that the network is up, and refresh again later", again=True)


def _late(wanted: Wanted) -> Refusal:
    found = f"no whole file within {wanted.limits.seconds:g} s"
    return _refusal(wanted, found, "refresh again later, or raise the limit")


def _refusal(
    wanted: Wanted, found: str, advice: str, status: int = 0, again: bool = False, wait: float | None = None
) -> Refusal:
    where = public(wanted.url)
    text = f"{wanted.name}: {where}: {found} came where {_WORDS[wanted.format]} was expected; {advice}"
    return Refusal(text, status, again, wait)
