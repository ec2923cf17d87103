"""The command that shows the ledger of gaps, and takes builds out of it."""

from typing import Annotated

import typer

from pipelines.app.console import FormatOption, OutputFormat, StoreOption, console, open_command_project, print_table

ledger_commands = typer.Typer()


@ledger_commands.command("ledger")
def ledger_(
    problem: Annotated[str | None, typer.Argument(help="Problem; all if none is named.")] = None,
    remove_build: Annotated[
        str | None,
        typer.Option(metavar="DAY[/NUMBER]", help="Say what taking out the builds of a day, or one of them, would do."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it, and keep a copy of the ledger as it was.")] = False,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """List the builds recorded in the ledger of gaps, or take out those that should not be there."""
    from pipelines.app.ledger_repair import list_builds, remove_recorded_builds

    project = open_command_project(store, None)
    if remove_build:
        remove_recorded_builds(project, problem, remove_build, console, yes)
    elif yes:
        raise typer.BadParameter("--yes needs --remove-build")
    else:
        print_table(list_builds(project, problem), form)
