"""The manifest: a list of all that the project wrote for people to open, and of what it rests on.

    outputs.json        in the store, beside out/: groups of files, what each group rests on, the sha256 of each file

A store of a version before has none. There the files are taken over that its tables name, unless someone has changed
them since; nobody noted what they rest on, so they are taken to rest on every source.
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
"""Stands in `rests_on` where nobody noted the sources."""


class Written(NamedTuple):
    """A file that was written: the hashes its bytes may have, and its size and time of change when last seen."""

    sha256: tuple[str, ...]
    size: int = -1
    changed: int = -1


class Group(NamedTuple):
    """Files that are made together: the sources of figures they rest on, and each file by its name."""

    rests_on: tuple[str, ...]
    files: dict[str, Written]


Manifest = dict[str, Group]


def manifest_path(home: Path) -> Path:
    """Give the file of the manifest."""
    return home / "outputs.json"


def read_manifest(home: Path) -> Manifest:
    """Read the manifest; in a store of a version before, which has none, take over the files that its tables name."""
    path = manifest_path(home)
    if not path.is_file():
        return _adopted(home)
    try:
        groups: dict[str, dict[str, Any]] = json.loads(path.read_bytes())["groups"]
        return {of: Group(tuple(each["rests_on"]), _files(each["files"])) for of, each in groups.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(
            f"{path}: the list of what was written into out/ can't be read ({error}); restore it, or move {path.name} "
            "and out/ away together and build again"
        ) from error


def _files(noted: dict[str, Any]) -> dict[str, Written]:
    return {name: Written(tuple(sha256), size, changed) for name, (sha256, size, changed) in noted.items()}


def take_over(home: Path) -> Manifest:
    """Read the manifest; where there is none yet, begin it with what a version before wrote, if that may be written."""
    if manifest_path(home).is_file():
        return read_manifest(home)
    with suppress(PermissionError), changing(home) as manifest:
        return manifest
    return read_manifest(home)


@contextmanager
def changing(home: Path) -> Iterator[Manifest]:
    """Give the manifest to be changed, and write it when the block ends; one process of a build at a time."""
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "outputs.lock"):
        manifest = read_manifest(home)
        yield manifest
        groups = {of: {"rests_on": each.rests_on, "files": each.files} for of, each in sorted(manifest.items())}
        write_whole(manifest_path(home), json.dumps({"groups": groups}).encode())


_SLACK_NS = 60 * 10**9
"""A store that was copied has its files in any order: so much later than its table a file may be."""
_SCENARIO = ("council", "side", "scenario")


def _adopted(home: Path) -> Manifest:
    """Take over the files that a version without a manifest wrote: those its tables name, unless changed since."""
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
    """Give the tables that say which files were written of a kind of output."""
    return [path for path in sorted(state_path(home, kind, "").parent.glob("*.parquet")) if table_key(path)]


def _unchanged(home: Path, done: Path, names: list[str]) -> dict[str, Written]:
    """Give those files that have not been changed since the table was written that names them."""
    by = done.stat().st_mtime_ns + _SLACK_NS
    paths = {name: out_path(home, name) for name in names}
    return {n: _as_it_is(path) for n, path in paths.items() if path.is_file() and path.stat().st_mtime_ns <= by}


def _as_it_is(path: Path) -> Written:
    now = path.stat()
    return Written((hash_file(path),), now.st_size, now.st_mtime_ns)


def _is_rehearsal(path: Path) -> bool:
    """Tell a file of a rehearsal, which no table names, by its columns."""
    try:
        with path.open(encoding="utf-8") as file:
            columns = tuple(file.readline().strip().split(","))
    except (OSError, ValueError):
        return False
    return columns[-3:] == _SCENARIO or columns[:3] == ("problem", "measure", "council")
