"""One download: a publisher is asked once, within limits, and its answer is a file or a refusal that says why."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from threading import Event, Timer
from typing import Any, NamedTuple

import httpx

from pipelines import resuming
from pipelines.addresses import leads_away, public
from pipelines.answers import Answer, Refusal, Wanted, refusal, see_content, see_size, see_status

REDIRECTS = 5


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
        raise refusal(wanted, f"no sound address ({error})", "correct the url") from error
    except httpx.RequestError as error:
        raise _broken(wanted, error, watch) from error
    finally:
        timer.cancel()
    if answer.status != 304:
        see_content(wanted, answer.content, answer.headers.get("content-type", ""))
    return answer


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
    notice = {"trace": partial(_noticed, watch)}
    how, timeout = "POST" if wanted.body else "GET", wanted.limits.seconds / 3
    ask = partial(client.stream, how, timeout=timeout, follow_redirects=False, extensions=notice)
    for _ in range(REDIRECTS + 1):
        with ask(url, headers=_headers(wanted, url), content=wanted.body or None) as response:
            if not response.has_redirect_location:
                return _answer(wanted, response, watch)
        url = _next(wanted, url, response)
    found = f"redirects in a circle, or more than {REDIRECTS},"
    raise refusal(wanted, found, f"find the file on {wanted.page} and correct the url", response.status_code)


def _headers(wanted: Wanted, url: httpx.URL) -> dict[str, str]:
    """Say who asks, and what is held of this very address; a connection is not kept, so that it can be cut."""
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


def _answer(wanted: Wanted, response: httpx.Response, watch: _Watch) -> Answer:
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
    content = _body(wanted, response, url, total)
    if watch.cut.is_set():
        raise _late(wanted)
    return Answer(url, response.status_code, response.headers, content)


def _body(wanted: Wanted, response: httpx.Response, url: str, total: int) -> bytes:
    """Give the whole file: from memory, from the disk where it is large, or by going on with what is held."""
    mark = resuming.mark_of(response)
    if response.status_code == 206:
        return _rest(wanted, response, url)
    if wanted.part is None or not mark or total < wanted.limits.keep:
        return b"".join(_pieces(wanted, response, 0, total))
    with resuming.begin(wanted.part, url, mark, total) as file:
        for piece in _pieces(wanted, response, 0, total):
            file.write(piece)
    return _finished(wanted.part)


def _rest(wanted: Wanted, response: httpx.Response, url: str) -> bytes:
    part = resuming.held(wanted.part, url)
    if wanted.part is None or part is None or not resuming.fits(part, response):
        resuming.drop(wanted.part)
        raise refusal(wanted, "another part of the file than was asked for", "refresh again later", 206, again=True)
    overlap = resuming.tail(wanted.part, part)
    seen = b""
    with wanted.part.open("ab") as file:
        for piece in _pieces(wanted, response, part.size - len(overlap), part.total):
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


def _pieces(wanted: Wanted, response: httpx.Response, size: int, total: int) -> Iterator[bytes]:
    """Give the body piece by piece, and tell how far it has come; raise Refusal where it grows too large."""
    for piece in response.iter_bytes():
        size += len(piece)
        see_size(wanted, size)
        if wanted.told:
            wanted.told(size, total)
        yield piece


def _broken(wanted: Wanted, error: httpx.RequestError, watch: _Watch) -> Refusal:
    if watch.cut.is_set():
        return _late(wanted)
    if isinstance(error, httpx.TimeoutException):
        return refusal(wanted, "no answer in time", "refresh again later", again=True)
    found = f"a broken connection, or a file cut short ({error}),"
    return refusal(wanted, found, "see that the network is up, and refresh again later", again=True)


def _late(wanted: Wanted) -> Refusal:
    found = f"no whole file within {wanted.limits.seconds:g} s"
    return refusal(wanted, found, "refresh again later, or raise the limit")
