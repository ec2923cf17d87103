"""The gap report of a problem: one HTML file that opens by double-click, and its cells as CSV and JSON."""

import json
from datetime import date
from typing import Any

import polars as pl

from pipelines.core.export import defused
from pipelines.core.periods import say
from pipelines.observations import newest_periods
from pipelines.outputs.csvw import CREDIT
from pipelines.outputs.map import draw
from pipelines.outputs.page_templates import page_environment
from pipelines.outputs.report_changes import accepted_rows, changed, laid_out, oldest, verdict_causes, verdict_counts
from pipelines.outputs.report_model import Report
from pipelines.outputs.report_summary import (
    RELEASES_SHOWN,
    attribution,
    finding_rows,
    gaps_by_reason,
    grave_findings,
    meanings,
    needs_met,
    shopping_list,
    source_rows,
    summary,
)
from pipelines.outputs.report_tables import by_place, by_place_and_period, highest, measure_heads, oldest_allowed

SHOWN = 200
"""Findings printed in the report; the analyst's file has all."""


def render_html(report: Report) -> str:
    """Write the report as one HTML document that needs nothing else, no network and no script."""
    met = {code: (known, asked) for code, known, asked in needs_met(report).iter_rows()}
    latest = report.header.grain == "latest"
    found = grave_findings(report)
    return (
        page_environment()
        .get_template("report.html")
        .render(
            report=report,
            header=report.header,
            told=summary(report),
            reasons=gaps_by_reason(report),
            verdicts=verdict_counts(report.followed.judged),
            causes=verdict_causes(report.followed.judged, report.measures),
            changed=changed(report.followed, report.measures),
            accepted=accepted_rows(report.followed.gaps, report.measures),
            oldest=oldest(report.followed.gaps),
            revised=report.followed.revised.to_dicts(),
            breaks=laid_out(report.breaks, report.boundaries, set(report.places["place_code"])),
            drawn=draw(report.boundaries, set(met), subset=bool(report.header.place_codes)),
            names=dict(report.places.select("place_code", "place_name").iter_rows()),
            map_shapes=_shaded(report, met),
            legend=legend(met),
            heads=measure_heads(report),
            highest=highest(report),
            latest=latest,
            oldest_that_will_do=oldest_allowed(report),
            rows=by_place(report) if latest else by_place_and_period(report),
            shopping=shopping_list(report),
            sources=source_rows(report),
            releases_shown=RELEASES_SHOWN,
            returned=newest_periods(report.returned).to_dicts(),
            findings=finding_rows(found.head(SHOWN)),
            findings_in_all=found.height,
            meanings=meanings(report, found.head(SHOWN)),
            periods=_periods(report),
            say=say,
        )
    )


def _periods(report: Report) -> str:
    first, last = report.cells["period_start"].min(), report.cells["period_end"].max()
    return say(first, last)  # type: ignore[arg-type]


def shade(met: int, asked: int) -> str:
    """Name the shade of a place by the share of its needs that are met."""
    share = met / asked if asked else 0.0
    steps = ((1.0, "all"), (0.75, "most"), (0.5, "half"), (1e-9, "few"))
    return next((name for least, name in steps if share >= least), "none")


_LEGEND = {
    "all": "all needs met",
    "most": "three quarters or more",
    "half": "half or more",
    "few": "less than half",
    "none": "none",
}


def legend(met: dict[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """Give the shades that occur, what each means, and how many places have it."""
    shades = [shade(*each) for each in met.values()]
    return [
        {"shade": name, "text": text, "places": shades.count(name)} for name, text in _LEGEND.items() if name in shades
    ]


def percent(met: int, asked: int) -> str:
    """Write a share in per cent, never rounded up to all nor down to none."""
    whole = 100 * met // asked if asked else 0
    return "under 1%" if met and not whole else f"{whole}%"


def _shaded(report: Report, met: dict[str, tuple[int, int]]) -> dict[str, tuple[str, str]]:
    """Give the shade and the title of each place on the map."""
    names = dict(report.places.select("place_code", "place_name").iter_rows())
    what = "needs met" if report.header.grain == "latest" else "figures needed are known"
    return {
        code: (shade(*each), f"{names.get(code, code)}: {each[0]:,} of {each[1]:,} {what} ({percent(*each)})")
        for code, each in met.items()
    }


def cells_csv(report: Report) -> str:
    """Write every cell as CSV, with the title of its measure and whom and what licence its figure is owed to."""
    told = pl.DataFrame(
        [
            (name, measure.title, source.publisher, source.licence, source.page, attribution(source))
            for name, measure in report.measures.items()
            for source in [report.sources[report.measure_sources[name]]]
        ],
        schema=dict.fromkeys(("measure", *CREDIT), pl.String),
        orient="row",
    )
    cells = report.cells.sort("cell_id").join(told, on="measure", how="left", maintain_order="left")
    return defused(cells).write_csv()


_SOURCE = ("title", "publisher", "compiled_by", "licence", "page", "access", "cadence")


def as_json(report: Report) -> str:
    """Write the report as JSON: question, answer in numbers, what to ask for, cells, sources."""
    told = {
        "problem": report.problem,
        "question": report.header.question,
        "decision": report.header.decision,
        "owner": report.header.owner,
        "places": report.header.geography,
        "grain": report.header.grain,
        "as_of": report.as_of,
        "version": report.version,
        "summary": summary(report)._asdict(),
        "gaps_by_reason": gaps_by_reason(report),
        "shopping_list": shopping_list(report),
        "people": report.people_title,
        "measures": {name: measure.model_dump() for name, measure in report.measures.items()},
        "sources": [_source(row) for row in source_rows(report)],
        "verdicts": report.followed.judged.drop("problem"),
        "since_last_build": changed(report.followed, report.measures)["line"],
        "cells": report.cells.sort("cell_id"),
    }
    return _one_a_line(told)


def _one_a_line(told: dict[str, Any]) -> str:
    """Write an object as JSON, each item of its lists and each row of its tables on a line of its own.

    Python's indented JSON took half the time of a report, and rows as dictionaries a seventh.
    """
    encode = json.JSONEncoder(ensure_ascii=False, default=_iso).encode

    def text(value: object) -> str:
        if isinstance(value, pl.DataFrame):
            # Not splitlines: a name may hold what Python takes for the end of a line.
            return "[\n" + ",\n".join(value.write_ndjson().rstrip("\n").split("\n")) + "\n]"
        return "[\n" + ",\n".join(map(encode, value)) + "\n]" if isinstance(value, list) else encode(value)

    return "{\n" + ",\n".join(f"{encode(key)}: {text(value)}" for key, value in told.items()) + "\n}\n"


def _source(row: dict[str, Any]) -> dict[str, Any]:
    fields = row["source"].model_dump(include=set(_SOURCE))
    return {"source": row["name"], **fields, "attribution": row["attribution"], "releases": row["releases"]}


def _iso(value: date) -> str:
    return value.isoformat()
