"""The steps of a build. Each reads tables, calls one function, writes tables; Dagster's assets are these.

A step whose table already has the key it should have does nothing. All steps are safe to kill: a table is
there whole, or as it was before.
"""

import os
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.apportioning import geography
from pipelines.catalogue import Catalogue
from pipelines.errors import DayError
from pipelines.keys import ANSWERED, Keys, hashed, keys
from pipelines.observe import Observed, observe, take_in
from pipelines.outputs import drop_groups
from pipelines.places import Places
from pipelines.registering import kept_places
from pipelines.revisions import revisions
from pipelines.schema import FINDING, OBSERVATION, empty
from pipelines.store import prune, read_table, state_path, sweep, table_key, write_table
from pipelines.systems import System, listed, registered
from pipelines.withdrawing import BY_SOURCE, withdraw_now

AS_OF = "COMMONGROUND_AS_OF"
OBSERVED = Observed._fields


class Project(NamedTuple):
    """What a build works on: the declarations, the store, and the day as of which it is made."""

    catalogue: Catalogue
    home: Path
    as_of: date


def clock() -> date:
    """Give the day by this machine's clock, in UTC."""
    return datetime.now(UTC).date()


def today() -> date:
    """Give the day of the build: COMMONGROUND_AS_OF where it is set, else today's."""
    told = os.environ.get(AS_OF)
    if not told:
        return clock()
    try:
        return not_to_come(date.fromisoformat(told), AS_OF)
    except ValueError as error:
        raise DayError(f"{AS_OF}: found {told!r}, expected a day as 2025-06-30") from error


def not_to_come(day: date, where: str) -> date:
    """Give a day as of which to build; raise DayError for a day to come, which nobody can know anything of."""
    if day > clock():
        raise DayError(f"{where}: found {day}, a day to come; today is {clock()}: give today or a day before")
    return day


def prepare(project: Project) -> Keys:
    """Withdraw what is no longer public, drop what is no longer declared, take in what came with the project."""
    catalogue, home = project.catalogue, project.home
    withdraw_now(catalogue, home)
    sweep(home)
    for kind in (*BY_SOURCE, "returned"):
        prune(home, kind, set(catalogue.observing()))
    for kind in (*ANSWERED, "report"):
        prune(home, kind, set(catalogue.problems))
    for kind in ("areas", "shares"):
        prune(home, kind, set(catalogue.apportioning()))
    systems = _systems_named(catalogue)
    prune(home, "system", systems)
    prune(home, "people", {f"{measure}__{system}" for measure in catalogue.measures for system in systems})
    drop_groups(home, "report", set(catalogue.problems))
    for name in catalogue.sources:
        take_in(home, catalogue, name)
    return keys(catalogue, home, project.as_of)


def _systems_named(catalogue: Catalogue) -> set[str]:
    """Name the place systems that sources, their releases and problems are about."""
    asked = {problem.header.places for problem in catalogue.problems.values()}
    given = {each for source in catalogue.sources.values() for each in (source.places, *source.earlier_systems) if each}
    return asked | given


def is_fresh(project: Project, made: Keys, problems: list[str]) -> bool:
    """Tell whether every table of some problems is there and made from what is held now."""
    held = all(observed_is_fresh(project.home, name, made) for name in sources_of(project, problems))
    return held and all(answer_is_fresh(project.home, name, made) for name in problems)


def sources_of(project: Project, problems: Sequence[str]) -> list[str]:
    """Name the sources of some problems that figures can be read from."""
    catalogue = project.catalogue
    asked = {name for problem in problems for name in catalogue.sources_of(catalogue.problems[problem])}
    return sorted(asked & set(catalogue.observing()))


def observed_is_fresh(home: Path, name: str, made: Keys) -> bool:
    """Tell whether a source's tables are there and made from what is held now."""
    return all(table_key(state_path(home, table, name)) == made.observation[name] for table in OBSERVED)


def answer_is_fresh(home: Path, name: str, made: Keys) -> bool:
    """Tell whether a problem's tables are there and made from what is held now."""
    return all(table_key(state_path(home, table, name)) == made.answer[name] for table in ANSWERED)


def register_places(project: Project) -> Places:
    """Make the register of places and their changes, or give those made before from the same files."""
    return kept_places(project.home, project.catalogue, project.as_of)


def place_system(project: Project, system: str) -> System:
    """Give the places of a place system: of the register, or of a table that has its codes, read only then."""
    places = register_places(project)
    return registered(places.register, system) or _listed(project, places, system)


def _listed(project: Project, places: Places, system: str) -> System:
    """Read a place system off the tables that have its codes, or give that read before from the same tables."""
    made_from = keys(project.catalogue, project.home, project.as_of)
    key, path = hashed(made_from.places, *made_from.apportioning.values()), state_path(project.home, "system", system)
    if table_key(path) != key:
        found = listed(geography(project, places), system)
        others = pl.DataFrame({"place_code": sorted(found.others)}, schema={"place_code": pl.String})
        write_table(
            path, pl.concat([found.places.with_columns(pl.lit(True).alias("own")), others], how="diagonal"), key
        )
    table, own = read_table(path), pl.col("own").fill_null(False)
    return System(system, table.filter(own).drop("own"), frozenset(table.filter(~own)["place_code"]))


def systems_of(project: Project, name: str) -> list[System]:
    """Give the place systems of a source's codes: its own, then those of its releases that are of others."""
    source = project.catalogue.sources[name]
    return [place_system(project, each) for each in (source.places or "", *source.earlier_systems)]


def observe_source(project: Project, name: str) -> Observed:
    """Make the observations of one source, or give those made before from the same files."""
    key = keys(project.catalogue, project.home, project.as_of).observation[name]
    paths = [state_path(project.home, table, name) for table in OBSERVED]
    if any(table_key(path) != key for path in paths):
        systems = systems_of(project, name)
        observed = observe(project.home, project.catalogue, name, register_places(project), systems, project.as_of)
        for path, table in zip(paths, observed, strict=True):
            write_table(path, table, key)
    return Observed(*(read_table(path) for path in paths))


def answered_now(project: Project, made: Keys) -> list[str]:
    """Name the problems whose tables are made from what is held now: outputs are made of no other."""
    return [name for name in sorted(project.catalogue.problems) if answer_is_fresh(project.home, name, made)]


def answered_before(project: Project, made: Keys) -> list[str]:
    """Name the problems that were answered from something else than what is held now."""
    there = (name for name in project.catalogue.problems if state_path(project.home, "cell", name).is_file())
    return sorted(name for name in there if not answer_is_fresh(project.home, name, made))


def observed_now(project: Project, kind: str, made: Keys, asked: Collection[str] | None = None) -> list[pl.DataFrame]:
    """Read the tables of one kind of some sources, or of every one, that are made from what is held now."""
    named = [name for name in project.catalogue.observing() if asked is None or name in asked]
    paths = {name: state_path(project.home, kind, name) for name in named}
    return [read_table(path) for name, path in paths.items() if table_key(path) == made.observation[name]]


def all_findings(project: Project) -> pl.DataFrame:
    """Stack the findings of every source as it was last read."""
    paths = [state_path(project.home, "finding", name) for name in project.catalogue.observing()]
    return pl.concat([empty(FINDING), *(read_table(path) for path in paths if path.is_file())])


def all_revisions(
    project: Project, made: Keys, names: Collection[str] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare the releases of some sources, or of every one, each with the one before: the cells, and in sum."""
    tables = observed_now(project, "observation", made, names)
    return revisions(pl.concat([empty(OBSERVATION).with_columns(pl.lit(0, pl.Int64).alias("order")), *tables]))
