"""Results of many places by larger place: by district, or by region and nation where districts are the places."""

from typing import Any

import polars as pl

from pipelines.core.reasons import REASONS
from pipelines.gaps import open_reason
from pipelines.outputs.report_model import LARGER_PLACE, Report
from pipelines.outputs.report_summary import count_needs_met

NO_NEED: dict[str, Any] = {"count": "", "reasons": []}
"""Cell of a measure that no place of a larger place needs."""
MAX_REASONS = 3
"""Maximum number of gap reasons in a cell of the table; the others are counted together."""


def find_larger_places(places: pl.DataFrame, hierarchy: pl.DataFrame) -> pl.DataFrame:
    """Return the larger place of each place (LARGER_PLACE): the district with most of its residents, else its region.

    Takes places (schema.PLACE_COLUMNS) and their larger areas (hierarchy.AREA_HIERARCHY). The newest geography of
    districts in the hierarchy is used.
    """
    order = ["parent_geography", "share", "parent_code"]
    in_districts = hierarchy.lazy().filter(pl.col("kind") == "lad").select("place_code", "parent_name", *order)
    sorted_districts = in_districts.collect().drop_nulls("parent_code").sort(order, descending=[True, True, False])
    districts = sorted_districts.unique("place_code", keep="first", maintain_order=True)
    # Places have a parent_code too: the one in the register.
    named = districts.select("place_code", pl.col("parent_code").alias("district"), pl.col("parent_name").alias("name"))
    joined = places.join(named, on="place_code", how="left", maintain_order="left")
    region = pl.coalesce("region", "nation", pl.lit("Other places"))
    return joined.select(
        "place_code",
        pl.coalesce("district", "region_code", region).alias("larger_code"),
        pl.coalesce("name", "district", region).alias("larger_name"),
    ).cast(LARGER_PLACE)


def count_larger_needs_met(report: Report) -> pl.DataFrame:
    """Count the needed cells with a value for each larger place: place_code, met, asked."""
    counted = count_needs_met(report).join(report.larger, on="place_code")
    sums = counted.group_by(pl.col("larger_code").alias("place_code")).agg(pl.col("met", "asked").sum())
    return sums.sort("place_code")


def larger_place_table(report: Report) -> list[dict[str, Any]]:
    """Return a row for each larger place, with the numbers of figures and of gaps by reason for each measure."""
    met = {code: f"{known:,} of {asked:,}" for code, known, asked in count_larger_needs_met(report).iter_rows()}
    cells = _count_cells(report)
    larger = report.larger.group_by("larger_code", "larger_name").agg(pl.len().alias("places"))
    return [
        {
            "place_code": "",
            "place_name": name,
            "welsh_name": "",
            "where": f"{code}, {places:,} places",
            "met": met.get(code, "no needs"),
            "verdict": "",
            "cells": [cells.get((code, measure), NO_NEED) for measure in report.measures],
        }
        for code, name, places in larger.sort("larger_name", "larger_code").iter_rows()
    ]


def _count_cells(report: Report) -> dict[tuple[str, str], dict[str, Any]]:
    """Count the figures and the gaps of each larger place and measure; a proxy fills no gap."""
    own = report.asked_cells.select("place_code", "measure", open_reason().alias("reason"))
    by_place = own.group_by("place_code", "measure").agg(
        pl.col("reason").null_count().alias("known"), pl.len().alias("asked")
    )
    key = ["larger_code", "measure"]
    counts = by_place.join(report.larger, on="place_code").group_by(key).agg(pl.col("known", "asked").sum())
    gaps = own.drop_nulls("reason").join(report.larger, on="place_code").group_by(*key, "reason").len("gaps")
    reasons: dict[tuple[str, str], list[str]] = {}
    for code, measure, reason, count in gaps.sort("gaps", "reason", descending=[True, False]).iter_rows():
        reasons.setdefault((code, measure), []).append(f"{REASONS[reason].title} ({count:,})")
    return {
        (code, measure): {"count": f"{known:,} of {asked:,}", "reasons": _cut_reasons(reasons.get((code, measure), []))}
        for code, measure, known, asked in counts.iter_rows()
    }


def _cut_reasons(reasons: list[str]) -> list[str]:
    more = len(reasons) - MAX_REASONS
    return reasons[:MAX_REASONS] + ([f"and {more} more reasons"] if more > 0 else [])
