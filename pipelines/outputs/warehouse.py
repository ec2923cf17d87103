"""The analyst's file: problem views, cells, gaps, measures, sources and places in one DuckDB file.

It is built beside the one in use and takes its place with one rename, so a reader who has the old one open
keeps it, and one who opens it next gets the new one. Written in an older storage version on purpose, so
that older DuckDB clients open it.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb
import polars as pl

from checks import PLAUSIBILITY_FLAG
from pipelines.apportionment import RESIDUAL
from pipelines.core.output_files import complete_group, register_outputs
from pipelines.core.reasons import reasons_frame
from pipelines.core.schema import (
    CELL_COLUMNS,
    CODE_CHANGE_COLUMNS,
    FINDING_COLUMNS,
    OBSERVATION_COLUMNS,
    STATUS_SYMBOLS,
)
from pipelines.core.store import hash_bytes, hash_file, output_path, temporary_path, write_atomically
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source
from pipelines.gaps import BOUNDARY_DISCONTINUITY, BUILD, GAP_LEDGER, RANK, VERDICT
from pipelines.geography import AREA_HIERARCHY, BORDER_PRACTICE, GAZETTEER, NEIGHBOUR
from pipelines.observations import COMPLETENESS, PROVIDER_RETURN, RECONCILIATION, REVISION, REVISION_SUMMARY, TOTAL

STORAGE_VERSION = "v1.5.0"
AS_KNOWN_AT_SQL = Path(__file__).parent / "templates" / "as_known_at.sql"
WAREHOUSE_NAME = "commonground.duckdb"
POINTER_NAME = "commonground.latest.txt"

RELEASE_MEANING = {
    "source": "Source of the release",
    "release": "sha256 of the file",
    "released_at": "Day the publisher released it",
    "label": "What the publisher calls it",
    "file": "Name of the file",
    "size": "Size of the file in bytes",
    "order": "Order of the source's releases, oldest 0",
    "in_use": "True where a problem's cells rest on it",
    "usable": "False where the file did not meet the source's contract",
    "rows_left_out": "Rows that the declaration leaves out (filter, skip_rows), and headings that stand again",
    "cells_read": "Cells in the file",
    "cells_used": "Cells that became observations",
    "cells_of_other_tiers": "Cells of totals, counties, regions and nations, left out so that nothing is counted twice",
    "cells_repeated": "Cells that say again what another row says",
    "cells_set_aside": "Cells that could not be used; each is in a finding",
}
REASON_MEANING = {
    "reason": "Code of the reason",
    "family": "What the reason has to do with",
    "title": "What it means, in plain words",
    "rule": "How it is told",
    "severity": "info: expected; warn: to be followed up; error: something is broken",
    "holder": "Who can close such a gap",
    "remedy": "How such a gap can be closed",
}
STATUS_MEANING = {
    "status": "What a publisher says of a figure",
    "gss_symbol": "Symbol of the Government Analysis Function",
    "sdmx_code": "Code of SDMX (OBS_STATUS or CONF_STATUS)",
}
TABLE_MEANING = {
    "cells": "Every place, period and measure that a problem asks for: a value, or a reason why there is none",
    "ranks": "Where each place stands among those asked about: between the best and the worst its bounds allow",
    "gaps": "The cells that have no value, with reason, evidence, who could close them and how",
    "gap_ledger": "Every gap ever seen: since when, until when, for which reason, who holds it, who has accepted it",
    "builds": "Every build recorded of each problem: what was asked for and known that day, and what had changed",
    "verdicts": "For each place and period of a problem: whether its question can be answered there, and why not",
    "crosswalk_losses": "Counts of places that lead nowhere in a problem's place system: in no cell, and named here",
    "places": "The register of places: every code, when it was in use, and what it belongs to",
    "parents": "What each place lies in, by kind: force, board, travel-to-work area, region; wholly, or by what share",
    "changes": "What became of each code of a district: recoded or merged, when, by which order",
    "neighbours": "Which places of one system share a border, and what that rests on",
    "border_practices": "GP practices where bodies of two nations have practices side by side",
    "boundary_cliffs": "Where data break at a border: known and not, or a jump; what straddles, what is seen in part",
    "measures": "Every measure: what it counts, its unit, and how it may be moved across boundaries",
    "sources": "Every source: publisher, licence, page, cadence",
    "releases": "Every published file held, and what became of its cells",
    "observations": "Every published figure used, of every release held; as_known_at(day) gives those known on a day",
    "totals": "What files say of larger places, and of rows of no place: kept out of the observations",
    "reconciliation": "Why each total is not the sum of its places: the difference taken apart, adding exactly",
    "returns": "Every return due of a provider that makes its own: whether it came, whole, and in time",
    "reporting": "How complete returns are, by period and by provider: by volume, never by counting files",
    "revisions": "Every figure that changed, appeared or disappeared between two releases of a source",
    "revision_summary": "For each measure and pair of releases: how much changed, where most, and what is suspected",
    "doubts": "Every figure in use that is doubted: what it was compared with, and how far from that it is",
    "findings": "Everything the checks found; no cap",
    "reasons": "Every kind of gap: what it means, how it is told, who can close it and how",
    "statuses": "What publishers say of a figure, with the Government Analysis Function's symbol and SDMX code",
}


def measures_table(catalogue: Catalogue) -> pl.DataFrame:
    """Give the dictionary of measures: one row a measure."""
    rows = [
        {
            "measure": name,
            "source": catalogue.measure_source[name],
            **measure.model_dump(exclude={"column", "filter", "range", "interval"}),
            "interval": f"{measure.interval.level:g} %" if measure.interval else None,
        }
        for name, measure in sorted(catalogue.measures.items())
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def sources_table(catalogue: Catalogue) -> pl.DataFrame:
    """Give the dictionary of sources: one row a source."""
    plain = ("title", "publisher", "compiled_by", "licence", "page", "url", "access", "data_owner", "request",
             "provides", "cadence", "lag", "geography")  # fmt: skip
    rows = [
        {
            "source": name,
            **{key: getattr(source, key) for key in plain},
            # Where private figures are kept is nobody's business.
            "url": source.url if source.is_public else None,
            "coverage": ", ".join(source.coverage),
            "attribution": publisher_attribution(source.publisher, source.licence),
        }
        for name, source in sorted(catalogue.sources.items())
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def publisher_attribution(publisher: str, licence: str) -> str:
    """Write the attribution that a licence asks for."""
    return f"Source: {publisher}, licensed under the {licence}."


def write_warehouse(home: Path, rests_on: Collection[str], tables: Mapping[str, pl.DataFrame],
                    views: Mapping[str, pl.DataFrame],
                    view_meaning: Mapping[str, tuple[str, dict[str, str]]]) -> Path:  # fmt: skip
    """Build the file beside the one in use and put it in its place; give the path that readers should open.

    `tables` are those of TABLE_MEANING less gaps, reasons and statuses; `views` the problems' answers.
    `public_input_sources` names the sources of the figures.
    """
    temporary = temporary_path(output_path(home, WAREHOUSE_NAME))
    try:
        with duckdb.connect() as con:
            con.execute(f"attach '{_escape_quotes(temporary)}' as made (storage_version '{STORAGE_VERSION}')")
        _fill_tables(temporary, tables, views, view_meaning)
        return replace_file(home, temporary, rests_on)
    finally:
        temporary.unlink(missing_ok=True)


def _escape_quotes(path: Path) -> str:
    return str(path).replace("'", "''")


def _fill_tables(path: Path, tables: Mapping[str, pl.DataFrame], views: Mapping[str, pl.DataFrame],
          view_meaning: Mapping[str, tuple[str, dict[str, str]]]) -> None:  # fmt: skip
    # The file is the main database here: a view made under an attached name would keep that name.
    with duckdb.connect(str(path)) as con:
        # One transaction: each one that ends waits for the disk, and there are several hundred statements.
        con.begin()
        for name, frame in {**tables, "reasons": reasons_frame(), "statuses": statuses_table()}.items():
            _create_table(con, name, frame)
        con.execute("create schema problem")
        for name, frame in views.items():
            _create_table(con, f"problem.{name}", frame)
        con.execute("create view gaps as select * from cells where reason is not null")
        con.execute(AS_KNOWN_AT_SQL.read_text(encoding="utf-8"))
        _add_comments(con, view_meaning)
        con.commit()
        con.execute("checkpoint")


def statuses_table() -> pl.DataFrame:
    """Give the closed set of statuses: status, gss_symbol, sdmx_code, from best to worst."""
    rows = [(status, symbol, code) for status, (symbol, code) in STATUS_SYMBOLS.items()]
    return pl.DataFrame(rows, schema=["status", "gss_symbol", "sdmx_code"], orient="row")


SQL_NAMES = {"order": "release_order", "check": "check_name"}
"""Names of columns that SQL keeps for itself, and what they are called in the file: nobody should have to quote."""
CELLS_CHECK = "check ((value is null) = (reason is not null))"


def _create_table(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    con.register("incoming", frame.rename(SQL_NAMES, strict=False).to_arrow())
    if name == "cells":
        columns = con.sql("describe select * from incoming").fetchall()
        definitions = ", ".join(f'"{column[0]}" {column[1]}' for column in columns)
        con.execute(f"create table cells ({definitions}, primary key (cell_id), {CELLS_CHECK})")
        con.execute("insert into cells select * from incoming")
    else:
        con.execute(f"create table {name} as select * from incoming")
    con.unregister("incoming")


def column_meanings() -> dict[str, dict[str, str]]:
    """Say what every column of every table is, table by table; problems' views are told apart."""
    table_columns = {
        "cells": CELL_COLUMNS,
        "gaps": CELL_COLUMNS,
        "ranks": RANK,
        "verdicts": VERDICT,
        "crosswalk_losses": RESIDUAL,
        "gap_ledger": GAP_LEDGER,
        "builds": BUILD,
        "places": GAZETTEER,
        "parents": AREA_HIERARCHY,
        "changes": CODE_CHANGE_COLUMNS,
        "neighbours": NEIGHBOUR,
        "border_practices": BORDER_PRACTICE,
        "boundary_cliffs": BOUNDARY_DISCONTINUITY,
        "observations": OBSERVATION_COLUMNS,
        "totals": TOTAL,
        "reconciliation": RECONCILIATION,
        "returns": PROVIDER_RETURN,
        "reporting": COMPLETENESS,
        "revisions": REVISION,
        "revision_summary": REVISION_SUMMARY,
        "doubts": PLAUSIBILITY_FLAG,
        "findings": FINDING_COLUMNS,
    }
    meanings = {
        table: {SQL_NAMES.get(name, name): column.meaning for name, column in columns.items()}
        for table, columns in table_columns.items()
    }
    measure = {name: field.description or "" for name, field in Measure.model_fields.items()}
    measure["interval"] = "How often the limits that the publisher gives of each figure hold the true one; else null"
    source = {name: field.description or "" for name, field in Source.model_fields.items()}
    return {
        **meanings,
        "releases": {SQL_NAMES.get(name, name): meaning for name, meaning in RELEASE_MEANING.items()},
        "reasons": REASON_MEANING,
        "statuses": STATUS_MEANING,
        "measures": {"measure": "Name of the measure", "source": "Source that publishes it", **measure},
        "sources": {**source, "source": "Name of the source", "attribution": "Attribution that the licence asks for"},
    }


def _add_comments(con: duckdb.DuckDBPyConnection, view_meaning: Mapping[str, tuple[str, dict[str, str]]]) -> None:
    tables = {name: (meaning, column_meanings()[name]) for name, meaning in TABLE_MEANING.items()}
    tables |= {f"problem.{name}": meanings for name, meanings in view_meaning.items()}
    for table, (meaning, columns) in tables.items():
        con.execute(f"comment on {'view' if table == 'gaps' else 'table'} {table} is {_sql_text(meaning)}")
        for (column,) in con.sql(f"select column_name from (describe {table})").fetchall():
            con.execute(f'comment on column {table}."{column}" is {_sql_text(columns[column])}')


def _sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def replace_file(home: Path, new_file: Path, rests_on: Collection[str]) -> Path:
    """Put a finished file in the place of the one in use with one rename; give its path.

    Where the system forbids to rename over a file that someone has open (Windows), the new file gets a name
    of its own and a small text file beside it names the newest.
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
    return path_in_use


def newest_warehouse(out: Path) -> Path:
    """Give the analyst's file to open now."""
    pointer = out / POINTER_NAME
    if pointer.is_file():
        return out / pointer.read_text(encoding="utf-8").strip()
    return out / WAREHOUSE_NAME
