"""The register, tables of small areas and shares, read from the newest stored releases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.schema import CHANGE, PLACE, empty
from pipelines.core.store import Snapshot, cached, cached_tables, held_releases, read_snapshot
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import keys
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography.catchments import Shares, shares_in, shares_of
from pipelines.geography.crosswalk import Geography
from pipelines.geography.register import Places, ordered, read_changes, read_register, regioned
from pipelines.geography.small_areas import Areas, areas_in, areas_of
from pipelines.readers import read_sheet, tidied

Table = TypeVar("Table", Areas, Shares)
Read = Callable[[bytes, Catalogue, str, Snapshot, pl.DataFrame], Table]
TakeUp = Callable[[pl.DataFrame, str, Source, Snapshot], Table]


def geography(project: Project, places: Places) -> Geography:
    """Return all stored geography data, from which crosswalks are built."""
    return Geography(places, tuple(small_areas(project)), tuple(shares_held(project)))


def small_areas(project: Project) -> list[Areas]:
    """Return every stored table of small areas with weights, by source name, cached by their files.

    A source without a stored release is excluded. Raises UnreadableError where no file of a source can be read.
    """
    return [each for each in _held(project, "areas", areas_in, areas_of) if each.weights]


def postcode_tables(project: Project) -> list[Areas]:
    """Return every stored table of areas without weights, such as postcodes, which apportionment does not use."""
    return [each for each in _held(project, "areas", areas_in, areas_of) if not each.weights]


def shares_held(project: Project) -> list[Shares]:
    """Return every stored table of shares, as small_areas does for small areas."""
    return _held(project, "shares", shares_in, shares_of)


def _held(project: Project, kind: str, read: Read[Table], take_up: TakeUp[Table]) -> list[Table]:
    made = keys(project.catalogue, project.home, project.as_of).apportioning
    names = [name for name in project.catalogue.providing(kind) if name in made]
    files = {name: [entry for group in _newest_first(project, name) for entry in group] for name in names}
    return [_kept(project, kind, name, made[name], files[name], read, take_up) for name in names if files[name]]


def _newest_first(project: Project, name: str) -> list[list[Snapshot]]:
    return held_releases(project.home, name, project.as_of)[::-1]


def _kept(
    project: Project, kind: str, name: str, key: str, files: list[Snapshot], read: Read[Table], take_up: TakeUp[Table]
) -> Table:
    """Return the table of one source, built again where its inputs have changed."""

    def make() -> pl.DataFrame:
        one = _newest_sound(project, name, files, read)
        return one.table.with_columns(pl.lit(one.release).alias("release"))

    table = cached(project.home, kind, name, key, make)
    release = next(entry for entry in files if entry.sha256 == table["release"][0])
    return take_up(table.drop("release"), name, project.catalogue.sources[name], release)


def _newest_sound(project: Project, name: str, files: list[Snapshot], read: Read[Table]) -> Table:
    faults = []
    register = kept_places(project.home, project.catalogue, project.as_of).register
    for entry in files:
        try:
            content = read_snapshot(project.home, entry.sha256)
            return read(content, project.catalogue, name, entry, register)
        except UnreadableError as error:
            faults.append(f"{name}: {error}")
    raise UnreadableError("\n".join(faults))


_READERS: dict[str, Callable[[pl.DataFrame, str], pl.DataFrame]] = {"place": read_register, "change": read_changes}


def read_places(home: Path, catalogue: Catalogue, as_of: date) -> Places:
    """Read the area register and its code changes from the newest readable releases."""
    registers = _newest_tables(home, catalogue, "place", as_of)
    changes = _newest_tables(home, catalogue, "change", as_of)
    register = pl.concat([empty(PLACE), *registers])
    if register.filter(pl.col("kind") == "nation").is_empty():
        names = ", ".join(catalogue.providing("place"))
        if not names:
            raise UnreadableError("no source provides place; expected a register of places under sources/")
        raise UnreadableError(
            f"{names}: found no release published by {as_of} with the nations; "
            "choose a later day, or restore its file under sources/"
        )
    return Places(ordered(regioned(register)), pl.concat([empty(CHANGE), *changes]))


def kept_places(home: Path, catalogue: Catalogue, as_of: date) -> Places:
    """Return the area register and its code changes, cached by their files."""
    key = keys(catalogue, home, as_of).places
    if (home, key) not in _LOADED:
        tables = cached_tables(home, ("register", "change"), "places", key, lambda: read_places(home, catalogue, as_of))
        _LOADED.clear()
        _LOADED[home, key] = Places(*tables)
    return _LOADED[home, key]


_LOADED: dict[tuple[Path, str], Places] = {}
"""The register loaded last, by store and key: every step of a build uses it."""


def _newest_tables(home: Path, catalogue: Catalogue, table: str, as_of: date) -> list[pl.DataFrame]:
    """Read the newest release of every source of a table; exclude sources without a release by a given day."""
    names = [name for name in catalogue.providing(table) if held_releases(home, name, as_of)]
    return [_newest_table(home, catalogue, name, as_of) for name in names]


def _newest_table(home: Path, catalogue: Catalogue, name: str, as_of: date) -> pl.DataFrame:
    faults = []
    for snapshot in [entry for group in reversed(held_releases(home, name, as_of)) for entry in group]:
        try:
            return registered_in(read_snapshot(home, snapshot.sha256), catalogue, name, snapshot)
        except (UnreadableError, pl.exceptions.PolarsError) as error:
            faults.append(f"{name}: {error}")
    raise UnreadableError("\n".join(faults))


def registered_in(content: bytes, catalogue: Catalogue, name: str, held: Snapshot) -> pl.DataFrame:
    """Read one release of places (schema.PLACE) or code changes (schema.CHANGE), as declared.

    Raises UnreadableError where it has another shape, no rows or impossible content.
    """
    source = catalogue.sources[name]
    sheet = tidied(read_sheet(content, source, held.file), catalogue.sources_dir / f"{name}.py")
    return _READERS[source.provides](sheet.frame, held.file)
