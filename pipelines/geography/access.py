"""The area register and the areas of a geography, read from the store or built again."""

import polars as pl

from pipelines.core.store import cached
from pipelines.declarations.fingerprints import hashed, keys
from pipelines.declarations.project import Project
from pipelines.geography.hierarchy import parents
from pipelines.geography.load import geography, kept_places
from pipelines.geography.register import Places
from pipelines.geography.systems import System, listed, registered


def parent_table(project: Project) -> pl.DataFrame:
    """Return the larger areas of every area in a problem (PARENT), cached by the tables that define them."""
    made_from = keys(project.catalogue, project.home, project.as_of)
    asked = sorted({problem.header.geography for problem in project.catalogue.problems.values()})
    key = hashed(made_from.places, *made_from.apportioning.values(), *asked)

    def make() -> pl.DataFrame:
        places = register_places(project)
        codes = {code for system in asked for code in place_system(project, system).places["place_code"]}
        return parents(places, geography(project, places).areas, codes)

    return cached(project.home, "parent", "all", key, make)


def register_places(project: Project) -> Places:
    """Return the area register and its code changes, cached by their files."""
    return kept_places(project.home, project.catalogue, project.as_of)


def place_system(project: Project, system: str) -> System:
    """Return the areas of a geography: from the register, or else from a table with its codes."""
    places = register_places(project)
    return registered(places.register, system) or _listed(project, places, system)


def _listed(project: Project, places: Places, system: str) -> System:
    """Return the areas of a geography from the tables with its codes, cached by these tables."""
    made_from = keys(project.catalogue, project.home, project.as_of)
    key = hashed(made_from.places, *made_from.apportioning.values())

    def make() -> pl.DataFrame:
        found = listed(geography(project, places), system)
        others = pl.DataFrame({"place_code": sorted(found.others)}, schema={"place_code": pl.String})
        return pl.concat([found.places.with_columns(pl.lit(True).alias("own")), others], how="diagonal")

    table, own = cached(project.home, "system", system, key, make), pl.col("own").fill_null(False)
    return System(system, table.filter(own).drop("own"), frozenset(table.filter(~own)["place_code"]))


def systems_of(project: Project, name: str) -> list[System]:
    """Return the geographies of a source's codes: its own, then those of its earlier releases."""
    source = project.catalogue.sources[name]
    return [place_system(project, each) for each in (source.geography or "", *source.earlier_systems)]
