"""A local mail server that stores what it receives, and never relays it."""

from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread


class _Session(StreamRequestHandler):
    server: "Mailbox"

    def handle(self) -> None:
        """Answer the commands of one delivery."""
        self._say("220 mailbox")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].upper()
            self.server.commands.append(line.decode().strip())
            if verb == b"DATA":
                self._say("354 go on")
                content = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(content.decode())
            self._say("221 bye" if verb == b"QUIT" else "235 in" if verb == b"AUTH" else self.server.answer(verb))
            if verb == b"QUIT":
                return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Mailbox(ThreadingTCPServer):
    """The server, with the mails and commands that it received; `refuses` answers a command with an error."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[str] = []
        self.commands: list[str] = []
        self.refuses = b""

    @property
    def url(self) -> str:
        """Return the address for the settings."""
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def answer(self, verb: bytes) -> str:
        """Return the answer to a command."""
        if verb == self.refuses:
            return "554 no"
        return "250-mailbox\r\n250 AUTH PLAIN LOGIN" if verb == b"EHLO" else "250 ok"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Run a mail server for the duration of a test."""
    with Mailbox() as server:
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
