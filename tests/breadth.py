"""Tests that `make test` leaves to `make test-wide`. CI runs both, and `pytest` alone runs all tests.

`wide` marks a test of several builds, of another program, or of all files of one kind. `cases` marks more cases of one
kind: pages, widths and files that take the same way through the code. Tests of the whole edition, and those in a
browser, are marked by their fixtures (conftest).
"""

from collections.abc import Iterable
from typing import Any

import pytest

wide = pytest.mark.wide


def cases(few: list[Any], wide: Iterable[Any]) -> list[Any]:
    """Return the cases that show each way through the code, and the others marked as wide.

    A tuple is a case of several arguments.
    """
    others = (case for case in wide if case not in few)
    return [*few, *(pytest.param(*_arguments(case), marks=pytest.mark.wide) for case in others)]


def _arguments(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
