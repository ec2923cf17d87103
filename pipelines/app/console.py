"""Shared parts of the commands: consoles, common options and the project."""

import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines.app.store_access import open_home, publish_store
from pipelines.core.object_store import EVERYTHING, QUERY_FILES
from pipelines.core.visible import escape_invisible, escape_invisible_frame

if TYPE_CHECKING:
    import polars as pl

    from pipelines.core.sql_engine import EngineSetting
    from pipelines.declarations.project import Project


class SafeConsole(Console):
    """Console that prints control characters in a visible form, so that text from data is safe."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts with control characters in a visible form. Rich tables and styles are unchanged."""
        super().print(*(escape_invisible(item) if isinstance(item, str) else item for item in objects), **options)


console = SafeConsole()
error_console = SafeConsole(stderr=True)


class OutputFormat(StrEnum):
    """Output format of a table."""

    table = "table"
    csv = "csv"
    json = "json"


StoreOption = Annotated[
    str | None, typer.Option(help="Store: a directory, or s3://bucket/prefix (default: data/ in the project).")
]
AsOfOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Use only data released by this day.")]
FormatOption = Annotated[OutputFormat, typer.Option("--format", help="Output format.")]


def escape_markup(text: str) -> str:
    """Escape square brackets, which Rich would read as markup."""
    return text.replace("[", r"\[")


def open_command_project(
    store: str | None, as_of: datetime | None, needs: Sequence[str] = EVERYTHING, *, publishes: bool = False,
    engine: "EngineSetting | None" = None,
) -> "Project":  # fmt: skip
    """Read the declarations, withdraw outputs that are no longer public, and return the project of a command.

    `needs` has the starts of the paths that the command reads in a bucket; with `publishes`, its changes are published.
    A store of an earlier version is upgraded first. A store of a later version raises an error. Imports are late, so
    that --help is fast.
    """
    from pipelines.core.paths import project_directory
    from pipelines.declarations.catalogue import load_catalogue
    from pipelines.declarations.project import Project, command_day

    day = command_day(as_of)
    home = open_home(store, needs, publishes)
    project = Project(load_catalogue(project_directory(), home), home, day, engine)
    renew_command_store(project)
    return project


def renew_command_store(project: "Project") -> None:
    """Upgrade a store of an earlier version, and withdraw outputs that are no longer public; report both."""
    from pipelines.app.earlier_store import renew_store
    from pipelines.app.withdrawal import withdraw_outputs
    from pipelines.core.checked_store import record_check

    if notice := renew_store(project.home):
        error_console.print(notice, soft_wrap=True, highlight=False, markup=False)
    for line in withdraw_outputs(project.catalogue, project.home):
        error_console.print(f"[yellow]withdrawn:[/] {escape_markup(line)}", soft_wrap=True, highlight=False)
    record_check(project.home, project.catalogue.contents, project.catalogue.problems)


def open_checked_store(store: str | None, needs: Sequence[str] = QUERY_FILES) -> Path:
    """Return the store of a command that reads only outputs or tables, without outputs that are no longer public.

    The declarations are read only where they or the store have changed since the last check.
    """
    from pipelines.core.checked_store import is_checked
    from pipelines.core.paths import project_directory
    from pipelines.declarations.contents import hash_declarations

    home = open_home(store, needs)
    if not is_checked(home, hash_declarations(project_directory())):
        from pipelines.declarations.catalogue import load_catalogue
        from pipelines.declarations.project import Project, build_date

        renew_command_store(Project(load_catalogue(project_directory(), home), home, build_date()))
    return home


def find_built_problems(home: Path, problem: str | None) -> list[str]:
    """Return the name of a declared problem, or of all, for a store that `open_checked_store` returned.

    Raise UnknownNameError for another name. The declarations are read only for all problems, or for another name. Of
    all problems, the excluded ones are printed with the reason.
    """
    from pipelines.core.checked_store import list_checked_problems
    from pipelines.core.paths import project_directory

    if problem in list_checked_problems(home):
        return [problem]
    from pipelines.declarations.catalogue import load_catalogue

    catalogue = load_catalogue(project_directory(), home)
    if problem:
        return [catalogue.find_problem(problem).name]
    for fault in catalogue.excluded_problems.values():
        error_console.print(f"[yellow]not used:[/] {escape_markup(fault)}", soft_wrap=True, highlight=False)
    return sorted(catalogue.problems)


def send_notices(project: "Project") -> None:
    """Send the notices of a store by the channels that a user has configured, and print the faults of channels.

    What they report is published first.
    """
    from pipelines.fetch import list_channels

    print_publication(publish_store(project.home))
    if not list_channels():
        return
    from pipelines.app.notices import notify

    for fault in notify(project):
        error_console.print(f"[yellow]notice:[/] {escape_markup(fault)}", soft_wrap=True, highlight=False)


def print_publication(sentence: str) -> None:
    """Print what was published in a bucket, on standard error, apart from the output of the command."""
    if sentence:
        error_console.print(escape_markup(sentence), soft_wrap=True, highlight=False)


def print_table(frame: "pl.DataFrame", form: OutputFormat) -> None:
    """Print a table as text, CSV or JSON."""
    from pipelines.core.export import format_csv, format_json, format_table

    frame = escape_invisible_frame(frame)
    if form is OutputFormat.table:
        console.print(format_table(frame, console.width))
    else:
        sys.stdout.write(format_csv(frame) if form is OutputFormat.csv else format_json(frame))
