"""Frames of figures with their expected values, for tests of the checks."""

from datetime import date
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from checks.flags import FIGURE_KEY, PLAUSIBILITY_FLAG
from pipelines.core.schema import conform_table

USUAL: dict[str, Any] = {
    "source": "s", "release": "r", "measure": "m", "place_code": "E01", "place_label": "Place", "file": "f.csv",
    "period_start": date(2020, 1, 1), "value": 100.0, "step": 1.0, "movement": 0.0, "rest": 0.0,
    "usual": 100.0, "before": 100.0, "long_run": 100.0, "apart": 0.0, "apart_before": 0.0, "apart_long": 0.0,
    "own_spread": 0.1, "peer_spread": 0.1, "noise": 0.0, "periods": 5, "peers": 10,
}  # fmt: skip
"""One figure as checks.expected.expected gives it, with nothing odd about it."""


def year(number: int) -> tuple[date, date]:
    """Give the first and last day of a year."""
    return date(number, 1, 1), date(number, 12, 31)


def judged(rows: list[dict[str, Any]], **same: Any) -> pl.DataFrame:
    """Build a frame like checks.expected.fit_expected: usual figures, except the named columns."""
    return pl.DataFrame([{**USUAL, **same, **row} for row in rows]).with_columns(
        pl.col("period_start").dt.month_end().alias("period_end"),
        pl.col("peers", "periods").cast(pl.UInt32),
        pl.col([name for name, item in USUAL.items() if isinstance(item, float)]).cast(pl.Float64),
    )


def months(count: int) -> list[date]:
    """Give the first days of some months, from January 2020."""
    return [date(2020 + n // 12, n % 12 + 1, 1) for n in range(count)]


def places(count: int) -> list[str]:
    """Give codes of places."""
    return [f"E{n:02}" for n in range(count)]


def spots(actual: pl.DataFrame) -> list[tuple[str, date]]:
    """Give place and first day of what was found, sorted."""
    return sorted(actual.select("place_code", "period_start").rows())


def assert_doubts(actual: pl.DataFrame, rows: list[dict[str, Any]], **same: Any) -> None:
    """Assert that the flags are exactly these rows, in any order; other columns are as in USUAL, or null."""
    named = {name: USUAL[name] for name in USUAL if name in PLAUSIBILITY_FLAG and name != "peers"}
    due = pl.DataFrame([{**named, **same, **row} for row in rows], infer_schema_length=None)
    if "period_end" not in due.columns:
        due = due.with_columns(pl.col("period_start").dt.month_end().alias("period_end"))
    assert_frame_equal(actual.sort(FIGURE_KEY), conform_table(due, PLAUSIBILITY_FLAG).sort(FIGURE_KEY))
