"""Line charts as static SVG: one series with context lines, such as a place with its region and nation.

A line joins only figures of consecutive periods on the same side of a break. A gap, or a period that the series omits,
ends the line. The attributes `data-periods` and `data-values` of a line of a chart have its figures.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import cache, cached_property, lru_cache
from html import escape
from itertools import pairwise
from math import ceil, floor
from statistics import median
from typing import Literal, NamedTuple

from pipelines.core.periods import format_period, whole_months
from pipelines.core.table_cache import clear_between_steps
from pipelines.outputs.value_scale import choose_scale, format_ticks

Mark = Literal["", "break", "revised", "provisional"]
Role = Literal["own", "second", "region", "nation", "other", "panel", "partnership"]
FormatValue = Callable[[float], str]

WIDTH, HEIGHT = 360, 170
"""Size of the plot with its axes, in SVG units; a legend above adds LEGEND_ROW for each line."""
SPARK_WIDTH, SPARK_HEIGHT = 120, 28
LEGEND_ROW, TEXT_WIDTH, TEXT_SIZE = 17, 6.8, 12
"""Height of a row of the legend, and the greatest width and the size of a character, in SVG units."""
LEGEND_LETTERS = floor((WIDTH - 30) / TEXT_WIDTH)
"""Greatest number of characters of a row of the legend."""
_MARK_TITLES: dict[Mark, str] = {
    "break": "break in the series", "revised": "revised figure", "provisional": "provisional figure",
}  # fmt: skip
_GAP_FACTOR = 1.5
"""Steps above this multiple of the usual step between periods count as a gap."""


class TrendPoint(NamedTuple):
    """A period and its figure, null for a gap, with its mark."""

    start: date
    end: date
    value: float | None
    mark: Mark = ""


class Points(tuple[TrendPoint, ...]):
    """The points of a line that is drawn several times: what its drawings share is computed once."""

    @cached_property
    def shape(self) -> "_LineShape":
        return _shape_line(tuple(self))


class TrendSeries(NamedTuple):
    """A line: its name, its role, and its points in order of period."""

    name: str
    points: Sequence[TrendPoint]
    role: Role = "own"


class BandPoint(NamedTuple):
    """A period, and the figures between which most places lie; null for a gap. Most have the `mark`."""

    start: date
    end: date
    low: float | None
    high: float | None
    mark: Mark = ""


class TrendBand(NamedTuple):
    """A band behind the lines: its name, and its points in order of period."""

    name: str
    points: Sequence[BandPoint]


NO_BAND = TrendBand("", ())
LONE_BAR = 1.5
"""Half of the width of the band of a period alone, in SVG units."""


class PlotFrame(NamedTuple):
    """The plot within a drawing: its edges, and the ranges of days and of values."""

    left: float
    right: float
    top: float
    bottom: float
    days: tuple[int, int]
    values: tuple[float, float]

    def x(self, point: TrendPoint) -> float:
        return self.x_of_day(_middle(point))

    def x_of_day(self, day: int) -> float:
        first, last = self.days
        return self.left + (day - first) / max(last - first, 1) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.values
        return self.bottom - (value - low) / ((high - low) or 1.0) * (self.bottom - self.top)


class _LineShape(NamedTuple):
    """What a line has in every drawing: it is computed once for a place's small and large chart, and for all places.

    `runs` has the first position of each run and the position after its last. `marked` and `alone` have positions of
    marked points and of runs of one point: in a chart, then in a small line. `marks` has the marks of all points, and
    `periods` their periods as text. Equal lines share a shape, so it cannot tell 0.0 from -0.0.
    """

    middles: tuple[int, ...]
    values: tuple[float | None, ...]
    runs: tuple[tuple[int, int], ...]
    marked: tuple[tuple[int, ...], tuple[int, ...]]
    alone: tuple[tuple[int, ...], tuple[int, ...]]
    marks: frozenset[Mark]
    periods: str


@lru_cache(maxsize=256)
def _shape_line(points: tuple[TrendPoint, ...]) -> _LineShape:
    runs = tuple(_find_runs(points))
    known = [(at, point.mark) for at, point in enumerate(points) if point.value is not None]
    marked = tuple(at for at, mark in known if mark), tuple(at for at, mark in known if mark == "break")
    single = [first for first, end in runs if end == first + 1]
    periods = " ".join(_period_text(point.start, point.end) for point in points)
    return _LineShape(
        tuple(_middle(point) for point in points), tuple(point.value for point in points), runs, marked,
        (tuple(at for at in single if at not in marked[0]), tuple(at for at in single if at not in marked[1])),
        frozenset(point.mark for point in points), periods,
    )  # fmt: skip


clear_between_steps(_shape_line.cache_clear)


def _shape_of(line: TrendSeries) -> _LineShape:
    return line.points.shape if isinstance(line.points, Points) else _shape_line(tuple(line.points))


def has_trend(series: TrendSeries) -> bool:
    """Return whether a series has figures of at least two periods."""
    return sum(point.value is not None for point in series.points) > 1


def draw_trend_chart(
    lines: Sequence[TrendSeries], title: str, format_value: FormatValue, band: TrendBand = NO_BAND
) -> str:
    """Draw lines over time as one SVG. The first line is the subject, and the others are its context.

    A band lies behind the lines and has gaps as they have. The legend has the newest figure of each line, the band and
    the meaning of each mark. Returns a blank text without figures.
    """
    drawn = [line for line in lines if any(point.value is not None for point in line.points)]
    if not drawn:
        return ""
    shown = frozenset[Mark]().union(*(_shape_of(line).marks for line in drawn))
    marks = [mark for mark in _MARK_TITLES if mark in shown]
    top = LEGEND_ROW * (len(drawn) + len(marks) + bool(band.name)) + 10.0
    height = top + HEIGHT
    ends = [value for point in band.points for value in (point.low, point.high) if value is not None]
    values = [point.value for line in drawn for point in line.points if point.value is not None]
    low, high, step = choose_scale([*values, *ends])
    ticks = [low + n * step for n in range(round((high - low) / step) + 1)]
    texts = format_ticks(ticks)
    left = max(map(len, texts)) * TEXT_WIDTH + 8
    frame = PlotFrame(left, WIDTH - 10.0, top, height - 24.0, day_range(drawn), (low, high))
    body = "".join(draw_line(line, frame) for line in reversed(drawn))
    said = escape(f"{title}. {describe_trend(drawn[0], format_value)}", quote=True)
    return (
        f'<svg class="tc" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{said}">'
        f"{_draw_legend(drawn, marks, format_value)}{_draw_value_axis(ticks, texts, frame)}{_draw_time_axis(frame)}"
        f"{_draw_band(band, frame, len(drawn) + len(marks))}{body}</svg>"
    )


def _draw_band(band: TrendBand, frame: PlotFrame, row: int) -> str:
    """Draw a band with its row of the legend."""
    if not band.name:
        return ""
    areas = band_area(band, frame)
    data = {side: " ".join("-" if point[at] is None else f"{point[at]!r}" for point in band.points)
            for side, at in (("low", 2), ("high", 3))}  # fmt: skip
    periods = " ".join(f"{point.start}/{point.end}" for point in band.points)
    legend = _draw_row(row, '<path class="band" d="M0 3H24V13H0Z"/>', band.name)
    return (
        f'<g data-name="{escape(band.name, quote=True)}" data-periods="{periods}" data-low="{data["low"]}" '
        f'data-high="{data["high"]}"><path class="band" d="{areas}"/></g>{legend}'
    )


def band_area(band: TrendBand, frame: PlotFrame) -> str:
    """Return the path of a band: no area at a gap, across an omitted period, or across a break in the series.

    A period alone has a narrow bar.
    """
    runs = split_line([TrendPoint(point.start, point.end, point.high, point.mark) for point in band.points])
    lows = {(point.start, point.end): point.low or 0.0 for point in band.points}
    areas = ""
    for run in runs:
        ends = [(point, frame.x(point)) for point in run]
        if len(run) == 1:
            ends = [(run[0], ends[0][1] + side) for side in (-LONE_BAR, LONE_BAR)]
        upper = [f"{x:.1f} {frame.y(point.value or 0.0):.1f}" for point, x in ends]
        lower = [f"{x:.1f} {frame.y(lows[point.start, point.end]):.1f}" for point, x in reversed(ends)]
        areas += f"M{'L'.join([*upper, *lower])}Z"
    return areas


def draw_sparkline(lines: Sequence[TrendSeries]) -> str:
    """Draw lines over time as a small SVG without axes, for a row of a table; blank without two figures in the first.

    It is hidden from screen readers: the row states `describe_trend`.
    """
    if not has_trend(lines[0]):
        return ""
    days = day_range(lines[:1])
    within = [_cut_line(line, days) for line in lines]
    values = [point.value for line in within for point in line.points if point.value is not None]
    frame = PlotFrame(3, SPARK_WIDTH - 3.0, 3, SPARK_HEIGHT - 3.0, days, (min(values), max(values)))
    body = "".join(draw_line(line, frame, has_data=False) for line in reversed(within))
    return f'<svg class="tc spark" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" aria-hidden="true">{body}</svg>'


def _cut_line(line: TrendSeries, days: tuple[int, int]) -> TrendSeries:
    """Leave out the points of a line outside some days."""
    if all(days[0] <= day <= days[1] for day in _shape_of(line).middles):
        return line
    return line._replace(points=[point for point in line.points if days[0] <= _middle(point) <= days[1]])


def describe_trend(series: TrendSeries, format_value: FormatValue) -> str:
    """Describe a line in words: its first, newest, lowest and highest figure, its gaps and its breaks."""
    known = [(point.value, point) for point in series.points if point.value is not None]
    if not known:
        return f"{series.name}: no figure"
    (first, start), (last, end) = known[0], known[-1]
    high, low = max(known, key=lambda item: item[0]), min(known, key=lambda item: item[0])
    text = f"{series.name}: {_say(first, start, format_value)}"
    if len(known) > 1:
        text += f", and {_say(last, end, format_value)}"
    if len(known) > 2:
        text += f"; lowest {_say(*low, format_value)}, highest {_say(*high, format_value)}"
    gaps, breaks = len(series.points) - len(known), sum(point.mark == "break" for _, point in known)
    text += f"; no figure in {gaps:,} of {len(series.points):,} periods" if gaps else ""
    return text + (f"; {breaks:,} breaks in the series" if breaks > 1 else "; a break in the series" * breaks)


def _say(value: float, point: TrendPoint, format_value: FormatValue) -> str:
    word = "on" if point.start == point.end else "in"
    return f"{format_value(value)} {word} {format_period(point.start, point.end)}"


def split_line(points: Sequence[TrendPoint]) -> list[list[TrendPoint]]:
    """Split points into runs that a line may join: without gaps, omitted periods and breaks.

    Two points alone do not show the usual step, so a line joins them only where one period follows the other.
    """
    return [list(points[first:end]) for first, end in _find_runs(points)]


def _find_runs(points: Sequence[TrendPoint]) -> list[tuple[int, int]]:
    """Return the first position of each run of `split_line`, and the position after its last."""
    middles = [_middle(point) for point in points]
    steps = [after - before for before, after in pairwise(middles)]
    most = median(steps) * _GAP_FACTOR if steps else 0
    if len(points) == 2 and (points[1].start - points[0].end).days > 1:
        most = 0
    runs: list[tuple[int, int]] = []
    is_joined = False
    for at, (point, step) in enumerate(zip(points, [0, *steps], strict=True) if points else ()):
        if point.value is not None:
            begins = not (is_joined and step <= most and point.mark != "break")
            runs.append((at, at + 1) if begins else (runs.pop()[0], at + 1))
        is_joined = point.value is not None
    return runs


def _middle(point: TrendPoint) -> int:
    return _middle_day(point.start, point.end)


@cache
def _middle_day(start: date, end: date) -> int:
    """Return the number of the middle day; many lines of many places share few periods."""
    return (start.toordinal() + end.toordinal()) // 2


def day_range(lines: Sequence[TrendSeries]) -> tuple[int, int]:
    middles = [_shape_of(line).middles for line in lines if line.points]
    return min(map(min, middles)), max(map(max, middles))


def draw_line(line: TrendSeries, frame: PlotFrame, *, has_data: bool = True) -> str:
    """Draw a line with its marks and its data; a small line has breaks as its only marks, and no data."""
    points, kind = line.points, 0 if has_data else 1
    shape = _shape_of(line)
    texts = _locate_points(shape, frame)
    path = "".join(["M" + "L".join(texts[first:end]) for first, end in shape.runs])
    dots = "".join([_draw_dot(points[at], frame, 2.0) for at in shape.alone[kind]])
    dots += "".join([_draw_mark(points[at], frame) for at in shape.marked[kind]])
    data = _data_attributes(line, shape.periods) if has_data else ""
    return f'<g class="{line.role}"{data}><path d="{path}"/>{dots}</g>'


def _data_attributes(line: TrendSeries, periods: str) -> str:
    """Return the name, the periods (2023, 2023-04, or first and last day) and the values of a line as attributes."""
    values = " ".join(["-" if point.value is None else repr(point.value) for point in line.points])
    return f' data-name="{escape(line.name, quote=True)}" data-periods="{periods}" data-values="{values}"'


def _locate_points(shape: _LineShape, frame: PlotFrame) -> list[str]:
    """Return the position of each point as text; blank at a gap."""
    across = _locate_days(shape.middles, frame.left, frame.right, frame.days)
    (low, high), bottom, height = frame.values, frame.bottom, frame.bottom - frame.top
    spread = (high - low) or 1.0
    return [
        "" if value is None else f"{x} {bottom - (value - low) / spread * height:.1f}"
        for x, value in zip(across, shape.values, strict=True)
    ]


@lru_cache(maxsize=4096)
def _locate_days(middles: tuple[int, ...], left: float, right: float, days: tuple[int, int]) -> list[str]:
    """Return the positions of days as text; many lines of many places share few periods."""
    frame = PlotFrame(left, right, 0.0, 0.0, days, (0.0, 0.0))
    return [f"{frame.x_of_day(day):.1f}" for day in middles]


@cache
def _period_text(start: date, end: date) -> str:
    if (start, end) == whole_months(start.year, start.month, 1):
        return start.isoformat()[:7]
    if (start, end) == whole_months(start.year, start.month, 12) and start.month == 1:
        return str(start.year)
    return f"{start}/{end}"


def _draw_dot(point: TrendPoint, frame: PlotFrame, radius: float, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<circle{name} cx="{frame.x(point):.1f}" cy="{frame.y(point.value or 0.0):.1f}" r="{radius:g}"/>'


def _draw_mark(point: TrendPoint, frame: PlotFrame) -> str:
    """Draw the mark of a point: a dashed upright for a break, an open dot for a revised or provisional figure."""
    if point.mark != "break":
        return _draw_dot(point, frame, 2.6, point.mark)
    upright = f"M{frame.x(point):.1f} {frame.top:g}V{frame.bottom:g}"
    return f'<path class="break" d="{upright}"/>{_draw_dot(point, frame, 2.0)}'


def _draw_legend(lines: Sequence[TrendSeries], marks: Sequence[Mark], format_value: FormatValue) -> str:
    rows = []
    for number, line in enumerate(lines):
        newest = next(point for point in reversed(line.points) if point.value is not None)
        short = f"{line.name}: {format_value(newest.value or 0.0)}"
        text = f"{line.name}: {_say(newest.value or 0.0, newest, format_value)}"
        text = text if len(text) <= LEGEND_LETTERS else short
        rows.append(_draw_row(number, f'<g class="{line.role}"><path d="M0 8H24"/></g>', text))
    for number, mark in enumerate(marks, len(lines)):
        dot = f'<circle class="{mark}" cx="12" cy="8" r="2.6"/>'
        sample = '<path class="break" d="M12 1V15"/>' if mark == "break" else dot
        rows.append(_draw_row(number, f'<g class="own">{sample}</g>', _MARK_TITLES[mark]))
    return "".join(rows)


def _draw_row(number: int, sample: str, text: str) -> str:
    cut = text if len(text) <= LEGEND_LETTERS else text[: LEGEND_LETTERS - 1] + "…"
    return f'<g transform="translate(0 {number * LEGEND_ROW})">{sample}<text x="30" y="12">{escape(cut)}</text></g>'


def _draw_value_axis(ticks: Sequence[float], texts: Sequence[str], frame: PlotFrame) -> str:
    grid = "".join(f"M{frame.left:.1f} {frame.y(tick):.1f}H{frame.right:g}" for tick in ticks)
    labels = "".join(
        f'<text x="{frame.left - 6:.1f}" y="{frame.y(tick) + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        for tick, text in zip(ticks, texts, strict=True)
    )
    return f'<path class="grid" d="{grid}"/>{labels}'


def _draw_time_axis(frame: PlotFrame) -> str:
    """Label years, or the first and last day where no year begins within the range."""
    first, last = (date.fromordinal(day) for day in frame.days)
    width = frame.right - frame.left
    years = range(first.year + 1, last.year + 1)
    most = max(floor(width / (TEXT_WIDTH * 4 + 14)), 1)
    every = ceil(len(years) / most) or 1
    if len(years) < 2:
        ends = [("start", frame.left, first), ("end", frame.right, last)][: 2 if last > first else 1]
        return "".join(
            f'<text x="{x:.1f}" y="{frame.bottom + 18:.1f}" text-anchor="{anchor}">'
            f"{format_period(*whole_months(day.year, day.month, 1))}</text>"
            for anchor, x, day in ends
        )
    return "".join(_draw_year(year, frame) for year in years[::every])


def _draw_year(year: int, frame: PlotFrame) -> str:
    x = frame.x_of_day(date(year, 1, 1).toordinal())
    half = TEXT_WIDTH * 2
    at = min(max(x, frame.left + half), frame.right - half)
    return (
        f'<path class="grid" d="M{x:.1f} {frame.bottom:g}v4"/>'
        f'<text x="{at:.1f}" y="{frame.bottom + 18:.1f}" text-anchor="middle">{year}</text>'
    )
