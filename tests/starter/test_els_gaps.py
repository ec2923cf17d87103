"""Explore Local Statistics as published: at least 99.5 % of its empty cells have a reason, as the page states."""

import re
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.breadth import wide
from tests.starter.test_published import PUBLISHED, ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import els_gaps

FOLDER = PUBLISHED / "indicators" / "ons_explore_local_statistics"
FLOOR = 0.995
pytestmark = wide


@pytest.fixture(scope="module")
def grids() -> tuple[pl.DataFrame, pl.DataFrame]:
    if not FOLDER.is_dir():
        pytest.skip(f"the published files are not at {FOLDER}; set COMMONGROUND_PUBLISHED to where they are")
    return els_gaps.type_indicators(FOLDER)


def test_nearly_all_empty_cells_have_a_reason_in_every_period(
    grids: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    for cells in grids:
        assert els_gaps.explained_share(cells) >= FLOOR
        assert cells.filter(pl.col("value").is_null() != pl.col("reason").is_not_null()).is_empty()
    assert grids[0].height == 41 * 361


def test_few_gaps_have_only_a_missing_row_as_reason(grids: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    empty = grids[1].filter(pl.col("value").is_null())
    assert (empty["reason"] == "not_returned").sum() / empty.height < 0.02


def test_no_figure_is_lost_or_added(grids: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """The newest claimant rates have the same number and values as the file has for the districts of 2025."""
    item = next(item for item in els_gaps.read_indicators(FOLDER) if item.title == "Claimant Count")
    newest = max(item.column("period"))
    printed = {
        code: float(figure)
        for code, period, figure in zip(
            item.column("areacd"), item.column("period"), item.column("observation"), strict=True
        )
        if period == newest and figure
    }
    cells = grids[0].filter(pl.col("measure") == item.name, pl.col("value").is_not_null())
    assert cells.height > 350
    result = dict(cells.select("place_code", "value").iter_rows())
    # Barnsley and Sheffield have new codes since 2025; the file still uses the old codes.
    assert set(result) - set(printed) == {"E08000038", "E08000039"}
    assert all(printed[code] == value for code, value in result.items() if code in printed)


def test_docs_page_matches_the_script(grids: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    page = (ROOT / "docs" / "els-gaps.md").read_text(encoding="utf-8")
    assert page == els_gaps.render_page(*grids)


def test_docs_page_states_its_minimum_without_the_files() -> None:
    text = Path(ROOT / "docs" / "els-gaps.md").read_text(encoding="utf-8")
    shares = [float(share) for share in re.findall(r"\| (\d+\.\d+)% \| [\d,]+ \|$", text, re.M)]
    assert len(shares) == 2
    assert min(shares) >= 100 * FLOOR
