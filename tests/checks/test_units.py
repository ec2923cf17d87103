"""Figures that are a power of ten off: a whole period, one figure, and one release beside the one before."""

from datetime import date
from math import exp, log
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from checks.expected import Fit, fit_expected
from checks.series import number_slices, select_releases
from checks.units import (
    describe_periods,
    find_changes_between_releases,
    find_unit_changes,
    select_moved_figures,
    select_rescaled,
)
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table, table_from_records
from pipelines.declarations.measure import Measure
from tests.checks.figures_expected import assert_doubts, judged, months, places, spots
from tests.checks.figures_in_full import list_periods

JUMP = 3
"""The month that is off."""


def unit_changes(frame: pl.DataFrame) -> pl.DataFrame:
    return find_unit_changes(frame, list_periods(frame))


def periods(
    times: float, spans: int = 6, peers: int = 10, unlike: int = 2, apart: float = 1.0, **same: Any
) -> pl.DataFrame:
    """Give months of places of which one month is some times the others, but for a few places apart from it."""
    return judged(
        [
            {"place_code": code, "period_start": month, "value": 100.0 * (times if number == JUMP else 1.0),
             "movement": log(times) if number == JUMP else 0.0,
             "apart": apart if place < unlike and number == JUMP else 0.0}
            for place, code in enumerate(places(peers)) for number, month in enumerate(months(spans))
        ],
        peers=peers, **same,
    )  # fmt: skip


WHOLE = "the same measure in other periods"


@pytest.mark.parametrize(
    ("times", "value", "evidence"),
    [
        (1000.0, 100_000.0, "100000 is 1000.0 times the figure expected from the same measure in other periods"),
        (0.01098765, 1.098765, "1.1 is 0.01099 times the figure expected from the same measure in other periods"),
    ],
)
def test_changed_unit_is_flagged_for_all_places_that_moved(times: float, value: float, evidence: str) -> None:
    actual = unit_changes(periods(times).sample(fraction=1, shuffle=True, seed=1))
    assert_doubts(
        actual,
        [{"place_code": code, "value": value, "evidence": evidence} for code in places(10)[2:]],
        period_start=months(6)[JUMP], reason="unit_change", expected=100.0, compared_with=WHOLE, own_history=0.0,
        peers=0.0, others=9, withheld=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "cells"),
    [
        (periods(11.4), 8), (periods(11.6), 0), (periods(8.8), 8), (periods(8.6), 0), (periods(1.1), 0),
        (periods(0.1), 8), (periods(31.0), 0), (periods(10.0, spans=5), 8), (periods(10.0, spans=4), 0),
        (periods(10.0, peers=9, unlike=0), 0), (periods(10.0, unlike=3), 0), (periods(10.0, apart=log(1.5)), 8),
        (periods(10.0, apart=log(1.49)), 10), (periods(10.0, apart=-log(1.5)), 8), (periods(10.0).clear(), 0),
        (periods(10.0, apart=float("nan")), 8),
    ],
)  # fmt: skip
def test_period_changes_unit_only_with_most_of_its_places(frame: pl.DataFrame, cells: int) -> None:
    assert unit_changes(frame).height == cells


def test_moving_series_is_compared_with_its_median_period() -> None:
    risen = periods(10.0).with_columns(pl.col("movement") + log(10.0))
    assert {month for _, month in spots(unit_changes(risen))} == {months(6)[JUMP]}


def test_another_measure_changes_nothing() -> None:
    alone = unit_changes(periods(10.0))
    other = periods(1.0).with_columns(pl.lit("other").alias("measure"), pl.lit(-5.0).alias("movement"))
    assert alone.height == 8
    assert_frame_equal(unit_changes(pl.concat([other, periods(10.0)])), alone)


def test_permanent_unit_change_flags_the_shorter_part() -> None:
    longer = periods(1.0, spans=7)
    moved = longer.with_columns(
        pl.when(pl.col("period_start") >= months(7)[5]).then(log(100.0)).otherwise(0.0).alias("movement")
    )
    assert {month for _, month in spots(unit_changes(moved))} == set(months(7)[5:])


def single(apart: float, **given: Any) -> pl.DataFrame:
    return judged([{"value": 100 * exp(apart), "apart": apart, **given}])


def test_figure_too_high_by_a_power_of_ten_states_its_distances() -> None:
    assert_doubts(
        unit_changes(single(log(1000.0), own_spread=0.3, peer_spread=0.6, noise=0.16)),
        [{"value": 100_000.0, "expected": 100.0, "own_history": 13.8, "peers": 9.6, "others": 9,
          "evidence": "100000 is 1000.0 times the figure expected from its own history and the movement of its peers"}],
        reason="unit_change", compared_with="its own history and the movement of its peers", withheld=True,
    )  # fmt: skip


FAR = log(10.0) / 4.5
"""The spread of which a figure of ten times the usual is 4.5 times away."""


@pytest.mark.parametrize(
    ("frame", "cells"),
    [
        (single(log(10.0)), 1), (single(log(11.4)), 1), (single(log(11.6)), 0), (single(log(5.0)), 0),
        (single(-log(10.0)), 0), (single(log(10.0), periods=4), 0), (single(log(10.0), peers=9), 0),
        (single(log(10.0), own_spread=FAR * 0.99), 1), (single(log(10.0), own_spread=FAR * 1.01), 0),
        (single(log(10.0), peer_spread=FAR * 0.99), 1), (single(log(10.0), peer_spread=FAR * 1.01), 0),
        (single(log(10.0), noise=(FAR * 1.01) ** 2), 0), (single(float("nan")), 0),
        (single(4.5, own_spread=1.0), 0), (single(4.5, peer_spread=1.0), 0), (single(4.51, own_spread=1.0), 1),
    ],
)  # fmt: skip
def test_single_figure_must_be_far_from_history_and_peers(frame: pl.DataFrame, cells: int) -> None:
    assert unit_changes(frame).height == cells


def release(
    figures: list[float | None], name: str, measure: str = "m", days: tuple[date, date] | None = None
) -> pl.DataFrame:
    start, end = days or (date(2020, 1, 1), date(2020, 1, 31))
    rows = [
        {"source": "s", "release": name, "measure": measure, "place_code": code, "place_label": "Place",
         "file": "f.csv", "period_start": start, "period_end": end, "value": figure}
        for code, figure in zip(places(len(figures)), figures, strict=True)
    ]  # fmt: skip
    return conform_table(pl.DataFrame(rows, schema_overrides={"value": pl.Float64}), OBSERVATION_COLUMNS)


def test_release_in_another_unit_states_the_previous_figure() -> None:
    new, old = release([0.5] * 9 + [7.0], "r2"), release([450.0] * 9 + [7.0], "r1")
    evidence = "0.5 is 0.00111 times the 450 in the previous release, as for 9 places"
    assert_doubts(
        find_changes_between_releases(old.reverse(), new),
        [{"place_code": code, "value": 0.5, "evidence": evidence} for code in places(9)],
        release="r2", reason="unit_change", expected=450.0, compared_with="the previous release", others=9,
        withheld=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "cells"),
    [
        ([0.5] * 10, [50.0] * 10, 10),
        ([0.5] * 9, [50.0] * 9, 0),
        ([0.5] * 10, [50.0] * 8 + [0.5] * 2, 8),
        ([0.5] * 10, [50.0] * 7 + [0.5] * 3, 0),
        ([0.5] * 10 + [0.0], [50.0] * 8 + [0.5] * 2 + [9.0], 8),
        ([0.5] * 10 + [9.0], [50.0] * 8 + [0.5] * 2 + [0.0], 8),
        ([0.5] * 10, [50.0] * 9 + [5.0], 9),
        ([0.5] * 10, [1.5] * 10, 0),
        ([0.5] * 10, [0.5] * 10, 0),
        ([None] * 10, [50.0] * 10, 0),
        ([0.5] * 11, [50.0] * 10 + [float("nan")], 10),
    ],
)
def test_most_places_must_have_changed_by_the_same_power_of_ten(
    before: list[float | None], after: list[float | None], cells: int
) -> None:
    assert find_changes_between_releases(release(before, "r1"), release(after, "r2")).height == cells


def test_each_measure_and_period_is_compared_with_itself() -> None:
    later = (date(2020, 2, 1), date(2020, 2, 29))
    old = [release([0.5] * 10, "r1"), release([3.0] * 10, "r1", "n"), release([3.0] * 10, "r1", days=later)]
    new = [release([50.0] * 10, "r2"), release([3.0] * 10, "r2", "n"), release([3.0] * 10, "r2", days=later)]
    alone = find_changes_between_releases(old[0], new[0])
    assert alone.height == 10
    assert find_changes_between_releases(pl.concat(old), pl.concat(new)).equals(alone)


COUNT = Measure(title="t", unit="things", kind="count", column=("figure",))


def fit_of(values: list[list[float]]) -> tuple[Fit, pl.DataFrame]:
    """Fit the figures of places (rows) by month (columns), with the rows that they come from."""
    cells = [{"measure": "m", "place_code": f"E{place:02}", "period_start": months(9)[month],
              "period_end": months(9)[month], "value": value}
             for place, of_place in enumerate(values) for month, value in enumerate(of_place)]  # fmt: skip
    rows = table_from_records(cells, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    slices = number_slices(rows)
    return fit_expected(slices, select_releases(slices), COUNT), slices.rows


def jump(times: float, places: int = 10, spans: int = 6, unlike: float = 1.0) -> list[list[float]]:
    """Return figures of which one month is some times the others; the last place differs from the others."""
    return [[(1000.0 + place) * (times if month == JUMP else 1.0)
             * (unlike if place == places - 1 and month == JUMP else 1.0) for month in range(spans)]
            for place in range(places)]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "off"),
    [(jump(10.0), log(10.0)), (jump(0.01), -log(100.0)), (jump(11.4), log(11.4)), (jump(11.6), None),
     (jump(1.0), None), (jump(3.0), None), (jump(10.0, places=9), None), (jump(10.0, spans=4), None), ([], None)],
)  # fmt: skip
def test_only_periods_off_by_a_power_of_ten_are_looked_at(values: list[list[float]], off: float | None) -> None:
    fit, rows = fit_of(values)
    actual = describe_periods(fit, rows)
    if off is None:
        assert actual.is_empty()
    else:
        row = actual.row(0, named=True)
        assert (actual.height, row["period_start"], row["period_number"], row["peers"]) == (
            1,
            months(9)[JUMP],
            JUMP,
            10,
        )
        assert row["off"] == pytest.approx(off)


@pytest.mark.parametrize(("unlike", "moved"), [(1.0, 10), (1.49, 10), (1.51, 9), (0.68, 10), (0.66, 9)])
def test_figures_that_moved_with_their_period_are_looked_at(unlike: float, moved: int) -> None:
    fit, rows = fit_of(jump(10.0, unlike=unlike))
    numbers = select_moved_figures(fit, describe_periods(fit, rows))
    described = rows[fit.row[numbers]]
    assert set(described["period_start"]) == {months(9)[JUMP]}
    assert sorted(described["place_code"]) == places(moved)


def rescaled(old: list[float | None], new: list[float | None]) -> tuple[list[float | None], list[float | None]]:
    """Return the figures of both releases that are compared in full."""
    cells = [{"measure": "m", "place_code": f"E{place:02}", "period_start": months(2)[0], "period_end": months(2)[0],
              "value": value, "release": str(order)}
             for order, values in enumerate((old, new)) for place, value in enumerate(values)]  # fmt: skip
    rows = table_from_records(cells, OBSERVATION_COLUMNS)
    slices = number_slices(rows.with_columns(pl.col("release").cast(pl.Int64).alias("order")))
    before, after = select_rescaled(slices, select_releases(slices))
    return slices.rows["value"].gather(before).to_list(), slices.rows["value"].gather(after).to_list()


@pytest.mark.parametrize(
    ("old", "new", "is_chosen"),
    [([1.0, 2.0, 3.0], [10.0, 20.0, 30.0], True), ([1.0, 2.0, 3.0], [0.1, 0.2, 0.3], True),
     ([1.0, 2.0, 3.0], [1.0, 20.0, 30.0], True), ([1.0, 2.0, 3.0], [1.0, 2.0, 30.0], False),
     ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], False), ([1.0, 2.0, 3.0], [5.0, 10.0, 15.0], False),
     ([0.0, None, 3.0], [10.0, 20.0, 30.0], True), ([1.0, 2.0, 3.0], [0.0, None, 30.0], True),
     ([1.0, 2.0], [3.0, 4.0, 30.0], False)],
)  # fmt: skip
def test_releases_are_compared_in_full_where_the_median_moved_nearly_tenfold(
    old: list[float | None], new: list[float | None], is_chosen: bool
) -> None:
    """Figures of 0, or in one release only, have no ratio."""
    assert rescaled(old, new) == ((old, new) if is_chosen else ([], []))


def test_nothing_is_compared_with_no_release_before() -> None:
    assert rescaled([], [1.0, 2.0]) == ([], [])
