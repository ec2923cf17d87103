"""Stored tables of sources: whether they are current, and their findings."""

from pathlib import Path

import polars as pl

from pipelines.core.schema import FINDING_COLUMNS, empty_table
from pipelines.core.store import read_table, state_path, table_key
from pipelines.declarations.fingerprints import OBSERVATION_TABLES, TableKeys
from pipelines.declarations.project import Project


def has_current_tables(home: Path, name: str, current_keys: TableKeys) -> bool:
    """Return whether all tables of a source are stored and built from its current files and declarations."""
    key = current_keys.observation[name]
    return all(table_key(state_path(home, table, name)) == key for table in OBSERVATION_TABLES)


def all_findings(project: Project) -> pl.DataFrame:
    """Stack the findings from the last read of every source."""
    paths = [state_path(project.home, "finding", name) for name in project.catalogue.observation_sources()]
    return pl.concat([empty_table(FINDING_COLUMNS), *(read_table(path) for path in paths if path.is_file())])
