"""Expected returns of every source with providers, cached in the state directory beside their inputs."""

from collections.abc import Collection

import polars as pl

from pipelines.apportionment import population_measure, system_residents
from pipelines.core.schema import empty_table
from pipelines.core.store import load_or_build_table
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts, program_key
from pipelines.declarations.project import Project
from pipelines.geography import load_geography, load_places
from pipelines.observations import (
    PROVIDER_RETURN,
    count_returns,
    has_observations,
    load_source_table,
    scan_observations,
)


def load_returns(project: Project, name: str) -> pl.DataFrame:
    """Return the status of the returns of one source (PROVIDER_RETURN), from the cache where its files are the same."""
    catalogue = project.catalogue
    source, counting = catalogue.sources[name], population_measure(catalogue)
    fingerprints = compute_table_keys(catalogue, project.home, project.as_of).observation
    people_key = fingerprints[catalogue.measure_source[counting]] if counting else ""
    key = hash_texts(program_key("gaps"), fingerprints[name], people_key)

    def build_table() -> pl.DataFrame:
        doubt, own_places = (
            load_source_table(project, name, "doubt"),
            load_geography(project, source.geography or "").places,
        )
        # The expected providers are the source's own places; releases of other vintages have other places.
        own_codes = pl.col("geography") == source.geography
        observation = scan_observations(project, name).filter(own_codes).collect()
        no_people = pl.DataFrame(schema={"place_code": pl.String, "people": pl.Float64})
        people = system_residents(project, counting, source.geography or "") if counting else no_people
        change = load_places(project).changes
        return count_returns(observation, doubt, source, own_places, people, change)

    rests_on = sorted({name, *([catalogue.measure_source[counting]] if counting else [])})
    return load_or_build_table(project.home, "returned", name, key, build_table, rests_on)


def stack_returns(project: Project, only: Collection[str] | None = None) -> pl.DataFrame:
    """Stack the returns of some sources, or of all sources with declared returns and stored observations."""
    sources = project.catalogue.observation_sources()
    # A provider of several places has no row of its own, so its returns are judged by their sum (checks.providers). A
    # row that is absent where there was nothing to report is no missing return.
    declaring = [
        name
        for name, source in sources.items()
        if source.returns and not source.returns.geography and not source.returns.absent_row
    ]
    chosen = [name for name in declaring if only is None or name in only]
    available = [name for name in chosen if has_observations(project.home, name)]
    return pl.concat([empty_table(PROVIDER_RETURN), *(load_returns(project, name) for name in available)])
