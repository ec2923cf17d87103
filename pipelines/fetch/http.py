"""One download: a single HTTP request within limits, returning the file or a refusal with its cause."""

import re
import ssl
import time
from collections.abc import AsyncIterator
from functools import cache, partial
from importlib import metadata
from pathlib import Path

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

from pipelines.fetch import resume as resuming
from pipelines.fetch.response import Answer, Refusal, Wanted, refusal, see_content, see_size, see_status
from pipelines.fetch.urls import leads_away, public

REDIRECTS = 5


def download(wanted: Wanted) -> Answer:
    """Request a file from its publisher once; raise Refusal where no file is returned.

    The request runs in its own event loop, so a download also works inside a notebook.
    """
    with start_blocking_portal() as portal:
        answer = portal.call(_asked, wanted)
    if answer.status != 304:
        see_content(wanted, answer.content, answer.headers.get("content-type", ""))
    return answer


async def _asked(wanted: Wanted) -> Answer:
    """Send the request within the deadline. httpx limits each read only, so a slow response could continue for ever."""
    try:
        with anyio.fail_after(max(0.0, wanted.until - time.monotonic())):
            async with httpx.AsyncClient(verify=_tls(), timeout=wanted.limits.seconds / 3) as client:
                return await _followed(client, wanted)
    except TimeoutError as error:
        found = f"no complete file within {wanted.limits.seconds:g} s"
        raise refusal(wanted, found, "refresh again later, or raise the limit") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise refusal(wanted, f"an invalid address ({error})", "correct the url") from error
    except httpx.TimeoutException as error:
        raise refusal(wanted, "no response in time", "refresh again later", again=True) from error
    except httpx.RequestError as error:
        found = f"a broken connection or a truncated file ({error})"
        raise refusal(wanted, found, "check the network, and refresh again later", again=True) from error


@cache
def _tls() -> ssl.SSLContext:
    """Read the certificates once, because reading them takes longer than many requests."""
    return httpx.create_ssl_context()


async def _followed(client: httpx.AsyncClient, wanted: Wanted) -> Answer:
    url = httpx.URL(wanted.url)
    ask = partial(client.stream, "POST" if wanted.body else "GET", content=wanted.body or None)
    for _ in range(REDIRECTS + 1):
        url.raw_host.decode().encode("idna")  # raises UnicodeError for an invalid host name
        async with ask(url, headers=_headers(wanted, url)) as response:
            if not response.has_redirect_location:
                return await _answer(wanted, response)
        url = _next(wanted, url, response)
    found = f"a redirect loop or more than {REDIRECTS} redirects"
    raise refusal(wanted, found, f"find the file on {wanted.page} and correct the url", response.status_code)


def _headers(wanted: Wanted, url: httpx.URL) -> dict[str, str]:
    """Return headers that identify the client and the stored version of this address. Connections are not reused."""
    agent = f"Commonground/{_version()} (+reads published statistics, one file at a time)"
    headers = {"User-Agent": agent, "Connection": "close"}
    shown = public(str(url))
    if wanted.held_url == shown:
        known = {"If-None-Match": wanted.etag, "If-Modified-Since": wanted.last_modified}
        headers |= {name: text for name, text in known.items() if text and text.isascii()}
    if wanted.body:
        headers["Content-Type"] = "application/json"
    if url.host == httpx.URL(wanted.url).host:
        # A key belongs to one service: a redirect must not send it to another host.
        headers |= dict(wanted.secrets)
    return headers | resuming.headers(resuming.held(wanted.part, shown))


def _version() -> str:
    try:
        return metadata.version("commonground")
    except metadata.PackageNotFoundError:
        return "0"


def _next(wanted: Wanted, here: httpx.URL, response: httpx.Response) -> httpx.URL:
    there = here.join(response.headers["location"])
    fault = leads_away(httpx.URL(wanted.url), here, there, wanted.hosts)
    if fault:
        found = f"a redirect to {public(str(there))}"
        raise refusal(wanted, found, fault, response.status_code)
    return there


async def _answer(wanted: Wanted, response: httpx.Response) -> Answer:
    url = public(str(response.url))
    try:
        see_status(wanted, response)
    except Refusal as error:
        if error.status == 416:
            resuming.drop(wanted.part)
        raise
    length = response.headers.get("content-length", "")
    total = int(length) if re.fullmatch(r"\d{1,18}", length, re.A) else 0
    see_size(wanted, total)
    content = await _body(wanted, response, url, total)
    return Answer(url, response.status_code, response.headers, content)


async def _body(wanted: Wanted, response: httpx.Response, url: str, total: int) -> bytes:
    """Return the whole file: from memory, from disk where it is large, or by resuming a partial download."""
    mark = resuming.mark_of(response)
    if response.status_code == 206:
        return await _rest(wanted, response, url)
    if wanted.part is None or not mark or total < wanted.limits.keep:
        return b"".join([piece async for piece in _pieces(wanted, response, 0, total)])
    with resuming.begin(wanted.part, url, mark, total) as file:
        async for piece in _pieces(wanted, response, 0, total):
            file.write(piece)
    return _finished(wanted.part)


async def _rest(wanted: Wanted, response: httpx.Response, url: str) -> bytes:
    part = resuming.held(wanted.part, url)
    if wanted.part is None or part is None or not resuming.fits(part, response):
        resuming.drop(wanted.part)
        raise refusal(wanted, "a different part of the file than requested", "refresh again later", 206, again=True)
    overlap = resuming.tail(wanted.part, part)
    seen = b""
    with wanted.part.open("ab") as file:
        async for piece in _pieces(wanted, response, part.size - len(overlap), part.total):
            lacking = len(overlap) - len(seen)
            seen += piece[:lacking]
            file.write(piece[lacking:] if overlap == seen else b"")
    if seen != overlap:
        resuming.drop(wanted.part)
        raise refusal(wanted, "the remainder of a different file", "refresh again later", 206, again=True)
    return _finished(wanted.part)


def _finished(path: Path) -> bytes:
    content = path.read_bytes()
    resuming.drop(path)
    return content


async def _pieces(wanted: Wanted, response: httpx.Response, size: int, total: int) -> AsyncIterator[bytes]:
    """Yield the body in pieces and report progress; raise Refusal where the file exceeds the limit."""
    async for piece in response.aiter_bytes():
        size += len(piece)
        see_size(wanted, size)
        if wanted.told:
            wanted.told(size, total)
        yield piece
