"""Command line `commonground`. An error is one message; the README lists the exit codes."""

import sys
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.app.cli_ledger import ledger_commands
from pipelines.app.cli_plan import plan_commands
from pipelines.app.cli_sources import source_commands
from pipelines.app.console import (
    AsOfOption,
    FormatOption,
    OutputFormat,
    StoreOption,
    console,
    error_console,
    escape_markup,
    find_built_problems,
    open_checked_store,
    open_command_project,
    print_publication,
    print_table,
    send_notices,
)
from pipelines.app.store_access import closing_stores, refuse_bucket
from pipelines.core.errors import CommongroundError, UnknownNameError
from pipelines.core.garbage import collect_seldom
from pipelines.core.object_store import TABLE_FILES

app = typer.Typer(
    help="Combine national and local datasets into answers by place. Report missing data and who could supply them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(source_commands)
app.add_typer(plan_commands)
app.add_typer(ledger_commands)
BUILT_WITH_FAULTS = 6
"""Exit code of a completed build in which a source or a problem could not be used."""


class ListTarget(StrEnum):
    """Choices of the command `list`."""

    sources = "sources"
    measures = "measures"
    problems = "problems"
    places = "places"


def _print_version(is_requested: bool) -> None:
    if is_requested:
        from pipelines.declarations.version import project_version

        typer.echo(f"commonground {project_version()}")
        raise typer.Exit


@app.callback()
def global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Accept the options before a command. The help text of the program is in `app`."""


def main() -> None:
    """Run the command line. A known error prints one message and sets an exit code, without a traceback."""
    collect_seldom()
    if sys.stdout.encoding.lower() not in ("utf-8", "utf8"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        with closing_stores(print_publication):
            app()
    except CommongroundError as error:
        error_console.print(f"[bold red]error:[/] {escape_markup(str(error))}", soft_wrap=True, highlight=False)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        error_console.print("interrupted; the results of earlier builds are unchanged")
        raise SystemExit(130) from None


def _print_faults(heading: str, faults: Iterable[str]) -> None:
    """Print sentences, each with the reason why something is not read, used or answered."""
    for fault in faults:
        error_console.print(f"[yellow]{heading}:[/] {escape_markup(fault)}", soft_wrap=True, highlight=False)


def _print_refused(home: Path, names: Iterable[str]) -> None:
    """Print which of some problems the last build refused: what a store has of them is from an earlier build."""
    from pipelines.gaps import read_refusal

    reasons = ((name, read_refusal(home, name)) for name in names)
    _print_faults("not answered", (
        f"{name}: the last build refused it, and any stored figures are of an earlier build: {reason}"
        for name, reason in reasons if reason
    ))  # fmt: skip


@app.command()
def build(
    problem: Annotated[list[str] | None, typer.Argument(help="Problems to answer (default: all).")] = None,
    as_of: AsOfOption = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Show the cost of each step, and write profile.json.")
    ] = False,
    tables: Annotated[
        bool | None,
        typer.Option("--tables/--no-tables", help="Write observations as partitioned Parquet too, or remove them."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="Engine that places large measures: sc://HOST:PORT (Spark Connect), or duckdb."),
    ] = None,
    engine_rows: Annotated[
        int | None, typer.Option(min=0, help="Rows in use from which a measure is large (default: 5,000,000).")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Build problem views from stored data (offline)."""
    from pipelines.app.repeated_build import describe_command_state, print_repeated_build
    from pipelines.declarations.project import engine_setting

    setting = engine_setting(engine, engine_rows)
    state = None if problem or profile or tables is not None or setting else describe_command_state(store, as_of)
    if print_repeated_build(store, state, console):
        return
    from pipelines.app.parallel import share_cores
    from pipelines.core.paths import project_directory

    share_cores(project_directory() / "sources")
    from pipelines.app.build import build_problems, prepare_next_commands, write_tables
    from pipelines.app.build_profile import print_profile

    project = open_command_project(store, as_of, publishes=True, engine=setting)
    _print_faults("not read", project.catalogue.list_refusals())
    left_out = [] if problem else list(project.catalogue.excluded_problems.values())
    faults = [*left_out, *build_problems(project, problem or [], console)]
    write_tables(project, tables, console)
    send_notices(project)
    if profile:
        print_profile(project, problem or [], console)
    prepare_next_commands(project, None if faults else state)
    _print_faults("not used", faults)
    if faults:
        raise typer.Exit(BUILT_WITH_FAULTS)


@app.command()
def refresh(
    source: Annotated[list[str] | None, typer.Argument(help="Sources to fetch (default: all with an address).")] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Make one request to each source and report whether it works; store nothing."),
    ] = False,
    store: StoreOption = None,
) -> None:
    """Fetch new releases from publishers and store them. Does not build."""
    from pipelines.app.acquire import refresh_sources

    if check:
        from pipelines.app.source_status import check_roads

        checks = check_roads(open_command_project(store, None, publishes=True), source or [])
        print_table(checks, OutputFormat.table)
        raise typer.Exit(5 if "fails" in checks["result"] or "no_road" in checks["result"] else 0)
    project = open_command_project(store, None, publishes=True)
    failed = refresh_sources(project, source or [], console)
    send_notices(project)
    if failed:
        raise typer.Exit(5)


@app.command()
def add(
    source: Annotated[str | None, typer.Argument(help="Source of the file.")] = None,
    file: Annotated[Path | None, typer.Argument(help="File as published.", exists=True, dir_okay=False)] = None,
    released: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Release day.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of files named after their sources.", exists=True, file_okay=False),
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Store a file with unusable cells.")] = False,
    store: StoreOption = None,
) -> None:
    """Check and store a downloaded or completed file, or a folder of files."""
    from pipelines.app.acquire import add_folder, add_release

    if folder and not source:
        project = open_command_project(store, None, publishes=True)
        add_folder(project, folder, released.date() if released else None, console, accept)
    elif source and file and released and not folder:
        project = open_command_project(store, None, publishes=True)
        add_release(project, source, file, released.date(), console, accept)
    else:
        raise typer.BadParameter("expected SOURCE, FILE and --released, or --from FOLDER")


@app.command()
def gaps(
    problem: Annotated[str | None, typer.Argument(help="Problem (default: all).")] = None,
    place: Annotated[str | None, typer.Option(help="Name or area code of a place.")] = None,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """List gaps with reason, evidence, data owner and remedy."""
    from pipelines.app.gap_list import list_gaps, select_gap_columns

    home = open_checked_store(store, TABLE_FILES)
    names = find_built_problems(home, problem)
    table = list_gaps(home, names, place)
    _print_refused(home, names)
    print_table(select_gap_columns(table) if form is OutputFormat.table else table, form)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="Query, for example: select * from problem.jobs_recovery")],
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """Run a read-only SQL query on commonground.duckdb."""
    from pipelines.app.sql_query import run_query

    answer = run_query(open_checked_store(store), query)
    _print_faults("not answered", answer.absences)
    print_table(answer.table, form)


@app.command("upgrade-sql")
def upgrade_sql(
    file: Annotated[Path, typer.Argument(help="File with a query.")],
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Overwrite the file instead of printing the query.")
    ] = False,
) -> None:
    """Rewrite a query with the new names of tables and columns. Standard error lists what to check."""
    from pipelines.app.upgrade_sql import upgrade_file

    upgrade = upgrade_file(file, in_place)
    for note in upgrade.notes:
        error_console.print(escape_markup(f"{file}: {note}"), soft_wrap=True, highlight=False)
    if not in_place:
        typer.echo(upgrade.text, nl=False)


@app.command()
def explain(
    problem: Annotated[str, typer.Argument(help="Problem.")],
    place: Annotated[str, typer.Argument(help="Name or area code of a place.")],
    measure: Annotated[str, typer.Argument(help="Measure.")],
    period: Annotated[str | None, typer.Argument(help="Period, such as 2023-11, if there are several.")] = None,
    store: StoreOption = None,
) -> None:
    """Show the provenance of one cell: file, row, release, licence, crosswalk and checks."""
    from pipelines.app.query import explain_cell

    project = open_command_project(store, None, TABLE_FILES)
    facts = list(explain_cell(project, problem, place, measure, period))
    _print_refused(project.home, [problem])
    for heading, text in facts:
        console.print(f"[bold]{heading:<10}[/] {escape_markup(text)}", soft_wrap=True, highlight=False)


@app.command()
def places(
    place: Annotated[
        list[str],
        typer.Argument(help="Names or area codes of any geography and vintage, or full or partial postcodes."),
    ],
    store: StoreOption = None,
) -> None:
    """Show a place, its predecessors, its successors and its parents."""
    from pipelines.app.place_lookup import describe_in_lookup, find_lookup

    lookup = find_lookup(store)
    if lookup:
        facts = describe_in_lookup(lookup, place)
    else:
        from pipelines.app.places import describe_places

        facts = describe_places(open_command_project(store, None), place)
    for heading, text in facts:
        console.print(f"[bold]{heading:<10}[/] {escape_markup(text)}", soft_wrap=True, highlight=False)


@app.command()
def crosswalk(
    from_system: Annotated[str, typer.Argument(help="Source geography, for example lad_2019.")],
    to_system: Annotated[str, typer.Argument(help="Target geography, for example region_2023 or icb_2022.")],
    group: Annotated[str, typer.Option(help="Population group for the weights of a split area.")] = "all_ages",
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Reference day of the figures.")] = None,
    out: Annotated[Path | None, typer.Option(help="Output file, .csv or .parquet (default: print).")] = None,
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """Show the crosswalk between two geographies, with kind, weight, people and legal orders."""
    from pipelines.app.api import build_stored_crosswalk, describe_crossings, open_geography
    from pipelines.outputs import add_provenance, drop_empty_columns, write_crosswalk

    project = open_command_project(store, None)
    geography = open_geography(project)
    table = build_stored_crosswalk(project, geography, (from_system, to_system), group, day.date() if day else None)
    if out or form is not OutputFormat.table:
        table = add_provenance(table, project, geography)
    if out:
        write_crosswalk(table, out)
        console.print(f"{table.height:,} rows in {out}", soft_wrap=True, highlight=False)
    else:
        print_table(drop_empty_columns(table) if form is OutputFormat.table else table, form)
    if out or form is OutputFormat.table:
        for line in describe_crossings(project, geography, table):
            console.print(f"border: {line}", soft_wrap=True, highlight=False, markup=False)


@app.command("scenario")
def scenario_(
    scenario: Annotated[str, typer.Argument(help="YAML file, or name of a scenario in pipelines/scenarios/.")],
    problem: Annotated[list[str] | None, typer.Argument(help="Problems (default: all).")] = None,
    as_of: AsOfOption = None,
    store: StoreOption = None,
) -> None:
    """Compare answers for planned councils with answers for today's districts, and list requests."""
    from pipelines.app.build import report_scenario

    report_scenario(open_command_project(store, as_of, publishes=True), scenario, problem or [], console)


@app.command("rehearse", hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def refuse_old_name() -> None:
    """Raise an error that states the new name of a renamed command."""
    raise UnknownNameError("unknown command 'rehearse'; use `commonground scenario`, with the same arguments")


@app.command("list")
def list_(
    what: Annotated[ListTarget, typer.Argument(help="Items to list.")],
    form: FormatOption = OutputFormat.table,
    store: StoreOption = None,
) -> None:
    """List sources, measures, problems or places."""
    from pipelines.app.stored_lists import read_stored_list

    home = open_checked_store(store, TABLE_FILES)
    listed = read_stored_list(home, what.value)
    if listed is None:
        from pipelines.app.lists import list_declared

        listed = list_declared(home, what.value)
    _print_faults("not read", listed.unread)
    if what is ListTarget.problems:
        _print_refused(home, listed.table["problem"])
    print_table(listed.table, form)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Local port.")] = 3000,
    store: StoreOption = None,
) -> None:
    """Start the Dagster web UI and its schedules. Press Ctrl+C to stop."""
    from pipelines.app.ui import serve_ui

    refuse_bucket(store)
    raise typer.Exit(serve_ui(open_command_project(store, None), port))


if __name__ == "__main__":
    main()
