"""The register, tables of small areas and shares, read from the newest stored releases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date
from pathlib import Path
from typing import TypeVar

import polars as pl

from pipelines import readers
from pipelines.core.errors import UnreadableError
from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table
from pipelines.core.snapshots import Snapshot, read_snapshot, stored_releases
from pipelines.core.store import load_or_build_table, load_or_build_tables
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import compute_table_keys
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography.catchments import Shares, build_shares, read_shares_release
from pipelines.geography.crosswalk import PlaceData
from pipelines.geography.reach import add_reach, count_places, refuse_unexpected_numbers
from pipelines.geography.register import Places, add_regions, read_changes, read_register, sort_register
from pipelines.geography.small_areas import Areas, build_areas, combine_areas, read_areas_release

Table = TypeVar("Table", Areas, Shares)
TableReader = Callable[[bytes, Catalogue, str, Snapshot, pl.DataFrame], Table]
TableBuilder = Callable[[pl.DataFrame, str, Source, Snapshot], Table]


def load_place_data(project: Project, places: Places) -> PlaceData:
    """Return all stored geography data, from which crosswalks are built."""
    return PlaceData(places, tuple(load_small_areas(project)), tuple(load_shares(project)))


def load_small_areas(project: Project) -> list[Areas]:
    """Return every stored table of small areas with weights, by source name, cached by their files; then lookups.

    A lookup is a table of areas of a declared geography, with the weights of another table. A source without a stored
    release is excluded. Raises UnreadableError where no file of a source can be read.
    """
    tables = list_area_tables(project)
    return combine_areas(tables, list_lookups(project, tables))


def list_area_tables(project: Project) -> list[Areas]:
    """Return every stored table of areas: small areas with weights, lookups, and others, none of them combined."""
    return _load_tables(project, "areas", read_areas_release, build_areas)


def list_lookups(project: Project, tables: Iterable[Areas]) -> list[str]:
    """List the sources of the tables that are lookups of areas of a declared geography."""
    return [areas.source for areas in tables if _is_lookup(project, areas)]


def suggest_lookup(project: Project, systems: Collection[str]) -> str:
    """Return the command that brings a table with some geographies, of which no release is stored; blank if none."""
    sources = project.catalogue.sources
    names = [
        name for name in project.catalogue.sources_providing("areas")
        if set(systems) <= set(sources[name].area_geographies) and not _releases_newest_first(project, name)
    ]  # fmt: skip
    command = "refresh" if names and sources[names[0]].is_refreshable else "add"
    return f"run `commonground {command} {names[0]}`" if names else ""


def load_postcode_tables(project: Project) -> list[Areas]:
    """Return every stored table of areas without weights, such as postcodes, which apportionment does not use."""
    tables = list_area_tables(project)
    return [areas for areas in tables if not areas.weights and not _is_lookup(project, areas)]


def _is_lookup(project: Project, areas: Areas) -> bool:
    return not areas.weights and bool(project.catalogue.sources[areas.source].geography)


def load_shares(project: Project) -> list[Shares]:
    """Return every stored table of shares, as small_areas does for small areas."""
    return _load_tables(project, "shares", read_shares_release, build_shares)


def _load_tables(project: Project, kind: str, reader: TableReader[Table], builder: TableBuilder[Table]) -> list[Table]:
    fingerprints = compute_table_keys(project.catalogue, project.home, project.as_of).apportioning
    names = [name for name in project.catalogue.sources_providing(kind) if name in fingerprints]
    files = {name: [entry for group in _releases_newest_first(project, name) for entry in group] for name in names}
    return [
        _load_table(project, kind, name, fingerprints[name], files[name], reader, builder)
        for name in names
        if files[name]
    ]


def _releases_newest_first(project: Project, name: str) -> list[list[Snapshot]]:
    return stored_releases(project.home, name, project.as_of)[::-1]


def _load_table(
    project: Project,
    kind: str,
    name: str,
    key: str,
    files: list[Snapshot],
    reader: TableReader[Table],
    builder: TableBuilder[Table],
) -> Table:
    """Return the table of one source, built again where its inputs have changed."""

    def build_table() -> pl.DataFrame:
        one = _read_newest_sound(project, name, files, reader)
        return one.table.with_columns(pl.lit(one.release).alias("release"))

    table = load_or_build_table(project.home, kind, name, key, build_table)
    release = next(entry for entry in files if entry.sha256 == table["release"][0])
    return builder(table.drop("release"), name, project.catalogue.sources[name], release)


def _read_newest_sound(project: Project, name: str, files: list[Snapshot], reader: TableReader[Table]) -> Table:
    faults = []
    register = load_cached_places(project.home, project.catalogue, project.as_of).register
    for entry in files:
        try:
            content = read_snapshot(project.home, entry.sha256)
            return reader(content, project.catalogue, name, entry, register)
        except UnreadableError as error:
            faults.append(f"{name}: {error}")
    raise UnreadableError("\n".join(faults))


def read_places(home: Path, catalogue: Catalogue, as_of: date) -> Places:
    """Read the area register and its code changes from the newest readable releases."""
    registers = _read_newest_tables(home, catalogue, "place", as_of)
    changes = _read_newest_tables(home, catalogue, "change", as_of)
    register = pl.concat([empty_table(PLACE_COLUMNS), *registers])
    if register.filter(pl.col("kind") == "nation").is_empty():
        names = ", ".join(catalogue.sources_providing("place"))
        if not names:
            raise UnreadableError("no source provides place; expected a register of places under sources/")
        raise UnreadableError(
            f"{names}: found no release published by {as_of} with the nations; "
            "choose a later day, or restore its file under sources/"
        )
    return Places(sort_register(add_regions(register)), pl.concat([empty_table(CODE_CHANGE_COLUMNS), *changes]))


def load_cached_places(home: Path, catalogue: Catalogue, as_of: date) -> Places:
    """Return the area register and its code changes, cached by their files."""
    key = compute_table_keys(catalogue, home, as_of).places
    if (home, key) not in _LOADED:
        tables = load_or_build_tables(
            home, ("register", "change"), "places", key, lambda: read_places(home, catalogue, as_of)
        )
        _LOADED.clear()
        _LOADED[home, key] = Places(*tables)
    return _LOADED[home, key]


_LOADED: dict[tuple[Path, str], Places] = {}
"""The register loaded last, by store and key: every step of a build uses it."""


def _read_newest_tables(home: Path, catalogue: Catalogue, table: str, as_of: date) -> list[pl.DataFrame]:
    """Read the newest release of every source of a table; exclude sources without a release by a given day."""
    names = [name for name in catalogue.sources_providing(table) if stored_releases(home, name, as_of)]
    return [_read_newest_table(home, catalogue, name, as_of) for name in names]


def _read_newest_table(home: Path, catalogue: Catalogue, name: str, as_of: date) -> pl.DataFrame:
    faults = []
    for snapshot in [entry for group in reversed(stored_releases(home, name, as_of)) for entry in group]:
        try:
            return read_register_release(read_snapshot(home, snapshot.sha256), catalogue, name, snapshot)
        except (UnreadableError, pl.exceptions.PolarsError) as error:
            faults.append(f"{name}: {error}")
    raise UnreadableError("\n".join(faults))


def read_register_release(content: bytes, catalogue: Catalogue, name: str, snapshot: Snapshot) -> pl.DataFrame:
    """Read one release of places (schema.PLACE_COLUMNS) or code changes (schema.CODE_CHANGE_COLUMNS), as declared.

    Raises UnreadableError where it has another shape, no rows or impossible content.
    """
    source = catalogue.sources[name]
    sheet = readers.tidy_sheet(readers.read_sheet(content, source, snapshot.file), catalogue.sources_dir / f"{name}.py")
    extent = source.describe_extent(snapshot.file, snapshot.released)
    if source.provides == "change":
        changes = read_changes(sheet.frame, snapshot.file)
        refuse_unexpected_numbers({"changes": changes.height}, extent)
        return changes
    register = add_reach(read_register(sheet.frame, snapshot.file), extent)
    refuse_unexpected_numbers(count_places(register), extent)
    return register
