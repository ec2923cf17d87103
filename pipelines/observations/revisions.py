"""What changed from one release of a source to the next: cell by cell, and in sum.

Nothing here says that a revision is wrong. A changed heading, or most figures moved the same way, is told as
a suspicion: a person has to find out whether the series means something else now, and declare the break.
"""

from itertools import pairwise

import polars as pl

from pipelines.core.schema import DATE, NUMBER, TEXT, WHOLE, Column, conform_table, empty_table

CELL_KEY = ["measure", "place_code", "period_start", "period_end"]
SUSPICIOUS_CHANGE = 0.1
"""A middle factor of new over old figures of a period further from 1 than this, where most changed, is suspected."""

_PAIR: dict[str, Column] = {
    "old_release": Column(TEXT, "sha256 of the earlier file"),
    "new_release": Column(TEXT, "sha256 of the later file"),
    "old_released_at": Column(DATE, "Day the earlier release came out"),
    "new_released_at": Column(DATE, "Day the later release came out"),
}
REVISION: dict[str, Column] = {
    "source": Column(TEXT, "Source that was revised"),
    "measure": Column(TEXT, "Measure of the cell"),
    "place_code": Column(TEXT, "Code of the place, as published"),
    "period_start": Column(DATE, "First day of the period measured"),
    "period_end": Column(DATE, "Last day of the period measured"),
    "kind": Column(TEXT, "changed, appeared (the earlier release has no row for it) or disappeared"),
    "whole_period": Column(pl.Boolean, "True where the other release has no figure of the period for any place"),
    "old": Column(NUMBER, "Figure in the earlier release; null where it has none, or hides it"),
    "new": Column(NUMBER, "Figure in the later release; null where it has none, or hides it"),
    "difference": Column(NUMBER, "New less old; null where one of them is missing"),
    "old_status": Column(TEXT, "What the publisher said of the earlier figure"),
    "new_status": Column(TEXT, "What the publisher says of the later figure"),
    **_PAIR,
}
REVISION_SUMMARY: dict[str, Column] = {
    "source": Column(TEXT, "Source that was revised"),
    "measure": Column(TEXT, "Measure revised"),
    **_PAIR,
    "cells_in_both": Column(WHOLE, "Cells that both releases have a row for"),
    "changed": Column(WHOLE, "Of these, how many have another figure, or lost or gained one"),
    "share_changed": Column(NUMBER, "Changed, as a share of the cells in both"),
    "appeared": Column(WHOLE, "Cells that only the later release has"),
    "disappeared": Column(WHOLE, "Cells that only the earlier release has"),
    "median_ratio": Column(NUMBER, "Middle of new over old, of the cells changed; null where none can be told"),
    "largest_change": Column(NUMBER, "Difference of the cell that changed most"),
    "places_most_affected": Column(TEXT, "Places whose figures changed most in all, most first"),
    "suspicion": Column(TEXT, "Why the series may mean something else now; null where nothing points to it"),
}


def compare_releases(observation: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare each release of some sources with the one before it; give REVISION and REVISION_SUMMARY.

    Takes observations (schema.OBSERVATION_COLUMNS) of all releases, with `order`, the order of a source's releases.
    """
    cells, sums = [empty_table(REVISION)], [empty_table(REVISION_SUMMARY)]
    by_source = observation.partition_by("source", as_dict=True)
    for source in sorted(by_source):
        by_order = by_source[source].partition_by("order", as_dict=True)
        releases = [by_order[order] for order in sorted(by_order)]
        for old, new in pairwise(releases):
            both = compare_pair(old, new)
            cells.append(_revision_cells(both))
            sums.append(_summarise_pair(both))
    return pl.concat(cells), pl.concat(sums)


def compare_pair(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Set two releases of one source side by side: a row for each cell of either, with `kind` (null: the same)."""
    sides = [_release_side(frame, name) for frame, name in ((old, "old"), (new, "new"))]
    both = sides[0].join(sides[1], on=CELL_KEY, how="full", coalesce=True, maintain_order="left_right")
    slices = [frame.select(CELL_KEY[0], *CELL_KEY[2:]).unique().with_columns(pl.lit(True).alias(f"{name}_slice"))
              for frame, name in ((old, "old"), (new, "new"))]  # fmt: skip
    for frame in slices:
        both = both.join(frame, on=[CELL_KEY[0], *CELL_KEY[2:]], how="left", maintain_order="left")
    kind = (
        pl.when(pl.col("old_status").is_null()).then(pl.lit("appeared"))
        .when(pl.col("new_status").is_null()).then(pl.lit("disappeared"))
        .when(pl.col("old").ne_missing(pl.col("new"))).then(pl.lit("changed"))
    )  # fmt: skip
    return both.with_columns(
        kind.alias("kind"),
        pl.any_horizontal(pl.col("old_slice").is_null(), pl.col("new_slice").is_null()).alias("whole_period"),
        (pl.col("new") - pl.col("old")).alias("difference"),
        *(pl.lit(frame[name].first(), dtype).alias(f"{side}_{name}")
          for frame, side in ((old, "old"), (new, "new"))
          for name, dtype in (("release", pl.String), ("released_at", pl.Date))),
        pl.lit(new["source"].first(), pl.String).alias("source"),
    ).sort(CELL_KEY)  # fmt: skip


def _release_side(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    own = {"value": name, "status": f"{name}_status", "file_column": f"{name}_column"}
    return frame.select(*CELL_KEY, *(pl.col(column).alias(alias) for column, alias in own.items()))


def _revision_cells(both: pl.DataFrame) -> pl.DataFrame:
    return conform_table(both.filter(pl.col("kind").is_not_null()), REVISION)


def _summarise_pair(both: pl.DataFrame) -> pl.DataFrame:
    """Sum up a comparison, measure by measure."""
    changed = pl.col("kind").eq_missing("changed")
    in_both = pl.col("kind").is_null() | changed
    ratio = (pl.col("new") / pl.col("old")).filter(changed & (pl.col("old") != 0) & pl.col("new").is_not_null())
    largest = pl.col("difference").filter(changed).sort_by(pl.col("difference").filter(changed).abs()).last()
    columns = [pl.col(f"{side}_column").drop_nulls().unique().sort() for side in ("old", "new")]
    summed = both.group_by("source", "measure", *_PAIR, maintain_order=True).agg(
        in_both.sum().alias("cells_in_both"),
        changed.sum().alias("changed"),
        pl.when(in_both.any()).then(changed.sum() / in_both.sum()).alias("share_changed"),
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
    """Name the places whose figures changed most in all: measure, places_most_affected."""
    changes = both.filter(pl.col("kind") == "changed", pl.col("difference").is_not_null())
    by_place = changes.group_by("measure", "place_code").agg(pl.col("difference").abs().sum())
    ordered = by_place.sort("difference", "place_code", descending=[True, False])
    return ordered.group_by("measure", maintain_order=True).agg(
        pl.col("place_code").head(most).str.join(", ").alias("places_most_affected")
    )


def _large_shifts(both: pl.DataFrame) -> pl.DataFrame:
    """Count the periods in which most figures moved the same way, and far: by the middle of new over old.

    A break in one year is lost in the middle of all years: in 2025 the claimant rate of 2020 doubled, while
    those of the years around it fell by a tenth.
    """
    in_both = both.filter(pl.col("kind").eq_missing("changed") | pl.col("kind").is_null())
    changed = pl.col("kind").eq_missing("changed")
    ratio = (pl.col("new") / pl.col("old")).filter(changed & (pl.col("old") != 0) & pl.col("new").is_not_null())
    by_period = in_both.group_by(CELL_KEY[0], *CELL_KEY[2:]).agg(
        changed.mean().alias("share"), ratio.median().alias("ratio")
    )
    # To a billionth: 110 is 1.1 times 100, and no more than that.
    apart = (pl.col("ratio") - 1).abs().round(9)
    far = (pl.col("share") > 0.5) & (apart > SUSPICIOUS_CHANGE).fill_null(False)
    furthest = pl.struct("period_start", "ratio").filter(far).sort_by(apart.filter(far)).last()
    return (
        by_period.sort(CELL_KEY[2])
        .group_by("measure", maintain_order=True)
        .agg(far.sum().alias("periods_far"), pl.len().alias("periods_in_both"), furthest.alias("furthest"))
    )


def _suspicion_text() -> pl.Expr:
    """Say what points to another column or another meaning: a new heading, or most figures moved one way."""
    one = (pl.col("old_columns").list.len() == 1) & (pl.col("new_columns").list.len() == 1)
    first = [pl.col(f"{side}_columns").list.first() for side in ("old", "new")]
    heading = pl.when(one & (first[0] != first[1]) & (pl.col("cells_in_both") > 0)).then(
        pl.format("the heading changed from {} to {}", *first)
    )
    far = pl.format(
        "in {} of {} periods most figures changed by a middle factor beyond {} to {}, furthest from 1 in {}: {}",
        "periods_far", "periods_in_both", pl.lit(1 - SUSPICIOUS_CHANGE), pl.lit(1 + SUSPICIOUS_CHANGE),
        pl.col("furthest").struct.field("period_start").dt.strftime("%B %Y"),
        pl.col("furthest").struct.field("ratio").round(2),
    )  # fmt: skip
    text = pl.concat_str(heading, far, separator="; ", ignore_nulls=True)
    return pl.when(text != "").then(text)


def readable_summary(summary: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of a summary that a person reads first."""
    share = pl.format("{}%", (pl.col("share_changed") * 100).round(1))
    return summary.select(
        "source", "measure", pl.col("old_released_at").alias("from"), pl.col("new_released_at").alias("to"),
        pl.col("cells_in_both").alias("in both"), "changed", share.alias("share"), "appeared", "disappeared",
        pl.col("median_ratio").round(3).alias("ratio"), pl.col("largest_change").round(2).alias("largest"),
        "places_most_affected", "suspicion",
    )  # fmt: skip
