"""What the project writes for people to open: each file listed in the manifest before it is written.

Only what is listed is ever replaced or removed. A file at one of our names that we did not write, or that someone has
changed since, is that person's: it stays in the folder, under a name of its own, before ours is written.
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
"""How the groups begin that list files of people, moved out of the way of ours."""
_AT_ONCE = 256


def locate(home: Path, name: str) -> Path:
    """Give the path of a listed file: under out/, or where its whole path says."""
    return out_path(home, name)


def listed_name(home: Path, path: Path) -> str:
    """Give the name by which a file is listed: from out/ on where it is in it, so that a store may be moved."""
    out = out_path(home.resolve(), "")
    return path.relative_to(out).as_posix() if path.is_relative_to(out) else str(path)


def write_outputs(
    home: Path,
    of: str,
    rests_on: Collection[str],
    contents: Iterable[tuple[str, bytes]],
    staying: Collection[str] | None = None,
) -> None:
    """Write a group of files, each listed before it is written, so that a killed build leaves none unlisted.

    Files of the group from before are removed unless they are named in `staying`; all stay where that is null.
    """
    made, left = set(staying or ()), iter(contents)
    while batch := list(islice(left, _AT_ONCE)):
        claim(home, of, rests_on, {name: digest(content) for name, content in batch})
        for name, content in batch:
            write_whole(locate(home, name), content)
        made |= {name for name, _ in batch}
    finish(home, of, rests_on, made if staying is not None else None)


def claim(home: Path, of: str, rests_on: Collection[str], digests: Mapping[str, str]) -> None:
    """List files that are about to be written; a person's file at such a name is moved out of the way."""
    with changing(home) as manifest:
        group = manifest.get(of, Group((), {}))
        # Until the group is finished, some of its files are as they were before.
        manifest[of] = Group(_both(group.rests_on, rests_on), dict(group.files))
        for name, sha256 in digests.items():
            before = group.files.get(name)
            if os.path.lexists(locate(home, name)) and not is_ours(locate(home, name), before):
                _set_aside(home, manifest, name, group.rests_on if before else ())
                before = None
            manifest[of].files[name] = Written((*(before.sha256 if before else ()), sha256))


def finish(home: Path, of: str, rests_on: Collection[str], made: Collection[str] | None) -> None:
    """Note that a group is written as a whole, and remove its other files; with null all files of it stay."""
    with changing(home) as manifest:
        group = manifest.get(of, Group((), {}))
        staying = set(group.files if made is None else made)
        files = {name: _seen(locate(home, name), each) for name, each in group.files.items() if name in staying}
        files |= _left_over(home, manifest, of, staying)
        over = made is None or not files.keys() <= staying
        manifest[of] = Group(_both(group.rests_on, rests_on) if over else tuple(sorted(rests_on)), files)


def _left_over(home: Path, manifest: Manifest, of: str, staying: Collection[str]) -> dict[str, Written]:
    """Remove the files of a group that are not among those that stay; give those that the system won't let go."""
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
        except PermissionError:  # Windows: someone has it open; the next build tries again
            left[name] = written
    return left


def drop_groups(home: Path, kind: str, names: Collection[str]) -> None:
    """Remove the files of the groups of a kind, as `report`, whose names are not among those given."""
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
    """Tell whether a file is as we wrote it: unchanged since it was last seen, or with bytes that we wrote."""
    if written is None or path.is_symlink() or not path.is_file() or _log_of(path).exists():
        return False
    now = path.stat()
    return (now.st_size, now.st_mtime_ns) == written[1:] or hash_file(path) in written.sha256


def _log_of(path: Path) -> Path:
    """Name the file in which DuckDB keeps what someone has written into a database and not yet folded in."""
    return path.with_name(f"{path.name}.wal")


def _seen(path: Path, written: Written) -> Written:
    """Note the size and the time of change of a file that has just been written, and which of its hashes it has."""
    if written.size >= 0 or not path.is_file():
        return written
    now = path.stat()
    return Written(written.sha256[-1:], now.st_size, now.st_mtime_ns)


def _both(some: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({*some, *others}))


def _set_aside(home: Path, manifest: Manifest, name: str, rests_on: Collection[str]) -> None:
    """Move a person's file to a name of its own in the same folder, and list it as theirs."""
    path = locate(home, name)
    stem, dot, ending = path.name.partition(".")
    day = datetime.now(UTC).date().isoformat()
    tried = (f"{stem} ({YOURS} {day}{f' {n}' if n > 1 else ''}){dot}{ending}" for n in range(1, 10_000))
    new = next(path.with_name(each) for each in tried if not os.path.lexists(path.with_name(each)))
    move_file(path, new)
    _list_yours(manifest, Path(name).with_name(new.name).as_posix(), rests_on)


def move_file(path: Path, new: Path) -> None:
    """Move a person's file, with the log of a database beside it; raise CommongroundError where that fails."""
    try:
        new.parent.mkdir(mode=0o700, exist_ok=True)
        path.rename(new)
        if _log_of(path).exists():
            _log_of(path).rename(_log_of(new))
    except OSError as error:
        raise CommongroundError(
            f"{path}: someone put this file here or changed it, and it can't be moved to {new} ({error}); "
            "close what has it open, or move it away yourself"
        ) from error


def _list_yours(manifest: Manifest, name: str, rests_on: Collection[str]) -> None:
    of = f"{YOURS} {' '.join(sorted(rests_on))}".strip()
    group = manifest.setdefault(of, Group(tuple(sorted(rests_on)), {}))
    group.files[name] = Written(())


def yours(home: Path) -> frozenset[str]:
    """Name the files of people that were moved out of the way of ours."""
    manifest = read_manifest(home)
    return frozenset(name for of, group in manifest.items() if of.split(" ")[0] == YOURS for name in group.files)


@contextmanager
def telling_of_yours(home: Path, console: "Console") -> Iterator[None]:
    """Tell of the files of people that were moved out of the way of what was written within the block."""
    before = yours(home)
    yield
    for name in sorted(yours(home) - before):
        line = f"Kept     someone had put a file at one of our names, or changed it: it is now {locate(home, name)}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
