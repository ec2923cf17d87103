"""Where the figures of a gap report come from, what was found in them, and what the reasons mean."""

from typing import Any

import polars as pl

from checks.reasons import REASONS, Reason
from pipelines.model import Source
from pipelines.report_model import Report

RELEASES_SHOWN = 6
"""Releases of one source printed in the report; the analyst's file has all."""

_RELEASE: dict[str, pl.Expr] = {
    "source": pl.lit(None, pl.String),
    "release": pl.lit(None, pl.String),
    "released_at": pl.lit(None, pl.Date),
    "label": pl.lit(None, pl.String),
    "file": pl.lit(None, pl.String),
    "usable": pl.lit(True),
    "in_use": pl.lit(False),
}


def held(report: Report) -> pl.DataFrame:
    """Give the releases held, oldest first, with at least the columns that a report prints.

    Where nothing is held the table that came may lack them; a release is usable unless it says otherwise.
    """
    lacking = [default.alias(name) for name, default in _RELEASE.items() if name not in report.releases.columns]
    return report.releases.with_columns(lacking).sort("released_at", maintain_order=True)


def attribution(source: Source) -> str | None:
    """Say whom a figure is owed to, as its licence asks; null for a source that gives no figures."""
    if source.access != "open":
        return None
    return f"Source: {source.publisher}, {source.title}, licensed under the {source.licence}."


def linked(page: str) -> bool:
    """Tell whether a source's page may be a link: an address of the web and nothing that a browser would run."""
    return page.lower().startswith(("https://", "http://"))


def source_rows(report: Report) -> list[dict[str, Any]]:
    """Give a row for each source: who publishes it, what is held of it, newest first, and under which licence."""
    releases = held(report)
    return [
        {
            "name": name,
            "source": source,
            "linked": linked(source.page),
            "attribution": attribution(source),
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
        for releases in (held(report), held(report).filter("usable"))
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


def meanings(report: Report, findings: pl.DataFrame) -> list[Reason]:
    """Give each reason that occurs in cells, first or second or as a caveat, or in the findings shown."""
    listed = pl.concat([report.cells[name] for name in ("reason", "reasons_also", "caveats")]).drop_nulls().unique()
    occurring = {code for text in listed for code in text.split(",")} | set(findings["reason"])
    return [reason for code, reason in REASONS.items() if code in occurring]
