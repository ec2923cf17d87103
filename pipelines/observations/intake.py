"""Acceptance of a file from a person: every cell is tested, and each fault is reported so that it can be corrected."""

from collections.abc import Callable
from datetime import date, timedelta

import polars as pl

from checks import CheckInput
from pipelines.core.errors import CommongroundError, UnreadableError
from pipelines.core.snapshots import Snapshot, read_snapshot, stored_releases
from pipelines.declarations.file_format import describe_period_kind
from pipelines.declarations.project import Project
from pipelines.declarations.source import EVERY_HEADING, Source
from pipelines.geography import (
    NO_SIMILAR_NAME,
    list_source_geographies,
    load_places,
    suggest_codes,
    suggest_places,
)
from pipelines.observations.ingest import ReadingContext, read_release, reading_context
from pipelines.observations.local_contract import PERIOD_EXAMPLES

MAX_MESSAGES = 40
"""Maximum number of messages printed; the others are counted."""

MOST_RELEASES = 12
"""Newest stored releases with which a file is compared."""
COPIED_KEY = ("measure", "place_code", "period_start")
FEWEST_COPIED, FEWEST_COPIED_VALUES, COPIED_SHARE = 50, 10, 0.95
"""Places, different figures, and share of equal figures from which a period is a copy of another."""
NEIGHBOURING = timedelta(days=7)
"""Periods that start nearer than this are not compared: a count so far may stay the same from day to day."""
SUPPRESSED = ("confidential", "low")
"""Statuses of figures that the publisher withholds because they are small."""
FEWEST_ZEROED = 5
"""Suppressed figures of one period, all 0 in a file, from which the file has lost the publisher's marker."""
_TEXT_KEYS = pl.col("measure", "place_code").cast(pl.String)
_PLACE_FAULTS = ("unmatched_place", "newer_than_register", "retired_code", "label_contradicts_code")


def describe_refusal(project: Project, content: bytes, snapshot: Snapshot) -> str:
    """Return the message that rejects a file, with every fault to correct; blank where there is none."""
    messages = inspect_file(project, content, snapshot)
    if not messages:
        return ""
    more = [f"... and {len(messages) - MAX_MESSAGES:,} more"] if len(messages) > MAX_MESSAGES else []
    head = (
        f"{snapshot.source}: {snapshot.file} was not added: {len(messages):,} "
        f"value{'s' * (len(messages) != 1)} in it cannot be used"
    )
    end = "Correct them and add the file again. With --accept the file is added and these become findings."
    return "\n".join([head, *(f"  {message}" for message in messages[:MAX_MESSAGES]), *more, end])


def inspect_file(project: Project, content: bytes, snapshot: Snapshot) -> list[str]:
    """Read a file as a release of a source and return one sentence for each fault, in order of rows."""
    context = reading_context(
        project.catalogue, snapshot.source, load_places(project), list_source_geographies(project, snapshot.source)
    )
    try:
        read = read_release(context, snapshot, content)
    except UnreadableError as error:
        return [str(error)]
    return [*cell_messages(read, context), *_find_faults_of_copy(read.cells, _read_stored_cells(project, context, {}))]


def copied_file_inspector(project: Project, name: str) -> Callable[[bytes, Snapshot], str]:
    """Return the test of a source's fetched files: the fault of a file with faults of a copy, or "".

    These are periods with the figures of others, and suppressed cells read as 0. A file that cannot be read has no
    fault here: a build names it. Each stored release is read once for all files.
    """
    read: dict[str, pl.DataFrame] = {}

    def find_fault(content: bytes, snapshot: Snapshot) -> str:
        if project.catalogue.sources[name].provides != "observation" or not stored_releases(
            project.home, name, project.as_of
        ):
            return ""
        try:
            copied = _inspect_copy(project, content, snapshot, read)
        except CommongroundError:
            return ""
        more = f" (and {len(copied) - 1:,} more such faults)" if len(copied) > 1 else ""
        accept = f"if they are right, run `commonground add {name} FILE --accept`"
        return f"{name}: {snapshot.file} was not stored: {copied[0]}{more}; {accept}" if copied else ""

    return find_fault


def _inspect_copy(project: Project, content: bytes, snapshot: Snapshot, read: dict[str, pl.DataFrame]) -> list[str]:
    geographies = list_source_geographies(project, snapshot.source)
    context = reading_context(project.catalogue, snapshot.source, load_places(project), geographies)
    cells = read_release(context, snapshot, content).cells
    return _find_faults_of_copy(cells, _read_stored_cells(project, context, read))


def _find_faults_of_copy(cells: pl.DataFrame, stored: pl.DataFrame) -> list[str]:
    return [*find_copied_periods(cells, stored), *find_zeroed_cells(cells, stored)] if stored.height else []


def _read_stored_cells(project: Project, context: ReadingContext, read: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the usable figures of the newest stored releases: COPIED_KEY and value; add to `read` those read now."""
    newest = stored_releases(project.home, context.name, project.as_of)[-MOST_RELEASES:]
    for snapshot in (snapshot for group in newest for snapshot in group):
        if snapshot.sha256 not in read:
            read[snapshot.sha256] = _read_usable_cells(project, context, snapshot)
    tables = [read[snapshot.sha256] for group in newest for snapshot in group]
    return pl.concat(tables).unique() if tables else pl.DataFrame(schema=dict.fromkeys(COPIED_KEY, pl.String))


def _read_usable_cells(project: Project, context: ReadingContext, snapshot: Snapshot) -> pl.DataFrame:
    """Read the usable figures of a stored release; none where its file is not readable."""
    try:
        cells = read_release(context, snapshot, read_snapshot(project.home, snapshot.sha256)).cells
    except UnreadableError:
        cells = pl.DataFrame(schema={"measure": pl.String, "place_code": pl.String, "period_start": pl.Date,
                                     "value": pl.Float64, "fault": pl.String, "obs_status": pl.String})  # fmt: skip
    usable = cells.filter(pl.col("fault").is_null()).select(*COPIED_KEY, "value", pl.col("obs_status").cast(pl.String))
    return usable.with_columns(_TEXT_KEYS)  # alike for each release, also where a file is not readable


def find_copied_periods(cells: pl.DataFrame, stored: pl.DataFrame) -> list[str]:
    """Return a message for each period of a file with the same figures as another stored period.

    In one faulty copy, people sleeping rough in "2025" were the figures of 2021, in 290 of 290 councils. Two figures
    of 0 show nothing, because most trusts have no beds of a rare kind in any month.
    """
    usable = cells.filter(pl.col("fault").is_null(), pl.col("value").is_not_null()).select(*COPIED_KEY, "value")
    if stored.is_empty() or usable.is_empty():
        return []
    earlier = stored.drop_nulls("value").with_columns(_TEXT_KEYS)
    both = usable.with_columns(_TEXT_KEYS).join(earlier, on=["measure", "place_code"], suffix="_stored")
    apart = (pl.col("period_start") - pl.col("period_start_stored")).abs() >= NEIGHBOURING
    is_figure = (pl.col("value") != 0) | (pl.col("value_stored") != 0)
    is_same = pl.col("period_start") == pl.col("period_start_stored")
    by_pair = (
        both.filter(is_figure, apart | is_same)
        .group_by("measure", "period_start", "period_start_stored")
        .agg(
            pl.col("place_code").n_unique().alias("places"),
            pl.col("place_code").filter(pl.col("value") == pl.col("value_stored")).n_unique().alias("equal"),
            pl.col("value").n_unique().alias("values"),
        )
    )
    alike = by_pair.filter(
        pl.col("places") >= FEWEST_COPIED,
        pl.col("values") >= FEWEST_COPIED_VALUES,
        pl.col("equal") >= COPIED_SHARE * pl.col("places"),
    )
    right = alike.filter(pl.col("period_start") == pl.col("period_start_stored")).select("measure", "period_start")
    wrong = alike.join(right, on=["measure", "period_start"], how="anti").sort("measure", "period_start")
    return [
        f"{row['equal']} of {row['places']} figures of {row['measure']} for the period from {row['period_start']} are "
        f"those stored for the period from {row['period_start_stored']}; the periods may have been mixed up in a copy"
        for row in wrong.iter_rows(named=True)
    ]


def find_zeroed_cells(cells: pl.DataFrame, stored: pl.DataFrame) -> list[str]:
    """Return a message for each period in which all cells that are stored as suppressed are 0 in a file.

    Takes COPIED_KEY, value and obs_status (stored), and fault (cells). In one copy by a third party, suppressed figures
    of councils were 0. A publisher that no longer suppresses a figure shows more than zeros.
    """
    usable = cells.filter(pl.col("fault").is_null(), pl.col("value").is_not_null()).select(*COPIED_KEY, "value")
    hidden = stored.filter(pl.col("obs_status").is_in(SUPPRESSED)).select(*COPIED_KEY).unique()
    both = usable.with_columns(_TEXT_KEYS).join(hidden.with_columns(_TEXT_KEYS), on=list(COPIED_KEY))
    by_period = both.group_by("measure", "period_start").agg(
        pl.len().alias("hidden"), (pl.col("value") == 0).all().alias("are_zero")
    )
    zeroed = by_period.filter("are_zero", pl.col("hidden") >= FEWEST_ZEROED).sort("measure", "period_start")
    return [
        f"{row['hidden']} figures of {row['measure']} for the period from {row['period_start']} are 0, and are stored "
        "as suppressed; the copy may have 0 in the place of the publisher's marker"
        for row in zeroed.iter_rows(named=True)
    ]


def find_newest_period(project: Project, content: bytes, snapshot: Snapshot) -> tuple[date | None, str]:
    """Read a file as a release; return the last day of its newest period with a figure, or the fault."""
    context = reading_context(
        project.catalogue, snapshot.source, load_places(project), list_source_geographies(project, snapshot.source)
    )
    try:
        read = read_release(context, snapshot, content)
    except UnreadableError as error:
        return None, str(error)
    newest = read.cells.filter(pl.col("fault").is_null())["period_end"].max()
    messages = cell_messages(read, context)
    return (newest, "") if isinstance(newest, date) else (None, messages[0] if messages else "found no figure")


def cell_messages(read: CheckInput, context: ReadingContext) -> list[str]:
    """Return a message for each unusable cell: row, column, what was found and what was expected."""
    kept = ("total", "repeat", "unallocated", "dropped")
    faulty = read.cells.filter(pl.col("fault").is_not_null(), ~pl.col("fault").is_in(kept)).sort("file_row")
    messages = [_cell_message(row, read.source, context) for row in faulty.iter_rows(named=True)]
    nothing = "found no row with a usable figure for a place; expected one row for each place"
    return list(dict.fromkeys(messages)) or ([nothing] if read.cells["fault"].is_null().sum() == 0 else [])


def _cell_message(row: dict[str, object], source: Source, context: ReadingContext) -> str:
    columns = source.columns
    column, actual, expected = row["file_column"], row["text"], _expectation_text(row, source)
    if row["fault"] in _PLACE_FAULTS and columns:
        headings = columns.place or columns.label
        column = column if headings == EVERY_HEADING else " or ".join(headings)
        actual = row["place_code"] if columns.place else row["place_label"]
        expected = f"a {'code' if columns.place else 'name'} of {source.geography}{_place_hint(row, context)}"
    elif row["fault"] == "unreadable" and row["period_start"] is None and columns:
        column, actual = " or ".join(columns.period), str(row["fault_evidence"]).removeprefix("period ")
        actual, expected = (
            actual.rsplit(": not a", 1)[0],
            f"a {describe_period_kind(source)}, as {PERIOD_EXAMPLES[source.period_kind[0]]}",
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


def _place_hint(row: dict[str, object], context: ReadingContext) -> str:
    """Return what the code itself shows, and the place probably meant."""
    evidence, code, label = str(row["fault_evidence"]), str(row["place_code"] or ""), str(row["place_label"] or "")
    about = evidence.removeprefix(f"{code}: ")
    known = "" if about == evidence or about.startswith("no ") else f"; {about}"
    offer = ""
    if row["fault"] == "unmatched_place":
        offer = suggest_codes(code, context.own) or (suggest_places(label, context.own) if label else "")
    return known + (f"; perhaps {offer}" if offer and offer != NO_SIMILAR_NAME else "")
