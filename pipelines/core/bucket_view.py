"""A private view of a store in a bucket: a directory in which a command reads or builds as in a local store.

The cache of a bucket has two folders:

    objects/<sha256>        the bytes of published files, never changed
    views/<id>/             the directory of one command, removed when it ends
    views/<id>.lock         locked by that command, so that a later one removes what a killed one left

A view has the files of one published state, as links to the cache. A command changes a file only by putting another in
its place, so that a link never changes. Files to which commands append are copied.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import NamedTuple
from uuid import uuid4

from filelock import FileLock, Timeout

from pipelines.core.bucket_catalogue import (
    KEPT_AFTER,
    Edition,
    Files,
    StoredFile,
    copy_outputs,
    object_key,
    prune_objects,
    publish_edition,
    read_edition,
    refuse_without_conditions,
)
from pipelines.core.errors import UnreadableError
from pipelines.core.object_store import EVERYTHING, ObjectStore
from pipelines.core.store import TEMPORARY_PREFIX, hash_file

STORED_NAMES = ("layout.json", "ledger", "notices", "out", "outputs.json", "parsed.txt", "snapshots", "state")
"""Files and folders of a store that are published. Locks, temporary files and records of one machine are not."""
_LOCAL_ENDINGS = (".lock", ".part", ".tmp", ".wal")
_LINKED_FOLDERS = ("out/", "state/")


class StoreView(NamedTuple):
    """A view: its bucket, its cache, its directory, and the published state from which it was made."""

    bucket: ObjectStore
    cache: Path
    home: Path
    edition: Edition


@contextmanager
def open_view(bucket: ObjectStore, cache: Path, needs: Sequence[str] = EVERYTHING) -> Iterator[StoreView]:
    """Provide a view of the current build, with the needed files, and remove it after the block."""
    (cache / "views").mkdir(parents=True, exist_ok=True, mode=0o700)
    (cache / "objects").mkdir(exist_ok=True, mode=0o700)
    _remove_abandoned_views(cache)
    home = cache / "views" / uuid4().hex
    with FileLock(_lock_path(home)):
        edition = read_edition(bucket)
        home.mkdir(mode=0o700)
        try:
            _place_files(
                bucket,
                cache,
                home,
                {path: file for path, file in edition.files.items() if path.startswith(tuple(needs))},
            )
            yield StoreView(bucket, cache, home, edition)
        finally:
            shutil.rmtree(home, ignore_errors=True)
    _lock_path(home).unlink(missing_ok=True)


def _lock_path(home: Path) -> Path:
    return home.with_name(f"{home.name}.lock")


def _remove_abandoned_views(cache: Path) -> None:
    """Remove the views of killed commands: their locks are free."""
    for home in (cache / "views").iterdir():
        if home.is_dir():
            with suppress(Timeout), FileLock(_lock_path(home), timeout=0):
                shutil.rmtree(home, ignore_errors=True)
                _lock_path(home).unlink(missing_ok=True)


def _place_files(bucket: ObjectStore, cache: Path, home: Path, files: Files) -> None:
    """Place files of a published state in a directory, downloaded into the cache where it lacks them."""
    _fill_cache(bucket, cache, files)
    for folder in {(home / path).parent for path in files}:
        folder.mkdir(parents=True, exist_ok=True)
    for path, file in files.items():
        cached, target = _cached_path(cache, file.sha256), home / path
        with suppress(OSError):  # the file system has no links, or another command has cleared the cache
            if path.startswith(_LINKED_FOLDERS) and cached.stat().st_mtime_ns == file.modified_ns:
                os.link(cached, target)
                continue
        if not cached.is_file():
            _fill_cache(bucket, cache, {path: file})
        shutil.copyfile(cached, target)
        os.utime(target, ns=(file.modified_ns, file.modified_ns))


def _cached_path(cache: Path, sha256: str) -> Path:
    return cache / "objects" / sha256


def _fill_cache(bucket: ObjectStore, cache: Path, files: Files) -> None:
    """Download the objects that the cache lacks. Each is verified, and then renamed into place."""
    lacking = {file.sha256: file for file in files.values() if not _cached_path(cache, file.sha256).is_file()}
    parts = {sha256: cache / "objects" / f"{TEMPORARY_PREFIX}{uuid4().hex}" for sha256 in lacking}
    try:
        bucket.download({object_key(sha256): part for sha256, part in parts.items()})
        for sha256, part in parts.items():
            if hash_file(part) != sha256:
                raise UnreadableError(
                    f"{bucket.address}/{object_key(sha256)}: its bytes do not have this hash; restore the object, or "
                    "an earlier version of catalogue.json"
                )
            os.utime(part, ns=(lacking[sha256].modified_ns, lacking[sha256].modified_ns))
            part.replace(_cached_path(cache, sha256))
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def publish_view(view: StoreView) -> StoreView:
    """Publish the files of a view, if any changed, and return the view of the new state.

    The objects are written first and the catalogue last. Raises CommongroundError, and publishes nothing, where another
    build was published since the view was made.
    """
    files = _scan_files(view)
    if _contents(files) == _contents(view.edition.files):
        return view
    stored = {file.sha256 for file in view.edition.files.values()}
    new = {file.sha256: path for path, file in files.items() if file.sha256 not in stored}
    refuse_without_conditions(view.bucket)
    _keep_in_cache(view, new)
    view.bucket.upload({object_key(sha256): _cached_path(view.cache, sha256) for sha256 in new})
    published = view._replace(edition=publish_edition(view.bucket, view.edition, files))
    _clear_cache(published)
    return published


def finish_publication(view: StoreView) -> None:
    """Copy the published outputs to their own names where they are not yet, and remove objects without a use."""
    if view.edition.build:
        copy_outputs(view.bucket, view.edition)
        prune_objects(view.bucket, view.edition)


def _contents(files: Files) -> dict[str, str]:
    return {path: file.sha256 for path, file in files.items()}


def _scan_files(view: StoreView) -> Files:
    """Return the files of a view; only those that changed since it was made are hashed."""
    files = {}
    for path in sorted(_list_stored_paths(view.home)):
        now, name = path.stat(), path.relative_to(view.home).as_posix()
        before = view.edition.files.get(name)
        same = before is not None and (before.size, before.modified_ns) == (now.st_size, now.st_mtime_ns)
        files[name] = before if before and same else StoredFile(hash_file(path), now.st_size, now.st_mtime_ns)
    return files


def _list_stored_paths(home: Path) -> Iterator[Path]:
    for name in STORED_NAMES:
        for path in [home / name] if (home / name).is_file() else (home / name).rglob("*"):
            if path.is_file() and not path.name.startswith(TEMPORARY_PREFIX) and path.suffix not in _LOCAL_ENDINGS:
                yield path


def _keep_in_cache(view: StoreView, new: dict[str, str]) -> None:
    """Keep new files in the cache before they are sent, so that nothing changes them meanwhile."""
    for sha256, path in new.items():
        cached, source = _cached_path(view.cache, sha256), view.home / path
        if cached.is_file():
            continue
        with suppress(OSError):
            if path.startswith(_LINKED_FOLDERS):
                os.link(source, cached)
                continue
        part = view.cache / "objects" / f"{TEMPORARY_PREFIX}{uuid4().hex}"
        shutil.copy2(source, part)
        part.replace(cached)


def _clear_cache(view: StoreView) -> None:
    """Remove from the cache what the published state does not name and no command has linked for a day."""
    used, limit = {file.sha256 for file in view.edition.files.values()}, time() - KEPT_AFTER.total_seconds()
    for path in (view.cache / "objects").iterdir():
        with suppress(OSError):
            if path.name not in used and path.stat().st_ctime < limit:
                path.unlink()
