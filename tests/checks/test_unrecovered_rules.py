"""Counts after low ones, on a fit made by hand: both sides of each threshold, the evidence, and the days of each."""

from datetime import date
from math import exp, log, nextafter, sqrt
from typing import Any

import numpy as np
import polars as pl
import pytest

from checks.expected import LEAST_FACTOR, ODD_SPREADS, Fit
from checks.flags import PLAUSIBILITY_FLAG
from checks.medians import group_figures
from checks.unrecovered import (
    AFTER_LOW,
    RECOVERED,
    drop_recovered,
    flag_unrecovered,
    list_recovered,
    list_unrecovered,
)
from pipelines.core.schema import table_from_records

PLACES, PERIODS = 3, 4
BEFORE, BASE, NOISE = 0.25, log(1000), 0.03
OWN, PEER = 0.1, 0.2
"""Spreads of a place by its own history, and of a period by its peers; with the noise they are apart."""


def make_fit(**more: Any) -> Fit:
    """Return a fit of three places in four periods, in which each figure is as the periods before predict."""
    size = PLACES * PERIODS
    place, period = np.repeat(np.arange(PLACES), PERIODS), np.tile(np.arange(PERIODS), PLACES)
    every = np.zeros(size)
    fit = Fit(
        np.arange(size)[::-1], place, period, group_figures(place, PLACES), group_figures(period, PERIODS), every, 1.0,
        every + BASE, np.zeros(PERIODS), every + BEFORE, every, every, every + BEFORE, np.full(PLACES, OWN),
        np.full(PERIODS, PEER), every + NOISE,
    )  # fmt: skip
    return fit._replace(**more)


def make_rows() -> pl.DataFrame:
    """Return the rows of the fit, last first."""
    rows = [
        {"source": "s", "release": "r", "measure": "m", "place_code": f"P{place}", "place_label": f"Place {place}",
         "period_start": date(2010 + period, 1, 1), "period_end": date(2010 + period, 12, 31),
         "value": 100.0 * place + period, "file": "f.csv"}
        for place in range(PLACES) for period in range(PERIODS)
    ]  # fmt: skip
    return pl.DataFrame(rows[::-1])


def far(distance: float, number: int = 6) -> Fit:
    """Return the fit with one figure at some distance below the expected one, of place 1 and the third period."""
    rest = make_fit().rest.copy()
    rest[number] = BEFORE - distance
    return make_fit(rest=rest)


LOW = np.array([5])


@pytest.mark.parametrize("spreads", [(OWN, PEER), (PEER, OWN)])
def test_count_far_below_is_listed_by_both_spreads(spreads: tuple[float, float]) -> None:
    """The larger spread decides, whichever it is, with the noise of the figure itself."""
    limit = ODD_SPREADS * sqrt(PEER**2 + NOISE)
    own, peer = np.full(PLACES, spreads[0]), np.full(PERIODS, spreads[1])
    assert limit > log(LEAST_FACTOR)
    for distance, is_listed in ((limit + 1e-9, True), (limit - 1e-9, False)):
        fit = far(distance)._replace(own_spread=own, peer_spread=peer)
        assert list_unrecovered(fit, make_rows(), LOW).height == is_listed


def test_count_far_below_is_less_than_the_expected_by_the_least_factor() -> None:
    tight = {"own_spread": np.zeros(PLACES), "peer_spread": np.zeros(PERIODS), "noise": np.full(12, 1e-12)}
    for distance, is_listed in ((log(LEAST_FACTOR) + 1e-9, True), (log(LEAST_FACTOR) - 1e-9, False)):
        fit = far(distance)._replace(**tight)
        assert list_unrecovered(fit, make_rows(), LOW).height == is_listed
        assert list_recovered(fit, make_rows(), LOW).height == (not is_listed)


def test_listed_count_has_its_evidence_and_the_days_of_the_low_one() -> None:
    distance = 2.125
    (row,) = list_unrecovered(far(distance), make_rows(), np.array([1, 5])).to_dicts()
    expected = exp(BASE + BEFORE)
    spreads = [sqrt(spread**2 + NOISE) for spread in (OWN, PEER)]
    names = ("place_code", "measure", "period_start", "low_start", "low_end", "reason")
    assert {name: row[name] for name in names} == {
        "place_code": "P1", "measure": "m", "period_start": date(2012, 1, 1), "low_start": date(2011, 1, 1),
        "low_end": date(2011, 12, 31), "reason": "implausible",
    }  # fmt: skip
    assert row["evidence"] == (
        f"102, {100 * 102 / expected:.1f} % of the {expected:.2f} expected from the periods before a short return, "
        f"and the movement of {PLACES - 1} peers"
    )
    assert (row["own_history"], row["peers"]) == tuple(round(-distance / spread, 1) for spread in spreads)
    assert row["compared_with"] == "the periods before a short return" and row["withheld"] is False
    assert list(row) == list(AFTER_LOW)


def test_figures_of_several_places_are_listed_and_the_next_place_is_no_later_period() -> None:
    rest = make_fit().rest.copy()
    rest[[2, 4, 6, 9, 11]] = -5.0
    fit, rows = make_fit(rest=rest), make_rows()
    listed = list_unrecovered(fit, rows, np.array([1, 3, 5, 8, 10]))
    assert listed.select("place_code", "period_start").rows() == [
        ("P0", date(2012, 1, 1)), ("P1", date(2012, 1, 1)), ("P2", date(2011, 1, 1)),
        ("P2", date(2013, 1, 1)),
    ]  # fmt: skip
    near = list_recovered(make_fit(rest=np.where(rest < 0, rest, BEFORE)), rows, np.array([1, 4, 5]))
    assert near.select("place_code", "period_start").rows() == [("P1", date(2011, 1, 1))]
    # The last figure of all, and the last of a place, have none after them.
    for low in ([11], [3], []):
        for listing, columns in ((list_unrecovered, AFTER_LOW), (list_recovered, RECOVERED)):
            nothing = listing(fit, rows, np.array(low, dtype=np.intp))
            assert nothing.is_empty() and list(nothing.columns) == list(columns)


@pytest.mark.parametrize("sign", [1, -1])
def test_recovered_count_is_within_the_least_factor_on_either_side(sign: int) -> None:
    limit = log(LEAST_FACTOR)
    plain = {"before": np.zeros(12)}
    for distance, is_near in ((limit, True), (nextafter(limit, 9), False), (0.0, True)):
        rest = np.zeros(12)
        rest[6] = sign * distance
        recovered = list_recovered(make_fit(rest=rest, **plain), make_rows(), LOW)
        assert recovered.rows() == [
            ("m", "P1", date(2012, 1, 1), date(2012, 12, 31), date(2011, 1, 1), date(2011, 12, 31))
        ] * is_near  # fmt: skip


def flag(code: str, year: int, low: int | None = None) -> dict[str, Any]:
    days = {"period_start": date(year, 1, 1), "period_end": date(year, 12, 31)}
    before = {"low_start": date(low, 1, 1), "low_end": date(low, 12, 31)} if low else {}
    return {"measure": "m", "place_code": code, "reason": "implausible", **days, **before}


def flags(*rows: dict[str, Any]) -> pl.DataFrame:
    return table_from_records(list(rows), PLAUSIBILITY_FLAG)


def test_flag_after_a_low_figure_holds_only_while_that_keeps_its_own() -> None:
    after = pl.DataFrame([flag("B", 2012, 2011), flag("A", 2013, 2012), flag("A", 2012, 2011), flag("C", 2012, 2011)],
                         schema=AFTER_LOW)  # fmt: skip
    low = flags(flag("A", 2012), flag("B", 2011), flag("A", 2011), flag("B", 2011))
    kept = flag_unrecovered(after, low)
    assert kept.select("place_code", "period_start").rows() == [
        ("A", date(2012, 1, 1)), ("A", date(2013, 1, 1)), ("B", date(2012, 1, 1))
    ]  # fmt: skip
    assert kept.columns == list(PLAUSIBILITY_FLAG)
    assert flag_unrecovered(after, low.clear()).is_empty()
    nothing = flag_unrecovered(after.clear(), low)
    assert nothing.is_empty() and nothing.columns == list(PLAUSIBILITY_FLAG)


def test_flag_of_a_recovered_count_is_dropped_where_the_low_one_keeps_its_own() -> None:
    recovered = pl.DataFrame([flag("A", 2012, 2011), flag("B", 2012, 2011)], schema=AFTER_LOW).select(list(RECOVERED))
    given = flags(flag("B", 2012), flag("A", 2012), flag("A", 2013))
    kept = drop_recovered(given, recovered, flags(flag("A", 2011)))
    assert kept.select("place_code", "period_start").rows() == [("B", date(2012, 1, 1)), ("A", date(2013, 1, 1))]
    assert drop_recovered(given, recovered.clear(), given).equals(given)
    assert drop_recovered(given.clear(), recovered, given).is_empty()
