"""Whether the stored tables of problems are current."""

from pathlib import Path

from pipelines.core.store import state_path, table_key
from pipelines.declarations.fingerprints import ANSWER_TABLES, TableKeys
from pipelines.declarations.project import Project
from pipelines.gaps.ledger_load import ledger_path


def is_answer_current(home: Path, name: str, fingerprints: TableKeys) -> bool:
    """Return whether a problem's tables exist and were built from the current inputs."""
    return all(table_key(state_path(home, table, name)) == fingerprints.answer[name] for table in ANSWER_TABLES)


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
