"""Checks of totals and returns, as Dagster receives them."""

import dagster as dg
import polars as pl

from pipelines.app.asset_checks import returns_result, totals_result
from pipelines.core.schema import empty_table, table_from_records
from pipelines.observations.reconciliation import RECONCILIATION
from pipelines.observations.returns import COMPLETENESS

KEY = dg.AssetKey(["observation", "s"])


def total(whole: float, remainder: float) -> dict[str, object]:
    return {"measure": "m", "place_name": "London", "total": whole, "remainder": remainder}


def period(year: int, rate: float | None, missing: str | None) -> dict[str, object]:
    start, end = pl.date(year, 1, 1), pl.date(year, 12, 31)
    day, last = pl.select(start).item(), pl.select(end).item()
    return {"measure": "m", "scope": "period", "period_start": day, "period_end": last, "due": 3, "returned": 2,
            "reporting_rate": rate, "missing": missing}  # fmt: skip


def test_a_total_of_which_more_than_a_hundredth_is_left_open_warns_and_is_named() -> None:
    sound = totals_result(KEY, table_from_records([total(1_000, 9), total(-50, 0), total(0, 4)], RECONCILIATION))
    assert sound.passed and sound.metadata["least share"].value == 0.991
    open_ = totals_result(KEY, table_from_records([total(1_000, 9), total(1_000, -11)], RECONCILIATION))
    assert not open_.passed and open_.severity == dg.AssetCheckSeverity.WARN
    assert "London" in str(open_.metadata["some"].value) and open_.metadata["with a remainder"].value == 2


def test_returns_are_judged_by_the_volume_that_came_for_the_newest_period() -> None:
    old, whole = period(2022, 0.2, "RVR Epsom"), period(2023, 0.97, "RA1 Small")
    sound = returns_result(KEY, table_from_records([old, whole], COMPLETENESS))
    assert sound.passed and "RA1 Small" in str(sound.metadata["some"].value)
    low = returns_result(KEY, table_from_records([old, period(2023, 0.94, "RA1 Small")], COMPLETENESS))
    assert not low.passed and low.metadata["least share"].value == 0.94


def test_where_there_is_nothing_to_judge_the_check_is_met() -> None:
    assert totals_result(KEY, empty_table(RECONCILIATION)).passed
    assert returns_result(KEY, empty_table(COMPLETENESS)).passed
    assert returns_result(KEY, table_from_records([period(2023, None, None)], COMPLETENESS)).passed
