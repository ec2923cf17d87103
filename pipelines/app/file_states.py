"""States of files: their numbers, sizes and times, by which a command recognises that none has changed."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

_PROGRAM = Path(__file__).resolve().parents[2]
_PROGRAM_FOLDERS = ("pipelines", "checks")
_LIBRARIES = ("polars", "duckdb", "numpy", "scipy")
"""Libraries that compute figures, as in declarations.fingerprints, which loads all declarations."""
_LEFT_OUT = ("__pycache__", ".lock")
"""Names and endings of folders and files that no build reads."""


def hash_states(paths: Iterable[Path]) -> str:
    """Return a hash of the states of files, and of all files in folders. Raises OSError for an unreadable folder."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"\n{path}".encode())
        for line in sorted(_describe_files(path)):
            digest.update(f"\n{line}".encode())
    return digest.hexdigest()


def hash_program() -> str:
    """Return a hash of the states of the program's files and of the versions of its libraries."""
    versions = " ".join(version(name) for name in _LIBRARIES)
    return f"{hash_states(_PROGRAM / name for name in _PROGRAM_FOLDERS)} {versions}"


def _describe_files(path: Path) -> Iterator[str]:
    """Describe a file, or all files in a folder: path, number, size, and times of its content and of its state."""
    if path.is_dir():
        yield from _describe_folder(str(path))
    elif path.exists():
        yield _describe_file(str(path), path.stat())


def _describe_folder(path: str) -> Iterator[str]:
    for entry in os.scandir(path):
        if entry.name.endswith(_LEFT_OUT):
            continue
        if entry.is_dir():
            yield f"{entry.path}{os.sep}"
            yield from _describe_folder(entry.path)
        else:
            yield _describe_file(entry.path, entry.stat())


def _describe_file(path: str, state: os.stat_result) -> str:
    return f"{path} {state.st_ino} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
