"""Write output files, each listed in the manifest before it is written.

Only files listed in the manifest are replaced or removed. A file that the project did not write, or that someone has
changed since, belongs to the user. It is renamed within its folder before the project writes its own file.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from rich.console import Console

from pipelines.core.errors import CommongroundError
from pipelines.core.manifest import Group, Manifest, Written, changing, read_manifest
from pipelines.core.store import digest, hash_file, out_path, write_whole

YOURS = "yours"
"""Prefix of the manifest groups that list users' renamed files."""
_AT_ONCE = 256


def locate(home: Path, name: str) -> Path:
    """Return the path of a file in the manifest: under out/, or its absolute path."""
    return out_path(home, name)


def listed_name(home: Path, path: Path) -> str:
    """Return the name of a file in the manifest: relative to out/ where possible, so that a store can be moved."""
    out = out_path(home.resolve(), "")
    return path.relative_to(out).as_posix() if path.is_relative_to(out) else str(path)


def write_outputs(
    home: Path,
    of: str,
    rests_on: Collection[str],
    contents: Iterable[tuple[str, bytes]],
    staying: Collection[str] | None = None,
) -> None:
    """Write a group of files, each listed before it is written, so that a killed build leaves no unlisted file.

    Removes earlier files of the group that `staying` does not name; removes none where `staying` is null.
    """
    made, left = set(staying or ()), iter(contents)
    while batch := list(islice(left, _AT_ONCE)):
        claim(home, of, rests_on, {name: digest(content) for name, content in batch})
        for name, content in batch:
            write_whole(locate(home, name), content)
        made |= {name for name, _ in batch}
    finish(home, of, rests_on, made if staying is not None else None)


def claim(home: Path, of: str, rests_on: Collection[str], digests: Mapping[str, str]) -> None:
    """List files in the manifest before they are written, and rename any user's file in their place."""
    with changing(home) as manifest:
        group = manifest.get(of, Group((), {}))
        # Until the group is complete, some of its files are still earlier versions.
        manifest[of] = Group(_both(group.rests_on, rests_on), dict(group.files))
        for name, sha256 in digests.items():
            before = group.files.get(name)
            if os.path.lexists(locate(home, name)) and not is_ours(locate(home, name), before):
                _set_aside(home, manifest, name, group.rests_on if before else ())
                before = None
            manifest[of].files[name] = Written((*(before.sha256 if before else ()), sha256))


def finish(home: Path, of: str, rests_on: Collection[str], made: Collection[str] | None) -> None:
    """Record that a group is complete and remove its other files; keep all files where `made` is null."""
    with changing(home) as manifest:
        group = manifest.get(of, Group((), {}))
        staying = set(group.files if made is None else made)
        files = {name: _seen(locate(home, name), each) for name, each in group.files.items() if name in staying}
        files |= _left_over(home, manifest, of, staying)
        over = made is None or not files.keys() <= staying
        manifest[of] = Group(_both(group.rests_on, rests_on) if over else tuple(sorted(rests_on)), files)


def _left_over(home: Path, manifest: Manifest, of: str, staying: Collection[str]) -> dict[str, Written]:
    """Remove the files of a group that are not in `staying`; return those that the system refuses to remove."""
    left = {}
    for name, written in manifest.get(of, Group((), {})).files.items():
        if name in staying:
            continue
        path = locate(home, name)
        if os.path.lexists(path) and not is_ours(path, written):
            _list_yours(manifest, name, manifest[of].rests_on)
            continue
        try:
            path.unlink(missing_ok=True)
        except PermissionError:  # Windows: the file is open; the next build tries again
            left[name] = written
    return left


def drop_groups(home: Path, kind: str, names: Collection[str]) -> None:
    """Remove the files of all groups of a kind, such as `report`, except the groups in `names`."""
    gone = [of for of in read_manifest(home) if of.startswith(f"{kind} ") and of.split(" ", 1)[1] not in names]
    if not gone:
        return
    with changing(home) as manifest:
        for of in gone:
            left = _left_over(home, manifest, of, ())
            if left:
                manifest[of] = Group(manifest[of].rests_on, left)
            else:
                del manifest[of]


def is_ours(path: Path, written: Written | None) -> bool:
    """Return whether a file is as the project wrote it: unchanged since the last check, or with a recorded hash."""
    if written is None or path.is_symlink() or not path.is_file() or _log_of(path).exists():
        return False
    now = path.stat()
    return (now.st_size, now.st_mtime_ns) == written[1:] or hash_file(path) in written.sha256


def _log_of(path: Path) -> Path:
    """Return the path of DuckDB's write-ahead log, which has changes that are not yet in the database file."""
    return path.with_name(f"{path.name}.wal")


def _seen(path: Path, written: Written) -> Written:
    """Record the size, modification time and hash of a file just written."""
    if written.size >= 0 or not path.is_file():
        return written
    now = path.stat()
    return Written(written.sha256[-1:], now.st_size, now.st_mtime_ns)


def _both(some: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({*some, *others}))


def _set_aside(home: Path, manifest: Manifest, name: str, rests_on: Collection[str]) -> None:
    """Rename a user's file within its folder, and list it in the manifest as the user's."""
    path = locate(home, name)
    stem, dot, ending = path.name.partition(".")
    day = datetime.now(UTC).date().isoformat()
    tried = (f"{stem} ({YOURS} {day}{f' {n}' if n > 1 else ''}){dot}{ending}" for n in range(1, 10_000))
    new = next(path.with_name(each) for each in tried if not os.path.lexists(path.with_name(each)))
    move_file(path, new)
    _list_yours(manifest, Path(name).with_name(new.name).as_posix(), rests_on)


def move_file(path: Path, new: Path) -> None:
    """Move a user's file together with its DuckDB log; raise CommongroundError where that fails."""
    try:
        new.parent.mkdir(mode=0o700, exist_ok=True)
        path.rename(new)
        if _log_of(path).exists():
            _log_of(path).rename(_log_of(new))
    except OSError as error:
        raise CommongroundError(
            f"{path}: a user added or changed this file, and it cannot be moved to {new} ({error}); "
            "close the program that has it open, or move it yourself"
        ) from error


def _list_yours(manifest: Manifest, name: str, rests_on: Collection[str]) -> None:
    of = f"{YOURS} {' '.join(sorted(rests_on))}".strip()
    group = manifest.setdefault(of, Group(tuple(sorted(rests_on)), {}))
    group.files[name] = Written(())


def yours(home: Path) -> frozenset[str]:
    """List the users' files that were renamed to make room for outputs."""
    manifest = read_manifest(home)
    return frozenset(name for of, group in manifest.items() if of.split(" ")[0] == YOURS for name in group.files)


@contextmanager
def telling_of_yours(home: Path, console: "Console") -> Iterator[None]:
    """Print the users' files that were renamed while the block ran."""
    before = yours(home)
    yield
    for name in sorted(yours(home) - before):
        line = f"Kept     a user had added or changed a file at an output's path; renamed to {locate(home, name)}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
