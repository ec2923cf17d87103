"""Boundaries as files that maps open: GeoJSON, GeoParquet, and the rows of the table `boundaries`."""

import io
import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.schema import TEXT, Column, empty_table
from pipelines.core.table_cache import keep_results
from pipelines.declarations.project import Project
from pipelines.geography import geography_kind, list_boundary_sources, read_boundaries

FOLDER = "boundaries"
"""Folder of the files of boundaries among the outputs."""
BOUNDARY: dict[str, Column] = {
    "geography": Column(TEXT, "Geography of the area, such as lad_2024"),
    "place_code": Column(TEXT, "Code of the area"),
    "place_name": Column(TEXT, "Name of the area in the publisher's file"),
    "source": Column(TEXT, "Source of the boundary"),
    "geometry": Column(pl.Binary, "Boundary as well-known binary; longitude and latitude on WGS 84"),
}
"""A stored boundary."""
_POLYGON, _MULTIPOLYGON = 3, 6
"""Numbers of the kinds of shape in well-known binary."""


class BoundaryFile(NamedTuple):
    """A stored geography: its source, its name such as lad_2024, and its GeoJSON FeatureCollection."""

    source: str
    geography: str
    collection: dict[str, Any]


def list_boundary_files(project: Project) -> list[BoundaryFile]:
    """Return the geographies with stored boundaries."""
    sources = list_boundary_sources(project).items()
    read = [
        BoundaryFile(name, system, read_boundaries(project, geography_kind(system)) or {}) for name, system in sources
    ]
    return [file for file in read if file.collection]


def boundary_table(project: Project) -> pl.DataFrame:
    """Return every stored boundary (BOUNDARY)."""
    return pl.concat([empty_table(BOUNDARY), *(_tabulate(file) for file in list_boundary_files(project))])


def _tabulate(file: BoundaryFile) -> pl.DataFrame:
    rows = [
        (file.geography, feature["properties"]["code"], _name(feature), file.source, encode_wkb(feature["geometry"]))
        for feature in file.collection["features"] if feature["geometry"]
    ]  # fmt: skip
    schema = {name: column.dtype for name, column in BOUNDARY.items()}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("place_code")


def _name(feature: dict[str, Any]) -> str:
    properties = feature["properties"]
    return str(next((value for key, value in properties.items() if key.upper().endswith("NM")), properties["code"]))


def boundary_contents(project: Project) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of the files of each stored geography: GeoJSON and GeoParquet."""
    for file in list_boundary_files(project):
        features = [
            _encode_feature({"place_code": feature["properties"]["code"], "place_name": _name(feature)}, geometry)
            for feature, geometry in zip(file.collection["features"], _geometries(file.collection), strict=True)
        ]
        yield f"{FOLDER}/{file.geography}.geojson", encode_collection(file.geography, features)
        yield f"{FOLDER}/{file.geography}.parquet", _encode_geoparquet(_tabulate(file), file.collection)


def encode_collection(name: str, features: list[str]) -> bytes:
    """Return a GeoJSON FeatureCollection of encoded features, one a line."""
    head = f'{{"type": "FeatureCollection", "name": {json.dumps(name, ensure_ascii=False)}, "features": [\n'
    return (head + ",\n".join(features) + "\n]}\n").encode()


_encode_properties = json.JSONEncoder(ensure_ascii=False).encode


def _encode_feature(properties: dict[str, Any], geometry: str) -> str:
    text = _encode_properties(properties)
    return f'{{"type": "Feature", "properties": {text}, "geometry": {geometry}}}'


def encode_place(properties: dict[str, Any], geometries: dict[str, str]) -> str:
    """Return the GeoJSON feature of a place by its `place_code`; without a boundary its geometry is null."""
    return _encode_feature(properties, geometries.get(properties["place_code"], "null"))


@keep_results(1)
def _geometries(collection: dict[str, Any]) -> list[str]:
    """Return the geometry of each feature as JSON, encoded once for all problems of a build."""
    encode = json.JSONEncoder(separators=(",", ":")).encode
    return [encode(feature["geometry"]) for feature in collection["features"]]


def geometries_by_code(collection: dict[str, Any]) -> dict[str, str]:
    """Return the geometry of each area as JSON, by its code."""
    codes = (str(feature["properties"]["code"]) for feature in collection["features"])
    return dict(zip(codes, _geometries(collection), strict=True))


def encode_wkb(geometry: dict[str, Any]) -> bytes:
    """Return a Polygon or MultiPolygon of GeoJSON as little-endian well-known binary."""
    if geometry["type"] == "Polygon":
        return _encode_polygon(geometry["coordinates"])
    polygons = geometry["coordinates"]
    return struct.pack("<BII", 1, _MULTIPOLYGON, len(polygons)) + b"".join(map(_encode_polygon, polygons))


def _encode_polygon(rings: list[list[list[float]]]) -> bytes:
    parts = [struct.pack("<BII", 1, _POLYGON, len(rings))]
    for ring in rings:
        numbers = [number for point in ring for number in point[:2]]
        parts.append(struct.pack(f"<I{len(numbers)}d", len(ring), *numbers))
    return b"".join(parts)


def _encode_geoparquet(table: pl.DataFrame, collection: dict[str, Any]) -> bytes:
    """Return a table with a column `geometry` as GeoParquet 1.1, which maps open without an import."""
    kinds = sorted({feature["geometry"]["type"] for feature in collection["features"] if feature["geometry"]})
    column = {"encoding": "WKB", "geometry_types": kinds, "bbox": _bounding_box(collection)}
    geo = json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}})
    content = io.BytesIO()
    table.write_parquet(content, compression="zstd", metadata={"geo": geo})
    return content.getvalue()


def _bounding_box(collection: dict[str, Any]) -> list[float]:
    points = [
        point for feature in collection["features"] if feature["geometry"]
        for ring in _rings(feature["geometry"]) for point in ring
    ]  # fmt: skip
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return [min(xs), min(ys), max(xs), max(ys)]


def _rings(geometry: dict[str, Any]) -> list[list[list[float]]]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [ring for polygon in polygons for ring in polygon]
