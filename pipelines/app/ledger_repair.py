"""The command `ledger`: list recorded builds, and show or apply the removal of builds."""

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.console import Console

from pipelines.core.clock import current_date
from pipelines.core.errors import UnknownNameError
from pipelines.core.schema import empty_table
from pipelines.core.store import hash_bytes, lock_store, write_atomically
from pipelines.declarations.project import Project
from pipelines.gaps import BUILD, Ledger, forget_last_day, ledger_path, read_ledger, remove_builds, write_ledger

_BUILD_PATTERN = re.compile(r"(\d{4}-\d{2}-\d{2})(?:/(\d{1,9}))?")


class Removal(NamedTuple):
    """Removal of builds from a problem's ledger: the ledger before and after, and the removed builds."""

    problem: str
    before: Ledger
    after: Ledger
    gone: pl.DataFrame


def list_builds(project: Project, problem: str | None) -> pl.DataFrame:
    """Return the recorded builds of a problem or of all (ledger.BUILD), with a note if the day is in the future."""
    builds = pl.concat(
        [empty_table(BUILD), *(read_ledger(project.home, name).builds for name in _problem_names(project, problem))]
    )
    to_come = pl.when(pl.col("day") > current_date()).then(pl.lit("in the future")).otherwise(pl.lit("")).alias("note")
    return builds.with_columns(to_come)


def remove_recorded_builds(
    project: Project, problem: str | None, build_text: str, console: Console, done: bool
) -> None:
    """Print the effect of removing the builds of a day, or one build by number. Remove them if `done` is true."""
    day, number = _parse_build(build_text)
    with lock_store(project.home):
        planned_removals = [_plan_removal(project.home, name, day, number) for name in _problem_names(project, problem)]
        removals = [removal for removal in planned_removals if not removal.gone.is_empty()]
        if not removals:
            scope = problem or "any problem"
            raise UnknownNameError(
                f"--remove-build: found no build {build_text} of {scope}; run `commonground ledger` for a list"
            )
        for removal in removals:
            console.print(_describe_removal(removal, done), soft_wrap=True, highlight=False, markup=False)
            if done:
                console.print(f"  backup: {_write_removal(project.home, removal)}", soft_wrap=True, highlight=False)
    end = "Run `commonground build` to record today's build." if done else "Nothing has changed. Add --yes to apply."
    console.print(end, markup=False)


def _problem_names(project: Project, problem: str | None) -> list[str]:
    """Return the given problem, declared or with a ledger, or all problems with a ledger."""
    stored = sorted(path.stem for path in (project.home / "ledger").glob("*.parquet") if path.stem[0] != ".")
    if problem is None:
        return stored
    return [problem if problem in stored else project.catalogue.find_problem(problem).name]


def _parse_build(build_text: str) -> tuple[date, int | None]:
    match = _BUILD_PATTERN.fullmatch(build_text)
    try:
        day = date.fromisoformat(match[1]) if match else None
    except ValueError:
        day = None
    if match is None or day is None:
        raise UnknownNameError(f"--remove-build: found {build_text!r}, expected DAY or DAY/NUMBER, as 2027-11-28/3")
    return day, int(match[2]) if match[2] else None


def _plan_removal(home: Path, problem: str, day: date, number: int | None) -> Removal:
    before = read_ledger(home, problem)
    day_builds = before.builds.filter(pl.col("day") == day)
    gone = day_builds if number is None else day_builds.filter(pl.col("build") == number)
    return Removal(problem, before, remove_builds(before, set(gone["build"])), gone)


def _describe_removal(removal: Removal, done: bool) -> str:
    """Describe the removed builds and the resulting changes of stored gaps."""
    builds = ", ".join(f"{number} of {day}" for number, day in removal.gone.select("build", "day").iter_rows())
    before, after = (_open_gaps(ledger) for ledger in (removal.before, removal.after))
    again, gone = after.join(before, on="gap_id", how="anti").height, before.join(after, on="gap_id", how="anti").height
    both = before.join(after, on="gap_id", suffix="_after")
    other = both.filter(pl.col("reason") != pl.col("reason_after")).height
    stays = removal.after.builds.height
    left = f"the last build is then of {removal.after.day}" if stays else "no build remains"
    verb = "removed" if done else "would remove"
    changes = f"{gone:,} open gaps removed, {again:,} reopened, {other:,} with an earlier reason restored"
    return f"{removal.problem}: {verb} build {builds}: {changes}; {left}"


def _open_gaps(ledger: Ledger) -> pl.DataFrame:
    return ledger.spells.filter(pl.col("closed").is_null()).select("gap_id", "reason")


def _write_removal(home: Path, removal: Removal) -> Path:
    """Write the ledger without the builds, and a backup of the previous ledger. Return the backup path."""
    path = ledger_path(home, removal.problem)
    content = path.read_bytes()
    backup = path.with_name(f"{removal.problem}.{hash_bytes(content)[:12]}.bak")
    write_atomically(backup, content)
    # The empty key means that the next build is always recorded.
    write_ledger(home, removal.problem, removal.after, "")
    forget_last_day(home, removal.problem)
    return backup
