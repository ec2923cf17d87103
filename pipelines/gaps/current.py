"""Whether the stored tables of problems are current."""

from pathlib import Path

from pipelines.core.store import state_path
from pipelines.declarations.fingerprints import TableKeys
from pipelines.declarations.project import Project
from pipelines.gaps.ledger_load import ledger_path
from pipelines.gaps.validity import current_answer_key


def is_answer_current(home: Path, name: str, fingerprints: TableKeys) -> bool:
    """Return whether a problem's tables exist, were built from the current inputs, and hold on the day of the keys."""
    return current_answer_key(home, name, fingerprints) is not None


def list_current_problems(project: Project, fingerprints: TableKeys) -> list[str]:
    """List the problems with tables built from the current inputs; outputs use no others."""
    return [name for name in sorted(project.catalogue.problems) if is_answer_current(project.home, name, fingerprints)]


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
