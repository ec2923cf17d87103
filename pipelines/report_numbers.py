"""The answer of a gap report in numbers: what is known, why the rest is not, and what to ask for."""

from typing import Any, NamedTuple

import polars as pl

from checks.reasons import REASONS
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
        report.cells["place_code"].n_unique(), whole, met.height - whole - none, none,
        needed.height, needed["value"].count(), report.cells.height - needed.height,
    )  # fmt: skip


def gaps_by_reason(report: Report) -> list[dict[str, Any]]:
    """Count gaps by reason: code, title, cells, places, share of all gaps; most first."""
    gaps = report.cells.filter(pl.col("reason").is_not_null())
    counted = gaps.group_by("reason").agg(pl.len().alias("cells"), pl.col("place_code").n_unique().alias("places"))
    rows = counted.sort("cells", "reason", descending=[True, False]).to_dicts()
    return [{**row, "title": REASONS[row["reason"]].title, "share": row["cells"] / gaps.height} for row in rows]


_LINE = ("measure", "need", "reason", "holder", "remedy")


def shopping_list(report: Report) -> list[dict[str, Any]]:
    """List what to ask for: what is missing and why, who could supply it, and what that would unlock.

    Places, cells and people are counted once within a line. `people` are those of the places of which the
    number is known (`people_known`), null where it is known of none. Most people first.
    """
    gaps = _with_defaults(report.cells.filter(pl.col("reason").is_not_null())).sort("place_code", "period_start")
    lines = gaps.group_by(_LINE).agg(
        pl.len().alias("cells"),
        pl.col("place_code").n_unique().alias("places"),
        pl.col("place_name").unique().sort().alias("names"),
        pl.col("evidence").first(),
    )
    counted = lines.join(_people_by_line(gaps, report.people), on=_LINE, how="left")
    ordered = counted.sort("people", "cells", *_LINE, descending=[True, True, *(False for _ in _LINE)], nulls_last=True)
    return [
        {**row, "title": REASONS[row["reason"]].title, "measure_title": report.measures[row["measure"]].title}
        for row in ordered.to_dicts()
    ]


def _with_defaults(gaps: pl.DataFrame) -> pl.DataFrame:
    """Give a gap whose cell names no holder or remedy those of its reason."""
    return gaps.with_columns(
        pl.coalesce(column, pl.col("reason").replace_strict({c: getattr(r, column) for c, r in REASONS.items()}))
        for column in ("holder", "remedy")
    )


def _people_by_line(gaps: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Add up the people of each line's places, each place once; a place whose people are not known adds none."""
    once = gaps.select(*_LINE, "place_code").unique().join(people, on="place_code", how="left")
    counted = (
        once.sort("place_code")
        .group_by(_LINE)
        .agg(pl.col("people").sum(), pl.col("people").count().alias("people_known"))
    )
    # Polars adds up nothing to 0, and nobody known is not nobody.
    return counted.with_columns(pl.when(pl.col("people_known") > 0).then("people").alias("people"))
