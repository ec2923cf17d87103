"""What `build` and `scenario` do and print, with a progress bar for what takes time."""

from collections.abc import Sequence
from functools import partial

import polars as pl
from rich.console import Console

from pipelines.app.outcome import Built
from pipelines.app.parallel import Work, Workers, share_work, worker_processes
from pipelines.app.steps import is_fresh, prepare, sources_of
from pipelines.app.summary import tell
from pipelines.core.export import as_csv, as_table, progress_bar
from pipelines.core.output_files import telling_of_yours, write_outputs
from pipelines.core.store import out_path, sole_builder
from pipelines.declarations.fingerprints import Keys, keys, rests_on
from pipelines.declarations.project import Project
from pipelines.gaps import (
    answer_is_fresh,
    answer_problem,
    answered_before,
    answered_now,
    last_recorded,
    ledger_is_fresh,
)
from pipelines.geography import neighbour_table, overlapping, parent_table, register_places
from pipelines.observations import all_findings, observe_source, observed_is_fresh
from pipelines.outputs import (
    INDEX,
    pages_are_fresh,
    publish_pages,
    publish_warehouse,
    report_is_fresh,
    report_problem,
    warehouse_is_fresh,
)
from pipelines.outputs import NAME as FILE

FEWEST = 6
"""Fewest names that this process shares with a second process that has not started yet: starting one takes longer.

With fewer sources, the second process reads none: it might have to import Great Expectations too.
"""


def build_and_tell(project: Project, problems: Sequence[str], console: Console) -> list[str]:
    """Build some problems, or all, say what came of it, and give what could not be used."""
    names = [project.catalogue.problem(name).name for name in problems] or sorted(project.catalogue.problems)
    with sole_builder(project.home):
        made = prepare(project)
        # Everything rests on the register of places: without one there is nothing to build.
        register_places(project)
    begun = {name for name in names if last_recorded(project.home, name)[0]}
    # The analyst's file and the pages are made of tables of one build: what was answered before is answered again.
    stale = answered_before(project, made)
    every = sorted({*names, *stale})
    fresh = is_fresh(project, made, every)
    fresh = fresh and all(ledger_is_fresh(project, name) and report_is_fresh(project, name) for name in names)
    faults: list[str] = []
    if fresh and warehouse_is_fresh(project) and pages_are_fresh(project):
        console.print("Nothing has changed since the last build.")
    else:
        with worker_processes() as workers, telling_of_yours(project.home, console):
            fewest = _made_ahead(project, made, every, console, workers)
            built = _materialised(project, every, console)
            faults = built.faults + _published(project, built, console, workers, fewest)
    tell(project, names, console, begun)
    return list(dict.fromkeys(faults + broken_sources(project, names)))


def _made_ahead(project: Project, made: Keys, names: Sequence[str], console: Console, workers: Workers) -> int:
    """Make the tables of sources and answers by two processes: Dagster then finds them, checks them and notes them.

    What fails here fails again there, and is told there. Return the fewest names worth sharing from now on: two once
    the second process runs.
    """
    home = project.home
    if overlapping(register_places(project).register):
        return FEWEST  # Dagster's check of the register says which, and stops what rests on it
    stale = [name for name in sources_of(project, names) if not observed_is_fresh(home, name, made)]
    with sole_builder(home):
        # Without new releases to read, the tables of places exist from the previous build.
        places_told = workers.pool.submit(_tell_of_places, project) if stale else None
        _share_with_progress(partial(observe_source, project), stale, "reading", console, workers, FEWEST)
        unanswered = [name for name in names if not answer_is_fresh(home, name, made)]
        fewest = 2 if stale else FEWEST
        _share_with_progress(partial(answer_problem, project), unanswered, "answering", console, workers, fewest)
        if places_told:
            places_told.exception()
    return 2 if stale or len(unanswered) >= FEWEST else FEWEST


def _tell_of_places(project: Project) -> None:
    """Make what is told of places whatever is read: the second process, while the first is still alone at work."""
    neighbour_table(project)
    parent_table(project)


def _materialised(project: Project, names: Sequence[str], console: Console) -> "Built":
    """Let Dagster make and check what the problems need; give what failed."""
    # Dagster is imported only when there is something to build.
    from pipelines.app.definitions import build, step_count

    with progress_bar(console) as bar:
        task = bar.add_task("checking", total=step_count(project, names))
        return build(project, names, lambda step: bar.update(task, advance=1, description=step.replace("__", " ")))


def _published(project: Project, built: "Built", console: Console, workers: Workers, fewest: int) -> list[str]:
    """Write the reports of the problems answered, the pages and the analyst's file; give what failed.

    Nothing is made from a table that breaks its own rules: what was published before stays.
    """
    current = answered_now(project, keys(project.catalogue, project.home, project.as_of))
    reports = [name for name in current if name in built.answered and not report_is_fresh(project, name)]
    # What takes longest stands last: this process begins there.
    shared = [INDEX, FILE] if built.sound else []
    with sole_builder(project.home):
        return _share_with_progress(partial(_output, project), [*reports, *shared], "writing", console, workers, fewest)


def _output(project: Project, name: str) -> object:
    """Write the report of a problem; or, by the name of its file, the overview with its pages or the analyst's file."""
    others = {INDEX: publish_pages, FILE: publish_warehouse}
    return others[name](project) if name in others else report_problem(project, name)


def _share_with_progress(
    work: Work, names: list[str], word: str, console: Console, workers: Workers, fewest: int
) -> list[str]:
    with progress_bar(console) as bar:
        task = bar.add_task(word, total=len(names))
        return share_work(
            workers, work, names, lambda name: bar.update(task, advance=1, description=f"{word} {name}"), fewest
        )


def broken_sources(project: Project, names: Sequence[str]) -> list[str]:
    """Say which files of the problems' sources could not be used."""
    sources = {source for name in names for source in project.catalogue.sources_of(project.catalogue.problems[name])}
    grave = all_findings(project).filter(
        pl.col("source").is_in(sorted(sources)), pl.col("check").is_in(["readable", "contract"])
    )
    return [f"{source}: {evidence}" for source, evidence in grave.select("source", "evidence").iter_rows()]


def rehearse_and_tell(project: Project, name: str, problems: Sequence[str], console: Console) -> None:
    """Answer problems on the councils of a scenario, say what is lost, and write cells and views as CSV."""
    from pipelines.gaps import lost_measures, rehearse
    from pipelines.geography import read_scenario

    scenario, path = read_scenario(project.catalogue.root, name)
    names = [project.catalogue.problem(each).name for each in problems] or sorted(project.catalogue.problems)
    with sole_builder(project.home):
        prepare(project)
        found = {each: rehearse(project, project.catalogue.problems[each], scenario, path) for each in names}
    cells = pl.concat([each.cells for each in found.values()])
    lost = lost_measures(cells, project.catalogue.measures)
    tables = {"cells": cells, "lost": lost, **{each: rehearsed.view for each, rehearsed in found.items()}}
    outs = {f"scenario_{path.stem}_{each}.csv": as_csv(table).encode("utf-8") for each, table in tables.items()}
    with telling_of_yours(project.home, console):
        write_outputs(project.home, f"scenario {path.stem}", rests_on(project.catalogue, names), outs.items())
    console.print(f"Scenario, not a fact: {scenario.title}, on {scenario.day} ({scenario.plan})", highlight=False)
    console.print(as_table(side_by_side(cells), console.width))
    if lost.is_empty():
        console.print("Everything that can be answered now could still be answered.")
    else:
        console.print("What stops being answerable that day, and what to ask for before:")
        for sentence in asking_for(lost):
            console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    for out in outs:
        console.print(f"wrote {out_path(project.home, out)}", soft_wrap=True, highlight=False, markup=False)


def asking_for(lost: pl.DataFrame) -> list[str]:
    """Say of each measure that would be lost what to ask for, and whom."""
    return [
        f"  {row['problem']}: {row['measure']} of {row['council']} ({row['reason']}). {row['holder']}: {row['remedy']}"
        + (f" That is {row['ask_for']}." if row["ask_for"] else "")
        for row in lost.rows(named=True)
    ]


def side_by_side(cells: pl.DataFrame) -> pl.DataFrame:
    """Count for each problem, measure and new council what is known now of its districts, and then of itself."""
    counted = cells.group_by("problem", "measure", "council").agg(
        (pl.col("side") == "now").sum().alias("cells now"),
        ((pl.col("side") == "now") & pl.col("value").is_not_null()).sum().alias("known now"),
        (pl.col("side") == "then").sum().alias("cells then"),
        ((pl.col("side") == "then") & pl.col("value").is_not_null()).sum().alias("known then"),
    )
    return counted.sort("problem", "measure", "council")
