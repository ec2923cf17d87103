"""Limits of files: as many cells as memory and text have room for."""

import pytest

from pipelines.core.limits import cells_limit


def test_small_text_may_have_as_many_cells_as_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONGROUND_MEMORY_MB", "100")
    assert cells_limit(0) == cells_limit(1_000_000) == 5_000_000


def test_large_file_of_figures_by_small_area_and_month_is_within_the_limit() -> None:
    row = "2024-01,E01000001,item_0,1234\n"
    rows = 20_000_000
    assert cells_limit(rows * len(row)) >= rows * len(row.split(","))


def test_large_text_of_empty_cells_is_beyond_the_limit() -> None:
    assert cells_limit(1_000_000_000) < 1_000_000_000
