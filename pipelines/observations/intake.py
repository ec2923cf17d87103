"""Receiving a file from a person: every cell is looked at, and what can't be used is told so that they can mend it."""

import polars as pl

from checks import Read
from pipelines.core.errors import UnreadableError
from pipelines.core.store import Snapshot
from pipelines.declarations.project import Project
from pipelines.declarations.source import EVERY, Source
from pipelines.geography import candidates, register_places, systems_of
from pipelines.observations.ingest import Manner, manner_of, read_release
from pipelines.observations.local_contract import SPELLED

TOLD = 40
"""Complaints that are printed; the rest is counted."""

_OF_PLACE = ("unmatched_place", "retired_code")


def refusal(held: Snapshot, told: list[str]) -> str:
    """Say why a file is not kept, and all that has to be mended; blank where nothing has."""
    if not told:
        return ""
    more = [f"... and {len(told) - TOLD:,} more"] if len(told) > TOLD else []
    head = f"{held.source}: {held.file} was not kept: {len(told):,} thing{'s' * (len(told) != 1)} in it can't be used"
    end = "Mend them and add the file again; with --accept it is kept as it is, and these are set aside as findings."
    return "\n".join([head, *(f"  {each}" for each in told[:TOLD]), *more, end])


def looked_at(project: Project, content: bytes, held: Snapshot) -> list[str]:
    """Read a file as a release of a source; say what a person has to mend, one sentence each, in order of rows."""
    manner = manner_of(project.catalogue, held.source, register_places(project), systems_of(project, held.source))
    try:
        return complaints(read_release(manner, held, content), manner)
    except UnreadableError as error:
        return [str(error)]


def complaints(read: Read, manner: Manner) -> list[str]:
    """Say of each cell that can't be used: row, column, what was found and what is expected."""
    kept = ("total", "repeat", "unallocated", "dropped")
    faulty = read.cells.filter(pl.col("fault").is_not_null(), ~pl.col("fault").is_in(kept)).sort("file_row")
    told = [_complaint(row, read.source, manner) for row in faulty.iter_rows(named=True)]
    nothing = "no row has a figure of a place that can be used; expected a row a place"
    return list(dict.fromkeys(told)) or ([nothing] if read.cells["fault"].is_null().sum() == 0 else [])


def _complaint(row: dict[str, object], source: Source, manner: Manner) -> str:
    columns = source.columns
    column, found, expected = row["file_column"], row["text"], _expected(row, source)
    if row["fault"] in _OF_PLACE and columns:
        named = columns.place or columns.label
        column = column if named == EVERY else " or ".join(named)
        found = row["place_code"] if columns.place else row["place_label"]
        expected = f"a {'code' if columns.place else 'name'} of {source.geography}{_offer(row, manner)}"
    elif row["fault"] == "unreadable" and row["period_start"] is None and columns:
        column, found = " or ".join(columns.period), str(row["fault_evidence"]).removeprefix("period ")
        found, expected = found.rsplit(": not a", 1)[0], f"a {source.period_kind}, as {SPELLED[source.period_kind]}"
    return f"row {row['file_row']}, column {column}: found {found or 'nothing'!r}, expected {expected}"


def _expected(row: dict[str, object], source: Source) -> str:
    measure = source.measures[str(row["measure"])]
    if row["fault"] == "implausible" and measure.range:
        return f"a figure from {measure.range[0]:g} to {measure.range[1]:g}"
    if row["fault"] == "duplicate":
        return f"one row for each place and period ({row['fault_evidence']})"
    markers = ", ".join(repr(text) for text in source.markers if text)
    return "a number" + (f", one of {markers}, or nothing" if markers else " or nothing")


def _offer(row: dict[str, object], manner: Manner) -> str:
    label = str(row["place_label"] or "")
    offer = candidates(label, manner.own) if label and row["fault"] == "unmatched_place" else ""
    return f"; perhaps {offer}" if offer and not offer.startswith("no name") else ""
