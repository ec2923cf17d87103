"""What figures can be shared out by: the small areas and the shares held, read only when something asks for them.

Each table is kept in the state with the key of what it was made from, like every other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from pipelines.areas import Areas, areas_in, areas_of
from pipelines.catalogue import Catalogue
from pipelines.crosswalks import Geography
from pipelines.errors import UnreadableError
from pipelines.keys import keys
from pipelines.model import Source
from pipelines.observe import held_releases
from pipelines.places import Places
from pipelines.registering import kept_places
from pipelines.shares import Shares, shares_in, shares_of
from pipelines.store import Snapshot, read_snapshot, read_table, state_path, table_key, write_table

if TYPE_CHECKING:
    from pipelines.steps import Project

Table = TypeVar("Table", Areas, Shares)
Read = Callable[[bytes, Catalogue, str, Snapshot, pl.DataFrame], Table]
TakeUp = Callable[[pl.DataFrame, str, Source, Snapshot], Table]


def geography(project: Project, places: Places) -> Geography:
    """Give all that is held about places, to make crosswalks from."""
    return Geography(places, tuple(small_areas(project)), tuple(shares_held(project)))


def small_areas(project: Project) -> list[Areas]:
    """Give every table of small areas with weights held, by name of source: made now, or before from the same files.

    A source of which nothing is held is left out. Raises UnreadableError where none of a source's files can be read.
    """
    return [each for each in _held(project, "areas", areas_in, areas_of) if each.weights]


def postcode_tables(project: Project) -> list[Areas]:
    """Give every table of areas held that has no weights: of postcodes, say, which nothing is shared out by."""
    return [each for each in _held(project, "areas", areas_in, areas_of) if not each.weights]


def shares_held(project: Project) -> list[Shares]:
    """Give every table of shares held, as small_areas gives those of small areas."""
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
    """Take up the table of one source, after making it where what it rests on has changed."""
    path = state_path(project.home, kind, name)
    if table_key(path) != key:
        one = _newest_sound(project, name, files, read)
        write_table(path, one.table.with_columns(pl.lit(one.release).alias("release")), key)
    table = read_table(path)
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
