"""The commands about sources: what is held of them, whether it is whole, how it was revised, and new ones."""

from enum import StrEnum
from typing import Annotated

import typer

from pipelines.app.console import FormatOption, OutputFormat, StoreOption, console, open_command_project, print_table

source_commands = typer.Typer()
new_commands = typer.Typer(help="Begin a declaration, for a person to finish.", no_args_is_help=True)
source_commands.add_typer(new_commands, name="new")


class PeriodChoice(StrEnum):
    """Kinds of period that a local file can have."""

    day = "day"
    week = "week"
    month = "month"
    quarter = "quarter"
    year = "year"


@source_commands.command()
def snapshots(
    source: Annotated[str | None, typer.Argument(help="Source; all if none is named.")] = None,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """List every fetch: what came, when, from where, and what it changed."""
    from pipelines.app.snapshots import list_snapshots, select_snapshot_columns

    project = open_command_project(store, None)
    if source:
        project.catalogue.find_source(source)
    lines = list_snapshots(project.home, source)
    print_table(select_snapshot_columns(lines) if form is OutputFormat.table else lines, form)


@source_commands.command()
def verify(store: StoreOption = None) -> None:
    """Hash every file in the store again, and name those that are damaged or gone."""
    from pipelines.app.snapshots import verify_snapshots
    from pipelines.core.errors import UnreadableError

    files, faults = verify_snapshots(open_command_project(store, None).home)
    if faults:
        raise UnreadableError("\n".join(faults))
    console.print(f"{files:,} files, each with the bytes it was stored with.", highlight=False)


@source_commands.command()
def revisions(
    source: Annotated[str | None, typer.Argument(help="Source; all if none is named.")] = None,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """Say what changed from each release of a source to the next, and what is suspected."""
    from pipelines.app.query import summarise_revisions
    from pipelines.observations import readable_summary

    summary = summarise_revisions(open_command_project(store, None), source)
    print_table(readable_summary(summary) if form is OutputFormat.table else summary, form)


@new_commands.command("local-source")
def new_local_source(
    name: Annotated[str, typer.Argument(help="Name of the source and of its measure, as rough_sleepers_tonight.")],
    period: Annotated[PeriodChoice, typer.Option(help="Kind of period that a row is about.")] = PeriodChoice.month,
    places: Annotated[str, typer.Option(help="Place system of the codes.")] = "lad_2023",
    store: StoreOption = None,
) -> None:
    """Write a local contract: a declaration, an example file, and a page for the person who fills it in.

    Where the declaration is there already, it stays, and the other two are made from it again.
    """
    from pipelines.app.scaffold import begin_local_source

    for path in begin_local_source(open_command_project(store, None), name, period.value, places):
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    console.print("Fill in the TODO of the declaration, and run this again: the page is made from it.", markup=False)


@new_commands.command("source")
def new_source(
    where: Annotated[str, typer.Argument(metavar="URL|FILE", help="File as published, or its address on the web.")],
    name: Annotated[str | None, typer.Option(help="Name of the source; made from the file's if not said.")] = None,
    store: StoreOption = None,
) -> None:
    """Look into a file and draft the declaration of it, each guess with its evidence, for a person to finish."""
    from pipelines.app.scaffold import draft_source

    path, todo = draft_source(open_command_project(store, None), where, name)
    console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    for line in todo:
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
    end = "Decide these, and delete the word TODO of each line: the source is not read while one is left."
    console.print(end, markup=False)
