"""The profile of a build: the cost of its steps, on the screen and as a file."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipelines.app.store_access import describe_output
from pipelines.core.output_files import write_outputs
from pipelines.core.step_costs import list_step_costs, peak_memory_mb
from pipelines.core.store import output_path
from pipelines.declarations.project import Project

if TYPE_CHECKING:
    from pipelines.gaps import MeasureRun

PROFILE_NAME = "profile.json"


def print_profile(project: Project, problems: Sequence[str], console: Console) -> None:
    """Print the cost of the steps of this command, the dearest first, and write it to profile.json.

    With an engine, also print where each measure of the problems (default: all) is placed.
    """
    home, costs, memory = project.home, list_step_costs(), peak_memory_mb()
    table = Table("step", title="Cost of this build", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in ("wall s", "CPU s"):
        table.add_column(head, justify="right", no_wrap=True)
    for cost in costs:
        table.add_row(cost.step, f"{cost.wall_s:.2f}", f"{cost.cpu_s:.2f}")
    console.print(table)
    runs = list_runs(project, problems)
    if project.engine:
        console.print(table_of_runs(runs, project.engine.address))
    content = {
        "steps": [cost._asdict() for cost in costs], "peak_memory_mb": memory,
        "engine": project.engine and project.engine.address, "measures": [run._asdict() for run in runs],
    }  # fmt: skip
    write_outputs(home, "profile", [], [(PROFILE_NAME, f"{json.dumps(content, indent=1)}\n".encode())], staying=())
    if memory is not None:
        console.print(f"Memory   {memory:,.0f} MB at most, without worker processes", highlight=False)
    console.print(f"Profile  {describe_output(home, output_path(home, PROFILE_NAME))}", soft_wrap=True, highlight=False)


def list_runs(project: Project, problems: Sequence[str]) -> "list[MeasureRun]":
    """List where each measure of the problems (default: all) is placed; empty without an engine."""
    if not project.engine:
        return []
    from pipelines.gaps import list_measure_runs

    names = [project.catalogue.find_problem(name).name for name in problems] or sorted(project.catalogue.problems)
    return [run for name in names for run in list_measure_runs(project, project.catalogue.problems[name])]


def table_of_runs(runs: "Sequence[MeasureRun]", address: str) -> Table:
    """Return a table of the measures: where each is placed, and why those of this machine stay here."""
    table = Table("problem", "measure", title="Where measures are placed", title_justify="left", box=SIMPLE_HEAD,
                  pad_edge=False)  # fmt: skip
    table.add_column("rows in use", justify="right", no_wrap=True)
    table.add_column("place")
    for run in runs:
        place = f"here: {run.obstacle}" if run.obstacle else address
        table.add_row(run.problem, run.measure, f"{run.rows:,}", place)
    return table
