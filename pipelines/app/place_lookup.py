"""Description of places by name, code or postcode, from a store that was checked against the declarations.

    places.json    in the store: what a description needs beside the tables of places: the partnerships, the state of
                   the files behind the tables and of the program, the days on which they hold, and the declarations

A command that finds it current for a checked store and the day reads no declarations.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.app.file_states import hash_program, hash_states
from pipelines.app.store_access import open_home
from pipelines.core.checked_store import is_checked
from pipelines.core.object_store import is_bucket_address
from pipelines.core.paths import project_directory, store_setting
from pipelines.core.store import write_atomically
from pipelines.declarations.contents import hash_declarations
from pipelines.declarations.project import build_date
from pipelines.geography import (
    Areas,
    PlaceData,
    describe_area,
    fold_name,
    is_postcode,
    list_place_files,
    read_places,
    read_postcode_tables,
)

Facts = Iterable[tuple[str, str]]
"""Pairs of a heading and a text."""
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError)


class DescribedPartnership(NamedTuple):
    """A partnership: its folded title, its name and its code, by which it is looked up, and its description."""

    names: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


class PlaceLookup(NamedTuple):
    """What places are described from, on a day."""

    places: PlaceData
    load_postcodes: Callable[[], Sequence[Areas]]
    partnerships: Sequence[DescribedPartnership]
    day: date


def describe_in_lookup(lookup: PlaceLookup, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Describe places by name, code or postcode: identity, predecessors, successors and parents.

    A partnership is described by its members, their reference, and the problems with an answer for it. Raises
    UnknownNameError where a text is no place.
    """
    postcodes = lookup.load_postcodes() if any(map(is_postcode, names)) else ()
    for name in names:
        meant = fold_name(name)
        partnership = next((item for item in lookup.partnerships if meant in item.names), None)
        if partnership:
            yield from partnership.facts
        else:
            # Several tables of areas may have the place, and say the same about it.
            yield from dict.fromkeys(describe_area(lookup.places, postcodes, name, lookup.day))


def find_lookup(store: str | None) -> PlaceLookup | None:
    """Return the lookup of a command's store on the day of the command; null where none is stored, or in a bucket."""
    if is_bucket_address(store or store_setting()):
        return None
    return read_stored_lookup(open_home(store), hash_declarations(project_directory()), build_date())


def read_stored_lookup(home: Path, declarations: str, day: date) -> PlaceLookup | None:
    """Return the lookup of a store on a day; null where none is stored for its declarations and its files as they are.

    The store must have been checked against the declarations since it changed.
    """
    with suppress(*_UNREADABLE):
        record = _read_current_record(home, declarations, day)
        if record and is_checked(home, declarations):
            partnerships = [
                DescribedPartnership(tuple(names), tuple((heading, text) for heading, text in facts))
                for names, facts in record["partnerships"]
            ]
            plain = record["tables"]
            return PlaceLookup(read_places(home, plain), lambda: read_postcode_tables(home, plain), partnerships, day)
    return None


def is_lookup_current(home: Path, declarations: str, day: date) -> bool:
    """Return whether a lookup is stored for these declarations, the files as they are, and a day."""
    with suppress(*_UNREADABLE):
        return _read_current_record(home, declarations, day) is not None
    return False


def store_lookup(
    home: Path, declarations: str, plain: Mapping[str, Any], partnerships: Sequence[DescribedPartnership],
    files: Iterable[Path], days: tuple[date, date],
) -> None:  # fmt: skip
    """Store a lookup of places for a project with these declarations.

    `plain` is what `dump_places` returns, `files` are those behind the tables, and `days` the first day on which the
    tables hold and the day of the next change.
    """
    names = [str(path) for path in (*list_place_files(home, dict(plain)), home / "snapshots" / "log.jsonl", *files)]
    content = {
        "declarations": declarations, "first": days[0].isoformat(), "change": days[1].isoformat(),
        "files": names, "state": _describe_files(names), "tables": plain, "partnerships": partnerships,
    }  # fmt: skip
    with suppress(OSError):  # the store of another user
        write_atomically(_record_path(home), json.dumps(content, ensure_ascii=False, default=str).encode())


def _read_current_record(home: Path, declarations: str, day: date) -> dict[str, Any] | None:
    """Return the stored record where it is current. Raises one of _UNREADABLE where there is none, or a damaged one."""
    record: dict[str, Any] = json.loads(_record_path(home).read_bytes())
    is_current = (
        record["declarations"] == declarations
        and record["first"] <= day.isoformat() < record["change"]
        and record["state"] == _describe_files(record["files"])
    )
    return record if is_current else None


def _describe_files(paths: Iterable[str]) -> str:
    """Return the state of some files and of the program."""
    return f"{hash_program()} {hash_states(map(Path, paths))}"


def _record_path(home: Path) -> Path:
    return home / "places.json"
