"""Tables of the analyst's file: read from the store and published."""

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import polars as pl

from checks import PLAUSIBILITY_FLAG
from pipelines.apportionment import RESIDUAL
from pipelines.core.reasons import reasons_frame
from pipelines.core.schema import CELL_COLUMNS, Column, empty_table
from pipelines.core.store import output_path, read_table, state_path, table_key, write_table
from pipelines.declarations.fingerprints import TableKeys, compute_table_keys
from pipelines.declarations.project import Project
from pipelines.gaps import (
    BOUNDARY_DISCONTINUITY,
    BUILD,
    GAP_LEDGER,
    RANK,
    VERDICT,
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
    REVISION,
    REVISION_SUMMARY,
    TOTAL,
    all_disagreement_flags,
    all_reconciliations,
    current_tables,
    has_observations,
    load_revisions,
    summarise_completeness,
)
from pipelines.outputs.boundary_files import boundary_table
from pipelines.outputs.declared_tables import measures_table, partnerships_table, problems_table
from pipelines.outputs.freshness import (
    ANSWER_KINDS,
    partnership_view,
    warehouse_is_fresh,
    warehouse_key,
    warehouse_keys,
    warehouse_record_path,
)
from pipelines.outputs.load import list_releases, stack_findings
from pipelines.outputs.source_status import sources_table
from pipelines.outputs.superseded import keep_history, list_observed_sources, read_batches
from pipelines.outputs.view_columns import view_meaning
from pipelines.outputs.warehouse import (
    OBSERVATIONS,
    FileContent,
    ReadTable,
    TableParts,
    statuses_table,
    write_warehouse,
)
from pipelines.outputs.warehouse_path import newest_warehouse


def publish_warehouse(project: Project) -> Path:
    """Build commonground.duckdb from the stored tables of every problem and source, unless it is up to date."""
    if not warehouse_is_fresh(project):
        record = write_tables(project)
        write_table(warehouse_record_path(project), record, warehouse_key(project))
    return newest_warehouse(output_path(project.home, ""))


def write_tables(project: Project) -> pl.DataFrame:
    """Write the parts of the analyst's file that have changed since the last build. Return its record (FILE_RECORD)."""
    catalogue, home = project.catalogue, project.home
    current_keys = compute_table_keys(catalogue, home, project.as_of)
    problems = list_current_problems(project, current_keys)
    observed = list_observed_sources(project, current_keys)
    has_history = keep_history(project, observed)
    sources_read = [name for name in catalogue.observation_sources() if has_observations(home, name)]
    done = warehouse_record_path(project)
    content = FileContent(
        {name: f"{key} {has_history}" for name, key in warehouse_keys(project).items()},
        {**_read_by_table(project, current_keys, problems), **_read_views(project, problems)},
        {table: _view_meaning(project, name) for name in problems for table in _view_tables(project, name)},
        {f"{OBSERVATIONS}{name}": partial(read_batches, project, name, has_history) for name in observed},
    )
    return write_warehouse(home, sources_read, content, read_table(done) if table_key(done) else pl.DataFrame())


def _read_by_table(project: Project, current_keys: TableKeys, problems: list[str]) -> dict[str, ReadTable]:
    """Return the work that reads each table of the file, by its name."""
    catalogue, home = project.catalogue, project.home
    columns = {
        "cells": CELL_COLUMNS,
        "verdicts": VERDICT,
        "unallocated_residuals": RESIDUAL,
        "boundary_discontinuities": BOUNDARY_DISCONTINUITY,
        "partnership_cells": CELL_COLUMNS,
    }

    def stack_answers(table: str) -> TableParts:
        return TableParts(columns[table], [state_path(home, ANSWER_KINDS[table], name) for name in problems])

    def read_revisions(number: int) -> TableParts:
        names = list_observed_sources(project, current_keys)
        kind = (REVISION, REVISION_SUMMARY)[number]
        return TableParts(kind, (load_revisions(project, name)[number] for name in names))

    return {
        **{table: partial(stack_answers, table) for table in ANSWER_KINDS},
        **_read_by_source(project, current_keys),
        "gap_ledger": lambda: pl.concat([empty_table(GAP_LEDGER), *(load_gaps(project, name) for name in problems)]),
        "builds": lambda: pl.concat([empty_table(BUILD), *(load_ledger(project, name).builds for name in problems)]),
        "ranks": lambda: TableParts(RANK, _rank_problems(project, problems)),
        "places": lambda: build_gazetteer(load_places(project).register),
        "area_hierarchy": lambda: load_area_hierarchy(project),
        "code_changes": lambda: load_places(project).changes,
        "neighbours": lambda: load_neighbour_table(project),
        "border_practices": lambda: list_border_practices(load_places(project), load_postcode_tables(project)),
        "boundaries": lambda: boundary_table(project),
        "problems": lambda: problems_table(catalogue),
        "partnerships": lambda: partnerships_table(catalogue.partnerships),
        "measures": lambda: measures_table(catalogue),
        "sources": lambda: sources_table(project),
        "reasons": reasons_frame,
        "obs_status": statuses_table,
        "revisions": lambda: read_revisions(0),
        "revision_summary": lambda: read_revisions(1),
    }


def _read_by_source(project: Project, current_keys: TableKeys) -> dict[str, ReadTable]:
    """Return the work that reads each table which stacks tables of the sources."""
    disagreements, returns = cache(partial(all_disagreement_flags, project)), cache(partial(stack_returns, project))

    def stack_flags() -> pl.DataFrame:
        return pl.concat([_stack_tables(project, "doubt", PLAUSIBILITY_FLAG, current_keys), disagreements()])

    return {
        "releases": lambda: list_releases(project, current_keys, sorted(project.catalogue.observation_sources())),
        "published_totals": lambda: _stack_tables(project, "total", TOTAL, current_keys),
        "reconciliation": lambda: all_reconciliations(project),
        "provider_returns": returns,
        "completeness": lambda: summarise_completeness(returns()),
        "plausibility_flags": stack_flags,
        "findings": lambda: stack_findings(project, current_keys, disagreements()),
    }


def _read_views(project: Project, problems: list[str]) -> dict[str, ReadTable]:
    """Return the work that reads the view of each problem."""
    return {
        table: partial(read_table, state_path(project.home, kind, name))
        for name in problems
        for table, kind in zip(_view_tables(project, name), ("view", "partnership_view"), strict=False)
    }


def _view_tables(project: Project, name: str) -> list[str]:
    """Return the tables of a problem's view: of its places, and of its partnerships where it has some."""
    has_groups = bool(project.catalogue.problems[name].header.groups)
    return [f"problem.{name}", *([partnership_view(name)] if has_groups else [])]


def _view_meaning(project: Project, name: str) -> tuple[str, dict[str, str]]:
    columns = list(pl.read_parquet_schema(state_path(project.home, "view", name)))
    return view_meaning(project.catalogue.problems[name], project, columns)


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
