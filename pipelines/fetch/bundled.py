"""Import of the files bundled with the project as snapshots of the store.

    snapshots/bundled.json    for each bundled release, the size and time of its file and of its stored copy

A release is compared byte by byte only where one of these differs.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipelines.core.clock import current_time
from pipelines.core.snapshots import Snapshot, snapshots_dir, source_snapshots, store_bytes, store_snapshot
from pipelines.core.store import hash_bytes, write_atomically
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import BundledRelease

FileState = list[int | str]
"""Hash of a release, size and time of its file, and size, time and permissions of its stored copy."""


def import_bundled_releases(home: Path, catalogue: Catalogue, names: Iterable[str]) -> None:
    """Store the releases bundled with the project as if they had been fetched, and repair damaged copies."""
    before = _read_states(home)
    now = dict(before)
    for name in names:
        source = catalogue.sources[name]
        for release in source.releases:
            path = catalogue.sources_dir / release.file
            label = f"{name} {release.released} {release.file} {source.is_public}"
            if path.is_file() and not _is_imported(home, name, path, release, before.get(label)):
                now[label] = _describe_state(home, _import_release(home, name, source, path, release), path)
    if now != before:
        write_atomically(_states_path(home), json.dumps(now).encode())


def _states_path(home: Path) -> Path:
    return snapshots_dir(home) / "bundled.json"


def _read_states(home: Path) -> dict[str, FileState]:
    with suppress(OSError, ValueError):
        states = json.loads(_states_path(home).read_bytes())
        return states if isinstance(states, dict) else {}
    return {}


def _is_imported(home: Path, name: str, path: Path, release: BundledRelease, state: FileState | None) -> bool:
    """Return whether a release is in the log, and neither its file nor its stored copy has changed since."""
    if not state or not (snapshots_dir(home) / str(state[0])).is_file():
        return False
    last = _last_import(home, name, path, release)
    return last is not None and last.sha256 == state[0] and _describe_state(home, last.sha256, path) == state


def _last_import(home: Path, name: str, path: Path, release: BundledRelease) -> Snapshot | None:
    stored = [s for s in source_snapshots(home, name) if (s.file, s.released) == (path.name, release.released)]
    return stored[-1] if stored else None


def _describe_state(home: Path, sha256: str, path: Path) -> FileState:
    file, copy = path.stat(), (snapshots_dir(home) / sha256).stat()
    return [sha256, file.st_size, file.st_mtime_ns, copy.st_size, copy.st_mtime_ns, copy.st_mode]


def _import_release(home: Path, name: str, source: Source, path: Path, release: BundledRelease) -> str:
    """Store one release unless it is stored; return its hash."""
    content = path.read_bytes()
    sha256, last = hash_bytes(content), _last_import(home, name, path, release)
    if last and last.sha256 == sha256:
        store_bytes(home, content, not source.is_public)
        return sha256
    now = current_time().isoformat(timespec="seconds")
    snapshot = Snapshot(
        name, sha256, release.released, release.label, now, "starter", path.name, len(content), source.licence
    )
    store_snapshot(home, content, snapshot, not source.is_public)
    return sha256
