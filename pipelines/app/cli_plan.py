"""The command that plans what to ask for."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.app.console import Format, Print, Store, console, printed, project_at

commands = typer.Typer()


@commands.command("plan")
def plan_(
    problem: Annotated[str | None, typer.Argument(help="Problem; all if none is named.")] = None,
    budget: Annotated[float | None, typer.Option(min=0, help="The most that the requests may cost.")] = None,
    costs: Annotated[
        Path | None, typer.Option(help="YAML file of costs; the one beside the problem if not said.", dir_okay=False)
    ] = None,
    choose: Annotated[
        list[str] | None, typer.Option(help="A request to take, again for each; refused if they cost too much.")
    ] = None,
    letters: Annotated[
        Path | None, typer.Option(help="Folder to write a draft letter to each holder into.", file_okay=False)
    ] = None,
    form: Print = Format.table,
    store: Store = None,
) -> None:
    """Say what to ask for and whom, by what it would unlock; with a budget, the best set within it."""
    from pipelines.core.output_files import telling_of_yours
    from pipelines.gaps import flat, shown, told
    from pipelines.gaps import plan_requests as plan
    from pipelines.outputs import write_letters

    project = project_at(store, None)
    made = plan(project, problem, budget, costs, choose or [])
    printed(shown(made) if form is Format.table else flat(made), form)
    if form is Format.table:
        for line in told(made):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    with telling_of_yours(project.home, console):
        written = write_letters(project, made, letters) if letters else []
    for path in written:
        console.print(f"Letter  {path}", soft_wrap=True, highlight=False, markup=False)
