"""Dagster's programs start together, show what the command line does at the same time, and end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml

from pipelines.app.ui import DAGSTER_SETTINGS, prepare_dagster_home
from tests.app.test_refresh import CSV, project
from tests.breadth import wide
from tests.command import ROOT, run
from tests.publisher import Publisher, publishing, says

SETTINGS = "telemetry: {enabled: false}\nrun_monitoring: {enabled: false}\n"
SECONDS = 240
QUERY = """{assetOrError(assetKey: {path: ["snapshot", "good"]})
  {... on Asset {assetMaterializations(limit: 5) {metadataEntries {label}}}}}"""


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with publishing() as server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def materialisations(port: int) -> int:
    """Return how many materialisations Dagster shows, -1 while it starts."""
    query = json.dumps({"query": QUERY}).encode()
    request = Request(f"http://127.0.0.1:{port}/graphql", query, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=10) as answer:
            asset = json.load(answer)["data"]["assetOrError"]
    except OSError:
        return -1
    return len(asset["assetMaterializations"]) if asset else -1


def wait_for(port: int, count: int, program: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + SECONDS
    while materialisations(port) != count:
        assert program.poll() is None and time.monotonic() < until
        time.sleep(0.5)


def processes_with(text: str) -> list[str]:
    """Return the command lines of processes with a text in their environment."""
    named = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "environ").read_bytes():
                named.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return named


@wide
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_daemon_shows_a_fetch_of_the_command_line_and_ends_on_sigterm(tmp_path: Path, office: Publisher) -> None:
    root, store, home = (
        project(tmp_path, good=f"url: {office.at('/g.csv', says(200, CSV))}"),
        tmp_path / "s",
        tmp_path / "h",
    )
    home.mkdir()
    (home / "dagster.yaml").write_text(SETTINGS)
    port = free_port()
    surroundings = {
        **os.environ,
        "COMMONGROUND_PROJECT": str(root),
        "COMMONGROUND_STORE": str(store),
        "DAGSTER_HOME": str(home),
    }
    command = [sys.executable, "-m", "pipelines.app.cli", "ui", "--port", str(port)]
    program = subprocess.Popen(
        command, env={**surroundings, "PYTHONPATH": str(ROOT)}, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port, 0, program)
        assert len(processes_with(str(home))) > 3
        assert run("refresh", "good", store=store, project=root).returncode == 0
        wait_for(port, 1, program)
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0
        assert processes_with(str(home)) == []
    finally:
        program.kill()
    assert (home / "dagster.yaml").read_text() == SETTINGS


def test_settings_of_a_user_are_kept_and_missing_ones_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    own = prepare_dagster_home(tmp_path) / "dagster.yaml"
    assert own.parent == (tmp_path / ".dagster").resolve()
    assert yaml.safe_load(own.read_text()) == DAGSTER_SETTINGS
    own.write_text(SETTINGS)
    assert (prepare_dagster_home(tmp_path) / "dagster.yaml").read_text() == SETTINGS
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mine"))
    assert prepare_dagster_home(tmp_path) == (tmp_path / "mine").resolve()
