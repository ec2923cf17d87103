"""Residents of the places of a problem, as the weight of missing figures."""

from datetime import date

import polars as pl

from pipelines.apportionment.mapped_figure import Crosswalk, list_parts
from pipelines.apportionment.place import place_figures
from pipelines.core.store import load_or_build_table
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts, program_key
from pipelines.declarations.measure import counts_residents
from pipelines.declarations.project import Project
from pipelines.geography import find_successors, load_geography, load_places
from pipelines.observations import read_current

ALL_RESIDENTS = "residents"
"""Name of the measure that counts residents of all ages."""


def population_measure(catalogue: Catalogue) -> str | None:
    """Return the measure of residents of all ages, whatever group a problem asks for; null where none is stored."""
    measure = catalogue.measures.get(ALL_RESIDENTS)
    is_stored = catalogue.measure_source.get(ALL_RESIDENTS) in catalogue.observation_sources()
    return ALL_RESIDENTS if measure and counts_residents(ALL_RESIDENTS, measure) and is_stored else None


def problem_residents(project: Project, problem: Problem) -> tuple[pl.DataFrame, str]:
    """Return the residents of each place in a problem's geography (place_code, people), and the measure's title."""
    name = population_measure(project.catalogue)
    if name is None:
        return pl.DataFrame(schema={"place_code": pl.String, "people": pl.Float64}), "people"
    return system_residents(project, name, problem.header.geography), project.catalogue.measures[name].title


def population_days(project: Project, problem: Problem) -> list[date]:
    """Return the days from which a later population figure gives the residents of a problem's places."""
    name = population_measure(project.catalogue)
    return _load_residents(project, name, problem.header.geography)["period_end"].unique().to_list() if name else []


def system_residents(project: Project, name: str, system: str) -> pl.DataFrame:
    """Return the newest population figure for the places of a geography, by code changes and nesting alone."""
    residents = _load_residents(project, name, system).filter(pl.col("period_end") <= project.as_of)
    newest = residents.group_by("place_code").agg(pl.col("people").last())
    return newest.sort("place_code")


def _load_residents(project: Project, name: str, system: str) -> pl.DataFrame:
    """Return all population figures of a geography (place_code, period_end, people), oldest first.

    The result is cached, because every step of a problem needs it.
    """
    current_keys, owner = (
        compute_table_keys(project.catalogue, project.home, project.as_of),
        project.catalogue.measure_source[name],
    )
    key_parts = (program_key("apportionment"), current_keys.observation[owner], *current_keys.apportioning.values())
    return load_or_build_table(
        project.home,
        "people",
        f"{name}__{system}",
        hash_texts(*key_parts),
        lambda: _count_residents(project, name, system),
        [owner],
    )


def _count_residents(project: Project, name: str, system: str) -> pl.DataFrame:
    catalogue = project.catalogue
    source = catalogue.sources[catalogue.measure_source[name]]
    places = load_places(project)
    own = load_geography(project, source.geography or "").places["place_code"].to_list()
    target = set(load_geography(project, system).places["place_code"])
    newest_rows = read_current(project, catalogue.measure_source[name], [name], source.geography)
    parts = Crosswalk(list_parts(find_successors(places, own, target)))
    mapped = place_figures(newest_rows, parts, catalogue.measures, newest_rows.clear())
    usable = mapped.filter(pl.col("value").is_not_null()).sort("period_end", maintain_order=True)
    return usable.select(pl.col("to_code").alias("place_code"), "period_end", pl.col("value").alias("people"))
