"""Start of the Dagster web UI and daemon, without telemetry and with one run at a time."""

import os
import subprocess
import sys
from importlib.util import find_spec

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


def serve_ui(project: Project, port: int) -> int:
    """Run the web UI until it stops. Return its exit code. Raise CommongroundError without Dagster's web server."""
    if find_spec("dagster_webserver") is None:
        raise CommongroundError(
            "Dagster's web server is not installed, because a build does not need it; "
            "run `make ui`, or install the packages of .ci/requirements-ui.lock"
        )
    root = project.catalogue.root
    home = root / ".dagster"
    write_atomically(home / "dagster.yaml", yaml.safe_dump(DAGSTER_SETTINGS).encode())
    surroundings = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        PROJECT_VARIABLE: str(root),
        STORE_VARIABLE: str(project.home),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(root / "workspace.yaml"), "-p", str(port)]
    try:
        return subprocess.run(command, env=surroundings, cwd=root, check=False).returncode
    except KeyboardInterrupt:
        return 0
