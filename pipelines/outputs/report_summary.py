"""Sections of a report on its answer in numbers and on its sources."""

from typing import Any, NamedTuple

import polars as pl

from pipelines.core.reasons import REASONS, Reason
from pipelines.declarations.source import Source
from pipelines.outputs.report_model import Report

RELEASES_SHOWN = 6
"""Releases of one source printed in the report; the analyst's file has all."""

_RELEASE_DEFAULTS: dict[str, pl.Expr] = {
    "source": pl.lit(None, pl.String),
    "release": pl.lit(None, pl.String),
    "released_at": pl.lit(None, pl.Date),
    "label": pl.lit(None, pl.String),
    "file": pl.lit(None, pl.String),
    "usable": pl.lit(True),
    "in_use": pl.lit(False),
}


def release_rows(report: Report) -> pl.DataFrame:
    """Give the releases held, oldest first, with at least the columns that a report prints.

    Where nothing is held the table that came may lack them; a release is usable unless it says otherwise.
    """
    lacking = [
        default.alias(name) for name, default in _RELEASE_DEFAULTS.items() if name not in report.releases.columns
    ]
    return report.releases.with_columns(lacking).sort("released_at", maintain_order=True)


def source_attribution(source: Source) -> str | None:
    """Say whom a figure is owed to, as its licence asks; null for a source that gives no figures."""
    if source.access != "open":
        return None
    return f"Source: {source.publisher}, {source.title}, licensed under the {source.licence}."


def is_web_link(page: str) -> bool:
    """Tell whether a source's page may be a link: an address of the web and nothing that a browser would run."""
    return page.lower().startswith(("https://", "http://"))


def source_rows(report: Report) -> list[dict[str, Any]]:
    """Give a row for each source: who publishes it, what is held of it, newest first, and under which licence."""
    releases = release_rows(report)
    return [
        {
            "name": name,
            "source": source,
            "linked": is_web_link(source.page),
            "attribution": source_attribution(source),
            "releases": releases.filter(pl.col("source") == name).reverse().to_dicts(),
        }
        for name, source in report.sources.items()
    ]


def grave_findings(report: Report) -> pl.DataFrame:
    """Give the findings that someone should follow up, the gravest first.

    Only those of each source's newest release, and of the newest that is usable where the newest is not:
    what was wrong with older files is history.
    """
    newest = pl.concat(
        releases.group_by("source", maintain_order=True).agg(pl.col("release").last())
        for releases in (release_rows(report), release_rows(report).filter("usable"))
    )
    current = pl.col("release").is_null() | pl.col("release").is_in(newest["release"].to_list())
    grave = report.findings.filter(pl.col("severity") != "info", current)
    # Error comes before warn, as it should, since e comes before w.
    by = ("severity", "source", "check", "measure", "evidence", "place_code", "place_label", "period_start")
    return grave.sort(by, maintain_order=True)


def finding_rows(findings: pl.DataFrame) -> list[dict[str, Any]]:
    """Lay findings out: where one names no holder or remedy it has those of its reason."""
    return [
        {
            **row,
            "title": REASONS[row["reason"]].title,
            "place": row["place_label"] or row["place_code"] or "no single place",
            "told": row["evidence"] or f"found by the check {row['check']}",
            "holder": row["holder"] or REASONS[row["reason"]].holder,
            "remedy": row["remedy"] or REASONS[row["reason"]].remedy,
        }
        for row in findings.to_dicts()
    ]


def list_reasons(report: Report, findings: pl.DataFrame) -> list[Reason]:
    """Give each reason that occurs in cells, first or second or as a caveat, or in the findings shown."""
    codes = pl.concat([report.cells[name] for name in ("reason", "reasons_also", "caveats")]).drop_nulls().unique()
    occurring = {code for text in codes for code in text.split(",")} | set(findings["reason"])
    return [reason for code, reason in REASONS.items() if code in occurring]


class ReportSummary(NamedTuple):
    """The answer in numbers. `whole`, `part` and `none` count places by the needs met."""

    places: int
    whole: int
    part: int
    none: int
    needed: int
    known: int
    wanted: int


def count_needs_met(report: Report) -> pl.DataFrame:
    """Give for each place how many of the cells needed are known: place_code, met, asked."""
    needed = report.cells.filter(pl.col("need") == "needed")
    counted = needed.group_by("place_code").agg(
        pl.col("value").is_not_null().sum().alias("met"), pl.len().alias("asked")
    )
    return counted.sort("place_code")


def summarise_report(report: Report) -> ReportSummary:
    """Count places and cells."""
    met = count_needs_met(report)
    whole, none = met.filter(pl.col("met") == pl.col("asked")).height, met.filter(pl.col("met") == 0).height
    needed = report.cells.filter(pl.col("need") == "needed")
    return ReportSummary(
        report.cells["place_code"].n_unique(), whole, met.height - whole - none, none,
        needed.height, needed["value"].count(), report.cells.height - needed.height,
    )  # fmt: skip


def count_gaps_by_reason(report: Report) -> list[dict[str, Any]]:
    """Count gaps by reason: code, title, cells, places, share of all gaps; most first."""
    gaps = report.cells.filter(pl.col("reason").is_not_null())
    counted = gaps.group_by("reason").agg(pl.len().alias("cells"), pl.col("place_code").n_unique().alias("places"))
    rows = counted.sort("cells", "reason", descending=[True, False]).to_dicts()
    return [{**row, "title": REASONS[row["reason"]].title, "share": row["cells"] / gaps.height} for row in rows]


_REQUEST_KEYS = ("measure", "need", "reason", "holder", "remedy")


def list_requests(report: Report) -> list[dict[str, Any]]:
    """List what to ask for: what is missing and why, who could supply it, and what that would unlock.

    Places, cells and people are counted once within a line. `people` are those of the places of which the
    number is known (`people_known`), null where it is known of none. Most people first.
    """
    gaps = _fill_defaults(report.cells.filter(pl.col("reason").is_not_null())).sort("place_code", "period_start")
    lines = gaps.group_by(_REQUEST_KEYS).agg(
        pl.len().alias("cells"),
        pl.col("place_code").n_unique().alias("places"),
        pl.col("place_name").unique().sort().alias("names"),
        pl.col("evidence").first(),
    )
    counted = lines.join(_sum_people(gaps, report.people), on=_REQUEST_KEYS, how="left")
    ordered = counted.sort(
        "people", "cells", *_REQUEST_KEYS, descending=[True, True, *(False for _ in _REQUEST_KEYS)], nulls_last=True
    )
    return [
        {**row, "title": REASONS[row["reason"]].title, "measure_title": report.measures[row["measure"]].title}
        for row in ordered.to_dicts()
    ]


def _fill_defaults(gaps: pl.DataFrame) -> pl.DataFrame:
    """Give a gap whose cell names no holder or remedy those of its reason."""
    return gaps.with_columns(
        pl.coalesce(column, pl.col("reason").replace_strict({c: getattr(r, column) for c, r in REASONS.items()}))
        for column in ("holder", "remedy")
    )


def _sum_people(gaps: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Add up the people of each line's places, each place once; a place whose people are not known adds none."""
    once = gaps.select(*_REQUEST_KEYS, "place_code").unique().join(people, on="place_code", how="left")
    counted = (
        once.sort("place_code")
        .group_by(_REQUEST_KEYS)
        .agg(pl.col("people").sum(), pl.col("people").count().alias("people_known"))
    )
    # Polars adds up nothing to 0, and nobody known is not nobody.
    return counted.with_columns(pl.when(pl.col("people_known") > 0).then("people").alias("people"))
