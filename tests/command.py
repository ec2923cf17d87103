"""Run the command line in this process or a separate one, or build step by step without it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest.mock import patch

from pipelines.app import steps
from pipelines.app.cli import main
from pipelines.app.console import console, error_console
from pipelines.declarations.project import Project
from pipelines.gaps import answer_problem, update_ledger
from pipelines.observations import load_source_tables
from pipelines.outputs import publish_warehouse, report_problem

ROOT = Path(__file__).resolve().parent.parent
AS_OF = "2026-11-24"
WIDTH = 200
Done = subprocess.CompletedProcess[str]


def run(*words: str, store: Path | str, project: Path = ROOT, as_of: str = AS_OF) -> Done:
    """Run a command in this process, with modules already imported; return its exit code and output."""
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    around = surroundings(store, project, as_of)
    with (
        patch.dict(os.environ, around), patch.object(sys, "argv", ["commonground", *words]),
        redirect_stdout(out), redirect_stderr(err), _wide(),
    ):  # fmt: skip
        code = _exit_code()
    return Done(words, code, *(item.buffer.getvalue().decode() for item in (out, err)))  # type: ignore[attr-defined]


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@contextmanager
def _wide() -> Iterator[None]:
    widths = [(item, item.width) for item in (console, error_console)]
    for item, _ in widths:
        item.width = WIDTH
    try:
        yield
    finally:
        for item, width in widths:
            item.width = width


def run_apart(*words: str, store: Path, project: Path = ROOT) -> Done:
    """Run a command in a separate process, as a user does; return its exit code and output."""
    command = [sys.executable, "-m", "pipelines.app.cli", *words]
    return subprocess.run(
        command, env=surroundings(store, project), cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )


def surroundings(store: Path | str, project: Path, as_of: str = AS_OF) -> dict[str, str]:
    """Return the environment of a command."""
    return {
        **os.environ,
        "COMMONGROUND_PROJECT": str(project),
        "COMMONGROUND_STORE": str(store),
        "COMMONGROUND_AS_OF": as_of,
        "PYTHONUTF8": "1",
        "COLUMNS": str(WIDTH),
    }


def build_by_steps(project: Project) -> Project:
    """Build everything except the place pages, step by step, without Dagster."""
    steps.prepare_store(project)
    for name in project.catalogue.observation_sources():
        load_source_tables(project, name)
    for name in project.catalogue.problems:
        update_ledger(project, name, answer_problem(project, name))
    # A report marks the releases that any problem uses.
    for name in project.catalogue.problems:
        report_problem(project, name)
    publish_warehouse(project)
    return project
