"""Checks of totals and returns, and their form in Dagster."""

from datetime import date

import dagster as dg
import polars as pl
import pytest

from pipelines.app.asset_checks import convert_results
from pipelines.app.check_results import count_metadata, count_slices, returns_result, totals_result
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


def test_total_with_over_one_per_cent_unexplained_warns() -> None:
    sound = totals_result(table_from_records([total(1_000, 9), total(-50, 0), total(0, 4)], RECONCILIATION))
    assert sound.passed and sound.metadata["least share"] == 0.991
    open_ = totals_result(table_from_records([total(1_000, 9), total(1_000, -11)], RECONCILIATION))
    assert not open_.passed and not open_.is_error
    assert "London" in str(open_.metadata["some"]) and open_.metadata["with a remainder"] == 2


def test_returns_are_checked_by_volume_for_the_latest_period() -> None:
    old, whole = period(2022, 0.2, "RVR Epsom"), period(2023, 0.97, "RA1 Small")
    sound = returns_result(table_from_records([old, whole], COMPLETENESS))
    assert sound.passed and "RA1 Small" in str(sound.metadata["some"])
    low = returns_result(table_from_records([old, period(2023, 0.94, "RA1 Small")], COMPLETENESS))
    assert not low.passed and low.metadata["least share"] == 0.94


def test_check_without_data_passes() -> None:
    assert totals_result(empty_table(RECONCILIATION)).passed
    assert returns_result(empty_table(COMPLETENESS)).passed
    assert returns_result(table_from_records([period(2023, None, None)], COMPLETENESS)).passed


def test_dagster_shows_a_warning_with_its_sample_as_a_list() -> None:
    open_ = totals_result(table_from_records([total(1_000, 11)], RECONCILIATION))
    [shown] = convert_results(KEY, [open_])
    assert (shown.passed, shown.severity, shown.asset_key) == (False, dg.AssetCheckSeverity.WARN, KEY)
    assert isinstance(shown.metadata["some"], dg.MarkdownMetadataValue)
    [stopped] = convert_results(KEY, [open_._replace(is_error=True)])
    assert stopped.severity == dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize("height", [0, 1, 5])
def test_numbers_of_slices_are_those_of_their_observations(height: int) -> None:
    rows = [("a", date(2024, month, 1), date(2024, month, 28), code) for month, code in
            ((3, "A"), (3, "B"), (1, "A"), (2, "C"), (2, "A"))]  # fmt: skip
    schema = {"measure": pl.String, "period_start": pl.Date, "period_end": pl.Date, "place_code": pl.String}
    figures = pl.DataFrame(rows[:height], schema=schema, orient="row")
    slices = figures.group_by("measure", "period_start", "period_end").agg(pl.len().alias("rows"))
    assert count_slices(slices, figures["place_code"].n_unique()) == count_metadata(figures, "place_code")
