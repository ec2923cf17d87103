"""A release is read once: again only where an input has changed or its figures are gone."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.app import steps
from pipelines.core.schema import FINDING_COLUMNS, OBSERVATION_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.core.snapshots import Snapshot
from pipelines.core.store import list_release_tables, state_path
from pipelines.declarations.fingerprints import OBSERVATION_TABLES
from pipelines.declarations.project import Project
from pipelines.observations import release_reading
from pipelines.observations.access import load_source_tables, scan_observations
from pipelines.observations.conform import CELLS, Codes
from pipelines.observations.ingest import ReadingContext, open_release
from pipelines.observations.release_reading import (
    UNUSED_NAME,
    _cells_set_aside,
    _combine_findings,
    _narrow_bounds,
    _suggest_names,
)
from pipelines.observations.totals import TOTAL
from tests.gaps.test_cells import MERTON, Case, project_of, with_peers
from tests.observations import test_disclosure_rules as rules

SOURCE = "a_source"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of files that later steps read."""
    names: list[str] = []

    def note(context: ReadingContext, snapshot: Snapshot, content: bytes) -> object:
        names.append(snapshot.file)
        return open_release(context, snapshot, content)

    monkeypatch.setattr(release_reading, "open_release", note)
    return names


def tables_of(project: Project) -> list[pl.DataFrame]:
    steps.prepare_store(project)
    return [*load_source_tables(project, SOURCE), scan_observations(project, SOURCE).collect()]


def test_unchanged_release_is_not_read_again(tmp_path: Path, read: list[str]) -> None:
    project = project_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7")), tmp_path)
    first = tables_of(project)
    again = tables_of(project)
    assert read == ["2024-05-01.csv"]
    for before, after in zip(first, again, strict=True):
        assert_frame_equal(before, after)


def test_lost_file_of_figures_is_read_again(tmp_path: Path, read: list[str]) -> None:
    project = project_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7")), tmp_path)
    first = tables_of(project)
    for path in list_release_tables(project.home, SOURCE):
        if path.parent.parent.name == "values":
            path.unlink()
    again = tables_of(project)
    assert read == ["2024-05-01.csv"] * 2
    for before, after in zip(first, again, strict=True):
        assert_frame_equal(before, after)


def test_release_is_not_read_again_where_only_tables_of_its_source_are_gone(tmp_path: Path, read: list[str]) -> None:
    project = project_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7")), tmp_path)
    first = tables_of(project)
    for table in OBSERVATION_TABLES:
        state_path(project.home, table, SOURCE).unlink()
    again = tables_of(project)
    assert read == ["2024-05-01.csv"]
    for before, after in zip(first, again, strict=True):
        assert_frame_equal(before, after)


def test_refused_release_without_figures_is_not_read_again(tmp_path: Path, read: list[str]) -> None:
    project = project_of(Case(None, MERTON, [f"{MERTON},x,2023,lots"] * 3), tmp_path)
    assert tables_of(project)[-1].is_empty()
    assert not list(project.home.glob("state/values/*/*.parquet"))
    for table in OBSERVATION_TABLES:
        state_path(project.home, table, SOURCE).unlink()
    assert tables_of(project)[-1].is_empty() and read == ["2024-05-01.csv"]


PLACES = table_from_records(
    [{"place_code": code, "place_name": name, "kind": "lad", "nation": "England"}
     for code, name in (("E09000024", "Merton"), ("E09000029", "Sutton"), ("E06000063", "Cumberland"))],
    PLACE_COLUMNS,
)  # fmt: skip


def test_only_findings_of_unknown_places_offer_a_place_and_every_finding_stays() -> None:
    said: list[dict[str, Any]] = [
        {"reason": "duplicate", "place_code": "E09000024", "place_label": "Merton", "evidence": "two rows"},
        {"reason": "unmatched_place", "place_label": "Suton", "evidence": "no such name"},
        {"reason": "unmatched_place", "place_code": "E90000024", "place_label": "x", "evidence": "no such code"},
        {"reason": "unreadable", "evidence": "not a number"},
        {"reason": "unmatched_place", "place_label": "Suton", "evidence": "again"},
    ]
    actual = _suggest_names(table_from_records(said, FINDING_COLUMNS), PLACES)
    evidence = ["two rows", "no such name; perhaps E09000029 Sutton", "no such code",
                "not a number", "again; perhaps E09000029 Sutton"]  # fmt: skip
    expected = [{**row, "evidence": text} for row, text in zip(said, evidence, strict=True)]
    assert_frame_equal(actual, table_from_records(expected, FINDING_COLUMNS))
    known = table_from_records(said[:1], FINDING_COLUMNS)
    assert_frame_equal(_suggest_names(known, PLACES), known)


def test_cells_set_aside_are_those_with_a_fault_and_a_place() -> None:
    faults = [None, "total", "repeat", "unallocated", "duplicate", "unreadable", "unmatched_place"]
    cells = table_from_records(
        [{"measure": "m", "place_code": None if fault == "unmatched_place" else "E01", "fault": fault,
          "period_start": date(2023, month, 1), "fault_evidence": f"why {fault}", "value": 1.0}
         for month, fault in enumerate(faults, 1)], CELLS,
    )  # fmt: skip
    actual = _cells_set_aside(cells)
    assert actual.rows(named=True) == [
        {"measure": "m", "place_code": "E01", "period_start": date(2023, month, 1), "fault": fault,
         "fault_evidence": f"why {fault}", "order": None}
        for month, fault in ((5, "duplicate"), (6, "unreadable"))
    ]  # fmt: skip
    sound = _cells_set_aside(cells.filter(pl.col("fault").is_null()))
    assert sound.is_empty() and sound.schema == actual.schema


def test_name_is_unused_if_no_part_of_a_release_has_it_and_a_recall_is_of_all_parts() -> None:
    def part(*unused: str, rows: int, reason: str) -> pl.DataFrame:
        names = [{"check": UNUSED_NAME, "evidence": name, "rows": 1} for name in unused]
        recall = {"check": "recalled_release", "evidence": "recalled", "rows": rows}
        return table_from_records([*names, recall, {"check": "readable_cells", "evidence": reason}], FINDING_COLUMNS)

    parts = [part("a", "b", "c", rows=2, reason="x"), part("c", "b", rows=3, reason="y"), part("b", rows=4, reason="z")]
    for order, others in ((parts, ["x", "y", "z"]), (parts[::-1], ["z", "y", "x"])):
        actual = _combine_findings(order).select("check", "evidence", "rows").rows()
        assert actual == [
            (UNUSED_NAME, "b", 1), *(("readable_cells", reason, None) for reason in others),
            ("recalled_release", "recalled", 9),
        ]  # fmt: skip


def test_bounds_of_a_release_are_narrowed_by_its_own_totals_with_a_finding() -> None:
    sound = rules.ordered(rules.HIDDEN, OBSERVATION_COLUMNS).drop("order")
    total = rules.ordered([rules.total(rules.LONDON, 10.0)], TOTAL).drop("order")
    context = ReadingContext("s", rules.declared(rules.PLACES), Codes(frozenset(), {}, {}), Path(), rules.OWN, ())
    snapshot = Snapshot("s", "r1", date(2024, 1, 1), "", "", "", "f.csv", 1, "")
    cells, findings, excluded = _narrow_bounds(sound, total, context, snapshot, ["n"])
    assert cells.select("place_code", "value", "lower_bound", "upper_bound").rows() == [
        (rules.A, None, 3.0, 3.0), (rules.B, 5.0, 5.0, 5.0), (rules.C, 2.0, 2.0, 2.0)
    ]  # fmt: skip
    said = f"1 figures have narrower bounds from published sums; {rules.A}: 3.0 to 3.0"
    assert findings.select("source", "release", "file", "check", "measure", "rows", "set_aside", "evidence").rows() == [
        ("s", "r1", "f.csv", "narrowed_bounds", "m", 1, False, said)
    ]
    assert excluded == ["n"]
