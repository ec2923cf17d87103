"""What the commands share: where they print, the options that many have, and the project they work on."""

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console

from pipelines.core.visible import visible, visible_frame
from pipelines.declarations.project import Project


class Screen(Console):
    """A console on which text from data can do no harm."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print texts with every sign visible; Rich's own tables and styles as they are."""
        super().print(*(visible(each) if isinstance(each, str) else each for each in objects), **how)


console = Screen()
complaints = Screen(stderr=True)


class Format(StrEnum):
    """How a command prints a table."""

    table = "table"
    csv = "csv"
    json = "json"


Store = Annotated[Path | None, typer.Option(help="Directory of the store; data/ in the project if not said.")]
AsOf = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Build with what had been released by a day.")
]
Print = Annotated[Format, typer.Option("--format", help="How to print it.")]


def plain(text: str) -> str:
    """Keep square brackets of a message from being read as markup."""
    return text.replace("[", r"\[")


def project_at(store: Path | None, as_of: datetime | None) -> Project:
    """Read the declarations, withdraw what is no longer public, and give what a command works on.

    A store of an earlier version is made ready first, and one of a later version refused.

    Imported late, so that --help is quick.
    """
    from pipelines.app.earlier_store import renew
    from pipelines.app.withdrawal import withdraw
    from pipelines.core.paths import root, store_of
    from pipelines.declarations.catalogue import load
    from pipelines.declarations.project import not_to_come, today

    day = not_to_come(as_of.date(), "--as-of") if as_of else today()
    project = Project(load(root()), store.resolve() if store else store_of(), day)
    if said := renew(project.home):
        complaints.print(said, soft_wrap=True, highlight=False, markup=False)
    for line in withdraw(project.catalogue, project.home):
        complaints.print(f"[yellow]withdrawn:[/] {plain(line)}", soft_wrap=True, highlight=False)
    return project


def printed(frame: "pl.DataFrame", form: Format) -> None:
    """Print a table as a person or a program wants it."""
    from pipelines.core.export import as_csv, as_json, as_table

    frame = visible_frame(frame)
    if form is Format.table:
        console.print(as_table(frame, console.width))
    else:
        sys.stdout.write(as_csv(frame) if form is Format.csv else as_json(frame))
