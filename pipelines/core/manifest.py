"""The manifest: the output files that the project wrote, and the sources that each group of files depends on.

    outputs.json        in the store, beside out/: groups of files, each with its sources and the sha256 of each file

A store written by an earlier version has no manifest. The manifest is then rebuilt from the files that its tables name,
except files that a person has changed. Their sources were not recorded, so they are assumed to depend on every source.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.core.errors import UnreadableError
from pipelines.core.store import hash_file, output_path, read_table, state_path, table_key, write_atomically

UNKNOWN_SOURCES = "*"
"""Value of `public_input_sources` where the sources were not recorded."""


class WrittenFile(NamedTuple):
    """An output file: the hashes that its content may have, and its size and modification time when last checked."""

    sha256: tuple[str, ...]
    size: int = -1
    modified_ns: int = -1


class OutputGroup(NamedTuple):
    """Output files written together: the sources that they depend on, and each file by name."""

    input_sources: tuple[str, ...]
    files: dict[str, WrittenFile]


Manifest = dict[str, OutputGroup]


def manifest_path(home: Path) -> Path:
    """Return the path of the manifest."""
    return home / "outputs.json"


def read_manifest(home: Path) -> Manifest:
    """Read the manifest, or rebuild it from the tables of a store that an earlier version wrote."""
    path = manifest_path(home)
    if not path.is_file():
        return _rebuild_manifest(home)
    try:
        lines = path.read_bytes().split(_LINE_END)
        if (lines[0] + _LINE_END, _LINE_END + lines[-1]) == (_HEAD, _TAIL):
            return dict(pair for line in lines[1:-1] for pair in _parse_groups(line))
        return dict(_parse_groups(json.dumps(json.loads(path.read_bytes())["groups"])[1:-1].encode()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(
            f"{path}: cannot read the list of output files ({error}); restore it, or move both {path.name} "
            "and out/ elsewhere and build again"
        ) from error


_HEAD, _TAIL, _LINE_END = b'{"groups": {\n', b"\n}}", b"\n"


@lru_cache(maxsize=4096)
def _parse_groups(line: bytes) -> list[tuple[str, OutputGroup]]:
    """Parse one line of the manifest: a group. Each build step reads the manifest, and few groups change."""
    groups: dict[str, dict[str, Any]] = json.loads(b"{" + line.removesuffix(b",") + b"}")
    return [
        (name, OutputGroup(tuple(entry["rests_on"]), _parse_files(entry["files"]))) for name, entry in groups.items()
    ]


_FORMATTED: dict[str, tuple[OutputGroup, bytes]] = {}
"""Groups with their lines of the manifest. An edit replaces a group, and the others stay."""


def _format_group(name: str, group: OutputGroup) -> bytes:
    known = _FORMATTED.get(name)
    if known is None or known[0] is not group:
        entry = {"rests_on": group.input_sources, "files": group.files}
        known = _FORMATTED[name] = (group, f"{json.dumps(name)}: {json.dumps(entry)}".encode())
    return known[1]


def _parse_files(entries: dict[str, Any]) -> dict[str, WrittenFile]:
    return {
        name: WrittenFile(tuple(sha256), size, modified_ns) for name, (sha256, size, modified_ns) in entries.items()
    }


def open_manifest(home: Path) -> Manifest:
    """Read the manifest; where there is none, rebuild it and write it if the store is writable."""
    if manifest_path(home).is_file():
        return read_manifest(home)
    with suppress(PermissionError), edit_manifest(home) as manifest:
        return manifest
    return read_manifest(home)


@contextmanager
def edit_manifest(home: Path) -> Iterator[Manifest]:
    """Yield the manifest for changes and write it at the end of the block; a lock admits one process at a time.

    A change replaces a group: groups and their files are shared with other readers.
    """
    # Imported late, as in lock_store.
    from filelock import FileLock

    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "outputs.lock"):
        manifest = read_manifest(home)
        yield manifest
        lines = [_format_group(name, group) for name, group in sorted(manifest.items())]
        write_atomically(manifest_path(home), _HEAD + b",\n".join(lines) + _TAIL)


_SLACK_NS = 60 * 10**9
"""Tolerance, in nanoseconds, by which a file may be later than its table: copying a store changes the order."""
_SCENARIO_COLUMNS = ("council", "side", "scenario")


def _rebuild_manifest(home: Path) -> Manifest:
    """Rebuild the manifest from the unmodified files that the tables of an earlier version name."""
    groups = {f"report {done.stem}": (done, list(read_table(done)["file"])) for done in _output_tables(home, "report")}
    for done in _output_tables(home, "warehouse"):
        groups["warehouse"] = (done, [*read_table(done)["file"], "commonground.latest.txt"])
    for done in _output_tables(home, "pages"):
        groups["pages"] = (done, ["index.html", *(f"places/{code}.html" for code in read_table(done)["place_code"])])
    files_by_group = {name: _unmodified_files(home, done, names) for name, (done, names) in groups.items()}
    scenario_files = (path for path in output_path(home, "").glob("scenario_*.csv") if _is_scenario_file(path))
    files_by_group["scenario"] = {path.name: _describe_file(path) for path in scenario_files}
    return {name: OutputGroup((UNKNOWN_SOURCES,), files) for name, files in files_by_group.items() if files}


def _output_tables(home: Path, kind: str) -> list[Path]:
    """List the tables that record the files of one kind of output."""
    return [path for path in sorted(state_path(home, kind, "").parent.glob("*.parquet")) if table_key(path)]


def _unmodified_files(home: Path, done: Path, names: list[str]) -> dict[str, WrittenFile]:
    """Return the files that have not changed since the table that names them was written."""
    by = done.stat().st_mtime_ns + _SLACK_NS
    paths = {name: output_path(home, name) for name in names}
    return {n: _describe_file(path) for n, path in paths.items() if path.is_file() and path.stat().st_mtime_ns <= by}


def _describe_file(path: Path) -> WrittenFile:
    now = path.stat()
    return WrittenFile((hash_file(path),), now.st_size, now.st_mtime_ns)


def _is_scenario_file(path: Path) -> bool:
    """Return whether a file is a scenario's output, by its columns: no table names such files."""
    try:
        with path.open(encoding="utf-8") as file:
            columns = tuple(file.readline().strip().split(","))
    except (OSError, ValueError):
        return False
    return columns[-3:] == _SCENARIO_COLUMNS or columns[:3] == ("problem", "measure", "council")
