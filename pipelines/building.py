"""What `build` and `rehearse` do and say, with a progress bar for what takes time."""

from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipelines.accepted import run_out_or_in_vain, with_acceptance
from pipelines.answering import answer_problem
from pipelines.beside import Work, by_two, second_process
from pipelines.bordering import neighbour_table
from pipelines.keys import Keys, keys, rests_on
from pipelines.ledger import since
from pipelines.ledger_store import last_recorded, ledger_is_fresh, ledger_of
from pipelines.outputs import telling_of_yours, write_outputs
from pipelines.pages import INDEX, pages_are_fresh, publish_pages
from pipelines.parents import parent_table
from pipelines.places import overlapping
from pipelines.printing import as_csv, as_table, progress_bar
from pipelines.publishing import publish_warehouse, report_files, report_is_fresh, report_problem, warehouse_is_fresh
from pipelines.steps import (
    Project,
    all_findings,
    answer_is_fresh,
    answered_before,
    answered_now,
    is_fresh,
    observe_source,
    observed_is_fresh,
    prepare,
    register_places,
    sources_of,
)
from pipelines.store import out_path, read_table, sole_builder, state_path
from pipelines.verdicts import SAID, by_place
from pipelines.warehouse import NAME as FILE
from pipelines.warehouse import newest

if TYPE_CHECKING:
    from pipelines.run import Built


FEWEST_READ = 6
"""Of fewer sources the second process reads none: it would have to import Great Expectations first, as this one."""


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
        with second_process() as beside, telling_of_yours(project.home, console):
            _made_ahead(project, made, every, console, beside)
            built = _materialised(project, every, console)
            faults = built.faults + _published(project, built, console, beside)
    tell(project, names, console, begun)
    return list(dict.fromkeys(faults + broken_sources(project, names)))


def _made_ahead(
    project: Project, made: Keys, names: Sequence[str], console: Console, beside: ProcessPoolExecutor
) -> None:
    """Make the tables of sources and answers by two processes: Dagster then finds them, checks them and notes them.

    What fails here fails again there, and is told there.
    """
    home = project.home
    if overlapping(register_places(project).register):
        return  # Dagster's check of the register says which, and stops what rests on it
    stale = [name for name in sources_of(project, names) if not observed_is_fresh(home, name, made)]
    with sole_builder(home):
        places_told = beside.submit(_tell_of_places, project)
        _by_two(partial(observe_source, project), stale, "reading", console, beside, FEWEST_READ)
        unanswered = [name for name in names if not answer_is_fresh(home, name, made)]
        _by_two(partial(answer_problem, project), unanswered, "answering", console, beside)
        places_told.exception()


def _tell_of_places(project: Project) -> None:
    """Make what is told of places whatever is read: the second process, while the first is still alone at work."""
    neighbour_table(project)
    parent_table(project)


def _materialised(project: Project, names: Sequence[str], console: Console) -> "Built":
    """Let Dagster make and check what the problems need; give what failed."""
    # Dagster is imported only when there is something to build.
    from pipelines.run import build, step_count

    with progress_bar(console) as bar:
        task = bar.add_task("checking", total=step_count(project, names))
        return build(project, names, lambda step: bar.update(task, advance=1, description=step.replace("__", " ")))


def _published(project: Project, built: "Built", console: Console, beside: ProcessPoolExecutor) -> list[str]:
    """Write the reports of the problems answered, the pages and the analyst's file; give what failed.

    Nothing is made from a table that breaks its own rules: what was published before stays.
    """
    current = answered_now(project, keys(project.catalogue, project.home, project.as_of))
    reports = [name for name in current if name in built.answered and not report_is_fresh(project, name)]
    # What takes longest stands last: this process begins there.
    shared = [INDEX, FILE] if built.sound else []
    with sole_builder(project.home):
        return _by_two(partial(_output, project), [*reports, *shared], "writing", console, beside)


def _output(project: Project, name: str) -> object:
    """Write the report of a problem; or, by the name of its file, the overview with its pages or the analyst's file."""
    others = {INDEX: publish_pages, FILE: publish_warehouse}
    return others[name](project) if name in others else report_problem(project, name)


def _by_two(
    work: Work, names: list[str], word: str, console: Console, beside: ProcessPoolExecutor, fewest: int = 2
) -> list[str]:
    with progress_bar(console) as bar:
        task = bar.add_task(word, total=len(names))
        return by_two(
            beside, work, names, lambda name: bar.update(task, advance=1, description=f"{word} {name}"), fewest
        )


def broken_sources(project: Project, names: Sequence[str]) -> list[str]:
    """Say which files of the problems' sources could not be used."""
    sources = {source for name in names for source in project.catalogue.sources_of(project.catalogue.problems[name])}
    grave = all_findings(project).filter(
        pl.col("source").is_in(sorted(sources)), pl.col("check").is_in(["readable", "contract"])
    )
    return [f"{source}: {evidence}" for source, evidence in grave.select("source", "evidence").iter_rows()]


def tell(project: Project, names: Sequence[str], console: Console, begun: Collection[str]) -> None:
    """Print shortly what can be answered, what is missing and why, what has changed, and where the outputs are.

    Takes the names of the problems that the ledger had a build of before this one.
    """
    made = [name for name in names if state_path(project.home, "cell", name).is_file()]
    cells = [read_table(state_path(project.home, "cell", name)) for name in made]
    console.print(_answered(project, dict(zip(made, cells, strict=True))), _reasons(cells), sep="\n")
    for line in _since(project, made, begun):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    reports = [report_files(project, name)[0] for name in made]
    shown = str(reports[0]) if len(reports) == 1 else f"{len(reports)} problems, each <problem>.html beside it"
    console.print(f"Start    {out_path(project.home, INDEX)}", soft_wrap=True, highlight=False)
    console.print(f"Reports  {shown}", soft_wrap=True, highlight=False)
    console.print(f"SQL      {newest(out_path(project.home, ''))}", soft_wrap=True, highlight=False)


def _answered(project: Project, cells: dict[str, pl.DataFrame]) -> Table:
    """Lay out what each problem comes to: its places by verdict, and the cells known. It fits into 80 columns."""
    table = Table("problem", title="Places answered", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in ("places", "yes", "with caveats", "no", "cells", "known"):
        table.add_column(head, justify="right", no_wrap=True)
    for name, frame in cells.items():
        counts = verdict_counts(project, name)
        places, share = frame["place_code"].n_unique(), frame["value"].count() / max(frame.height, 1)
        table.add_row(
            name, *(f"{n:,}" for n in (places, *(counts.get(said, 0) for said in SAID), frame.height)), f"{share:.0%}"
        )
    return table


MOST_NAMED = 3
"""Measures that are named for one reason; the others are counted."""


def _reasons(cells: list[pl.DataFrame]) -> Table:
    table = Table("reason", title="Gaps by reason", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in ("cells", "places"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("measures")
    for reason, counted, places, measures in by_reason(cells).iter_rows():
        named = measures.split(", ")
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        table.add_row(reason, f"{counted:,}", f"{places:,}", ", ".join(named[:MOST_NAMED]) + more)
    return table


def _since(project: Project, names: list[str], begun: Collection[str]) -> list[str]:
    """Say what has changed since the last build, problem by problem; first builds are told in one line.

    Of a build as of a day before the last one recorded it says that it is not recorded.
    """
    first = {
        name: held.builds["open"][0]
        for name in names
        if name not in begun and (held := ledger_of(project, name)).builds.height == 1
    }
    gaps = f"{sum(first.values()):,} gaps recorded"
    told = [f"Ledger   first build of {len(first)} problems, {gaps}"] if first else []
    last = {name: last_recorded(project.home, name)[1] for name in names}
    past = [day for day in last.values() if day > project.as_of]
    if past:
        told.append(f"Ledger   not recorded for {len(past)} problems: a build as of {max(past)} is recorded already")
    lines = [(name, line) for name in names for line in ledger_lines(project, name)[name in first :]]
    return told + [f"Ledger   {name}: {line}" for name, line in lines]


def verdict_counts(project: Project, name: str) -> dict[str, int]:
    """Count a problem's places by verdict."""
    judged = by_place(read_table(state_path(project.home, "verdict", name)))
    return dict(judged["verdict"].value_counts().iter_rows())


def ledger_lines(project: Project, name: str) -> list[str]:
    """Say what has changed since the last build, and which acceptances have run out or are of no gap."""
    held, accepted = ledger_of(project, name), project.catalogue.accepted.get(name, ())
    still = held.spells.filter(pl.col("closed").is_null())
    holding = with_acceptance(still, accepted, project.as_of)["is_accepted"].sum()
    line = since(held) + (f", {holding:,} of them accepted" if holding else "")
    return [line, *run_out_or_in_vain(still, accepted, project.as_of)]


def by_reason(cells: list[pl.DataFrame]) -> pl.DataFrame:
    """Count gaps by reason: reason, cells, places, measures."""
    if not cells:
        return pl.DataFrame(schema={"reason": pl.String, "cells": pl.Int64, "places": pl.Int64, "measures": pl.String})
    gaps = pl.concat(cells).filter(pl.col("reason").is_not_null())
    counted = gaps.group_by("reason").agg(
        pl.len().alias("cells"), pl.col("place_code").n_unique().alias("places"),
        pl.col("measure").unique().sort().str.join(", ").alias("measures"),
    )  # fmt: skip
    return counted.sort("cells", "reason", descending=[True, False])


def rehearse_and_tell(project: Project, name: str, problems: Sequence[str], console: Console) -> None:
    """Answer problems on the councils of a scenario, say what is lost, and write cells and views as CSV."""
    from pipelines.planned import read_scenario
    from pipelines.scenario import lost_measures, rehearse

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
