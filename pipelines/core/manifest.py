"""The manifest: the output files that the project wrote, and the sources that each group of files depends on.

    outputs.json        in the store, beside out/: groups of files, each with its sources and the sha256 of each file

A store written by an earlier version has no manifest. The manifest is then rebuilt from the files that its tables name,
except files that a person has changed. Their sources were not recorded, so they are assumed to depend on every source.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from pipelines.core.errors import UnreadableError
from pipelines.core.store import hash_file, out_path, read_table, state_path, table_key, write_whole

UNKNOWN = "*"
"""Value of `rests_on` where the sources were not recorded."""


class Written(NamedTuple):
    """An output file: the hashes that its content may have, and its size and modification time when last checked."""

    sha256: tuple[str, ...]
    size: int = -1
    changed: int = -1


class Group(NamedTuple):
    """Output files written together: the sources that they depend on, and each file by name."""

    rests_on: tuple[str, ...]
    files: dict[str, Written]


Manifest = dict[str, Group]


def manifest_path(home: Path) -> Path:
    """Return the path of the manifest."""
    return home / "outputs.json"


def read_manifest(home: Path) -> Manifest:
    """Read the manifest, or rebuild it from the tables of a store that an earlier version wrote."""
    path = manifest_path(home)
    if not path.is_file():
        return _adopted(home)
    try:
        groups: dict[str, dict[str, Any]] = json.loads(path.read_bytes())["groups"]
        return {of: Group(tuple(each["rests_on"]), _files(each["files"])) for of, each in groups.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(
            f"{path}: cannot read the list of output files ({error}); restore it, or move both {path.name} "
            "and out/ elsewhere and build again"
        ) from error


def _files(noted: dict[str, Any]) -> dict[str, Written]:
    return {name: Written(tuple(sha256), size, changed) for name, (sha256, size, changed) in noted.items()}


def take_over(home: Path) -> Manifest:
    """Read the manifest; where there is none, rebuild it and write it if the store is writable."""
    if manifest_path(home).is_file():
        return read_manifest(home)
    with suppress(PermissionError), changing(home) as manifest:
        return manifest
    return read_manifest(home)


@contextmanager
def changing(home: Path) -> Iterator[Manifest]:
    """Yield the manifest for changes and write it at the end of the block; a lock admits one process at a time."""
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "outputs.lock"):
        manifest = read_manifest(home)
        yield manifest
        groups = {of: {"rests_on": each.rests_on, "files": each.files} for of, each in sorted(manifest.items())}
        write_whole(manifest_path(home), json.dumps({"groups": groups}).encode())


_SLACK_NS = 60 * 10**9
"""Tolerance, in nanoseconds, by which a file may be later than its table: copying a store changes the order."""
_SCENARIO = ("council", "side", "scenario")


def _adopted(home: Path) -> Manifest:
    """Rebuild the manifest from the unmodified files that the tables of an earlier version name."""
    groups = {f"report {done.stem}": (done, list(read_table(done)["file"])) for done in _tables(home, "report")}
    for done in _tables(home, "warehouse"):
        groups["warehouse"] = (done, [*read_table(done)["file"], "commonground.latest.txt"])
    for done in _tables(home, "pages"):
        groups["pages"] = (done, ["index.html", *(f"places/{code}.html" for code in read_table(done)["place_code"])])
    found = {of: _unchanged(home, done, names) for of, (done, names) in groups.items()}
    rehearsed = (path for path in out_path(home, "").glob("scenario_*.csv") if _is_rehearsal(path))
    found["scenario"] = {path.name: _as_it_is(path) for path in rehearsed}
    return {of: Group((UNKNOWN,), files) for of, files in found.items() if files}


def _tables(home: Path, kind: str) -> list[Path]:
    """List the tables that record the files of one kind of output."""
    return [path for path in sorted(state_path(home, kind, "").parent.glob("*.parquet")) if table_key(path)]


def _unchanged(home: Path, done: Path, names: list[str]) -> dict[str, Written]:
    """Return the files that have not changed since the table that names them was written."""
    by = done.stat().st_mtime_ns + _SLACK_NS
    paths = {name: out_path(home, name) for name in names}
    return {n: _as_it_is(path) for n, path in paths.items() if path.is_file() and path.stat().st_mtime_ns <= by}


def _as_it_is(path: Path) -> Written:
    now = path.stat()
    return Written((hash_file(path),), now.st_size, now.st_mtime_ns)


def _is_rehearsal(path: Path) -> bool:
    """Return whether a file is a scenario's output, by its columns: no table names such files."""
    try:
        with path.open(encoding="utf-8") as file:
            columns = tuple(file.readline().strip().split(","))
    except (OSError, ValueError):
        return False
    return columns[-3:] == _SCENARIO or columns[:3] == ("problem", "measure", "council")
