"""The tables of the analyst's file, read from the store and published."""

from pathlib import Path

import polars as pl

from checks import DOUBT
from pipelines.apportionment import LOSS
from pipelines.core.schema import CELL, OBSERVATION, Column, empty
from pipelines.core.store import out_path, read_table, state_path, table_key, write_table
from pipelines.declarations.catalogue import VERDICT_COLUMNS, Problem
from pipelines.declarations.fingerprints import Keys, code_key, hashed, keys
from pipelines.declarations.project import Project
from pipelines.gaps import (
    BOUNDARY_CLIFF,
    BUILD,
    GAP_LEDGER,
    OF_PERIOD,
    VERDICT,
    all_returns,
    answered_now,
    gaps_of,
    ledger_of,
    ledger_path,
    rank_places,
)
from pipelines.geography import (
    gazetteer,
    list_border_practices,
    neighbour_table,
    parent_table,
    postcode_tables,
    register_places,
)
from pipelines.observations import (
    TOTAL,
    all_disagreements,
    all_reconciliations,
    all_revisions,
    observed_is_fresh,
    observed_now,
    reporting,
)
from pipelines.outputs.load import findings_of_all, releases
from pipelines.outputs.publish import reviewed_folder
from pipelines.outputs.warehouse import measures_table, newest, sources_table, write_warehouse


def publish_warehouse(project: Project) -> Path:
    """Build commonground.duckdb from the state of every problem and source, and put it in its place."""
    if not warehouse_is_fresh(project):
        path = write_tables(project)
        done = state_path(project.home, "warehouse", "commonground")
        write_table(done, pl.DataFrame({"file": [path.name]}), warehouse_key(project))
    return newest(out_path(project.home, ""))


def warehouse_is_fresh(project: Project) -> bool:
    """Tell whether the analyst's file is there and made from what is there."""
    made = table_key(state_path(project.home, "warehouse", "commonground"))
    return made == warehouse_key(project) and newest(out_path(project.home, "")).is_file()


def warehouse_key(project: Project) -> str:
    """Give the key that the analyst's file should have now."""
    catalogue, home = project.catalogue, project.home
    current = keys(catalogue, home, project.as_of)
    names = answered_now(project, current)
    read = [name for name in sorted(catalogue.observing()) if observed_is_fresh(home, name, current)]
    made = [f"{name} {current.answer[name]}" for name in names] + [f"{n} {current.observation[n]}" for n in read]
    noted = [f"{name} {table_key(ledger_path(home, name))}" for name in names]
    reviewed = [path.read_text(encoding="utf-8") for path in sorted(reviewed_folder(project).glob("*.yaml"))]
    said = (f"{name} {key}" for name, key in sorted(catalogue.said.items()))
    return hashed(code_key("outputs"), current.boundaries, *made, *noted, *said, *reviewed)


def write_tables(project: Project) -> Path:
    catalogue, home = project.catalogue, project.home
    made = keys(catalogue, home, project.as_of)
    answered = answered_now(project, made)
    cells = [read_table(state_path(home, "cell", name)) for name in answered]
    judged = [read_table(state_path(home, "verdict", name)) for name in answered]
    places = register_places(project)
    revised = all_revisions(project, made)
    every, returned, disagreed = pl.concat([empty(CELL), *cells]), all_returns(project), all_disagreements(project)
    tables = {
        "gap_ledger": pl.concat([empty(GAP_LEDGER), *(gaps_of(project, name) for name in answered)]),
        "builds": pl.concat([empty(BUILD), *(ledger_of(project, name).builds for name in answered)]),
        "verdicts": pl.concat([empty(VERDICT), *judged]),
        "crosswalk_losses": pl.concat([empty(LOSS), *(read_table(state_path(home, "loss", n)) for n in answered)]),
        "cells": every,
        "ranks": rank_places(every, catalogue.measures),
        "places": gazetteer(places.register),
        "parents": parent_table(project),
        "changes": places.changes,
        "neighbours": neighbour_table(project),
        "border_practices": list_border_practices(places, postcode_tables(project)),
        "boundary_cliffs": pl.concat(
            [empty(BOUNDARY_CLIFF), *(read_table(state_path(home, "discontinuity", n)) for n in answered)]
        ),
        "measures": measures_table(catalogue),
        "sources": sources_table(catalogue),
        "releases": releases(project, made, sorted(catalogue.observing())),
        "observations": _stacked(project, "observation", OBSERVATION, made),
        "totals": _stacked(project, "total", TOTAL, made),
        "reconciliation": all_reconciliations(project),
        "returns": returned,
        "reporting": reporting(returned),
        "revisions": revised[0],
        "revision_summary": revised[1],
        "doubts": pl.concat([_stacked(project, "doubt", DOUBT, made), disagreed]),
        "findings": findings_of_all(project, made, disagreed),
    }
    views = {name: read_table(state_path(home, "view", name)) for name in answered}
    meaning = {name: view_meaning(catalogue.problems[name], project, list(views[name].columns)) for name in answered}
    read = [name for name in catalogue.observing() if state_path(home, "observation", name).is_file()]
    return write_warehouse(home, read, tables, views, meaning)


def _stacked(project: Project, kind: str, columns: dict[str, Column], made: Keys) -> pl.DataFrame:
    """Stack the tables of one kind of every source, of this build, with some columns."""
    tables = observed_now(project, kind, made)
    return pl.concat([empty(columns), *(table.select(list(columns)) for table in tables)])


def view_meaning(problem: Problem, project: Project, columns: list[str]) -> tuple[str, dict[str, str]]:
    """Say what a problem's view answers, and what each of its columns is."""
    return problem.header.question, {column: _meaning(problem, project, column) for column in columns}


def _meaning(problem: Problem, project: Project, column: str) -> str:
    measures, inputs = project.catalogue.measures, problem.select.inputs
    if column in VERDICT_COLUMNS:
        return VERDICT[column].meaning
    plain = column.removesuffix("_status")
    if column not in inputs and plain in inputs:
        return f"Why {plain} is missing, or the worst status behind it"
    plain = column.removesuffix(OF_PERIOD)
    if column not in inputs and plain in inputs:
        return f"Of what period {plain} is, or the figures that it is computed from are"
    rest = inputs.get(column, ())
    if rest == (column,):
        return f"{measures[column].title}, in {measures[column].unit}"
    if rest:
        return "Computed from " + " and ".join(measures[name].title for name in rest)
    return column.replace("_", " ").capitalize()
