"""Receiving a file from a person: every cell is looked at, and what can't be used is told so that they can mend it."""

import polars as pl

from checks import CheckInput
from pipelines.core.errors import UnreadableError
from pipelines.core.store import Snapshot
from pipelines.declarations.project import Project
from pipelines.declarations.source import EVERY_HEADING, Source
from pipelines.geography import list_source_geographies, load_places, suggest_places
from pipelines.observations.ingest import ReadingContext, read_release, reading_context
from pipelines.observations.local_contract import PERIOD_EXAMPLES

MAX_MESSAGES = 40
"""Complaints that are printed; the rest is counted."""

_PLACE_FAULTS = ("unmatched_place", "retired_code")


def refusal_message(snapshot: Snapshot, messages: list[str]) -> str:
    """Say why a file is not kept, and all that has to be mended; blank where nothing has."""
    if not messages:
        return ""
    more = [f"... and {len(messages) - MAX_MESSAGES:,} more"] if len(messages) > MAX_MESSAGES else []
    head = (
        f"{snapshot.source}: {snapshot.file} was not kept: {len(messages):,} "
        f"thing{'s' * (len(messages) != 1)} in it can't be used"
    )
    end = "Mend them and add the file again; with --accept it is kept as it is, and these are set aside as findings."
    return "\n".join([head, *(f"  {message}" for message in messages[:MAX_MESSAGES]), *more, end])


def inspect_file(project: Project, content: bytes, snapshot: Snapshot) -> list[str]:
    """Read a file as a release of a source; say what a person has to mend, one sentence each, in order of rows."""
    context = reading_context(
        project.catalogue, snapshot.source, load_places(project), list_source_geographies(project, snapshot.source)
    )
    try:
        return cell_messages(read_release(context, snapshot, content), context)
    except UnreadableError as error:
        return [str(error)]


def cell_messages(read: CheckInput, context: ReadingContext) -> list[str]:
    """Say of each cell that can't be used: row, column, what was found and what is expected."""
    kept = ("total", "repeat", "unallocated", "dropped")
    faulty = read.cells.filter(pl.col("fault").is_not_null(), ~pl.col("fault").is_in(kept)).sort("file_row")
    messages = [_cell_message(row, read.source, context) for row in faulty.iter_rows(named=True)]
    nothing = "no row has a figure of a place that can be used; expected a row a place"
    return list(dict.fromkeys(messages)) or ([nothing] if read.cells["fault"].is_null().sum() == 0 else [])


def _cell_message(row: dict[str, object], source: Source, context: ReadingContext) -> str:
    columns = source.columns
    column, actual, expected = row["file_column"], row["text"], _expectation_text(row, source)
    if row["fault"] in _PLACE_FAULTS and columns:
        headings = columns.place or columns.label
        column = column if headings == EVERY_HEADING else " or ".join(headings)
        actual = row["place_code"] if columns.place else row["place_label"]
        expected = f"a {'code' if columns.place else 'name'} of {source.geography}{_suggestion_text(row, context)}"
    elif row["fault"] == "unreadable" and row["period_start"] is None and columns:
        column, actual = " or ".join(columns.period), str(row["fault_evidence"]).removeprefix("period ")
        actual, expected = (
            actual.rsplit(": not a", 1)[0],
            f"a {source.period_kind}, as {PERIOD_EXAMPLES[source.period_kind]}",
        )
    return f"row {row['file_row']}, column {column}: found {actual or 'nothing'!r}, expected {expected}"


def _expectation_text(row: dict[str, object], source: Source) -> str:
    measure = source.measures[str(row["measure"])]
    if row["fault"] == "implausible" and measure.range:
        return f"a figure from {measure.range[0]:g} to {measure.range[1]:g}"
    if row["fault"] == "duplicate":
        return f"one row for each place and period ({row['fault_evidence']})"
    markers = ", ".join(repr(text) for text in source.markers if text)
    return "a number" + (f", one of {markers}, or nothing" if markers else " or nothing")


def _suggestion_text(row: dict[str, object], context: ReadingContext) -> str:
    label = str(row["place_label"] or "")
    offer = suggest_places(label, context.own) if label and row["fault"] == "unmatched_place" else ""
    return f"; perhaps {offer}" if offer and not offer.startswith("no name") else ""
