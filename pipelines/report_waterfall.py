"""A total taken apart as a picture: inline SVG without script, and the same as a table for who does not see it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from pipelines.reconciliation import PARTS

TITLES = {
    "missing_places": "places without a figure",
    "suppressed": "hidden figures",
    "rounding": "rounding",
    "unallocated": "in no place",
    "retired_codes": "under codes of another time",
    "remainder": "nobody knows",
}
ROW, LABEL, BARS, FIGURE = 26, 190, 300, 110
COLOURS = {"total": "#1d4f76", "part": "#b3532b", "remainder": "#7a1f1f"}
LEAST = 1.5
"""A bar is drawn at least this wide: a part that is there must be seen."""


class Step(NamedTuple):
    """One bar: what it is, how much, and where it begins."""

    label: str
    amount: float
    begins: float
    kind: str


def steps(row: Mapping[str, Any]) -> list[Step]:
    """Give the bars of one row of reconciliation.RECONCILIATION: its places' sum, each part, and the total."""
    found = [Step("its places together", row["local"], 0.0, "total")]
    reached = row["local"]
    for part in PARTS:
        if row[part]:
            found.append(Step(TITLES[part], row[part], reached, "remainder" if part == "remainder" else "part"))
            reached += row[part]
    return [*found, Step("the publisher's total", row["total"], 0.0, "total")]


def waterfall(row: Mapping[str, Any]) -> str:
    """Draw one total taken apart. The scale starts near the smaller sum, so that small parts can be seen."""
    bars = steps(row)
    height = ROW * (len(bars) + 1)
    left, scale = _scale(bars)
    drawn = "".join(_bar(n, each, left, scale) for n, each in enumerate(bars))
    broken = f"; bars of whole sums start at {figure(left)}" if left else ""
    width = LABEL + BARS + FIGURE
    foot = f'<text x="{LABEL}" y="{height - 8}" fill="#444" font-size="11">in {escape(str(row["unit"]))}{broken}</text>'
    return (
        f'<svg class="waterfall" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(summary(row), quote=True)}" font-family="inherit" font-size="13">'
        f"<title>{escape(summary(row))}</title>{drawn}{foot}</svg>"
    )


def summary(row: Mapping[str, Any]) -> str:
    """Say the whole in one sentence, as a screen reader reads it."""
    parts = [f"{figure(row[part])} {TITLES[part]}" for part in PARTS if row[part]]
    apart = ", ".join(parts) or "nothing between them"
    return (
        f"{row['place_name']}: total {figure(row['total'])} {row['unit']}; its places together {figure(row['local'])}; "
        f"between them: {apart}"
    )


def waterfall_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write totals taken apart as an HTML table, a row for each; what the picture shows, in figures."""
    heads = ("place", "period", "total", "its places", *(TITLES[part] for part in PARTS), "rests on")
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(_row(row) for row in rows)
    caption = "<caption>Why totals are not the sum of their places</caption>"
    return f'<table class="reconciliation">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _row(row: Mapping[str, Any]) -> str:
    figures = "".join(f'<td class="figure">{figure(row[name])}</td>' for name in ("total", "local", *PARTS))
    period = f"{row['period_start']} to {row['period_end']}"
    return (
        f'<tr><th scope="row">{escape(str(row["place_name"]))}</th><td>{period}</td>{figures}'
        f"<td>{escape(str(row['evidence']))}</td></tr>"
    )


def figure(value: float) -> str:
    """Write a figure with separators, and without decimals where it is whole."""
    return f"{value:z,.0f}" if float(value).is_integer() else f"{value:z,.2f}".rstrip("0").rstrip(".")


def _scale(bars: Sequence[Step]) -> tuple[float, float]:
    """Choose where the scale starts and how wide a unit is: near the smaller sum where all parts are small."""
    marks = [end for each in bars for end in ((each.begins + each.amount,) + (each.begins,) * (each.kind != "total"))]
    least, most = min(marks), max(*marks, 0.0)
    spread = most - least
    start = least - spread if 0 < spread < least / 2 else min(least, 0.0)
    return start, BARS / ((most - start) or 1.0)


def _bar(number: int, step: Step, start: float, scale: float) -> str:
    low, high = sorted((step.begins, step.begins + step.amount))
    x = LABEL + (max(low, start) - start) * scale
    width = max((high - max(low, start)) * scale, LEAST)
    y = number * ROW
    sign = "+" if step.kind != "total" and step.amount > 0 else ""
    return (
        f'<text x="{LABEL - 8}" y="{y + 17}" text-anchor="end">{escape(step.label)}</text>'
        f'<rect x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="{ROW - 8}" fill="{COLOURS[step.kind]}"/>'
        f'<text x="{LABEL + BARS + 8}" y="{y + 17}">{sign}{figure(step.amount)}</text>'
    )
