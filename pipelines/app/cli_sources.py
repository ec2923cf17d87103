"""Commands about sources: stored files, their integrity, revisions, and new declarations."""

from enum import StrEnum
from typing import Annotated

import typer

from pipelines.app.cli_problem import new_problem
from pipelines.app.console import (
    AsOfOption,
    FormatOption,
    OutputFormat,
    StoreOption,
    console,
    open_command_project,
    print_table,
)
from pipelines.core.object_store import TABLE_FILES

source_commands = typer.Typer()
new_commands = typer.Typer(help="Draft a declaration for a person to complete.", no_args_is_help=True)
source_commands.add_typer(new_commands, name="new")
new_commands.command("problem")(new_problem)


class PeriodChoice(StrEnum):
    """Kinds of reference period of a local file."""

    day = "day"
    week = "week"
    month = "month"
    quarter = "quarter"
    year = "year"


@source_commands.command()
def snapshots(
    source: Annotated[str | None, typer.Argument(help="Source (default: all).")] = None,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """List all fetches with time, origin, result and change. A table ends with the size of the store."""
    from pipelines.app.snapshots import describe_size, list_snapshots, select_snapshot_columns

    project = open_command_project(store, None)
    if source:
        project.catalogue.find_source(source)
    lines = list_snapshots(project.home, source)
    print_table(select_snapshot_columns(lines) if form is OutputFormat.table else lines, form)
    if form is OutputFormat.table:
        console.print(describe_size(project.home), highlight=False, soft_wrap=True)


@source_commands.command()
def status(
    source: Annotated[list[str] | None, typer.Argument(help="Sources (default: all).")] = None,
    as_of: AsOfOption = None,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """Show how current each source is: newest period, next due, overdue, last attempt."""
    from pipelines.app.source_status import report_status

    print_table(report_status(open_command_project(store, as_of, TABLE_FILES), source or []), form)


@source_commands.command()
def notices(
    test: Annotated[bool, typer.Option("--test", help="Send a test message by each configured channel.")] = False,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """List the notices of this store: failures, silence, unusable files and changed verdicts."""
    import polars as pl

    from pipelines.app.notices import Notice, read_notices, send_test_message
    from pipelines.core.errors import FetchError

    if not test:
        rows = [notice[:3] for notice in read_notices(open_command_project(store, None, TABLE_FILES).home)]
        print_table(pl.DataFrame(rows, schema=list(Notice._fields[:3]), orient="row"), form)
    elif faults := send_test_message():
        raise FetchError("\n".join(faults))
    else:
        console.print("Sent by every configured channel; without one, nothing was sent.", highlight=False)


@source_commands.command()
def verify(store: StoreOption = None) -> None:
    """Check the hash of every stored file and report damaged or missing files."""
    from pipelines.app.snapshots import verify_snapshots
    from pipelines.core.errors import UnreadableError

    files, faults = verify_snapshots(open_command_project(store, None).home)
    if faults:
        raise UnreadableError("\n".join(faults))
    console.print(f"{files:,} files checked; all hashes match.", highlight=False)


@source_commands.command()
def validate(
    source: Annotated[str | None, typer.Argument(help="Source (default: all).")] = None,
    declarations: Annotated[bool, typer.Option("--declarations", help="Check the declarations alone.")] = False,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """Judge the contracts of stored releases with Great Expectations, and list the rules that are not met.

    Without SOURCE, a problem with an invalid declaration is an error.
    """
    project = open_command_project(store, None)
    if not declarations:
        import polars as pl

        from pipelines.app.validation import describe_contracts, validate_contracts

        contract = validate_contracts(project, source)
        print_table(contract.filter(~pl.col("met")) if form is OutputFormat.table else contract, form)
        if form is OutputFormat.table:
            console.print(describe_contracts(contract), highlight=False)
    if not source:
        project.catalogue.refuse_excluded_problems()


@source_commands.command()
def revisions(
    source: Annotated[str | None, typer.Argument(help="Source (default: all).")] = None,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """Summarise the changes between releases of a source, with suspected causes."""
    from pipelines.app.query import summarise_revisions
    from pipelines.observations import readable_summary

    summary = summarise_revisions(open_command_project(store, None, TABLE_FILES), source)
    print_table(readable_summary(summary) if form is OutputFormat.table else summary, form)


@new_commands.command("local-source")
def new_local_source(
    name: Annotated[str, typer.Argument(help="Name of the source and its measure, such as rough_sleepers_tonight.")],
    period: Annotated[PeriodChoice, typer.Option(help="Kind of reference period of a row.")] = PeriodChoice.month,
    places: Annotated[str, typer.Option(help="Geography of the area codes.")] = "lad_2023",
    store: StoreOption = None,
) -> None:
    """Write a local contract: a declaration, an example file, and a page of instructions.

    An existing declaration is kept, and the other two files are generated from it again.
    """
    from pipelines.app.scaffold import begin_local_source

    for path in begin_local_source(open_command_project(store, None), name, period.value, places):
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    console.print("Complete each TODO of the declaration and run this command again to update the page.", markup=False)


@new_commands.command("source")
def new_source(
    where: Annotated[str, typer.Argument(metavar="URL|FILE", help="File as published, or its web address.")],
    name: Annotated[str | None, typer.Option(help="Name of the source (default: from the file name).")] = None,
    store: StoreOption = None,
) -> None:
    """Draft the declaration of a file, with evidence for each guess, for a person to complete."""
    from pipelines.app.scaffold import draft_source

    path, todo = draft_source(open_command_project(store, None), where, name)
    console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    for line in todo:
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)
    end = "Complete these lines and delete each TODO. Commonground does not read the source until no TODO is left."
    console.print(end, markup=False)
