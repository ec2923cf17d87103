"""Storage of the gap ledger, beside the snapshots, since it cannot be rebuilt from anything else.

    ledger/<problem>.parquet      sightings; the footer has the builds, a version, and a checksum as its key
    ledger/<problem>.<hash>.bak   ledger before builds were removed from it
    ledger/days.json              last day of each problem's last build, where builds of later days had the same tables

There is one file a problem. It is written whole and put in place with one rename, so a killed build leaves the old or
the new ledger. An unreadable file is named in the error and not changed.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.core.clock import current_date
from pipelines.core.errors import UnreadableError
from pipelines.core.ordering import sort_frame
from pipelines.core.renames import COLUMNS
from pipelines.core.schema import conform_table, empty_table
from pipelines.core.snapshots import read_log
from pipelines.core.store import (
    TABLE_KEY_METADATA,
    hash_bytes,
    load_or_build_table,
    state_path,
    table_key,
    write_atomically,
)
from pipelines.declarations.fingerprints import OPENING_TABLE, hash_texts, program_key, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps.ledger import (
    BUILD,
    GAP_LEDGER,
    BuildNote,
    Ledger,
    add_build,
    build_gap_ledger,
    empty_ledger,
    ledger_as_at,
    repeat_last_build,
)
from pipelines.gaps.ledger_drafts import DeclarationHashes
from pipelines.gaps.need_scope import is_needed, is_open, open_reason
from pipelines.gaps.sightings import SIGHTING, convert_spells

BUILDS_KEY, CELLS_KEY, FORMAT_KEY = "commonground_builds", "commonground_cells", "commonground_ledger"
LEDGER_VERSION = "5"
_OLD_REASONS_VERSIONS = ("4", "3")
"""Versions with the same contents and, in part, old reasons (renames.RESTATED_REASONS); the newest first."""
_OLD_NAMES_VERSION = "2"
"""Version with old reasons, and old names of columns (renames.COLUMNS)."""
_VERSION_1_CONTENTS_KEY = "commonground_contents"


_MOST_LEDGERS = 64
"""Most ledgers that a process keeps."""
_HASHED_ROWS = 1 << 16
"""Cells that are hashed at once: a million as one text take a third of a gigabyte."""


def ledger_path(home: Path, problem: str) -> Path:
    """Return the path of a problem's ledger."""
    return home / "ledger" / f"{problem}.parquet"


def read_ledger(home: Path, problem: str) -> Ledger:
    """Read the ledger of a problem; raise UnreadableError, naming the file, where it is damaged."""
    path = ledger_path(home, problem)
    if not path.is_file():
        return empty_ledger()
    try:
        now = path.stat()
        ledger = _read_file(path, now.st_ino, now.st_mtime_ns, now.st_size)
        last_day = read_last_days(home).get(problem)
        return repeat_last_build(ledger, last_day) if last_day else ledger
    except (pl.exceptions.PolarsError, OSError, ValueError, KeyError, UnreadableError) as error:
        raise UnreadableError(
            f"{path}: the gap ledger is not readable ({str(error).splitlines()[0]}). The file was not changed, "
            "since its history is stored nowhere else: restore it from a copy, or move it away to start a new one"
        ) from error


@lru_cache(maxsize=_MOST_LEDGERS)
def _read_file(path: Path, *_identity: int) -> Ledger:
    """Read and check a version of a file once: several steps of a build need the same ledger."""
    content = path.read_bytes()
    table, footer = pl.read_parquet(io.BytesIO(content)), pl.read_parquet_metadata(io.BytesIO(content))
    return _parse_version_1(table, footer) if FORMAT_KEY not in footer else _parse_ledger(table, footer)


def _parse_ledger(table: pl.DataFrame, footer: dict[str, str]) -> Ledger:
    if footer[FORMAT_KEY] not in (LEDGER_VERSION, *_OLD_REASONS_VERSIONS, _OLD_NAMES_VERSION):
        raise UnreadableError(
            f"found version {footer[FORMAT_KEY]}, expected {LEDGER_VERSION}; "
            "use the version of Commonground that wrote it"
        )
    has_old_names = footer[FORMAT_KEY] == _OLD_NAMES_VERSION
    if footer[TABLE_KEY_METADATA] != _ledger_checksum(table, footer[BUILDS_KEY], has_old_names):
        raise UnreadableError("its checksum does not match its contents: it was damaged or edited")
    rows = json.loads(footer[BUILDS_KEY])
    notes: list[BuildNote] = []
    for row in rows:
        declared = row.pop("declared")
        same = notes[-1].declared if notes else {}
        declarations = (
            {name: (declaration_hash, files) for name, (declaration_hash, files) in declared.items()}
            if declared is not None
            else same
        )
        notes.append(BuildNote(row.pop("contents"), declarations))
    has_old_reasons = footer[FORMAT_KEY] != LEDGER_VERSION
    return Ledger(_rename_columns(table).select(list(SIGHTING)), _build_table(rows), tuple(notes), has_old_reasons)


def _parse_version_1(table: pl.DataFrame, footer: dict[str, str]) -> Ledger:
    """Read a ledger in the format without a version, which stored spells."""
    builds = _build_table(json.loads(footer[BUILDS_KEY]))
    contents = ["" for _ in range(builds.height - 1)] + [footer[_VERSION_1_CONTENTS_KEY]]
    return Ledger(
        convert_spells(_rename_columns(table)),
        builds,
        tuple(BuildNote(contents_hash, {}) for contents_hash in contents),
        has_old_reasons=True,
    )


def _build_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    if not rows:
        return empty_ledger().builds
    # Builds recorded by an earlier version have no last day: each build of a day was then recorded.
    rows = [{**row, "last_day": row.get("last_day") or row["day"]} for row in rows]
    builds = pl.DataFrame(rows, infer_schema_length=None)
    return conform_table(builds.with_columns(pl.col("day", "last_day").str.to_date()), BUILD)


def write_ledger(home: Path, problem: str, ledger: Ledger, key: str) -> None:
    """Write the ledger of a problem, with the key of the cells in its last build."""
    entries, before = [], None
    for row, note in zip(ledger.builds.to_dicts(), ledger.notes, strict=True):
        declared = None if note.declared == before else note.declared
        days = {name: row[name].isoformat() for name in ("day", "last_day")}
        entries.append({**row, **days, "contents": note.contents, "declared": declared})
        before = note.declared
    builds = json.dumps(entries)
    footer = {
        TABLE_KEY_METADATA: _ledger_checksum(ledger.sightings, builds),
        FORMAT_KEY: _OLD_REASONS_VERSIONS[0] if ledger.has_old_reasons else LEDGER_VERSION,
        BUILDS_KEY: builds,
        CELLS_KEY: key,
    }
    content = io.BytesIO()
    ledger.sightings.write_parquet(content, metadata=footer)
    write_atomically(ledger_path(home, problem), content.getvalue())


def _rename_columns(table: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of a stored ledger their new names."""
    return table.rename(COLUMNS["gap_ledger"], strict=False)


def _ledger_checksum(sightings: pl.DataFrame, builds: str, has_old_names: bool = False) -> str:
    """Hash the sightings and the builds; the header of version 2 has the old names of columns."""
    table = conform_table(_rename_columns(sightings), SIGHTING)
    if has_old_names:
        table = table.rename({new: old for old, new in COLUMNS["gap_ledger"].items()}, strict=False)
    rows = table.write_csv()
    return hash_bytes(f"{rows}\x00{builds}".encode())


def hash_cells(cells: pl.DataFrame) -> str:
    """Return a hash of the cells for the ledger: which are requested, and which are open for which reason."""
    reason = pl.when(is_open()).then(open_reason()).fill_null("").alias("reason")
    noted = sort_frame(cells.filter(is_needed()).select("cell_id", reason), "cell_id")
    pieces = (_encode_pairs(piece) for piece in noted.iter_slices(_HASHED_ROWS))
    content = hashlib.sha256(b"[")
    for number, piece in enumerate(pieces):
        content.update(f"{', ' if number else ''}{piece}".encode())
    content.update(b"]")
    return content.hexdigest()


def _encode_pairs(noted: pl.DataFrame) -> str:
    """Return the rows of two columns of texts as JSON, without brackets; Polars joins what JSON does not escape."""
    if noted.select(pl.all().str.contains(r'[^ -~]|["\\]').any()).row(0) != (False, False):
        return json.dumps(noted.rows())[1:-1]
    return str(noted.select(pl.format('["{}", "{}"]', *noted.columns).str.join(", ")).item())


def hash_declarations(project: Project, problem: str) -> dict[str, DeclarationHashes]:
    """Return for each measure of a problem short hashes of its declaration and of its source's files."""
    catalogue = project.catalogue
    files: dict[str, list[str]] = {}
    for entry in read_log(project.home):
        if entry.is_new_release and entry.released <= project.as_of:
            files.setdefault(entry.source, []).append(f"{entry.sha256} {entry.released}")
    source_by_measure = {measure: catalogue.measure_source[measure] for measure in catalogue.problems[problem].measures}
    return {
        measure: (
            catalogue.declaration_hashes[source][:12],
            hash_bytes("\x00".join(files.get(source, [])).encode())[:12],
        )
        for measure, source in source_by_measure.items()
    }


def update_ledger(project: Project, problem: str, cells: pl.DataFrame) -> None:
    """Add a build to a problem's ledger, or the day of a build from the same tables as the last.

    A build as of a day before the last recorded one adds nothing. Raises UnreadableError where that last day is still
    in the future: the clock was ahead, and no later build could be recorded.
    """
    if is_ledger_current(project, problem):
        record_repeated_builds(project, [problem])
        return
    ledger = read_ledger(project.home, problem)
    if ledger.day > project.as_of:
        if ledger.day > current_date():
            raise UnreadableError(format_clock_error(ledger.day))
        return
    key = table_key(state_path(project.home, "cell", problem)) or ""
    updated = add_build(ledger, cells, project.as_of, hash_cells(cells), hash_declarations(project, problem))
    write_ledger(project.home, problem, updated, key)
    forget_last_day(project.home, problem)


def format_clock_error(day: date) -> str:
    """Format the error for a recorded build in the future, with the command that removes it."""
    return (
        f"the gap ledger has a build as of {day}, which is in the future: the clock was ahead. No build is "
        f"recorded until it is removed; `commonground ledger --remove-build {day}` previews the removal"
    )


def read_last_build(home: Path, problem: str) -> tuple[int, date]:
    """Return number and day of a problem's last recorded build; 0 where there is none or it is unreadable."""
    path = ledger_path(home, problem)
    try:
        builds = json.loads(pl.read_parquet_metadata(path)[BUILDS_KEY]) if path.is_file() else []
        last = builds[-1] if builds else None
        return (int(last["build"]), date.fromisoformat(last["day"])) if last else (0, date.min)
    except (pl.exceptions.PolarsError, OSError, ValueError, KeyError, TypeError):
        return 0, date.min


def is_ledger_current(project: Project, problem: str) -> bool:
    """Return whether the ledger covers the stored cells, or already has a later build that is not in the future."""
    number, day = read_last_build(project.home, problem)
    if not number:
        return False
    if day > project.as_of:
        return day <= current_date()
    cells_key = pl.read_parquet_metadata(ledger_path(project.home, problem)).get(CELLS_KEY, "")
    return cells_key == table_key(state_path(project.home, "cell", problem))


def record_repeated_builds(project: Project, problems: Sequence[str]) -> None:
    """Record that a build of this day had the tables of each problem's last build: one file for all problems.

    Problems without a current ledger are left out, and those with a build recorded for a later day.
    """
    before, now = read_last_days(project.home), {}
    for problem in problems:
        number, day = read_last_build(project.home, problem)
        if number and day < project.as_of and is_ledger_current(project, problem):
            # A day still in the future was recorded while the clock was ahead.
            last = before.get(problem, day)
            now[problem] = project.as_of if last > current_date() else max(last, project.as_of)
    _write_last_days(project.home, before | now)


def read_last_days(home: Path) -> dict[str, date]:
    """Return for each problem the last day on which its last build was repeated; none where unreadable."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        days = json.loads(_last_days_path(home).read_bytes())
        return {name: date.fromisoformat(day) for name, day in days.items()}
    return {}


def forget_last_day(home: Path, problem: str) -> None:
    """Remove the last day of a problem: its last build changes."""
    _write_last_days(home, {name: day for name, day in read_last_days(home).items() if name != problem})


def _write_last_days(home: Path, days: dict[str, date]) -> None:
    if days != read_last_days(home):
        content = json.dumps({name: day.isoformat() for name, day in sorted(days.items())})
        write_atomically(_last_days_path(home), content.encode())


def _last_days_path(home: Path) -> Path:
    return home / "ledger" / "days.json"


def load_ledger(project: Project, problem: str) -> Ledger:
    """Load the ledger of a problem as on the day of the build; an empty one where it is unreadable.

    The step that updates the ledger reports an unreadable one.
    """
    try:
        return ledger_as_at(read_ledger(project.home, problem), project.as_of)
    except UnreadableError:
        return empty_ledger()


def load_opening_days(project: Project, problem: str) -> pl.DataFrame:
    """Load the opening day of each open gap of a problem (gap_id, opened), stored while its ledger is the same.

    An unreadable ledger gives no rows, and these are not stored: a restored copy may have the same checksum.
    """
    _, day = read_last_build(project.home, problem)
    # A ledger with builds of later days than this one is cut at the day.
    cut = "" if day <= project.as_of else project.as_of.isoformat()
    key = hash_texts(program_key("gaps"), table_key(ledger_path(project.home, problem)) or "", cut)

    def list_open_gaps() -> pl.DataFrame:
        spells = ledger_as_at(read_ledger(project.home, problem), project.as_of).spells
        return spells.filter(pl.col("closed").is_null()).select("gap_id", "opened").sort("gap_id")

    sources = public_input_sources(project.catalogue, [problem])
    try:
        return load_or_build_table(project.home, OPENING_TABLE, problem, key, list_open_gaps, sources)
    except UnreadableError:
        return pl.DataFrame(schema={"gap_id": pl.String, "opened": pl.Date})


def load_gaps(project: Project, problem: str, ledger: Ledger | None = None) -> pl.DataFrame:
    """Load all gaps ever seen of a problem (GAP_LEDGER), of measures that are still declared.

    `ledger` is the ledger of the problem where it is loaded already.
    """
    catalogue = project.catalogue
    if problem not in catalogue.problems:
        return empty_table(GAP_LEDGER)
    owner = catalogue.problems[problem].header.owner
    ledger = ledger or load_ledger(project, problem)
    gaps = build_gap_ledger(ledger, catalogue.acceptances.get(problem, ()), owner, project.as_of)
    return gaps.filter(pl.col("measure").is_in(list(catalogue.measures)))
