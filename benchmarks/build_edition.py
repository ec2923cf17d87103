"""Cost of commands on a copy of the bundled edition: everything from nothing, small changes, and queries."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from benchmarks.build_run import AS_OF, Command, Row, repeat
from benchmarks.cost import Cost, run_command

ROOT = Path(__file__).resolve().parent.parent
PROBLEM, SOURCE = "jobs_recovery", "ons_claimant_rate"
PARTNERSHIPS = Path("pipelines/partnerships.yaml")
TWO = (PROBLEM, "jobs_south_london")
"""The problem that is changed, its source that gets a release, and two problems that are built alone."""
QUERY = "select measure, count(value) from cells group by measure"
QUERIES = {
    "sql": ("sql", QUERY),
    "list": ("list", "sources"),
    "places": ("places", "Merton"),
    "gaps": ("gaps", PROBLEM),
    "--help": ("--help",),
}
AIMS = {"sql": "0.5", "list": "0.5", "places": "0.5", "gaps": "0.5", "--help": "0.2"}


def time_edition(most: int, checkout: Path) -> Iterator[Row]:
    """Time the edition without the newest release of one source, then each change and each query."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        for part in ("sources", "pipelines/problems", "pipelines/scenarios"):
            shutil.copytree(checkout / part, root / part)
        shutil.copy(checkout / PARTNERSHIPS, root / PARTNERSHIPS)
        newest = _remove_newest_release(root)
        command = Command(checkout, root, Path(folder) / "store")
        yield Row("edition, two problems from nothing", repeat(lambda: _from_nothing(command, *TWO), most))
        yield Row("edition, from nothing", repeat(lambda: _from_nothing(command), most), "35")
        yield Row("edition, nothing changed", repeat(lambda: {"commonground": command.run("build")}, most), "1")
        days = iter(date.fromisoformat(AS_OF) + timedelta(days=day) for day in range(1, 100))
        yield Row("edition, next day, nothing new", repeat(lambda: _next_day(command, next(days)), most), "2")
        command.run("build")
        columns = iter(range(1, 100))
        yield Row("edition, one ORDER BY changed", repeat(lambda: _change_order(command, next(columns)), most), "4")
        kept = Path(folder) / "kept"
        shutil.copytree(command.store, kept)
        shutil.copy(checkout / newest, root / newest)
        yield Row("edition, one new release", repeat(lambda: _build_from(kept, command), most), "5")
        for name, words in QUERIES.items():
            costs = repeat(lambda words=words: {"commonground": command.run(*words)} | _bare(command, *words), most)
            yield Row(f"edition, `{name}`", costs, AIMS[name])


def _from_nothing(command: Command, *problems: str) -> dict[str, Cost]:
    shutil.rmtree(command.store, ignore_errors=True)
    return {"commonground": command.run("build", *problems)}


def _next_day(command: Command, day: date) -> dict[str, Cost]:
    return {"commonground": command._replace(day=str(day)).run("build")}


def _build_from(kept: Path, command: Command) -> dict[str, Cost]:
    shutil.rmtree(command.store)
    shutil.copytree(kept, command.store)
    return {"commonground": command.run("build")}


def _change_order(command: Command, column: int) -> dict[str, Cost]:
    """Order the view of one problem by another column, and build."""
    path = command.project / "pipelines" / "problems" / f"{PROBLEM}.sql"
    text, _, _ = path.read_text(encoding="utf-8").rpartition("order by")
    path.write_text(f"{text}order by {column}, place.place_code\n", encoding="utf-8")
    return {"commonground": command.run("build")}


def _remove_newest_release(root: Path) -> Path:
    """Remove the file of the newest release of the source; return its path in a project."""
    newest = max((root / "sources" / "starter").glob(f"{SOURCE}_*"))
    newest.unlink()
    return newest.relative_to(root)


def _bare(command: Command, *words: str) -> dict[str, Cost]:
    """Return the cost of the same query in DuckDB alone; nothing for a command without SQL."""
    if words[0] != "sql":
        return {}
    file = command.store / "out" / "commonground.duckdb"
    program = "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).sql(sys.argv[2]))"
    bare = [sys.executable, "-c", program, str(file), words[1]]
    return {"in_duckdb": run_command(bare, {}, command.project).cost}
