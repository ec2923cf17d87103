"""Slices in use and superseded ones: the newest release of each measure and period is in use."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.core.store import state_path, write_table
from pipelines.declarations.project import Project
from pipelines.outputs import superseded
from pipelines.outputs.superseded import keep_history
from tests.gaps.plain import catalogue_of

PROJECT = Project(catalogue_of(), Path("nowhere"), date(2026, 1, 1))


def slice_of(measure: str, month: int, order: int, first_row: int = 0, rows: int = 1) -> dict[str, Any]:
    return {"measure": measure, "period_start": date(2025, month, 1), "period_end": date(2025, month, 28),
            "order": order, "values_file": f"{order}.parquet", "first_row": first_row, "rows": rows}  # fmt: skip


def test_slice_of_the_newest_release_with_its_period_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = pl.DataFrame([slice_of("a", 2, 1), slice_of("a", 1, 0, 5), slice_of("a", 2, 0), slice_of("b", 2, 0, 9)])
    monkeypatch.setattr(superseded, "load_source_table", lambda *_: stored)
    actual = superseded._list_slices(PROJECT, "s").select("measure", "period_start", "order", "in_use").rows()
    assert actual == [
        ("a", date(2025, 2, 1), 0, False), ("a", date(2025, 1, 1), 0, True), ("b", date(2025, 2, 1), 0, True),
        ("a", date(2025, 2, 1), 1, True),
    ]  # fmt: skip


@pytest.mark.parametrize(("most", "is_kept"), [(7, True), (6, False)])
def test_history_is_beside_the_file_where_all_sources_have_too_many_rows(
    monkeypatch: pytest.MonkeyPatch, most: int, is_kept: bool
) -> None:
    written: list[list[str]] = []
    monkeypatch.setattr(superseded, "MAX_OBSERVATIONS", most)
    monkeypatch.setattr(superseded, "_count_observations", lambda _, name: {"s": 3, "t": 4}[name])
    monkeypatch.setattr(superseded, "_write_superseded", lambda _, names: written.append([*names]))
    assert keep_history(PROJECT, ["s", "t"]) == is_kept
    assert written == [[] if is_kept else ["s", "t"]]


def test_observations_of_a_source_are_those_of_all_its_slices(tmp_path: Path) -> None:
    write_table(
        state_path(tmp_path, "slice", "s"), pl.DataFrame([slice_of("a", 1, 0, 0, 5), slice_of("b", 1, 0, 5, 7)]), "k"
    )
    assert superseded._count_observations(PROJECT._replace(home=tmp_path), "s") == 12
