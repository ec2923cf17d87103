"""What a gap report says, worked out from cells: answers in numbers, what to ask for, and the big table."""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from checks.reasons import REASONS
from pipelines.model import Measure
from pipelines.periods import say
from pipelines.report_model import Report


class Summary(NamedTuple):
    """The answer in numbers. `whole`, `part` and `none` count places by the needs met."""

    places: int
    whole: int
    part: int
    none: int
    needed: int
    known: int
    wanted: int


def needs_met(report: Report) -> pl.DataFrame:
    """Give for each place how many of the cells needed are known: place_code, met, asked."""
    needed = report.cells.filter(pl.col("need") == "needed")
    counted = needed.group_by("place_code").agg(
        pl.col("value").is_not_null().sum().alias("met"), pl.len().alias("asked")
    )
    return counted.sort("place_code")


def summary(report: Report) -> Summary:
    """Count places and cells."""
    met = needs_met(report)
    whole, none = met.filter(pl.col("met") == pl.col("asked")).height, met.filter(pl.col("met") == 0).height
    needed = report.cells.filter(pl.col("need") == "needed")
    return Summary(
        met.height, whole, met.height - whole - none, none, needed.height, needed["value"].count(),
        report.cells.height - needed.height,
    )  # fmt: skip


def gaps_by_reason(report: Report) -> list[dict[str, Any]]:
    """Count gaps by reason: code, title, cells, places, share of all gaps; most first."""
    gaps = report.cells.filter(pl.col("reason").is_not_null())
    counted = gaps.group_by("reason").agg(pl.len().alias("cells"), pl.col("place_code").n_unique().alias("places"))
    rows = counted.sort("cells", "reason", descending=[True, False]).to_dicts()
    return [{**row, "title": REASONS[row["reason"]].title, "share": row["cells"] / gaps.height} for row in rows]


def shopping_list(report: Report) -> list[dict[str, Any]]:
    """List what to ask for: what is missing and why, who could supply it, and what that would unlock.

    Places, cells and people are counted once within a line; people are those of the places concerned.
    Most people first.
    """
    gaps = report.cells.filter(pl.col("reason").is_not_null()).join(report.people, on="place_code", how="left")
    grouped = gaps.group_by("measure", "need", "reason", "holder", "remedy").agg(
        pl.len().alias("cells"),
        pl.col("place_code").n_unique().alias("places"),
        pl.col("place_name").unique().sort().alias("names"),
        # People of a place that are not known are left out, not counted as nobody.
        pl.struct("place_code", "people").unique().struct.field("people").sum().alias("people"),
        pl.col("evidence").first(),
    )
    ordered = grouped.sort(
        "people", "cells", "measure", "reason", "remedy", descending=[True, True, False, False, False]
    )
    return [
        {**row, "title": REASONS[row["reason"]].title, "measure_title": report.measures[row["measure"]].title}
        for row in ordered.to_dicts()
    ]


def figure(value: float | None, measure: Measure) -> str:
    """Write a figure with as many decimals as its rounding has, and commas between thousands."""
    if value is None:
        return ""
    step = measure.rounding or (1.0 if float(value).is_integer() else 0.1)
    decimals = 0 if step >= 1 else len(f"{step:.6f}".rstrip("0").split(".")[1])
    return f"{value:,.{decimals}f}"


def bounds(row: dict[str, Any], measure: Measure) -> str:
    """Say between what bounds a missing figure lies, where that is known."""
    if row["low"] is None or row["high"] is None:
        return ""
    return f"between {figure(row['low'], measure)} and {figure(row['high'], measure)}"


def by_place(report: Report) -> list[dict[str, Any]]:
    """Give a row for each place, with a cell for each measure: a figure and its caveats, or a reason."""
    order = list(report.measures)
    cells: dict[tuple[str, str], dict[str, Any]] = {
        (row["place_code"], row["measure"]): row for row in report.cells.sort("period_start").to_dicts()
    }
    return [
        {**place, "cells": [_cell(cells[place["place_code"], name], report.measures[name]) for name in order]}
        for place in report.places.sort("place_name").select("place_code", "place_name", "region", "nation").to_dicts()
    ]


def _cell(row: dict[str, Any], measure: Measure) -> dict[str, Any]:
    if row["reason"] is None:
        caveats = [
            REASONS[code].title.lower() for code in (row["caveats"] or "").split(",") if code not in ("", "rounded")
        ]
        return {"known": True, "text": figure(row["value"], measure), "note": ", ".join(caveats), "evidence": ""}
    return {
        "known": False,
        "text": REASONS[row["reason"]].title,
        "note": bounds(row, measure),
        "evidence": row["evidence"] or "",
    }


def by_place_and_period(report: Report) -> list[dict[str, Any]]:
    """Give a row for each place, with for each measure which periods are known, as a strip and as a count."""
    ordered = report.cells.sort("place_code", "measure", "period_start")
    strips = {
        (place, measure): rows
        for (place, measure), rows in ordered.group_by(["place_code", "measure"], maintain_order=True)
    }
    return [
        {
            **place,
            "cells": [_strip(strips[place["place_code"], name], report.measures[name]) for name in report.measures],
        }
        for place in report.places.sort("place_name").select("place_code", "place_name", "region", "nation").to_dicts()
    ]


def _strip(rows: pl.DataFrame, measure: Measure) -> dict[str, Any]:
    known = rows["value"].is_not_null()
    last = rows.filter(known).tail(1).to_dicts()
    reasons = rows.filter(~known).group_by("reason", maintain_order=True).len().to_dicts()
    return {
        "marks": known.to_list(),
        "count": f"{known.sum()} of {rows.height}",
        "last": f"{figure(last[0]['value'], measure)} in {say(last[0]['period_start'], last[0]['period_end'])}"
        if last
        else "",
        "reasons": [f"{REASONS[row['reason']].title} ({row['len']})" for row in reasons],
    }


def highest(report: Report, most: int = 5) -> list[dict[str, Any]]:
    """List the places with the highest figures: of each rate that is needed, and of each computed column.

    Counts are left out, since the largest places would always lead. Only for grain latest.
    """
    if report.header.grain != "latest":
        return []
    rates = [name for name in report.header.needs if report.measures[name].kind == "rate"]
    numeric = [name for name, dtype in report.view.schema.items() if dtype.is_numeric()]
    computed = [name for name in numeric if f"{name}_status" in report.view.columns and name not in report.measures]
    return [_highest(report, name, most) for name in [*rates, *computed] if name in numeric]


def _highest(report: Report, name: str, most: int) -> dict[str, Any]:
    known = report.view.filter(pl.col(name).is_not_null()).sort(name, "place_code", descending=[True, False])
    measure = report.measures.get(name)
    names = dict(report.places.select("place_code", "place_name").iter_rows())
    rows = [
        (names[code], figure(value, measure) if measure else f"{value:,g}")
        for code, value in known.head(most).select("place_code", name).iter_rows()
    ]
    title = measure.title if measure else name.replace("_", " ").capitalize()
    return {"title": title, "unit": measure.unit if measure else "", "rows": rows, "known": known.height}


def measure_heads(report: Report) -> list[dict[str, Any]]:
    """Give the head of each measure's column: title, unit, whether it is only wanted, and its period if it has one."""
    heads = []
    for name, measure in report.measures.items():
        rows = report.cells.filter(pl.col("measure") == name)
        spans = rows.filter(pl.col("value").is_not_null()).select("value_start", "value_end").unique().rows()
        heads.append(
            {
                "name": name,
                "title": measure.title,
                "unit": measure.unit,
                "wanted": rows["need"].first() == "wanted",
                "period": say(*spans[0]) if len(spans) == 1 else "",
                "rounded": f"rounded to {measure.rounding:g}" if measure.rounding else "",
            }
        )
    return heads


def source_rows(report: Report) -> list[dict[str, Any]]:
    """Give a row for each source: who publishes it, what is held of it, under which licence."""
    rows = []
    for name, source in report.sources.items():
        held = report.releases.filter(pl.col("source") == name) if "source" in report.releases.columns else None
        releases = held.sort("released_at", descending=True).to_dicts() if held is not None else []
        rows.append({"name": name, "source": source, "releases": releases})
    return rows


def grave_findings(report: Report) -> pl.DataFrame:
    """Give the findings in the newest releases that someone should follow up, the gravest first."""
    newest = report.releases.sort("released_at").group_by("source").agg(pl.col("release").last())
    current = pl.col("release").is_null() | pl.col("release").is_in(newest["release"].to_list())
    grave = report.findings.filter(pl.col("severity") != "info", current)
    return grave.sort("severity", "source", "check", "measure", "evidence", "place_code")


def plain(value: Any) -> Any:
    """Write a value as JSON has it: days in ISO form."""
    return value.isoformat() if isinstance(value, date) else value
