"""Trace of one figure from its file to the report and the analyst's file: the modules that pass it on."""

import configparser
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.breadth import wide
from tests.small import copied, small_project

ROOT = Path(__file__).resolve().parents[2]
MOST_MODULES = 70
PLANTED = "3.14159"
"""A claimant rate that no place has."""
ORDER = ("core", "declarations", "readers", "geography", "checks", "observations", "apportionment", "gaps", "outputs")
PROGRAM = '''
import sys
from datetime import date
from functools import cache
from pathlib import Path
import polars as pl
from pipelines.app.steps import prepare_store
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer_problem
from pipelines.observations import load_source_tables
from pipelines.outputs import publish_warehouse, report_problem

PLANTED = sys.argv[1]
passed, last = {}, {}

def holds(thing):
    """Return whether a frame, a text, or a container of these has the planted figure."""
    if isinstance(thing, (str, bytes)):
        return (PLANTED if isinstance(thing, str) else PLANTED.encode()) in thing
    if isinstance(thing, pl.DataFrame):
        # The tables of places are returned again and again: the last frames are kept with what they have.
        if id(thing) not in last:
            last[id(thing)] = thing, frame_holds(thing)
            if len(last) > 64:
                del last[next(iter(last))]
        return last[id(thing)][1]
    return isinstance(thing, (tuple, list)) and any(holds(part) for part in thing[:50])

def frame_holds(frame):
    exact = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    return any((frame[name] == float(PLANTED)).any() for name in exact) or any(
        frame[name].str.contains(PLANTED, literal=True).any() for name in texts
    )

@cache
def ours(file):
    """Return whether a file belongs to the program."""
    return not {"pipelines", "checks"}.isdisjoint(Path(file).parts)

def enter(frame, event, given):
    """Watch the end of a call of the program, and no call of a library."""
    if not ours(frame.f_code.co_filename):
        return None
    frame.f_trace_lines = False
    return leave

def leave(frame, event, given):
    if event == "return" and holds(given):
        caller = frame.f_back.f_code.co_filename if frame.f_back else ""
        passed.setdefault((frame.f_code.co_filename, caller), frame.f_code.co_qualname)
    return leave

project = Project(load_catalogue(Path("project")), Path("store"), date(2026, 11, 28))
prepare_store(project)
sources = [name for name in project.catalogue.problem_sources(project.catalogue.problems["jobs_recovery"])
           if name in project.catalogue.observation_sources()]
for name in set(sources) - {"ons_claimant_rate"}:
    load_source_tables(project, name)
sys.settrace(enter)
load_source_tables(project, "ons_claimant_rate")
answer_problem(project, "jobs_recovery")
report_problem(project, "jobs_recovery")
publish_warehouse(project)
sys.settrace(None)
pairs = (chr(9).join((Path(module).as_posix(), Path(caller).as_posix())) for module, caller in passed)
Path("walk.txt").write_text(chr(10).join(pairs), encoding="utf-8")
'''


def room_of(path: str) -> str:
    parts = Path(path).parts
    return "checks" if parts[-2] == "checks" else parts[parts.index("pipelines") + 1]


@pytest.fixture(scope="module")
def walk(built_small: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """The modules that passed the figure on, each with the receiving module."""
    folder = tmp_path_factory.mktemp("walk")
    root = small_project(folder)
    # The tables of the other sources are in this store already.
    copied(built_small / "store", folder / "store")
    (root / "pipelines" / "problems" / "jobs_south_london.sql").unlink()
    newest = sorted((root / "sources" / "starter").glob("ons_claimant_rate_*.csv.gz"))[-1]
    newest.write_bytes(gzip.compress(plant(gzip.decompress(newest.read_bytes()).decode()).encode()))
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", PROGRAM, PLANTED]
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    walked = (folder / "walk.txt").read_text(encoding="utf-8").splitlines()
    return [(line.split("\t")[0], line.split("\t")[1]) for line in walked]


def plant(text: str) -> str:
    """Replace Merton's figure for the newest period with the planted figure."""
    header, *lines = text.splitlines()
    column = header.split(",").index("observation")
    merton = [number for number, line in enumerate(lines) if line.startswith("E09000024")]
    newest = max(merton, key=lambda number: lines[number].split(",")[header.split(",").index("period")])
    cells = lines[newest].split(",")
    lines[newest] = ",".join([*cells[:column], PLANTED, *cells[column + 1 :]])
    return "\n".join([header, *lines]) + "\n"


@wide
def test_figure_passes_through_every_package_and_few_modules(walk: list[tuple[str, str]]) -> None:
    modules = {module for module, _ in walk}
    # `geography` has places without figures; `fetch` and `app` have only files and steps.
    assert {room_of(module) for module in modules} == set(ORDER) - {"geography"}
    assert len(modules) <= MOST_MODULES, sorted(modules)


@wide
def test_no_package_passes_the_figure_to_a_lower_one(walk: list[tuple[str, str]]) -> None:
    inside = [pair for pair in walk if "/pipelines/" in pair[1] or "/checks/" in pair[1]]
    # The store, results that are kept, and the flags call a step as a function argument, and import no higher package.
    upward = [
        (module, caller) for module, caller in inside
        if ORDER.index(room_of(module)) > ORDER.index(room_of(caller))
        and not caller.endswith(("core/store.py", "core/table_cache.py", "checks/figures.py"))
    ]  # fmt: skip
    assert len(inside) > 20 and not upward


@wide
def test_page_lists_the_modules_that_pass_the_figure(walk: list[tuple[str, str]]) -> None:
    page = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    modules = {Path(module).relative_to(ROOT).as_posix().removeprefix("pipelines/") for module, _ in walk}
    listed = re.findall(r"`([a-z]+/[a-z_]+\.py)`", page[page.index("**The walk of one figure.**") :])
    folders = [ROOT if path.startswith("checks/") else ROOT / "pipelines" for path in listed]
    # A compiled template is no module.
    assert {module for module in modules if module.endswith(".py")} - set(listed) == set()
    assert len(set(listed)) == len(listed) <= MOST_MODULES
    assert all((folder / path).is_file() for folder, path in zip(folders, listed, strict=True)) and listed


def test_page_lists_the_packages_in_import_order() -> None:
    page = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z]+)` \| ", page, re.MULTILINE)
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    layers = contracts["importlinter:contract:flow"]["layers"].replace("pipelines.", "").split()
    packages = {path.parent.name for path in (ROOT / "pipelines").glob("*/__init__.py")} | {"checks"}
    assert [room for room in listed if room != "fetch"] == [room for room in layers if room not in ("fetch", "|")]
    assert sorted(listed) == sorted(packages)
