"""A publisher on the loopback that behaves, or misbehaves, as it is told to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple

PAGE = b"<!DOCTYPE html>\n<html><body>Sorry, something went wrong</body></html>"

Reply = Callable[["Handler"], None]


class Asked(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    at: float
    body: bytes = b""


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the script of its server."""

    protocol_version = "HTTP/1.1"
    server: "Publisher"

    def do_GET(self) -> None:
        """Answer with the next reply of the script for this path; the last one is repeated."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): text for name, text in self.headers.items()}
        self.server.asked.append(Asked(self.path, headers, monotonic(), body))
        replies = self.server.script[self.path.partition("?")[0]]
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on the terminal."""

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the status and the headers."""
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()


class Publisher(ThreadingHTTPServer):
    """A server with a script of replies for each path, and a memory of what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        self.over = Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Give the address of a path."""
        return f"http://{host}:{self.server_port}{path}"

    def at(self, path: str, *replies: Reply) -> str:
        """Set the script of a path and give its address."""
        self.script[path] = list(replies)
        return self.url(path)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up: they are meant to."""


@contextmanager
def publishing() -> Iterator[Publisher]:
    """Run a publisher for as long as a test needs it."""
    with Publisher() as server:
        thread = Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()


def says(status: int, body: bytes = b"", **headers: str) -> Reply:
    """Answer soundly; `_` in the name of a header stands for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}

    def reply(handler: Handler) -> None:
        handler.begin(status, {"Content-Length": str(len(body)), **named})
        handler.wfile.write(body)

    return reply


def file(body: bytes, etag: str) -> Reply:
    """Answer with a file, or with 304 where the client holds it already."""

    def reply(handler: Handler) -> None:
        same = handler.headers.get("If-None-Match") == etag
        (says(304, ETag=etag) if same else says(200, body, ETag=etag))(handler)

    return reply


def cut_short(body: bytes, length: int) -> Reply:
    """Promise more bytes than come."""

    def reply(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": str(length)})
        handler.wfile.write(body)
        handler.close_connection = True

    return reply


def breaking(body: bytes, after: int, etag: str = '"1"') -> Reply:
    """Begin to send a file that can be gone on with, and break off."""

    def reply(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": str(len(body)), "ETag": etag, "Accept-Ranges": "bytes"})
        handler.wfile.write(body[:after])
        handler.close_connection = True

    return reply


def ranged(body: bytes, etag: str = '"1"') -> Reply:
    """Send the rest of a file where it is still the one that is asked for, else all of it."""

    def reply(handler: Handler) -> None:
        asked = handler.headers.get("Range", "")
        if not asked or handler.headers.get("If-Range") != etag:
            return says(200, body, ETag=etag)(handler)
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        where = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return says(206, body[start:], ETag=etag, Content_Range=where)(handler)

    return reply


def by_query(answers: dict[str, bytes]) -> Reply:
    """Answer by what the query of the address has in it; 400 where nothing fits."""

    def reply(handler: Handler) -> None:
        query = handler.path.partition("?")[2]
        body = next((body for part, body in answers.items() if part in query), None)
        (says(400) if body is None else says(200, body))(handler)

    return reply


def silent(handler: Handler) -> None:
    """Take the request and never answer."""
    handler.server.over.wait(5)
    handler.close_connection = True


def dripping(handler: Handler) -> None:
    """Send a byte now and then, for ever."""
    handler.begin(200, {"Connection": "close"})
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def dripping_headers(handler: Handler) -> None:
    """Send a byte of a header now and then, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def endless(handler: Handler) -> None:
    """Send a file that does not say how long it is, and is long."""
    handler.begin(200, {"Connection": "close"})
    while not handler.server.over.is_set():
        handler.wfile.write(b"code,value\n" * 1000)
