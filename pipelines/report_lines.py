"""The lines where data break, drawn on the map: inline SVG without script, and a table that says the same."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from pipelines.neighbours import Segment, shared_borders
from pipelines.report_map import Box, Ring, box_of, projected, rings_of

WIDTH = 520.0
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
