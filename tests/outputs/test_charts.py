"""Reconciliation of totals and completeness over builds: whole drawings, rows and sentences."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.gaps import Ledger
from pipelines.gaps.ledger import empty_ledger
from pipelines.observations import DIFFERENCE_PARTS
from pipelines.outputs.charts import (
    PART_TITLES,
    WaterfallBar,
    _choose_scale,
    _format_percent,
    build_waterfall_bars,
    describe_waterfall,
    draw_trend,
    draw_waterfall,
    format_total,
    render_waterfall_table,
)


def total_row(places: float, **parts: float) -> dict[str, Any]:
    """Return a reconciled total: the sum of its places, with each part of the difference."""
    return {
        "place_name": "A<b>", "unit": "jobs", "total": places + sum(parts.values()), "sum_of_places": places,
        "period_start": date(2025, 1, 1), "period_end": date(2025, 12, 31), "evidence": "e<",
        **dict.fromkeys(DIFFERENCE_PARTS, 0.0), **parts,
    }  # fmt: skip


def test_every_part_has_a_title() -> None:
    assert set(PART_TITLES) == set(DIFFERENCE_PARTS)


def test_bars_begin_where_the_last_one_ends() -> None:
    assert build_waterfall_bars(total_row(100.0, missing_places=8.0, rounding=-1.0, remainder=-3.0)) == [
        WaterfallBar("sum of its places", 100.0, 0.0, "total"),
        WaterfallBar("places without a figure", 8.0, 100.0, "part"), WaterfallBar("rounding", -1.0, 108.0, "part"),
        WaterfallBar("not explained", -3.0, 107.0, "remainder"), WaterfallBar("published total", 104.0, 0.0, "total"),
    ]  # fmt: skip
    assert [bar.label for bar in build_waterfall_bars(total_row(5.0))] == ["sum of its places", "published total"]


def test_drawing_has_a_bar_for_each_part_and_says_where_the_axis_starts() -> None:
    row = total_row(100.0, missing_places=8.0, remainder=-3.0)
    said = (
        "A&lt;b&gt;: published total 105 jobs; sum of its places 100; "
        "difference: 8 places without a figure, -3 not explained"
    )
    bars = [(190.0, 150.0, "sum of its places", "100", "#1d4f76"),
            (340.0, 150.0, "places without a figure", "+8", "#b3532b"),
            (433.8, 56.2, "not explained", "-3", "#7a1f1f"),
            (190.0, 243.8, "published total", "105", "#1d4f76")]  # fmt: skip
    drawn = "".join(
        f'<text x="182" y="{26 * n + 17}" text-anchor="end">{label}</text><rect x="{x}" y="{26 * n + 4}" '
        f'width="{width}" height="18" fill="{colour}"/><text x="498" y="{26 * n + 17}">{figure}</text>'
        for n, (x, width, label, figure, colour) in enumerate(bars)
    )
    assert draw_waterfall(row) == (
        f'<svg class="waterfall" viewBox="0 0 600 130" width="600" height="130" role="img" aria-label="{said}" '
        f'font-family="inherit" font-size="13"><title>{said}</title>{drawn}<text x="190" y="122" fill="#444" '
        'font-size="11">in jobs; the axis starts at 92</text></svg>'
    )
    assert ">in jobs</text>" in draw_waterfall(total_row(10.0, missing_places=8.0))


def test_small_part_stays_visible() -> None:
    row = total_row(100.0, missing_places=50.0, suppressed=0.01)
    assert 'x="490.0" y="56" width="1.5"' in draw_waterfall(row)
    assert ">+0.01</text>" in draw_waterfall(row)
    assert 'x="190.0" y="4" width="1.5"' in draw_waterfall(total_row(0.0, missing_places=50.0))


def test_sentence_of_a_total_without_a_difference() -> None:
    assert describe_waterfall(total_row(1234.5)) == (
        "A<b>: published total 1,234.5 jobs; sum of its places 1,234.5; difference: no difference"
    )


@pytest.mark.parametrize(
    ("ends", "start", "width"),
    [((100.0, 110.0), 90.0, 20.0), ((100.0, 150.0), 0.0, 150.0), ((100.0, 149.0), 51.0, 98.0),
     ((100.0, 100.0), 0.0, 100.0), ((0.0, 0.0), 0.0, 1.0), ((-100.0, -90.0), -100.0, 100.0),
     ((-5.0, 15.0), -5.0, 20.0), ((10.0, 10.5), 9.5, 1.0)],
)  # fmt: skip
def test_scale_starts_near_the_smaller_sum_where_the_difference_is_small(
    ends: tuple[float, float], start: float, width: float
) -> None:
    bars = [WaterfallBar("a", ends[0], 0.0, "total"), WaterfallBar("b", ends[1] - ends[0], ends[0], "part"),
            WaterfallBar("c", ends[1], 0.0, "total")]  # fmt: skip
    assert _choose_scale(bars) == (pytest.approx(start), pytest.approx(300 / width))


def test_table_has_a_row_for_each_total() -> None:
    table = render_waterfall_table([total_row(100.0, missing_places=8.25, remainder=-3.0), total_row(1.0)])
    heads = ["place", "period", "published total", "sum of its places", *PART_TITLES.values(), "evidence"]
    figures = [["105.25", "100", "8.25", "0", "0", "0", "0", "-3"], ["1", "1", "0", "0", "0", "0", "0", "0"]]
    rows = "".join(
        '<tr><th scope="row">A&lt;b&gt;</th><td>2025</td>' + "".join(f'<td class="figure">{text}</td>' for text in own)
        + "<td>e&lt;</td></tr>" for own in figures
    )  # fmt: skip
    assert table == (
        '<table class="reconciliation"><caption>Why totals differ from the sum of their places</caption><thead><tr>'
        + "".join(f'<th scope="col">{head}</th>' for head in heads)
        + f"</tr></thead><tbody>{rows}</tbody></table>"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.0, "1,234,567"), (-0.0, "0"), (-1.5, "-1.5"), (0.25, "0.25"), (0.1 + 0.2, "0.3"), (100.004, "100"),
     (-0.001, "0"), (1000.1, "1,000.1")],
)  # fmt: skip
def test_total_has_two_decimals_at_most(value: float, text: str) -> None:
    assert format_total(value) == text


def ledger_of(*builds: tuple[date, int, int]) -> Ledger:
    own = empty_ledger()
    rows = [{"problem": "p", "build": n, "day": day, "asked": asked, "known": known}
            for n, (day, asked, known) in enumerate(builds)]  # fmt: skip
    return own._replace(builds=pl.DataFrame(rows, schema=own.builds.schema))


def test_completeness_is_a_line_over_the_days_of_builds() -> None:
    first, again, middle, last = date(2025, 1, 1), date(2025, 1, 1), date(2025, 1, 5), date(2025, 1, 11)
    ledger = ledger_of((first, 10, 1), (again, 10, 5), (middle, 0, 0), (middle, 0, 0), (last, 8, 6))
    assert draw_trend(ledger) == {
        "path": "M0.0 12.0L120.0 6.0", "width": 120.0, "height": 24.0,
        "said": "from 50.0% on 1 January 2025 to 75.0% on 11 January 2025",
        "rows": [{"day": "1 January 2025", "share": "50.0%"}, {"day": "11 January 2025", "share": "75.0%"}],
    }  # fmt: skip
    three = draw_trend(ledger_of((first, 4, 0), (middle, 4, 1), (last, 4, 4)))
    assert three and three["path"] == "M0.0 24.0L48.0 18.0L120.0 0.0"
    assert three["said"] == "from 0.0% on 1 January 2025 to 100.0% on 11 January 2025"
    days = draw_trend(ledger_of((first, 4, 0), (date(2025, 1, 2), 4, 4)))
    assert days and days["path"] == "M0.0 24.0L120.0 0.0"


def test_one_day_is_no_line() -> None:
    assert draw_trend(ledger_of()) is None and draw_trend(empty_ledger()) is None
    assert draw_trend(ledger_of((date(2025, 1, 1), 4, 1), (date(2025, 1, 1), 4, 2))) is None
    assert draw_trend(ledger_of((date(2025, 1, 1), 4, 1), (date(2025, 1, 2), 0, 0))) is None


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.0%"), (0.0004, "under 0.1%"), (0.000999, "under 0.1%"), (0.001, "0.1%"), (0.9999, "99.9%"),
     (1.0, "100.0%"),     (0.5554, "55.5%"), (0.29, "29.0%")],
)  # fmt: skip
def test_percentage_is_never_rounded_to_none_or_all(share: float, text: str) -> None:
    assert _format_percent(share) == text
