"""A map of places as inline SVG: no script, no tiles, readable without colour by its titles and legend."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

Point = tuple[float, float]
Box = tuple[float, float, float, float]

WIDTH = 520.0
INSET = 150.0
LONDON = "E09"
MIDDLE = math.radians(54.5)
"""Latitude at which a degree of longitude is drawn in its true proportion: the middle of the United Kingdom."""


class Shape(NamedTuple):
    """One place as drawn: its rings as an SVG path, in map units."""

    code: str
    path: str
    box: Box


class Drawn(NamedTuple):
    """A map ready to be written: its size, its shapes, and the inset of London where there is one."""

    width: float
    height: float
    shapes: list[Shape]
    background: list[Shape]
    inset: list[Shape]
    inset_box: Box


def projected(point: list[float]) -> Point:
    """Project longitude and latitude to a plane, north up."""
    return point[0] * math.cos(MIDDLE), -point[1]


def rings_of(geometry: dict[str, Any]) -> list[list[Point]]:
    """Give the rings of a Polygon or MultiPolygon, projected."""
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [[projected(point) for point in ring] for polygon in polygons for ring in polygon]


def box_of(rings: Iterable[list[Point]]) -> Box:
    """Give the least box around some rings: left, top, right, bottom."""
    points = [point for ring in rings for point in ring]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def draw(boundaries: dict[str, Any] | None, codes: set[str], *, subset: bool) -> Drawn | None:
    """Draw the places asked about; for a subset the map is cut to them and shows their neighbours pale.

    Takes a GeoJSON FeatureCollection whose features have the property `code`. Gives null where no place
    asked about has a boundary.
    """
    features = boundaries["features"] if boundaries else []
    rings = {str(feature["properties"]["code"]): rings_of(feature["geometry"]) for feature in features}
    asked = {code: found for code, found in rings.items() if code in codes and found}
    if not asked:
        return None
    view = _margin(box_of(ring for found in asked.values() for ring in found), 0.06 if subset else 0.01)
    scale = WIDTH / (view[2] - view[0])
    around = {code: found for code, found in rings.items() if code not in codes and _meet(box_of(found), view)}
    inset = {} if subset else {code: found for code, found in asked.items() if code.startswith(LONDON)}
    height = (view[3] - view[1]) * scale
    return Drawn(
        WIDTH,
        height,
        _shapes(asked, view, scale, 0.0, 0.0),
        _shapes(around, view, scale, 0.0, 0.0) if subset else [],
        *_inset(inset, height),
    )


def _margin(box: Box, share: float) -> Box:
    room = max(box[2] - box[0], box[3] - box[1]) * share
    return box[0] - room, box[1] - room, box[2] + room, box[3] + room


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _inset(rings: dict[str, list[list[Point]]], height: float) -> tuple[list[Shape], Box]:
    """Draw London larger, in the sea at the top right."""
    if not rings:
        return [], (0.0, 0.0, 0.0, 0.0)
    view = _margin(box_of(ring for found in rings.values() for ring in found), 0.05)
    scale = INSET / (view[2] - view[0])
    left, top = WIDTH - INSET - 1.0, height * 0.26
    shapes = _shapes(rings, view, scale, left, top)
    return shapes, (left, top, INSET, (view[3] - view[1]) * scale)


def _shapes(rings: dict[str, list[list[Point]]], view: Box, scale: float, left: float, top: float) -> list[Shape]:
    return [Shape(code, _path(found, view, scale, left, top), box_of(found)) for code, found in sorted(rings.items())]


def _path(rings: list[list[Point]], view: Box, scale: float, left: float, top: float) -> str:
    """Write rings as one path; points that fall together are written once, but no ring is lost."""
    parts = []
    for ring in rings:
        points = [(f"{(x - view[0]) * scale + left:.1f}", f"{(y - view[1]) * scale + top:.1f}") for x, y in ring]
        kept = [point for n, point in enumerate(points) if n == 0 or point != points[n - 1]]
        parts.append("M" + "L".join(f"{x} {y}" for x, y in (kept if len(kept) > 2 else points)) + "Z")
    return "".join(parts)
