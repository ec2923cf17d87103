"""Charts as inline SVG without scripts: completeness over builds, and reconciliation of totals."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.periods import format_period
from pipelines.gaps import Ledger
from pipelines.observations import DIFFERENCE_PARTS

PART_TITLES = {
    "missing_places": "places without a figure",
    "suppressed": "suppressed figures",
    "rounding": "rounding",
    "unallocated": "not allocated to a place",
    "retired_codes": "under retired codes",
    "remainder": "not explained",
}
ROW, LABEL, BARS, FIGURE = 26, 190, 300, 110
BAR_COLOURS = {"total": "#1d4f76", "part": "#b3532b", "remainder": "#7a1f1f"}
MIN_BAR_WIDTH = 1.5
"""Minimum width of a bar, so that a small part stays visible."""


class WaterfallBar(NamedTuple):
    """One bar of a waterfall chart: label, amount, start and kind."""

    label: str
    amount: float
    start: float
    kind: str


def build_waterfall_bars(row: Mapping[str, Any]) -> list[WaterfallBar]:
    """Return the bars for one row of reconciliation.RECONCILIATION: sum of the places, each part, and the total."""
    bars = [WaterfallBar("sum of its places", row["sum_of_places"], 0.0, "total")]
    position = row["sum_of_places"]
    for part in DIFFERENCE_PARTS:
        if row[part]:
            bars.append(
                WaterfallBar(PART_TITLES[part], row[part], position, "remainder" if part == "remainder" else "part")
            )
            position += row[part]
    return [*bars, WaterfallBar("published total", row["total"], 0.0, "total")]


def draw_waterfall(row: Mapping[str, Any]) -> str:
    """Draw the reconciliation of one total. The scale starts near the smaller sum, so that small parts are visible."""
    bars = build_waterfall_bars(row)
    height = ROW * (len(bars) + 1)
    left, scale = _choose_scale(bars)
    drawn = "".join(_draw_bar(n, bar, left, scale) for n, bar in enumerate(bars))
    broken = f"; the axis starts at {format_total(left)}" if left else ""
    width = LABEL + BARS + FIGURE
    foot = f'<text x="{LABEL}" y="{height - 8}" fill="#444" font-size="11">in {escape(str(row["unit"]))}{broken}</text>'
    return (
        f'<svg class="waterfall" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(describe_waterfall(row), quote=True)}" font-family="inherit" font-size="13">'
        f"<title>{escape(describe_waterfall(row))}</title>{drawn}{foot}</svg>"
    )


def describe_waterfall(row: Mapping[str, Any]) -> str:
    """Describe the chart in one sentence for screen readers."""
    parts = [f"{format_total(row[part])} {PART_TITLES[part]}" for part in DIFFERENCE_PARTS if row[part]]
    apart = ", ".join(parts) or "no difference"
    return (
        f"{row['place_name']}: published total {format_total(row['total'])} {row['unit']}; "
        f"sum of its places {format_total(row['sum_of_places'])}; difference: {apart}"
    )


def render_waterfall_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Render the reconciliation of totals as an HTML table, with one row for each total."""
    heads = (
        "place",
        "period",
        "published total",
        "sum of its places",
        *(PART_TITLES[part] for part in DIFFERENCE_PARTS),
        "evidence",
    )
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in heads)
    body = "".join(_waterfall_row(row) for row in rows)
    caption = "<caption>Why totals differ from the sum of their places</caption>"
    return f'<table class="reconciliation">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _waterfall_row(row: Mapping[str, Any]) -> str:
    figures = "".join(
        f'<td class="figure">{format_total(row[name])}</td>' for name in ("total", "sum_of_places", *DIFFERENCE_PARTS)
    )
    period = format_period(row["period_start"], row["period_end"])
    return (
        f'<tr><th scope="row">{escape(str(row["place_name"]))}</th><td>{period}</td>{figures}'
        f"<td>{escape(str(row['evidence']))}</td></tr>"
    )


def format_total(value: float) -> str:
    """Format a figure with thousands separators, without decimals if it is whole."""
    return f"{value:z,.0f}" if float(value).is_integer() else f"{value:z,.2f}".rstrip("0").rstrip(".")


def _choose_scale(bars: Sequence[WaterfallBar]) -> tuple[float, float]:
    """Return the start of the scale and the width of one unit. Small parts move the start near the smaller sum."""
    marks = [end for bar in bars for end in ((bar.start + bar.amount,) + (bar.start,) * (bar.kind != "total"))]
    least, most = min(marks), max(*marks, 0.0)
    spread = most - least
    start = least - spread if 0 < spread < least / 2 else min(least, 0.0)
    return start, BARS / ((most - start) or 1.0)


def _draw_bar(number: int, bar: WaterfallBar, start: float, scale: float) -> str:
    low, high = sorted((bar.start, bar.start + bar.amount))
    x = LABEL + (max(low, start) - start) * scale
    width = max((high - max(low, start)) * scale, MIN_BAR_WIDTH)
    y = number * ROW
    sign = "+" if bar.kind != "total" and bar.amount > 0 else ""
    return (
        f'<text x="{LABEL - 8}" y="{y + 17}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="{ROW - 8}" fill="{BAR_COLOURS[bar.kind]}"/>'
        f'<text x="{LABEL + BARS + 8}" y="{y + 17}">{sign}{format_total(bar.amount)}</text>'
    )


WIDTH, HEIGHT = 120.0, 24.0
"""Size of the completeness line, in SVG units."""


def draw_trend(ledger: Ledger) -> dict[str, Any] | None:
    """Draw the share of available cells on each build day as a line. Return None if there is only one day."""
    days = ledger.builds.unique("day", keep="last", maintain_order=True).filter(pl.col("asked") > 0)
    if days.height < 2:
        return None
    shares = [(day, known / asked) for day, known, asked in days.select("day", "known", "asked").iter_rows()]
    first, last = shares[0], shares[-1]
    length = max((last[0] - first[0]).days, 1)
    points = [((day - first[0]).days / length * WIDTH, (1 - share) * HEIGHT) for day, share in shares]
    return {
        "path": "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points),
        "width": WIDTH,
        "height": HEIGHT,
        "said": f"from {_format_percent(first[1])} on {format_period(first[0], first[0])} to "
        f"{_format_percent(last[1])} on "
        f"{format_period(last[0], last[0])}",
        "rows": [{"day": format_period(day, day), "share": _format_percent(share)} for day, share in shares],
    }


def _format_percent(share: float) -> str:
    """Format a share as a percentage with one decimal. It never rounds up to 100% or down to 0%."""
    tenths = int(share * 1000 + 1e-9)
    return f"{tenths / 10:.1f}%" if tenths or not share else "under 0.1%"
