"""What a file says of larger places than its own, and of rows that are of no place: kept beside the observations.

A total must never be counted as a place. But it says what its places should add to: it bounds what is hidden in
them, and its difference from their sum can be accounted for.
"""

import polars as pl

from pipelines.core.geocodes import KIND_BY_PREFIX, NATION_BY_LETTER
from pipelines.core.schema import OBSERVATION_COLUMNS, TEXT, WHOLE, Column, conform_table
from pipelines.geography import nation_code

TOTAL_ROLES = ("total", "unallocated", "retired_code", "unmatched_place")
"""Faults of cells that carry mass all the same; the others are no figures at all, or say again what another says."""

TOTAL: dict[str, Column] = {
    "role": Column(
        TEXT,
        "total: of a larger place; unallocated: the publisher's row for what has no place; retired_code: under a code "
        "of another time; unmatched_place: of a place that the register does not know",
    ),
    "tier": Column(TEXT, "Kind of the place by its code: county, region, nation, above_nation; null where it has none"),
    **{
        name: OBSERVATION_COLUMNS[name]
        for name in ("source", "release", "released_at", "measure", "place_code", "place_label", "period_start",
                     "period_end", "value", "low", "high", "status", "marker", "unit", "file", "file_row")
    },
    "order": Column(WHOLE, "Order of the source's releases, oldest 0"),
}  # fmt: skip
"""A figure of a file that is of none of the source's own places."""

PLACES_ABOVE_NATIONS: dict[str, tuple[str, ...]] = {
    "K02000001": ("England", "Wales", "Scotland", "Northern Ireland"),
    "K03000001": ("England", "Wales", "Scotland"),
    "K04000001": ("England", "Wales"),
}
"""Places above the nations: the United Kingdom, Great Britain, England and Wales (ONS Register of Geographic Codes)."""
MEMBER_SCHEMA = {"total_code": pl.String, "place_code": pl.String}


def keep_totals(cells: pl.DataFrame) -> pl.DataFrame:
    """Keep the cells (conform.CELLS, with `order`) of larger places and of no place: TOTAL, each once."""
    kept = cells.filter(pl.col("fault").is_in(TOTAL_ROLES))
    tier = pl.col("place_code").str.slice(0, 3).replace_strict(KIND_BY_PREFIX, default=None, return_dtype=pl.String)
    result = conform_table(kept.with_columns(pl.col("fault").alias("role"), tier.alias("tier")), TOTAL)
    return result.unique(
        ["role", "measure", "place_code", "place_label", "period_start", "period_end", "order"],
        keep="first",
        maintain_order=True,
    )


def total_members(own: pl.DataFrame) -> pl.DataFrame:
    """Tell which places of a system (schema.PLACE_COLUMNS) each larger place is made of: total_code, place_code.

    A larger place is a parent in the register, a region, a nation, or one above the nations.
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
    """Give the nations that a larger place lies in; none where its code does not tell."""
    return PLACES_ABOVE_NATIONS.get(code) or tuple(filter(None, [NATION_BY_LETTER.get(code[:1])]))
