"""Which low figures a total upholds, and which levels a place keeps: each rule on plain frames."""

from datetime import date
from math import log
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from checks.confirmation import (
    LEAST_LATER_PERIODS,
    LargerAreas,
    add_kept_levels,
    compare_totals,
    drop_confirmed_flags,
    find_whole_returns,
)
from checks.flags import PLAUSIBILITY_FLAG
from checks.series import number_slices, select_releases, split_measures
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.observations.totals import MEMBER_SCHEMA, TOTAL
from tests.checks.figures_expected import judged, months, year

COUNT = Measure(title="t", unit="things", kind="count", column=("figure",))
RATE = Measure(title="t", unit="%", kind="rate", denominator="people", column=("figure",))
FIVES = COUNT.model_copy(update={"rounding": 5.0})
MEASURES = {"rate": RATE, "m": COUNT, "fives": FIVES}
WIDE, NEAR = "E12", "E13"
MEMBERS = pl.DataFrame(
    [(WIDE, code) for code in "DCBA"] + [(NEAR, code) for code in "AB"], schema=MEMBER_SCHEMA, orient="row"
)
FIGURES = {"A": 0.0, "B": 10.0, "C": 20.0, "D": 30.0}


def cells(figures: dict[str, float | None], order: int = 0, of: int = 2020, measure: str = "m") -> list[dict[str, Any]]:
    start, end = year(of)
    return [{"measure": measure, "place_code": code, "geography": "lad", "period_start": start, "period_end": end,
             "value": figure, "order": order, "role": "total", "obs_status": "normal"}
            for code, figure in figures.items()]  # fmt: skip


def observed(*given: list[dict[str, Any]]) -> pl.DataFrame:
    every = [cell for item in given for cell in item]
    orders = pl.Series("order", [cell["order"] for cell in every], pl.Int64)
    return table_from_records(every, OBSERVATION_COLUMNS).with_columns(orders).sample(fraction=1, shuffle=True, seed=11)


def stated(*given: list[dict[str, Any]]) -> LargerAreas:
    frame = table_from_records([cell for item in given for cell in item], TOTAL).sample(
        fraction=1, shuffle=True, seed=12
    )
    return LargerAreas(frame, {"lad": MEMBERS})


def doubted(codes: str, reason: str = "suspected_zero", measure: str = "m") -> pl.DataFrame:
    return table_from_records(
        [{**cell, "reason": reason} for cell in cells(dict.fromkeys(codes, 0.0), measure=measure)], PLAUSIBILITY_FLAG
    )


OBSERVED = cells(dict(FIGURES))
RIGHT = cells({WIDE: 60.0, NEAR: 10.0})


def left_flags(
    low: pl.DataFrame, observation: pl.DataFrame, larger: LargerAreas, measures: dict[str, Measure]
) -> pl.DataFrame:
    """Drop the flags that totals of their own measure confirm."""
    compared = []
    for name, rows in split_measures(observation):
        if name in measures:
            slices = number_slices(rows)
            mine = low.filter(pl.col("measure") == name)
            compared.append(compare_totals(mine, slices, select_releases(slices), larger, measures[name]))
    return drop_confirmed_flags(low, pl.concat(compared), larger.members) if compared else low


def left(low: pl.DataFrame, larger: LargerAreas, observation: pl.DataFrame | None = None) -> str:
    """Give the places of which doubts are left."""
    seen = observed(OBSERVED) if observation is None else observation
    actual = left_flags(low, seen, larger, MEASURES)
    return "".join(actual["place_code"])


LATER = {"order": 1}
"""A release that has no places: its totals are published apart."""


@pytest.mark.parametrize(
    ("low", "totals", "codes"),
    [
        (doubted("A"), RIGHT, ""),
        (doubted("A"), cells({NEAR: 10.0}), ""),
        (doubted("A"), cells({WIDE: 60.0, NEAR: 11.0}), "A"),
        (doubted("A"), cells({WIDE: 61.0, NEAR: 10.0}), "A"),
        (doubted("A"), [], "A"),
        (doubted("A"), cells({WIDE: 60.0, NEAR: None}), ""),
        (doubted("A"), cells({NEAR: None}), "A"),
        (doubted("A"), [{**cell, "role": "unallocated"} for cell in RIGHT], "A"),
        (doubted("A"), cells({WIDE: 60.0, NEAR: 10.0}, of=2021), "A"),
        (doubted("A"), RIGHT + cells({WIDE: 9.0, NEAR: 9.0}, of=2021), ""),
        (doubted("A"), RIGHT + cells({WIDE: 9.0, NEAR: 9.0}, measure="fives"), ""),
        (doubted("A"), cells({WIDE: 60.0 + 5e-8}), ""),
        (doubted("A"), cells({WIDE: 60.0 + 1e-7}), "A"),
        (doubted("A"), cells({WIDE: 60.0 - 1e-7}), "A"),
        (doubted("AB"), RIGHT, "AB"),
        (doubted("AC"), RIGHT, "C"),
        (doubted("CD"), RIGHT, "CD"),
        (pl.concat([doubted("A"), doubted("B", "near_zero_leak")]), RIGHT, "AB"),
        (doubted("A", "partial_return"), RIGHT, "A"),
        (doubted("A", "near_zero_leak"), RIGHT, "A"),
        (doubted("A", "partial_return"), [{**cell, **LATER} for cell in RIGHT], ""),
        (doubted("AB", "partial_return"), [{**cell, **LATER} for cell in RIGHT], ""),
        (doubted("A", "partial_return"), [{**cell, **LATER} for cell in cells({WIDE: 60.0, NEAR: 14.0})], "A"),
        (doubted("A", "partial_return"), RIGHT + [{**cell, **LATER} for cell in cells({WIDE: 60.0})], ""),
        (doubted("A"), cells({NEAR: 14.0}) + [{**cell, **LATER} for cell in cells({WIDE: 60.0})], "A"),
        (doubted("AB"), RIGHT + [{**cell, **LATER} for cell in cells({WIDE: 60.0})], ""),
        (doubted("Z"), RIGHT, "Z"),
        (doubted("A").clear(), RIGHT, ""),
    ],
)
def test_low_figure_needs_agreement_of_all_its_totals(
    low: pl.DataFrame, totals: list[dict[str, Any]], codes: str
) -> None:
    assert left(low, stated(totals)) == codes


@pytest.mark.parametrize(
    ("total", "off", "codes"),
    [(WIDE, 12.5, ""), (WIDE, 12.6, "A"), (WIDE, -12.5, ""), (WIDE, -12.6, "A"), (NEAR, 7.5, ""), (NEAR, 7.6, "A")],
)
def test_total_may_differ_by_half_a_base_for_each_figure(total: str, off: float, codes: str) -> None:
    right = {WIDE: 60.0, NEAR: 10.0}[total]
    figures = observed(cells(dict(FIGURES), measure="fives"))
    assert left(doubted("A", measure="fives"), stated(cells({total: right + off}, measure="fives")), figures) == codes


def test_total_with_a_missing_place_does_not_confirm() -> None:
    assert left(doubted("A"), stated(RIGHT), observed(cells({"A": 0.0, "C": 20.0, "D": 40.0}))) == "A"
    assert left(doubted("A"), stated(RIGHT), observed(cells({"A": 0.0, "B": None, "C": 20.0, "D": 40.0}))) == "A"
    assert left(doubted("A"), stated(RIGHT), observed(cells({"A+B": 10.0, "C": 20.0, "D": 30.0}))) == ""


def test_total_of_an_older_release_is_ignored() -> None:
    newer, older = cells(dict(FIGURES), order=1), cells({**FIGURES, "A": 50.0})
    both = observed(newer, older)
    right = cells({WIDE: 60.0, NEAR: 10.0}, order=1)
    old = cells({WIDE: 110.0, NEAR: 60.0})
    assert left(doubted("A"), stated(right, old), both) == ""
    assert left(doubted("A"), stated(cells({WIDE: 60.0, NEAR: 10.0})), both) == "A"


def test_rates_and_other_place_systems_are_not_compared_with_totals() -> None:
    rates = observed(cells(dict(FIGURES), measure="rate"))
    low = doubted("A", measure="rate")
    assert left(low, stated(cells({NEAR: 10.0}, measure="rate")), rates) == "A"
    only = left_flags(doubted("A"), observed(OBSERVED), stated(RIGHT), {"rate": RATE})
    assert_frame_equal(only, doubted("A"))
    assert left(doubted("A"), LargerAreas(stated(RIGHT).total, {})) == "A"
    assert left(doubted("A"), LargerAreas(stated(RIGHT).total, {"ward": MEMBERS})) == "A"
    assert left(doubted("A"), LargerAreas(stated(RIGHT).total, {"ward": MEMBERS, "lad": MEMBERS})) == ""


def test_remaining_flags_have_the_same_order_and_columns() -> None:
    low = pl.concat([doubted("D", "partial_return"), doubted("A"), doubted("B", "partial_return")])
    larger = stated(cells({WIDE: 60.0}))
    actual = left_flags(low, observed(OBSERVED), larger, MEASURES)
    assert_frame_equal(actual, low)
    apart = stated([{**cell, **LATER} for cell in cells({WIDE: 60.0})])
    assert left(low, apart) == ""


MONTHS = months(6)
NEAR_USUAL = -log(1.6) / 2
SPOT = ["place_code", "period_start", "period_end"]


def place(rest: list[float], apart: float | None = -1.0, code: str = "E01", **given: Any) -> list[dict[str, Any]]:
    """Give the last months of a place by how far its figures are from its level."""
    days = MONTHS[len(MONTHS) - len(rest) :]
    return [{"place_code": code, "period_start": day, "rest": item, "apart": apart, "apart_before": 0.0, **given}
            for day, item in zip(days, rest, strict=True)]  # fmt: skip


def kept(*given: list[dict[str, Any]]) -> list[bool]:
    """Tell of each month of the first place whether its level was kept."""
    return kept_levels(judged([row for item in given for row in item])).head(len(given[0]))["kept"].to_list()


def kept_levels(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `kept` as the flags of all measures are settled with it."""
    later = pl.col("period_start").rank("dense", descending=True).over("measure") - 1
    numbered = frame.with_columns(
        pl.struct("measure", "place_code").rle_id().alias("place_number"), later.alias("later_periods")
    )
    levels = add_kept_levels(numbered)
    assert_frame_equal(levels.drop("level", "later"), numbered)
    counts = frame.filter(pl.col("measure") != "rate")
    usual = ((pl.col("value") > 0) & (pl.col("apart") > NEAR_USUAL)).fill_null(False)
    whole = find_whole_returns(frame, counts.select("measure", *SPOT, usual.alias("usual")))
    return levels.join(whole.with_columns(pl.lit(True).alias("whole")), on=["measure", *SPOT], how="left").with_columns(
        (pl.col("level") & ((pl.col("later") >= LEAST_LATER_PERIODS)
        | ((pl.col("later") >= 1) & pl.col("whole").fill_null(False)))).alias("kept")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows_", "due"),
    [
        (place([0.0, 0.0, -1.0, -1.0, -1.0, -1.0]), [False, False, True, False, False, False]),
        (place([-1.0] * 6), [True, True, True, False, False, False]),
        (place([-1.0, -0.54, -1.0, -1.0]), [True, False, False, False]),
        (place([-1.0, -0.52, -1.0, -1.0]), [False] * 4),
        (place([-1.0, -1.0, -1.46, -1.0]), [True, False, False, False]),
        (place([-1.0, -1.0, -1.48, -1.0]), [False] * 4),
        (place([-1.0, -1.0, -1.0, -1.29], apart=-0.6), [True, False, False, False]),
        (place([-1.0, -1.0, -1.0, -1.31], apart=-0.6), [False] * 4),
        (place([-1.0, -1.0, -1.0, -0.71], apart=-0.2, apart_before=-0.6), [True, False, False, False]),
        (place([-1.0, -1.0, -1.0, -0.69], apart=-0.2, apart_before=-0.6), [False] * 4),
        (place([-1.0, -1.0, -1.0, -1.0], apart=0.5, apart_before=0.2), [False] * 4),
        (place([-1.0, -1.0, -1.0, -1.0], apart=-1.0, apart_before=None), [True, False, False, False]),
    ],
)
def test_level_is_confirmed_by_three_later_figures(rows_: list[dict[str, Any]], due: list[bool]) -> None:
    assert kept(rows_) == due


def test_level_with_a_missing_later_period_is_not_confirmed() -> None:
    other = place([0.0] * 6, code="E02")
    assert kept(place([-1.0] * 6), other)[0]
    gap = place([-1.0] * 6)
    assert kept(gap[:3] + gap[4:], other) == [False, False, False, False, False]
    assert kept(gap[:5], other) == [False] * 5
    assert kept(gap[:1] + gap[2:], other) == [False, True, False, False, False]
    assert kept(place([-1.0] * 4), place([0.0] * 6, measure="n", code="E02")) == [True, False, False, False]


@pytest.mark.parametrize(
    ("others", "due"),
    [
        ([], False),
        ([("n", {})], True),
        ([("n", {"apart": NEAR_USUAL + 0.01})], True),
        ([("n", {"apart": NEAR_USUAL})], False),
        ([("n", {"apart": NEAR_USUAL - 0.01})], False),
        ([("n", {"apart": None})], False),
        ([("n", {"value": 0.0})], False),
        ([("n", {"value": 0.5})], True),
        ([("rate", {})], False),
        ([("n", {}), ("rate", {"apart": -3.0})], True),
        ([("n", {}), ("o", {"apart": -3.0})], False),
        ([("n", {}), ("o", {})], True),
        ([("n", {"place_code": "E02"})], False),
    ],
)
def test_one_later_figure_confirms_a_level_with_usual_other_counts(
    others: list[tuple[str, dict[str, Any]]], due: bool
) -> None:
    rest = [place([0.0, 0.0], **{"apart": 0.0, "measure": name, **given}) for name, given in others]
    assert kept(place([-1.0, -1.0]), *rest) == [due, False]


def test_usual_figure_is_not_counted_among_other_figures() -> None:
    usual = place([-1.0, -1.0], apart=-0.1)
    assert kept(usual, place([0.0, 0.0], apart=0.0, measure="n")) == [True, False]
    assert kept(usual) == [False, False]
    assert kept(usual, place([0.0, 0.0], apart=-3.0, measure="n")) == [False, False]


def test_another_day_of_the_period_is_another_return() -> None:
    other = judged(place([0.0, 0.0], apart=0.0, measure="n")).with_columns(pl.lit(date(2021, 1, 1)).alias("period_end"))
    actual = kept_levels(pl.concat([judged(place([-1.0, -1.0])), other]))
    assert actual["kept"].to_list() == [False] * 4
