"""The gap report of a problem: one HTML file that opens by double-click, and its cells as CSV and JSON."""

import json
from functools import cache
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from checks.reasons import REASONS
from pipelines.periods import say
from pipelines.printing import defused
from pipelines.report_map import draw
from pipelines.report_model import Report
from pipelines.report_tables import (
    by_place,
    by_place_and_period,
    gaps_by_reason,
    grave_findings,
    highest,
    measure_heads,
    needs_met,
    plain,
    shopping_list,
    source_rows,
    summary,
)

SHOWN = 200
"""Findings printed in the report; the analyst's file has all."""

# Sequential blues of the Government Analysis Function's palette, darkest where most is known.
SHADES = ("none", "few", "half", "most", "all")


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("pipelines"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_html(report: Report) -> str:
    """Write the report as one HTML document that needs nothing else, no network and no script."""
    met = {code: (known, asked) for code, known, asked in needs_met(report).iter_rows()}
    drawn = draw(report.boundaries, set(met), subset=bool(report.header.only))
    latest = report.header.grain == "latest"
    found = grave_findings(report)
    occurring = set(report.cells["reason"].drop_nulls()) | _caveats(report)
    return (
        _templates()
        .get_template("report.html")
        .render(
            report=report,
            header=report.header,
            told=summary(report),
            reasons=gaps_by_reason(report),
            drawn=drawn,
            map_shapes=_shaded(report, met),
            legend=legend(met),
            heads=measure_heads(report),
            highest=highest(report),
            latest=latest,
            rows=by_place(report) if latest else by_place_and_period(report),
            shopping=shopping_list(report),
            sources=source_rows(report),
            findings=found.head(SHOWN).to_dicts(),
            findings_in_all=found.height,
            meanings=[reason for reason in REASONS.values() if reason.code in occurring],
            periods=_periods(report),
            say=say,
        )
    )


def _caveats(report: Report) -> set[str]:
    return {code for text in report.cells["caveats"].drop_nulls() for code in text.split(",")}


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


def _shaded(report: Report, met: dict[str, tuple[int, int]]) -> dict[str, tuple[str, str]]:
    """Give the shade and the title of each place on the map."""
    names = dict(report.places.select("place_code", "place_name").iter_rows())
    return {
        code: (shade(*each), f"{names.get(code, code)}: {each[0]} of {each[1]} needs met") for code, each in met.items()
    }


def cells_csv(report: Report) -> str:
    """Write every cell as CSV, with the title of its measure and the source's publisher, licence and page."""
    titles = {name: measure.title for name, measure in report.measures.items()}
    told = {
        name: (report.sources[source].publisher, report.sources[source].licence, report.sources[source].page)
        for name, source in report.measure_sources.items()
    }
    extra = [
        pl.col("measure").replace_strict(titles).alias("measure_title"),
        *(
            pl.col("measure").replace_strict({m: each[n] for m, each in told.items()}).alias(column)
            for n, column in enumerate(("publisher", "licence", "page"))
        ),
    ]
    return defused(report.cells.with_columns(extra)).write_csv()


def as_json(report: Report) -> str:
    """Write the report as JSON: question, answer in numbers, what to ask for, cells, sources."""
    told = {
        "problem": report.problem,
        "question": report.header.question,
        "decision": report.header.decision,
        "owner": report.header.owner,
        "places": report.header.places,
        "grain": report.header.grain,
        "as_of": report.as_of,
        "version": report.version,
        "summary": summary(report)._asdict(),
        "gaps_by_reason": gaps_by_reason(report),
        "shopping_list": shopping_list(report),
        "people": report.people_title,
        "measures": {name: measure.model_dump() for name, measure in report.measures.items()},
        "sources": [
            {"source": row["name"], **row["source"].model_dump(include=set(_SOURCE)), "releases": row["releases"]}
            for row in source_rows(report)
        ],
        "cells": report.cells.to_dicts(),
    }
    return json.dumps(told, ensure_ascii=False, indent=1, default=plain) + "\n"


_SOURCE = ("title", "publisher", "compiled_by", "licence", "page", "access", "cadence")
