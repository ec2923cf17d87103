"""A release as read, for tests of the checks that look at one."""

from datetime import date
from typing import Any

import polars as pl

from checks.finding import CheckInput
from pipelines.core.reasons import REASONS
from pipelines.core.schema import FINDING_COLUMNS, PLACE_COLUMNS, conform_table, table_from_records
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.source import Source
from pipelines.observations.conform import CELLS

MEASURE = {"title": "f", "unit": "things", "kind": "count", "column": ("figure",)}
DECLARED: dict[str, Any] = {
    "title": "t", "publisher": "Office", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
    "columns": {"place": ("code",), "period": ("period",)}, "measures": {"m": MEASURE, "n": MEASURE},
}  # fmt: skip
DAY = date(2023, 1, 1)
CELL: dict[str, Any] = {
    "source": "a_source", "release": "sha", "measure": "m", "place_code": "E01", "place_label": "Place 1",
    "period_start": DAY, "period_end": date(2023, 12, 31), "value": 7.0, "obs_status": "normal", "file": "f.csv",
    "file_row": 2, "file_column": "figure",
}  # fmt: skip
"""One sound cell."""


def years(number: int) -> dict[str, date]:
    """Give the first and last day of a year, by the names of their columns."""
    return {"period_start": date(number, 1, 1), "period_end": date(number, 12, 31)}


def read_of(
    cells: list[dict[str, Any]], places: list[dict[str, Any]] | None = None, *, vain: tuple[str, ...] = (),
    **declared: Any,
) -> CheckInput:  # fmt: skip
    """Build a release of sound cells, except the named columns; `declared` changes the declaration."""
    snapshot = Snapshot("a_source", "sha", date(2024, 5, 1), "", "", "", "f.csv", 1, "l")
    source = Source.model_validate({**DECLARED, **declared})
    register = table_from_records(places or [], PLACE_COLUMNS)
    return CheckInput(
        "a_source",
        source,
        snapshot,
        table_from_records([{**CELL, **cell} for cell in cells], CELLS),
        register,
        unmatched_texts=vain,
    )


def findings_of(check: str, reason: str, actual: list[dict[str, Any]], **same: Any) -> pl.DataFrame:
    """Build the expected findings: columns not named come from the reason, or are null."""
    result = REASONS[reason]
    fixed = {
        "source": "a_source", "release": "sha", "check": check, "reason": reason, "severity": result.severity,
        "data_owner": result.data_owner.replace("the publisher", "Office"), "remedy": result.remedy, "set_aside": False,
        "file": "f.csv",
    }  # fmt: skip
    return conform_table(
        table_from_records([{**fixed, **same, **row} for row in actual], FINDING_COLUMNS), FINDING_COLUMNS
    )
