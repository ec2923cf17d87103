"""The returns due of every source whose places make their own, kept in the state beside what they are made from."""

from collections.abc import Collection

import polars as pl

from pipelines.apportionment import people_of, population_of
from pipelines.core.schema import empty
from pipelines.core.store import cached, state_path
from pipelines.declarations.fingerprints import code_key, hashed, keys
from pipelines.declarations.project import Project
from pipelines.geography import place_system, register_places
from pipelines.observations import RETURN, count_returns, observe_source


def returned(project: Project, name: str) -> pl.DataFrame:
    """Tell what became of the returns of one source (RETURN), or give what was told before from the same files."""
    catalogue = project.catalogue
    source, counting = catalogue.sources[name], population_of(catalogue, ())
    made_from = keys(catalogue, project.home, project.as_of).observation
    people_key = made_from[catalogue.measure_source[counting]] if counting else ""
    key = hashed(code_key("gaps"), made_from[name], people_key)

    def make() -> pl.DataFrame:
        seen, own = observe_source(project, name), place_system(project, source.geography or "").places
        # Who was due is told by the source's own places: releases of other times have others.
        own_codes = pl.col("place_system") == source.geography
        nobody = pl.DataFrame(schema={"place_code": pl.String, "people": pl.Float64})
        people = people_of(project, counting, source.geography or "") if counting else nobody
        change = register_places(project).changes
        return count_returns(seen.observation.filter(own_codes), seen.doubt, source, own, people, change)

    rests_on = sorted({name, *([catalogue.measure_source[counting]] if counting else [])})
    return cached(project.home, "returned", name, key, make, rests_on)


def all_returns(project: Project, asked: Collection[str] | None = None) -> pl.DataFrame:
    """Stack the returns of some sources, or of every one that declares them and whose observations are there."""
    due = [name for name, source in project.catalogue.observing().items() if source.returns]
    named = [name for name in due if asked is None or name in asked]
    made = [name for name in named if state_path(project.home, "observation", name).is_file()]
    return pl.concat([empty(RETURN), *(returned(project, name) for name in made)])
