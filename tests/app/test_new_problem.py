"""The command `new problem`, and the walk of docs/first-problem.md: from a question to a page without data."""

import re
import shlex
import shutil
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.app import new_problem
from pipelines.app.build import build_problems
from pipelines.app.cli import app
from pipelines.app.console import console
from pipelines.app.new_problem import choose_places, choose_time
from pipelines.core.errors import DeclarationError, UnknownNameError
from pipelines.core.store import output_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from tests.breadth import wide
from tests.small import ROOT, districts_only

WALK = ROOT / "docs" / "first-problem.md"
FIGURES = ("ons_claimant_rate", "ons_vacancies")


def blocks(kind: str) -> list[str]:
    """Return the blocks of the walk that begin with a kind."""
    return re.findall(rf"```{kind}\n(.*?)```", WALK.read_text(encoding="utf-8"), re.DOTALL)


def run(monkeypatch: pytest.MonkeyPatch, root: Path, store: Path, *arguments: str, text: str = "") -> str:
    monkeypatch.setenv("COMMONGROUND_PROJECT", str(root))
    result = CliRunner().invoke(app, [*arguments, "--store", str(store)], input=text, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def without_numbers(text: str) -> list[str]:
    return [re.sub(r"\d[\d,]*", "N", line) for line in text.splitlines() if not line.startswith("wrote ")]


def test_walk_of_the_docs_finds_and_writes_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "project"
    shutil.copytree(ROOT / "sources", root / "sources")
    shutil.copytree(ROOT / "pipelines" / "problems", root / "pipelines" / "problems")
    shutil.copy(ROOT / "pipelines" / "partnerships.yaml", root / "pipelines")
    command = shlex.split(blocks("bash")[0].replace("\\\n", " "))
    assert command[:3] == ["commonground", "new", "problem"]
    output = run(monkeypatch, root, tmp_path / "store", *command[1:])
    assert without_numbers(output) == without_numbers(blocks("text")[0])
    name = command[command.index("--name") + 1]
    shown, declared = blocks("sql")[0], blocks("yaml")[0]
    assert without_numbers((root / f"pipelines/problems/{name}.sql").read_text("utf-8")) == without_numbers(shown)
    assert (root / f"sources/{name}_unknowns.yaml").read_text("utf-8") == declared


@wide
def test_page_with_its_unknowns_exists_before_any_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, store = districts_only(tmp_path), tmp_path / "store"
    answers = "Who gets coaches.\nMayor\n\nMerton, Sutton\nlatest\ndays to a first appointment\n\n"
    run(monkeypatch, root, store, "new", "problem", "How long do people wait?", "--name", "waits", text=answers)
    project = Project(load_catalogue(root), store, date(2026, 11, 24))
    assert build_problems(project, ["waits"], console) == []
    page = output_path(store, "waits.html").read_text(encoding="utf-8")
    assert "Days to a first appointment" in page and "Not known to be collected" in page
    assert "No publisher gives this figure for these 2 councils" in page
    assert "Merton" in page and "Wandsworth" not in page


def test_places_may_be_a_region_a_nation_or_a_partnership(small: Project) -> None:
    assert choose_places(small, ["Wales"]).nations == ("Wales",)
    assert len(choose_places(small, ["London"]).place_codes) == 33
    both = choose_places(small, ["South London Partnership", "Wandsworth", "merton"])
    assert (len(both.place_codes), both.groups) == (6, ("south_london",))
    assert choose_places(small, ["pfa_2023"]).geography == "pfa_2023"
    with pytest.raises(UnknownNameError, match=r"unknown place 'Mertn'.*Merton"):
        choose_places(small, ["Mertn"])


@pytest.mark.parametrize(("text", "grain"), [("latest", "latest"), ("2022-01 to 2022-12", "month"),
                                             ("2021 to 2023", "year"), ("2021-Q1 to 2021-Q4", "quarter")])  # fmt: skip
def test_period_gives_the_grain(text: str, grain: str) -> None:
    assert choose_time(text).grain == grain


@pytest.mark.parametrize("text", ["2022", "2022-01 to", "soon", "2022 to 2023-01"])
def test_period_without_two_ends_of_a_kind_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError, match="expected latest"):
        choose_time(text)


def test_existing_problem_is_kept_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = districts_only(tmp_path)
    path = root / "pipelines" / "problems" / "waits.sql"
    path.write_text("kept", encoding="utf-8")
    monkeypatch.setenv("COMMONGROUND_PROJECT", str(root))
    path.unlink()
    arguments = ["new", "problem", "q", "--decision", "d", "--owner", "o", "--by", "", "--places", "Merton", "--period",
                 "latest", "--need", "days of waiting", "--name", "waits", "--store", str(tmp_path / "s")]  # fmt: skip
    assert CliRunner().invoke(app, arguments).exit_code == 0
    before = path.read_text(encoding="utf-8")
    with pytest.raises(DeclarationError):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert path.read_text(encoding="utf-8") == before


def test_problem_that_would_be_excluded_is_not_left_and_an_excluded_one_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = districts_only(tmp_path)
    problems = root / "pipelines" / "problems"
    (problems / "other.sql").write_text("wrong", encoding="utf-8")
    before = {path.name for folder in (problems, root / "sources") for path in folder.iterdir()}
    monkeypatch.setenv("COMMONGROUND_PROJECT", str(root))
    arguments = ["new", "problem", "q", "--decision", "d", "--owner", "o", "--by", "", "--places", "Merton", "--period",
                 "latest", "--need", "days of waiting", "--name", "waits", "--store", str(tmp_path / "s")]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(new_problem, "write_problem", lambda _: "wrong")
        with pytest.raises(DeclarationError, match=r"waits\.sql: found no header"):
            CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert {path.name for folder in (problems, root / "sources") for path in folder.iterdir()} == before
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert set(load_catalogue(root).problems) == {"waits"}
