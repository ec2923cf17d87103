"""Who lives in the places of a problem, so that what is missing can be weighed by people."""

from collections.abc import Iterable

import polars as pl

from pipelines.apportionment.succession import place_slices, roll
from pipelines.core.slices import newest
from pipelines.core.store import cached
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.fingerprints import code_key, hashed, keys
from pipelines.declarations.project import Project
from pipelines.geography import links, place_system, register_places
from pipelines.observations import observe_source


def population_of(catalogue: Catalogue, asked: Iterable[str]) -> str | None:
    """Name the measure by which people are counted: one of those asked for, else the first that is held."""
    held = catalogue.observing()
    counting = [
        name
        for name, measure in sorted(catalogue.measures.items())
        if measure.population and catalogue.measure_source[name] in held
    ]
    return next(iter([*(name for name in asked if name in counting), *counting]), None)


def people_in(project: Project, problem: Problem) -> tuple[pl.DataFrame, str]:
    """Give how many people live in each place of a problem's system (place_code, people), and who is counted.

    A place of which that is not known has no row.
    """
    name = population_of(project.catalogue, problem.measures)
    if name is None:
        return pl.DataFrame(schema={"place_code": pl.String, "people": pl.Float64}), "people"
    return people_of(project, name, problem.header.geography), project.catalogue.measures[name].title


def people_of(project: Project, name: str, system: str) -> pl.DataFrame:
    """Give the newest figure of a population measure for the places of a system, by succession and nesting alone.

    It is kept in the state: every step of a problem asks for it.
    """
    made_from, owner = keys(project.catalogue, project.home, project.as_of), project.catalogue.measure_source[name]
    made = (code_key("apportionment"), made_from.observation[owner], *made_from.apportioning.values())
    key = hashed(*made, str(project.as_of))
    return cached(project.home, "people", f"{name}__{system}", key, lambda: _counted(project, name, system), [owner])


def _counted(project: Project, name: str, system: str) -> pl.DataFrame:
    catalogue = project.catalogue
    source = catalogue.sources[catalogue.measure_source[name]]
    places = register_places(project)
    own = place_system(project, source.geography or "").places["place_code"].to_list()
    target = set(place_system(project, system).places["place_code"])
    seen = newest(
        observe_source(project, catalogue.measure_source[name]).observation.filter(
            pl.col("measure") == name, pl.col("place_system") == source.geography
        )
    )
    moved = place_slices(seen, roll(links(places, own, target)), catalogue.measures)
    known = moved.filter(pl.col("value").is_not_null(), pl.col("period_end") <= project.as_of).sort("period_end")
    people = known.group_by(pl.col("to_code").alias("place_code"), maintain_order=True).agg(
        pl.col("value").last().alias("people")
    )
    return people.sort("place_code")
