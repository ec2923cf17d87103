"""The profile of a build: the cost of its steps, on the screen and as a file."""

import json
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipelines.app.store_access import describe_output
from pipelines.core.output_files import write_outputs
from pipelines.core.step_costs import list_step_costs, peak_memory_mb
from pipelines.core.store import output_path

PROFILE_NAME = "profile.json"


def print_profile(home: Path, console: Console) -> None:
    """Print the cost of the steps of this command, the dearest first, and write it to profile.json."""
    costs, memory = list_step_costs(), peak_memory_mb()
    table = Table("step", title="Cost of this build", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in ("wall s", "CPU s"):
        table.add_column(head, justify="right", no_wrap=True)
    for cost in costs:
        table.add_row(cost.step, f"{cost.wall_s:.2f}", f"{cost.cpu_s:.2f}")
    console.print(table)
    content = json.dumps({"steps": [cost._asdict() for cost in costs], "peak_memory_mb": memory}, indent=1) + "\n"
    write_outputs(home, "profile", [], [(PROFILE_NAME, content.encode())], staying=())
    if memory is not None:
        console.print(f"Memory   {memory:,.0f} MB at most, without worker processes", highlight=False)
    console.print(f"Profile  {describe_output(home, output_path(home, PROFILE_NAME))}", soft_wrap=True, highlight=False)
