"""Whether all tables of a source are current, and the findings of every source."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.core.schema import FINDING_COLUMNS, polars_schema, table_from_records
from pipelines.core.store import state_path, write_table
from pipelines.declarations.fingerprints import OBSERVATION_TABLES, TableKeys
from pipelines.declarations.project import Project
from pipelines.observations import all_findings, has_current_tables
from tests.gaps.plain import catalogue_of, source_of

DAY = date(2026, 11, 24)
KEYS = TableKeys(**{**{name: {} for name in TableKeys._fields}, "observation": {"a": "now", "b": "other"}})


def write_all(home: Path, **keys: str) -> None:
    """Write the tables of source `a`, each with the current key or the named one."""
    for table in OBSERVATION_TABLES:
        write_table(state_path(home, table, "a"), pl.DataFrame({"n": [1]}), keys.get(table, "now"))


def test_tables_are_current_only_with_the_key_of_their_own_source(tmp_path: Path) -> None:
    assert not has_current_tables(tmp_path, "a", KEYS)
    write_all(tmp_path)
    assert has_current_tables(tmp_path, "a", KEYS)
    assert not has_current_tables(tmp_path, "b", KEYS)


@pytest.mark.parametrize("table", OBSERVATION_TABLES)
def test_one_table_that_is_old_or_lost_makes_the_source_stale(tmp_path: Path, table: str) -> None:
    write_all(tmp_path, **{table: "before"})
    assert not has_current_tables(tmp_path, "a", KEYS)
    write_all(tmp_path)
    state_path(tmp_path, table, "a").unlink()
    assert not has_current_tables(tmp_path, "a", KEYS)


def test_findings_are_those_of_every_source_that_was_read(tmp_path: Path) -> None:
    said: dict[str, Any] = {name: source_of(f"{name}_figure") for name in ("a", "b", "unread")}
    project = Project(catalogue_of(**said), tmp_path, DAY)
    assert all_findings(project).schema == polars_schema(FINDING_COLUMNS) and all_findings(project).is_empty()
    rows = [{"source": name, "check": "readable_cells", "rows": 2} for name in ("b", "a")]
    for row in rows:
        write_table(state_path(tmp_path, "finding", row["source"]), table_from_records([row], FINDING_COLUMNS), "key")
    write_table(state_path(tmp_path, "finding", "gone"), table_from_records(rows, FINDING_COLUMNS), "key")
    assert all_findings(project).select("source", "check", "rows").sort("source").rows() == [
        ("a", "readable_cells", 2), ("b", "readable_cells", 2),
    ]  # fmt: skip
