"""Tables of the analyst's file: read from the store and published."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from checks import PLAUSIBILITY_FLAG
from pipelines.apportionment import RESIDUAL
from pipelines.core.attempts import last_attempts
from pipelines.core.schema import CELL_COLUMNS, Column, empty_table
from pipelines.core.store import output_path, read_log, read_table, state_path, table_key, write_table
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import TableKeys, compute_table_keys, hash_texts, program_key
from pipelines.declarations.problem_file import VERDICT_COLUMNS
from pipelines.declarations.project import Project
from pipelines.gaps import (
    BOUNDARY_DISCONTINUITY,
    BUILD,
    GAP_LEDGER,
    PERIOD_SUFFIX,
    RANK,
    VERDICT,
    current_answer_key,
    ledger_path,
    list_current_problems,
    load_gaps,
    load_ledger,
    rank_places,
    stack_returns,
)
from pipelines.geography import (
    build_gazetteer,
    list_border_practices,
    load_area_hierarchy,
    load_neighbour_table,
    load_places,
    load_postcode_tables,
)
from pipelines.observations import (
    TOTAL,
    all_disagreement_flags,
    all_reconciliations,
    all_revisions,
    current_tables,
    has_current_tables,
    has_observations,
    summarise_completeness,
)
from pipelines.outputs.declared_tables import measures_table, problems_table
from pipelines.outputs.load import list_releases, stack_findings
from pipelines.outputs.publish import acceptances_in_force, problems_folder
from pipelines.outputs.source_status import sources_table
from pipelines.outputs.superseded import collect_observations
from pipelines.outputs.warehouse import TableParts, write_warehouse
from pipelines.outputs.warehouse_path import newest_warehouse


def publish_warehouse(project: Project) -> Path:
    """Build commonground.duckdb from the stored tables of every problem and source, unless it is up to date."""
    if not warehouse_is_fresh(project):
        path = write_tables(project)
        done = state_path(project.home, "warehouse", "commonground")
        write_table(done, pl.DataFrame({"file": [path.name]}), warehouse_key(project))
    return newest_warehouse(output_path(project.home, ""))


def warehouse_is_fresh(project: Project) -> bool:
    """Return whether the analyst's file exists and matches the tables in the store."""
    built_key = table_key(state_path(project.home, "warehouse", "commonground"))
    return built_key == warehouse_key(project) and newest_warehouse(output_path(project.home, "")).is_file()


def warehouse_key(project: Project) -> str:
    """Return the key of an up-to-date analyst's file."""
    catalogue, home = project.catalogue, project.home
    current = compute_table_keys(catalogue, home, project.as_of)
    names = list_current_problems(project, current)
    sources_read = [name for name in sorted(catalogue.observation_sources()) if has_current_tables(home, name, current)]
    table_keys = [f"{name} {current_answer_key(home, name, current)}" for name in names] + [
        f"{n} {current.observation[n]}" for n in sources_read
    ]
    ledger_keys = [f"{name} {table_key(ledger_path(home, name))}" for name in names]
    reviewed_texts = [path.read_text(encoding="utf-8") for path in sorted(problems_folder(project).glob("*.yaml"))]
    attempts = [f"{name} {attempt.at} {attempt.outcome}" for name, attempt in last_attempts(read_log(home)).items()]
    shared_keys = (f"{name} {key}" for name, key in sorted(catalogue.declaration_hashes.items()))
    return hash_texts(
        program_key("outputs"), current.boundaries, *table_keys, *ledger_keys, *shared_keys, *reviewed_texts, *attempts,
        *(day for name in names for day in acceptances_in_force(project, name)),
    )  # fmt: skip


def write_tables(project: Project) -> Path:
    """Read all tables of this build and write them to the analyst's file. Return its path."""
    catalogue, home = project.catalogue, project.home
    current_keys = compute_table_keys(catalogue, home, project.as_of)
    problems = list_current_problems(project, current_keys)
    places = load_places(project)
    revisions = all_revisions(project, current_keys)
    returns, disagreements = stack_returns(project), all_disagreement_flags(project)

    def answers(kind: str, columns: dict[str, Column]) -> TableParts:
        return TableParts(columns, [state_path(home, kind, name) for name in problems])

    tables: dict[str, pl.DataFrame | TableParts] = {
        "gap_ledger": pl.concat([empty_table(GAP_LEDGER), *(load_gaps(project, name) for name in problems)]),
        "builds": pl.concat([empty_table(BUILD), *(load_ledger(project, name).builds for name in problems)]),
        "verdicts": answers("verdict", VERDICT),
        "unallocated_residuals": answers("loss", RESIDUAL),
        "cells": answers("cell", CELL_COLUMNS),
        "ranks": TableParts(RANK, _rank_problems(project, problems)),
        "places": build_gazetteer(places.register),
        "area_hierarchy": load_area_hierarchy(project),
        "code_changes": places.changes,
        "neighbours": load_neighbour_table(project),
        "border_practices": list_border_practices(places, load_postcode_tables(project)),
        "boundary_discontinuities": answers("discontinuity", BOUNDARY_DISCONTINUITY),
        "problems": problems_table(catalogue),
        "measures": measures_table(catalogue),
        "sources": sources_table(project),
        "releases": list_releases(project, current_keys, sorted(catalogue.observation_sources())),
        "published_totals": _stack_tables(project, "total", TOTAL, current_keys),
        "reconciliation": all_reconciliations(project),
        "provider_returns": returns,
        "completeness": summarise_completeness(returns),
        "revisions": revisions[0],
        "revision_summary": revisions[1],
        "plausibility_flags": pl.concat(
            [_stack_tables(project, "doubt", PLAUSIBILITY_FLAG, current_keys), disagreements]
        ),
        "findings": stack_findings(project, current_keys, disagreements),
    }
    views = {name: read_table(state_path(home, "view", name)) for name in problems}
    meaning = {name: view_meaning(catalogue.problems[name], project, list(views[name].columns)) for name in problems}
    sources_read = [name for name in catalogue.observation_sources() if has_observations(home, name)]
    observations = collect_observations(project, current_keys)
    return write_warehouse(home, sources_read, tables, views, meaning, observations)


def _rank_problems(project: Project, problems: list[str]) -> Iterator[pl.DataFrame]:
    """Yield the ranks of each problem, from the columns that they need."""
    columns = [name for name in RANK if name in CELL_COLUMNS]
    for name in problems:
        cells = pl.read_parquet(state_path(project.home, "cell", name), columns=columns)
        yield rank_places(cells, project.catalogue.measures)


def _stack_tables(project: Project, kind: str, columns: dict[str, Column], current_keys: TableKeys) -> pl.DataFrame:
    """Combine the tables of one kind from every source of this build, with the given columns."""
    tables = current_tables(project, kind, current_keys)
    return pl.concat([empty_table(columns), *(table.select(list(columns)) for table in tables)])


def view_meaning(problem: Problem, project: Project, columns: list[str]) -> tuple[str, dict[str, str]]:
    """Return the question of a problem's view and the meaning of each column."""
    return problem.header.question, {column: _column_meaning(problem, project, column) for column in columns}


def _column_meaning(problem: Problem, project: Project, column: str) -> str:
    measures, inputs = project.catalogue.measures, problem.select.inputs
    if column in VERDICT_COLUMNS:
        return VERDICT[column].meaning
    plain = column.removesuffix("_status")
    if column not in inputs and plain in inputs:
        return f"Gap reason of {plain}, or the worst observation status of its inputs"
    plain = column.removesuffix(PERIOD_SUFFIX)
    if column not in inputs and plain in inputs:
        return f"Reference period of {plain}, or of its inputs"
    rest = inputs.get(column, ())
    if rest == (column,):
        return f"{measures[column].title}, in {measures[column].unit}"
    if rest:
        return "Computed from " + " and ".join(measures[name].title for name in rest)
    return column.replace("_", " ").capitalize()
