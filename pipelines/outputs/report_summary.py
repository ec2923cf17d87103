"""Report sections on the summary, the requests, the sources and the findings."""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.reasons import REASONS, Reason
from pipelines.core.table_cache import keep_results
from pipelines.declarations.source import Source
from pipelines.gaps import is_open
from pipelines.outputs.report_model import Report

RELEASES_SHOWN = 6
"""Maximum number of releases of one source in the report. The analyst's file lists all releases."""

_RELEASE_DEFAULTS: dict[str, pl.Expr] = {
    "source": pl.lit(None, pl.String),
    "release": pl.lit(None, pl.String),
    "released_at": pl.lit(None, pl.Date),
    "label": pl.lit(None, pl.String),
    "file": pl.lit(None, pl.String),
    "usable": pl.lit(True),
    "in_use": pl.lit(False),
}


@keep_results(2)
def release_rows(report: Report) -> pl.DataFrame:
    """Return the stored releases, oldest first, with all columns that a report prints.

    The input table may lack columns if no release is stored. The default of `usable` is true.
    """
    lacking = [
        default.alias(name) for name, default in _RELEASE_DEFAULTS.items() if name not in report.releases.columns
    ]
    return report.releases.with_columns(lacking).sort("released_at", maintain_order=True)


def source_attribution(source: Source) -> str | None:
    """Return the attribution required by the licence, or None for a source without published figures."""
    if not source.is_available:
        return None
    return f"Source: {source.publisher}, {source.title}, licensed under the {source.licence}."


@keep_results(2)
def newest_release_day(cells: pl.DataFrame) -> date | None:
    """Return the day of the newest release behind a figure of the cells, or None where no cell has a figure."""
    return cells["released_at"].filter(cells["value"].is_not_null()).max()  # type: ignore[return-value]


def is_web_link(page: str) -> bool:
    """Return whether a page address is safe to link: http or https only."""
    return page.lower().startswith(("https://", "http://"))


@keep_results(2)
def source_rows(report: Report) -> list[dict[str, Any]]:
    """Return a row for each source: declaration, attribution and stored releases, latest first."""
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
    """Return the findings to follow up, the most severe first.

    Includes only findings of the latest release of each source, and of the latest usable release if that differs.
    """
    newest = pl.concat(
        releases.group_by("source", maintain_order=True).agg(pl.col("release").last())
        for releases in (release_rows(report), release_rows(report).filter("usable"))
    )
    current = pl.col("release").is_null() | pl.col("release").is_in(newest["release"].to_list())
    grave = report.findings.filter(pl.col("severity") != "info", current)
    # Alphabetical order puts error before warn.
    by = ("severity", "source", "check", "measure", "evidence", "place_code", "place_label", "period_start")
    return grave.sort(by, maintain_order=True)


def finding_rows(findings: pl.DataFrame) -> list[dict[str, Any]]:
    """Return findings as rows. The default data owner and remedy are those of the reason."""
    return [
        {
            **row,
            "title": REASONS[row["reason"]].title,
            "place": row["place_label"] or row["place_code"] or "not specific to a place",
            "detail": row["evidence"] or f"reported by the check {row['check']}",
            "data_owner": row["data_owner"] or REASONS[row["reason"]].data_owner,
            "remedy": row["remedy"] or REASONS[row["reason"]].remedy,
        }
        for row in findings.to_dicts()
    ]


def list_reasons(report: Report, findings: pl.DataFrame) -> list[Reason]:
    """Return the reasons and caveats that occur in the cells or in the given findings."""
    codes = (
        pl.concat([report.asked_cells[name] for name in ("reason", "other_reasons", "caveats")]).drop_nulls().unique()
    )
    occurring = {code for text in codes for code in text.split(",")} | set(findings["reason"])
    return [reason for code, reason in REASONS.items() if code in occurring]


class ReportSummary(NamedTuple):
    """Summary counts. `whole`, `part` and `none` are numbers of places with all, some and no needs met."""

    places: int
    whole: int
    part: int
    none: int
    needed: int
    known: int
    wanted: int


@keep_results(2)
def count_needs_met(report: Report) -> pl.DataFrame:
    """Count the needed cells with a figure of their own, not a proxy, for each place: place_code, met, asked."""
    needed = report.cells.lazy().filter(pl.col("need") == "needed").group_by("place_code")
    return needed.agg((~is_open()).sum().alias("met"), pl.len().alias("asked")).sort("place_code").collect()


@keep_results(2)
def summarise_report(report: Report) -> ReportSummary:
    """Count places and cells."""
    met = count_needs_met(report)
    whole, none = met.filter(pl.col("met") == pl.col("asked")).height, met.filter(pl.col("met") == 0).height
    is_asked = pl.col("need") == "needed"
    counts = report.cells.select(
        pl.col("place_code").n_unique(), is_asked.sum().alias("needed"), (is_asked & ~is_open()).sum().alias("known"),
        (pl.col("need") == "wanted").sum().alias("wanted"),
    )  # fmt: skip
    places, needed, known, wanted = counts.row(0)
    return ReportSummary(places, whole, met.height - whole - none, none, needed, known, wanted)


@keep_results(2)
def count_gaps_by_reason(report: Report) -> list[dict[str, Any]]:
    """Count gaps by reason: code, title, cells, places, share of all gaps, in descending order."""
    gaps = report.open_cells
    if gaps.is_empty():
        return []
    counted = gaps.group_by("reason").agg(pl.len().alias("cells"), pl.col("place_code").n_unique().alias("places"))
    rows = counted.sort("cells", "reason", descending=[True, False]).to_dicts()
    return [{**row, "title": REASONS[row["reason"]].title, "share": row["cells"] / gaps.height} for row in rows]


_REQUEST_KEYS = ("measure", "need", "reason", "data_owner", "remedy")


@keep_results(2)
def list_requests(report: Report) -> list[dict[str, Any]]:
    """Return the requests: missing measure, reason, data owner, remedy, and the numbers of places, cells and people.

    A row counts each place, cell and resident once. `people` covers the places with a known population
    (`people_known`), and is null if there is no such place. Rows are in descending order of people.
    """
    if report.open_cells.is_empty():
        return []
    gaps = _fill_defaults(report.open_cells).sort("place_code", "period_start")
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
    """Fill in the default data owner and remedy of the reason where a gap has none."""
    return gaps.with_columns(
        pl.coalesce(column, pl.col("reason").replace_strict({c: getattr(r, column) for c, r in REASONS.items()}))
        for column in ("data_owner", "remedy")
    )


def _sum_people(gaps: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Sum the people of each row, with each place once. Places without a known population are excluded."""
    once = gaps.select(*_REQUEST_KEYS, "place_code").unique().join(people, on="place_code", how="left")
    counted = (
        once.sort("place_code")
        .group_by(_REQUEST_KEYS)
        .agg(pl.col("people").sum(), pl.col("people").count().alias("people_known"))
    )
    # Polars returns 0 for an empty sum, but an unknown population is not zero.
    return counted.with_columns(pl.when(pl.col("people_known") > 0).then("people").alias("people"))
