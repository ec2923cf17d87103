"""The area register and the areas of a geography, read from the store or built again."""

import polars as pl

from pipelines.core.store import load_or_build_table
from pipelines.core.table_cache import keep_results
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts
from pipelines.declarations.project import Project
from pipelines.geography.hierarchy import build_hierarchy
from pipelines.geography.load import load_cached_places, load_place_data
from pipelines.geography.register import Places
from pipelines.geography.systems import GeographyPlaces, geography_from_register, geography_from_tables

MOST_GEOGRAPHIES = 64
"""Geographies with areas that a process keeps."""


def load_area_hierarchy(project: Project) -> pl.DataFrame:
    """Return the larger areas of every area in a problem (AREA_HIERARCHY), cached by the tables that define them."""
    fingerprints = compute_table_keys(project.catalogue, project.home, project.as_of)
    geographies = sorted({problem.header.geography for problem in project.catalogue.problems.values()})
    key = hash_texts(fingerprints.places, *fingerprints.apportioning.values(), *geographies)

    def build_table() -> pl.DataFrame:
        places = load_places(project)
        codes = {code for system in geographies for code in load_geography(project, system).places["place_code"]}
        return build_hierarchy(places, load_place_data(project, places).areas, codes)

    return load_or_build_table(project.home, "parent", "all", key, build_table)


def load_places(project: Project) -> Places:
    """Return the area register and its code changes, cached by their files."""
    return load_cached_places(project.home, project.catalogue, project.as_of)


def load_geography(project: Project, system: str) -> GeographyPlaces:
    """Return the areas of a geography: from the register, or else from a table with its codes."""
    places = load_places(project)
    return _list_registered(places.register, system) or _load_from_tables(project, places, system)


# Many sources have one geography, so a process lists its areas once.
_list_registered = keep_results(MOST_GEOGRAPHIES)(geography_from_register)


def _load_from_tables(project: Project, places: Places, system: str) -> GeographyPlaces:
    """Return the areas of a geography from the tables with its codes, cached by these tables."""
    fingerprints = compute_table_keys(project.catalogue, project.home, project.as_of)
    key = hash_texts(fingerprints.places, *fingerprints.apportioning.values())

    def build_table() -> pl.DataFrame:
        listing = geography_from_tables(load_place_data(project, places), system)
        others = pl.DataFrame({"place_code": sorted(listing.other_codes)}, schema={"place_code": pl.String})
        return pl.concat([listing.places.with_columns(pl.lit(True).alias("own")), others], how="diagonal")

    return _read_listing(system, load_or_build_table(project.home, "system", system, key, build_table))


@keep_results(MOST_GEOGRAPHIES)
def _read_listing(system: str, table: pl.DataFrame) -> GeographyPlaces:
    own = pl.col("own").fill_null(False)
    return GeographyPlaces(system, table.filter(own).drop("own"), frozenset(table.filter(~own)["place_code"]))


def list_source_geographies(project: Project, name: str) -> list[GeographyPlaces]:
    """Return the geographies of a source's codes: its own, then those of its earlier releases."""
    source = project.catalogue.sources[name]
    return [load_geography(project, system) for system in (source.geography or "", *source.earlier_geographies)]
