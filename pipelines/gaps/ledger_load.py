"""Where the ledger of gaps is kept: beside the snapshots, since nothing else could make it again.

    ledger/<problem>.parquet      the sightings; in its footer the builds, a version, and as its key a checksum
    ledger/<problem>.<hash>.bak   what it was before builds were taken out of it

One file a problem, written whole and put in place with one rename, so that a build that is killed leaves the ledger
as it was or as it should be. One that can't be read is named and left alone.
"""

import hashlib
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.schema import conformed, empty
from pipelines.core.store import KEY, digest, history, state_path, table_key, write_whole
from pipelines.declarations.project import Project, clock
from pipelines.gaps.ledger import BUILD, GAP_LEDGER, Ledger, Note, as_at, carried_on, gap_ledger, nothing
from pipelines.gaps.ledger_drafts import Declared
from pipelines.gaps.proxies import is_open, open_reason
from pipelines.gaps.sightings import SIGHTING, sightings_of

BUILDS, CELLS, FORMAT = "commonground_builds", "commonground_cells", "commonground_ledger"
VERSION = "2"
_CONTENTS_BEFORE = "commonground_contents"


def ledger_path(home: Path, problem: str) -> Path:
    """Give the file that holds the ledger of a problem."""
    return home / "ledger" / f"{problem}.parquet"


def read_ledger(home: Path, problem: str) -> Ledger:
    """Read the ledger of a problem; raise UnreadableError, naming the file, where it is not as it was written."""
    path = ledger_path(home, problem)
    if not path.is_file():
        return nothing()
    try:
        content = path.read_bytes()
        table, footer = pl.read_parquet(io.BytesIO(content)), pl.read_parquet_metadata(io.BytesIO(content))
        return _before_2(table, footer) if FORMAT not in footer else _read(table, footer)
    except (pl.exceptions.PolarsError, OSError, ValueError, KeyError, UnreadableError) as error:
        raise UnreadableError(
            f"{path}: the ledger of gaps can't be read ({str(error).splitlines()[0]}); it is left as it is, since its "
            "history is nowhere else: restore it from a copy, or move it away to begin anew"
        ) from error


def _read(table: pl.DataFrame, footer: dict[str, str]) -> Ledger:
    if footer[FORMAT] != VERSION:
        raise UnreadableError(f"found version {footer[FORMAT]}, expected {VERSION}; use the program that wrote it")
    if footer[KEY] != _checksum(table, footer[BUILDS]):
        raise UnreadableError("its checksum is not that of its contents: it was damaged or changed by hand")
    told = json.loads(footer[BUILDS])
    notes: list[Note] = []
    for each in told:
        declared = each.pop("declared")
        same = notes[-1].declared if notes else {}
        made = {name: (said, files) for name, (said, files) in declared.items()} if declared is not None else same
        notes.append(Note(each.pop("contents"), made))
    return Ledger(table.select(list(SIGHTING)), _builds(told), tuple(notes))


def _before_2(table: pl.DataFrame, footer: dict[str, str]) -> Ledger:
    """Read a ledger as it was stored before it had a version: as spells."""
    builds = _builds(json.loads(footer[BUILDS]))
    contents = ["" for _ in range(builds.height - 1)] + [footer[_CONTENTS_BEFORE]]
    return Ledger(sightings_of(table), builds, tuple(Note(each, {}) for each in contents))


def _builds(told: list[dict[str, Any]]) -> pl.DataFrame:
    if not told:
        return nothing().builds
    builds = pl.DataFrame(told, infer_schema_length=None)
    return conformed(builds.with_columns(pl.col("day").str.to_date()), BUILD)


def write_ledger(home: Path, problem: str, ledger: Ledger, key: str) -> None:
    """Write the ledger of a problem, with the key of the cells that it was last carried on to."""
    told, before = [], None
    for row, note in zip(ledger.builds.to_dicts(), ledger.notes, strict=True):
        declared = None if note.declared == before else note.declared
        told.append({**row, "day": row["day"].isoformat(), "contents": note.contents, "declared": declared})
        before = note.declared
    builds = json.dumps(told)
    footer = {KEY: _checksum(ledger.sightings, builds), FORMAT: VERSION, BUILDS: builds, CELLS: key}
    content = io.BytesIO()
    ledger.sightings.write_parquet(content, metadata=footer)
    write_whole(ledger_path(home, problem), content.getvalue())


def _checksum(sightings: pl.DataFrame, builds: str) -> str:
    rows = conformed(sightings, SIGHTING).write_csv()
    return digest(f"{rows}\x00{builds}".encode())


def contents_of(cells: pl.DataFrame) -> str:
    """Give the hash of what a ledger notes of cells: which are asked for, and which are open for which reason."""
    noted = cells.sort("cell_id").select("cell_id", pl.when(is_open()).then(open_reason()).fill_null(""))
    return hashlib.sha256(json.dumps(noted.rows()).encode()).hexdigest()


def declared_of(project: Project, problem: str) -> dict[str, Declared]:
    """Give for each measure of a problem what declares it, and which files its source has, as two short hashes."""
    catalogue = project.catalogue
    files: dict[str, list[str]] = {}
    for entry in history(project.home):
        if entry.brings_file and entry.released <= project.as_of:
            files.setdefault(entry.source, []).append(f"{entry.sha256} {entry.released}")
    of = {measure: catalogue.measure_source[measure] for measure in catalogue.problems[problem].measures}
    return {
        measure: (catalogue.said[source][:12], digest("\x00".join(files.get(source, [])).encode())[:12])
        for measure, source in of.items()
    }


def record(project: Project, problem: str, cells: pl.DataFrame) -> None:
    """Carry a problem's ledger on to a build; a second build of the same cells on the same day changes nothing.

    A build as of a day before the last one recorded adds nothing. Raises UnreadableError where that day is one to come
    even now: the clock was ahead, and nothing more would ever be recorded.
    """
    if ledger_is_fresh(project, problem):
        return
    held = read_ledger(project.home, problem)
    if held.day > project.as_of:
        if held.day > clock():
            raise UnreadableError(clock_was_ahead(held.day))
        return
    key = table_key(state_path(project.home, "cell", problem)) or ""
    now = carried_on(held, cells, project.as_of, contents_of(cells), declared_of(project, problem))
    write_ledger(project.home, problem, now, key)


def clock_was_ahead(day: date) -> str:
    """Say that a build as of a day to come is recorded, and what to do."""
    return (
        f"the ledger of gaps has a build as of {day}, a day to come: the clock was ahead. Nothing is recorded until it "
        f"is removed; `commonground ledger --remove-build {day}` says what that would do"
    )


def last_recorded(home: Path, problem: str) -> tuple[int, date]:
    """Give the number and the day of the last build recorded of a problem; 0 where there is none that can be read."""
    path = ledger_path(home, problem)
    try:
        builds = json.loads(pl.read_parquet_metadata(path)[BUILDS]) if path.is_file() else []
        last = builds[-1] if builds else None
        return (int(last["build"]), date.fromisoformat(last["day"])) if last else (0, date.min)
    except (pl.exceptions.PolarsError, OSError, ValueError, KeyError, TypeError):
        return 0, date.min


def ledger_is_fresh(project: Project, problem: str) -> bool:
    """Tell whether the ledger was carried on to the cells there are, or has gone on to a later day that has come."""
    number, day = last_recorded(project.home, problem)
    if not number:
        return False
    if day > project.as_of:
        return day <= clock()
    carried_to = pl.read_parquet_metadata(ledger_path(project.home, problem)).get(CELLS, "")
    return carried_to == table_key(state_path(project.home, "cell", problem))


def ledger_of(project: Project, problem: str) -> Ledger:
    """Give the ledger of a problem as it stood on the day of the build; an empty one where it can't be read.

    That it can't be read is said by the step that carries it on.
    """
    try:
        return as_at(read_ledger(project.home, problem), project.as_of)
    except UnreadableError:
        return nothing()


def gaps_of(project: Project, problem: str) -> pl.DataFrame:
    """Give the gaps of a problem that were ever seen (GAP_LEDGER), of measures that are still declared."""
    catalogue = project.catalogue
    if problem not in catalogue.problems:
        return empty(GAP_LEDGER)
    owner = catalogue.problems[problem].header.owner
    told = gap_ledger(ledger_of(project, problem), catalogue.accepted.get(problem, ()), owner, project.as_of)
    return told.filter(pl.col("measure").is_in(list(catalogue.measures)))
