"""Line charts: the values drawn are those given, gaps stay gaps, and marks are shown."""

import re
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.periods import whole_months
from pipelines.outputs.trend_chart import (
    BandPoint,
    Mark,
    TrendBand,
    TrendPoint,
    TrendSeries,
    describe_trend,
    draw_sparkline,
    draw_trend_chart,
    split_line,
)
from pipelines.outputs.value_scale import choose_scale, format_ticks


def monthly(*values: float | None, marks: dict[int, Mark] | None = None) -> TrendSeries:
    """Return a series of consecutive months from January 2020."""
    months = [whole_months(2020 + n // 12, n % 12 + 1, 1) for n in range(len(values))]
    marked = marks or {}
    points = [
        TrendPoint(*month, value, marked.get(n, ""))
        for n, (month, value) in enumerate(zip(months, values, strict=True))
    ]
    return TrendSeries("Merton", points)


def said(value: float) -> str:
    return f"{value:,.1f}"


def drawn_points(svg: str, role: str = "own") -> list[tuple[float, float]]:
    """Return the positions on the line of a role, in order."""
    # The legend comes before the lines, and has a sample of each.
    path = re.findall(rf'<g class="{role}"[^>]*><path d="([^"]*)"', svg)[-1]
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]


def axis(svg: str) -> tuple[float, float]:
    """Return the scale of the value axis, from its labels: the value at y 0, and the change of value for one unit."""
    labels = re.findall(r'y="([\d.]+)" text-anchor="end">(-?[\d,.]+)</text>', svg)
    (y1, v1), (y2, v2) = [(float(y) - 4, float(v.replace(",", ""))) for y, v in (labels[0], labels[-1])]
    per_unit = (v2 - v1) / (y2 - y1)
    return v1 - y1 * per_unit, per_unit


@given(st.lists(st.one_of(st.none(), st.floats(-1000, 1000).map(lambda v: round(v, 1))), min_size=2, max_size=30))
def test_values_on_the_line_are_the_values_given(values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    svg = draw_trend_chart([monthly(*values)], "Rate", lambda value: f"{value:.6f}")
    if not known:
        assert svg == ""
        return
    start, per_unit = axis(svg)
    read = [start + y * per_unit for _, y in drawn_points(svg)]
    assert read == pytest.approx(known, abs=abs(per_unit) * 0.2)
    assert re.search(r'data-values="([^"]*)"', svg)[1].split() == [  # type: ignore[index]
        "-" if value is None else repr(value) for value in values
    ]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_labels_of_an_axis_are_its_values_without_needless_decimals(low: float, size: float) -> None:
    first, last, step = choose_scale([low, low + size])
    ticks = [first + n * step for n in range(round((last - first) / step) + 1)]
    labels = format_ticks(ticks)
    assert [float(text.replace(",", "")) for text in labels] == pytest.approx(ticks, abs=step / 1000)
    decimals = {len(text.partition(".")[2]) for text in labels}
    assert len(decimals) == 1 and (decimals == {0} or not all(text.endswith("0") for text in labels))


def test_band_of_a_period_alone_is_a_bar() -> None:
    points = [BandPoint(point.start, point.end, 1.0, 2.0) for point in monthly(1, 2, 3, 4).points]
    alone = TrendBand("most", [points[0], *(point._replace(low=None, high=None) for point in points[1:])])
    svg = draw_trend_chart([monthly(1, 2, 3, 4)], "Rate", said, alone)
    path = re.findall(r'<path class="band" d="(M[^"H]+)"/>', svg)[0]
    xs = [float(x) for x, _ in re.findall(r"([\d.]+) ([\d.]+)", path)]
    assert max(xs) - min(xs) == pytest.approx(3.0, abs=0.11)


@given(st.lists(st.one_of(st.none(), st.floats(0, 9)), max_size=20), st.sets(st.integers(0, 19)))
def test_line_crosses_no_gap_and_no_break(values: list[float | None], breaks: set[int]) -> None:
    series = monthly(*values, marks=dict.fromkeys(breaks, "break"))
    runs = split_line(series.points)
    assert [point for run in runs for point in run] == [point for point in series.points if point.value is not None]
    for run in runs:
        assert all((after.start - before.end).days == 1 for before, after in pairwise(run))
        assert all(point.mark != "break" for point in run[1:])


def test_line_crosses_no_omitted_period() -> None:
    series = monthly(1, 2, 3, 4, 5, 6)
    cut = [point for point in series.points if point.start.month != 4]
    assert [len(run) for run in split_line(cut)] == [3, 2]


def test_each_break_and_revision_is_marked_and_explained() -> None:
    svg = draw_trend_chart([monthly(1, 2, 3, 4, marks={1: "break", 3: "revised"})], "Rate", said)
    assert "break in the series" in svg and "revised figure" in svg and "provisional" not in svg
    assert svg.count('class="break"') == 2 and svg.count('class="revised"') == 2


def test_figure_between_gaps_is_a_dot() -> None:
    svg = draw_sparkline([monthly(1, None, 2, None, 3, 4)])
    assert svg.count("<circle") == 2


def test_line_of_one_figure_is_no_trend() -> None:
    assert draw_sparkline([monthly(None, 2, None)]) == ""
    assert draw_sparkline([TrendSeries("Merton", [])]) == ""


def test_trend_in_words_states_extremes_and_gaps() -> None:
    text = describe_trend(monthly(3, None, 9, 5), said)
    assert text == (
        "Merton: 3.0 in January 2020, and 5.0 in April 2020; lowest 3.0 in January 2020, highest 9.0 in March 2020; "
        "no figure in 1 of 4 periods"
    )


def test_names_are_escaped() -> None:
    svg = draw_trend_chart([monthly(1, 2)._replace(name='<b>"x"')], 'A "title"', said)
    assert "<b>" not in svg and '"x"' not in svg


def test_sparkline_leaves_out_context_outside_its_periods() -> None:
    region = TrendSeries("London", [TrendPoint(date(2001, 1, 1), date(2001, 1, 31), 99.0)], "region")
    svg = draw_sparkline([monthly(1, 2, 3), region])
    assert all(0 <= x <= 120 for x, _ in drawn_points(svg))
    assert '<g class="region"><path d=""/></g>' in svg


def test_two_figures_of_distant_years_are_dots() -> None:
    distant = [TrendPoint(date(year, 6, 30), date(year, 6, 30), 1.0) for year in (2011, 2022)]
    assert [len(run) for run in split_line(distant)] == [1, 1]
