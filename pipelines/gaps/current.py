"""Whether the stored tables of problems are current."""

import time
from pathlib import Path
from typing import NamedTuple

from pipelines.core.store import state_path
from pipelines.declarations.fingerprints import ANSWER_TABLES, TableKeys
from pipelines.declarations.project import Project
from pipelines.gaps.ledger_load import ledger_path
from pipelines.gaps.validity import current_answer_key


def is_answer_current(home: Path, name: str, fingerprints: TableKeys) -> bool:
    """Return whether a problem's tables exist, were built from the current inputs, and hold on the day of the keys."""
    return current_answer_key(home, name, fingerprints) is not None


class _Listed(NamedTuple):
    """The problems listed last in a store, the keys they were compared with, and the times of the folders of tables."""

    fingerprints: TableKeys
    times: tuple[int, ...]
    names: list[str]


_LISTED: dict[Path, _Listed] = {}
"""The problems listed last by store: each report of a build asks for them."""
_SETTLED_NS = 2 * 10**9
"""Age from which a folder has another time after its next change, also where a file system rounds times to 2 s.

Git trusts the times in its index by the same rule.
"""


def list_current_problems(project: Project, fingerprints: TableKeys) -> list[str]:
    """List the problems with tables built from the current inputs; outputs use no others.

    A table gets its place by a rename, which changes the time of its folder: until then the list is the same object.
    """
    home, now = project.home, time.time_ns()
    times, last = _folder_times(home), _LISTED.get(home)
    if last is None or last.fingerprints is not fingerprints or last.times != times:
        names = [name for name in sorted(project.catalogue.problems) if is_answer_current(home, name, fingerprints)]
        last = _LISTED[home] = _Listed(fingerprints, times, names)
    if max(times) > now - _SETTLED_NS:
        del _LISTED[home]
    return last.names


def _folder_times(home: Path) -> tuple[int, ...]:
    """Return the time of the last change of each folder with tables of answers; 0 where it does not exist."""
    folders = (state_path(home, kind, "").parent for kind in ANSWER_TABLES)
    return tuple(folder.stat().st_mtime_ns if folder.is_dir() else 0 for folder in folders)


def list_outdated_problems(project: Project, fingerprints: TableKeys) -> list[str]:
    """List the problems with tables built from other inputs than the current ones.

    A problem with a ledger counts as built, even where its tables are missing, as after an upgrade.
    """
    home = project.home
    there = (
        name
        for name in project.catalogue.problems
        if state_path(home, "cell", name).is_file() or ledger_path(home, name).is_file()
    )
    return sorted(name for name in there if not is_answer_current(home, name, fingerprints))
