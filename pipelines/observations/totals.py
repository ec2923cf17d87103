"""Figures in a file for larger places than its own, and for no place, stored beside the observations.

A total is never a place's figure. It states the sum of its places. So it bounds suppressed figures, and its
difference from their sum can be reconciled.
"""

import polars as pl

from pipelines.core.geocodes import KIND_BY_PREFIX, NATION_BY_LETTER
from pipelines.core.schema import OBSERVATION_COLUMNS, TEXT, WHOLE, Column, conform_table, empty_table
from pipelines.core.table_cache import keep_results
from pipelines.geography import nation_code

TOTAL_ROLES = (
    "total",
    "unallocated",
    "retired_code",
    "newer_than_register",
    "unmatched_place",
    "label_contradicts_code",
)
"""Faults of cells with a figure that counts towards a total; other faults have no figure, or repeat one."""

TOTAL: dict[str, Column] = {
    "role": Column(
        TEXT,
        "total: for a larger place; unallocated: the publisher's row for no place; retired_code: under a code "
        "of another vintage; newer_than_register: under a code newer than the register; unmatched_place: for a place "
        "that is not in the register; label_contradicts_code: with the code of one place and the name of another",
    ),
    "tier": Column(TEXT, "Kind of the place by its code: county, region, nation, above_nation; null where none"),
    **{
        name: OBSERVATION_COLUMNS[name]
        for name in ("source", "release", "released_at", "measure", "place_code", "place_label", "period_start",
                     "period_end", "value", "lower_bound", "upper_bound", "obs_status", "published_marker", "unit",
                     "file", "file_row")
    },
    "order": Column(WHOLE, "Order of the source's releases, oldest 0"),
}  # fmt: skip
"""A figure in a file for none of the source's own places."""

PLACES_ABOVE_NATIONS: dict[str, tuple[str, ...]] = {
    "K02000001": ("England", "Wales", "Scotland", "Northern Ireland"),
    "K03000001": ("England", "Wales", "Scotland"),
    "K04000001": ("England", "Wales"),
}
"""Places above the nations: the United Kingdom, Great Britain, England and Wales (ONS Register of Geographic Codes).
"""
MEMBER_SCHEMA = {"total_code": pl.String, "place_code": pl.String}


def keep_totals(cells: pl.DataFrame) -> pl.DataFrame:
    """Select the cells (conform.CELLS, with `order`) of larger places and of no place: TOTAL, without repeats."""
    fault = cells["fault"]
    if fault.null_count() == fault.len():
        return empty_table(TOTAL)
    kept = cells.filter(fault.is_in(TOTAL_ROLES))
    tier = (
        pl.col("place_code")
        .cast(TEXT)
        .str.slice(0, 3)
        .replace_strict(KIND_BY_PREFIX, default=None, return_dtype=pl.String)
    )
    result = conform_table(kept.with_columns(pl.col("fault").alias("role"), tier.alias("tier")), TOTAL)
    return result.unique(
        ["role", "measure", "place_code", "place_label", "period_start", "period_end", "order"],
        keep="first",
        maintain_order=True,
    )


@keep_results(64)
def covered_members(own: pl.DataFrame, coverage: tuple[str, ...]) -> pl.DataFrame:
    """Return the places of a geography in covered nations within each larger place (total_members).

    Many sources have one geography, so a process lists its places once.
    """
    return total_members(own.filter(pl.col("nation").is_in(list(coverage))))


def total_members(own: pl.DataFrame) -> pl.DataFrame:
    """Return the places of a geography (schema.PLACE_COLUMNS) within each larger place: total_code, place_code.

    A larger place is a parent in the register, a region, a nation, or a place above the nations.
    """
    nation = own.with_columns(
        pl.col("place_code").map_elements(nation_code, return_dtype=pl.String).alias("nation_code")
    )
    within = [nation.select(pl.col(name).alias("total_code"), "place_code")
              for name in ("parent_code", "region_code", "nation_code")]  # fmt: skip
    above = [
        own.filter(pl.col("nation").is_in(nations)).select(pl.lit(code).alias("total_code"), "place_code")
        for code, nations in PLACES_ABOVE_NATIONS.items()
    ]
    pairs = pl.concat([*within, *above]).filter(
        pl.col("total_code") != "", pl.col("total_code") != pl.col("place_code")
    )
    return pairs.unique().sort("total_code", "place_code").cast(pl.Schema(MEMBER_SCHEMA))


def nations_of_place(code: str) -> tuple[str, ...]:
    """Return the nations that contain a larger place, or that it contains; empty where its code does not say."""
    return PLACES_ABOVE_NATIONS.get(code) or tuple(filter(None, [NATION_BY_LETTER.get(code[:1])]))
