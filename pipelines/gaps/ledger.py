"""Ledger of gaps: when each gap was first seen, last seen, closed and reopened.

The ledger is stored as sightings: one row for each build in which a gap differs from the build before. Spells follow
from sightings, one for each time that a gap was open without a break, so a build can be removed exactly. A gap has the
id of its cell, which is the same in every build.
"""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.renames import REASONS, RESTATED_REASONS
from pipelines.core.schema import DATE, TEXT, WHOLE, Column, conform_table, empty_table, polars_schema
from pipelines.declarations.acceptances import Acceptance, add_acceptances
from pipelines.gaps.ledger_drafts import DeclarationHashes, drop_drafts
from pipelines.gaps.need_scope import is_needed, is_open, open_reason
from pipelines.gaps.sightings import CLOSING_REASONS, SIGHTING, build_spells, count_changes, last_sightings

SPELL: dict[str, Column] = {
    "gap_id": Column(TEXT, "Stable identifier of the gap: the identifier of its cell"),
    "problem": Column(TEXT, "Problem that needs the cell"),
    "need": Column(TEXT, "needed, or wanted"),
    "measure": Column(TEXT, "Measure that is missing"),
    "place_code": Column(TEXT, "Code of the place"),
    "place_name": Column(TEXT, "Name of the place"),
    "period_start": Column(DATE, "First day of the requested period, when the gap was last seen"),
    "period_end": Column(DATE, "Last day of the requested period"),
    "reason": Column(TEXT, "Current or last reason of the gap, from the closed set of reasons"),
    "previous_reason": Column(TEXT, "Previous reason in the same spell; null where there was none"),
    "reason_since": Column(DATE, "Day of the build that first gave this reason"),
    "data_owner": Column(TEXT, "Data owner that could close the gap"),
    "opened": Column(DATE, "Day of the build that opened or reopened the gap"),
    "last_seen": Column(DATE, "Day of the last build in which the gap was open"),
    "closed": Column(DATE, "Day of the build that closed the gap; null while it is open"),
    "closure_reason": Column(TEXT, "; ".join(f"{name}: {meaning}" for name, meaning in CLOSING_REASONS.items())),
    "opened_build": Column(WHOLE, "Number of the build that opened it"),
    "closed_build": Column(WHOLE, "Number of the build that closed it"),
    "changed_build": Column(WHOLE, "Number of the build that last changed its reason"),
}
GAP_LEDGER: dict[str, Column] = {
    **{name: SPELL[name] for name in ("gap_id", "problem", "need", "measure", "place_code", "place_name")},
    **{name: SPELL[name] for name in ("period_start", "period_end")},
    "state": Column(TEXT, "open; accepted: open, but accepted until a given day; closed"),
    **{name: SPELL[name] for name in ("reason", "previous_reason", "reason_since", "data_owner")},
    "problem_owner": Column(TEXT, "Owner of the problem, responsible for following the gap up"),
    "first_seen": Column(DATE, "Day of the first build in which the gap was open"),
    **{name: SPELL[name] for name in ("opened", "last_seen", "closed", "closure_reason")},
    "reopened": Column(WHOLE, "Number of times that the gap was reopened"),
    "age_days": Column(WHOLE, "Days from the opening of the current or last spell to its closing, or to `last_seen`"),
    "accepted_by": Column(TEXT, "Person who accepted the gap"),
    "acceptance_reason": Column(TEXT, "Grounds for accepting the gap"),
    "accepted_until": Column(DATE, "Last day on which the gap is accepted; after that it is open again"),
}
BUILD: dict[str, Column] = {
    "problem": Column(TEXT, "Problem that was built"),
    "build": Column(WHOLE, "Number of the build, from 1; a build from the same tables as the last is not counted"),
    "day": Column(DATE, "Reference day of the build"),
    "last_day": Column(DATE, "Reference day of the last build from the same tables"),
    "asked": Column(WHOLE, "Requested cells"),
    "known": Column(WHOLE, "Cells with a figure of their own, not a proxy"),
    "open": Column(WHOLE, "Gaps open after the build"),
    "opened": Column(WHOLE, "Gaps opened for the first time"),
    "reopened": Column(WHOLE, "Gaps reopened"),
    "closed": Column(WHOLE, "Gaps closed"),
    "changed": Column(WHOLE, "Gaps still open, with another reason"),
}


class BuildNote(NamedTuple):
    """Inputs of a build: hash of its cells, and hashes of the declaration and files of each measure."""

    contents: str
    declared: dict[str, DeclarationHashes]


class Ledger(NamedTuple):
    """Sightings of one problem (SIGHTING), its builds (BUILD), and a note for each build.

    Sightings hold all that builds saw. Spells and the counts of builds leave out the effects of draft declarations.
    """

    sightings: pl.DataFrame
    builds: pl.DataFrame
    notes: tuple[BuildNote, ...]
    has_old_reasons: bool = False
    """Whether the sightings may have reasons of an earlier version (renames.RESTATED_REASONS)."""

    @property
    def spells(self) -> pl.DataFrame:
        """Spells that follow from the sightings (SPELL)."""
        return conform_table(build_spells(self.sightings_without_drafts, self.builds), SPELL)

    @property
    def sightings_without_drafts(self) -> pl.DataFrame:
        """Sightings without the effects of draft declarations (SIGHTING)."""
        declarations = (note.declared for note in self.notes)
        sightings = restate_reasons(self.sightings) if self.has_old_reasons else self.sightings
        return drop_drafts(sightings, list(zip(self.builds["build"], self.builds["day"], declarations, strict=True)))

    @property
    def with_counts(self) -> "Ledger":
        """The ledger with the counts of each build recalculated."""
        return self._replace(builds=conform_table(count_changes(self.sightings_without_drafts, self.builds), BUILD))

    @property
    def day(self) -> date:
        """Day of the last recorded build; the earliest possible date where there is none."""
        last: Any = self.builds["day"].max()
        return last if last is not None else date.min

    @property
    def last(self) -> int:
        """Number of the last recorded build; 0 where there is none."""
        return int(self.builds["build"].max() or 0)  # type: ignore[arg-type]


def empty_ledger() -> Ledger:
    """Return the ledger of a problem without builds."""
    return Ledger(pl.DataFrame(schema=polars_schema(SIGHTING)), pl.DataFrame(schema=polars_schema(BUILD)), ())


def list_open_gaps(cells: pl.DataFrame) -> pl.DataFrame:
    """List the open needs in cells (schema.CELL_COLUMNS), as sightings without a build number."""
    open_cells = cells.filter(is_open()).with_columns(pl.col("cell_id").alias("gap_id"), open_reason().alias("reason"))
    return conform_table(open_cells, SIGHTING)


def add_build(
    ledger: Ledger, cells: pl.DataFrame, day: date, contents: str, declared: dict[str, DeclarationHashes] | None = None
) -> Ledger:
    """Add a build to a ledger; return it unchanged where the last build of that day had the same contents.

    Takes a problem's cells (schema.CELL_COLUMNS), and the hashes of each measure's declaration and files. A day before
    the last recorded build adds nothing, since history is not rewritten. The effects of draft declarations leave no
    trace.
    """
    if day < ledger.day or (day == ledger.day and contents == ledger.notes[-1].contents):
        return ledger
    if ledger.has_old_reasons:
        ledger = ledger._replace(sightings=restate_reasons(ledger.sightings, cells), has_old_reasons=False)
    build, note = ledger.last + 1, BuildNote(contents, declared or {})
    asked, known = cells.select(is_needed().sum(), (is_needed() & ~is_open()).sum().alias("known")).row(0)
    counts = {"problem": cells["problem"].first(), "build": build, "day": day, "last_day": day, "asked": asked,
              "known": known}  # fmt: skip
    builds = pl.concat([ledger.builds, conform_table(pl.DataFrame([counts]), BUILD)])
    notes = (*ledger.notes, note)
    sightings = _new_sightings(ledger, cells, build)
    return Ledger(pl.concat([ledger.sightings, sightings]).sort("gap_id", "build"), builds, notes).with_counts


def _new_sightings(ledger: Ledger, cells: pl.DataFrame, build: int) -> pl.DataFrame:
    """Return the sightings of a build: gaps that are new, have changed or have closed."""
    if ledger.sightings.is_empty() and not cells.select(is_open().any()).item():
        return empty_table(SIGHTING)
    now, last = list_open_gaps(cells), last_sightings(ledger.sightings)
    before = last.filter(pl.col("reason").is_not_null())
    same = ["gap_id", "reason", "data_owner", "period_start", "period_end"]
    fresh = now.join(before, on=same, how="anti", nulls_equal=True)
    closed = before.join(now, on="gap_id", how="anti")
    asked = cells.filter(is_needed(), pl.col("cell_id").is_in(closed["gap_id"].implode()))["cell_id"]
    is_asked = pl.col("gap_id").is_in(asked.implode())
    because = pl.when(is_asked).then(pl.lit("answered")).otherwise(pl.lit("no_longer_asked"))
    closings = closed.with_columns(pl.lit(None, pl.String).alias("reason"), because.alias("closure_reason"))
    return conform_table(pl.concat([fresh, closings]).with_columns(pl.lit(build).alias("build")), SIGHTING)


def restate_reasons(sightings: pl.DataFrame, cells: pl.DataFrame | None = None) -> pl.DataFrame:
    """Give sightings of an earlier version the reasons of this one; no gap closes, reopens or changes by it.

    An open gap gets the reason that it has in `cells`, where that replaces its stored reason. Any other sighting with a
    reason that is gone gets the most general of those that replace it.
    """
    now = list_open_gaps(cells) if cells is not None else sightings.clear()
    last = last_sightings(sightings).select("gap_id", pl.col("reason").alias("old"))
    pairs = [(old, new) for old, reasons in RESTATED_REASONS.items() for new in reasons]
    replaced = pl.DataFrame(pairs, schema={"old": pl.String, "new": pl.String}, orient="row")
    current = last.join(now.select("gap_id", pl.col("reason").alias("new")), on="gap_id")
    restated = sightings.join(current.join(replaced, on=["old", "new"], how="semi"), on="gap_id", how="left")
    general = pl.col("reason").replace({old: reasons[0] for old, reasons in REASONS.items()})
    reason = pl.when(pl.col("reason") == pl.col("old")).then("new").otherwise(general).alias("reason")
    return _drop_unchanged(conform_table(restated.with_columns(reason), SIGHTING))


def remove_builds(ledger: Ledger, numbers: set[int]) -> Ledger:
    """Remove builds from a ledger: gaps that only they saw disappear, and gaps that they closed reopen.

    A sighting that the next build shares takes that build's date.
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
    return Ledger(_drop_unchanged(conform_table(last, SIGHTING)), builds, notes, ledger.has_old_reasons).with_counts


def _drop_unchanged(sightings: pl.DataFrame) -> pl.DataFrame:
    """Drop sightings that repeat the state of their gap, and closings of gaps that were never open."""
    state = pl.struct("reason", "data_owner", "period_start", "period_end")
    with_state = sightings.sort("gap_id", "build").with_columns(
        pl.when(pl.col("reason").is_not_null()).then(state).alias("state")
    )
    before, first = pl.col("state").shift(1).over("gap_id"), pl.int_range(pl.len()).over("gap_id") == 0
    new = pl.when(first).then(pl.col("state").is_not_null()).otherwise(pl.col("state").ne_missing(before))
    return conform_table(with_state.filter(new), SIGHTING)


def ledger_as_at(ledger: Ledger, day: date) -> Ledger:
    """Return a ledger as it was on a day: only its builds up to that day."""
    builds = ledger.builds.filter(pl.col("day") <= day).with_columns(pl.min_horizontal("last_day", pl.lit(day)))
    sightings = ledger.sightings.filter(pl.col("build").is_in(builds["build"].implode()))
    earlier = Ledger(sightings, builds, ledger.notes[: builds.height], ledger.has_old_reasons)
    return earlier if builds.height == ledger.builds.height else earlier.with_counts


def repeat_last_build(ledger: Ledger, day: date) -> Ledger:
    """Return a ledger with its last build repeated on a later day, from the same tables."""
    is_last = pl.col("build") == ledger.last
    later = pl.when(is_last).then(pl.max_horizontal("last_day", pl.lit(day))).otherwise("last_day")
    return ledger._replace(builds=ledger.builds.with_columns(later.alias("last_day")))


def build_gap_ledger(ledger: Ledger, acceptances: tuple[Acceptance, ...], owner: str, as_of: date) -> pl.DataFrame:
    """Build GAP_LEDGER of a problem as of a day: one row for each gap ever seen."""
    if ledger.sightings.is_empty():
        return empty_table(GAP_LEDGER)
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
    until = pl.coalesce("closed", "last_seen")
    return conform_table(
        with_accepted.with_columns(
            state.otherwise(pl.lit("open")).alias("state"),
            (until - pl.col("opened")).dt.total_days().alias("age_days"),
            pl.lit(owner).alias("problem_owner"),
        ),
        GAP_LEDGER,
    )


def summarise_changes(ledger: Ledger) -> pl.DataFrame:
    """Summarise the last build's changes: what (opened, reopened, closed, changed), measure, reason, cells, places."""
    last = ledger.last
    began = pl.col("opened_build") == last
    again = pl.col("opened_build") > pl.col("opened_build").min().over("gap_id")
    event = (
        pl.when(pl.col("closed_build") == last).then(pl.lit("closed"))
        .when(began & again).then(pl.lit("reopened")).when(began).then(pl.lit("opened"))
        .when(pl.col("changed_build") == last).then(pl.lit("changed"))
    )  # fmt: skip
    events = ledger.spells.with_columns(event.alias("what")).drop_nulls("what")
    key = ["what", "measure", "reason", "previous_reason", "closure_reason"]
    counts = events.group_by(key).agg(
        pl.len().alias("cells"),
        pl.col("place_code").n_unique().alias("places"),
        pl.col("place_name").unique().sort().head(5).alias("names"),
    )
    return counts.sort(key[0], "cells", *key[1:], descending=[False, True, *(False for _ in key[1:])])


def describe_last_build(ledger: Ledger) -> str:
    """Describe in one line the changes of the last build, and the build before it."""
    if ledger.builds.is_empty():
        return "no build recorded up to this day"
    last = ledger.builds.row(-1, named=True)
    if ledger.builds.height == 1:
        return f"recorded since the build of {last['day']}: {last['open']:,} open"
    before = ledger.builds.row(-2, named=True)["day"]
    counts = [f"{last[name]:,} {word}" for name, word in _CHANGE_WORDS.items() if last[name]]
    return f"since the build of {before}: {', '.join(counts) or 'nothing changed'}; {last['open']:,} open"


_CHANGE_WORDS = {"closed": "closed", "opened": "new", "reopened": "reopened", "changed": "open for another reason"}
