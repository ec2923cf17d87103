"""Small charts on one scale: whole drawings of two, and which lines have one."""

import re
from datetime import date

import pytest

from pipelines.core.periods import whole_months
from pipelines.outputs.small_multiples import MAX_PANELS, Panel, draw_small_multiples
from pipelines.outputs.trend_chart import NO_BAND, BandPoint, TrendBand, TrendPoint, TrendSeries


def years(*values: float | None, name: str = "Merton") -> TrendSeries:
    points = [TrendPoint(*whole_months(2020 + number, 1, 12), value) for number, value in enumerate(values)]
    return TrendSeries(name, points, "panel")


def said(value: float) -> str:
    return f"{value:,.1f}"


def test_most_panels_are_the_regions_and_the_other_nations() -> None:
    assert MAX_PANELS == 9 + 3


def test_two_lines_share_a_scale_and_a_background() -> None:
    band = TrendBand("most", [BandPoint(*whole_months(2020 + n, 1, 12), -5.0, 15.0) for n in range(3)])
    first, second = draw_small_multiples(
        {"A": years(0.0, None, 10.0), "B": years(2.0, -1.0, None, name="<b>")}, band, said
    )
    # Labels of three characters, and the plot of 76 units in height from -10 to 20.
    background = (
        '<g id="multiples-band"><path class="band" d="'
        'M26.4 20.7L111.3 20.7L196.0 20.7L196.0 71.3L111.3 71.3L26.4 71.3Z"/>'
        '<path class="grid" d="M26.4 8H196M26.4 84H196"/><text x="22.4" y="12" text-anchor="end">20</text>'
        '<text x="22.4" y="88" text-anchor="end">-10</text><text x="26.4" y="100" text-anchor="start">2020</text>'
        '<text x="196.0" y="100" text-anchor="end">2022</text></g>'
    )
    text = "Merton: 0.0 in 2020, and 10.0 in 2022; no figure in 1 of 3 periods"
    opening = '<svg class="tc panel" viewBox="0 0 200 104" role="img" aria-label="{}">{}<g class="panel" '
    assert first == Panel(
        "A", "Merton", "10.0, 2022",
        opening.format(text, background) + 'data-name="Merton" data-periods="2020 2021 2022" data-values="0.0 - 10.0">'
        '<path d="M26.4 58.7M196.0 33.3"/>'
        '<circle cx="26.4" cy="58.7" r="2"/><circle cx="196.0" cy="33.3" r="2"/></g></svg>',
    )  # fmt: skip
    text = "&lt;b&gt;: 2.0 in 2020, and -1.0 in 2021; no figure in 1 of 3 periods"
    assert second == Panel(
        "B", "<b>", "-1.0, 2021",
        opening.format(text, '<use href="#multiples-band"/>') + 'data-name="&lt;b&gt;" data-periods="2020 2021 2022" '
        'data-values="2.0 -1.0 -"><path d="M26.4 53.6L111.3 61.2"/></g></svg>',
    )  # fmt: skip


def test_only_lines_with_a_trend_are_drawn_and_one_alone_is_not() -> None:
    assert draw_small_multiples({}, NO_BAND, said) == []
    assert draw_small_multiples({"A": years(1.0, 2.0), "B": years(1.0, None)}, NO_BAND, said) == []
    panels = draw_small_multiples({"A": years(1.0, None), "B": years(1.0, 2.0), "C": years(0.0, -3.0)}, NO_BAND, said)
    assert [(panel.code, panel.text) for panel in panels] == [("B", "2.0, 2021"), ("C", "-3.0, 2021")]
    assert 'class="band"' not in panels[0].svg and panels[0].svg.count("<g id=") == 1 and "<use" in panels[1].svg


def test_newest_figure_may_be_zero() -> None:
    panels = draw_small_multiples({"A": years(1.0, 0.0), "B": years(1.0, 2.0, None)}, NO_BAND, said)
    assert [panel.text for panel in panels] == ["0.0, 2021", "2.0, 2021"]


@pytest.mark.parametrize(
    ("months", "names"),
    [([(2020, 1), (2020, 12)], ["January 2020", "December 2020"]), ([(2020, 12), (2021, 1)], ["2020", "2021"])],
)
def test_times_are_years_or_the_months_of_one_year(months: list[tuple[int, int]], names: list[str]) -> None:
    points = [TrendPoint(*whole_months(*month, 1), 1.0) for month in months]
    line = TrendSeries("a", points)
    (panel, _) = draw_small_multiples({"A": line, "B": line}, NO_BAND, said)
    assert re.findall(r'text-anchor="(?:start|end)">([^<]+)</text>', panel.svg)[2:] == names


def test_labels_have_the_decimals_of_the_scale() -> None:
    panels = draw_small_multiples({"A": years(0.0, 0.3), "B": years(0.1, 0.2)}, NO_BAND, said)
    assert re.findall(r'text-anchor="end">([^<]+)</text>', panels[0].svg)[:2] == ["0.3", "0.0"]
    band = TrendBand("", [BandPoint(date(2020, 1, 1), date(2020, 12, 31), None, None)])
    assert draw_small_multiples({"A": years(0.0, 0.3), "B": years(0.1, 0.2)}, band, said) == panels
