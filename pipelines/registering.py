"""The register of places and their changes, read from the newest releases of the sources that provide them."""

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from pathlib import Path

import polars as pl

from pipelines.catalogue import Catalogue
from pipelines.conform import tidied
from pipelines.errors import UnreadableError
from pipelines.keys import keys
from pipelines.observe import held_releases
from pipelines.places import Places, ordered, read_changes, read_register, regioned
from pipelines.reading import read_sheet
from pipelines.schema import CHANGE, PLACE, empty
from pipelines.store import Snapshot, read_snapshot, read_table, state_path, table_key, write_table

_READERS: dict[str, Callable[[pl.DataFrame, str], pl.DataFrame]] = {"place": read_register, "change": read_changes}


def read_places(home: Path, catalogue: Catalogue, as_of: date) -> Places:
    """Read the register of places and their changes from the newest releases that can be read."""
    registers = _newest_tables(home, catalogue, "place", as_of)
    changes = _newest_tables(home, catalogue, "change", as_of)
    register = pl.concat([empty(PLACE), *registers])
    if register.filter(pl.col("kind") == "nation").is_empty():
        names = ", ".join(catalogue.providing("place"))
        if not names:
            raise UnreadableError("no source provides place; expected a register of places under sources/")
        raise UnreadableError(
            f"{names}: no release that was out by {as_of} and has the nations is held; "
            "name a later day, or restore its file under sources/"
        )
    return Places(ordered(regioned(register)), pl.concat([empty(CHANGE), *changes]))


def kept_places(home: Path, catalogue: Catalogue, as_of: date) -> Places:
    """Make the register of places and their changes, or give those made before from the same files."""
    key = keys(catalogue, home, as_of).places
    paths = [state_path(home, "place", table) for table in ("register", "change")]
    if any(table_key(path) != key for path in paths):
        for path, table in zip(paths, read_places(home, catalogue, as_of), strict=True):
            write_table(path, table, key)
    return _taken_up(*paths, key)


@lru_cache(maxsize=2)
def _taken_up(register: Path, change: Path, _key: str) -> Places:
    """Read the register and the changes made from what a key says: once, for every step asks for them."""
    return Places(read_table(register), read_table(change))


def _newest_tables(home: Path, catalogue: Catalogue, table: str, as_of: date) -> list[pl.DataFrame]:
    """Read the newest release of every source of a table; one of which nothing was out by a day is left out."""
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
    """Read the bytes of one release of places (schema.PLACE) or of changes (schema.CHANGE), as declared and tidied.

    Raises UnreadableError where it is of another shape, has no rows, or says what can't be.
    """
    source = catalogue.sources[name]
    sheet = tidied(read_sheet(content, source, held.file), catalogue.sources_dir / f"{name}.py")
    return _READERS[source.provides](sheet.frame, held.file)
