"""Modules that mutants are drawn of: all that read, choose, keep, calculate or write figures."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import mutants
from benchmarks.mutants import (
    ROOMS_OF_FIGURES,
    ROOT,
    TESTS,
    WITHOUT_FIGURES,
    build_mutant,
    list_changes,
    module_tests,
)


def test_every_module_of_the_rooms_of_figures_is_drawn_or_named_as_one_without() -> None:
    modules = {
        path.relative_to(ROOT).as_posix() for room in ROOMS_OF_FIGURES for path in (ROOT / room).glob("*.py")
        if path.name != "__init__.py"
    }  # fmt: skip
    assert len(modules) > 150
    undecided = modules - set(TESTS) - WITHOUT_FIGURES
    assert not undecided, "list each in TESTS, or in WITHOUT_FIGURES if it makes none"
    both = Counter([*TESTS, *WITHOUT_FIGURES])
    assert not [name for name, times in both.items() if times > 1]
    assert not [name for name in both if not (ROOT / name).is_file()]


def test_types_and_sizes_of_caches_are_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
@keep_results(2)
def double(value: int | None, least: int = 3) -> int | None:
    last: int | None = value
    return last if value > least else 2 * value
"""
    (tmp_path / "one.py").write_text(text)
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    changes = [build_mutant("one.py", *change).change for change in list_changes("one.py")]
    assert sorted(changes) == ["2 * value -> 2 / value", "2 -> 3", "3 -> 4", "value > least -> value >= least"]


def test_every_module_has_tests_that_exist() -> None:
    assert not [module for module in TESTS if not module_tests(module)]
    missing = [path for tests in TESTS.values() for path in tests if not (ROOT / path).is_file()]
    assert not missing
