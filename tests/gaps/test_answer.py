"""What a changed problem builds again: after a changed SELECT its views alone, after any other input every table."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.errors import DeclarationError
from pipelines.core.snapshots import Snapshot, append_log
from pipelines.core.store import hash_file, read_table, state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.fingerprints import (
    ANSWER_TABLES,
    VIEW_TABLES,
    TableKeys,
    compute_table_keys,
)
from pipelines.declarations.project import Project
from pipelines.gaps import answer_problem
from tests.small import copied, small_project

NAME = "jobs_south_london"
"""A problem with a partnership, and a row for each place and month."""
LAST, ORDER = "vacancies.value as vacancies\n", "order by place_period.place_code, place_period.period_start"
HIGHEST = "(select max(past.value) from lad_2023.claimant_rate_history past where past.place_code = "
EDITS = {
    "order": (ORDER, "order by place_period.period_start, place_period.place_code"),
    "column": (LAST, f"{LAST.rstrip()},\n    residents_16_64.value * 2 as twice\n"),
    "other measure": ("    claimant_rate.value as claimant_rate", "    residents_16_64.value as claimant_rate"),
    "history": (LAST, f"{LAST.rstrip()},\n    {HIGHEST}place_period.place_code) as highest\n"),
}
"""Edits of the SELECT: a text, and what replaces it."""


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edit_problem(project: Project, old: str, new: str) -> Project:
    """Edit the file of the problem, and read the declarations again."""
    root = project.catalogue.root
    replace_in(root / "pipelines" / "problems" / f"{NAME}.sql", old, new)
    return project._replace(catalogue=load_catalogue(root))


def tables(project: Project) -> dict[str, pl.DataFrame]:
    answer_problem(project, NAME)
    return {kind: read_table(state_path(project.home, kind, NAME)) for kind in ANSWER_TABLES}


def files(project: Project) -> dict[str, tuple[str, int]]:
    """Return the hash and the inode of each table of the answer: a table that is written again has another inode."""
    paths = {kind: state_path(project.home, kind, NAME) for kind in ANSWER_TABLES}
    return {kind: (hash_file(path), path.stat().st_ino) for kind, path in paths.items()}


def answered_from_nothing(project: Project, folder: Path) -> dict[str, pl.DataFrame]:
    return tables(project._replace(home=copied(project.home, folder / "other", *ANSWER_TABLES)))


@pytest.mark.parametrize("name", EDITS)
def test_changed_select_gives_what_a_build_from_nothing_gives(small: Project, tmp_path: Path, name: str) -> None:
    answer_problem(small, NAME)
    before = files(small)
    project = edit_problem(small, *EDITS[name])
    actual = tables(project)
    expected = answered_from_nothing(project, tmp_path)
    for kind in ANSWER_TABLES:
        assert_frame_equal(actual[kind], expected[kind], check_exact=True)
    after = files(project)
    assert {kind for kind in ANSWER_TABLES if after[kind] != before[kind]} == set(VIEW_TABLES)
    added = {"column": "twice", "history": "highest"}.get(name, "residents_16_64")
    assert actual["view"][added].count() and actual["partnership_view"]["residents_16_64"].count()


def test_select_that_fails_leaves_all_tables(small: Project) -> None:
    answer_problem(small, NAME)
    before = files(small)
    project = edit_problem(small, "claimant_rate.value as claimant_rate", "claimant_rate.valu as claimant_rate")
    with pytest.raises(DeclarationError, match="DuckDB rejects the SELECT"):
        answer_problem(project, NAME)
    assert files(project) == before


def edit_source(name: str) -> Callable[[Path], None]:
    """Return an edit of the title of a source: it changes nothing but its declaration."""
    return lambda root: replace_in(root / "sources" / f"{name}.yaml", "title: ", "title: New ")


def _edit_header(root: Path) -> None:
    replace_in(root / "pipelines" / "problems" / f"{NAME}.sql", "until: 2021-09", "until: 2021-08")


def _edit_membership(root: Path) -> None:
    replace_in(root / "pipelines" / "partnerships.yaml", "[E09000008, E09000021, ", "[E09000008, ")


def _add_release(root: Path) -> None:
    day = date(2026, 11, 20)
    append_log(root, Snapshot("ons_claimant_rate", "a" * 64, day, "", "", "", "x.csv", 1, "", change="new"))


INPUTS = {
    "header": _edit_header,
    "members of a partnership": _edit_membership,
    "release": _add_release,
    "source of a measure": edit_source("ons_claimant_rate"),
    "source of residents": edit_source("ons_residents_by_age"),
    "source without figures": edit_source("ons_vacancies"),
    "register": edit_source("ons_lad_register"),
    "changes of codes": edit_source("ons_lad_changes"),
    "boundaries": edit_source("ons_lad_boundaries"),
    "small areas": edit_source("ons_small_areas"),
    "shares": edit_source("nhs_trusts_used"),
}
"""Inputs of a problem's figures, each with an edit."""


def keys_of(root: Path) -> TableKeys:
    """Return the keys of a project, which is its own store here."""
    return compute_table_keys(load_catalogue(root), root, date(2026, 11, 24))


def test_select_is_in_the_key_of_views_alone(tmp_path: Path) -> None:
    root = small_project(tmp_path)
    before = keys_of(root)
    replace_in(root / "pipelines" / "problems" / f"{NAME}.sql", *EDITS["order"])
    after = keys_of(root)
    assert before.figures == after.figures
    assert {name for name in after.answer if after.answer[name] != before.answer[name]} == {NAME}


@pytest.mark.parametrize("name", INPUTS)
def test_every_other_input_is_in_the_keys_of_figures_and_views(tmp_path: Path, name: str) -> None:
    root = small_project(tmp_path)
    before = keys_of(root)
    INPUTS[name](root)
    after = keys_of(root)
    assert before.figures[NAME] != after.figures[NAME]
    assert before.answer[NAME] != after.answer[NAME]
