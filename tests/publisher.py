"""A local publisher's server that responds, or fails, as a test specifies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple

PAGE = b"<!DOCTYPE html>\n<html><body>Sorry, something went wrong</body></html>"

Reply = Callable[["Handler"], None]


class Asked(NamedTuple):
    """A request received by the server."""

    path: str
    headers: dict[str, str]
    at: float
    body: bytes = b""


class Handler(BaseHTTPRequestHandler):
    """Handler that answers every request from the server's script."""

    protocol_version = "HTTP/1.1"
    server: "Publisher"

    def do_GET(self) -> None:
        """Send the next reply of the script for this path; repeat the last reply."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): text for name, text in self.headers.items()}
        self.server.asked.append(Asked(self.path, headers, monotonic(), body))
        replies = self.server.script[self.path.partition("?")[0]]
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the status and the headers."""
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()


class Publisher(ThreadingHTTPServer):
    """A server with a script of replies for each path, and a record of requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        self.over = Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the address of a path."""
        return f"http://{host}:{self.server_port}{path}"

    def at(self, path: str, *replies: Reply) -> str:
        """Set the script of a path and return its address."""
        self.script[path] = list(replies)
        return self.url(path)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect, which tests do on purpose."""


@contextmanager
def publishing() -> Iterator[Publisher]:
    """Run a publisher's server for the duration of a test."""
    with Publisher() as server:
        thread = Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()


def says(status: int, body: bytes = b"", **headers: str) -> Reply:
    """Return a complete reply; `_` in the name of a header means `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}

    def reply(handler: Handler) -> None:
        handler.begin(status, {"Content-Length": str(len(body)), **named})
        handler.wfile.write(body)

    return reply


def file(body: bytes, etag: str) -> Reply:
    """Return a reply with a file, or 304 where the client already has it."""

    def reply(handler: Handler) -> None:
        same = handler.headers.get("If-None-Match") == etag
        (says(304, ETag=etag) if same else says(200, body, ETag=etag))(handler)

    return reply


def cut_short(body: bytes, length: int) -> Reply:
    """Return a reply that announces more bytes than it sends."""

    def reply(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": str(length)})
        handler.wfile.write(body)
        handler.close_connection = True

    return reply


def breaking(body: bytes, after: int, etag: str = '"1"') -> Reply:
    """Return a reply that starts a resumable download and then disconnects."""

    def reply(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": str(len(body)), "ETag": etag, "Accept-Ranges": "bytes"})
        handler.wfile.write(body[:after])
        handler.close_connection = True

    return reply


def ranged(body: bytes, etag: str = '"1"') -> Reply:
    """Return a reply with the requested range of an unchanged file, or else the whole file."""

    def reply(handler: Handler) -> None:
        asked = handler.headers.get("Range", "")
        if not asked or handler.headers.get("If-Range") != etag:
            return says(200, body, ETag=etag)(handler)
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        where = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return says(206, body[start:], ETag=etag, Content_Range=where)(handler)

    return reply


def by_query(answers: dict[str, bytes]) -> Reply:
    """Return a reply chosen by a part of the address's query; 400 where no part matches."""

    def reply(handler: Handler) -> None:
        query = handler.path.partition("?")[2]
        body = next((body for part, body in answers.items() if part in query), None)
        (says(400) if body is None else says(200, body))(handler)

    return reply


def silent(handler: Handler) -> None:
    """Accept the request and never reply."""
    handler.server.over.wait(5)
    handler.close_connection = True


def dripping(handler: Handler) -> None:
    """Send one byte at intervals, without end."""
    handler.begin(200, {"Connection": "close"})
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def dripping_headers(handler: Handler) -> None:
    """Send one byte of a header at intervals, without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def endless(handler: Handler) -> None:
    """Send an endless file without a length."""
    handler.begin(200, {"Connection": "close"})
    while not handler.server.over.is_set():
        handler.wfile.write(b"code,value\n" * 1000)
