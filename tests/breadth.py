"""Cases that `make test` leaves to `make test-wide`, which CI runs: more pages, widths and files of one kind."""

import os
from collections.abc import Iterable
from typing import TypeVar

IS_WIDE = bool(os.environ.get("COMMONGROUND_WIDE"))
Case = TypeVar("Case")


def cases(few: list[Case], wide: Iterable[Case]) -> list[Case]:
    """Return the cases that show each way through the code, and in `make test-wide` the others too."""
    return [*few, *(case for case in wide if IS_WIDE and case not in few)]
