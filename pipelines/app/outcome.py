"""Outcome of a run, independent of Dagster."""

from typing import NamedTuple


class BuildOutcome(NamedTuple):
    """Outcome of a run: one sentence for each fault, and the problems that may have a report.

    `sound` is false if any table has an ERROR. In that case the common outputs are not written.
    """

    faults: list[str]
    answered: frozenset[str]
    is_sound: bool
