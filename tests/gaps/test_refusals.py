"""Why a problem has no current answer: a stored refusal of the current inputs, or that no build has answered it."""

import pytest

from pipelines.core.errors import CommongroundError, EngineError
from pipelines.core.store import read_table, state_path, table_input_sources, table_key
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.fingerprints import compute_table_keys
from pipelines.declarations.project import Project
from pipelines.gaps import describe_unanswered, prune_refusals, store_answer
from pipelines.gaps.refusals import storing_refusal

NAME = "furlough"
WRONG, RIGHT = "vacancies.valu as vacancies", "vacancies.value as vacancies"
NOT_BUILT = (
    "No build has answered it since its declaration, its figures or the program changed; "
    "run `commonground build furlough`"
)


def edit(project: Project, old: str, new: str) -> Project:
    path = project.catalogue.root / "pipelines" / "problems" / f"{NAME}.sql"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return project._replace(catalogue=load_catalogue(project.catalogue.root))


def reasons(project: Project) -> dict[str, str]:
    return describe_unanswered(project, compute_table_keys(project.catalogue, project.home, project.as_of))


def prune(project: Project) -> bool:
    """Remove refusals as a build does; return whether the problem still has one."""
    prune_refusals(project, compute_table_keys(project.catalogue, project.home, project.as_of))
    return state_path(project.home, "refusal", NAME).is_file()


def refused(project: Project) -> Project:
    """Return the project with a SELECT that a build has refused."""
    wrong = edit(project, RIGHT, WRONG)
    with pytest.raises(CommongroundError):
        store_answer(wrong, NAME)
    return wrong


def test_answered_problem_has_no_reason(furlough: Project) -> None:
    assert reasons(furlough) == {}
    store_answer(furlough, NAME)
    assert not prune(furlough)


def test_problem_that_no_build_has_answered_names_the_command(furlough: Project) -> None:
    assert reasons(edit(furlough, RIGHT, WRONG)) == {NAME: NOT_BUILT}


def test_refusal_is_one_line_without_folders_until_the_problem_is_answered(furlough: Project) -> None:
    wrong = refused(furlough)
    (sentence,) = reasons(wrong).values()
    assert sentence.startswith("pipelines/problems/furlough.sql: DuckDB rejects the SELECT: Binder Error")
    assert '"valu"' in sentence and "\n" not in sentence
    path = state_path(wrong.home, "refusal", NAME)
    assert table_key(path) == compute_table_keys(wrong.catalogue, wrong.home, wrong.as_of).answer[NAME]
    # An error may quote a figure: the table goes with a source that is no longer public.
    assert "hmrc_furlough" in (table_input_sources(path) or ())
    assert prune(wrong), "it is current"
    right = edit(wrong, RIGHT.replace(".value", ".valu"), "vacancies.value + 0 as vacancies")
    store_answer(right, NAME)
    assert reasons(right) == {} and not path.exists()


def test_refusal_of_other_inputs_is_no_reason_and_is_removed(furlough: Project) -> None:
    wrong = refused(furlough)
    other = edit(wrong, WRONG, "vacancies.no_such as vacancies")
    assert reasons(other) == {NAME: NOT_BUILT}
    assert not prune(other)


def test_refusal_is_removed_where_an_earlier_declaration_returns(furlough: Project) -> None:
    same = edit(refused(furlough), WRONG, RIGHT)
    assert reasons(same) == {} and not prune(same)


def test_same_refusal_is_not_written_again_and_another_one_is(furlough: Project) -> None:
    keys = compute_table_keys(furlough.catalogue, furlough.home, furlough.as_of)
    path, written = state_path(furlough.home, "refusal", NAME), []
    for text in ("first", "first", "second"):
        with pytest.raises(CommongroundError), storing_refusal(furlough, NAME, keys):
            raise CommongroundError(f"{furlough.home / 'a file'}: {text}")
        written.append((path.stat().st_ino, path.stat().st_mtime_ns))
        assert read_table(path)["sentence"].to_list() == [f"a file: {text}"]
    assert written[0] == written[1] != written[2]


@pytest.mark.parametrize("error", [EngineError("gone"), OSError("the disk is full")], ids=lambda error: str(error))
def test_fault_that_is_not_about_the_problem_is_no_refusal(furlough: Project, error: Exception) -> None:
    keys = compute_table_keys(furlough.catalogue, furlough.home, furlough.as_of)
    with pytest.raises(type(error)), storing_refusal(furlough, NAME, keys):
        raise error
    assert not state_path(furlough.home, "refusal", NAME).exists()


def test_excluded_problem_has_the_fault_of_its_declaration(furlough: Project) -> None:
    fault = f"{furlough.catalogue.root / 'pipelines' / 'problems' / 'a.sql'}:3: wrong"
    catalogue = furlough.catalogue._replace(excluded_problems={"a": fault})
    assert reasons(furlough._replace(catalogue=catalogue)) == {"a": "pipelines/problems/a.sql:3: wrong"}
