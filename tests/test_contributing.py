"""The examples in CONTRIBUTING.md work as written."""

import re
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from checks.registry import SOURCE_CHECKS
from pipelines.app import steps
from pipelines.core.schema import FINDING_COLUMNS
from pipelines.core.store import read_table, state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.observations.access import load_source_tables

ROOT = Path(__file__).resolve().parent.parent
RECIPE = re.compile(r"<!-- recipe: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture
def recipes() -> dict[str, str]:
    return dict(RECIPE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))


@pytest.fixture
def project(tmp_path: Path, recipes: dict[str, str]) -> Project:
    """Copy the project and add the files of the recipes."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "sources", root / "sources")
    shutil.copytree(ROOT / "pipelines" / "problems", root / "pipelines" / "problems")
    shutil.copy(ROOT / "pipelines" / "partnerships.yaml", root / "pipelines")
    for name, text in recipes.items():
        if "/" in name:
            (root / name).write_text(text, encoding="utf-8")
    return Project(load_catalogue(root), tmp_path / "store", date(2026, 11, 24))


def test_new_source_needs_one_yaml_file_and_new_problem_one_sql_file(project: Project) -> None:
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "example_rough_sleeping")
    actual = {
        (place, measure): (value, low, high, reason)
        for place, measure, value, low, high, reason in cells.select(
            "place_code", "measure", "value", "lower_bound", "upper_bound", "reason"
        ).iter_rows()
    }
    assert actual["E09000024", "people_seen_sleeping_rough"] == (12.0, 12.0, 12.0, None)
    assert actual["E09000029", "people_seen_sleeping_rough"] == (None, 1.0, 4.0, "suppressed")
    assert actual["E09000008", "people_seen_sleeping_rough"][3] == "not_returned"
    assert actual["E09000008", "vacancies"][3] == "not_collected"
    view = read_table(state_path(project.home, "view", "example_rough_sleeping"))
    assert view["people_seen_sleeping_rough_status"].to_list() == ["not_returned", "normal", "suppressed"]


def test_every_common_change_names_an_existing_file() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Where a change is made\n(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| (?!change \|)([^|]+) \| `([^`|]+)` \|$", section, re.MULTILINE)
    assert len(rows) == len({change for change, _ in rows}) == len({path for _, path in rows}) == 20
    assert [path for _, path in rows if not (ROOT / path).is_file()] == []


def test_new_check_needs_one_function_and_its_name(
    project: Project, recipes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scope: dict[str, object] = {}
    exec(recipes["check"], scope)
    monkeypatch.setattr("checks.registry.SOURCE_CHECKS", (*SOURCE_CHECKS, scope["round_thousands"]))
    csv = project.catalogue.sources_dir / "starter" / "example_rough_sleeping.csv"
    csv.write_text("code,name,year,people\nE09000024,Merton,2023,3000\nE09000029,Sutton,2023,8000\n")
    steps.prepare_store(project)
    finding = load_source_tables(project, "example_rough_sleeping").finding
    result = finding.filter(pl.col("check") == "round_thousands")
    assert result.select("measure", "rows", "evidence").rows() == [
        ("people_seen_sleeping_rough", 2, "every figure is a round thousand")
    ]
    assert list(finding.columns) == list(FINDING_COLUMNS)
