"""The ledger of gaps: when each was first seen, last seen, closed, and opened again.

It is kept as sightings: one row for each build that saw a gap other than the build before did. From these follow the
spells, one for each time that a gap was open without a break; so a build can be taken out exactly. A gap's id is that
of its cell, so it stays the same from build to build.
"""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.schema import DATE, TEXT, WHOLE, Column, conform_table, polars_schema
from pipelines.declarations.acceptances import Acceptance, add_acceptances
from pipelines.gaps.ledger_drafts import DeclarationHashes, drop_drafts
from pipelines.gaps.proxies import is_open, open_reason
from pipelines.gaps.sightings import CLOSING_REASONS, SIGHTING, build_spells, count_changes, last_sightings

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
    "closed_because": Column(TEXT, "; ".join(f"{name}: {meaning}" for name, meaning in CLOSING_REASONS.items())),
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


class BuildNote(NamedTuple):
    """What a build was made of: the hash of its cells, and for each measure what declared it and its files."""

    contents: str
    declared: dict[str, DeclarationHashes]


class Ledger(NamedTuple):
    """The sightings of one problem (SIGHTING), its builds (BUILD), and a note for each build.

    Sightings are all that builds saw; spells and the counts of builds leave out what drafts did wrong.
    """

    sightings: pl.DataFrame
    builds: pl.DataFrame
    notes: tuple[BuildNote, ...]

    @property
    def spells(self) -> pl.DataFrame:
        """Spells that follow from the sightings (SPELL)."""
        return conform_table(build_spells(self.sightings_without_drafts, self.builds), SPELL)

    @property
    def sightings_without_drafts(self) -> pl.DataFrame:
        """Sightings without what drafts of declarations did wrong (SIGHTING)."""
        declarations = (note.declared for note in self.notes)
        return drop_drafts(
            self.sightings, list(zip(self.builds["build"], self.builds["day"], declarations, strict=True))
        )

    @property
    def with_counts(self) -> "Ledger":
        """The ledger, with what each build opened, closed and changed counted again."""
        return self._replace(builds=conform_table(count_changes(self.sightings_without_drafts, self.builds), BUILD))

    @property
    def day(self) -> date:
        """Day of the last build recorded; the first day there is where there is none."""
        last: Any = self.builds["day"].max()
        return last if last is not None else date.min

    @property
    def last(self) -> int:
        """Number of the last build recorded; 0 where there is none."""
        return int(self.builds["build"].max() or 0)  # type: ignore[arg-type]


def empty_ledger() -> Ledger:
    """Give the ledger of a problem that was never built."""
    return Ledger(pl.DataFrame(schema=polars_schema(SIGHTING)), pl.DataFrame(schema=polars_schema(BUILD)), ())


def list_open_gaps(cells: pl.DataFrame) -> pl.DataFrame:
    """Give the needs that are open (of schema.CELL_COLUMNS), as sightings of no build as yet."""
    open_cells = cells.filter(is_open()).with_columns(pl.col("cell_id").alias("gap_id"), open_reason().alias("reason"))
    return conform_table(open_cells, SIGHTING)


def add_build(
    ledger: Ledger, cells: pl.DataFrame, day: date, contents: str, declared: dict[str, DeclarationHashes] | None = None
) -> Ledger:
    """Carry a ledger on to a build of a day; the ledger stays as it is where the last build was of the same contents.

    Takes a problem's cells (schema.CELL_COLUMNS), and for each measure what declared it and its files. A day before
    the last one recorded adds nothing: history is not rewritten. What a draft of a declaration did wrong leaves no
    trace.
    """
    if day < ledger.day or (day == ledger.day and contents == ledger.notes[-1].contents):
        return ledger
    build, note = ledger.last + 1, BuildNote(contents, declared or {})
    counts = {"problem": cells["problem"].first(), "build": build, "day": day, "asked": cells.height,
              "known": cells.filter(~is_open()).height}  # fmt: skip
    builds = pl.concat([ledger.builds, conform_table(pl.DataFrame([counts]), BUILD)])
    notes = (*ledger.notes, note)
    sightings = _new_sightings(ledger, cells, build)
    return Ledger(pl.concat([ledger.sightings, sightings]).sort("gap_id", "build"), builds, notes).with_counts


def _new_sightings(ledger: Ledger, cells: pl.DataFrame, build: int) -> pl.DataFrame:
    """Give the sightings of a build: of gaps that are new, that are other than they were, and that have closed."""
    now, last = list_open_gaps(cells), last_sightings(ledger.sightings)
    before = last.filter(pl.col("reason").is_not_null())
    same = ["gap_id", "reason", "holder", "period_start", "period_end"]
    fresh = now.join(before, on=same, how="anti", nulls_equal=True)
    is_asked = pl.col("gap_id").is_in(cells["cell_id"].implode())
    because = pl.when(is_asked).then(pl.lit("answered")).otherwise(pl.lit("no_longer_asked"))
    closings = before.join(now, on="gap_id", how="anti").with_columns(
        pl.lit(None, pl.String).alias("reason"), because.alias("closed_because")
    )
    return conform_table(pl.concat([fresh, closings]).with_columns(pl.lit(build).alias("build")), SIGHTING)


def remove_builds(ledger: Ledger, numbers: set[int]) -> Ledger:
    """Take builds out of a ledger: what they alone saw is gone, and what they closed is open again.

    What a build saw that the next one saw too is dated by the next one.
    """
    builds = ledger.builds.filter(~pl.col("build").is_in(sorted(numbers)))
    notes = tuple(
        note for note, number in zip(ledger.notes, ledger.builds["build"], strict=True) if number not in numbers
    )
    next_kept = {
        number: min((later for later in builds["build"] if later > number), default=None) for number in sorted(numbers)
    }
    redated = ledger.sightings.with_columns(
        pl.col("build").alias("seen"),
        pl.col("build").replace_strict(next_kept, default=pl.col("build"), return_dtype=pl.Int64),
    ).drop_nulls("build")
    last = redated.sort("gap_id", "build", "seen").unique(["gap_id", "build"], keep="last", maintain_order=True)
    return Ledger(_drop_unchanged(conform_table(last, SIGHTING)), builds, notes).with_counts


def _drop_unchanged(sightings: pl.DataFrame) -> pl.DataFrame:
    """Leave out sightings that tell nothing new of a gap, and closings of what was never open."""
    state = pl.struct("reason", "holder", "period_start", "period_end")
    with_state = sightings.sort("gap_id", "build").with_columns(
        pl.when(pl.col("reason").is_not_null()).then(state).alias("state")
    )
    before, first = pl.col("state").shift(1).over("gap_id"), pl.int_range(pl.len()).over("gap_id") == 0
    new = pl.when(first).then(pl.col("state").is_not_null()).otherwise(pl.col("state").ne_missing(before))
    return conform_table(with_state.filter(new), SIGHTING)


def ledger_as_at(ledger: Ledger, day: date) -> Ledger:
    """Give a ledger as it stood on a day: only its builds up to that day."""
    builds = ledger.builds.filter(pl.col("day") <= day)
    sightings = ledger.sightings.filter(pl.col("build").is_in(builds["build"].implode()))
    earlier = Ledger(sightings, builds, ledger.notes[: builds.height])
    return earlier if builds.height == ledger.builds.height else earlier.with_counts


def build_gap_ledger(ledger: Ledger, acceptances: tuple[Acceptance, ...], owner: str, as_of: date) -> pl.DataFrame:
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
    with_accepted = add_acceptances(gaps, acceptances, as_of)
    state = pl.when(pl.col("closed").is_not_null()).then(pl.lit("closed")).when("is_accepted").then(pl.lit("accepted"))
    until = pl.coalesce("closed", pl.lit(as_of))
    return conform_table(
        with_accepted.with_columns(
            state.otherwise(pl.lit("open")).alias("state"),
            (until - pl.col("opened")).dt.total_days().alias("age_days"),
            pl.lit(owner).alias("owner"),
        ),
        GAP_LEDGER,
    )


def summarise_changes(ledger: Ledger) -> pl.DataFrame:
    """Give what the last build changed: what (opened, reopened, closed, changed), measure, reason, cells, places."""
    last = ledger.last
    began = pl.col("opened_build") == last
    again = pl.col("opened_build") > pl.col("opened_build").min().over("gap_id")
    event = (
        pl.when(pl.col("closed_build") == last).then(pl.lit("closed"))
        .when(began & again).then(pl.lit("reopened")).when(began).then(pl.lit("opened"))
        .when(pl.col("changed_build") == last).then(pl.lit("changed"))
    )  # fmt: skip
    events = ledger.spells.with_columns(event.alias("what")).drop_nulls("what")
    counts = events.group_by("what", "measure", "reason", "reason_before", "closed_because").agg(
        pl.len().alias("cells"),
        pl.col("place_code").n_unique().alias("places"),
        pl.col("place_name").unique().sort().head(5).alias("names"),
    )
    return counts.sort("what", "cells", "measure", "reason", descending=[False, True, False, False])


def describe_last_build(ledger: Ledger) -> str:
    """Say in one line what the last build changed, and since when."""
    if ledger.builds.is_empty():
        return "no build up to this day is recorded"
    last = ledger.builds.row(-1, named=True)
    if ledger.builds.height == 1:
        return f"recorded since the build of {last['day']}: {last['open']:,} open"
    before = ledger.builds.row(-2, named=True)["day"]
    counts = [f"{last[name]:,} {word}" for name, word in _CHANGE_WORDS.items() if last[name]]
    return f"since the build of {before}: {', '.join(counts) or 'nothing changed'}; {last['open']:,} open"


_CHANGE_WORDS = {"closed": "closed", "opened": "new", "reopened": "open again", "changed": "open for another reason"}
