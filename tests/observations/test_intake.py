"""A file with the figures of another period is refused: a real faulty copy, and real files without a fault."""

import csv
from datetime import date

import polars as pl
import pytest

from pipelines.core.snapshots import Snapshot, read_snapshot, stored_releases
from pipelines.core.store import hash_bytes
from pipelines.declarations.project import Project
from pipelines.geography.access import list_source_geographies, load_places
from pipelines.observations.ingest import read_release, reading_context
from pipelines.observations.intake import find_copied_periods, inspect_file
from tests.starter.test_published import PUBLISHED
from tests.workbooks import xlsx

FAULTY = PUBLISHED / "indicators" / "corrupt_examples" / "rough_sleeping_snapshot_2025_YEARS_SHIFTED.csv"


@pytest.mark.skipif(not FAULTY.exists(), reason="published files are not here")
def test_a_copy_with_the_years_shifted_is_refused_with_both_years(bundled: Project) -> None:
    rows = [
        [row["lad24cd"], row["la_name"], row["rough_sleeping_2025"], row["rough_sleeping_2024"]]
        for row in csv.DictReader(FAULTY.read_text(encoding="utf-8-sig").splitlines())
    ]
    content = xlsx({"Table 1": [["Local authority ONS code", "Local authority", "2025", "2024"], *rows]})
    snapshot = Snapshot("mhclg_rough_sleeping", hash_bytes(content), date(2026, 3, 1), "", "", "", "t.xlsx", 1, "")
    messages = inspect_file(bundled, content, snapshot)
    copied = [message for message in messages if "are those stored for" in message]
    assert [(m.split("from ")[1][:4], m.split("from ")[2][:4]) for m in copied] == [("2024", "2020"), ("2025", "2021")]


def test_no_month_of_the_compiled_beds_is_a_copy_of_another(edition: Project) -> None:
    name = "nhse_emergency_beds"
    context = reading_context(edition.catalogue, name, load_places(edition), list_source_geographies(edition, name))
    [[stored]] = stored_releases(edition.home, name, edition.as_of)
    read = read_release(context, stored, read_snapshot(edition.home, stored.sha256)).cells
    assert find_copied_periods(read, read.filter(pl.col("fault").is_null())) == []
    # The compiled table has July's figures under August 2022: that month is not read.
    assert {date(2022, 7, 1), date(2022, 9, 1)} <= set(read["period_start"]) and date(2022, 8, 1) not in set(
        read["period_start"]
    )
