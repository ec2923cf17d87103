"""Line charts: whole drawings, runs that a line joins, axes and sentences; both sides of each limit."""

import re
from datetime import date, timedelta

import pytest

from pipelines.core.periods import whole_months
from pipelines.outputs.trend_chart import (
    LEGEND_LETTERS,
    NO_BAND,
    BandPoint,
    Mark,
    PlotFrame,
    Points,
    TrendBand,
    TrendPoint,
    TrendSeries,
    _draw_time_axis,
    _period_text,
    band_area,
    day_range,
    describe_trend,
    draw_line,
    draw_sparkline,
    draw_trend_chart,
    has_trend,
    split_line,
)

FRAME = PlotFrame(10.0, 110.0, 0.0, 50.0, (0, 100), (0.0, 10.0))


def years(*values: float | None, marks: dict[int, Mark] | None = None, name: str = "Merton") -> TrendSeries:
    """Return a series of consecutive years from 2020."""
    own = marks or {}
    points = [TrendPoint(*whole_months(2020 + n, 1, 12), value, own.get(n, "")) for n, value in enumerate(values)]
    return TrendSeries(name, points)


def months(*values: float | None, first: int = 1, marks: dict[int, Mark] | None = None) -> TrendSeries:
    """Return a series of consecutive months from a month of 2020."""
    own, spans = marks or {}, [whole_months(2020, first + n, 1) for n in range(len(values))]
    points = [
        TrendPoint(*span, value, own.get(n, "")) for n, (span, value) in enumerate(zip(spans, values, strict=True))
    ]
    return TrendSeries("Merton", points)


def said(value: float) -> str:
    return f"{value:,.1f}"


def row(number: int, sample: str, text: str) -> str:
    return f'<g transform="translate(0 {number * 17})">{sample}<text x="30" y="12">{text}</text></g>'


def test_chart_has_legend_axes_band_and_lines_with_their_data() -> None:
    band = TrendBand(
        "most <b>", [BandPoint(*whole_months(2020 + n, 1, 12), 2.0 + n, 6.0 + n) for n in range(2)]
        + [BandPoint(*whole_months(2022, 1, 12), None, None)],
    )  # fmt: skip
    lines = [years(0.0, 4.0, 10.0, marks={1: "break", 2: "revised"}),
             years(8.0, None, 6.0, name="R")._replace(role="region"), years(None, None, None)]  # fmt: skip
    legend = [
        row(0, '<g class="own"><path d="M0 8H24"/></g>', "Merton: 10.0 in 2022"),
        row(1, '<g class="region"><path d="M0 8H24"/></g>', "R: 6.0 in 2022"),
        row(2, '<g class="own"><path class="break" d="M12 1V15"/></g>', "break in the series"),
        row(3, '<g class="own"><circle class="revised" cx="12" cy="8" r="2.6"/></g>', "revised figure"),
    ]
    axes = (
        '<path class="grid" d="M21.6 241.0H350M21.6 168.0H350M21.6 95.0H350"/>'
        '<text x="15.6" y="245.0" text-anchor="end">0</text><text x="15.6" y="172.0" text-anchor="end">5</text>'
        '<text x="15.6" y="99.0" text-anchor="end">10</text><path class="grid" d="M104.3 241v4"/>'
        '<text x="104.3" y="259.0" text-anchor="middle">2021</text><path class="grid" d="M268.2 241v4"/>'
        '<text x="268.2" y="259.0" text-anchor="middle">2022</text>'
    )
    area = (
        '<g data-name="most &lt;b&gt;" data-periods="2020-01-01/2020-12-31 2021-01-01/2021-12-31 '
        '2022-01-01/2022-12-31" data-low="2.0 3.0 -" data-high="6.0 7.0 -"><path class="band" d="'
        'M21.6 153.4L186.0 138.8L186.0 197.2L21.6 211.8Z"/>'
        "</g>" + row(4, '<path class="band" d="M0 3H24V13H0Z"/>', "most &lt;b&gt;")
    )
    drawn = (
        '<g class="region" data-name="R" data-periods="2020 2021 2022" data-values="8.0 - 6.0">'
        '<path d="M21.6 124.2M350.0 153.4"/><circle cx="21.6" cy="124.2" r="2"/>'
        '<circle cx="350.0" cy="153.4" r="2"/></g>'
        '<g class="own" data-name="Merton" data-periods="2020 2021 2022" data-values="0.0 4.0 10.0">'
        '<path d="M21.6 241.0M186.0 182.6L350.0 95.0"/><circle cx="21.6" cy="241.0" r="2"/>'
        '<path class="break" d="M186.0 95V241"/><circle cx="186.0" cy="182.6" r="2"/>'
        '<circle class="revised" cx="350.0" cy="95.0" r="2.6"/></g>'
    )
    text = (
        "T &quot;x&quot;. Merton: 0.0 in 2020, and 10.0 in 2022; lowest 0.0 in 2020, highest 10.0 in 2022; "
        "a break in the series"
    )
    assert draw_trend_chart(lines, 'T "x"', said, band) == (
        f'<svg class="tc" viewBox="0 0 360 265" role="img" aria-label="{text}">'
        f"{''.join(legend)}{axes}{area}{drawn}</svg>"
    )
    assert draw_trend_chart([years(None)], "T", said, band) == draw_trend_chart([], "T", said) == ""


def test_chart_of_one_line_has_a_row_of_legend_and_the_values_of_the_band_in_its_scale() -> None:
    alone = draw_trend_chart([years(1.0, 0.0)], "T", said)
    assert 'viewBox="0 0 360 197"' in alone and ">Merton: 0.0 in 2021</text>" in alone
    assert re.findall(r'text-anchor="end">([^<]+)<', alone) == ["0.0", "0.5", "1.0", "July 2021"]
    band = TrendBand("b", [BandPoint(*whole_months(2020, 1, 12), -20.0, 20.0)])
    assert re.findall(r'text-anchor="end">([^<]+)<', draw_trend_chart([years(1.0, 0.0)], "T", said, band)) == [
        "-20", "0", "20", "July 2021",
    ]  # fmt: skip


def test_small_line_has_breaks_as_its_only_marks_and_no_data() -> None:
    line = months(0.0, None, 2.0, 3.0, marks={2: "break", 3: "revised"})
    region = months(1.0, 4.0, first=2)._replace(role="region")
    assert draw_sparkline([line, region]) == (
        '<svg class="tc spark" viewBox="0 0 120 28" aria-hidden="true"><g class="region">'
        '<path d="M41.0 19.5L79.0 3.0"/></g>'
        '<g class="own"><path d="M3.0 25.0M79.0 14.0L117.0 8.5"/><circle cx="3.0" cy="25.0" r="2"/>'
        '<path class="break" d="M79.0 3V25"/><circle cx="79.0" cy="14.0" r="2"/></g></svg>'
    )
    # Points outside the days of the first line do not change its scale.
    wide = months(1.0, 99.0, 99.0, first=4)._replace(role="region")
    assert '<g class="region"><path d="M117.0 17.7"/><circle' in draw_sparkline([line, wide])
    assert draw_sparkline([months(1.0, None), region]) == ""


def test_equal_figures_are_at_the_bottom_of_a_small_line() -> None:
    assert '<path d="M3.0 25.0L117.0 25.0"/>' in draw_sparkline([months(2.0, 2.0)])


def test_lone_figures_are_dots_unless_they_are_marked() -> None:
    line = years(1.0, None, 2.0, None, 3.0, marks={2: "provisional"})
    frame = FRAME._replace(days=day_range([line]))
    drawn = draw_line(line, frame)
    assert re.findall(r"<circle[^>]*>", drawn) == [
        '<circle cx="10.0" cy="45.0" r="2"/>', '<circle cx="110.0" cy="35.0" r="2"/>',
        '<circle class="provisional" cx="60.0" cy="40.0" r="2.6"/>',
    ]  # fmt: skip
    assert draw_line(line, frame, has_data=False).count('r="2"') == 3
    assert draw_line(line._replace(points=Points(line.points)), frame) == drawn


def test_trend_needs_two_figures() -> None:
    assert [has_trend(years(*values)) for values in ((1.0, 0.0), (None, 1.0), (), (1.0, None, 2.0))] == [
        True, False, False, True,
    ]  # fmt: skip


def runs(*days: int, marks: dict[int, Mark] | None = None, gaps: tuple[int, ...] = ()) -> list[int]:
    """Return the lengths of the runs of figures on some days."""
    first, own = date(2025, 1, 1), marks or {}
    points = [TrendPoint(first + timedelta(day), first + timedelta(day), None if n in gaps else 1.0, own.get(n, ""))
              for n, day in enumerate(days)]  # fmt: skip
    return [len(run) for run in split_line(points)]


def test_line_joins_periods_that_follow_each_other() -> None:
    assert runs() == [] and runs(0) == [1] and runs(0, 1) == [2] and runs(0, 2) == [1, 1]
    # A step of half as much again as the usual one is no gap.
    assert runs(0, 10, 20, 35) == [4] and runs(0, 10, 20, 36) == [3, 1] and runs(0, 10, 20, 30, 40) == [5]
    assert runs(0, 10, 20, 30, gaps=(1,)) == [1, 2] and runs(0, 10, 20, gaps=(0, 2)) == [1]
    assert runs(0, 10, 20, marks={1: "break"}) == [1, 2] and runs(0, 10, 20, marks={0: "break", 2: "revised"}) == [3]
    assert len(split_line(years(1.0, 2.0).points)) == 1
    apart = [TrendPoint(*whole_months(year, 1, 12), 1.0) for year in (2020, 2022)]
    assert len(split_line(apart)) == 2


def test_band_has_an_area_for_each_run_and_a_bar_for_a_period_alone() -> None:
    first = date.fromordinal(1)
    ends = [(1.0, 3.0), (2.0, 4.0), (None, None), (0.0, 10.0)]
    points = [BandPoint(first + timedelta(33 * n), first + timedelta(33 * n), *pair) for n, pair in enumerate(ends)]
    frame = FRAME._replace(days=(1, 100))
    assert band_area(TrendBand("b", points), frame) == (
        "M10.0 35.0L43.3 30.0L43.3 40.0L10.0 45.0ZM108.5 0.0L111.5 0.0L111.5 50.0L108.5 50.0Z"
    )
    assert band_area(NO_BAND, frame) == ""
    broken = [points[0], points[1]._replace(mark="break")]
    assert band_area(TrendBand("b", broken), frame).count("M") == 2


def test_positions_are_in_proportion_to_days_and_values() -> None:
    assert [FRAME.x_of_day(day) for day in (0, 50, 100)] == [10.0, 60.0, 110.0]
    assert [FRAME.y(value) for value in (0.0, 2.5, 10.0)] == [50.0, 37.5, 0.0]
    one = FRAME._replace(days=(5, 5), values=(3.0, 3.0))
    assert one.x_of_day(5) == 10.0 and one.y(3.0) == 50.0
    assert FRAME.x(TrendPoint(date.fromordinal(49), date.fromordinal(52), 1.0)) == 60.0
    assert day_range([years(1.0), years(), years(1.0, None)]) == (
        date(2020, 7, 1).toordinal(), date(2021, 7, 2).toordinal(),
    )  # fmt: skip


def test_sentence_has_both_ends_extremes_gaps_and_breaks() -> None:
    day = date(2025, 3, 1)
    assert describe_trend(TrendSeries("A", [TrendPoint(day, day, 1.5)]), said) == "A: 1.5 on 1 March 2025"
    assert describe_trend(TrendSeries("A", []), said) == describe_trend(TrendSeries("A", years(None).points), said)
    assert describe_trend(years(None), said) == "Merton: no figure"
    assert describe_trend(years(1.0, 2.0), said) == "Merton: 1.0 in 2020, and 2.0 in 2021"
    marks: dict[int, Mark] = {1: "break", 3: "break", 2: "break"}
    assert describe_trend(years(2.0, -1.0, None, 5.0, marks=marks), said) == (
        "Merton: 2.0 in 2020, and 5.0 in 2023; lowest -1.0 in 2021, highest 5.0 in 2023; no figure in 1 of 4 periods; "
        "2 breaks in the series"
    )


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [(*whole_months(2025, 4, 1), "2025-04"), (*whole_months(2025, 1, 12), "2025"),
     (*whole_months(2025, 4, 12), "2025-04-01/2026-03-31"), (*whole_months(2025, 1, 3), "2025-01-01/2025-03-31"),
     (date(2025, 1, 2), date(2025, 1, 31), "2025-01-02/2025-01-31"), (*whole_months(2025, 1, 1), "2025-01")],
)  # fmt: skip
def test_periods_of_the_data_are_years_months_or_days(start: date, end: date, text: str) -> None:
    assert _period_text(start, end) == text


def time_axis(first: date, last: date, right: float = 350.0) -> list[tuple[str, str, str]]:
    frame = PlotFrame(20.0, right, 0.0, 100.0, (first.toordinal(), last.toordinal()), (0.0, 1.0))
    drawn = _draw_time_axis(frame)
    assert set(re.findall(r' y="([\d.]+)"', drawn)) == {"118.0"}
    assert [float(x) for x in re.findall(r'd="M([\d.]+) 100v4"', drawn)] == sorted(
        float(x) for x in re.findall(r'd="M([\d.]+) 100v4"', drawn)
    )
    return re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="(\w+)">([^<]+)</text>', drawn)


def test_years_are_labelled_as_many_as_fit() -> None:
    assert [text for _, _, text in time_axis(date(2015, 7, 1), date(2023, 7, 1))] == [
        str(year) for year in range(2016, 2024)
    ]
    # A label takes 41.2 units, so that eight of them fit into 330.
    assert [text for _, _, text in time_axis(date(2015, 7, 1), date(2024, 7, 1))] == [
        "2016", "2018", "2020", "2022", "2024",
    ]  # fmt: skip
    assert [text for _, _, text in time_axis(date(2015, 7, 1), date(2024, 7, 1), 60.0)] == ["2016"]
    assert time_axis(date(2020, 1, 1), date(2022, 1, 1)) == [("185.2", "middle", "2021"), ("336.4", "middle", "2022")]
    assert time_axis(date(2019, 12, 31), date(2021, 12, 31)) == [
        ("33.6", "middle", "2020"), ("185.7", "middle", "2021"),
    ]  # fmt: skip


def test_ends_are_labelled_where_at_most_one_year_begins() -> None:
    assert time_axis(date(2020, 3, 5), date(2020, 11, 5)) == [
        ("20.0", "start", "March 2020"), ("350.0", "end", "November 2020"),
    ]  # fmt: skip
    assert time_axis(date(2020, 3, 5), date(2021, 11, 5)) == [
        ("20.0", "start", "March 2020"), ("350.0", "end", "November 2021"),
    ]  # fmt: skip
    assert time_axis(date(2020, 3, 5), date(2020, 3, 5)) == [("20.0", "start", "March 2020")]
    assert time_axis(date(2020, 3, 5), date(2020, 3, 6))[1] == ("350.0", "end", "March 2020")


@pytest.mark.parametrize(
    ("length", "text"),
    [(35, "{}: 1.0 in 2020"), (36, "{}: 1.0"), (43, "{}: 1.0"), (44, "{}: 1…"), (60, "{cut}…")],
)
def test_legend_leaves_out_the_period_of_a_long_name_and_then_cuts_it(length: int, text: str) -> None:
    assert LEGEND_LETTERS == 48
    name = "x" * length
    drawn = draw_trend_chart([years(1.0, None, name=name)], "T", said)
    assert re.findall(r'<text x="30" y="12">([^<]+)</text>', drawn) == [text.format(name, cut=name[:47])]


@pytest.mark.parametrize("length", [35, 36])
def test_legend_has_a_newest_figure_of_zero(length: int) -> None:
    name = "x" * length
    period = " in 2021" if length == 35 else ""
    assert f">{name}: 0.0{period}</text>" in draw_trend_chart([years(1.0, 0.0, name=name)], "T", said)
