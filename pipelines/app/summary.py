"""What a build prints: places answered, gaps by reason, what changed, where the outputs are."""

from collections.abc import Collection, Sequence

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipelines.core.store import out_path, read_table, state_path
from pipelines.declarations.acceptances import run_out_or_in_vain, with_acceptance
from pipelines.declarations.project import Project
from pipelines.gaps import SAID, by_place, last_recorded, ledger_of, since
from pipelines.outputs import INDEX, newest, report_files


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
