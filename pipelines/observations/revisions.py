"""Revisions from one release of a source to the next, by cell and in summary.

Slices decide which figures are compared: a slice with the same content in both releases has no revision.

A revision is not an error. A changed heading, or most figures moving the same way, is reported as a suspicion. A
person then finds out whether the series has changed its definition, and declares the break.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import polars as pl

from pipelines.core.schema import DATE, NUMBER, TEXT, WHOLE, Column, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY

CELL_KEY = ["measure", "place_code", "period_start", "period_end"]
SUSPICIOUS_CHANGE = 0.1
"""Maximum distance from 1 of a period's median ratio of new to old; above this the period is suspect."""

_PAIR: dict[str, Column] = {
    "old_release": Column(TEXT, "sha256 of the earlier file"),
    "new_release": Column(TEXT, "sha256 of the later file"),
    "old_released_at": Column(DATE, "Day of the earlier release"),
    "new_released_at": Column(DATE, "Day of the later release"),
}
REVISION: dict[str, Column] = {
    "source": Column(TEXT, "Source that was revised"),
    "measure": Column(TEXT, "Measure of the cell"),
    "place_code": Column(TEXT, "Code of the place, as published"),
    "period_start": Column(DATE, "First day of the period measured"),
    "period_end": Column(DATE, "Last day of the period measured"),
    "kind": Column(TEXT, "changed, appeared (the earlier release has no row for it) or disappeared"),
    "whole_period": Column(pl.Boolean, "True where the other release has no figure of the period for any place"),
    "old": Column(NUMBER, "Figure in the earlier release; null where absent or suppressed"),
    "new": Column(NUMBER, "Figure in the later release; null where absent or suppressed"),
    "difference": Column(NUMBER, "New less old; null where either is missing"),
    "old_obs_status": Column(TEXT, "Observation status of the earlier figure"),
    "new_obs_status": Column(TEXT, "Observation status of the later figure"),
    **_PAIR,
}
REVISION_SUMMARY: dict[str, Column] = {
    "source": Column(TEXT, "Source that was revised"),
    "measure": Column(TEXT, "Measure revised"),
    **_PAIR,
    "cells_in_both": Column(WHOLE, "Cells with a row in both releases"),
    "changed": Column(WHOLE, "Number of these cells with a different, new or withdrawn figure"),
    "share_changed": Column(NUMBER, "Changed, as a share of the cells in both"),
    "appeared": Column(WHOLE, "Cells in the later release only"),
    "disappeared": Column(WHOLE, "Cells in the earlier release only"),
    "median_ratio": Column(NUMBER, "Median ratio of new to old in changed cells; null where undefined"),
    "largest_change": Column(NUMBER, "Difference in the cell with the largest change"),
    "places_most_affected": Column(TEXT, "Places with the largest total change, largest first"),
    "suspicion": Column(TEXT, "Evidence that the definition of the series changed; null where there is none"),
}


COMPARED_COLUMNS = ["source", "release", "released_at", *CELL_KEY, "value", "obs_status", "file_column"]
"""Columns of an observation that a comparison of releases needs."""
ROWS_AT_ONCE = 1 << 20
"""Rows of two releases that are compared together; larger releases are compared measure by measure."""
SliceReader = Callable[[pl.DataFrame], pl.DataFrame]
"""Function from slices (schema.SLICE_COLUMNS) to their observations (COMPARED_COLUMNS)."""


def compare_releases(slices: pl.DataFrame, read: SliceReader) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare each release of a source with the one before; return REVISION and REVISION_SUMMARY.

    Takes the slices of all releases (schema.SLICE_COLUMNS). Only slices with another content than in the release
    before are read; of the others the number of rows is enough.
    """
    cells, sums = [empty_table(REVISION)], [empty_table(REVISION_SUMMARY)]
    by_order = slices.partition_by("order", as_dict=True)
    for before, after in pairwise(by_order[order] for order in sorted(by_order)):
        for old, new in _split_pair(before, after):
            both = _compare_slices(old, new, read).with_columns(_describe_pair(before, after))
            cells.append(_revision_cells(both))
            sums.append(_summarise_pair(both))
    return pl.concat(cells), pl.concat(sums)


def _split_pair(old: pl.DataFrame, new: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield the slices of two releases, by measure where they have many rows."""
    if sum(old["rows"]) + sum(new["rows"]) <= ROWS_AT_ONCE:
        yield old, new
        return
    for measure in sorted({*old["measure"], *new["measure"]}):
        yield old.filter(pl.col("measure") == measure), new.filter(pl.col("measure") == measure)


def _compare_slices(old: pl.DataFrame, new: pl.DataFrame, read: SliceReader) -> pl.DataFrame:
    """Compare two releases as `compare_pair` does; slices with the same content have one row with their `cells`."""
    known = pl.col("file_column").is_not_null()
    on = [*SLICE_KEY, "sha256"]
    same = old.filter(known).join(new.filter(known), on=on, suffix="_new")
    rest = [side.join(same, on=on, how="anti") for side in (old, new)]
    both = compare_pair(*(read(side) for side in rest)).with_columns(pl.lit(1, WHOLE).alias("cells"))
    unchanged = same.select(
        *SLICE_KEY,
        pl.col("file_column").alias("old_column"),
        pl.col("file_column_new").alias("new_column"),
        pl.col("rows").alias("cells"),
    )
    return pl.concat([both, unchanged], how="diagonal").sort(CELL_KEY)


def _describe_pair(old: pl.DataFrame, new: pl.DataFrame) -> list[pl.Expr]:
    """Return the columns that name two releases and their source."""
    columns = (("release", TEXT), ("released_at", DATE))
    sides = (("old", old), ("new", new))
    pair = [pl.lit(frame[name][0], dtype).alias(f"{side}_{name}") for side, frame in sides for name, dtype in columns]
    return [*pair, pl.lit(new["source"][0], TEXT).alias("source")]


def compare_pair(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Compare two releases of one source: a row for each cell of either, with `kind` (null where unchanged)."""
    sides = [_release_side(frame, name) for frame, name in ((old, "old"), (new, "new"))]
    both = sides[0].join(sides[1], on=CELL_KEY, how="full", coalesce=True, maintain_order="left_right")
    slices = [frame.select(SLICE_KEY).unique().with_columns(pl.lit(True).alias(f"{name}_slice"))
              for frame, name in ((old, "old"), (new, "new"))]  # fmt: skip
    for frame in slices:
        both = both.join(frame, on=SLICE_KEY, how="left", maintain_order="left")
    kind = (
        pl.when(pl.col("old_obs_status").is_null()).then(pl.lit("appeared"))
        .when(pl.col("new_obs_status").is_null()).then(pl.lit("disappeared"))
        .when(pl.col("old").ne_missing(pl.col("new"))).then(pl.lit("changed"))
    )  # fmt: skip
    return both.with_columns(
        kind.alias("kind"),
        pl.any_horizontal(pl.col("old_slice").is_null(), pl.col("new_slice").is_null()).alias("whole_period"),
        (pl.col("new") - pl.col("old")).alias("difference"),
    ).sort(CELL_KEY)


def _release_side(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    own = {"value": name, "obs_status": f"{name}_obs_status", "file_column": f"{name}_column"}
    return frame.select(*CELL_KEY, *(pl.col(column).alias(alias) for column, alias in own.items()))


def _revision_cells(both: pl.DataFrame) -> pl.DataFrame:
    return conform_table(both.filter(pl.col("kind").is_not_null()), REVISION)


def _summarise_pair(both: pl.DataFrame) -> pl.DataFrame:
    """Summarise a comparison by measure."""
    changed = pl.col("kind").eq_missing("changed")
    in_both = pl.col("cells").filter(pl.col("kind").is_null() | changed).sum()
    ratio = (pl.col("new") / pl.col("old")).filter(changed & (pl.col("old") != 0) & pl.col("new").is_not_null())
    largest = pl.col("difference").filter(changed).sort_by(pl.col("difference").filter(changed).abs()).last()
    columns = [pl.col(f"{side}_column").drop_nulls().unique().sort() for side in ("old", "new")]
    summed = both.group_by("source", "measure", *_PAIR, maintain_order=True).agg(
        in_both.alias("cells_in_both"),
        changed.sum().alias("changed"),
        pl.when(in_both > 0).then(changed.sum() / in_both).alias("share_changed"),
        (pl.col("kind") == "appeared").sum().alias("appeared"),
        (pl.col("kind") == "disappeared").sum().alias("disappeared"),
        ratio.median().alias("median_ratio"),
        largest.alias("largest_change"),
        *(column.alias(f"{side}_columns") for column, side in zip(columns, ("old", "new"), strict=True)),
    )
    result = summed
    for part in (_largest_changes(both), _large_shifts(both)):
        result = result.join(part, on="measure", how="left", maintain_order="left")
    return conform_table(result.with_columns(_suspicion_text().alias("suspicion")), REVISION_SUMMARY)


def _largest_changes(both: pl.DataFrame, most: int = 5) -> pl.DataFrame:
    """Return the places with the largest total change: measure, places_most_affected."""
    changes = both.filter(pl.col("kind") == "changed", pl.col("difference").is_not_null())
    by_place = changes.group_by("measure", "place_code").agg(pl.col("difference").abs().sum())
    ordered = by_place.sort("difference", "place_code", descending=[True, False])
    return ordered.group_by("measure", maintain_order=True).agg(
        pl.col("place_code").head(most).str.join(", ").alias("places_most_affected")
    )


def _large_shifts(both: pl.DataFrame) -> pl.DataFrame:
    """Count the periods in which most figures changed the same way and by much, by the median ratio of new to old.

    The median over all years hides a break in one year. In 2025 the claimant rate of 2020 doubled, while the
    years around it fell by a tenth.
    """
    in_both = both.filter(pl.col("kind").eq_missing("changed") | pl.col("kind").is_null())
    changed = pl.col("kind").eq_missing("changed")
    ratio = (pl.col("new") / pl.col("old")).filter(changed & (pl.col("old") != 0) & pl.col("new").is_not_null())
    by_period = in_both.group_by(CELL_KEY[0], *CELL_KEY[2:]).agg(
        changed.mean().alias("share"), ratio.median().alias("ratio")
    )
    # Rounded to a billionth, because 1.1 - 1 exceeds 0.1 in floating point.
    apart = (pl.col("ratio") - 1).abs().round(9)
    far = (pl.col("share") > 0.5) & (apart > SUSPICIOUS_CHANGE).fill_null(False)
    furthest = pl.struct("period_start", "ratio").filter(far).sort_by(apart.filter(far)).last()
    return (
        by_period.sort(CELL_KEY[2])
        .group_by("measure", maintain_order=True)
        .agg(far.sum().alias("periods_far"), pl.len().alias("periods_in_both"), furthest.alias("furthest"))
    )


def _suspicion_text() -> pl.Expr:
    """Return evidence of another column or definition: a new heading, or most figures moving one way."""
    one = (pl.col("old_columns").list.len() == 1) & (pl.col("new_columns").list.len() == 1)
    first = [pl.col(f"{side}_columns").list.first() for side in ("old", "new")]
    heading = pl.when(one & (first[0] != first[1]) & (pl.col("cells_in_both") > 0)).then(
        pl.format("the heading changed from {} to {}", *first)
    )
    far = pl.format(
        "in {} of {} periods most figures changed, with a median ratio outside {} to {}; furthest from 1 in {}: {}",
        "periods_far", "periods_in_both", pl.lit(1 - SUSPICIOUS_CHANGE), pl.lit(1 + SUSPICIOUS_CHANGE),
        pl.col("furthest").struct.field("period_start").dt.strftime("%B %Y"),
        pl.col("furthest").struct.field("ratio").round(2),
    )  # fmt: skip
    text = pl.concat_str(heading, far, separator="; ", ignore_nulls=True)
    return pl.when(text != "").then(text)


def readable_summary(summary: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a summary for a person to read."""
    share = pl.format("{}%", (pl.col("share_changed") * 100).round(1))
    return summary.select(
        "source", "measure", pl.col("old_released_at").alias("from"), pl.col("new_released_at").alias("to"),
        pl.col("cells_in_both").alias("in both"), "changed", share.alias("share"), "appeared", "disappeared",
        pl.col("median_ratio").round(3).alias("ratio"), pl.col("largest_change").round(2).alias("largest"),
        "places_most_affected", "suspicion",
    )  # fmt: skip
