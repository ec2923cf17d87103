"""The commands `build` and `scenario`: their steps, progress bars and printed results."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
from rich.console import Console

from pipelines.app.build_events import BuildEvent, queue_events, version_tags
from pipelines.app.outcome import BuildOutcome
from pipelines.app.parallel import (
    MIN_SHARED_NAMES,
    Workers,
    WorkFunction,
    call_in_worker,
    share_work,
    worker_processes,
)
from pipelines.app.places import keep_lookup
from pipelines.app.printed_summary import NOTHING_CHANGED, print_summary
from pipelines.app.repeated_build import CommandState, describe_state, write_repeated_build
from pipelines.app.steps import prepare_store, readable_sources
from pipelines.app.store_access import describe_output, is_bucket_view
from pipelines.app.summary import collect_summary
from pipelines.app.work import answer_question, build_place_tables, read_source, write_output
from pipelines.core.checked_store import record_check
from pipelines.core.export import format_csv, format_table, progress_bar
from pipelines.core.output_files import report_user_files, write_outputs
from pipelines.core.step_costs import measure_step
from pipelines.core.store import hash_file, lock_store, output_path
from pipelines.declarations.fingerprints import TableKeys, compute_table_keys, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps import (
    is_answer_current,
    is_ledger_current,
    list_current_problems,
    list_outdated_problems,
    read_last_build,
    record_repeated_builds,
)
from pipelines.geography import find_overlapping_codes, load_places
from pipelines.observations import all_findings, has_current_tables
from pipelines.outputs import (
    INDEX,
    has_partitioned_tables,
    index_is_fresh,
    pages_are_fresh,
    report_files,
    report_is_fresh,
    warehouse_is_fresh,
)
from pipelines.outputs import WAREHOUSE_NAME as FILE

OUTPUT_ASSETS = {INDEX: ("out", "pages"), FILE: ("out", "commonground")}
"""Paths of Dagster's assets of the common outputs."""


class StaleTables(NamedTuple):
    """Names of the sources and problems with tables or reports that are not current."""

    sources: list[str]
    problems: list[str]


def build_problems(project: Project, problems: Sequence[str], console: Console) -> list[str]:
    """Build the given problems, or all, and print the results. Return the faults of sources and problems."""
    names = [project.catalogue.find_problem(name).name for name in problems] or sorted(project.catalogue.problems)
    if project.engine:
        from pipelines.fetch import open_engine

        with measure_step("engine"):
            open_engine(project.engine.address)
    with measure_step("preparing"), lock_store(project.home):
        current_keys = prepare_store(project)
        # Every answer needs the register of places.
        load_places(project)
    begun = {name for name in names if read_last_build(project.home, name)[0]}
    # The analyst's file and the pages use tables of one build, so problems answered earlier are answered again.
    every = sorted({*names, *list_outdated_problems(project, current_keys)})
    stale = find_stale_tables(project, current_keys, every)
    faults: list[str] = []
    with lock_store(project.home):
        record_repeated_builds(project, [name for name in every if name not in stale.problems])
    if _are_outputs_current(project, stale):
        # On another day the index alone is written again: it states the day of the build.
        with lock_store(project.home):
            _refresh_index(project)
        console.print(NOTHING_CHANGED)
    else:
        with worker_processes(project) as workers, report_user_files(project.home, console):
            fewest = _build_ahead(project, current_keys, stale, console, workers)
            built = _check_stale(project, every, stale, console)
            faults = built.faults + _publish_outputs(project, built, console, workers, fewest)
    with measure_step("printing"):
        print_summary(collect_summary(project, names, begun), console)
    return list(dict.fromkeys(faults + list_unusable_files(project, names)))


def prepare_next_commands(project: Project, before: CommandState | None) -> None:
    """Record what spares later commands the declarations: that the store is checked, the places, and a repeated build.

    `before` is the state at the start of a build of all problems; null where it is not comparable, or there are faults.
    A project with a declaration that is not read, or with partitioned tables, prints more: it has no repeated build.
    """
    if is_bucket_view(project.home):
        return
    record_check(project.home, project.catalogue.contents, project.catalogue.problems)
    keep_lookup(project)
    if before and not project.catalogue.list_refusals() and not has_partitioned_tables(project.home):
        _record_repeat(project, before)


def _record_repeat(project: Project, before: CommandState) -> None:
    """Record a repeated build where nothing that this one read has changed since, and the next has nothing to do."""
    names = sorted(project.catalogue.problems)
    summary = collect_summary(project, names, names)
    with lock_store(project.home):
        keys = compute_table_keys(project.catalogue, project.home, project.as_of)
        stale = find_stale_tables(project, keys, names)
        if not _are_outputs_current(project, stale) or not index_is_fresh(project):
            return
        record_repeated_builds(project, names)
        after = describe_state(project.catalogue.root, project.home, project.as_of)
        if after.inputs == before.inputs:
            write_repeated_build(project, after, summary)


def _are_outputs_current(project: Project, stale: StaleTables) -> bool:
    """Return whether no table is stale, and the analyst's file and the pages are current."""
    return not stale.sources and not stale.problems and warehouse_is_fresh(project) and pages_are_fresh(project)


def _refresh_index(project: Project) -> None:
    """Write the index page where it is not current. The code that writes pages is loaded only for that."""
    if not index_is_fresh(project):
        from pipelines.outputs import publish_index

        publish_index(project)


def find_stale_tables(project: Project, current_keys: TableKeys, problems: Sequence[str]) -> StaleTables:
    """Find the sources and problems to build or check: those with a table, ledger or report that is not current."""
    home = project.home
    sources = [name for name in readable_sources(project, problems) if not has_current_tables(home, name, current_keys)]
    return StaleTables(
        sources,
        [
            name
            for name in problems
            if not is_answer_current(home, name, current_keys)
            or not is_ledger_current(project, name)
            or not report_is_fresh(project, name)
        ],
    )


def _build_ahead(
    project: Project, current_keys: TableKeys, stale: StaleTables, console: Console, workers: Workers
) -> int:
    """Build the tables of sources and answers in two processes, before they are checked.

    A failure here occurs again in the checks, which report it. Return the minimum number of names to share from now on:
    two if the second process runs.
    """
    home, sources = project.home, stale.sources
    if find_overlapping_codes(load_places(project).register):
        return MIN_SHARED_NAMES  # the check of the register reports the overlap and stops the build
    unanswered = [name for name in stale.problems if not is_answer_current(home, name, current_keys)]
    with lock_store(home):
        # Without several new releases to read, this process builds the tables of places where it needs them.
        place_tables = (
            workers.pool.submit(call_in_worker, build_place_tables) if len(sources) >= MIN_SHARED_NAMES else None
        )
        _share_with_progress(read_source, sources, "reading", console, workers, MIN_SHARED_NAMES)
        fewest = 2 if place_tables else MIN_SHARED_NAMES
        _share_with_progress(answer_question, unanswered, "answering", console, workers, fewest)
        if place_tables:
            place_tables.exception()
    return 2 if place_tables or len(unanswered) >= MIN_SHARED_NAMES else MIN_SHARED_NAMES


def _check_stale(project: Project, problems: Sequence[str], stale: StaleTables, console: Console) -> BuildOutcome:
    """Check the stale tables and record them for Dagster's pages. The other problems are answered already."""
    rest = frozenset(problems) - frozenset(stale.problems)
    if not stale.sources and not stale.problems:
        return BuildOutcome([], rest, True)
    # The rules are imported only when there is something to check.
    from pipelines.app.build_checks import check_tables

    with measure_step("checking"), progress_bar(console) as bar:
        task = bar.add_task("checking", total=1 + len(stale.sources) + len(stale.problems))
        built = check_tables(
            project,
            stale.sources,
            stale.problems,
            lambda step: bar.update(task, advance=1, description=f"checking {step}"),
        )
    return built._replace(answered=built.answered | rest)


def _publish_outputs(
    project: Project, built: BuildOutcome, console: Console, workers: Workers, fewest: int
) -> list[str]:
    """Write the reports of the answered problems, the pages and the analyst's file. Return the faults.

    A table that fails an ERROR check is not published, and the earlier outputs stay in place.
    """
    current = list_current_problems(project, compute_table_keys(project.catalogue, project.home, project.as_of))
    reports = [name for name in current if name in built.answered and not report_is_fresh(project, name)]
    # The longest task is last, because this process starts from the end.
    common_outputs = [INDEX, FILE] if built.is_sound else []
    with lock_store(project.home):
        faults = _share_with_progress(write_output, [*reports, *common_outputs], "writing", console, workers, fewest)
        # The index states when each report last changed, so it is written after them.
        if built.is_sound:
            _refresh_index(project)
    written = [name for name in [*reports, *common_outputs] if not any(text.startswith(f"{name}: ") for text in faults)]
    queue_events(project.home, [_describe_output(project, name) for name in written])
    return faults


def write_tables(project: Project, wanted: bool | None, console: Console) -> None:
    """Write the partitioned tables, or remove them; where `wanted` is null, update those of an earlier build."""
    if wanted or (wanted is None and has_partitioned_tables(project.home)):
        from pipelines.outputs import write_partitioned_tables

        keys = compute_table_keys(project.catalogue, project.home, project.as_of)
        with measure_step("writing tables"), lock_store(project.home), report_user_files(project.home, console):
            written = write_partitioned_tables(project, keys)
        folder = describe_output(project.home, output_path(project.home, "tables"))
        console.print(f"Tables   {folder} ({written} files written)", soft_wrap=True, highlight=False)
    elif wanted is False:
        from pipelines.outputs import remove_partitioned_tables

        with lock_store(project.home):
            remove_partitioned_tables(project.home)


def _describe_output(project: Project, name: str) -> BuildEvent:
    """Describe a written report, the pages or the analyst's file as an event of Dagster's asset."""
    if name in OUTPUT_ASSETS:
        return BuildEvent(OUTPUT_ASSETS[name], {})
    return BuildEvent(("report", name), {}, version_tags(hash_file(report_files(project, name)[0])))


def _share_with_progress(
    work: WorkFunction, names: list[str], word: str, console: Console, workers: Workers, fewest: int
) -> list[str]:
    with measure_step(word), progress_bar(console) as bar:
        task = bar.add_task(word, total=len(names))
        return share_work(
            workers, work, names, lambda name: bar.update(task, advance=1, description=f"{word} {name}"), fewest
        )


def list_unusable_files(project: Project, names: Sequence[str]) -> list[str]:
    """Return a message for each file of the problems' sources that could not be used."""
    sources = {
        source for name in names for source in project.catalogue.problem_sources(project.catalogue.problems[name])
    }
    grave = all_findings(project).filter(
        pl.col("source").is_in(sorted(sources)), pl.col("check").is_in(["readable", "contract"])
    )
    return [f"{source}: {evidence}" for source, evidence in grave.select("source", "evidence").iter_rows()]


def report_scenario(project: Project, name: str, problems: Sequence[str], console: Console) -> None:
    """Answer problems for the councils of a scenario, print lost measures, and write cells and views as CSV."""
    from pipelines.gaps import list_lost_measures, run_scenario
    from pipelines.geography import read_scenario

    scenario, path = read_scenario(project.catalogue.root, name)
    names = [project.catalogue.find_problem(item).name for item in problems] or sorted(project.catalogue.problems)
    with lock_store(project.home):
        prepare_store(project)
        answers = {item: run_scenario(project, project.catalogue.problems[item], scenario, path) for item in names}
    cells = pl.concat([item.cells for item in answers.values()])
    lost = list_lost_measures(cells, project.catalogue.measures)
    tables = {"cells": cells, "lost": lost, **{item: answer.view for item, answer in answers.items()}}
    outs = {f"scenario_{path.stem}_{item}.csv": format_csv(table).encode("utf-8") for item, table in tables.items()}
    with report_user_files(project.home, console):
        write_outputs(
            project.home, f"scenario {path.stem}", public_input_sources(project.catalogue, names), outs.items()
        )
    console.print(f"Scenario, not a fact: {scenario.title}, on {scenario.day} ({scenario.plan})", highlight=False)
    console.print(format_table(compare_sides(cells), console.width))
    if lost.is_empty():
        console.print("All current answers remain possible.")
    else:
        console.print("Measures that become unavailable on that day, with the requests to make before it:")
        for sentence in format_requests(lost):
            console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    for out in outs:
        where = describe_output(project.home, output_path(project.home, out))
        console.print(f"wrote {where}", soft_wrap=True, highlight=False, markup=False)


def format_requests(lost: pl.DataFrame) -> list[str]:
    """Return one line for each lost measure, with data owner and remedy."""
    return [
        f"  {row['problem']}: {row['measure']} of {row['council']} ({row['reason']}). "
        f"{row['data_owner']}: {row['remedy']}" + (f" Request {row['ask_for']}." if row["ask_for"] else "")
        for row in lost.rows(named=True)
    ]


def compare_sides(cells: pl.DataFrame) -> pl.DataFrame:
    """Count the available cells for each problem, measure and new council: of its districts now, and of itself then."""
    counted = cells.group_by("problem", "measure", "council").agg(
        (pl.col("side") == "now").sum().alias("cells now"),
        ((pl.col("side") == "now") & pl.col("value").is_not_null()).sum().alias("known now"),
        (pl.col("side") == "then").sum().alias("cells then"),
        ((pl.col("side") == "then") & pl.col("value").is_not_null()).sum().alias("known then"),
    )
    return counted.sort("problem", "measure", "council")
