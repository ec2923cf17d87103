"""Outlines of the areas of a geography: stored boundaries, or those of the districts that are nested in each area."""

from typing import Any

import polars as pl

from pipelines.core.schema import TEXT, Column, table_from_records
from pipelines.core.store import load_or_build_table
from pipelines.core.table_cache import keep_results
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts
from pipelines.declarations.project import Project
from pipelines.geography.access import load_geography, load_places
from pipelines.geography.contiguity_load import list_boundary_sources, map_nested_districts, read_boundaries
from pipelines.geography.register import list_ancestors
from pipelines.geography.systems import geography_kind

GROUPING: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of a district"),
    "area_code": Column(TEXT, "Code of the area that the district is nested in"),
}
"""A district and the area of a geography that contains it whole."""


def load_outlines(project: Project, system: str) -> dict[str, Any] | None:
    """Return the outlines of the areas of a geography as a FeatureCollection, with `code` on each feature.

    An area without a stored boundary has the outlines of its districts. Where districts are not nested in the areas,
    the districts themselves are returned. None where no boundaries are stored.
    """
    kind, stored = geography_kind(system), {geography_kind(drawn) for drawn in list_boundary_sources(project).values()}
    districts = read_boundaries(project, kind if kind in stored else "lad")
    if kind in stored or districts is None:
        return districts
    pairs = tuple(_load_grouping(project, system).iter_rows())
    return group_outlines(districts, pairs) if pairs else districts


def load_groupings(project: Project) -> None:
    """Build the table of the districts in the areas of each geography of a problem, while a build has read the areas.

    The reports would each read all small areas again.
    """
    drawn = {geography_kind(system) for system in list_boundary_sources(project).values()}
    for system in sorted({problem.header.geography for problem in project.catalogue.problems.values()}):
        if geography_kind(system) not in drawn:
            _load_grouping(project, system)


def _load_grouping(project: Project, system: str) -> pl.DataFrame:
    """Return the area of a geography that each district is nested in (GROUPING), cached by what defines it."""
    current = compute_table_keys(project.catalogue, project.home, project.as_of)
    key = hash_texts(current.boundaries, current.places, *current.apportioning.values(), system)

    def build_table() -> pl.DataFrame:
        areas = _add_merged_districts(project, system, map_nested_districts(project, system))
        rows = [{"place_code": code, "area_code": area} for code, area in sorted(areas.items())]
        return table_from_records(rows, GROUPING)

    return load_or_build_table(project.home, "grouping", system, key, build_table)


def _add_merged_districts(project: Project, system: str, areas: dict[str, str]) -> dict[str, str]:
    """Add the districts that were made only of whole districts of one area, such as those of a former county."""
    places = load_places(project)
    target = set(load_geography(project, system).places["place_code"]) if areas else set()
    parts = places.changes.filter(~pl.col("to_code").is_in(list(areas))).group_by("to_code").agg("from_code", "kind")
    added = {}
    for code, before, kinds in parts.iter_rows():
        larger = {next((up for up in list_ancestors(old, places.parents) if up in target), None) for old in before}
        area = larger.pop()
        if area and not larger and set(kinds) == {"merged"}:
            added[code] = area
    return areas | added


@keep_results(1)
def group_outlines(districts: dict[str, Any], pairs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return the outlines of areas from those of their districts (GROUPING), and of the districts that are in none."""
    areas = dict(pairs)
    polygons: dict[str, list[Any]] = {}
    for feature in districts["features"]:
        code = feature["properties"]["code"]
        polygons.setdefault(areas.get(code, code), []).extend(_polygons(feature["geometry"]))
    features = [
        {"type": "Feature", "properties": {"code": code},
         "geometry": {"type": "MultiPolygon", "coordinates": parts} if parts else None}
        for code, parts in sorted(polygons.items())
    ]  # fmt: skip
    return {"type": "FeatureCollection", "from_districts": True, "features": features}


def _polygons(geometry: dict[str, Any] | None) -> list[Any]:
    if not geometry:
        return []
    return list(geometry["coordinates"]) if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
