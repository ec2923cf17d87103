"""Withdrawing what is no longer public: before anything else is done, by whichever command comes next.

A source of figures is public while it is declared, open, and not private or released. Every output and every table that
rests on another one is removed. A file that someone has changed is moved into `withdrawn/`, which only its owner
can read. Snapshots stay, and only the owner of the store can read those of a private source.
"""

import os
from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.manifest import UNKNOWN_SOURCES, Manifest, edit_manifest, open_manifest, read_manifest
from pipelines.core.output_files import is_project_file, locate_output, move_file
from pipelines.core.store import lock_store, read_log, restrict_to_owner, snapshots_dir, state_path, table_input_sources
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import ANSWER_TABLES
from pipelines.observations import SourceTables

SOURCE_TABLES = (*SourceTables._fields, "reconciliation")
"""Kinds of tables that have the name of the one source they are made from."""
PROVENANCE_TABLES = (*ANSWER_TABLES, "people", "returned")
"""Kinds of tables that note in themselves what they rest on."""


def withdraw_outputs(catalogue: Catalogue, home: Path) -> list[str]:
    """Withdraw what rests on a source that is no longer public; say what went, one sentence a source or file.

    Raises CommongroundError where a file can't be removed: nothing may go on until it has.
    """
    if not (home / "snapshots").is_dir() and not (home / "out").is_dir():
        return []
    try:
        close_snapshots(catalogue, home)
        if not _tables_gone(catalogue, home) and not _groups_gone(catalogue, open_manifest(home)):
            return []
        with lock_store(home):
            return withdraw_locked(catalogue, home)
    except PermissionError as error:
        raise CommongroundError(
            f"{home}: something in this store rests on a source that is no longer public, and can't be withdrawn "
            f"({error}); run this as the owner of the store"
        ) from error


def withdraw_locked(catalogue: Catalogue, home: Path) -> list[str]:
    """Withdraw as `withdraw_outputs` does, in a step that has the store to itself."""
    close_snapshots(catalogue, home)
    lines = []
    if _groups_gone(catalogue, read_manifest(home)):
        with edit_manifest(home) as manifest:
            for group_name, sources in _groups_gone(catalogue, manifest).items():
                names = list(manifest[group_name].files)
                lines += [line for name in names if (line := _withdraw_file(home, name, manifest, group_name))]
                lines.append(_withdrawal_line(group_name, names, sources))
                del manifest[group_name]
    for path in _tables_gone(catalogue, home):
        _remove_file(path)
    return lines


def _withdrawal_line(group_name: str, names: list[str], sources: list[str]) -> str:
    sources_text = "what nobody noted the sources of" if sources == [UNKNOWN_SOURCES] else " and ".join(sources)
    return (
        f"{group_name}: {len(names):,} files withdrawn; they rest on {sources_text}, no longer public; "
        f"build to make them again"
    )


def _sources_gone(rests_on: tuple[str, ...] | None, catalogue: Catalogue) -> list[str]:
    """Name the sources that are no longer public; where nobody noted them, any that is private may be among them."""
    public = catalogue.observation_sources()
    if rests_on is None or UNKNOWN_SOURCES in rests_on:
        return [UNKNOWN_SOURCES] if any(not source.is_public for source in catalogue.sources.values()) else []
    return [name for name in rests_on if name not in public]


def _groups_gone(catalogue: Catalogue, manifest: Manifest) -> dict[str, list[str]]:
    """Give the groups of outputs that rest on what is no longer public, and on which sources."""
    return {
        group_name: gone
        for group_name, group in manifest.items()
        if (gone := _sources_gone(group.input_sources, catalogue))
    }


def _tables_gone(catalogue: Catalogue, home: Path) -> list[Path]:
    """Give the tables of the state that have figures of a source that is no longer public."""
    public = catalogue.observation_sources()
    by_source = [path for kind in SOURCE_TABLES for path in _state_tables(home, kind) if path.stem not in public]
    return by_source + [
        p
        for kind in PROVENANCE_TABLES
        for p in _state_tables(home, kind)
        if _sources_gone(table_input_sources(p), catalogue)
    ]


def _state_tables(home: Path, kind: str) -> list[Path]:
    return sorted(state_path(home, kind, "").parent.glob("*.parquet"))


def _withdraw_file(home: Path, name: str, manifest: Manifest, group_name: str) -> str:
    """Remove a file that we wrote; move one that someone has changed to where only its owner can read it."""
    path = locate_output(home, name)
    if not os.path.lexists(path):
        return ""
    if is_project_file(path, manifest[group_name].files[name]):
        _remove_file(path)
        return ""
    if not path.is_relative_to(home):
        return f"{path}: someone has changed this file; it stays, and what it rests on is no longer public"
    folder = home / "withdrawn"
    new = next(p for n in range(10_000) if not os.path.lexists(p := folder / f"{n or ''}{'-' if n else ''}{path.name}"))
    restrict_to_owner(path)
    move_file(path, new)
    return f"{path}: someone has changed this file, so it was not removed; it is now {new}"


def _remove_file(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CommongroundError(
            f"{path}: has figures of a source that is no longer public, and can't be removed ({error}); close what has "
            "it open, or remove it yourself; nothing else is done before it is gone"
        ) from error


def close_snapshots(catalogue: Catalogue, home: Path) -> None:
    """Let only the owner of the store read the snapshots of private sources."""
    private = {name for name, source in catalogue.sources.items() if not source.is_public}
    if private:
        folder = snapshots_dir(home)
        for sha256 in {entry.sha256 for entry in read_log(home) if entry.source in private and entry.sha256}:
            restrict_to_owner(folder / sha256)
