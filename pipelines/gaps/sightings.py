"""Sightings of gaps, the spells that follow from them, and the numbers that a build opened, closed and changed."""

import polars as pl

from pipelines.core.schema import DATE, TEXT, WHOLE, Column, polars_schema

CLOSING_REASONS = {
    "answered": "a figure was published",
    "declared_otherwise": "the source's declaration changed, without a new file",
    "no_longer_asked": "the problem no longer requests it",
}
"""Reasons why a gap was closed, and their meanings."""

SIGHTING: dict[str, Column] = {
    "gap_id": Column(TEXT, "Stable identifier of the gap: the identifier of its cell"),
    "build": Column(WHOLE, "Number of the first build with this state"),
    "problem": Column(TEXT, "Problem that needs the cell"),
    "need": Column(TEXT, "needed, or wanted"),
    "measure": Column(TEXT, "Measure that is missing"),
    "place_code": Column(TEXT, "Code of the place"),
    "place_name": Column(TEXT, "Name of the place"),
    "period_start": Column(DATE, "First day of the requested period"),
    "period_end": Column(DATE, "Last day of the requested period"),
    "reason": Column(TEXT, "Reason of the gap; null where it is closed"),
    "data_owner": Column(TEXT, "Data owner that could close the gap"),
    "closure_reason": Column(TEXT, "Reason why the gap was closed"),
}
_SPELL_COLUMNS = ("need", "measure", "place_code", "place_name", "period_start", "period_end", "data_owner")


def last_sightings(sightings: pl.DataFrame) -> pl.DataFrame:
    """Return the last sighting of each gap."""
    if sightings.is_empty():
        return sightings
    return sightings.sort("gap_id", "build").unique("gap_id", keep="last", maintain_order=True)


def add_previous_reason(sightings: pl.DataFrame) -> pl.DataFrame:
    """Sort sightings by gap and build, and add `before`: the previous reason, null where the gap was not open."""
    return sightings.sort("gap_id", "build").with_columns(pl.col("reason").shift(1).over("gap_id").alias("before"))


def build_spells(sightings: pl.DataFrame, builds: pl.DataFrame) -> pl.DataFrame:
    """Build spells: one row for each time that a gap was open without a break, sorted by gap and build."""
    days = builds.select("build", "day", pl.col("last_day").shift(1).alias("day_before"))
    open_now, had = pl.col("reason").is_not_null(), pl.col("before").is_not_null()
    # Null, so not a change of reason, where the gap is or was closed.
    other = pl.col("reason") != pl.col("before")
    with_spell = add_previous_reason(sightings).join(days, on="build", how="left", maintain_order="left").with_columns(
        (open_now & ~had).cum_sum().over("gap_id").alias("spell"), open_now.alias("is_open"), other.alias("turned")
    )  # fmt: skip
    is_seen, is_closing, is_turn = pl.col("is_open"), ~pl.col("is_open"), pl.col("turned")
    begins = is_seen & pl.col("before").is_null()
    spells = with_spell.group_by("gap_id", "spell", maintain_order=True).agg(
        pl.col("problem").first(),
        *(pl.col(name).filter(is_seen).last() for name in (*_SPELL_COLUMNS, "reason")),
        pl.col("before").filter(is_turn).last().alias("previous_reason"),
        pl.col("day").filter(is_turn | begins).last().alias("reason_since"),
        pl.col("day").first().alias("opened"),
        pl.col("day_before").filter(is_closing).last().alias("seen_before_end"),
        pl.col("day").filter(is_closing).last().alias("closed"),
        pl.col("closure_reason").last(),
        pl.col("build").first().alias("opened_build"),
        pl.col("build").filter(is_closing).last().alias("closed_build"),
        pl.col("build").filter(is_turn).last().alias("changed_build"),
    )
    last_day = pl.lit(builds["last_day"].last(), pl.Date)
    last_seen = pl.when(pl.col("closed").is_null()).then(last_day).otherwise("seen_before_end").alias("last_seen")
    return spells.with_columns(last_seen)


_EVENTS = ("opened", "reopened", "closed", "changed")
"""Counts of a build, beside the gaps that are open."""


def count_changes(sightings: pl.DataFrame, builds: pl.DataFrame) -> pl.DataFrame:
    """Count for each build the gaps opened, reopened, closed, changed and open."""
    if sightings.is_empty():
        return builds.with_columns(pl.lit(0, pl.Int64).alias(name) for name in (*_EVENTS, "open"))
    open_now, had = pl.col("reason").is_not_null(), pl.col("before").is_not_null()
    was_seen = pl.int_range(pl.len()).over("gap_id") > 0
    events = {
        "opened": open_now & ~was_seen,
        "reopened": open_now & ~had & was_seen,
        "closed": ~open_now,
        "changed": pl.col("reason") != pl.col("before"),
    }
    marked = add_previous_reason(sightings).with_columns(*(mark.alias(name) for name, mark in events.items()))
    sums = marked.group_by("build").agg(*(pl.col(name).sum().cast(pl.Int64) for name in events))
    counts = builds.drop(*events, "open").join(sums, on="build", how="left", maintain_order="left")
    counts = counts.with_columns(pl.col(name).fill_null(0) for name in events)
    return counts.with_columns((pl.col("opened") + pl.col("reopened") - pl.col("closed")).cum_sum().alias("open"))


def convert_spells(spells: pl.DataFrame) -> pl.DataFrame:
    """Convert spells, as stored before version 2, to sightings; events between their changes are not known."""
    is_turn = pl.col("changed_build").is_not_null() & pl.col("previous_reason").is_not_null()
    first = spells.with_columns(
        pl.col("opened_build").alias("build"),
        pl.when(is_turn).then("previous_reason").otherwise("reason").alias("reason"),
        pl.lit(None, pl.String).alias("closure_reason"),
    )
    later = spells.filter(is_turn, pl.col("changed_build") > pl.col("opened_build")).with_columns(
        pl.col("changed_build").alias("build"), pl.lit(None, pl.String).alias("closure_reason")
    )
    closings = spells.filter(pl.col("closed_build").is_not_null()).with_columns(
        pl.col("closed_build").alias("build"), pl.lit(None, pl.String).alias("reason")
    )
    tables = [table.select(list(SIGHTING)).cast(polars_schema(SIGHTING)) for table in (first, later, closings)]
    return pl.concat(tables).sort("gap_id", "build")
