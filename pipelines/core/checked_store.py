"""Record that the outputs of a store were checked against the declarations of a project.

    checked.txt      in the store: hash of the declarations, and of the state of the tables and the manifest at the
                     check; then the names of the declared problems, one a line

A command that reads only outputs skips the check where neither has changed. A table or a file that is added to the
store changes the time of its folder.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipelines.core.store import write_atomically


def is_checked(home: Path, declarations: str) -> bool:
    """Return whether the store is unchanged since it was checked against these declarations."""
    return _read_record(home)[0] == _describe_state(home, declarations)


def read_check(home: Path) -> str:
    """Return the hash that the last check recorded; blank without one."""
    return _read_record(home)[0]


def list_checked_problems(home: Path) -> list[str]:
    """Return the names of the problems that were declared at the last check of a store."""
    return _read_record(home)[1:]


def record_check(home: Path, declarations: str, problems: Iterable[str]) -> None:
    """Record that a store was checked against the declarations with this hash, which have these problems."""
    if home.is_dir() and not is_checked(home, declarations):
        with suppress(OSError):  # the store of another user
            content = "\n".join([_describe_state(home, declarations), *problems])
            write_atomically(_record_path(home), content.encode())


def _read_record(home: Path) -> list[str]:
    path = _record_path(home)
    return path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else [""]


def _record_path(home: Path) -> Path:
    return home / "checked.txt"


_FORMAT = "with problems"
"""Form of the record; a record of another form is no record."""


def _describe_state(home: Path, declarations: str) -> str:
    folders = sorted(path for path in (home / "state").glob("*") if path.is_dir())
    files = [home / name for name in ("layout.json", "outputs.json", "snapshots/log.jsonl", "state")]
    times = [f"{path.name} {path.stat().st_mtime_ns}" for path in (*files, *folders) if path.exists()]
    return hashlib.sha256("\x00".join([_FORMAT, declarations, *times]).encode()).hexdigest()
