"""A code edit rebuilds the tables of the edited package and the packages above it, and no others."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.declarations.fingerprints import NUMERIC_LIBRARIES, ROOMS
from tests.small import small_project

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, os, sys
from datetime import date
from pathlib import Path
from pipelines.app.steps import prepare_store
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations import fingerprints
from pipelines.declarations.project import Project
from pipelines.outputs.freshness import report_key

for line in sys.stdin:
    library = json.loads(line)
    # A fork has read no file yet, and starts with all imports.
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    if library:
        fingerprints.version = lambda name: "0.0" if name == library else "1.0"
    project = Project(load_catalogue(Path("project")), Path("store"), date(2026, 11, 28))
    made = prepare_store(project)
    sys.stdout.write(json.dumps({
        "geography": [made.places, made.boundaries, made.apportioning], "observations": made.observation,
        "gaps": made.figures, "outputs": report_key(project, "jobs_recovery"),
    }) + "\\n")
    sys.stdout.flush()
    os._exit(0)
"""
STEPS = ("geography", "observations", "gaps", "outputs")
"""Steps of a build, each with its package."""
EDITED = {room: f"pipelines/{room}/__init__.py" for room in ROOMS if room != "checks"} | {
    "checks": "checks/flags.py",
    "fetch": "pipelines/fetch/http.py",
    "app": "pipelines/app/build.py",
}


class Program(NamedTuple):
    """A copy of the program that a test may edit, with a small project beside it, and a process that runs it."""

    folder: Path
    process: "subprocess.Popen[str]"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("program")
    for package in ("pipelines", "checks"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "problems"))
    small_project(folder)
    surroundings = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, cwd=folder, env=surroundings, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Program(folder, process)


def keys_now(program: Program, library: str = "") -> dict[str, object]:
    stdin, stdout = program.process.stdin, program.process.stdout
    assert stdin and stdout
    stdin.write(json.dumps(library) + "\n")
    stdin.flush()
    actual: dict[str, object] = json.loads(stdout.readline())
    assert set(actual) == set(STEPS) and all(actual.values())
    return actual


@pytest.fixture(scope="module")
def unedited(program: Program) -> dict[str, object]:
    """The keys before any edit; a test that edits a file restores it."""
    return keys_now(program)


def changed(before: dict[str, object], after: dict[str, object]) -> set[str]:
    return {step for step in STEPS if before[step] != after[step]}


@pytest.mark.parametrize("room", sorted(EDITED))
def test_edit_rebuilds_its_package_and_those_above_only(
    program: Program, unedited: dict[str, object], room: str
) -> None:
    path = program.folder / EDITED[room]
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\n# edited\n", encoding="utf-8")
    after = keys_now(program)
    path.write_text(text, encoding="utf-8")
    level = ROOMS.index(room) if room in ROOMS else len(ROOMS)
    assert changed(unedited, after) == {step for step in STEPS if ROOMS.index(step) >= level}


def test_stylesheet_edit_rebuilds_only_outputs(program: Program, unedited: dict[str, object]) -> None:
    path = program.folder / "pipelines" / "outputs" / "templates" / "report.css"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "/* , */\n", encoding="utf-8")
    after = keys_now(program)
    path.write_text(text, encoding="utf-8")
    assert changed(unedited, after) == {"outputs"}


@pytest.fixture(scope="module")
def of_library_version_1(program: Program) -> dict[str, object]:
    return keys_now(program, "none")


@pytest.mark.parametrize("library", NUMERIC_LIBRARIES)
def test_new_library_version_rebuilds_everything(
    program: Program, of_library_version_1: dict[str, object], library: str
) -> None:
    assert changed(of_library_version_1, keys_now(program, library)) == set(STEPS)
