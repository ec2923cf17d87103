"""Rank of each place among the requested places, between the best and the worst that its figure allows.

The highest figure has rank 1. Equal figures share a rank, and the next rank counts all of them. An estimate lies within
its published limits; any other figure lies within its bounds. One place ranks above another only where their intervals
do not meet. Where they meet, both are reported as similar and neither has a single rank. An estimate without limits may
have any rank, like a gap. It is not left out, since that would make the other ranks seem more certain.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from pipelines.core.distinct import number_rows
from pipelines.core.ordering import filter_frame
from pipelines.core.schema import CELL_COLUMNS, NUMBER, TEXT, WHOLE, Column, conform_table, empty_table
from pipelines.declarations.measure import Measure
from pipelines.observations import PUBLISHED_SOURCE, round_limit

RANK_KEY = ["problem", "measure", "period_start"]
RANK: dict[str, Column] = {
    **{
        name: CELL_COLUMNS[name]
        for name in (
            "problem",
            "measure",
            "place_code",
            "place_name",
            "period_start",
            "period_end",
            "value",
            "lower_bound",
            "upper_bound",
            "interval_lower",
            "interval_upper",
            "interval_level",
            "interval_source",
            "reason",
        )
    },
    "rank": Column(WHOLE, "Rank of the place, where certain: 1 is the highest figure; equal figures share a rank"),
    "rank_lower_bound": Column(WHOLE, "Best possible rank, given the limits or bounds of all figures"),
    "rank_upper_bound": Column(WHOLE, "Worst possible rank, given the limits or bounds of all figures"),
    "similar_places": Column(
        WHOLE, "Number of other places with a figure that may equal this one; null where its limits are unknown"
    ),
    "places": Column(WHOLE, "Number of requested places"),
    "rank_share": Column(NUMBER, "Share of the places between the two ranks: 0 where the rank is certain"),
    "noise": Column(TEXT, "Note that noise of unstated size may change the rank; null otherwise"),
    "no_interval": Column(TEXT, "Note that the figure is an estimate without published limits, so unranked; else null"),
}
RANKED_COLUMNS = [name for name in RANK if name in CELL_COLUMNS]
"""Columns of cells that ranks are made from and show. Copies of the others would take memory."""
NOISE = "the publisher adds noise of unstated size"
NO_INTERVAL = "no interval published"


def rank_places(cells: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Rank every cell (schema.CELL_COLUMNS) of each measure and period with at least one figure; return RANK."""
    return pl.concat([empty_table(RANK), *rank_in_parts(cells, measures)])


def has_order(measures: Mapping[str, Measure]) -> pl.Expr:
    """Select the rows (column measure) of figures with an order: 1 and 0 for yes and no have none."""
    return ~pl.col("measure").is_in(sorted(name for name, measure in measures.items() if measure.is_yes_or_no))


def rank_in_parts(cells: pl.DataFrame, measures: dict[str, Measure]) -> Iterator[pl.DataFrame]:
    """Yield the ranks of rank_places, some whole slices at a time: ranks take twice the memory of their cells."""
    # A place in which the figure can't exist, or is not needed, has no rank.
    existing = filter_frame(cells.select(RANKED_COLUMNS), (pl.col("reason") != "not_applicable").fill_null(True))
    for known in _select_known_slices(existing):
        yield _rank_known(known, measures)


def _rank_known(cells: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Rank the cells of slices with a figure, slice by slice (_select_known_slices)."""
    noisy = sorted(name for name, measure in measures.items() if measure.perturbed)
    estimates = sorted(name for name, measure in measures.items() if measure.is_uncertain and not measure.perturbed)
    floor = {name: 0.0 if _is_never_negative(measure) else -np.inf for name, measure in measures.items()}
    known = cells.with_columns(
        pl.col("measure").is_in(noisy).alias("is_noisy"),
        pl.col("measure").is_in(estimates).alias("is_estimate"),
        (pl.col("interval_source") == PUBLISHED_SOURCE).fill_null(False).alias("limited"),
        pl.col("measure").replace_strict(floor, default=-np.inf, return_dtype=pl.Float64).alias("floor"),
    )
    limits = {
        f"{side}_bound": pl.when("limited").then(f"interval_{side}").otherwise(f"{side}_bound")
        for side in ("lower", "upper")
    }
    # Noise of unstated size has no bounds: such figures are ranked as published, with a note.
    noisy_value = pl.when("is_noisy").then("value")
    ends = known.with_columns(
        round_limit(pl.coalesce(limits["lower_bound"], noisy_value, "floor")).alias("least"),
        round_limit(pl.coalesce(limits["upper_bound"], noisy_value, np.inf)).alias("most"),
        (pl.col("value").is_not_null() & pl.coalesce(limits["upper_bound"], noisy_value).is_not_null()).alias(
            "has_limits"
        ),
    )
    ranks = _rank_slices(ends)
    sure = (
        (pl.col("rank_lower_bound") == pl.col("rank_upper_bound")) & pl.col("value").is_not_null() & ~pl.col("is_noisy")
    )
    has_no_limits = pl.col("is_estimate") & pl.col("value").is_not_null() & ~pl.col("has_limits")
    return conform_table(
        ranks.with_columns(
            pl.when(sure).then("rank_lower_bound").alias("rank"),
            pl.when("is_noisy").then(pl.lit(NOISE)).alias("noise"),
            pl.when(has_no_limits).then(pl.lit(NO_INTERVAL)).alias("no_interval"),
        ),
        RANK,
    )


def _is_never_negative(measure: Measure) -> bool:
    return measure.kind in ("count", "stock") and (measure.range or (0.0,))[0] >= 0 and not measure.perturbed


def _select_known_slices(cells: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the cells of each measure and period with a figure, slice by slice in order of their first cell.

    `places` is the number of cells of the slice. A table has whole slices, of _MOST_ROWS cells or of one slice.
    """
    keys = number_rows(cells, RANK_KEY).keys
    slices, first_rows, numbers = np.unique(keys, return_index=True, return_inverse=True)
    numbers = np.argsort(np.argsort(first_rows))[numbers]
    is_known = np.bincount(numbers, cells["value"].is_not_null().to_numpy(), len(slices)) > 0
    sizes = np.bincount(numbers, minlength=len(slices))
    order = np.argsort(numbers, kind="stable")
    order = order[is_known[numbers[order]]]
    ends = np.cumsum(sizes[is_known])
    first = 0
    while first < len(order):
        fitting = ends[ends <= first + _MOST_ROWS]
        last = max(int(fitting[-1]) if len(fitting) else 0, int(ends[ends > first][0]))
        rows = order[first:last]
        yield cells[rows].with_columns(pl.Series("places", sizes[numbers[rows]]))
        first = last


_MOST_ROWS = 150_000
"""Cells that are ranked together, unless one slice has more."""


def _rank_slices(rows: pl.DataFrame) -> pl.DataFrame:
    """Rank the rows of each measure and period (_select_known_slices)."""
    columns = [rows[name].to_numpy() for name in ("least", "most", "limited", "has_limits")]
    sizes = rows["places"].to_numpy()
    starts = [0] if len(sizes) else []
    while starts and starts[-1] + sizes[starts[-1]] < len(sizes):
        starts.append(starts[-1] + sizes[starts[-1]])
    cuts = starts[1:]
    slices = zip(*(np.split(column, cuts) for column in columns), strict=True)
    ranked = [_rank_slice(*one) for one in slices if len(one[0])]
    surely, worst, meeting = (np.concatenate([np.empty(0, int), *(one[n] for one in ranked)]) for n in range(3))
    return rows.with_columns(
        pl.Series("rank_lower_bound", 1 + surely, pl.Int64),
        pl.Series("rank_upper_bound", worst, pl.Int64),
        pl.when("has_limits").then(pl.Series(meeting - 1, dtype=pl.Int64)).alias("similar_places"),
        pl.col("places").cast(pl.Int64),
        pl.Series("rank_share", worst - 1 - surely, pl.Float64) / pl.col("places"),
    )


def _rank_slice(
    least: np.ndarray, most: np.ndarray, is_limited: np.ndarray, has_limits: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count for one measure and period the places certainly above, the worst rank, and the places that may be equal."""
    surely = len(least) - np.searchsorted(np.sort(least), most, side="right")
    sorted_most = np.sort(most)
    maybe = len(most) - np.where(
        is_limited,
        np.searchsorted(sorted_most, least, side="left"),
        np.searchsorted(sorted_most, least, side="right"),
    )
    # A place is not above itself, though its upper end exceeds its lower end. Published limits that touch are similar.
    worst = 1 + maybe - (is_limited | (most > least))
    meeting = np.searchsorted(np.sort(least[has_limits]), most, side="right") - np.searchsorted(
        np.sort(most[has_limits]), least, side="left"
    )
    return surely, worst, meeting


def format_rank(row: dict[str, Any]) -> str:
    """Format the rank of a place from a row of `ranks`; blank where it has no figure."""
    if row["value"] is None:
        return ""
    if row["no_interval"]:
        return f"no rank: {row['no_interval']}"
    if row["rank"] is not None:
        return f"rank {row['rank']:,} of {row['places']:,}"
    if row["interval_source"] == PUBLISHED_SOURCE:
        return f"statistically similar to {row['similar_places']:,} other{'s' if row['similar_places'] != 1 else ''}"
    if row["noise"]:
        return f"about rank {row['rank_lower_bound']:,} of {row['places']:,}: {row['noise']}"
    return f"between rank {row['rank_lower_bound']:,} and {row['rank_upper_bound']:,} of {row['places']:,}"
