"""Input and output of a check: a source as read, and findings."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.reasons import REASONS
from pipelines.core.schema import FINDING_COLUMNS, conform_table, empty_table, table_from_records
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.source import Source


class CheckInput(NamedTuple):
    """One release of a source as read, the input of a check.

    `cells` has the columns of conform.CELLS: every cell, with a fault where it is unusable. `places` has the
    columns of schema.PLACE_COLUMNS: the places of the source's own system. `left_out` counts the rows that the
    declaration leaves out. `unmatched_texts` lists declared texts that do not occur in the file.
    """

    name: str
    source: Source
    snapshot: Snapshot
    cells: pl.DataFrame
    places: pl.DataFrame
    left_out: int = 0
    unmatched_texts: tuple[str, ...] = ()


Check = Callable[[CheckInput], pl.DataFrame]
"""A check of a source: from one release as read to findings (schema.FINDING_COLUMNS). No rows mean a pass."""


@cache
def no_findings() -> pl.DataFrame:
    """Return schema.FINDING_COLUMNS without a row."""
    return empty_table(FINDING_COLUMNS)


def build_findings(
    release: CheckInput, check: str, reason: str, evidence_rows: pl.DataFrame, **overrides: Any
) -> pl.DataFrame:
    """Build findings of one reason from rows with place, period and evidence.

    Columns missing from `evidence_rows` are null; `overrides` sets a column for all rows. Severity, data owner and
    remedy come from the definition of the reason.
    """
    definition = REASONS[reason]
    if evidence_rows.is_empty():
        return no_findings()
    data_owner = definition.data_owner.replace("the publisher", release.source.publisher)
    fixed = {
        "source": release.name,
        "release": release.snapshot.sha256,
        "check": check,
        "reason": reason,
        "severity": definition.severity,
        "data_owner": data_owner,
        "remedy": definition.remedy,
        "set_aside": False,
        "file": release.snapshot.file,
        **overrides,
    }
    set_here = [
        pl.lit(value).alias(name)
        for name, value in fixed.items()
        if name in overrides or name not in evidence_rows.columns
    ]
    return conform_table(evidence_rows.with_columns(set_here), FINDING_COLUMNS)


def build_unmatched_findings(
    name: str, check: str, reason: str, texts: list[str], file: str, remedy: str
) -> pl.DataFrame:
    """Build findings for declared texts that no stored file of a source has: one for each text."""
    if not texts:
        return no_findings()
    row = {"source": name, "check": check, "reason": reason, "severity": "info", "set_aside": False, "file": file}
    row |= {"data_owner": "the maintainer of the source declaration", "remedy": remedy}
    return table_from_records([{**row, "evidence": text} for text in texts], FINDING_COLUMNS)


def build_source_fault(name: str, check: str, evidence: str, file: str) -> pl.DataFrame:
    """Build the finding for a file that could not be used at all."""
    definition = REASONS["fetch_failed"]
    row = {
        "source": name,
        "check": check,
        "reason": "fetch_failed",
        "severity": "error",
        "set_aside": True,
        "evidence": evidence,
        "data_owner": definition.data_owner,
        "remedy": definition.remedy,
        "file": file,
    }
    return conform_table(pl.DataFrame([row]), FINDING_COLUMNS)
