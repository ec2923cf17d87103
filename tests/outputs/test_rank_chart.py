"""Places of an answer in order: whole drawings of few places, and positions of the columns of many."""

import re
from typing import Any

import pytest

from pipelines.outputs.rank_chart import draw_rank_charts
from pipelines.outputs.value_map import MapShape
from tests.outputs.test_answer_rules import answer_of

SHAPES = {f"p{number}": MapShape(f"c{number}", f"v{number}", f"t{number}&") for number in range(30)}
OPEN = '<svg viewBox="0 0 400 {}" role="img" aria-labelledby="map-title map-text">'


def bar(number: int, row: int, text: str, width: str) -> str:
    return (
        f'<text x="0" y="{row * 36 + 13}">{text}</text><rect class="c{number}" x="1.0" y="{row * 36 + 17}.0" '
        f'width="{width}" height="13.0" data-place="p{number}" data-value="v{number}">'
        f"<title>t{number}&amp;</title></rect>"
    )


def named(*values: float | None, **said: Any) -> list[dict[str, Any]]:
    return [
        {"place_name": f"N{number:02}", "value": value, "state": "missing" if value is None else "comparable", **said}
        for number, value in enumerate(values)
    ]


def test_few_places_have_named_bars_in_order_with_the_others_last() -> None:
    rows = [
        {"value": -2.0, "place_name": "Bow"}, {"state": "missing", "place_name": "A & C"},
        {"value": 4.0, "place_name": "Ash"}, {"state": "proxy", "value": 9.0, "place_name": "Dee"},
    ]  # fmt: skip
    bars = [bar(2, 0, "Ash: 4", "176.89"), bar(0, 1, "Bow: -2", "88.44")]
    others = [bar(3, 2, "Dee: 9", "398.00"), bar(1, 3, "A &amp; C: no figure", "24.00")]
    assert draw_rank_charts(answer_of(*rows), SHAPES) == [OPEN.format(146) + "".join([*bars, *others]) + "</svg>"]
    lowest = [bar(0, 0, "Bow: -2", "88.44"), bar(2, 1, "Ash: 4", "176.89")]
    assert draw_rank_charts(answer_of(*rows, order="lowest"), SHAPES) == [
        OPEN.format(146) + "".join([*lowest, *others]) + "</svg>"
    ]
    assert draw_rank_charts(answer_of(), SHAPES) == []


def test_figure_near_zero_has_a_bar_and_equal_figures_are_by_name() -> None:
    rows = [{"value": 0.0, "place_name": "B"}, {"value": 0.0, "place_name": "A"}]
    assert draw_rank_charts(answer_of(*rows), SHAPES) == [
        OPEN.format(74) + bar(1, 0, "A: 0", "1.00") + bar(0, 1, "B: 0", "1.00") + "</svg>"
    ]
    half = draw_rank_charts(answer_of({"value": 0.5, "place_name": "A"}, {"value": 0.25, "place_name": "B"}), SHAPES)
    assert half == [OPEN.format(74) + bar(0, 0, "A: 0.50", "398.00") + bar(1, 1, "B: 0.25", "199.00") + "</svg>"]


@pytest.mark.parametrize(("length", "is_cut"), [(56, False), (57, True)])
def test_long_name_ends_with_an_ellipsis(length: int, is_cut: bool) -> None:
    name = "x" * (length - 3) + " yz"
    (chart,) = draw_rank_charts(answer_of({"value": 1.0, "place_name": name}), SHAPES)
    shown = f"{'x' * (length - 3)} …" if is_cut else name
    assert f">{shown}: 1</text>" in chart


def rects(chart: str) -> list[tuple[str, float, float, float, float]]:
    """Return the place, position and size of each column of a chart."""
    matches = re.findall(
        r'<rect class="c(\d+)" x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)" data-place="p\1" '
        r'data-value="v\1"><title>t\1&amp;</title></rect>', chart,
    )  # fmt: skip
    return [(place, *map(float, numbers)) for place, *numbers in matches]  # type: ignore[misc]


def test_many_places_have_columns_from_zero() -> None:
    (twenty,) = draw_rank_charts(answer_of(*named(*range(20))), SHAPES)
    assert twenty.startswith(OPEN.format(722))
    values = [*map(float, range(1, 20)), 20.0, None]
    (chart,) = draw_rank_charts(answer_of(*named(*values)), SHAPES)
    assert chart.startswith(
        OPEN.format(270) + '<path class="grid" d="M21.6 240.0H400M21.6 125.0H400M21.6 10.0H400"/>'
        '<text x="15.6" y="244.0" text-anchor="end">0</text><text x="15.6" y="129.0" text-anchor="end">10</text>'
        '<text x="15.6" y="14.0" text-anchor="end">20</text><rect '
    )
    assert chart.endswith(
        '</rect><text x="21.6" y="258">N19</text><text x="400.0" y="258" text-anchor="end">N00</text></svg>'
    )
    drawn = rects(chart)
    assert [place for place, *_ in drawn] == [str(n) for n in range(19, -1, -1)] + ["20"]
    wide = (400 - 21.6) / 21
    for at, (place, x, y, width, height) in enumerate(drawn):
        value = 20.0 if place == "20" else values[int(place)]
        assert value is not None
        assert (x, width) == (pytest.approx(21.6 + at * wide, abs=0.06), 18.02)
        assert (y, height) == (pytest.approx(240 - 11.5 * value, abs=0.06), pytest.approx(11.5 * value, abs=0.06))


def test_column_of_zero_and_of_a_negative_figure_next_to_zero() -> None:
    (chart,) = draw_rank_charts(answer_of(*named(*[0.0] * 20, 20.0)), SHAPES)
    assert {height for place, *_, height in rects(chart) if place != "20"} == {0.5}
    assert {y for place, _, y, *_ in rects(chart) if place != "20"} == {240.0}


def test_axis_that_does_not_begin_at_zero_has_marks_at_the_figures() -> None:
    (chart,) = draw_rank_charts(answer_of(*named(*map(float, range(-30, -9)))), SHAPES)
    assert re.findall(r'text-anchor="end">(-?\d+)<', chart) == ["-30", "-20", "-10"]
    assert [(y, height) for _, _, y, _, height in rects(chart)] == [
        (pytest.approx(10 + 11.5 * at - 1.5, abs=0.051), 3.0) for at in range(21)
    ]


def test_interval_is_a_whisker_where_both_ends_are_known() -> None:
    rows = named(*[10.0] * 21)
    ends = [(5.0, 15.0), (None, 20.0), (1.0, None)]
    for row, (low, high) in zip(rows, ends, strict=False):
        row |= {"interval_lower": low, "interval_upper": high}
    (chart,) = draw_rank_charts(answer_of(*rows), SHAPES)
    assert re.findall(r'<path class="whisker" d="([^"]*)"/>', chart) == ["M30.6 182.5V67.5"]
    assert re.findall(r'text-anchor="end">(\d+)<', chart) == ["0", "10", "20"]
    assert "whisker" not in draw_rank_charts(answer_of(*named(*[10.0] * 21)), SHAPES)[0]


def test_each_group_has_a_chart_the_largest_first_with_the_other_places() -> None:
    rows = [*named(1.0, group="a"), *named(2.0, 3.0, group="b"), *named(None, group="c")]
    charts = draw_rank_charts(answer_of(*rows), SHAPES)
    assert [re.findall(r'data-place="p(\d+)"', chart) for chart in charts] == [["2", "1", "3"], ["0"]]
    rows = [*named(*map(float, range(21)), group=None), {"place_name": "Z" * 20 + " and more", "state": "doubted",
            "value": 99.0}]  # fmt: skip
    (chart,) = draw_rank_charts(answer_of(*rows), SHAPES)
    assert chart.count("<rect") == 22 and ">N20</text>" in chart and ">N00</text>" in chart


def test_names_of_both_ends_of_columns_are_cut() -> None:
    rows = named(*map(float, range(21)))
    rows[20]["place_name"], rows[0]["place_name"] = "A" * 20 + " bcd", "B" * 21 + " bcd"
    (chart,) = draw_rank_charts(answer_of(*rows), SHAPES)
    assert f">{'A' * 20} bcd</text>" in chart and f">{'B' * 21} …</text>" in chart
