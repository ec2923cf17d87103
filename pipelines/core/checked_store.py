"""Record that the outputs of a store were checked against the declarations of a project.

    checked.txt      in the store: hash of the declarations, and the state of the tables and the manifest at the check

A command that reads only outputs skips the check where neither has changed. A table or a file that is added to the
store changes the time of its folder.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from pipelines.core.store import write_atomically


def is_checked(home: Path, declarations: str) -> bool:
    """Return whether the store is unchanged since it was checked against these declarations."""
    path = _record_path(home)
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace") == _describe_state(home, declarations)


def record_check(home: Path, declarations: str) -> None:
    """Record that a store was checked against the declarations with this hash."""
    if home.is_dir() and not is_checked(home, declarations):
        with suppress(OSError):  # the store of another user
            write_atomically(_record_path(home), _describe_state(home, declarations).encode())


def _record_path(home: Path) -> Path:
    return home / "checked.txt"


def _describe_state(home: Path, declarations: str) -> str:
    folders = sorted(path for path in (home / "state").glob("*") if path.is_dir())
    files = [home / name for name in ("layout.json", "outputs.json", "snapshots/log.jsonl", "state")]
    times = [f"{path.name} {path.stat().st_mtime_ns}" for path in (*files, *folders) if path.exists()]
    return hashlib.sha256("\x00".join([declarations, *times]).encode()).hexdigest()
