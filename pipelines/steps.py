"""The steps of a build. Each reads tables, calls one function, writes tables; Dagster's assets are these.

A step whose table already has the key it should have does nothing. All steps are safe to kill: a table is
there whole, or as it was before.
"""

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.answer import answer
from pipelines.averaging import averaged, weights_for
from pipelines.catalogue import Catalogue, Problem
from pipelines.cells import typed_cells
from pipelines.keys import Keys, keys
from pipelines.observe import Observed, observe, read_places, take_in
from pipelines.places import Places, links, system_places
from pipelines.placing import newest, place_slices, roll, withdrawn
from pipelines.schema import FINDING, OBSERVATION, empty
from pipelines.store import prune, prune_outputs, read_table, state_path, sweep, table_key, write_table

OBSERVED = Observed._fields


class Project(NamedTuple):
    """What a build works on: the declarations, the store, and the day as of which it is made."""

    catalogue: Catalogue
    home: Path
    as_of: date


def today() -> date:
    """Give the day of the build: COMMONGROUND_AS_OF where it is set, else today's."""
    told = os.environ.get("COMMONGROUND_AS_OF")
    return date.fromisoformat(told) if told else datetime.now(UTC).date()


def prepare(project: Project) -> Keys:
    """Sweep what killed builds left, drop what is no longer declared, take in what came with the project."""
    catalogue, home = project.catalogue, project.home
    sweep(home)
    for kind in OBSERVED:
        prune(home, kind, set(catalogue.observing()))
    for kind in ("cell", "view", "report"):
        prune(home, kind, set(catalogue.problems))
    for kind in ("areas", "shares"):
        prune(home, kind, set(catalogue.apportioning()))
    prune_outputs(home, set(catalogue.problems))
    for name in catalogue.sources:
        take_in(home, catalogue, name)
    return keys(catalogue, home, project.as_of)


def is_fresh(project: Project, made: Keys, problems: list[str]) -> bool:
    """Tell whether every table of some problems is there and made from what is held now."""
    catalogue, home = project.catalogue, project.home
    sources = {name for problem in problems for name in catalogue.sources_of(catalogue.problems[problem])}
    held = [
        (state_path(home, table, n), made.observation[n]) for n in sources & set(made.observation) for table in OBSERVED
    ]
    told = [(state_path(home, table, n), made.answer[n]) for n in problems for table in ("cell", "view")]
    return all(table_key(path) == key for path, key in held + told)


def register_places(project: Project) -> Places:
    """Make the register of places and their changes, or give those made before from the same files."""
    home, key = project.home, keys(project.catalogue, project.home, project.as_of).places
    paths = [state_path(home, "place", table) for table in ("register", "change")]
    if any(table_key(path) != key for path in paths):
        places = read_places(home, project.catalogue, project.as_of)
        for path, table in zip(paths, places, strict=True):
            write_table(path, table, key)
    return Places(*(read_table(path) for path in paths))


def observe_source(project: Project, name: str) -> Observed:
    """Make the observations of one source, or give those made before from the same files."""
    key = keys(project.catalogue, project.home, project.as_of).observation[name]
    paths = [state_path(project.home, table, name) for table in OBSERVED]
    if any(table_key(path) != key for path in paths):
        observed = observe(project.home, project.catalogue, name, register_places(project), project.as_of)
        for path, table in zip(paths, observed, strict=True):
            write_table(path, table, key)
    return Observed(*(read_table(path) for path in paths))


def answer_problem(project: Project, name: str) -> pl.DataFrame:
    """Make the typed cells and the view of one problem, or give the cells made before; returns the cells."""
    key = keys(project.catalogue, project.home, project.as_of).answer[name]
    paths = [state_path(project.home, table, name) for table in ("cell", "view")]
    if any(table_key(path) != key for path in paths):
        problem = project.catalogue.problems[name]
        places = register_places(project)
        system = system_places(places.register, problem.header.places)
        placed, aside = placed_slices(project, problem, places, set(system["place_code"]))
        cells = typed_cells(problem, project.catalogue, system, placed, aside, project.as_of)
        view = answer(problem, system, cells, placed)
        for path, table in zip(paths, (cells, view), strict=True):
            write_table(path, table, key)
    return read_table(paths[0])


def placed_slices(
    project: Project, problem: Problem, places: Places, target: set[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Move what the problem's sources observed to some places; give it, and what was set aside, moved too."""
    catalogue = project.catalogue
    placed, aside = [], []
    for name in catalogue.sources_of(problem):
        source = catalogue.sources[name]
        if source.access != "open" or not source.places:
            continue
        seen = observe_source(project, name)
        own = system_places(places.register, source.places)["place_code"].to_list()
        parts = roll(links(places, own, target))
        wanted = pl.col("measure").is_in(list(problem.measures))
        observation = seen.observation.filter(wanted)
        current = newest(observation)
        moved = withdrawn(place_slices(current, parts, catalogue.measures), observation, parts)
        weights = weights_for(current, denominators(project, name), catalogue.measures)
        placed.append(averaged(moved, current, parts, weights))
        aside.append(_aside(seen, places, target))
    return pl.concat(placed), pl.concat(aside)


def denominators(project: Project, name: str) -> pl.DataFrame:
    """Give the observations of what a source's rates are shares of, in the source's own place system."""
    catalogue = project.catalogue
    source = catalogue.sources[name]
    wanted = sorted({measure.denominator for measure in source.measures.values() if measure.denominator})
    owners = sorted({catalogue.measure_source[each] for each in wanted} & set(catalogue.observing()))
    held = [
        observe_source(project, each).observation for each in owners if catalogue.sources[each].places == source.places
    ]
    found = pl.concat([empty(OBSERVATION).with_columns(pl.lit(0, pl.Int64).alias("order")), *held])
    return newest(found.filter(pl.col("measure").is_in(wanted)))


def _aside(seen: Observed, places: Places, target: set[str]) -> pl.DataFrame:
    """Tell which of the problem's places the rows set aside in the newest release belong to."""
    last = seen.set_aside.filter(pl.col("order") == pl.col("order").max())
    reach = links(places, last["place_code"].unique().to_list(), target)
    to = {code: found.codes[0] for code, found in reach.items()}
    return last.select(
        "measure",
        pl.col("place_code").replace_strict(to, default=None, return_dtype=pl.String).alias("to_code"),
        "period_start",
        pl.col("fault").alias("reason"),
        pl.col("fault_evidence").alias("evidence"),
    ).drop_nulls("to_code")


def all_findings(project: Project) -> pl.DataFrame:
    """Stack the findings of every source."""
    paths = [state_path(project.home, "finding", name) for name in project.catalogue.observing()]
    return pl.concat([empty(FINDING), *(read_table(path) for path in paths if path.is_file())])


def all_observations(project: Project) -> pl.DataFrame:
    """Stack the observations of every source, all releases."""
    paths = [state_path(project.home, "observation", name) for name in project.catalogue.observing()]
    tables = (read_table(path).select(list(OBSERVATION)) for path in paths if path.is_file())
    return pl.concat([empty(OBSERVATION), *tables])
