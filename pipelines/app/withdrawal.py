"""Withdrawing what is no longer public: before anything else is done, by whichever command comes next.

A source of figures is public while it is declared, open, and not private or released. Every output and every table that
rests on another one is removed. A file that someone has changed is moved into `withdrawn/`, which only its owner
can read. Snapshots stay, and only the owner of the store can read those of a private source.
"""

import os
from pathlib import Path

from pipelines.core.errors import CommongroundError
from pipelines.core.manifest import UNKNOWN, Manifest, changing, read_manifest, take_over
from pipelines.core.output_files import is_ours, locate, move_file
from pipelines.core.store import history, keep_private, snapshots_dir, sole_builder, state_path, table_rests_on
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.fingerprints import ANSWERED
from pipelines.observations import Observed

BY_SOURCE = (*Observed._fields, "reconciliation")
"""Kinds of tables that have the name of the one source they are made from."""
NOTED = (*ANSWERED, "people", "returned")
"""Kinds of tables that note in themselves what they rest on."""


def withdraw(catalogue: Catalogue, home: Path) -> list[str]:
    """Withdraw what rests on a source that is no longer public; say what went, one sentence a source or file.

    Raises CommongroundError where a file can't be removed: nothing may go on until it has.
    """
    if not (home / "snapshots").is_dir() and not (home / "out").is_dir():
        return []
    try:
        close_snapshots(catalogue, home)
        if not _tables_gone(catalogue, home) and not _groups_gone(catalogue, take_over(home)):
            return []
        with sole_builder(home):
            return withdraw_now(catalogue, home)
    except PermissionError as error:
        raise CommongroundError(
            f"{home}: something in this store rests on a source that is no longer public, and can't be withdrawn "
            f"({error}); run this as the owner of the store"
        ) from error


def withdraw_now(catalogue: Catalogue, home: Path) -> list[str]:
    """Withdraw as `withdraw` does, in a step that has the store to itself."""
    close_snapshots(catalogue, home)
    told = []
    if _groups_gone(catalogue, read_manifest(home)):
        with changing(home) as manifest:
            for of, sources in _groups_gone(catalogue, manifest).items():
                names = list(manifest[of].files)
                told += [line for name in names if (line := _withdraw_file(home, name, manifest, of))]
                told.append(_said(of, names, sources))
                del manifest[of]
    for path in _tables_gone(catalogue, home):
        _removed(path)
    return told


def _said(of: str, names: list[str], sources: list[str]) -> str:
    named = "what nobody noted the sources of" if sources == [UNKNOWN] else " and ".join(sources)
    return f"{of}: {len(names):,} files withdrawn; they rest on {named}, no longer public; build to make them again"


def _gone(rests_on: tuple[str, ...] | None, catalogue: Catalogue) -> list[str]:
    """Name the sources that are no longer public; where nobody noted them, any that is private may be among them."""
    public = catalogue.observing()
    if rests_on is None or UNKNOWN in rests_on:
        return [UNKNOWN] if any(not source.shown for source in catalogue.sources.values()) else []
    return [name for name in rests_on if name not in public]


def _groups_gone(catalogue: Catalogue, manifest: Manifest) -> dict[str, list[str]]:
    """Give the groups of outputs that rest on what is no longer public, and on which sources."""
    return {of: gone for of, group in manifest.items() if (gone := _gone(group.rests_on, catalogue))}


def _tables_gone(catalogue: Catalogue, home: Path) -> list[Path]:
    """Give the tables of the state that have figures of a source that is no longer public."""
    public = catalogue.observing()
    by_source = [path for kind in BY_SOURCE for path in _tables(home, kind) if path.stem not in public]
    return by_source + [p for kind in NOTED for p in _tables(home, kind) if _gone(table_rests_on(p), catalogue)]


def _tables(home: Path, kind: str) -> list[Path]:
    return sorted(state_path(home, kind, "").parent.glob("*.parquet"))


def _withdraw_file(home: Path, name: str, manifest: Manifest, of: str) -> str:
    """Remove a file that we wrote; move one that someone has changed to where only its owner can read it."""
    path = locate(home, name)
    if not os.path.lexists(path):
        return ""
    if is_ours(path, manifest[of].files[name]):
        _removed(path)
        return ""
    if not path.is_relative_to(home):
        return f"{path}: someone has changed this file; it stays, and what it rests on is no longer public"
    folder = home / "withdrawn"
    new = next(p for n in range(10_000) if not os.path.lexists(p := folder / f"{n or ''}{'-' if n else ''}{path.name}"))
    keep_private(path)
    move_file(path, new)
    return f"{path}: someone has changed this file, so it was not removed; it is now {new}"


def _removed(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CommongroundError(
            f"{path}: has figures of a source that is no longer public, and can't be removed ({error}); close what has "
            "it open, or remove it yourself; nothing else is done before it is gone"
        ) from error


def close_snapshots(catalogue: Catalogue, home: Path) -> None:
    """Let only the owner of the store read the snapshots of private sources."""
    private = {name for name, source in catalogue.sources.items() if not source.shown}
    if private:
        folder = snapshots_dir(home)
        for sha256 in {entry.sha256 for entry in history(home) if entry.source in private and entry.sha256}:
            keep_private(folder / sha256)
