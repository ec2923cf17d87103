"""Flags found on arrays, measure by measure, against the same rules on every figure in one frame."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from checks.confirmation import LargerAreas
from checks.figures import JUDGED_COLUMNS, find_suspects, flag_figures, list_return_periods, settle_flags
from checks.flags import FIGURE_KEY
from checks.series import split_measures
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import Measure
from pipelines.observations.totals import MEMBER_SCHEMA, TOTAL
from tests.breadth import wide
from tests.checks.figures_expected import months
from tests.checks.figures_in_full import flag_in_full

COUNT = Measure(title="t", unit="things", kind="count", column=("figure",))
RATE = Measure(title="t", unit="%", kind="rate", denominator="people", column=("figure",))
MEASURES = {
    "first": COUNT, "second": COUNT, "tens": COUNT.model_copy(update={"rounding": 10.0}), "rate": RATE,
    "rounded": RATE.model_copy(update={"rounding": 0.1}),
}  # fmt: skip
FAULTS = (
    "zeros", "leaks", "thirds", "high", "tenfold", "repeats", "twins", "labels", "rounding", "period", "missing",
    "drop", "older", "late", "totals", "long_period", "silent",
)  # fmt: skip


def make_matrix(chance: np.random.Generator, name: str, faults: frozenset[str], shape: tuple[int, int]) -> Any:
    """Return a matrix of places and months of one measure, with faults in some figures."""
    level = chance.choice([3.0, 40.0, 900.0]) * chance.uniform(0.3, 3, shape[0])
    figures = level[:, None] * np.exp(chance.normal(0, chance.choice([0.02, 0.15]), shape[1]))
    figures *= np.exp(chance.normal(0, 0.05, shape))
    spots = {fault: chance.random(shape) < 0.04 for fault in FAULTS}
    times = {"zeros": 0.0, "leaks": 0.02, "thirds": 0.35, "high": 6.0, "tenfold": 10.0}
    for fault, factor in times.items():
        if fault in faults:
            figures[spots[fault]] *= factor
    if "drop" in faults:
        figures[0, shape[1] // 2 :] *= 0.4
        figures[1, -2:] *= 0.4
        figures[2, -3:] *= 0.4
    figures = np.round(figures, {"rate": 2, "rounded": 1, "tens": -1}.get(name, 0))
    if "rounding" in faults:
        figures[:, 1] = np.round(figures[:, 1], -2)
    if "repeats" in faults:
        figures[3, 2:7] = figures[3, 2]
    if "twins" in faults:
        figures[4] = figures[5]
    if "period" in faults:
        figures[:, 2] *= 100
    figures[spots["missing"] & ("missing" in faults)] = np.nan
    if "silent" in faults and name == "rate":
        figures[:] = np.nan
    return figures


def make_table(seed: int, faults: frozenset[str]) -> tuple[pl.DataFrame, LargerAreas]:
    """Return observations of two releases, and the totals of their places."""
    chance = np.random.default_rng(seed)
    shape = (int(chance.integers(8, 28)), int(chance.integers(6, 12)))
    days = months(shape[1])
    rows: list[dict[str, Any]] = []
    totals: list[dict[str, Any]] = []
    for name in MEASURES:
        figures = make_matrix(chance, name, faults, shape)
        for (place, month), figure in np.ndenumerate(figures):
            if "late" in faults and place == 6 and month < 4:
                continue
            label = "Both" if "labels" in faults and place in (4, 5) else ("" if place == 7 else f"Place {place}")
            shared = {"measure": name, "place_code": f"E{place:02}", "place_label": label, "obs_status": "normal",
                      "period_start": days[month], "geography": "lad"}  # fmt: skip
            ends = [days[month].replace(day=28)]
            if "long_period" in faults and month == 3:
                ends.append(date(days[month].year, 12, 31))
            rows += [{**shared, "period_end": end, "value": float(figure), "order": 1} for end in ends]
            if "older" in faults and month < shape[1] - 1:
                scale = 1000.0 if month == 4 else 1.0
                old = {"value": float(figure) / scale, "order": 0, "period_end": ends[0]}
                rows.append({**shared, **old})
        sums = np.nansum(figures[:4], axis=0)
        totals += [
            {"measure": name, "place_code": "NEAR", "geography": "lad", "period_start": day, "role": "total",
             "period_end": day.replace(day=28), "value": float(total) + (month % 3 == 0), "order": month % 2 + 1}
            for month, (day, total) in enumerate(zip(days, sums, strict=True)) if "totals" in faults
        ]  # fmt: skip
    observation = pl.DataFrame(rows).with_columns(pl.col("value").fill_nan(None))
    member = pl.DataFrame([("NEAR", f"E{place:02}") for place in range(4)], schema=MEMBER_SCHEMA, orient="row")
    table = conform_table(observation, OBSERVATION_COLUMNS).with_columns(observation["order"])
    table = table.with_columns(pl.lit("s").alias("source"), pl.format("r{}", "order").alias("release"))
    total = conform_table(pl.DataFrame(totals, schema=None if totals else {"value": pl.Float64}), TOTAL)
    return table, LargerAreas(total, {"lad": member, "ward": member})


def assert_same_flags(actual: pl.DataFrame, due: pl.DataFrame) -> None:
    key = [*FIGURE_KEY, "reason"]
    assert_frame_equal(actual.sort(key), due.sort(key), rel_tol=1e-12, abs_tol=1e-12)


@settings(max_examples=settings.default.max_examples // 4)  # type: ignore[union-attr]
@given(st.integers(0, 10_000), st.frozensets(st.sampled_from(FAULTS), min_size=1, max_size=6))
def test_flags_are_those_of_every_figure_in_one_frame(seed: int, faults: frozenset[str]) -> None:
    table, larger = make_table(seed, faults)
    assert_same_flags(flag_figures(table, MEASURES, larger), flag_in_full(table, MEASURES, larger))


@pytest.mark.parametrize("fault", FAULTS)
def test_flags_of_each_fault_are_those_of_one_frame(fault: str) -> None:
    table, larger = make_table(1, frozenset({fault, "older"}))
    assert_same_flags(flag_figures(table, MEASURES, larger), flag_in_full(table, MEASURES, larger))


@wide
@pytest.mark.parametrize("fault", FAULTS)
def test_flags_of_each_fault_without_larger_areas_are_those_of_one_frame(fault: str) -> None:
    table, _ = make_table(2, frozenset({fault, "older"}))
    assert_same_flags(flag_figures(table, MEASURES), flag_in_full(table, MEASURES))


def test_flags_without_larger_areas_are_those_of_one_frame() -> None:
    table, _ = make_table(2, frozenset(FAULTS))
    assert_same_flags(flag_figures(table, MEASURES), flag_in_full(table, MEASURES))


def test_every_reason_is_flagged_in_some_table() -> None:
    tables = [make_table(seed, frozenset(FAULTS) - {"long_period", "silent", "period"}) for seed in range(3)]
    tables.append(make_table(7, frozenset({"rounding"})))
    reasons = {reason for table, larger in tables for reason in flag_figures(table, MEASURES, larger)["reason"]}
    assert reasons == {
        "suspected_zero", "near_zero_leak", "partial_return", "unit_change", "implausible", "repeated_value",
        "combined_area", "rounded",
    }  # fmt: skip


def test_order_of_rows_and_categories_change_nothing() -> None:
    table, larger = make_table(5, frozenset(FAULTS))
    due = flag_figures(table, MEASURES, larger)
    texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
    coded = table.with_columns(pl.col(texts).cast(pl.Categorical)).sample(fraction=1, shuffle=True, seed=2)
    assert_same_flags(flag_figures(coded, MEASURES, larger), due)


def test_measures_may_be_judged_one_by_one_and_settled_later() -> None:
    table, larger = make_table(7, frozenset(FAULTS))
    figures = (pl.col("value") >= 0).any().alias("has_figures")
    periods = list_return_periods(table.group_by(*SLICE_KEY, "order").agg(figures), MEASURES)
    suspects = [
        find_suspects(rows.select(JUDGED_COLUMNS), MEASURES[name], larger, periods)
        for name, rows in reversed([*split_measures(table)])
    ]
    assert_same_flags(settle_flags(suspects, larger), flag_figures(table, MEASURES, larger))


def test_rate_that_is_zero_everywhere_is_not_published_together() -> None:
    table, _ = make_table(1, frozenset({"missing"}))
    nothing = table.filter(pl.col("measure") == "rate").with_columns(pl.lit(0.0).alias("value"))
    assert flag_figures(nothing, MEASURES).is_empty()
