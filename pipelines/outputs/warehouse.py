"""The analyst's file: problem views, cells, gaps, measures, sources and places in one DuckDB file.

A new file replaces the previous one with a rename. A reader with the previous file open keeps it, and the next reader
opens the new file. The storage version is an older one, so that older DuckDB clients can open the file.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from checks import PLAUSIBILITY_FLAG
from pipelines.apportionment import RESIDUAL
from pipelines.core.manifest import read_manifest
from pipelines.core.output_files import complete_group, is_project_file, register_outputs
from pipelines.core.schema import (
    CELL_COLUMNS,
    CODE_CHANGE_COLUMNS,
    FINDING_COLUMNS,
    NOT_NEEDED,
    OBSERVATION_COLUMNS,
    Column,
    empty_table,
)
from pipelines.core.store import hash_bytes, hash_file, output_path, temporary_path, write_atomically
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source
from pipelines.gaps import BOUNDARY_DISCONTINUITY, BUILD, GAP_LEDGER, RANK, VERDICT
from pipelines.geography import AREA_HIERARCHY, BORDER_PRACTICE, GAZETTEER, NEIGHBOUR
from pipelines.observations import COMPLETENESS, PROVIDER_RETURN, RECONCILIATION, REVISION, REVISION_SUMMARY, TOTAL
from pipelines.outputs.boundary_files import BOUNDARY
from pipelines.outputs.declared_tables import COMPUTED_MEASURE_COLUMNS, PARTNERSHIP, PROBLEM
from pipelines.outputs.freshness import FORM, part_name
from pipelines.outputs.source_status import AGE_MEANING, SOURCE_STATUS_VIEW, STATUS_MEANING
from pipelines.outputs.warehouse_observations import (
    OBSERVATION_SLICE,
    STORED_TABLES,
    Rows,
    SliceBatch,
    batch_parts,
    create_observations,
    fill_observations,
    remove_observations,
)
from pipelines.outputs.warehouse_path import POINTER_NAME, WAREHOUSE_NAME

STORAGE_VERSION = "v1.5.0"

RELEASE_MEANING = {
    "source": "Source of the release",
    "release": "sha256 of the file",
    "released_at": "Day the publisher released it",
    "label": "Publisher's name for the release",
    "file": "Name of the file",
    "size": "Size of the file in bytes",
    "order": "Order of the source's releases, oldest 0",
    "in_use": "True if cells of a problem use the release",
    "usable": "False if the file does not meet the contract of the source",
    "rows_left_out": "Rows excluded by the declaration (filter, skip_rows), and repeated headings",
    "cells_read": "Cells in the file",
    "cells_used": "Cells that became observations",
    "cells_of_other_tiers": "Cells of totals, counties, regions and nations, excluded to avoid double counting",
    "cells_repeated": "Cells that repeat the value of another row",
    "cells_set_aside": "Cells that could not be used; each has a finding",
}
SOURCE_MEANING = {
    "source": "Name of the source",
    "attribution": "Attribution required by the licence",
    "known_up_to": "Of places: last day for which the newest release is complete, and each kind with another day",
    "expected_places": "Of places: expected number of each kind, geography or set of weights",
    "cadence": "Publication frequency",
    "lag": "Usual time from the end of a period to the release of its figures",
    "calendar": "The publisher's announced release days, and the weekday of its releases, if declared",
}
REASON_MEANING = {
    "reason": "Code of the reason",
    "family": "Group of the reason",
    "title": "Meaning in plain words",
    "rule": "Rule that assigns the reason",
    "severity": "info: expected; warn: to follow up; error: fault",
    "data_owner": "Default data owner of such a gap",
    "remedy": "Action that closes such a gap",
}
OBS_STATUS_MEANING = {
    "obs_status": "Observation status",
    "gss_symbol": "Symbol of the Government Analysis Function",
    "sdmx_code": "Code of SDMX (OBS_STATUS or CONF_STATUS)",
}
TABLE_MEANING = {
    "problems": "Every problem: question, decision, owner, needs, unknowns, and the reason if it has no answer",
    "cells": "Every place, period and measure of a problem: a value, or a gap with a reason",
    "ranks": "Rank of each place among the places of a problem, with the best and worst rank that its bounds allow",
    "gaps": "Needed and wanted cells without a value, with reason, evidence, data owner and remedy",
    "gap_ledger": "History of every gap: opening and closing day, reason, data owner and acceptance",
    "builds": "Every recorded build of each problem: requested and available cells on that day, and changes",
    "verdicts": "Verdict for each place and period of a problem: answerable or not, with the reason",
    "unallocated_residuals": "Counts of source areas without a target area in a problem's geography; not in any cell",
    "places": "Register of places: every area code, its period of use and its parents",
    "area_hierarchy": "Parents of each place by kind (force, board, region), with the share in each",
    "code_changes": "Code changes of districts: recoded or merged, with day and order",
    "neighbours": "Pairs of places of one geography that share a boundary, with the evidence",
    "border_practices": "GP practices in postcode districts that have practices of NHS bodies of two nations",
    "boundaries": "Boundary of each area, for the geographies with stored boundaries",
    "boundary_discontinuities": "Discontinuities at boundaries: one side missing, jumps, straddling areas",
    "measures": "Every measure: subject, unit, and rules for conversion between geographies",
    "sources": "Every source: publisher, licence, page, cadence, newest period, next release due, last attempt",
    "source_status": "How current each source is on the day of the query: age, days overdue, last attempt",
    "releases": "Every stored file, with the use of its cells",
    "observations": "Every usable published figure in this file; as_known_at(day) returns those known on a day",
    "observation_rows": "The observations with the number of their slice",
    "observation_slices": "Slices of every stored release: one measure and reference period each, and if it is in use",
    "observation_places": "Codes and labels of places, by the number that observation_figures has",
    "observation_marks": "Statuses, markers, caveats and headings, by the number that observation_figures has",
    "observation_figures": "Figures behind the view observations, with numbers in place of texts",
    "published_totals": "Published totals of larger areas and rows without a place; not part of the observations",
    "reconciliation": "Difference between each published total and the sum of its places, by exact component",
    "provider_returns": "Every return due from a provider: received or not, complete or not, on time or not",
    "completeness": "Completeness of returns by period and by provider, measured by volume and not by number of files",
    "revisions": "Every figure changed, added or removed between two releases of a source",
    "revision_summary": "Summary of revisions for each measure and pair of releases, with the suspected cause",
    "plausibility_flags": "Every figure in use with a plausibility flag, its comparison value and the distance from it",
    "findings": "All findings of the checks, without a limit",
    "partnerships": "Every declared partnership: one row for each member",
    "partnership_cells": "Cells of the partnerships of a problem, with the columns of cells; in no count of places",
    "reasons": "Every gap reason: meaning, rule, data owner and remedy",
    "obs_status": "Observation statuses, with the Government Analysis Function symbol and the SDMX code",
}

VIEWS = ("gaps", "source_status", "observations", "observation_rows")
"""Names of TABLE_MEANING that are views."""


class StackedTable(NamedTuple):
    """A table with rows of several problems or sources: its columns, and the column that names each problem or source.

    `parts` has the work that reads the rows of each one, as a frame, several, or a Parquet file with those columns.
    With `make`, `parts` gives frames of what the rows are made from, and `make` gets those of several parts together.
    """

    columns: Mapping[str, Column]
    named_by: str
    parts: Mapping[str, Callable[[], Rows]]
    make: Callable[[pl.DataFrame], Rows] | None = None


class FileContent(NamedTuple):
    """Content of the file, each part with the key of what it is made from, and read only where the key is new.

    `tables` has the tables of TABLE_MEANING in one part, and the view of each problem under `problem.<name>`, with the
    meaning of its columns in `view_meaning`. `stacked` has the tables in several parts, named by `freshness.part_name`.
    `observations` yields the slices of each source.
    """

    keys: Mapping[str, str]
    tables: Mapping[str, Callable[[], pl.DataFrame]]
    stacked: Mapping[str, StackedTable]
    view_meaning: Mapping[str, tuple[str, dict[str, str]]]
    observations: Mapping[str, Callable[[], Iterable[SliceBatch]]]


OBSERVATIONS = "observations"
"""Table of the parts with the observations of each source."""
FILE_RECORD = pl.Schema({"file": pl.String, "sha256": pl.String, "part": pl.String, "key": pl.String})
"""A part of the file with its key, beside the name and the hash of the file that has it."""


def write_warehouse(home: Path, rests_on: Collection[str], content: FileContent, record: pl.DataFrame) -> pl.DataFrame:
    """Write the file and replace the one in use with it. Return its record (FILE_RECORD).

    The parts that the last build wrote with the same key are copied from the file in use; `record` has them. `rests_on`
    names the sources of the figures.
    """
    temporary = temporary_path(output_path(home, WAREHOUSE_NAME))
    kept = _copy_file_in_use(home, record, content.keys, temporary)
    try:
        if not kept:
            with duckdb.connect() as con:
                con.execute(f"attach '{_escape_quotes(temporary)}' as made (storage_version '{STORAGE_VERSION}')")
        if not _fill_tables(temporary, content, kept):
            temporary.unlink()
            return write_warehouse(home, rests_on, content, FILE_RECORD.to_frame())
        path, sha256 = replace_file(home, temporary, rests_on)
    finally:
        temporary.unlink(missing_ok=True)
    parts = {"part": list(content.keys), "key": list(content.keys.values())}
    return pl.DataFrame({"file": path.name, "sha256": sha256, **parts}, schema=FILE_RECORD)


def _copy_file_in_use(home: Path, record: pl.DataFrame, keys: Mapping[str, str], target: Path) -> dict[str, str]:
    """Copy the file in use where it is as the last build wrote and recorded it. Return the keys of its parts.

    A file of another form, or with most parts changed, is made from nothing.
    """
    if record.is_empty() or record.schema != FILE_RECORD:
        return {}
    name, sha256 = record.row(0)[:2]
    group = read_manifest(home).get("warehouse")
    written = group.files.get(name) if group else None
    if written is None or written.sha256 != (sha256,) or not is_project_file(output_path(home, name), written):
        return {}
    kept = dict(record.select("part", "key").iter_rows())
    if kept.get(FORM) != keys[FORM] or sum(kept.get(part) != key for part, key in keys.items()) > len(keys) // 2:
        return {}
    shutil.copyfile(output_path(home, name), target)
    return kept


def _escape_quotes(path: Path) -> str:
    return str(path).replace("'", "''")


def _fill_tables(path: Path, content: FileContent, kept: Mapping[str, str]) -> bool:
    """Write the parts that `kept` does not have. Return whether the file may be used; if not, it is made from nothing.

    A file has blocks of earlier rows, which the next change uses again. It may not have figures of a release that is
    no longer stored, nor more such blocks than others.
    """
    changed = {name for name, key in content.keys.items() if kept.get(name) != key}
    gone = kept.keys() - content.keys.keys()
    # The file is the main database: a view created in an attached database would keep its alias.
    with duckdb.connect(str(path)) as con:
        # Several threads write parts of row groups, which the checkpoint then joins: twice the time and the size.
        con.execute("set threads = 1")
        # A transaction for each table of many parts, not for each statement: a commit waits for the disk. Until then
        # DuckDB keeps new rows in memory, uncompressed. The file has no readers until it is complete.
        con.begin()
        before = _list_releases(con) if kept else set()
        if not kept:
            _create_stacked_tables(con, content.stacked)
        for name in sorted((changed | gone) & kept.keys()):
            _remove_part(con, content.stacked, name)
        for name, read in content.tables.items():
            if name in changed:
                _create_table(con, name, read())
        if not kept:
            _create_views(con)
        _end_transaction(con)
        for name, table in content.stacked.items():
            own = (read() for part, read in table.parts.items() if part_name(name, part) in changed)
            _insert_rows(con, name, table.columns, _make_rows(table, own))
            _end_transaction(con)
        batches = (read() for part, read in content.observations.items() if part_name(OBSERVATIONS, part) in changed)
        fill_observations(con, chain.from_iterable(batches))
        has_others = not before <= _list_releases(con)
        _add_comments(con, content.view_meaning, changed if kept else {*changed, *TABLE_MEANING})
        con.commit()
        con.execute("checkpoint")
        total, free = con.sql("select total_blocks, free_blocks from pragma_database_size()").fetchall()[0]
    return not kept or not (has_others or free > total // 2)


def _make_rows(table: StackedTable, parts: Iterable[Rows]) -> Iterator[Rows]:
    """Yield the rows of a table: its parts, or what it makes from some of them together."""
    if table.make is None:
        yield from parts
        return
    for batch in batch_parts(parts, ROWS_MADE_TOGETHER):
        if isinstance(batch, pl.DataFrame):
            yield table.make(batch)


ROWS_COMMITTED = 400_000
"""Rows of a transaction. DuckDB keeps them in memory until its end, uncompressed; more transactions enlarge a file."""
ROWS_MADE_TOGETHER = 20_000
"""Rows from which a table makes its own rows: steps for each of many small parts take longer than their rows."""


def _end_transaction(con: duckdb.DuckDBPyConnection) -> None:
    con.commit()
    con.begin()


def _list_releases(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    return set(con.sql("select distinct source, release from observation_slices").fetchall())


def _create_stacked_tables(con: duckdb.DuckDBPyConnection, stacked: Mapping[str, StackedTable]) -> None:
    """Create the tables that stack parts, without rows."""
    con.execute("create schema problem")
    for name, table in stacked.items():
        _create_table(con, name, empty_table(table.columns))


def _create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Create the views, and the tables of observations without rows."""
    con.execute(f"create view gaps as select * from cells where reason is not null and need <> '{NOT_NEEDED}'")
    con.execute(SOURCE_STATUS_VIEW)
    create_observations(con)


def _remove_part(con: duckdb.DuckDBPyConnection, stacked: Mapping[str, StackedTable], name: str) -> None:
    """Remove a table, or the rows of one problem or source."""
    table, _, part = name.partition(" ")
    if not part:
        con.execute(f"drop table {table}")
    elif table == OBSERVATIONS:
        remove_observations(con, part)
    else:
        con.execute(f"delete from {table} where {stacked[table].named_by} = $1", [part])


SQL_NAMES = {"order": "release_order", "check": "check_name"}
"""Names in the file for columns with a reserved SQL word as their name, so that queries need no quotation marks."""
CELLS_CHECK = "check ((value is null) = (reason is not null))"


def _create_table(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    con.register("incoming", frame.rename(SQL_NAMES, strict=False).to_arrow(compat_level=pl.CompatLevel.newest()))
    if name == "cells":
        columns = con.sql("describe select * from incoming").fetchall()
        definitions = ", ".join(f'"{column[0]}" {column[1]}' for column in columns)
        con.execute(f"create table cells ({definitions}, {CELLS_CHECK})")
    else:
        con.execute(f"create table {name} as select * from incoming")
    con.unregister("incoming")


def _insert_rows(con: duckdb.DuckDBPyConnection, name: str, columns: Collection[str], parts: Iterable[Rows]) -> None:
    """Insert the rows of parts; DuckDB reads files itself, so that no frame has them all."""
    chosen, uncommitted = ", ".join(f'"{column}"' for column in columns), 0
    for batch in batch_parts(parts):
        if isinstance(batch, pl.DataFrame):
            con.register("incoming", batch.to_arrow(compat_level=pl.CompatLevel.newest()))
            con.execute(f"insert into {name} select {chosen} from incoming")
            con.unregister("incoming")
            uncommitted += batch.height
            if uncommitted >= ROWS_COMMITTED:
                _end_transaction(con)
                uncommitted = 0
        else:
            files = ", ".join(f"'{_escape_quotes(path)}'" for path in batch)
            con.execute(f"insert into {name} select {chosen} from read_parquet([{files}])")


def column_meanings() -> dict[str, dict[str, str]]:
    """Return the meaning of every column by table, except for the views of problems."""
    table_columns = {
        "problems": PROBLEM,
        "cells": CELL_COLUMNS,
        "gaps": CELL_COLUMNS,
        "partnerships": PARTNERSHIP,
        "partnership_cells": CELL_COLUMNS,
        "ranks": RANK,
        "verdicts": VERDICT,
        "unallocated_residuals": RESIDUAL,
        "gap_ledger": GAP_LEDGER,
        "builds": BUILD,
        "places": GAZETTEER,
        "area_hierarchy": AREA_HIERARCHY,
        "code_changes": CODE_CHANGE_COLUMNS,
        "neighbours": NEIGHBOUR,
        "border_practices": BORDER_PRACTICE,
        "boundaries": BOUNDARY,
        "boundary_discontinuities": BOUNDARY_DISCONTINUITY,
        "observations": OBSERVATION_COLUMNS,
        "observation_rows": {"slice": OBSERVATION_SLICE["slice"], **OBSERVATION_COLUMNS},
        **STORED_TABLES,
        "published_totals": TOTAL,
        "reconciliation": RECONCILIATION,
        "provider_returns": PROVIDER_RETURN,
        "completeness": COMPLETENESS,
        "revisions": REVISION,
        "revision_summary": REVISION_SUMMARY,
        "plausibility_flags": PLAUSIBILITY_FLAG,
        "findings": FINDING_COLUMNS,
    }
    meanings = {
        table: {SQL_NAMES.get(name, name): column.meaning for name, column in columns.items()}
        for table, columns in table_columns.items()
    }
    measure = {name: field.description or "" for name, field in Measure.model_fields.items()}
    measure |= COMPUTED_MEASURE_COLUMNS
    measure["interval"] = "Confidence level of the published interval; null if there is none"
    source = {name: field.description or "" for name, field in Source.model_fields.items()}
    return {
        **meanings,
        "releases": {SQL_NAMES.get(name, name): meaning for name, meaning in RELEASE_MEANING.items()},
        "reasons": REASON_MEANING,
        "obs_status": OBS_STATUS_MEANING,
        "measures": {"measure": "Name of the measure", "source": "Source that publishes it", **measure},
        "sources": {**source, **SOURCE_MEANING, **STATUS_MEANING},
        "source_status": {"source": SOURCE_MEANING["source"], **STATUS_MEANING, **AGE_MEANING},
    }


def _add_comments(
    con: duckdb.DuckDBPyConnection, view_meaning: Mapping[str, tuple[str, dict[str, str]]], names: Collection[str]
) -> None:
    """Add the meanings of some tables and of their columns."""
    every = column_meanings()
    tables = {name: (meaning, every[name]) for name, meaning in TABLE_MEANING.items()} | dict(view_meaning)
    for table, (meaning, columns) in tables.items():
        if table not in names:
            continue
        comments = [f"comment on {'view' if table in VIEWS else 'table'} {table} is {_sql_text(meaning)}"]
        for (column,) in con.sql(f"select column_name from (describe {table})").fetchall():
            comments.append(f'comment on column {table}."{column}" is {_sql_text(columns[column])}')
        con.execute("; ".join(comments))


def _sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def replace_file(home: Path, new_file: Path, rests_on: Collection[str]) -> tuple[Path, str]:
    """Replace the file in use with a finished file by one rename. Return its path and its hash.

    Windows does not allow a rename over an open file. In that case the new file has its own name, and a small text file
    in the same folder states that name.
    """
    path, sha256 = output_path(home, WAREHOUSE_NAME), hash_file(new_file)
    versioned_path = path.with_stem(f"{path.stem}-{os.getpid()}-{new_file.stem[-8:]}")
    register_outputs(
        home,
        "warehouse",
        rests_on,
        {WAREHOUSE_NAME: sha256, versioned_path.name: sha256, POINTER_NAME: hash_bytes(versioned_path.name.encode())},
    )
    try:
        new_file.replace(path)
        names, path_in_use = [WAREHOUSE_NAME], path
    except PermissionError:
        new_file.replace(versioned_path)
        write_atomically(path.parent / POINTER_NAME, versioned_path.name.encode())
        names, path_in_use = [versioned_path.name, POINTER_NAME], versioned_path
    complete_group(home, "warehouse", rests_on, names)
    return path_in_use, sha256
