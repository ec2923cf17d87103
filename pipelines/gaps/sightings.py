"""Sightings of gaps, and what follows from them: spells, and how many a build opened, closed and changed."""

import polars as pl

from pipelines.core.schema import DATE, TEXT, WHOLE, Column, dtypes

CLOSED = {
    "answered": "a figure came",
    "declared_otherwise": "the declaration of its source was changed, and no file came",
    "no_longer_asked": "the problem asks for it no more",
}
"""Why a gap is closed, and what each means."""

SIGHTING: dict[str, Column] = {
    "gap_id": Column(TEXT, "Stable name of the gap: that of its cell"),
    "build": Column(WHOLE, "Number of the first build that saw it so"),
    "problem": Column(TEXT, "Problem that needs the cell"),
    "need": Column(TEXT, "needed, or wanted"),
    "measure": Column(TEXT, "Measure that is missing"),
    "place_code": Column(TEXT, "Code of the place"),
    "place_name": Column(TEXT, "Name of the place"),
    "period_start": Column(DATE, "First day of the period asked about"),
    "period_end": Column(DATE, "Last day of it"),
    "reason": Column(TEXT, "Why it is missing; null where it is closed"),
    "holder": Column(TEXT, "Who could close it"),
    "closed_because": Column(TEXT, "Why it is closed"),
}
_KEPT = ("need", "measure", "place_code", "place_name", "period_start", "period_end", "holder")


def newest(sightings: pl.DataFrame) -> pl.DataFrame:
    """Give the last sighting of each gap."""
    return sightings.sort("gap_id", "build").unique("gap_id", keep="last", maintain_order=True)


def turns(sightings: pl.DataFrame) -> pl.DataFrame:
    """Sort sightings by gap and build, with `before`: the reason that the gap had until then, null where not open."""
    return sightings.sort("gap_id", "build").with_columns(pl.col("reason").shift(1).over("gap_id").alias("before"))


def spells_of(sightings: pl.DataFrame, builds: pl.DataFrame) -> pl.DataFrame:
    """Give the spells: one row for each time that a gap was open without a break, in order of gaps and builds."""
    days = builds.select("build", "day", pl.col("day").shift(1).alias("day_before"))
    open_now, had = pl.col("reason").is_not_null(), pl.col("before").is_not_null()
    # Null, so no turn, where the gap is closed or was.
    other = pl.col("reason") != pl.col("before")
    told = turns(sightings).join(days, on="build", how="left", maintain_order="left").with_columns(
        (open_now & ~had).cum_sum().over("gap_id").alias("spell"), open_now.alias("is_open"), other.alias("turned")
    )  # fmt: skip
    seen, ended, turned = pl.col("is_open"), ~pl.col("is_open"), pl.col("turned")
    begins = seen & pl.col("before").is_null()
    spells = told.group_by("gap_id", "spell", maintain_order=True).agg(
        pl.col("problem").first(),
        *(pl.col(name).filter(seen).last() for name in (*_KEPT, "reason")),
        pl.col("before").filter(turned).last().alias("reason_before"),
        pl.col("day").filter(turned | begins).last().alias("reason_since"),
        pl.col("day").first().alias("opened"),
        pl.col("day_before").filter(ended).last().alias("seen_before_end"),
        pl.col("day").filter(ended).last().alias("closed"),
        pl.col("closed_because").last(),
        pl.col("build").first().alias("opened_build"),
        pl.col("build").filter(ended).last().alias("closed_build"),
        pl.col("build").filter(turned).last().alias("changed_build"),
    )
    last_day = pl.lit(builds["day"].last(), pl.Date)
    last_seen = pl.when(pl.col("closed").is_null()).then(last_day).otherwise("seen_before_end").alias("last_seen")
    return spells.with_columns(last_seen)


def counted(sightings: pl.DataFrame, builds: pl.DataFrame) -> pl.DataFrame:
    """Count for each build the gaps that it opened, opened again, closed and changed, and those that were open."""
    open_now, had = pl.col("reason").is_not_null(), pl.col("before").is_not_null()
    seen_before = pl.int_range(pl.len()).over("gap_id") > 0
    what = {
        "opened": open_now & ~seen_before,
        "reopened": open_now & ~had & seen_before,
        "closed": ~open_now,
        "changed": pl.col("reason") != pl.col("before"),
    }
    told = turns(sightings).with_columns(*(mark.alias(name) for name, mark in what.items()))
    sums = told.group_by("build").agg(*(pl.col(name).sum().cast(pl.Int64) for name in what))
    found = builds.drop(*what, "open").join(sums, on="build", how="left", maintain_order="left")
    found = found.with_columns(pl.col(name).fill_null(0) for name in what)
    return found.with_columns((pl.col("opened") + pl.col("reopened") - pl.col("closed")).cum_sum().alias("open"))


def sightings_of(spells: pl.DataFrame) -> pl.DataFrame:
    """Make sightings of spells as they were stored before version 2: what happened between their turns is not known."""
    turned = pl.col("changed_build").is_not_null() & pl.col("reason_before").is_not_null()
    first = spells.with_columns(
        pl.col("opened_build").alias("build"),
        pl.when(turned).then("reason_before").otherwise("reason").alias("reason"),
        pl.lit(None, pl.String).alias("closed_because"),
    )
    later = spells.filter(turned, pl.col("changed_build") > pl.col("opened_build")).with_columns(
        pl.col("changed_build").alias("build"), pl.lit(None, pl.String).alias("closed_because")
    )
    ended = spells.filter(pl.col("closed_build").is_not_null()).with_columns(
        pl.col("closed_build").alias("build"), pl.lit(None, pl.String).alias("reason")
    )
    made = [each.select(list(SIGHTING)).cast(dtypes(SIGHTING)) for each in (first, later, ended)]
    return pl.concat(made).sort("gap_id", "build")
