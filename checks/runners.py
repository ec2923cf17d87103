"""Runners of the rules with a tolerance: Polars in a build, Great Expectations in Dagster's web pages and `validate`.

Each rule is declared once, and both runners give the same verdict.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import polars as pl

from checks.contract import ContractRunner, judge_cells
from checks.shares import all_reach

RunnerName = Literal["polars", "great_expectations"]


class Runner(NamedTuple):
    """A runner: its title, the judge of a contract's rules, and the judge of shares with a minimum."""

    title: str
    judge_cells: ContractRunner
    all_reach: Callable[[pl.Series, float], bool]


POLARS = Runner("Polars", judge_cells, all_reach)


def load_runner(name: RunnerName) -> Runner:
    """Return a runner by name. Great Expectations is imported only here, because its import takes seconds."""
    if name == "polars":
        return POLARS
    from checks.expectations import judge_with_expectations, shares_reach

    return Runner("Great Expectations", judge_with_expectations, shares_reach)
