"""Values read back from the drawings: positions of lines, gaps, classes of the map, and small charts on one scale."""

import re
from itertools import groupby

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.outputs.rank_chart import draw_rank_charts
from pipelines.outputs.report import find_page_charts, render_html
from pipelines.outputs.report_model import Report
from pipelines.outputs.small_multiples import MAX_PANELS, draw_small_multiples
from pipelines.outputs.trend_chart import NO_BAND, BandPoint, TrendBand, TrendSeries, draw_trend_chart
from pipelines.outputs.value_map import build_value_map
from tests.outputs.test_answer_trend import over_time
from tests.outputs.test_trend_chart import monthly
from tests.report_sample import sample

FIGURES = st.lists(
    st.one_of(st.none(), st.integers(0, 100_000).map(lambda number: number / 100)), min_size=3, max_size=24
).filter(lambda values: sum(value is not None for value in values) > 1)


def exact(value: float) -> str:
    return f"{value!r}"


def value_scale(svg: str) -> tuple[float, float, float, float]:
    """Return two labels of the value axis, each with its height in the drawing."""
    labels = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="end">([^<]+)</text>', svg)
    left = min(float(x) for x, _, _ in labels)
    heights = sorted((float(text.replace(",", "")), float(y) - 4) for x, y, text in labels if float(x) == left)
    (low, at_low), (high, at_high) = heights[0], heights[-1]
    return low, at_low, high, at_high


def values_drawn(svg: str, scale: str = "") -> dict[str, list[list[float]]]:
    """Return the values at the positions of each line, in runs that a line joins."""
    low, at_low, high, at_high = value_scale(scale or svg)
    drawn: dict[str, list[list[float]]] = {}
    for name, path, dots in re.findall(
        r'data-name="([^"]+)"[^>]*data-values="[^"]*"><path d="([^"]*)"/>(.*?)</g>', svg
    ):
        runs = [[float(point.split(" ")[1]) for point in run.split("L")] for run in path.split("M")[1:]]
        drawn[name] = [[low + (y - at_low) / (at_high - at_low) * (high - low) for y in run] for run in runs]
        assert dots.count("<circle") >= sum(len(run) == 1 for run in runs)
    return drawn


def runs_of(values: list[float | None]) -> list[list[float]]:
    groups = groupby(values, key=lambda value: value is None)
    return [[value for value in group if value is not None] for missing, group in groups if not missing]


def assert_close(drawn: list[list[float]], runs: list[list[float]], spread: float) -> None:
    assert [len(run) for run in drawn] == [len(run) for run in runs]
    for one, other in zip(drawn, runs, strict=True):
        assert one == pytest.approx(other, abs=spread / 400)


@given(values=FIGURES)
def test_positions_of_a_line_are_its_values_and_gaps_are_gaps(values: list[float | None]) -> None:
    svg = draw_trend_chart([monthly(*values)], "Rate", exact)
    low, _, high, _ = value_scale(svg)
    assert_close(values_drawn(svg)["Merton"], runs_of(values), high - low)


@given(one=FIGURES, other=FIGURES)
def test_small_charts_have_one_scale(one: list[float | None], other: list[float | None]) -> None:
    panels = draw_small_multiples({"A": monthly(*one), "B": monthly(*other)}, NO_BAND, exact)
    low, _, high, _ = value_scale(panels[0].svg)
    for panel, values in zip(panels, (one, other), strict=True):
        assert_close(values_drawn(panel.svg, panels[0].svg)["Merton"], runs_of(values), high - low)
    assert panels[1].svg.count("<use ") == 1 and panels[0].svg.count("<use ") == 0


def test_one_trend_alone_has_no_small_charts() -> None:
    assert draw_small_multiples({"A": monthly(1, 2), "B": monthly(3, None)}, NO_BAND, exact) == []


def test_band_of_small_charts_is_drawn_once() -> None:
    series = monthly(1, 2, 3)
    band = TrendBand("eight in ten", [BandPoint(point.start, point.end, 0.5, 3.5) for point in series.points])
    panels = draw_small_multiples({"A": series, "B": series}, band, exact)
    assert [panel.svg.count('class="band"') for panel in panels] == [1, 0]


def test_page_has_a_small_chart_for_each_of_few_places() -> None:
    report = over_time()
    html = render_html(report)
    names = re.findall(r'<h4><a href="places/(\w+).html">', html.split('class="panels"')[1].split("</section>")[0])
    assert sorted(names) == sorted(report.places["place_code"]) and len(names) <= MAX_PANELS
    history = report.over_time.filter(pl.col("level") == "place", pl.col("value") < 90).sort("period_start")
    scale = next(panel.svg for panel in find_page_charts(report).trend["panels"])  # type: ignore[index]
    for panel in find_page_charts(report).trend["panels"]:  # type: ignore[index]
        own = history.filter(pl.col("place_code") == panel.code)["value"].to_list()
        assert_close(next(iter(values_drawn(panel.svg, scale).values())), [own], 10)


def without_boundaries(places: int) -> Report:
    """Return the sample without boundaries, each place repeated under further codes until there are as many."""
    report = sample()._replace(boundaries=None)
    own = pl.col("place_code")
    copies = range(places // report.places.height)

    def repeat(frame: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([frame.with_columns((own + "" if n == 0 else own + f"x{n}").alias("place_code"))
                          for n in copies])  # fmt: skip

    return report._replace(cells=repeat(report.cells), places=repeat(report.places), view=repeat(report.view))


def test_bars_of_few_places_have_the_lengths_of_their_figures() -> None:
    report = without_boundaries(5)
    charts = find_page_charts(report)
    assert charts.answer
    (svg,) = draw_rank_charts(charts.answer, build_value_map(charts.answer, charts.rankings).shapes)
    bars = re.findall(r'width="([\d.]+)" height="[\d.]+" data-place="(\w+)" data-value="([\d.]*)"', svg)
    known = [(float(width), float(value)) for width, _, value in bars if value]
    assert [value for _, value in known] == sorted((value for _, value in known), reverse=True)
    assert len({round(width / value, 1) for width, value in known}) == 1
    assert {code for _, code, _ in bars} == set(report.places["place_code"])


def test_columns_of_many_places_have_the_heights_of_their_figures() -> None:
    report = without_boundaries(50)
    charts = find_page_charts(report)
    assert charts.answer
    shapes = build_value_map(charts.answer, charts.rankings).shapes
    (svg,) = draw_rank_charts(charts.answer, shapes)
    low, at_low, high, at_high = value_scale(svg)
    rects = re.findall(
        r'<rect class="(\w+)[^"]*" x="([\d.]+)" y="([\d.]+)" width="[\d.]+" height="([\d.]+)" '
        r'data-place="(\w+)" data-value="([\d.]*)"', svg
    )  # fmt: skip
    assert len(rects) == report.places.height
    assert [float(x) for _, x, *_ in rects] == sorted(float(x) for _, x, *_ in rects)
    for style, _, y, height, code, value in rects:
        assert style == shapes[code].style.split(" ")[0]
        if value:
            drawn = low + (float(y) - at_low) / (at_high - at_low) * (high - low)
            assert drawn == pytest.approx(float(value), abs=(high - low) / 200)
            assert float(y) + float(height) == pytest.approx(at_low, abs=0.2)


def test_page_without_boundaries_says_so_and_shows_places_in_order() -> None:
    page = render_html(without_boundaries(5))
    assert "There is no map, because no boundaries of councils are stored." in page
    assert "Councils in order" in page and "Table of this map" not in page
    assert "There is no map" not in render_html(sample())


def test_class_of_each_place_contains_its_value() -> None:
    report = sample()
    charts = find_page_charts(report)
    assert charts.answer
    drawn = build_value_map(charts.answer, charts.rankings)
    ranges = {row["style"]: [float(text) for text in row["text"].split(" to ")] for row in drawn.legend}
    values = dict(charts.answer.comparable.select("place_code", "value").iter_rows())
    assert len(values) == 5
    for code, value in values.items():
        ends = ranges[drawn.shapes[code].style]
        assert ends[0] <= value <= ends[-1] and drawn.shapes[code].value == repr(value)


def test_line_without_figures_is_left_out() -> None:
    empty = TrendSeries("Empty", monthly(None, None).points)
    assert "Empty" not in draw_trend_chart([monthly(1, 2), empty], "Rate", exact)
