"""A map of places as inline SVG: no script, no tiles, readable without colour by its titles and legend."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

Point = tuple[float, float]
Ring = list[Point]
Box = tuple[float, float, float, float]

WIDTH = 520.0
INSET = 150.0
LONDON = "E09"
TOO_SMALL = 0.35
"""London is drawn again, larger, where it takes less than this share of the map's width."""
MIDDLE = math.radians(54.5)
"""Latitude at which a degree of longitude is drawn in its true proportion: the middle of the United Kingdom."""


class Shape(NamedTuple):
    """One place as drawn: its rings as an SVG path, in map units."""

    code: str
    path: str


class Drawn(NamedTuple):
    """A map ready to be written: its size, its shapes, the inset of London where there is one, who is not on it."""

    width: float
    height: float
    shapes: list[Shape]
    background: list[Shape]
    inset: list[Shape]
    inset_box: Box
    absent: list[str]


class _Frame(NamedTuple):
    """Where a part of the world goes on paper: what is seen, how large, and its top left corner."""

    view: Box
    scale: float
    left: float = 0.0
    top: float = 0.0


def projected(point: list[float]) -> Point:
    """Project longitude and latitude to a plane, north up."""
    return point[0] * math.cos(MIDDLE), -point[1]


def rings_of(geometry: dict[str, Any] | None) -> list[Ring]:
    """Give the rings of a Polygon or MultiPolygon, projected; none of what is no area."""
    if not geometry or geometry["type"] not in ("Polygon", "MultiPolygon"):
        return []
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [[projected(point) for point in ring] for polygon in polygons for ring in polygon if ring]


def box_of(rings: Iterable[Ring]) -> Box:
    """Give the least box around some rings: left, top, right, bottom."""
    points = [point for ring in rings for point in ring]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def draw(boundaries: dict[str, Any] | None, codes: set[str], *, subset: bool) -> Drawn | None:
    """Draw the places asked about; for a subset the map is cut to them and shows their neighbours pale.

    Takes a GeoJSON FeatureCollection whose features have the property `code`. Gives null where no place
    asked about has a boundary; places without one are named as absent.
    """
    features = boundaries["features"] if boundaries else []
    rings = {str(feature["properties"]["code"]): rings_of(feature["geometry"]) for feature in features}
    asked = {code: found for code, found in rings.items() if code in codes and found}
    if not asked:
        return None
    view = _margin(box_of(ring for found in asked.values() for ring in found), 0.06 if subset else 0.01)
    frame = _Frame(view, WIDTH / (view[2] - view[0]))
    around = {c: found for c, found in rings.items() if c not in codes and found and _meet(box_of(found), view)}
    inset, inset_box = _inset(asked, frame)
    return Drawn(
        max(WIDTH, inset_box[0] + inset_box[2] + 1.0),
        (view[3] - view[1]) * frame.scale,
        _shapes(asked, frame),
        _shapes(around, frame) if subset else [],
        inset,
        inset_box,
        sorted(codes - set(asked)),
    )


def _margin(box: Box, share: float) -> Box:
    room = max(box[2] - box[0], box[3] - box[1]) * share
    return box[0] - room, box[1] - room, box[2] + room, box[3] + room


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _inset(asked: dict[str, list[Ring]], frame: _Frame) -> tuple[list[Shape], Box]:
    """Draw London larger: in the North Sea where that is free, else beside the map."""
    london = {code: found for code, found in asked.items() if code.startswith(LONDON)}
    if not london:
        return [], (0.0, 0.0, 0.0, 0.0)
    box = box_of(ring for found in london.values() for ring in found)
    if (box[2] - box[0]) * frame.scale > TOO_SMALL * WIDTH:
        return [], (0.0, 0.0, 0.0, 0.0)
    view = _margin(box, 0.05)
    scale = INSET / (view[2] - view[0])
    height = (view[3] - view[1]) * scale
    left, top = WIDTH - INSET - 1.0, (frame.view[3] - frame.view[1]) * frame.scale * 0.26
    if not _free(asked, frame, (left, top, left + INSET, top + height)):
        left = WIDTH + 8.0
    return _shapes(london, _Frame(view, scale, left, top)), (left, top, INSET, height)


def _free(asked: dict[str, list[Ring]], frame: _Frame, paper: Box) -> bool:
    """Tell whether a piece of paper has no land on it."""
    x, y, scale = frame.view[0], frame.view[1], frame.scale
    there = (paper[0] / scale + x, paper[1] / scale + y, paper[2] / scale + x, paper[3] / scale + y)
    return not any(_meet(box_of([ring]), there) for found in asked.values() for ring in found)


def _shapes(rings: dict[str, list[Ring]], frame: _Frame) -> list[Shape]:
    return [Shape(code, _path(found, frame)) for code, found in sorted(rings.items())]


def _path(rings: list[Ring], frame: _Frame) -> str:
    """Write rings as one path; points that fall together are written once, but no ring is lost."""
    view, scale, left, top = frame
    parts = []
    for ring in rings:
        points = [(f"{(x - view[0]) * scale + left:.1f}", f"{(y - view[1]) * scale + top:.1f}") for x, y in ring]
        kept = [point for n, point in enumerate(points) if n == 0 or point != points[n - 1]]
        parts.append("M" + "L".join(f"{x} {y}" for x, y in (kept if len(kept) > 2 else points)) + "Z")
    return "".join(parts)
