"""Outcome of the checks of a build."""

from typing import NamedTuple


class BuildOutcome(NamedTuple):
    """Outcome of the checks: one sentence for each fault, and the problems that may have a report.

    `is_sound` is false if any table has an ERROR. In that case the common outputs are not written.
    """

    faults: list[str]
    answered: frozenset[str]
    is_sound: bool
