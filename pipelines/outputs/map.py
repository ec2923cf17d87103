"""Maps as inline SVG without script: places by colour, and borders where data break."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from pipelines.geography import Segment, shared_borders

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


DASHES = {"known_unknown": "", "nation_edge": "6 3", "jump": "2 2"}
COLOURS = {"known_unknown": "#7a1f1f", "nation_edge": "#1d4f76", "jump": "#b3532b"}
TITLES = {
    "known_unknown": "one side known, the other not",
    "nation_edge": "the series stops at a nation's border",
    "jump": "a jump that neighbours do not show elsewhere",
    "straddles": "a published place lies on both sides",
    "low_reach": "seen in part only",
}
"""Kinds of break in words; those drawn as lines have a colour and a dash, so that neither is needed alone."""
Rows = Sequence[Mapping[str, Any]]


class _Paper(NamedTuple):
    """What part of the world is drawn, and how large."""

    view: Box
    scale: float


def border_lines(boundaries: dict[str, Any] | None, rows: Rows, codes: set[str]) -> str:
    """Draw the places asked about, pale, and on them the borders of rows of cliffs.BOUNDARY_CLIFF.

    Takes a GeoJSON FeatureCollection whose features have the property `code`. Gives an empty text where no place
    asked about has a boundary. A border at which several measures break is drawn once for each kind.
    """
    land = {f["properties"]["code"]: rings_of(f["geometry"]) for f in (boundaries or {"features": []})["features"]}
    asked = {code: rings for code, rings in land.items() if code in codes and rings}
    if not asked:
        return ""
    left, top, right, bottom = box_of(ring for rings in asked.values() for ring in rings)
    paper = _Paper((left, top, right, bottom), WIDTH / ((right - left) or 1.0))
    height = (bottom - top) * paper.scale
    ground = "".join(f'<path d="{_outline(rings, paper)}"/>' for rings in asked.values())
    lines = "".join(_line(kind, borders, paper) for kind, borders in _by_kind(boundaries, rows).items())
    said = escape(summary(rows), quote=True)
    return (
        f'<svg class="border-lines" viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" height="{height:.0f}" '
        f'role="img" aria-label="{said}"><title>{said}</title>'
        f'<g fill="#eef1f4" stroke="#c3ccd6" stroke-width="0.4">{ground}</g>{lines}</svg>'
    )


def summary(rows: Rows) -> str:
    """Say in one sentence how many borders there are at which data break, by kind."""
    told = [f"{len(pairs)} where {TITLES[kind]}" for kind in COLOURS if (pairs := _pairs(rows, kind))]
    return f"Borders at which data break: {'; '.join(told)}" if told else "Data break at no border"


def _pairs(rows: Rows, kind: str) -> set[tuple[str, str]]:
    return {(row["place_a"], row["place_b"]) for row in rows if row["kind"] == kind and row["place_b"]}


def _by_kind(boundaries: dict[str, Any] | None, rows: Rows) -> dict[str, list[Segment]]:
    pairs = {kind: _pairs(rows, kind) for kind in COLOURS}
    borders = shared_borders(boundaries, set().union(*pairs.values()))
    found = {kind: [each for pair in sorted(of) for each in borders.get(pair, [])] for kind, of in pairs.items()}
    return {kind: segments for kind, segments in found.items() if segments}


def _line(kind: str, segments: list[Segment], paper: _Paper) -> str:
    parts = "".join("M" + "L".join(_at(projected(list(point)), paper) for point in segment) for segment in segments)
    dash = f' stroke-dasharray="{DASHES[kind]}"' if DASHES[kind] else ""
    return (
        f'<path class="{kind}" d="{parts}" fill="none" stroke="{COLOURS[kind]}" stroke-width="1.6"{dash}>'
        f"<title>{escape(TITLES[kind])}</title></path>"
    )


def _outline(rings: list[Ring], paper: _Paper) -> str:
    return "".join("M" + "L".join(_at(point, paper) for point in ring) + "Z" for ring in rings)


def _at(point: tuple[float, float], paper: _Paper) -> str:
    return f"{(point[0] - paper.view[0]) * paper.scale:.1f} {(point[1] - paper.view[1]) * paper.scale:.1f}"


def lines_table(rows: Rows) -> str:
    """Write where data break as an HTML table: the measure, the kind, and what was compared with what."""
    head = "".join(f'<th scope="col">{each}</th>' for each in ("measure", "what", "where and how"))
    body = "".join(
        f'<tr><th scope="row">{escape(row["measure"])}</th><td>{escape(TITLES[row["kind"]])}</td>'
        f"<td>{escape(row['evidence'] or '')}</td></tr>"
        for row in rows
    )
    caption = "<caption>Where data break at a border</caption>"
    return f'<table class="border-lines">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
