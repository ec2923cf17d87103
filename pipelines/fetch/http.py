"""One download: a single HTTP request within limits, returning the file or a refusal with its cause."""

import ipaddress
import os
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

from pipelines.fetch import resume as resuming
from pipelines.fetch.response import (
    Answer,
    Refusal,
    Request,
    build_refusal,
    validate_content,
    validate_size,
    validate_status,
)
from pipelines.fetch.urls import find_redirect_fault, redact_address

MAX_REDIRECTS = 5
CONTACT_VARIABLE = "COMMONGROUND_CONTACT"
"""Environment variable with an e-mail or web address of the user, sent to publishers with each request."""
_CONTACT_TEXT = re.compile(r"[\w.+:/@-]{3,200}", re.A)


def download_file(request: Request) -> Answer:
    """Request a file from its publisher once; raise Refusal where no file is returned.

    The request runs in its own event loop, so a download also works inside a notebook.
    """
    with start_blocking_portal() as portal:
        answer = portal.call(_request_file, request)
    if answer.status != 304:
        validate_content(request, answer.content, answer.headers.get("content-type", ""))
    return answer


async def _request_file(request: Request) -> Answer:
    """Send the request within the deadline. httpx limits each read only, so a slow response could continue for ever."""
    try:
        with anyio.fail_after(max(0.0, request.deadline - time.monotonic())):
            async with httpx.AsyncClient(verify=_tls_context(), timeout=request.limits.seconds / 3) as client:
                return await _follow_redirects(client, request)
    except TimeoutError as error:
        fault = f"no complete file within {request.limits.seconds:g} s"
        raise build_refusal(request, fault, "refresh again later, or raise the limit") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise build_refusal(request, f"an invalid address ({error})", "correct the url") from error
    except httpx.TimeoutException as error:
        raise build_refusal(request, "no response in time", "refresh again later", again=True) from error
    except httpx.RequestError as error:
        fault = f"a broken connection or a truncated file ({error})"
        raise build_refusal(request, fault, "check the network, and refresh again later", again=True) from error


@cache
def _tls_context() -> ssl.SSLContext:
    """Read the certificates once, because reading them takes longer than many requests."""
    return httpx.create_ssl_context()


async def _follow_redirects(client: httpx.AsyncClient, request: Request) -> Answer:
    url = httpx.URL(request.url)
    ask = partial(client.stream, "POST" if request.body else "GET", content=request.body or None)
    for _ in range(MAX_REDIRECTS + 1):
        url.raw_host.decode().encode("idna")  # raises UnicodeError for an invalid host name
        async with ask(_add_secret_query(request, url), headers=_request_headers(request, url)) as response:
            if not response.has_redirect_location:
                return await _read_answer(request, response)
        url = _next_url(request, url, response)
        await _refuse_private_host(request, url, response.status_code)
    fault = f"a redirect loop or more than {MAX_REDIRECTS} redirects"
    raise build_refusal(request, fault, f"find the file on {request.page} and correct the url", response.status_code)


def _add_secret_query(request: Request, url: httpx.URL) -> httpx.URL:
    """Add the keys that a service expects in the query; a redirect must not send them to another host."""
    same = url.host == httpx.URL(request.url).host
    return url.copy_merge_params(dict(request.secret_query)) if request.secret_query and same else url


def user_agent() -> str:
    """Return the name of the client, with the contact that the user has set, for the publisher to write to."""
    contact = os.environ.get(CONTACT_VARIABLE, "").strip()
    about = f"contact {contact}" if _CONTACT_TEXT.fullmatch(contact) else "reads published statistics"
    return f"Commonground/{_package_version()} ({about})"


def _request_headers(request: Request, url: httpx.URL) -> dict[str, str]:
    """Return headers that identify the client and the stored version of this address. Connections are not reused."""
    headers = {"User-Agent": user_agent(), "Connection": "close"}
    public_url = redact_address(str(url))
    if request.stored_url == public_url:
        validators = {"If-None-Match": request.etag, "If-Modified-Since": request.last_modified}
        headers |= {name: text for name, text in validators.items() if text and text.isascii()}
    if request.body:
        headers["Content-Type"] = "application/json"
    if url.host == httpx.URL(request.url).host:
        # A key belongs to one service: a redirect must not send it to another host.
        headers |= dict(request.secrets)
    return headers | resuming.range_headers(resuming.read_partial(request.part_path, public_url))


def _package_version() -> str:
    try:
        return metadata.version("commonground")
    except metadata.PackageNotFoundError:
        return "0"


def _next_url(request: Request, here: httpx.URL, response: httpx.Response) -> httpx.URL:
    there = here.join(response.headers["location"])
    fault = find_redirect_fault(httpx.URL(request.url), here, there, request.hosts)
    if fault:
        redirect = f"a redirect to {redact_address(str(there))}"
        raise build_refusal(request, redirect, fault, response.status_code)
    return there


async def _refuse_private_host(request: Request, there: httpx.URL, status: int) -> None:
    """Refuse a redirect from a publisher's address to one of the user's own network."""
    start = httpx.URL(request.url)
    if there.host != start.host and await is_private_host(there.host) and not await is_private_host(start.host):
        redirect = f"a redirect to the private address {there.host}"
        raise build_refusal(request, redirect, f"find the file on {request.page} and correct the url", status)


async def is_private_host(host: str) -> bool:
    """Return whether a host is in a private network, by its address or by an address of its name.

    Behind a proxy, names are not looked up: the proxy does that, and names need not be known here.
    """
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        pass
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    if getproxies() and not proxy_bypass(host):
        return False
    try:
        addresses = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(not ipaddress.ip_address(address[0]).is_global for *_, address in addresses)


async def _read_answer(request: Request, response: httpx.Response) -> Answer:
    url = redact_address(str(response.url))
    try:
        validate_status(request, response)
    except Refusal as error:
        if error.status == 416:
            resuming.delete_partial(request.part_path)
        raise
    length = response.headers.get("content-length", "")
    total = int(length) if re.fullmatch(r"\d{1,18}", length, re.A) else 0
    validate_size(request, total)
    content = await _read_body(request, response, url, total)
    return Answer(url, response.status_code, response.headers, content)


async def _read_body(request: Request, response: httpx.Response, url: str, total: int) -> bytes:
    """Return the whole file: from memory, from disk where it is large, or by resuming a partial download."""
    mark = resuming.version_mark(response)
    if response.status_code == 206:
        return await _read_rest(request, response, url)
    if request.part_path is None or not mark or total < request.limits.keep:
        return b"".join([piece async for piece in _stream_pieces(request, response, 0, total)])
    with resuming.open_partial(request.part_path, url, mark, total) as file:
        async for piece in _stream_pieces(request, response, 0, total):
            file.write(piece)
    return _collect_partial_file(request.part_path)


async def _read_rest(request: Request, response: httpx.Response, url: str) -> bytes:
    part = resuming.read_partial(request.part_path, url)
    if request.part_path is None or part is None or not resuming.is_continuation(part, response):
        resuming.delete_partial(request.part_path)
        raise build_refusal(
            request, "a different part of the file than requested", "refresh again later", 206, again=True
        )
    overlap = resuming.read_overlap(request.part_path, part)
    prefix = b""
    with request.part_path.open("ab") as file:
        async for piece in _stream_pieces(request, response, part.size - len(overlap), part.total):
            lacking = len(overlap) - len(prefix)
            prefix += piece[:lacking]
            file.write(piece[lacking:] if overlap == prefix else b"")
    if prefix != overlap:
        resuming.delete_partial(request.part_path)
        raise build_refusal(request, "the remainder of a different file", "refresh again later", 206, again=True)
    return _collect_partial_file(request.part_path)


def _collect_partial_file(path: Path) -> bytes:
    content = path.read_bytes()
    resuming.delete_partial(path)
    return content


async def _stream_pieces(request: Request, response: httpx.Response, size: int, total: int) -> AsyncIterator[bytes]:
    """Yield the body in pieces and report progress; raise Refusal where the file exceeds the limit."""
    async for piece in response.aiter_bytes():
        size += len(piece)
        validate_size(request, size)
        if request.on_progress:
            request.on_progress(size, total)
        yield piece
