"""What came of a run, in a form that needs no Dagster."""

from typing import NamedTuple


class BuildOutcome(NamedTuple):
    """What came of a run: what failed, one sentence each; and of which problems a report may be written.

    `sound` is false where any table breaks its own rules: then nothing is made of all of them together.
    """

    faults: list[str]
    answered: frozenset[str]
    is_sound: bool
