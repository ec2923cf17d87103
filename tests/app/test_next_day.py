"""A build on another day: nothing is built again until a day decides otherwise."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from pipelines.core.clock import clock_at
from pipelines.core.store import hash_file, output_path, read_table, state_path, table_key
from pipelines.declarations.fingerprints import ANSWER_TABLES
from pipelines.declarations.project import Project
from pipelines.outputs import INDEX
from tests.breadth import wide
from tests.command import AS_OF, run

INDEX_TABLES = {"state/index/commonground.parquet", f"out/{INDEX}"}
"""Files that state the day of the build."""
RECORDS = {"repeated.json", "checked.txt", "parsed.txt", "outputs.json", "ledger/days.json"}


def contents(home: Path) -> dict[str, str]:
    """Return the hash of every file of a store by its path, without locks."""
    files = (path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(home).as_posix(): hash_file(path) for path in files}


def build_on(project: Project, day: date) -> str:
    with clock_at(datetime(day.year, day.month, day.day, 12, tzinfo=UTC)):
        built = run("build", "--as-of", day.isoformat(), store=project.home, project=project.catalogue.root)
    assert built.returncode == 0, built.stderr
    return built.stdout


def last_days(home: Path, problem: str) -> tuple[date, date]:
    key = table_key(state_path(home, "cell", problem)) or ""
    match = re.fullmatch(r"[0-9a-f]{64} (\S+) (\S+)", key)
    assert match
    return date.fromisoformat(match[1]), date.fromisoformat(match[2])


def test_next_day_with_nothing_new_rewrites_only_the_index(small: Project) -> None:
    before, day = contents(small.home), date.fromisoformat(AS_OF)
    build_on(small, day + timedelta(days=1))
    after = contents(small.home)
    assert before.keys() | RECORDS == after.keys() | RECORDS
    changed = {path for path in before if after[path] != before[path]}
    assert changed - RECORDS == INDEX_TABLES
    assert "25 November 2026" in output_path(small.home, INDEX).read_text(encoding="utf-8")


@wide
def test_day_that_decides_otherwise_changes_only_its_problems(small: Project) -> None:
    home, problems = small.home, sorted(small.catalogue.problems)
    change = {name: last_days(home, name)[1] for name in problems}
    first = min(change.values())
    assert date.fromisoformat(AS_OF) < first < date.max
    stored = {name: read_table(state_path(home, "cell", name)) for name in problems}
    before = contents(home)
    build_on(small._replace(as_of=first), first)
    after = contents(home)
    for name in problems:
        tables = [f"state/{kind}/{name}.parquet" for kind in ANSWER_TABLES]
        assert all((after[path] != before[path]) == (change[name] == first) for path in tables)
    assert last_days(home, next(name for name in problems if change[name] == first))[0] == first
    other = [pl.read_parquet(state_path(home, "cell", name)) for name in problems]
    assert any(not new.equals(old) for new, old in zip(other, stored.values(), strict=True))
