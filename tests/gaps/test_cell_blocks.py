"""Large problems: answered in several blocks of places, they have the tables of a problem in one block."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.errors import DeclarationError
from pipelines.core.schema import CELL_COLUMNS
from pipelines.core.store import TEMPORARY_PREFIX, read_table, state_path, table_version
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.fingerprints import ANSWER_TABLES, FIGURE_TABLES
from pipelines.declarations.project import Project
from pipelines.gaps import answer, cell_blocks, history
from pipelines.gaps.grid import list_periods
from pipelines.geography import load_geography

NAME = "furlough_by_month"
"""A problem with a yearly measure carried to months, a measure by month, and an unknown."""
BY_PLACE, BY_PERIOD = "order by place_code, period_start", "order by period_start, place_code"
PROBLEM = f"""/*
question: How many employments were furloughed?
decision: d
owner: o
geography: lad_2023
grain: month
periods: {{start: 2020-02, end: 2020-07}}
needs:
  residents_16_64: {{carry: 2 years}}
  furloughed_employments:
unknowns: [vacancies]
*/
select place_period.place_code, place_period.period_start, place_period.region,
  furloughed_employments.value / residents_16_64.value as share, vacancies.value as vacancies
from lad_2023.place_period
join lad_2023.residents_16_64 using (place_code, period_start)
join lad_2023.furloughed_employments using (place_code, period_start)
join lad_2023.vacancies using (place_code, period_start)
{BY_PLACE}
"""


@pytest.fixture
def project(furlough: Project) -> Project:
    """A project with the problem, and with the sources of its measures in the store."""
    _problem_path(furlough).write_text(PROBLEM, encoding="utf-8")
    return furlough._replace(catalogue=load_catalogue(furlough.catalogue.root))


@pytest.fixture
def as_large(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function from which on every problem is large, and of few places at a time; none has a history."""
    monkeypatch.setattr(history, "MAX_HISTORY_PLACES", 0)

    def set_sizes() -> None:
        monkeypatch.setattr(answer, "MAX_HISTORY_PLACES", 0)
        monkeypatch.setattr(answer, "FEWEST_CELLS", 0)
        monkeypatch.setattr(cell_blocks, "CELLS_OF_A_BLOCK", 700)

    return set_sizes


def _problem_path(project: Project) -> Path:
    return project.catalogue.root / "pipelines" / "problems" / f"{NAME}.sql"


def edit_problem(project: Project, old: str, new: str) -> Project:
    assert old in PROBLEM
    _problem_path(project).write_text(PROBLEM.replace(old, new), encoding="utf-8")
    return project._replace(catalogue=load_catalogue(project.catalogue.root))


def tables(project: Project) -> dict[str, pl.DataFrame]:
    answer.answer_problem(project, NAME)
    return {kind: read_table(state_path(project.home, kind, NAME)) for kind in ANSWER_TABLES}


def remove_tables(project: Project) -> None:
    for kind in ANSWER_TABLES:
        state_path(project.home, kind, NAME).unlink()


SCOPE = "grain: month\n"
EDITS = {
    "order of places": (BY_PLACE, BY_PLACE),
    "order of periods": (BY_PLACE, BY_PERIOD),
    "one nation": (SCOPE, f"{SCOPE}nations: [England]\n"),
    "some places": (SCOPE, f"{SCOPE}place_codes: [W06000001, E09000024, S12000033]\n"),
}
"""Edits of the problem: a text, and what replaces it."""


@pytest.mark.parametrize("name", EDITS)
def test_several_blocks_give_the_tables_of_one(project: Project, as_large: Callable[[], None], name: str) -> None:
    asking = edit_problem(project, *EDITS[name])
    expected = tables(asking)
    assert expected["cell"]["reason"].n_unique() > 2 and expected["cell"]["measure"].n_unique() == 3
    remove_tables(asking)
    as_large()
    actual = tables(asking)
    for kind in ANSWER_TABLES:
        assert_frame_equal(actual[kind], expected[kind], check_exact=True)
    assert answer.is_large_problem(asking, asking.catalogue.problems[NAME])
    assert answer.answer_problem(asking, NAME).columns == list(answer.CHECKED_COLUMNS)


def test_changed_select_of_a_large_problem_makes_its_view_again(project: Project, as_large: Callable[[], None]) -> None:
    as_large()
    before = tables(project)
    cells = state_path(project.home, "cell", NAME).stat().st_ino
    after = tables(edit_problem(project, "as share", "as quotient"))
    assert after["view"]["quotient"].equals(before["view"]["share"])
    assert state_path(project.home, "cell", NAME).stat().st_ino == cells


def test_select_of_a_large_problem_that_fails_leaves_its_tables(project: Project, as_large: Callable[[], None]) -> None:
    as_large()
    before = tables(project)
    wrong = edit_problem(project, "furloughed_employments.value /", "furloughed_employments.valu /")
    remove = state_path(project.home, "verdict", NAME)
    content = remove.read_bytes()
    remove.unlink()
    with pytest.raises(DeclarationError, match="DuckDB rejects the SELECT"):
        answer.answer_problem(wrong, NAME)
    remove.write_bytes(content)
    assert all(before[kind].equals(read_table(state_path(project.home, kind, NAME))) for kind in ANSWER_TABLES)
    assert not list(project.home.rglob(f"{TEMPORARY_PREFIX}*"))


def test_large_problem_with_the_same_rows_keeps_their_version(project: Project, as_large: Callable[[], None]) -> None:
    as_large()
    tables(project)
    before = {kind: table_version(state_path(project.home, kind, NAME)) for kind in FIGURE_TABLES}
    tables(edit_problem(project, "owner: o", "owner: another"))
    assert {kind: table_version(state_path(project.home, kind, NAME)) for kind in FIGURE_TABLES} == before
    assert set(read_table(state_path(project.home, "cell", NAME)).columns) == set(CELL_COLUMNS)
    changed = edit_problem(project, "start: 2020-02", "start: 2020-03")
    tables(changed)
    assert table_version(state_path(project.home, "cell", NAME)) != before["cell"]


FURLOUGHED = "  furloughed_employments:\n"
SHOWN = "vacancies.value as vacancies\n"
OTHERS = {
    "sum over time": ("residents_16_64: {carry: 2 years}", "residents_16_64: {carry: 2 years, over_time: mean}"),
    "need of some nations": (FURLOUGHED, f"{FURLOUGHED.rstrip()} {{nations: [England]}}\n"),
    "need of some places": (FURLOUGHED, f"{FURLOUGHED.rstrip()} {{place_codes: [E09000024]}}\n"),
    "need from a period": (FURLOUGHED, f"{FURLOUGHED.rstrip()} {{from: 2020-03}}\n"),
    "need until a period": (FURLOUGHED, f"{FURLOUGHED.rstrip()} {{until: 2020-06}}\n"),
    "partnership": (SCOPE, f"{SCOPE}groups: [three_boroughs]\n"),
    "history": (SHOWN, f"{SHOWN.rstrip()},\n  (select max(value) from lad_2023.residents_16_64_history) as most\n"),
}  # fmt: skip
"""Edits for which a cell depends on figures of other places, measures or periods."""
ELIGIBLE = "employments_eligible_for_furlough"
HEADERS = {
    "proxy": f"{FURLOUGHED.rstrip()} {{proxy: {ELIGIBLE}}}\n  {ELIGIBLE}:\n",
    "one of several": f"{FURLOUGHED}  eligible: {{one_of: [{ELIGIBLE}, furlough_take_up]}}\n",
}
"""The same of edits of the needs with a column of their own."""
PARTNERSHIP = """three_boroughs:
  title: Three boroughs
  kind: example
  membership: "inferred: an example"
  members: [E09000024, E09000029, E09000008]
  geography: lad_2023
"""


def _is_large(project: Project) -> bool:
    return answer.is_large_problem(project, project.catalogue.problems[NAME])


@pytest.mark.parametrize("name", OTHERS)
def test_problem_with_others_in_its_cells_is_not_large(
    project: Project, as_large: Callable[[], None], name: str
) -> None:
    as_large()
    assert _is_large(project)
    (project.catalogue.root / "pipelines" / "partnerships.yaml").write_text(PARTNERSHIP, encoding="utf-8")
    assert not _is_large(edit_problem(project, *OTHERS[name]))


@pytest.mark.parametrize(("name", "table"), [("proxy", ELIGIBLE), ("one of several", "eligible")])
def test_problem_with_a_proxy_or_alternatives_is_not_large(
    project: Project, as_large: Callable[[], None], name: str, table: str
) -> None:
    as_large()
    text = PROBLEM.replace(FURLOUGHED, HEADERS[name]).replace(
        f"{SHOWN}from lad_2023.place_period\n",
        f"{SHOWN.rstrip()}, {table}.value as eligible_jobs\nfrom lad_2023.place_period\n"
        f"join lad_2023.{table} using (place_code, period_start)\n",
    )
    _problem_path(project).write_text(text, encoding="utf-8")
    assert not _is_large(project._replace(catalogue=load_catalogue(project.catalogue.root)))


def test_problem_of_a_geography_with_borders_is_not_large(
    project: Project, as_large: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_large()
    border = pl.DataFrame({"place_code": ["E09000024"], "neighbour_code": ["E09000029"]})
    monkeypatch.setattr(answer, "load_neighbours", lambda _project, _system: border)
    assert not _is_large(project)


@pytest.mark.parametrize(("limit", "size"), [("FEWEST_CELLS", "cells"), ("MAX_HISTORY_PLACES", "places")])
def test_problem_is_large_beyond_each_limit(
    project: Project, as_large: Callable[[], None], monkeypatch: pytest.MonkeyPatch, limit: str, size: str
) -> None:
    as_large()
    problem = project.catalogue.problems[NAME]
    places = load_geography(project, "lad_2023").places.height
    assert places > 300 and len(problem.measures) == 3
    most = {"places": places, "cells": places * 3 * len(list_periods(problem, project.as_of))}[size]
    monkeypatch.setattr(answer, limit, most - 1)
    assert _is_large(project)
    monkeypatch.setattr(answer, limit, most)
    assert not _is_large(project)
