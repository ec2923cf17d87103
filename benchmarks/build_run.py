"""Runs of the real command on a project and a store, and the rows of the table that `build.py` writes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.cost import Cost, run_command, take_medians

AS_OF = "2026-11-24"
"""Day of the builds. Measurements of later days need a clock at least five days later."""
LONG = 60.0
"""Wall seconds from which a measurement runs twice; a shorter one runs five times."""


class Row(NamedTuple):
    """A measured row of the table: its name, the costs of each run by road, and the aim in processor seconds."""

    name: str
    costs: dict[str, list[Cost]]
    aim: str = ""

    def median(self, road: str) -> Cost | None:
        """Return the median cost of a road; None for a road without measurements."""
        return take_medians(self.costs[road]) if road in self.costs else None


class Command(NamedTuple):
    """The command line of a copy of the code, on a project and a store, on a day."""

    checkout: Path
    project: Path
    store: Path
    day: str = AS_OF

    def run(self, *words: str) -> Cost:
        """Run the command and return its cost."""
        surroundings = {
            "PYTHONPATH": str(self.checkout),
            "COMMONGROUND_PROJECT": str(self.project),
            "COMMONGROUND_STORE": str(self.store),
            "COMMONGROUND_AS_OF": self.day,
        }
        command = [sys.executable, "-m", "pipelines.app.cli", *words]
        return run_command(command, surroundings, self.checkout).cost


def repeat(take: Callable[[], dict[str, Cost]], most: int) -> dict[str, list[Cost]]:
    """Take a measurement five times, or twice where the first takes over 60 s, and at most `most` times.

    The roads of one measurement follow each other, so that noise affects every road.
    """
    first = take()
    runs = min(most, 2 if sum(one.wall for one in first.values()) > LONG else 5)
    every = [first, *(take() for _ in range(runs - 1))]
    return {road: [one[road] for one in every] for road in first}


def format_row(row: Row) -> str:
    """Format a measurement as a row of the table."""
    ours = take_medians(row.costs["commonground"])
    peers = [_format_peer(row.median(road)) for road in ("in_duckdb", "in_polars")]
    cells = (
        row.name,
        str(len(row.costs["commonground"])),
        f"{ours.cpu:.2f}",
        f"{ours.wall:.1f}",
        f"{ours.peak:,.0f}",
        *peers,
        row.aim,
    )
    return f"| {' | '.join(cells)} |"


def _format_peer(cost: Cost | None) -> str:
    return f"{cost.cpu:.2f} / {cost.peak:,.0f}" if cost else ""
