"""Command that ranks and plans requests to data owners."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.app.console import FormatOption, OutputFormat, StoreOption, console, open_command_project, print_table

plan_commands = typer.Typer()


@plan_commands.command("plan")
def plan_(
    problem: Annotated[str | None, typer.Argument(help="Problem (default: all).")] = None,
    budget: Annotated[float | None, typer.Option(min=0, help="Maximum total cost of the requests.")] = None,
    costs: Annotated[
        Path | None, typer.Option(help="YAML file of costs (default: that beside the problem).", dir_okay=False)
    ] = None,
    choose: Annotated[
        list[str] | None, typer.Option(help="Request to include (repeatable). Fails if over budget.")
    ] = None,
    letters: Annotated[
        Path | None, typer.Option(help="Folder for draft letters to data owners.", file_okay=False)
    ] = None,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """Rank requests to data owners by benefit. With a budget, choose the best set."""
    from pipelines.core.output_files import report_user_files
    from pipelines.gaps import describe_plan, plan_requests, tabulate_plan
    from pipelines.outputs import write_letters

    project = open_command_project(store, None, publishes=bool(letters))
    request_plan = plan_requests(project, problem, budget, costs, choose or [])
    print_table(tabulate_plan(request_plan, form is not OutputFormat.table), form)
    if form is OutputFormat.table:
        for line in describe_plan(request_plan):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    with report_user_files(project.home, console):
        written = write_letters(project, request_plan, letters) if letters else []
    for path in written:
        console.print(f"Letter  {path}", soft_wrap=True, highlight=False, markup=False)
