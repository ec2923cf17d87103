"""Small multiples: a small chart for each region or place, all on one scale, over the band of all places."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from pipelines.core.periods import format_period, whole_months
from pipelines.outputs.trend_chart import (
    TEXT_WIDTH,
    FormatValue,
    PlotFrame,
    TrendBand,
    TrendPoint,
    TrendSeries,
    band_area,
    day_range,
    describe_trend,
    draw_line,
    has_trend,
)
from pipelines.outputs.value_scale import choose_scale, format_ticks

MAX_PANELS = 12
"""Most small charts of a page: the regions of England and the other nations."""
_WIDTH, _HEIGHT, _TOP, _BOTTOM = 200, 104, 8.0, 84.0
_CONTEXT = "multiples-band"


class Panel(NamedTuple):
    """A small chart: the code and the name of its place, its newest figure in words, and its drawing."""

    code: str
    name: str
    text: str
    svg: str


def draw_small_multiples(lines: dict[str, TrendSeries], band: TrendBand, format_value: FormatValue) -> list[Panel]:
    """Draw a small chart for each line, by the code of its place, on one scale. Empty for fewer than two trends."""
    drawn = {code: line for code, line in lines.items() if has_trend(line)}
    if len(drawn) < 2:
        return []
    values = [point.value for line in drawn.values() for point in line.points if point.value is not None]
    ends = [end for point in band.points for end in (point.low, point.high) if end is not None]
    low, high, step = choose_scale([*values, *ends])
    texts = _format_ends(low, high, step)
    left = max(map(len, texts)) * TEXT_WIDTH + 6
    frame = PlotFrame(left, _WIDTH - 4.0, _TOP, _BOTTOM, day_range(list(drawn.values())), (low, high))
    axes = _draw_axes(texts, frame, next(iter(drawn.values())).points)
    context = f'<path class="band" d="{band_area(band, frame)}"/>' if band.name else ""
    panels = []
    for number, (code, line) in enumerate(drawn.items()):
        shared = f'<g id="{_CONTEXT}">{context}{axes}</g>' if not number else f'<use href="#{_CONTEXT}"/>'
        said = escape(describe_trend(line, format_value), quote=True)
        svg = (
            f'<svg class="tc panel" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}">'
            f"{shared}{draw_line(line, frame)}</svg>"
        )
        panels.append(Panel(code, line.name, _say_newest(line, format_value), svg))
    return panels


def _format_ends(low: float, high: float, step: float) -> tuple[str, str]:
    """Return the labels of both ends of the value axis, the upper one first."""
    _, first, last = format_ticks([low - step, low, high])
    return last, first


def _say_newest(line: TrendSeries, format_value: FormatValue) -> str:
    newest = next(point for point in reversed(line.points) if point.value is not None)
    return f"{format_value(newest.value or 0.0)}, {format_period(newest.start, newest.end)}"


def _draw_axes(texts: tuple[str, str], frame: PlotFrame, points: Sequence[TrendPoint]) -> str:
    """Draw the ends of the value axis, and the first and last period."""
    grid = "".join(f"M{frame.left:.1f} {y:g}H{frame.right:g}" for y in (frame.top, frame.bottom))
    labels = "".join(
        f'<text x="{frame.left - 4:.1f}" y="{y + 4:g}" text-anchor="end">{escape(text)}</text>'
        for y, text in zip((frame.top, frame.bottom), texts, strict=True)
    )
    is_yearly = points[0].start.year != points[-1].start.year
    days = (points[0].start, points[-1].start)
    names = [str(day.year) if is_yearly else format_period(*whole_months(day.year, day.month, 1)) for day in days]
    times = "".join(
        f'<text x="{x:.1f}" y="{frame.bottom + 16:g}" text-anchor="{anchor}">{name}</text>'
        for x, anchor, name in zip((frame.left, frame.right), ("start", "end"), names, strict=True)
    )
    return f'<path class="grid" d="{grid}"/>{labels}{times}'
