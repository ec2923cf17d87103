"""The record of a check: valid for the same declarations and an unchanged store."""

from pathlib import Path

from pipelines.core.checked_store import is_checked, list_checked_problems, record_check


def test_record_has_the_declared_problems(tmp_path: Path) -> None:
    record_check(tmp_path, "declarations", ["crime", "jobs"])
    assert is_checked(tmp_path, "declarations")
    assert list_checked_problems(tmp_path) == ["crime", "jobs"]


def test_other_declarations_and_a_new_table_need_another_check(tmp_path: Path) -> None:
    record_check(tmp_path, "declarations", ["crime"])
    assert not is_checked(tmp_path, "other declarations")
    (tmp_path / "state" / "cell").mkdir(parents=True)
    assert not is_checked(tmp_path, "declarations")


def test_store_without_a_record_has_no_checked_problem(tmp_path: Path) -> None:
    assert not is_checked(tmp_path, "declarations")
    assert list_checked_problems(tmp_path) == []
