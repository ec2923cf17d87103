"""Stored boundaries, and the areas that share a border, read once and cached.

Borders of districts, and of other geographies with stored boundaries, come from these boundaries. Borders of areas that
districts are nested in come from aggregated districts. For other geographies, such as travel to work areas, borders are
unknown and no pair is returned.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.core.errors import UnknownNameError, UnreadableError
from pipelines.core.schema import empty_table
from pipelines.core.snapshots import read_snapshot, stored_releases
from pipelines.core.store import load_or_build_table, prune_tables
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.contiguity import NEIGHBOUR, PAIR, find_neighbours, merge_neighbours
from pipelines.geography.crosswalk import PlaceData, list_geography_codes
from pipelines.geography.load import load_place_data
from pipelines.geography.overlay import find_membership
from pipelines.geography.register import Places, find_successors
from pipelines.geography.systems import geography_kind
from pipelines.readers import read_json, unpack_file

PlaceDataLoader = Callable[[], PlaceData]


def read_boundaries(project: Project, kind: str = "lad") -> dict[str, Any] | None:
    """Read the boundaries of areas of a kind, with each feature's code under `code`; None where none are stored."""
    for name, system in list_boundary_sources(project).items():
        if geography_kind(system) == kind:
            for group in reversed(stored_releases(project.home, name, project.as_of)):
                return _read_boundary_file(project.home, group[0].sha256, group[0].file)
    return None


def list_boundary_sources(project: Project) -> dict[str, str]:
    """Return the boundary sources with a stored release, and the geography of each."""
    sources = project.catalogue.sources
    return {
        name: sources[name].geography or "lad"
        for name in project.catalogue.sources_providing("boundary")
        if stored_releases(project.home, name, project.as_of)
    }


@lru_cache(maxsize=2)
def _read_boundary_file(home: Path, sha256: str, name: str) -> dict[str, Any]:
    """Read a file of boundaries once: every report uses them, and nothing changes them."""
    content, file = unpack_file(read_snapshot(home, sha256), None, name, "json")
    return _add_codes(read_json(content, file), file)


def _add_codes(collection: dict[str, Any], file: str) -> dict[str, Any]:
    for feature in collection.get("features", []):
        properties = feature["properties"]
        code = next((v for k, v in properties.items() if k == "code" or k.upper().endswith("CD")), None)
        if code is None:
            raise UnreadableError(
                f"{file}: found a boundary with properties {sorted(properties)}, expected a property with a code"
            )
        properties["code"] = code
    return collection


DISTRICT_GROUPINGS = (
    "lad_2024", "utla_2024", "region_2024", "nation_2024", "combined_authority_2023", "pfa_2024", "fra_2024",
    "itl1_2021", "itl2_2021", "nuts1_2018",
)  # fmt: skip
"""Geographies that districts are nested in; the table has them beside the geographies of problems."""


def load_neighbour_table(project: Project) -> pl.DataFrame:
    """Return the areas that share a border (contiguity.NEIGHBOUR), for every geography where borders are known."""
    systems = {*DISTRICT_GROUPINGS, *_list_neighbour_geographies(project)}
    prune_tables(project.home, "neighbour", systems)
    load_data = _place_data_loader(project)
    return pl.concat(
        [empty_table(NEIGHBOUR), *(load_neighbours(project, system, load_data) for system in sorted(systems - {"lad"}))]
    )


def _place_data_loader(project: Project) -> PlaceDataLoader:
    """Return a function that reads all stored geography data when first called."""
    return cache(lambda: load_place_data(project, load_places(project)))


def _list_neighbour_geographies(project: Project) -> set[str]:
    """Return the geographies of problems and of stored boundaries."""
    return {problem.header.geography for problem in project.catalogue.problems.values()} | set(
        list_boundary_sources(project).values()
    )


def load_neighbours(project: Project, system: str, load_data: PlaceDataLoader | None = None) -> pl.DataFrame:
    """Return the pairs of one geography that share a border (contiguity.NEIGHBOUR); empty where borders are unknown.

    The pairs are cached by the boundaries and tables that define them.
    """
    fingerprints = compute_table_keys(project.catalogue, project.home, project.as_of)
    key = hash_texts(fingerprints.boundaries, fingerprints.places, *fingerprints.apportioning.values(), system)
    return load_or_build_table(
        project.home,
        "neighbour",
        system,
        key,
        lambda: _build_neighbours(project, system, load_data or _place_data_loader(project)),
    )


def _build_neighbours(project: Project, system: str, load_data: PlaceDataLoader) -> pl.DataFrame:
    own = {geography_kind(drawn): drawn for drawn in list_boundary_sources(project).values()}
    if own.get(geography_kind(system)) == system:
        pairs, basis = find_neighbours(read_boundaries(project, geography_kind(system))), f"boundaries of {system}"
    else:
        basis = f"aggregated districts, boundaries of {own.get('lad')}"
        districts = load_neighbours(project, own["lad"]).select(list(PAIR)) if "lad" in own else find_neighbours(None)
        pairs = (
            merge_neighbours(districts, _map_districts(load_places(project), load_data, districts, system))
            if districts.height
            else districts
        )
    return pairs.with_columns(geography=pl.lit(system), boundary_source=pl.lit(basis)).select(list(NEIGHBOUR))


def _map_districts(places: Places, load_data: PlaceDataLoader, districts: pl.DataFrame, system: str) -> dict[str, str]:
    """Return the area of a geography that each district is nested in, from the register or else from tables."""
    return map_whole_districts(PlaceData(places, (), ()), districts, system) or map_whole_districts(
        load_data(), districts, system
    )


def map_nested_districts(project: Project, system: str) -> dict[str, str]:
    """Return the area of a geography that each district with a stored boundary is nested in; empty where none is."""
    features = (read_boundaries(project) or {"features": []})["features"]
    districts = pl.DataFrame({"place_code": [str(feature["properties"]["code"]) for feature in features]})
    return _map_districts(load_places(project), _place_data_loader(project), districts, system) if features else {}


def map_whole_districts(place_data: PlaceData, districts: pl.DataFrame, system: str) -> dict[str, str]:
    """Return the area of a geography that each district is nested in; empty where a district is in several.

    The register defines it, or else the table of small areas that links districts to the geography.
    """
    codes = districts["place_code"].unique().sort().to_list()
    try:
        target = set(list_geography_codes(place_data, system))
    except UnknownNameError:
        return {}
    assigned = {code: successor.codes for code, successor in find_successors(place_data.places, codes, target).items()}
    for areas in place_data.areas:
        column = next(
            (
                name
                for name in areas.systems
                if geography_kind(name) == "lad" and set(codes) <= set(areas.table[name].unique())
            ),
            None,
        )
        member = find_membership(areas, place_data.places, system) if column and not assigned else None
        if member and column:
            pairs = pl.DataFrame({"code": areas.table[column], "to": member[0]}).drop_nulls().unique()
            assigned |= dict(pairs.group_by("code").agg("to").iter_rows())
    alone = {code: to[0] for code, to in assigned.items() if len(to) == 1}
    return alone if len(alone) == len(assigned) else {}
