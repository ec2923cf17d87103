"""The commands about sources: what is held of them, whether it is whole, how it was revised, and new ones."""

from enum import StrEnum
from typing import Annotated

import typer

from pipelines.app.console import Format, Print, Store, console, printed, project_at

commands = typer.Typer()
new = typer.Typer(help="Begin a declaration, for a person to finish.", no_args_is_help=True)
commands.add_typer(new, name="new")


class Kind(StrEnum):
    """Kinds of period that a local file can have."""

    day = "day"
    week = "week"
    month = "month"
    quarter = "quarter"
    year = "year"


@commands.command()
def snapshots(
    source: Annotated[str | None, typer.Argument(help="Source; all if none is named.")] = None,
    form: Print = Format.table,
    store: Store = None,
) -> None:
    """List every fetch: what came, when, from where, and what it changed."""
    from pipelines.app.snapshots import listed, shown

    project = project_at(store, None)
    if source:
        project.catalogue.source(source)
    lines = listed(project.home, source)
    printed(shown(lines) if form is Format.table else lines, form)


@commands.command()
def verify(store: Store = None) -> None:
    """Hash every file in the store again, and name those that are damaged or gone."""
    from pipelines.app.snapshots import damaged
    from pipelines.core.errors import UnreadableError

    files, faults = damaged(project_at(store, None).home)
    if faults:
        raise UnreadableError("\n".join(faults))
    console.print(f"{files:,} files, each with the bytes it was stored with.", highlight=False)


@commands.command()
def revisions(
    source: Annotated[str | None, typer.Argument(help="Source; all if none is named.")] = None,
    form: Print = Format.table,
    store: Store = None,
) -> None:
    """Say what changed from each release of a source to the next, and what is suspected."""
    from pipelines.app.query import revised
    from pipelines.observations import shown

    summary = revised(project_at(store, None), source)
    printed(shown(summary) if form is Format.table else summary, form)


@new.command("local-source")
def new_local_source(
    name: Annotated[str, typer.Argument(help="Name of the source and of its measure, as rough_sleepers_tonight.")],
    period: Annotated[Kind, typer.Option(help="Kind of period that a row is about.")] = Kind.month,
    places: Annotated[str, typer.Option(help="Place system of the codes.")] = "lad_2023",
    store: Store = None,
) -> None:
    """Write a local contract: a declaration, an example file, and a page for the person who fills it in.

    Where the declaration is there already, it stays, and the other two are made from it again.
    """
    from pipelines.app.scaffold import begin_local_source

    for path in begin_local_source(project_at(store, None), name, period.value, places):
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    console.print("Fill in the TODO of the declaration, and run this again: the page is made from it.", markup=False)


@new.command("source")
def new_source(
    where: Annotated[str, typer.Argument(metavar="URL|FILE", help="File as published, or its address on the web.")],
    name: Annotated[str | None, typer.Option(help="Name of the source; made from the file's if not said.")] = None,
    store: Store = None,
) -> None:
    """Look into a file and draft the declaration of it, each guess with its evidence, for a person to finish."""
    from pipelines.app.scaffold import begin_source

    path, todo = begin_source(project_at(store, None), where, name)
    console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    for each in todo:
        console.print(f"  {each}", soft_wrap=True, highlight=False, markup=False)
    end = "Decide these, and delete the word TODO of each line: the source is not read while one is left."
    console.print(end, markup=False)
