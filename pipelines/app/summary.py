"""Summary of a build, before it is printed: answers by place, gaps by reason, changes and output files."""

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from pipelines.app.printed_summary import Summary
from pipelines.app.store_access import describe_output
from pipelines.core.store import (
    hash_file,
    load_or_build_tables,
    lock_store,
    output_path,
    read_table,
    state_path,
    table_version,
)
from pipelines.declarations.acceptances import add_acceptances, list_obsolete_acceptances
from pipelines.declarations.fingerprints import hash_texts, program_key, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps import (
    VERDICT_WORDS,
    describe_last_build,
    is_open,
    load_ledger,
    open_reason,
    read_last_build,
    summarise_by_place,
)
from pipelines.outputs import INDEX, newest_warehouse, report_files

SUMMARY_TABLES = ("answer_count", "reason_count")
"""Kinds of the stored tables of counts."""
ANSWER_COUNT = pl.Schema({
    "problem": pl.String, "places": pl.Int64, **dict.fromkeys(VERDICT_WORDS, pl.Int64), "cells": pl.Int64,
    "known": pl.Int64,
})  # fmt: skip
"""A problem: its places, those of each verdict, its cells, and those with a value."""
REASON_COUNT = pl.Schema({"reason": pl.String, "cells": pl.UInt32, "places": pl.UInt32, "measures": pl.String})
"""A reason: its gaps, their places, and the measures as a text."""


def collect_summary(project: Project, names: Sequence[str], begun: Collection[str]) -> Summary:
    """Return the answers by verdict, the gaps by reason, the changes and the output files of a build.

    `begun` has the names of problems with an earlier build in the ledger.
    """
    built_names = [name for name in names if state_path(project.home, "cell", name).is_file()]
    answers, reasons = _load_counts(project, built_names)
    return Summary(answers.rows(), reasons.rows(), _change_lines(project, built_names, begun),
                   _output_lines(project, built_names))  # fmt: skip


def _output_lines(project: Project, built_names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the headings of the outputs, each with where it is."""
    reports = [report_files(project, name)[0] for name in built_names]
    report_text = (
        describe_output(project.home, reports[0]) if len(reports) == 1 else f"{len(reports)} reports in the same folder"
    )
    out = output_path(project.home, "")
    return [
        ("Index", describe_output(project.home, out / INDEX)),
        ("Reports", report_text),
        ("SQL", describe_output(project.home, newest_warehouse(out))),
    ]


def _load_counts(project: Project, names: Sequence[str]) -> list[pl.DataFrame]:
    """Return the counts of problems by answer (ANSWER_COUNT) and by reason (REASON_COUNT).

    They are stored, so that a build with nothing to do reads no cells.
    """
    home = project.home
    versions = (table_version(state_path(home, kind, name)) or "" for name in names for kind in ("cell", "verdict"))
    key = hash_texts(program_key("gaps"), hash_file(Path(__file__)), *names, *versions)
    sources = public_input_sources(project.catalogue, names)
    with lock_store(home):
        return load_or_build_tables(
            home, SUMMARY_TABLES, "commonground", key, lambda: count_answers(home, names), sources
        )


def count_answers(home: Path, names: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Count the places by verdict and the available cells of each problem, and the gaps of all by reason."""
    columns = ["measure", "place_code", "need", "value", "reason", "other_reasons", "proxy_measure"]
    cells = [read_table(state_path(home, "cell", name), columns) for name in names]
    rows = [
        (name, frame["place_code"].n_unique(), *(counts.get(verdict, 0) for verdict in VERDICT_WORDS),
         frame.height, frame["value"].count())
        for name, frame in zip(names, cells, strict=True) for counts in [places_by_verdict(home, name)]
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=ANSWER_COUNT, orient="row"), count_by_reason(cells)


def _change_lines(project: Project, names: list[str], begun: Collection[str]) -> list[str]:
    """Return the changes since the last build for each problem. One line covers all first builds.

    A build as of a day before the last recorded build is reported as not recorded.
    """
    first = {
        name: ledger.builds["open"][0]
        for name in names
        if name not in begun and (ledger := load_ledger(project, name)).builds.height == 1
    }
    gaps = f"{sum(first.values()):,} gaps recorded"
    summary_lines = [f"Ledger   first build of {len(first)} problems; {gaps}"] if first else []
    last = {name: read_last_build(project.home, name)[1] for name in names}
    past = [day for day in last.values() if day > project.as_of]
    if past:
        summary_lines.append(
            f"Ledger   not recorded for {len(past)} problems: a build as of {max(past)} is already recorded"
        )
    lines = [(name, line) for name in names for line in describe_ledger(project, name)[name in first :]]
    return summary_lines + [f"Ledger   {name}: {line}" for name, line in lines]


def places_by_verdict(home: Path, name: str) -> dict[str, int]:
    """Count the places of a problem by verdict."""
    verdicts = summarise_by_place(read_table(state_path(home, "verdict", name)))
    return dict(verdicts["verdict"].value_counts().iter_rows())


def describe_ledger(project: Project, name: str) -> list[str]:
    """Return the changes since the last build, and acceptances that have expired or match no gap."""
    ledger, acceptances = load_ledger(project, name), project.catalogue.acceptances.get(name, ())
    last = ledger.builds.tail(1).filter(pl.col("last_day") > pl.col("day")).select("day", "open")
    unchanged = [f"unchanged since the build of {day}; {count:,} open" for day, count in last.iter_rows()]
    line = (unchanged or [describe_last_build(ledger)])[0]
    if not acceptances:
        return [line]
    still = ledger.spells.filter(pl.col("closed").is_null())
    holding = add_acceptances(still, acceptances, project.as_of)["is_accepted"].sum()
    line += f", {holding:,} of them accepted" if holding else ""
    return [line, *list_obsolete_acceptances(still, acceptances, project.as_of)]


def count_by_reason(cells: list[pl.DataFrame]) -> pl.DataFrame:
    """Count gaps by reason: reason, cells, places, measures."""
    if not cells:
        return REASON_COUNT.to_frame()
    gaps = pl.concat(cells).filter(is_open()).with_columns(open_reason().alias("reason"))
    counted = gaps.group_by("reason").agg(
        pl.len().alias("cells"), pl.col("place_code").n_unique().alias("places"),
        pl.col("measure").unique().sort().str.join(", ").alias("measures"),
    )  # fmt: skip
    return counted.sort("cells", "reason", descending=[True, False])
