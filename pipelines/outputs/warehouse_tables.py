"""Tables of the analyst's file: read from the store and published."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import polars as pl

from checks import PLAUSIBILITY_FLAG
from pipelines.apportionment import RESIDUAL
from pipelines.core.ordering import filter_frame
from pipelines.core.reasons import reasons_frame
from pipelines.core.schema import CELL_COLUMNS, FINDING_COLUMNS, Column
from pipelines.core.store import output_path, read_table, state_path, table_key, write_table
from pipelines.declarations.fingerprints import TableKeys, compute_table_keys
from pipelines.declarations.project import Project
from pipelines.gaps import (
    BOUNDARY_DISCONTINUITY,
    BUILD,
    GAP_LEDGER,
    RANK,
    VERDICT,
    describe_unanswered,
    has_order,
    list_current_problems,
    load_gaps,
    load_ledger,
    rank_in_parts,
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
    COMPLETENESS,
    PROVIDER_RETURN,
    RECONCILIATION,
    REVISION,
    REVISION_SUMMARY,
    TOTAL,
    all_disagreement_flags,
    has_observations,
    load_revisions,
    reconcile_source,
    summarise_completeness,
)
from pipelines.outputs.boundary_files import boundary_table
from pipelines.outputs.declared_tables import measures_table, partnerships_table, problems_table, statuses_table
from pipelines.outputs.freshness import (
    ANSWER_KINDS,
    FORM,
    LEDGER_TABLES,
    part_name,
    partnership_view,
    warehouse_is_fresh,
    warehouse_key,
    warehouse_keys,
    warehouse_record_path,
)
from pipelines.outputs.load import list_releases, read_shared, stack_findings
from pipelines.outputs.source_status import sources_table
from pipelines.outputs.superseded import keep_history, list_observed_sources, read_batches
from pipelines.outputs.view_columns import view_meaning
from pipelines.outputs.warehouse import FileContent, StackedTable, write_warehouse
from pipelines.outputs.warehouse_observations import Rows
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
        _dated_keys(project, problems, has_history),
        {**_read_by_table(project, current_keys), **_read_views(project, problems)},
        {**_stack_problems(project, problems), **_stack_sources(project, current_keys, observed)},
        {table: _view_meaning(project, name) for name in problems for table in _view_tables(project, name)},
        {name: partial(read_batches, project, name, has_history) for name in observed},
    )
    return write_warehouse(home, sources_read, content, read_table(done) if table_key(done) else pl.DataFrame())


def _dated_keys(project: Project, problems: list[str], has_history: bool) -> dict[str, str]:
    """Return the keys of all parts with what a file from nothing would have: ledgers state the day of the build."""
    keys = warehouse_keys(project)
    ledgers = [part_name(table, name) for table in LEDGER_TABLES for name in problems]
    return keys | {FORM: f"{keys[FORM]} {has_history}"} | {part: f"{keys[part]} {project.as_of}" for part in ledgers}


def _read_by_table(project: Project, current_keys: TableKeys) -> dict[str, Callable[[], pl.DataFrame]]:
    """Return the work that reads each table in one part, by its name."""
    catalogue = project.catalogue
    return {
        "places": lambda: build_gazetteer(load_places(project).register),
        "area_hierarchy": lambda: load_area_hierarchy(project),
        "code_changes": lambda: load_places(project).changes,
        "neighbours": lambda: load_neighbour_table(project),
        "border_practices": lambda: list_border_practices(load_places(project), load_postcode_tables(project)),
        "boundaries": lambda: boundary_table(project),
        "problems": lambda: problems_table(catalogue, describe_unanswered(project, current_keys)),
        "partnerships": lambda: partnerships_table(catalogue.partnerships),
        "measures": lambda: measures_table(catalogue),
        "sources": lambda: sources_table(project),
        "releases": lambda: list_releases(project, current_keys, sorted(catalogue.observation_sources())),
        "reasons": reasons_frame,
        "obs_status": statuses_table,
    }


def _stack_problems(project: Project, problems: list[str]) -> dict[str, StackedTable]:
    """Return the tables with rows of each problem."""
    home = project.home
    stored = {
        "cells": CELL_COLUMNS,
        "verdicts": VERDICT,
        "unallocated_residuals": RESIDUAL,
        "boundary_discontinuities": BOUNDARY_DISCONTINUITY,
        "partnership_cells": CELL_COLUMNS,
    }

    def stack(columns: dict[str, Column], read: Callable[[str], Rows]) -> StackedTable:
        return StackedTable(columns, "problem", {name: partial(read, name) for name in problems})

    return {
        **{table: stack(columns, partial(state_path, home, ANSWER_KINDS[table])) for table, columns in stored.items()},
        "gap_ledger": stack(GAP_LEDGER, partial(load_gaps, project)),
        "builds": stack(BUILD, lambda name: load_ledger(project, name).builds),
        "ranks": stack(RANK, partial(_read_ranked, project))._replace(
            make=partial(rank_in_parts, measures=project.catalogue.measures)
        ),
    }


def _stack_sources(project: Project, current_keys: TableKeys, observed: list[str]) -> dict[str, StackedTable]:
    """Return the tables with rows of each source that has observations."""

    @cache
    def find_disagreements(name: str) -> pl.DataFrame:
        return all_disagreement_flags(project, [name])

    def read_flags(name: str) -> pl.DataFrame:
        return pl.concat([_read_table(project, "doubt", name, PLAUSIBILITY_FLAG), find_disagreements(name)])

    readers: dict[str, tuple[dict[str, Column], Callable[[str], pl.DataFrame]]] = {
        "published_totals": (TOTAL, lambda name: _read_table(project, "total", name, TOTAL)),
        "reconciliation": (RECONCILIATION, lambda name: reconcile_source(project, name)),
        "provider_returns": (PROVIDER_RETURN, lambda name: stack_returns(project, [name])),
        "completeness": (COMPLETENESS, lambda name: summarise_completeness(stack_returns(project, [name]))),
        "plausibility_flags": (PLAUSIBILITY_FLAG, read_flags),
        "findings": (
            FINDING_COLUMNS,
            lambda name: stack_findings(project, current_keys, find_disagreements(name), [name]),
        ),
        "revisions": (REVISION, lambda name: load_revisions(project, name)[0]),
        "revision_summary": (REVISION_SUMMARY, lambda name: load_revisions(project, name)[1]),
    }
    return {
        table: StackedTable(columns, "source", {name: partial(read, name) for name in observed})
        for table, (columns, read) in readers.items()
    }


def _read_views(project: Project, problems: list[str]) -> dict[str, Callable[[], pl.DataFrame]]:
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


def _read_ranked(project: Project, name: str) -> pl.DataFrame:
    """Read the cells of a problem with figures that have an order, with the columns that ranks are made from."""
    cells = read_shared(state_path(project.home, "cell", name), [column for column in RANK if column in CELL_COLUMNS])
    return filter_frame(cells, has_order(project.catalogue.measures))


def _read_table(project: Project, kind: str, name: str, columns: dict[str, Column]) -> pl.DataFrame:
    """Read a stored table of a source, with the given columns."""
    return read_table(state_path(project.home, kind, name)).select(list(columns))
