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
from pipelines.core.schema import empty
from pipelines.core.store import cached, held_releases, prune, read_snapshot
from pipelines.declarations.fingerprints import hashed, keys
from pipelines.declarations.project import Project
from pipelines.geography.access import register_places
from pipelines.geography.contiguity import NEIGHBOUR, PAIR, neighbours, put_together
from pipelines.geography.crosswalk import Geography, codes_of
from pipelines.geography.load import geography
from pipelines.geography.overlay import membership
from pipelines.geography.register import Places, links
from pipelines.geography.systems import kind_of
from pipelines.readers import read_json, unpacked

Held = Callable[[], Geography]


def boundaries(project: Project, kind: str = "lad") -> dict[str, Any] | None:
    """Read the boundaries of areas of a kind, with each feature's code under `code`; None where none are stored."""
    for name, system in _drawn(project).items():
        if kind_of(system) == kind:
            for group in reversed(held_releases(project.home, name, project.as_of)):
                return _read(project.home, group[0].sha256, group[0].file)
    return None


def _drawn(project: Project) -> dict[str, str]:
    """Return the boundary sources and the geography of each."""
    sources = project.catalogue.sources
    return {name: sources[name].geography or "lad" for name in project.catalogue.providing("boundary")}


@lru_cache(maxsize=2)
def _read(home: Path, sha256: str, name: str) -> dict[str, Any]:
    """Read a file of boundaries once: every report uses them, and nothing changes them."""
    content, file = unpacked(read_snapshot(home, sha256), None, name, "json")
    return _coded(read_json(content, file), file)


def _coded(collection: dict[str, Any], file: str) -> dict[str, Any]:
    for feature in collection.get("features", []):
        properties = feature["properties"]
        code = next((v for k, v in properties.items() if k == "code" or k.upper().endswith("CD")), None)
        if code is None:
            raise UnreadableError(
                f"{file}: found a boundary with properties {sorted(properties)}, expected a property with a code"
            )
        properties["code"] = code
    return collection


SYSTEMS = (
    "lad_2024", "utla_2024", "region_2024", "nation_2024", "combined_authority_2023", "pfa_2024", "fra_2024",
    "itl1_2021", "itl2_2021", "nuts1_2018",
)  # fmt: skip
"""Geographies that districts are nested in; the table has them beside the geographies of problems."""


def neighbour_table(project: Project) -> pl.DataFrame:
    """Return the areas that share a border (contiguity.NEIGHBOUR), for every geography where borders are known."""
    systems = {*SYSTEMS, *_systems(project)}
    prune(project.home, "neighbour", systems)
    held = _held(project)
    return pl.concat(
        [empty(NEIGHBOUR), *(neighbours_in(project, system, held) for system in sorted(systems - {"lad"}))]
    )


def _held(project: Project) -> Held:
    """Return a function that reads all stored geography data when first called."""
    return cache(lambda: geography(project, register_places(project)))


def _systems(project: Project) -> set[str]:
    """Return the geographies of problems and of stored boundaries."""
    return {problem.header.geography for problem in project.catalogue.problems.values()} | set(_drawn(project).values())


def neighbours_in(project: Project, system: str, held: Held | None = None) -> pl.DataFrame:
    """Return the pairs of one geography that share a border (contiguity.NEIGHBOUR); empty where borders are unknown.

    The pairs are cached by the boundaries and tables that define them.
    """
    made_from = keys(project.catalogue, project.home, project.as_of)
    key = hashed(made_from.boundaries, made_from.places, *made_from.apportioning.values(), system)
    return cached(project.home, "neighbour", system, key, lambda: _neighbours(project, system, held or _held(project)))


def _neighbours(project: Project, system: str, held: Held) -> pl.DataFrame:
    own = {kind_of(each): each for each in _drawn(project).values()}
    if own.get(kind_of(system)) == system:
        told, basis = neighbours(boundaries(project, kind_of(system))), f"boundaries of {system}"
    else:
        basis = f"aggregated districts, boundaries of {own.get('lad')}"
        districts = neighbours_in(project, own["lad"]).select(list(PAIR)) if "lad" in own else neighbours(None)
        told = (
            put_together(districts, _districts_of(register_places(project), held, districts, system))
            if districts.height
            else districts
        )
    return told.with_columns(place_system=pl.lit(system), basis=pl.lit(basis)).select(list(NEIGHBOUR))


def _districts_of(places: Places, held: Held, districts: pl.DataFrame, system: str) -> dict[str, str]:
    """Return the area of a geography that each district is nested in, from the register or else from tables."""
    return whole(Geography(places, (), ()), districts, system) or whole(held(), districts, system)


def whole(held: Geography, districts: pl.DataFrame, system: str) -> dict[str, str]:
    """Return the area of a geography that each district is nested in; empty where a district is in several.

    The register defines it, or else the table of small areas that links districts to the geography.
    """
    codes = districts["place_code"].unique().sort().to_list()
    try:
        target = set(codes_of(held, system))
    except UnknownNameError:
        return {}
    found = {code: reach.codes for code, reach in links(held.places, codes, target).items()}
    for areas in held.areas:
        column = next(
            (name for name in areas.systems if kind_of(name) == "lad" and set(codes) <= set(areas.table[name])), None
        )
        told = membership(areas, held.places, system) if column and not found else None
        if told and column:
            pairs = pl.DataFrame({"code": areas.table[column], "to": told[0]}).drop_nulls().unique()
            found |= dict(pairs.group_by("code").agg("to").iter_rows())
    alone = {code: to[0] for code, to in found.items() if len(to) == 1}
    return alone if len(alone) == len(found) else {}
