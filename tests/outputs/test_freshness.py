"""Parts of the keys of outputs: the days on which an acceptance is in force, and the reviewed texts of a problem."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.declarations.acceptances import Acceptance
from pipelines.outputs import freshness

DAY = date(2025, 6, 15)


def project_of(home: Path = Path("home"), **said: Any) -> Any:
    """Return what the functions read of a project."""
    catalogue = SimpleNamespace(root=home, acceptances={}, partnerships={})
    return SimpleNamespace(home=home, as_of=DAY, catalogue=catalogue, **said)


@pytest.mark.parametrize(
    ("when", "until", "text"),
    [(date(2025, 6, 15), date(2025, 6, 15), "True True"), (date(2025, 6, 16), date(2025, 6, 20), "False True"),
     (date(2025, 6, 1), date(2025, 6, 14), "True False")],
)  # fmt: skip
def test_acceptance_is_in_force_on_its_first_and_its_last_day(when: date, until: date, text: str) -> None:
    project = project_of()
    project.catalogue.acceptances = {
        "p": (Acceptance(measure="m", reason="late", who="w", why="w", when=when, until=until),)
    }
    assert (
        freshness._acceptances_in_force(project, "p") == [text] and freshness._acceptances_in_force(project, "q") == []
    )


def test_reviewed_texts_are_those_of_each_problem(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines" / "problems"
    folder.mkdir(parents=True)
    for name, text in (("p.costs.yaml", "2"), ("p.accepted.yaml", "1"), ("q.costs.yaml", "3"), ("p.sql", "4")):
        (folder / name).write_text(text)
    assert freshness._read_reviewed_texts(project_of(tmp_path)) == {"p": ["1", "2"], "q": ["3"]}
