"""Maps as inline SVG without scripts: places by colour, and boundaries with discontinuities."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

from pipelines.core.table_cache import keep_results
from pipelines.geography import Segment, find_border_segments

Point = tuple[float, float]
Ring = list[Point]
Box = tuple[float, float, float, float]

MAP_WIDTH = 520.0
INSET_WIDTH = 150.0
LONDON_PREFIX = "E09"
INSET_THRESHOLD = 0.35
"""An inset shows London enlarged if London takes less than this share of the map's width."""
OUTLINES = "outlines"
"""Identifier of the outlines of all places in a page: its maps refer to them."""
LEAST_STEP = 4
"""Least distance between two drawn points of an outline, in tenths of a map unit: less is not visible."""
MIDDLE_LATITUDE = math.radians(54.5)
"""Latitude with the true scale of longitude: the middle of the United Kingdom, in radians."""


class Shape(NamedTuple):
    """Outline of one place as an SVG path, in map units."""

    code: str
    path: str


class _Frame(NamedTuple):
    """Mapping from projected coordinates to the drawing: visible box, scale and top left corner."""

    view: Box
    scale: float
    left: float = 0.0
    top: float = 0.0


class MapDrawing(NamedTuple):
    """Map ready to render: size, shapes, optional inset of London, and codes of places without a boundary."""

    width: float
    height: float
    shapes: list[Shape]
    background: list[Shape]
    inset: list[Shape]
    inset_box: Box
    absent: list[str]
    frame: _Frame


def project_point(point: list[float]) -> Point:
    """Project longitude and latitude to a plane, north up."""
    return point[0] * math.cos(MIDDLE_LATITUDE), -point[1]


def polygon_rings(geometry: dict[str, Any] | None) -> list[Ring]:
    """Return the projected rings of a Polygon or MultiPolygon. Other geometries return an empty list."""
    if not geometry or geometry["type"] not in ("Polygon", "MultiPolygon"):
        return []
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [[project_point(point) for point in ring] for polygon in polygons for ring in polygon if ring]


@keep_results(1)
def _project_boundaries(boundaries: dict[str, Any] | None) -> dict[str, list[Ring]]:
    """Return the projected rings of every area by code."""
    features = boundaries["features"] if boundaries else []
    return {str(feature["properties"]["code"]): polygon_rings(feature["geometry"]) for feature in features}


def bounding_box(rings: Iterable[Ring]) -> Box:
    """Return the bounding box of rings: left, top, right, bottom."""
    points = [point for ring in rings for point in ring]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def draw_map(boundaries: dict[str, Any] | None, codes: set[str], *, subset: bool) -> MapDrawing | None:
    """Draw the requested places. For a subset, crop the map to them and show their neighbours in a pale colour.

    `boundaries` is a GeoJSON FeatureCollection with the property `code` on each feature. Return None if no requested
    place has a boundary. `absent` lists requested places without a boundary.
    """
    return _draw_places(_project_boundaries(boundaries), frozenset(codes), subset)


@keep_results(16)
def _draw_places(rings: dict[str, list[Ring]], codes: frozenset[str], subset: bool) -> MapDrawing | None:
    place_rings = {code: shape_rings for code, shape_rings in rings.items() if code in codes and shape_rings}
    if not place_rings:
        return None
    view = _add_margin(
        bounding_box(ring for shape_rings in place_rings.values() for ring in shape_rings), 0.06 if subset else 0.01
    )
    frame = _Frame(view, MAP_WIDTH / (view[2] - view[0]))
    around = {
        c: shape_rings
        for c, shape_rings in rings.items()
        if c not in codes and shape_rings and _boxes_overlap(bounding_box(shape_rings), view)
    }
    inset, inset_box = _draw_inset(place_rings, frame)
    return MapDrawing(
        max(MAP_WIDTH, inset_box[0] + inset_box[2] + 1.0),
        (view[3] - view[1]) * frame.scale,
        _draw_shapes(place_rings, frame),
        _draw_shapes(around, frame) if subset else [],
        inset,
        inset_box,
        sorted(codes - set(place_rings)),
        frame,
    )


def _add_margin(box: Box, share: float) -> Box:
    room = max(box[2] - box[0], box[3] - box[1]) * share
    return box[0] - room, box[1] - room, box[2] + room, box[3] + room


def _boxes_overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _draw_inset(place_rings: dict[str, list[Ring]], frame: _Frame) -> tuple[list[Shape], Box]:
    """Draw London enlarged, in the North Sea if the space is free, otherwise beside the map."""
    london = {code: shape_rings for code, shape_rings in place_rings.items() if code.startswith(LONDON_PREFIX)}
    if not london:
        return [], (0.0, 0.0, 0.0, 0.0)
    box = bounding_box(ring for shape_rings in london.values() for ring in shape_rings)
    if (box[2] - box[0]) * frame.scale > INSET_THRESHOLD * MAP_WIDTH:
        return [], (0.0, 0.0, 0.0, 0.0)
    view = _add_margin(box, 0.05)
    scale = INSET_WIDTH / (view[2] - view[0])
    height = (view[3] - view[1]) * scale
    left, top = MAP_WIDTH - INSET_WIDTH - 1.0, (frame.view[3] - frame.view[1]) * frame.scale * 0.26
    if not _is_free(place_rings, frame, (left, top, left + INSET_WIDTH, top + height)):
        left = MAP_WIDTH + 8.0
    return _draw_shapes(london, _Frame(view, scale, left, top)), (left, top, INSET_WIDTH, height)


def _is_free(place_rings: dict[str, list[Ring]], frame: _Frame, paper: Box) -> bool:
    """Return whether a rectangle of the drawing has no land."""
    x, y, scale = frame.view[0], frame.view[1], frame.scale
    there = (paper[0] / scale + x, paper[1] / scale + y, paper[2] / scale + x, paper[3] / scale + y)
    return not any(
        _boxes_overlap(bounding_box([ring]), there) for shape_rings in place_rings.values() for ring in shape_rings
    )


def _draw_shapes(rings: dict[str, list[Ring]], frame: _Frame) -> list[Shape]:
    return [Shape(code, _ring_path(shape_rings, frame)) for code, shape_rings in sorted(rings.items())]


def _ring_path(rings: list[Ring], frame: _Frame) -> str:
    """Return rings as one SVG path with relative points. Points closer than LEAST_STEP are left out; no ring is."""
    return "".join(_short_path(_screen_points(ring, frame)) for ring in rings)


def _screen_points(ring: Ring, frame: _Frame) -> list[tuple[int, int]]:
    """Return the points of a ring in tenths of a map unit."""
    view, scale, left, top = frame
    return [(round(10 * ((x - view[0]) * scale + left)), round(10 * ((y - view[1]) * scale + top))) for x, y in ring]


def _short_path(points: list[tuple[int, int]]) -> str:
    kept = [points[0]]
    for point in points[1:-1]:
        if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= LEAST_STEP:
            kept.append(point)
    kept = kept if len(kept) > 2 else points[:-1]
    steps = [(x - before[0], y - before[1]) for before, (x, y) in pairwise(kept)]
    texts = [_tenths(number) for step in steps for number in step]
    body = "".join(text if text[0] == "-" or not n else f" {text}" for n, text in enumerate(texts))
    return f"M{_tenths(kept[0][0])} {_tenths(kept[0][1])}l{body}z"


def _tenths(number: int) -> str:
    text = f"{number / 10:g}"
    return text.replace("0.", ".", 1) if abs(number) < 10 and number else text


LINE_DASHES = {"known_unknown": "", "nation_edge": "6 3", "jump": "2 2"}
LINE_COLOURS = {"known_unknown": "#7a1f1f", "nation_edge": "#1d4f76", "jump": "#b3532b"}
BREAK_TITLES = {
    "known_unknown": "figure on one side only",
    "nation_edge": "series ends at a national boundary",
    "jump": "unusually large difference between neighbours",
    "straddles": "published area on both sides of the boundary",
    "low_reach": "partial coverage",
}
"""Titles of the kinds of discontinuity. Lines differ by colour and by dash, so that colour is not the only cue."""
BorderRows = Sequence[Mapping[str, Any]]


def draw_borders(boundaries: dict[str, Any] | None, rows: BorderRows, drawn: MapDrawing | None) -> str:
    """Draw the boundaries of rows of cliffs.BOUNDARY_CLIFF over the outlines of a drawing, which the page has once.

    `boundaries` is a GeoJSON FeatureCollection with the property `code` on each feature. Return an empty text without a
    drawing. A boundary with several measures is drawn once for each kind of discontinuity.
    """
    if drawn is None:
        return ""
    lines = "".join(
        _draw_line(kind, borders, drawn.frame) for kind, borders in _segments_by_kind(boundaries, rows).items()
    )
    label = escape(describe_breaks(rows), quote=True)
    size = f"{drawn.width:.0f} {drawn.height:.0f}"
    return (
        f'<svg class="border-lines" viewBox="0 0 {size}" role="img" aria-label="{label}"><title>{label}</title>'
        f'<use href="#{OUTLINES}"/>{lines}</svg>'
    )


def describe_breaks(rows: BorderRows) -> str:
    """Describe in one sentence the number of boundaries with a discontinuity, by kind."""
    counts = [f"{len(pairs)} ({BREAK_TITLES[kind]})" for kind in LINE_COLOURS if (pairs := _border_pairs(rows, kind))]
    return f"Boundaries with a discontinuity: {'; '.join(counts)}" if counts else "No boundary has a discontinuity"


def _border_pairs(rows: BorderRows, kind: str) -> set[tuple[str, str]]:
    return {(row["place_a"], row["place_b"]) for row in rows if row["kind"] == kind and row["place_b"]}


def _segments_by_kind(boundaries: dict[str, Any] | None, rows: BorderRows) -> dict[str, list[Segment]]:
    pairs = {kind: _border_pairs(rows, kind) for kind in LINE_COLOURS}
    borders = find_border_segments(boundaries, set().union(*pairs.values()))
    by_kind = {
        kind: [segment for pair in sorted(kind_pairs) for segment in borders.get(pair, [])]
        for kind, kind_pairs in pairs.items()
    }
    return {kind: segments for kind, segments in by_kind.items() if segments}


def _draw_line(kind: str, segments: list[Segment], frame: _Frame) -> str:
    parts = "".join(
        "M" + "L".join(_format_point(project_point(list(point)), frame) for point in segment) for segment in segments
    )
    dash = f' stroke-dasharray="{LINE_DASHES[kind]}"' if LINE_DASHES[kind] else ""
    return (
        f'<path class="{kind}" d="{parts}" fill="none" stroke="{LINE_COLOURS[kind]}" stroke-width="1.6"{dash}>'
        f"<title>{escape(BREAK_TITLES[kind])}</title></path>"
    )


def _format_point(point: Point, frame: _Frame) -> str:
    return f"{(point[0] - frame.view[0]) * frame.scale:.1f} {(point[1] - frame.view[1]) * frame.scale:.1f}"


def render_borders_table(
    rows: BorderRows, titles: Mapping[str, str] = MappingProxyType({}), words: Callable[[str], str] = str
) -> str:
    """Render discontinuities as an HTML table: measure (its title in `titles`), kind and evidence (through `words`)."""
    head = "".join(f'<th scope="col">{heading}</th>' for heading in ("measure", "discontinuity", "evidence"))
    body = "".join(
        f'<tr><th scope="row">{escape(titles.get(row["measure"], row["measure"]))}</th>'
        f"<td>{escape(BREAK_TITLES[row['kind']])}</td><td>{escape(words(row['evidence'] or ''))}</td></tr>"
        for row in rows
    )
    caption = "<caption>Discontinuities at boundaries</caption>"
    return f'<table class="border-lines">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
