"""Who lives in the places of a problem, so that what is missing can be weighed by people."""

import polars as pl

from pipelines.catalogue import Catalogue, Problem
from pipelines.places import links
from pipelines.placing import newest, place_slices, roll
from pipelines.steps import Project, observe_source, place_system, register_places


def population_of(catalogue: Catalogue, problem: Problem) -> str | None:
    """Name the measure by which a problem counts people: one that it asks for, else the first that is held."""
    held = catalogue.observing()
    counting = [
        name
        for name, measure in sorted(catalogue.measures.items())
        if measure.population and catalogue.measure_source[name] in held
    ]
    asked = [name for name in problem.measures if name in counting]
    return next(iter([*asked, *counting]), None)


def people_in(project: Project, problem: Problem) -> tuple[pl.DataFrame, str]:
    """Give how many people live in each place of a problem's system (place_code, people), and who is counted.

    A place of which that is not known has no row.
    """
    catalogue = project.catalogue
    name = population_of(catalogue, problem)
    if name is None:
        return pl.DataFrame(schema={"place_code": pl.String, "people": pl.Float64}), "people"
    source = catalogue.sources[catalogue.measure_source[name]]
    places = register_places(project)
    own = place_system(project, source.places or "").places["place_code"].to_list()
    target = set(place_system(project, problem.header.places).places["place_code"])
    seen = newest(observe_source(project, catalogue.measure_source[name]).observation.filter(pl.col("measure") == name))
    moved = place_slices(seen, roll(links(places, own, target)), catalogue.measures)
    known = moved.filter(pl.col("value").is_not_null(), pl.col("period_end") <= project.as_of).sort("period_end")
    people = known.group_by(pl.col("to_code").alias("place_code"), maintain_order=True).agg(
        pl.col("value").last().alias("people")
    )
    return people.sort("place_code"), catalogue.measures[name].title
