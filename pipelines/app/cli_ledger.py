"""Command that lists the builds in the gap ledger and removes builds from it."""

from typing import Annotated

import typer

from pipelines.app.console import FormatOption, OutputFormat, StoreOption, console, open_command_project, print_table

ledger_commands = typer.Typer()


@ledger_commands.command("ledger")
def ledger_(
    problem: Annotated[str | None, typer.Argument(help="Problem (default: all).")] = None,
    remove_build: Annotated[
        str | None,
        typer.Option(metavar="DAY[/NUMBER]", help="Show the effect of removing the builds of a day, or one build."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove the builds and keep a backup of the ledger.")] = False,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """List the builds in the gap ledger, or remove builds from it."""
    from pipelines.app.ledger_repair import list_builds, remove_recorded_builds

    project = open_command_project(store, None, publishes=yes)
    if remove_build:
        remove_recorded_builds(project, problem, remove_build, console, yes)
    elif yes:
        raise typer.BadParameter("--yes requires --remove-build")
    else:
        print_table(list_builds(project, problem), form)
