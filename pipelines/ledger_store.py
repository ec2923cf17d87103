"""Where the ledger of gaps is kept: beside the snapshots, since nothing else could make it again.

    ledger/<problem>.parquet      the spells; in its footer the builds, and of what the last one was made

One file a problem, written whole and put in place with one rename, so that a build that is killed leaves the ledger
as it was or as it should be. One that can't be read is named and left alone.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.errors import UnreadableError
from pipelines.ledger import BUILD, GAP_LEDGER, SPELL, Ledger, as_at, carried_on, gap_ledger, nothing
from pipelines.schema import conformed, dtypes, empty
from pipelines.stand_ins import is_open, open_reason
from pipelines.steps import Project
from pipelines.store import KEY, state_path, table_key, write_whole

BUILDS, CONTENTS = "commonground_builds", "commonground_contents"


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
        spells, footer = pl.read_parquet(io.BytesIO(content)), pl.read_parquet_metadata(io.BytesIO(content))
        builds = pl.DataFrame(json.loads(footer[BUILDS]), infer_schema_length=None)
        builds = conformed(builds.with_columns(pl.col("day").str.to_date()), BUILD)
        found = Ledger(spells.select(list(SPELL)), builds, footer[CONTENTS])
        if found.spells.schema != dtypes(SPELL):
            raise UnreadableError(f"{path}: found columns {dict(found.spells.schema)}, expected {dict(dtypes(SPELL))}")
        return found
    except (pl.exceptions.PolarsError, OSError, ValueError, KeyError) as error:
        raise UnreadableError(
            f"{path}: the ledger of gaps can't be read ({str(error).splitlines()[0]}); it is left as it is, since its "
            "history is nowhere else: restore it from a copy, or move it away to begin anew"
        ) from error


def write_ledger(home: Path, problem: str, ledger: Ledger, key: str) -> None:
    """Write the ledger of a problem, with the key of the cells that it was last carried on to."""
    content = io.BytesIO()
    builds = json.dumps([{**row, "day": row["day"].isoformat()} for row in ledger.builds.to_dicts()])
    ledger.spells.write_parquet(content, metadata={KEY: key, BUILDS: builds, CONTENTS: ledger.contents})
    write_whole(ledger_path(home, problem), content.getvalue())


def contents_of(cells: pl.DataFrame) -> str:
    """Give the hash of what a ledger notes of cells: which are asked for, and which are open for which reason."""
    noted = cells.sort("cell_id").select("cell_id", pl.when(is_open()).then(open_reason()).fill_null(""))
    return hashlib.sha256(json.dumps(noted.rows()).encode()).hexdigest()


def record(project: Project, problem: str, cells: pl.DataFrame) -> None:
    """Carry a problem's ledger on to a build; a second build of the same cells on the same day changes nothing."""
    if ledger_is_fresh(project, problem):
        return
    held = read_ledger(project.home, problem)
    if held.day > project.as_of:
        return
    key = table_key(state_path(project.home, "cell", problem)) or ""
    write_ledger(project.home, problem, carried_on(held, cells, project.as_of, contents_of(cells)), key)


def ledger_is_fresh(project: Project, problem: str) -> bool:
    """Tell whether the ledger was carried on to the cells there are, or has gone on to a later day."""
    held = ledger_path(project.home, problem)
    if not held.is_file():
        return False
    if table_key(held) == table_key(state_path(project.home, "cell", problem)):
        return True
    try:
        builds: list[dict[str, Any]] = json.loads(pl.read_parquet_metadata(held)[BUILDS])
    except (pl.exceptions.PolarsError, OSError, ValueError, KeyError):
        return False
    return bool(builds) and str(builds[-1]["day"]) > project.as_of.isoformat()


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
