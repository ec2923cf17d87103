"""One download: a publisher is asked once, within limits, and its answer is a file or a refusal that says why."""

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
    """Ask a publisher once for a file; raise Refusal for everything that is not one.

    A loop of its own runs the request, so that it also works where a loop runs already, as in a notebook.
    """
    with start_blocking_portal() as portal:
        answer = portal.call(_asked, wanted)
    if answer.status != 304:
        see_content(wanted, answer.content, answer.headers.get("content-type", ""))
    return answer


async def _asked(wanted: Wanted) -> Answer:
    """Ask within the deadline; httpx bounds each read alone, so that a slow drip would never end."""
    try:
        with anyio.fail_after(max(0.0, wanted.until - time.monotonic())):
            async with httpx.AsyncClient(verify=_tls(), timeout=wanted.limits.seconds / 3) as client:
                return await _followed(client, wanted)
    except TimeoutError as error:
        found = f"no whole file within {wanted.limits.seconds:g} s"
        raise refusal(wanted, found, "refresh again later, or raise the limit") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise refusal(wanted, f"no sound address ({error})", "correct the url") from error
    except httpx.TimeoutException as error:
        raise refusal(wanted, "no answer in time", "refresh again later", again=True) from error
    except httpx.RequestError as error:
        found = f"a broken connection, or a file cut short ({error}),"
        raise refusal(wanted, found, "see that the network is up, and refresh again later", again=True) from error


@cache
def _tls() -> ssl.SSLContext:
    """Read the certificates once: a client that reads them takes longer than many a request."""
    return httpx.create_ssl_context()


async def _followed(client: httpx.AsyncClient, wanted: Wanted) -> Answer:
    url = httpx.URL(wanted.url)
    ask = partial(client.stream, "POST" if wanted.body else "GET", content=wanted.body or None)
    for _ in range(REDIRECTS + 1):
        url.raw_host.decode().encode("idna")  # raises UnicodeError where no server can have such a name
        async with ask(url, headers=_headers(wanted, url)) as response:
            if not response.has_redirect_location:
                return await _answer(wanted, response)
        url = _next(wanted, url, response)
    found = f"redirects in a circle, or more than {REDIRECTS},"
    raise refusal(wanted, found, f"find the file on {wanted.page} and correct the url", response.status_code)


def _headers(wanted: Wanted, url: httpx.URL) -> dict[str, str]:
    """Say who asks, and what is held of this very address; a connection serves one request."""
    agent = f"Commonground/{_version()} (+toolkit that reads published statistics, one file at a time)"
    headers = {"User-Agent": agent, "Connection": "close"}
    shown = public(str(url))
    if wanted.held_url == shown:
        known = {"If-None-Match": wanted.etag, "If-Modified-Since": wanted.last_modified}
        headers |= {name: text for name, text in known.items() if text and text.isascii()}
    if wanted.body:
        headers["Content-Type"] = "application/json"
    if url.host == httpx.URL(wanted.url).host:
        # A key is for the service it was given for, and for no other host that it may redirect to.
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
    """Give the whole file: from memory, from the disk where it is large, or by going on with what is held."""
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
        raise refusal(wanted, "another part of the file than was asked for", "refresh again later", 206, again=True)
    overlap = resuming.tail(wanted.part, part)
    seen = b""
    with wanted.part.open("ab") as file:
        async for piece in _pieces(wanted, response, part.size - len(overlap), part.total):
            lacking = len(overlap) - len(seen)
            seen += piece[:lacking]
            file.write(piece[lacking:] if overlap == seen else b"")
    if seen != overlap:
        resuming.drop(wanted.part)
        raise refusal(wanted, "the rest of another file", "refresh again later", 206, again=True)
    return _finished(wanted.part)


def _finished(path: Path) -> bytes:
    content = path.read_bytes()
    resuming.drop(path)
    return content


async def _pieces(wanted: Wanted, response: httpx.Response, size: int, total: int) -> AsyncIterator[bytes]:
    """Give the body piece by piece, and tell how far it has come; raise Refusal where it grows too large."""
    async for piece in response.aiter_bytes():
        size += len(piece)
        see_size(wanted, size)
        if wanted.told:
            wanted.told(size, total)
        yield piece
