"""Imports of the command line: a command loads no library that it does not need."""

import json
import shlex
import subprocess
import sys

import pytest

from pipelines.declarations.fingerprints import OBSERVATION_TABLES
from pipelines.declarations.project import Project
from pipelines.observations import SourceTables
from tests.breadth import cases
from tests.command import ROOT, run, surroundings

LARGE = {
    "asyncio", "dagster", "duckdb", "fastexcel", "gptables", "great_expectations", "httpx", "jinja2", "numpy", "pandas",
    "polars", "pyarrow", "scipy", "yaml",
}  # fmt: skip
"""Libraries that take long to load."""
NEEDED = {
    ("--help",): set(),
    ("sql", "select 1 as one"): {"duckdb", "polars"},
    ("list", "sources"): {"polars"},
    ("list", "measures"): {"polars"},
    ("list", "problems"): {"polars"},
    ("gaps", "jobs_recovery"): {"polars"},
    ("build",): set(),
    ("places", "Merton"): {"polars"},
}
"""For each command the large libraries that it needs."""
PROGRAM = """
import sys
sys.argv = ["commonground", *sys.argv[1:]]
from pipelines.app.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end
import json
print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


ALIKE = [("list", "measures"), ("list", "problems")]
"""Commands that take the same way as `list sources`."""


@pytest.mark.parametrize(
    "command", cases(sorted(map(shlex.join, NEEDED.keys() - set(ALIKE))), wide=map(shlex.join, ALIKE))
)
def test_command_loads_only_libraries_it_needs(small: Project, command: str) -> None:
    words = tuple(shlex.split(command))
    # The first commands of a kind read the declarations, and store what they list or describe, or had nothing to do.
    for _ in range(2):
        run(*words, store=small.home, project=small.catalogue.root)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, encoding="utf-8", cwd=ROOT,
        env=surroundings(small.home, small.catalogue.root),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert LARGE & set(json.loads(done.stdout.splitlines()[-1])) == NEEDED[words]
    assert not done.stderr


def test_kinds_of_source_tables_are_those_of_a_source() -> None:
    assert SourceTables._fields == OBSERVATION_TABLES


def test_build_with_nothing_to_do_loads_two_large_libraries() -> None:
    program = """
import json, sys
from pipelines.app.build import build_problems
from pipelines.app.steps import prepare_store
from pipelines.fetch import import_bundled_releases
from pipelines.observations import prune_plain_files
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert LARGE & set(json.loads(done.stdout)) == {"polars", "yaml"}
