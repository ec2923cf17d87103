"""Withdrawal of outputs that are no longer public. Every command does this first.

A source is public if it is declared, open, and not private or already released. Every output and every table that uses
another source is removed. A file that a person has changed moves to `withdrawn/`, which only its owner can read.
Snapshots stay, and only the owner of the store can read the snapshots of a private source.
"""

import os
from pathlib import Path
from typing import NamedTuple

from pipelines.core.errors import CommongroundError
from pipelines.core.manifest import UNKNOWN_SOURCES, Manifest, edit_manifest, open_manifest, read_manifest
from pipelines.core.output_files import is_project_file, locate_output, move_file
from pipelines.core.snapshots import read_log, snapshots_dir
from pipelines.core.store import (
    list_release_tables,
    list_state_files,
    lock_store,
    restrict_to_owner,
    table_input_sources,
)
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import ANSWER_TABLES, OBSERVATION_TABLES, OPENING_TABLE, REVISION_TABLES

SOURCE_TABLES = (*OBSERVATION_TABLES, "reconciliation", *REVISION_TABLES)
"""Kinds of tables that are built from one source and have its name."""
PROVENANCE_TABLES = (
    *ANSWER_TABLES, OPENING_TABLE, "refusal", "people", "returned", "overview", "answer_count", "reason_count",
)  # fmt: skip
"""Kinds of tables that record their sources in their metadata."""


def withdraw_outputs(catalogue: Catalogue, home: Path) -> list[str]:
    """Withdraw outputs of sources that are no longer public. Return one sentence for each source or file.

    Raises CommongroundError if a file cannot be removed, so that no command continues before the removal.
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
            f"{home}: this store has outputs of a source that is no longer public, and they cannot be removed "
            f"({error}); run the command as the owner of the store"
        ) from error


def withdraw_locked(catalogue: Catalogue, home: Path) -> list[str]:
    """Withdraw outputs as `withdraw_outputs` does, in a step with a lock on the store."""
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
    sources_text = "unrecorded sources" if sources == [UNKNOWN_SOURCES] else " and ".join(sources)
    return (
        f"{group_name}: {len(names):,} files withdrawn; they use {sources_text}, no longer public; "
        "run `commonground build` to rebuild"
    )


class _Sources(NamedTuple):
    """Names of the public sources, and whether there are others."""

    public: frozenset[str]
    has_others: bool


def _list_public_sources(catalogue: Catalogue) -> _Sources:
    # A source of places or boundaries is always public, so it is gone only where no declaration has it.
    observed = {name for name, source in catalogue.sources.items() if source.provides == "observation"}
    public = frozenset(catalogue.sources) - observed | set(catalogue.observation_sources())
    return _Sources(public, any(not source.is_public for source in catalogue.sources.values()))


def _sources_gone(rests_on: tuple[str, ...] | None, sources: _Sources) -> list[str]:
    """Return the sources that are no longer public. Unrecorded sources may include any private source."""
    if rests_on is None or UNKNOWN_SOURCES in rests_on:
        return [UNKNOWN_SOURCES] if sources.has_others else []
    return [name for name in rests_on if name not in sources.public]


def _groups_gone(catalogue: Catalogue, manifest: Manifest) -> dict[str, list[str]]:
    """Return the groups of outputs with sources that are no longer public, and those sources."""
    sources = _list_public_sources(catalogue)
    return {
        group_name: gone
        for group_name, group in manifest.items()
        if (gone := _sources_gone(group.input_sources, sources))
    }


def _tables_gone(catalogue: Catalogue, home: Path) -> list[Path]:
    """Return the stored tables with figures of a source that is no longer public."""
    public, sources = catalogue.observation_sources(), _list_public_sources(catalogue)
    by_source = [path for kind in SOURCE_TABLES for path in list_state_files(home, kind) if path.stem not in public]
    by_source += [path for path in list_release_tables(home) if path.parent.name not in public]
    return by_source + [
        p
        for kind in PROVENANCE_TABLES
        for p in list_state_files(home, kind)
        if _sources_gone(table_input_sources(p), sources)
    ]


def _withdraw_file(home: Path, name: str, manifest: Manifest, group_name: str) -> str:
    """Remove an unchanged output file. Move a changed file to a folder that only its owner can read."""
    path = locate_output(home, name)
    if not os.path.lexists(path):
        return ""
    if is_project_file(path, manifest[group_name].files[name]):
        _remove_file(path)
        return ""
    if not path.is_relative_to(home):
        return f"{path}: file changed by a user, not removed; its sources are no longer public"
    folder = home / "withdrawn"
    new = next(p for n in range(10_000) if not os.path.lexists(p := folder / f"{n or ''}{'-' if n else ''}{path.name}"))
    restrict_to_owner(path)
    move_file(path, new)
    return f"{path}: file changed by a user, moved to {new}"


def _remove_file(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CommongroundError(
            f"{path}: has figures of a source that is no longer public, and cannot be removed ({error}); close the "
            "program that uses the file, or delete it yourself; no command runs before that"
        ) from error


def close_snapshots(catalogue: Catalogue, home: Path) -> None:
    """Restrict the snapshots of private sources to the owner of the store."""
    private = {name for name, source in catalogue.sources.items() if not source.is_public}
    if private:
        folder = snapshots_dir(home)
        for sha256 in {entry.sha256 for entry in read_log(home) if entry.source in private and entry.sha256}:
            restrict_to_owner(folder / sha256)
