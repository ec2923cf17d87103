"""Write output files, each listed in the manifest before it is written.

Only files listed in the manifest are replaced or removed. A file that the project did not write, or that someone has
changed since, belongs to the user. It is renamed within its folder before the project writes its own file.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from rich.console import Console

from pipelines.core.clock import current_date
from pipelines.core.errors import CommongroundError
from pipelines.core.manifest import Manifest, OutputGroup, WrittenFile, edit_manifest, read_manifest
from pipelines.core.store import hash_bytes, hash_file, output_path, write_atomically

USER_FILES = "yours"
"""Prefix of the manifest groups that list users' renamed files."""
_BATCH_SIZE = 256


def locate_output(home: Path, name: str) -> Path:
    """Return the path of a file in the manifest: under out/, or its absolute path."""
    return output_path(home, name)


def manifest_name(home: Path, path: Path) -> str:
    """Return the name of a file in the manifest: relative to out/ where possible, so that a store can be moved."""
    out = output_path(home.resolve(), "")
    return path.relative_to(out).as_posix() if path.is_relative_to(out) else str(path)


def write_outputs(
    home: Path,
    group_name: str,
    input_sources: Collection[str],
    contents: Iterable[tuple[str, bytes]],
    staying: Collection[str] | None = None,
) -> None:
    """Write the files of a group that have new content. A file is listed before it is written.

    So a killed build leaves no unlisted file. Removes earlier files of the group that `staying` does not name; removes
    none where `staying` is null.
    """
    names, left = set(staying or ()), iter(contents)
    earlier = read_manifest(home).get(group_name, OutputGroup((), {})).files
    while batch := list(islice(left, _BATCH_SIZE)):
        names |= {name for name, _ in batch}
        digests = {name: hash_bytes(content) for name, content in batch}
        changed = {
            name: digest for name, digest in digests.items() if not _is_written(home, name, digest, earlier.get(name))
        }
        if changed:
            register_outputs(home, group_name, input_sources, changed)
        for name, content in batch:
            if name in changed:
                write_atomically(locate_output(home, name), content)
    complete_group(home, group_name, input_sources, names if staying is not None else None)


def move_into_outputs(home: Path, group_name: str, input_sources: Collection[str], name: str, finished: Path) -> None:
    """Move a finished temporary file to its place among the outputs, as the only file of its group."""
    digest, path = hash_file(finished), locate_output(home, name)
    written = read_manifest(home).get(group_name, OutputGroup((), {})).files.get(name)
    if _is_written(home, name, digest, written):
        finished.unlink()
    else:
        register_outputs(home, group_name, input_sources, {name: digest})
        path.parent.mkdir(parents=True, exist_ok=True)
        finished.replace(path)
    complete_group(home, group_name, input_sources, [name])


def _is_written(home: Path, name: str, digest: str, written: WrittenFile | None) -> bool:
    """Return whether the project wrote this content before, and the file is unchanged."""
    return written is not None and written.sha256 == (digest,) and is_project_file(locate_output(home, name), written)


def register_outputs(home: Path, group_name: str, input_sources: Collection[str], digests: Mapping[str, str]) -> None:
    """List files in the manifest before they are written, and rename any user's file in their place."""
    with edit_manifest(home) as manifest:
        group = manifest.get(group_name, OutputGroup((), {}))
        files = dict(group.files)
        for name, sha256 in digests.items():
            before = group.files.get(name)
            if os.path.lexists(locate_output(home, name)) and not is_project_file(locate_output(home, name), before):
                _rename_user_file(home, manifest, name, group.input_sources if before else ())
                before = None
            files[name] = WrittenFile((*(before.sha256 if before else ()), sha256))
        # Until the group is complete, some of its files are still earlier versions.
        manifest[group_name] = OutputGroup(_merge_names(group.input_sources, input_sources), files)


def complete_group(home: Path, group_name: str, input_sources: Collection[str], names: Collection[str] | None) -> None:
    """Record that a group is complete and remove its other files; keep all files where `names` is null."""
    with edit_manifest(home) as manifest:
        group = manifest.get(group_name, OutputGroup((), {}))
        staying = set(group.files if names is None else names)
        files = {
            name: written if written.size >= 0 else _record_file_state(locate_output(home, name), written)
            for name, written in group.files.items()
            if name in staying
        }
        files |= _remove_stale_files(home, manifest, group_name, staying)
        over = names is None or not files.keys() <= staying
        manifest[group_name] = OutputGroup(
            _merge_names(group.input_sources, input_sources) if over else tuple(sorted(input_sources)), files
        )


def _remove_stale_files(
    home: Path, manifest: Manifest, group_name: str, staying: Collection[str]
) -> dict[str, WrittenFile]:
    """Remove the files of a group that are not in `staying`; return those that the system refuses to remove."""
    left = {}
    for name, written in manifest.get(group_name, OutputGroup((), {})).files.items():
        if name in staying:
            continue
        path = locate_output(home, name)
        if os.path.lexists(path) and not is_project_file(path, written):
            _register_user_file(manifest, name, manifest[group_name].input_sources)
            continue
        try:
            path.unlink(missing_ok=True)
        except PermissionError:  # Windows: the file is open; the next build tries again
            left[name] = written
    return left


def remove_groups(home: Path, kind: str, names: Collection[str]) -> None:
    """Remove the files of all groups of a kind, such as `report`, except the groups in `names`."""
    gone = [
        group_name
        for group_name in read_manifest(home)
        if group_name.startswith(f"{kind} ") and group_name.split(" ", 1)[1] not in names
    ]
    if not gone:
        return
    with edit_manifest(home) as manifest:
        for group_name in gone:
            left = _remove_stale_files(home, manifest, group_name, ())
            if left:
                manifest[group_name] = OutputGroup(manifest[group_name].input_sources, left)
            else:
                del manifest[group_name]


def is_project_file(path: Path, written: WrittenFile | None) -> bool:
    """Return whether a file is as the project wrote it: unchanged since the last check, or with a recorded hash."""
    if written is None or path.is_symlink() or not path.is_file() or _duckdb_log_path(path).exists():
        return False
    now = path.stat()
    return (now.st_size, now.st_mtime_ns) == written[1:] or hash_file(path) in written.sha256


def _duckdb_log_path(path: Path) -> Path:
    """Return the path of DuckDB's write-ahead log, which has changes that are not yet in the database file."""
    return path.with_name(f"{path.name}.wal")


def _record_file_state(path: Path, written: WrittenFile) -> WrittenFile:
    """Record the size, modification time and hash of a file just written."""
    if not path.is_file():
        return written
    now = path.stat()
    return WrittenFile(written.sha256[-1:], now.st_size, now.st_mtime_ns)


def _merge_names(some: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({*some, *others}))


def _rename_user_file(home: Path, manifest: Manifest, name: str, input_sources: Collection[str]) -> None:
    """Rename a user's file within its folder, and list it in the manifest as the user's."""
    path = locate_output(home, name)
    stem, dot, ending = path.name.partition(".")
    day = current_date().isoformat()
    candidates = (f"{stem} ({USER_FILES} {day}{f' {n}' if n > 1 else ''}){dot}{ending}" for n in range(1, 10_000))
    new = next(path.with_name(candidate) for candidate in candidates if not os.path.lexists(path.with_name(candidate)))
    move_file(path, new)
    _register_user_file(manifest, Path(name).with_name(new.name).as_posix(), input_sources)


def move_file(path: Path, new: Path) -> None:
    """Move a user's file together with its DuckDB log; raise CommongroundError where that fails."""
    try:
        new.parent.mkdir(mode=0o700, exist_ok=True)
        path.rename(new)
        if _duckdb_log_path(path).exists():
            _duckdb_log_path(path).rename(_duckdb_log_path(new))
    except OSError as error:
        raise CommongroundError(
            f"{path}: a user added or changed this file, and it cannot be moved to {new} ({error}); "
            "close the program that has it open, or move it yourself"
        ) from error


def _register_user_file(manifest: Manifest, name: str, input_sources: Collection[str]) -> None:
    group_name = f"{USER_FILES} {' '.join(sorted(input_sources))}".strip()
    group = manifest.get(group_name, OutputGroup(tuple(sorted(input_sources)), {}))
    manifest[group_name] = group._replace(files={**group.files, name: WrittenFile(())})


def list_user_files(home: Path) -> frozenset[str]:
    """List the users' files that were renamed to make room for outputs."""
    manifest = read_manifest(home)
    return frozenset(
        name for group_name, group in manifest.items() if group_name.split(" ")[0] == USER_FILES for name in group.files
    )


@contextmanager
def report_user_files(home: Path, console: "Console") -> Iterator[None]:
    """Print the users' files that were renamed while the block ran."""
    before = list_user_files(home)
    yield
    for name in sorted(list_user_files(home) - before):
        line = (
            f"Kept     a user had added or changed a file at an output's path; renamed to {locate_output(home, name)}"
        )
        console.print(line, soft_wrap=True, highlight=False, markup=False)
