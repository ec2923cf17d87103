"""The commands `build` and `scenario`: their steps, progress bars and printed results."""

from collections.abc import Callable, Sequence
from functools import partial

import polars as pl
from rich.console import Console

from pipelines.app.outcome import BuildOutcome
from pipelines.app.parallel import Workers, WorkFunction, share_work, worker_processes
from pipelines.app.steps import is_fresh, prepare_store, readable_sources
from pipelines.app.summary import print_summary
from pipelines.core.export import format_csv, format_table, progress_bar
from pipelines.core.output_files import report_user_files, write_outputs
from pipelines.core.store import lock_store, output_path
from pipelines.declarations.fingerprints import TableKeys, compute_table_keys, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps import (
    answer_problem,
    is_answer_current,
    is_ledger_current,
    list_current_problems,
    list_outdated_problems,
    read_last_build,
)
from pipelines.geography import find_overlapping_codes, load_area_hierarchy, load_neighbour_table, load_places
from pipelines.observations import all_findings, has_current_tables, load_source_tables
from pipelines.outputs import (
    INDEX,
    pages_are_fresh,
    publish_index,
    publish_place_pages,
    publish_warehouse,
    report_is_fresh,
    report_problem,
    warehouse_is_fresh,
)
from pipelines.outputs import WAREHOUSE_NAME as FILE

MIN_SHARED_NAMES = 6
"""Minimum number of names to share with a second process that has not started: starting one takes longer."""


def build_problems(project: Project, problems: Sequence[str], console: Console) -> list[str]:
    """Build the given problems, or all, and print the results. Return the faults of sources and problems."""
    names = [project.catalogue.find_problem(name).name for name in problems] or sorted(project.catalogue.problems)
    with lock_store(project.home):
        current_keys = prepare_store(project)
        # Every answer needs the register of places.
        load_places(project)
    begun = {name for name in names if read_last_build(project.home, name)[0]}
    # The analyst's file and the pages use tables of one build, so problems answered earlier are answered again.
    stale = list_outdated_problems(project, current_keys)
    every = sorted({*names, *stale})
    fresh = is_fresh(project, current_keys, every)
    fresh = fresh and all(is_ledger_current(project, name) and report_is_fresh(project, name) for name in names)
    faults: list[str] = []
    if fresh and warehouse_is_fresh(project) and pages_are_fresh(project):
        # On another day the index alone is written again: it states the day of the build.
        with lock_store(project.home):
            publish_index(project)
        console.print("Nothing has changed since the last build.")
    else:
        with worker_processes() as workers, report_user_files(project.home, console):
            fewest = _build_ahead(project, current_keys, every, console, workers)
            built = _run_dagster(project, every, console)
            faults = built.faults + _publish_outputs(project, built, console, workers, fewest)
    print_summary(project, names, console, begun)
    return list(dict.fromkeys(faults + list_unusable_files(project, names)))


def _build_ahead(
    project: Project, current_keys: TableKeys, names: Sequence[str], console: Console, workers: Workers
) -> int:
    """Build the tables of sources and answers in two processes. Dagster then checks and records them.

    A failure here occurs again in Dagster, which reports it. Return the minimum number of names to share from now on:
    two if the second process runs.
    """
    home = project.home
    if find_overlapping_codes(load_places(project).register):
        return MIN_SHARED_NAMES  # Dagster's check of the register reports the overlap and stops the build
    stale = [name for name in readable_sources(project, names) if not has_current_tables(home, name, current_keys)]
    with lock_store(home):
        # Without new releases to read, the tables of places exist from the previous build.
        place_tables = workers.pool.submit(_build_place_tables, project) if stale else None
        _share_with_progress(partial(load_source_tables, project), stale, "reading", console, workers, MIN_SHARED_NAMES)
        unanswered = [name for name in names if not is_answer_current(home, name, current_keys)]
        fewest = 2 if stale else MIN_SHARED_NAMES
        _share_with_progress(partial(answer_problem, project), unanswered, "answering", console, workers, fewest)
        if place_tables:
            place_tables.exception()
    return 2 if stale or len(unanswered) >= MIN_SHARED_NAMES else MIN_SHARED_NAMES


def _build_place_tables(project: Project) -> None:
    """Build the place tables that do not depend on sources, in a second process."""
    load_neighbour_table(project)
    load_area_hierarchy(project)


def _run_dagster(project: Project, names: Sequence[str], console: Console) -> "BuildOutcome":
    """Run and check the assets of the problems in Dagster. Return the outcome."""
    # Dagster is imported only when there is something to build.
    from pipelines.app.definitions import count_steps, run_build

    with progress_bar(console) as bar:
        task = bar.add_task("checking", total=count_steps(project, names))
        return run_build(project, names, lambda step: bar.update(task, advance=1, description=step.replace("__", " ")))


def _publish_outputs(
    project: Project, built: "BuildOutcome", console: Console, workers: Workers, fewest: int
) -> list[str]:
    """Write the reports of the answered problems, the pages and the analyst's file. Return the faults.

    A table that fails an ERROR check is not published, and the earlier outputs stay in place.
    """
    current = list_current_problems(project, compute_table_keys(project.catalogue, project.home, project.as_of))
    reports = [name for name in current if name in built.answered and not report_is_fresh(project, name)]
    # The longest task is last, because this process starts from the end.
    common_outputs = [INDEX, FILE] if built.is_sound else []
    with lock_store(project.home):
        faults = _share_with_progress(
            partial(_write_output, project), [*reports, *common_outputs], "writing", console, workers, fewest
        )
        # The index states when each report last changed, so it is written after them.
        if built.is_sound:
            publish_index(project)
    return faults


def _write_output(project: Project, name: str) -> object:
    """Write the report of a problem, or the pages or the analyst's file if `name` is their file name."""
    others: dict[str, Callable[[Project], object]] = {INDEX: publish_place_pages, FILE: publish_warehouse}
    return others[name](project) if name in others else report_problem(project, name)


def _share_with_progress(
    work: WorkFunction, names: list[str], word: str, console: Console, workers: Workers, fewest: int
) -> list[str]:
    with progress_bar(console) as bar:
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
        console.print(f"wrote {output_path(project.home, out)}", soft_wrap=True, highlight=False, markup=False)


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
