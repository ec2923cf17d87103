"""Firefox of the machine, driven by the protocol that it speaks itself: Marionette. Debian has no other driver."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Firefox:
    """A window of Firefox without a screen. Each message is its length, a colon, and JSON."""

    def __init__(self, port: int, deadline: float) -> None:
        self._link = _connect(port, deadline)
        self._number = 0
        self._read()
        self.send("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}})
        # The usual 30 seconds are too few for a check of a page on a busy machine.
        self.send("WebDriver:SetTimeouts", {"script": 240_000})

    def _read(self) -> Any:
        length = b""
        while (byte := self._link.recv(1)) != b":":
            length += byte
        content = b""
        while len(content) < int(length):
            content += self._link.recv(int(length) - len(content))
        return json.loads(content)

    def send(self, command: str, values: dict[str, Any]) -> Any:
        """Send a command and return its result; a failed one raises AssertionError."""
        self._number += 1
        text = json.dumps([0, self._number, command, values]).encode()
        self._link.sendall(str(len(text)).encode() + b":" + text)
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def open(self, path: Path) -> None:
        """Open a file."""
        self.send("WebDriver:Navigate", {"url": path.as_uri()})

    def run(self, script: str) -> Any:
        """Run a script in the page, past its content policy, and return what it returns."""
        values = {"script": script, "args": [], "sandbox": "default", "newSandbox": False}
        return self.send("WebDriver:ExecuteScript", values)["value"]

    def wait_for(self, condition: str) -> None:
        """Wait until a condition of the page holds, 30 seconds at most."""
        deadline = time.monotonic() + 30
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.1)

    def run_later(self, script: str) -> Any:
        """Run a script that calls its last argument with the result."""
        values = {"script": script, "args": [], "sandbox": None}
        return self.send("WebDriver:ExecuteAsyncScript", values)["value"]

    def press(self, text: str) -> None:
        """Type text, or a key of the private range of WebDriver, into the active element."""
        for key in text:
            actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
            self.send("WebDriver:PerformActions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})


def _connect(port: int, deadline: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=300)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def started_firefox(binary: str, folder: Path) -> Iterator[Firefox]:
    """Start Firefox with a profile of its own in a folder, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    preferences = [
        f'user_pref("marionette.port", {port});',
        'user_pref("datareporting.policy.dataSubmissionEnabled", false);',
    ]
    (folder / "user.js").write_text("\n".join(preferences), encoding="utf-8")
    command = [binary, "--headless", "--marionette", "--remote-allow-system-access", "--profile", str(folder)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*command, "--width", "1280", "--height", "900"], stdout=quiet, stderr=quiet)
    try:
        yield Firefox(port, time.monotonic() + 60)
    finally:
        process.terminate()
        process.wait(30)
