"""Start of Dagster's web pages, its daemon and the server of the definitions, which all end together.

The three programs are started here, and not by `dagster dev`, which is superseded. Its successor `dg dev` needs a dozen
packages that nothing else uses. Developers have it: `dg dev` in the project.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import yaml

from pipelines.core.errors import CommongroundError
from pipelines.core.paths import PROJECT_VARIABLE, STORE_VARIABLE
from pipelines.core.store import write_atomically
from pipelines.declarations.project import Project

DAGSTER_SETTINGS = {
    "telemetry": {"enabled": False},
    # No form for an email address on the first visit.
    "nux": {"enabled": False},
    # The SQLite log does not support concurrent runs.
    "concurrency": {"runs": {"max_concurrent_runs": 1}},
}
HOME_VARIABLE = "DAGSTER_HOME"
SECONDS_TO_END = 20
_IS_WINDOWS = sys.platform == "win32"


def serve_ui(project: Project, port: int) -> int:
    """Run Dagster until a signal ends it, or one of its programs ends. Return the exit code, 0 after a signal.

    Raises CommongroundError without Dagster's web server.
    """
    if find_spec("dagster_webserver") is None:
        raise CommongroundError(
            "Dagster's web server is not installed, because a build does not need it; "
            "run `make ui`, or install the packages of .ci/requirements-ui.lock"
        )
    root = project.catalogue.root
    surroundings = {
        **os.environ,
        HOME_VARIABLE: str(prepare_dagster_home(root)),
        PROJECT_VARIABLE: str(root),
        STORE_VARIABLE: str(project.home),
    }
    with tempfile.TemporaryDirectory() as folder, _ending_on_signals() as is_ended:
        programs = list_programs(Path(folder), port)
        # The first use of a folder makes its databases, which several programs cannot do at once.
        subprocess.run(
            [sys.executable, "-m", "dagster", "instance", "info"], env=surroundings, capture_output=True, check=False
        )
        running = [_start(program, surroundings, root) for program in programs]
        try:
            while not is_ended and all(program.poll() is None for program in running):
                time.sleep(0.2)
            codes = [program.returncode for program in running if program.returncode]
        finally:
            _end(running)
    return 0 if is_ended else next(iter(codes), 1)


def prepare_dagster_home(root: Path) -> Path:
    """Return Dagster's folder: the user's DAGSTER_HOME, or .dagster in the project. A user's settings are kept."""
    home = Path(os.environ.get(HOME_VARIABLE) or root / ".dagster").resolve()
    settings = home / "dagster.yaml"
    if not settings.is_file():
        write_atomically(settings, yaml.safe_dump(DAGSTER_SETTINGS).encode())
    return home


def list_programs(folder: Path, port: int) -> list[list[str]]:
    """Return the commands of the server of definitions, the web pages and the daemon; the last two use the first."""
    socket = folder / "definitions"
    workspace = folder / "workspace.yaml"
    server = {"socket": str(socket), "location_name": "commonground"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    python, module = sys.executable, "pipelines.app.definitions"
    log = ["--log-level", "warning"]
    return [
        [python, "-m", "dagster", "code-server", "start", "-m", module, "--socket", str(socket), *log,
         "--location-name", "commonground", "--use-python-environment-entry-point"],
        [python, "-m", "dagster_webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)],
        [python, "-m", "dagster._daemon", "run", "-w", str(workspace), *log],
    ]  # fmt: skip


def _start(command: Sequence[str], surroundings: Mapping[str, str], root: Path) -> "subprocess.Popen[bytes]":
    """Start a program in a group of its own, so that a signal reaches what it starts too."""
    return subprocess.Popen(command, env=surroundings, cwd=root, start_new_session=not _IS_WINDOWS)


@contextmanager
def _ending_on_signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT in a list, in place of their usual effect."""
    received: list[int] = []

    def receive(number: int, _: FrameType | None) -> None:
        received.append(number)

    earlier = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _end(running: Sequence["subprocess.Popen[bytes]"]) -> None:
    """End the programs, the last first, and then whatever remains of their groups."""
    for program in reversed(running):
        _signal_group(program, signal.SIGTERM)
    until = time.monotonic() + SECONDS_TO_END
    for program in running:
        with suppress(subprocess.TimeoutExpired):
            program.wait(max(0.0, until - time.monotonic()))
    for program in running:
        _signal_group(program, signal.SIGTERM if _IS_WINDOWS else signal.SIGKILL)
        program.wait()


def _signal_group(program: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError):
        if _IS_WINDOWS:
            program.terminate()
        else:
            os.killpg(program.pid, number)
