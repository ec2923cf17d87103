"""The ledger of gaps: when each was first seen, last seen, closed, and opened again.

It is kept as spells: one row for each time that a gap was open without a break, from the build that first saw it to the
build that no longer did. A gap's id is that of its cell, so it stays the same from build to build.
"""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipelines.accepted import Accepted, with_acceptance
from pipelines.schema import DATE, TEXT, WHOLE, Column, conformed, dtypes
from pipelines.stand_ins import is_open, open_reason

SPELL: dict[str, Column] = {
    "gap_id": Column(TEXT, "Stable name of the gap: that of its cell"),
    "problem": Column(TEXT, "Problem that needs the cell"),
    "need": Column(TEXT, "needed, or wanted"),
    "measure": Column(TEXT, "Measure that is missing"),
    "place_code": Column(TEXT, "Code of the place"),
    "place_name": Column(TEXT, "Name of the place"),
    "period_start": Column(DATE, "First day of the period asked about, when the gap was last seen"),
    "period_end": Column(DATE, "Last day of it"),
    "reason": Column(TEXT, "Why it is missing, or was when last seen; one of the closed set of reasons"),
    "reason_before": Column(TEXT, "Reason it had before, while open; null where it has had one only"),
    "reason_since": Column(DATE, "Day of the build that first gave this reason"),
    "holder": Column(TEXT, "Who could close it"),
    "opened": Column(DATE, "Day of the build that first saw it open, or open again"),
    "last_seen": Column(DATE, "Day of the last build that saw it open"),
    "closed": Column(DATE, "Day of the build that no longer saw it; null while it is open"),
    "closed_because": Column(TEXT, "answered: a figure came; no_longer_asked: the problem asks for it no more"),
    "opened_build": Column(WHOLE, "Number of the build that opened it"),
    "closed_build": Column(WHOLE, "Number of the build that closed it"),
    "changed_build": Column(WHOLE, "Number of the build that last changed its reason"),
}
GAP_LEDGER: dict[str, Column] = {
    **{name: SPELL[name] for name in ("gap_id", "problem", "need", "measure", "place_code", "place_name")},
    **{name: SPELL[name] for name in ("period_start", "period_end")},
    "state": Column(TEXT, "open; accepted: open, and someone has accepted it for a time; closed"),
    **{name: SPELL[name] for name in ("reason", "reason_before", "reason_since", "holder")},
    "owner": Column(TEXT, "Who has to decide the problem, and so follows the gap up"),
    "first_seen": Column(DATE, "Day of the first build that saw it"),
    **{name: SPELL[name] for name in ("opened", "last_seen", "closed", "closed_because")},
    "reopened": Column(WHOLE, "How often it was opened again after it had been closed"),
    "age_days": Column(WHOLE, "Days it has been open, or was"),
    "accepted_by": Column(TEXT, "Who accepted it"),
    "accepted_because": Column(TEXT, "Why it may stay"),
    "accepted_until": Column(DATE, "Last day on which it is accepted; after that it is open again"),
}
BUILD: dict[str, Column] = {
    "problem": Column(TEXT, "Problem that was built"),
    "build": Column(WHOLE, "Number of the build, counted from 1; one that changed nothing on the same day is none"),
    "day": Column(DATE, "Day as of which it was made"),
    "asked": Column(WHOLE, "Cells asked for"),
    "known": Column(WHOLE, "Cells with a figure of their own"),
    "open": Column(WHOLE, "Gaps that were open"),
    "opened": Column(WHOLE, "Gaps seen for the first time"),
    "reopened": Column(WHOLE, "Gaps opened again"),
    "closed": Column(WHOLE, "Gaps closed"),
    "changed": Column(WHOLE, "Gaps open as before, for another reason"),
}


class Ledger(NamedTuple):
    """The spells of one problem (SPELL), its builds (BUILD), and of what contents the last one was."""

    spells: pl.DataFrame
    builds: pl.DataFrame
    contents: str

    @property
    def day(self) -> date:
        """Day of the last build recorded; the first day there is where there is none."""
        last: Any = self.builds["day"].max()
        return last if last is not None else date.min


def nothing() -> Ledger:
    """Give the ledger of a problem that was never built."""
    return Ledger(pl.DataFrame(schema=dtypes(SPELL)), pl.DataFrame(schema=dtypes(BUILD)), "")


def open_gaps(cells: pl.DataFrame) -> pl.DataFrame:
    """Give the needs that are open (of schema.CELL), as spells that have not begun."""
    found = cells.filter(is_open()).with_columns(pl.col("cell_id").alias("gap_id"), open_reason().alias("reason"))
    return conformed(found, SPELL)


def carried_on(ledger: Ledger, cells: pl.DataFrame, day: date, contents: str) -> Ledger:
    """Carry a ledger on to a build of a day; the ledger stays as it is where the last build was of the same contents.

    Takes a problem's cells (schema.CELL). A day before the last one recorded adds nothing: history is not rewritten.
    """
    if day < ledger.day or (day == ledger.day and contents == ledger.contents):
        return ledger
    build = ledger.builds.height + 1
    now, ended = open_gaps(cells), ledger.spells.filter(pl.col("closed").is_not_null())
    before = ledger.spells.filter(pl.col("closed").is_null())
    staying = _stayed(before.join(now, on="gap_id", how="semi"), now, day, build)
    closing = _closed(before.join(now, on="gap_id", how="anti"), cells, day, build)
    opening = _opened(now.join(before, on="gap_id", how="anti"), day, build)
    spells = pl.concat([ended, staying, closing, opening]).sort("gap_id", "opened_build")
    counts = {
        "problem": cells["problem"].first(), "build": build, "day": day, "asked": cells.height,
        "known": cells.height - now.height, "open": now.height, "closed": closing.height,
        "reopened": opening.join(ended, on="gap_id", how="semi").height,
        "opened": opening.join(ended, on="gap_id", how="anti").height,
        "changed": staying.filter(pl.col("changed_build") == build).height,
    }  # fmt: skip
    return Ledger(spells, pl.concat([ledger.builds, conformed(pl.DataFrame([counts]), BUILD)]), contents)


_NOW = ("reason", "holder", "period_start", "period_end")
"""What of an open gap is as the last build found it."""


def _stayed(spells: pl.DataFrame, now: pl.DataFrame, day: date, build: int) -> pl.DataFrame:
    """Note that gaps are still open, and for which reason now."""
    fresh = now.select(
        "gap_id", *(pl.col(n).alias(f"{n}_now") for n in ("reason", "holder", "period_start", "period_end"))
    )
    joined = spells.join(fresh, on="gap_id", how="left", maintain_order="left")
    other = pl.col("reason") != pl.col("reason_now")
    noted = joined.with_columns(
        pl.when(other).then("reason").otherwise("reason_before").alias("reason_before"),
        pl.when(other).then(pl.lit(day)).otherwise("reason_since").alias("reason_since"),
        pl.when(other).then(pl.lit(build)).otherwise("changed_build").alias("changed_build"),
        *(pl.col(f"{name}_now").alias(name) for name in _NOW),
        pl.lit(day).alias("last_seen"),
    )
    return conformed(noted, SPELL)


def _closed(spells: pl.DataFrame, cells: pl.DataFrame, day: date, build: int) -> pl.DataFrame:
    asked = pl.col("gap_id").is_in(cells["cell_id"].implode())
    because = pl.when(asked).then(pl.lit("answered")).otherwise(pl.lit("no_longer_asked"))
    ended = spells.with_columns(
        pl.lit(day).alias("closed"), because.alias("closed_because"), pl.lit(build).alias("closed_build")
    )
    return conformed(ended, SPELL)


def _opened(gaps: pl.DataFrame, day: date, build: int) -> pl.DataFrame:
    begun = [pl.lit(day).alias(name) for name in ("opened", "last_seen", "reason_since")]
    return conformed(gaps.with_columns(*begun, pl.lit(build).alias("opened_build")), SPELL)


def as_at(ledger: Ledger, day: date) -> Ledger:
    """Give a ledger as it stood on a day: what was opened later is left out, what was closed later is open."""
    later = pl.col("closed") > day
    ending = ("closed", "closed_because", "closed_build")
    spells = ledger.spells.filter(pl.col("opened") <= day).with_columns(
        *(pl.when(~later.fill_null(False)).then(name).alias(name) for name in ending),
        pl.min_horizontal("last_seen", pl.lit(day)).alias("last_seen"),
    )
    return ledger._replace(spells=spells, builds=ledger.builds.filter(pl.col("day") <= day))


def gap_ledger(ledger: Ledger, accepted: tuple[Accepted, ...], owner: str, as_of: date) -> pl.DataFrame:
    """Give GAP_LEDGER of a problem as of a day: one row for each gap that was ever seen."""
    last = [name for name in SPELL if name != "gap_id"]
    gaps = (
        ledger.spells.sort("gap_id", "opened_build")
        .group_by("gap_id", maintain_order=True)
        .agg(
            pl.col("opened").min().alias("first_seen"),
            (pl.len().cast(pl.Int64) - 1).alias("reopened"),
            *(pl.col(name).last() for name in last),
        )
    )
    told = with_acceptance(gaps, accepted, as_of)
    state = pl.when(pl.col("closed").is_not_null()).then(pl.lit("closed")).when("is_accepted").then(pl.lit("accepted"))
    until = pl.coalesce("closed", pl.lit(as_of))
    return conformed(
        told.with_columns(
            state.otherwise(pl.lit("open")).alias("state"),
            (until - pl.col("opened")).dt.total_days().alias("age_days"),
            pl.lit(owner).alias("owner"),
        ),
        GAP_LEDGER,
    )


def changes(ledger: Ledger) -> pl.DataFrame:
    """Give what the last build changed: what (opened, reopened, closed, changed), measure, reason, cells, places."""
    last: Any = ledger.builds["build"].max()
    began = pl.col("opened_build") == last
    again = pl.col("opened_build") > pl.col("opened_build").min().over("gap_id")
    what = (
        pl.when(pl.col("closed_build") == last).then(pl.lit("closed"))
        .when(began & again).then(pl.lit("reopened")).when(began).then(pl.lit("opened"))
        .when(pl.col("changed_build") == last).then(pl.lit("changed"))
    )  # fmt: skip
    told = ledger.spells.with_columns(what.alias("what")).drop_nulls("what")
    counted = told.group_by("what", "measure", "reason", "reason_before", "closed_because").agg(
        pl.len().alias("cells"),
        pl.col("place_code").n_unique().alias("places"),
        pl.col("place_name").unique().sort().head(5).alias("names"),
    )
    return counted.sort("what", "cells", "measure", "reason", descending=[False, True, False, False])


def since(ledger: Ledger) -> str:
    """Say in one line what the last build changed, and since when."""
    if ledger.builds.is_empty():
        return "of a day before the first build that is recorded; nothing is noted"
    last = ledger.builds.row(-1, named=True)
    if ledger.builds.height == 1:
        return f"first build, {last['open']:,} gaps recorded"
    before = ledger.builds.row(-2, named=True)["day"]
    counts = [f"{last[name]:,} {said}" for name, said in _SAID.items() if last[name]]
    return f"since the build of {before}: {', '.join(counts) or 'nothing changed'}; {last['open']:,} open"


_SAID = {"closed": "closed", "opened": "new", "reopened": "open again", "changed": "open for another reason"}
