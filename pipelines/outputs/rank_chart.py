"""Every place of an answer in order, where no map can be drawn: a column for each place, or a named bar for few.

A place without a comparable figure comes last, hatched. `data-place` and `data-value` have the place and its figure.
"""

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import shorten
from typing import Any

from pipelines.outputs.answer import COMPARABLE, MISSING, PageAnswer
from pipelines.outputs.trend_chart import TEXT_WIDTH
from pipelines.outputs.value_map import MapShape
from pipelines.outputs.value_scale import choose_scale, format_ticks

WIDTH, HEIGHT = 400, 270
"""Size of a chart of columns, in SVG units."""
MOST_NAMED = 20
"""Most places of a chart with a named bar for each."""
TOP, BOTTOM = 10.0, 240.0
ROW, BAR = 36, 13
"""Height of a row and of its bar, in a chart of named bars."""
LONGEST_NAME = 24
LONGEST_ROW = 57
"""Most characters of a name below a chart of columns, and of the text of a row."""


def draw_rank_charts(answer: PageAnswer, shapes: Mapping[str, MapShape]) -> list[str]:
    """Draw the places in order, one chart for each group that is compared; the first also has the other places."""
    is_highest = answer.order == "highest"
    rows = answer.figures.sort("place_name", "place_code").to_dicts()
    ordered = sorted((row for row in rows if row["state"] == COMPARABLE), key=lambda row: row["value"],
                     reverse=is_highest)  # fmt: skip
    others = sorted((row for row in rows if row["state"] != COMPARABLE), key=lambda row: row["state"] == MISSING)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in ordered:
        groups.setdefault(row["group"] or "", []).append(row)
    largest_first = sorted(groups.values(), key=len, reverse=True)
    charts = [[*group, *(others if number == 0 else [])] for number, group in enumerate(largest_first)]
    return [_draw_chart(answer, chart, shapes) for chart in charts]


def _draw_chart(answer: PageAnswer, rows: Sequence[dict[str, Any]], shapes: Mapping[str, MapShape]) -> str:
    is_named = len(rows) <= MOST_NAMED
    body, height = _draw_bars(answer, rows, shapes) if is_named else (_draw_columns(rows, shapes), HEIGHT)
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-labelledby="map-title map-text">{body}</svg>'


def _draw_bars(answer: PageAnswer, rows: Sequence[dict[str, Any]], shapes: Mapping[str, MapShape]) -> tuple[str, float]:
    """Return a bar for each place with its name and figure above, and the height of the chart."""
    known = [row["value"] for row in rows if row["value"] is not None]
    longest = max((abs(value) for value in known), default=0.0) or 1.0
    parts = []
    for number, row in enumerate(rows):
        top, shape = number * ROW, shapes[row["place_code"]]
        figure = "no figure" if row["value"] is None else answer.format(row["value"])
        name = shorten(row["place_name"], LONGEST_ROW - len(figure), placeholder=" …")
        width = 24.0 if row["value"] is None else max(abs(row["value"]) / longest * (WIDTH - 2), 1.0)
        parts.append(
            f'<text x="0" y="{top + 13}">{escape(name)}: {figure}</text>{_rect(shape, row, 1.0, top + 17, width, BAR)}'
        )
    return "".join(parts), len(rows) * ROW + 2.0


def _draw_columns(rows: Sequence[dict[str, Any]], shapes: Mapping[str, MapShape]) -> str:
    """Return a column for each place, or a mark at its figure where the axis does not begin at 0."""
    ends = [row[name] for row in rows for name in ("value", "interval_lower", "interval_upper")]
    low, high, step = choose_scale([value for value in ends if value is not None])
    ticks = [low + n * step for n in range(round((high - low) / step) + 1)]
    texts = format_ticks(ticks)
    left = max(map(len, texts)) * TEXT_WIDTH + 8
    wide = (WIDTH - left) / len(rows)

    def y(value: float) -> float:
        return BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP)

    bars, whiskers = [], ""
    for number, row in enumerate(rows):
        x, value, shape = left + number * wide, row["value"], shapes[row["place_code"]]
        if value is None:
            bars.append(_rect(shape, row, x, TOP, wide, BOTTOM - TOP))
            continue
        top, base = (y(value) - 1.5, y(value) + 1.5) if low else sorted((y(value), y(0.0)))
        bars.append(_rect(shape, row, x, top, wide, base - top))
        if row["interval_lower"] is not None and row["interval_upper"] is not None:
            whiskers += f"M{x + wide / 2:.1f} {y(row['interval_lower']):.1f}V{y(row['interval_upper']):.1f}"
    grid = "".join(f"M{left:.1f} {y(tick):.1f}H{WIDTH}" for tick in ticks)
    labels = "".join(
        f'<text x="{left - 6:.1f}" y="{y(tick) + 4:.1f}" text-anchor="end">{text}</text>'
        for tick, text in zip(ticks, texts, strict=True)
    )
    drawn = f'<path class="whisker" d="{whiskers}"/>' if whiskers else ""
    ending = _name_ends([row for row in rows if row["state"] == COMPARABLE], left, left + wide * len(rows))
    return f'<path class="grid" d="{grid}"/>{labels}{drawn}{"".join(bars)}{ending}'


def _name_ends(rows: Sequence[dict[str, Any]], left: float, right: float) -> str:
    """Return the names of the first and the last place in order, below the chart."""
    first, last = (escape(shorten(row["place_name"], LONGEST_NAME, placeholder=" …")) for row in (rows[0], rows[-1]))
    return (
        f'<text x="{left:.1f}" y="{HEIGHT - 12}">{first}</text>'
        f'<text x="{right:.1f}" y="{HEIGHT - 12}" text-anchor="end">{last}</text>'
    )


def _rect(shape: MapShape, row: dict[str, Any], x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{shape.style}" x="{x:.1f}" y="{y:.1f}" width="{width:.2f}" height="{max(height, 0.5):.1f}" '
        f'data-place="{row["place_code"]}" data-value="{shape.value}"><title>{escape(shape.title)}</title></rect>'
    )
