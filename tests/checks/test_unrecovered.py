"""Counts after a short return: the next count is compared with those before the short one."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from checks.figures import flag_figures
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.declarations.measure import Measure

COUNT = Measure(title="t", unit="crimes", kind="count", column=("x",))
YEARS, PLACES = 10, 20


BASIS = "the periods before a short return"


def flags_of(shares: dict[int, float], kind: str = "count", noise: float = 0.05) -> dict[int, tuple[str, str]]:
    """Return the reason and the basis of each flagged year of one place, after its counts are cut to some shares."""
    chance = np.random.default_rng(7)
    value = 5_000 * np.exp(chance.normal(0, noise, (PLACES, YEARS)))
    for year, share in shares.items():
        value[3, year] = 5_000 * share
    rows = [
        (f"P{place:02}", date(2010 + year, 1, 1), date(2010 + year, 12, 31), round(value[place, year]))
        for place in range(PLACES)
        for year in range(YEARS)
    ]
    named = pl.DataFrame(rows, ["place_code", "period_start", "period_end", "value"], orient="row").with_columns(
        pl.lit("m").alias("measure"), pl.col("place_code").alias("place_label")
    )
    table = conform_table(named, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    measure = COUNT if kind == "count" else COUNT.model_copy(update={"kind": "rate", "denominator": "people"})
    flags = flag_figures(table, {"m": measure}).filter(pl.col("reason") != "rounded")
    assert set(flags["place_code"]) <= {"P03"}
    days = flags.select("period_start", "reason", "compared_with").iter_rows()
    return {day.year - 2010: (reason, basis) for day, reason, basis in days}


def test_count_after_two_short_returns_has_a_caveat() -> None:
    actual = flags_of({7: 0.15, 8: 0.15, 9: 0.35})
    assert {year: reason for year, (reason, _) in actual.items()} == {
        7: "partial_return", 8: "partial_return", 9: "implausible",
    }  # fmt: skip
    assert [year for year, (_, basis) in actual.items() if basis == BASIS] == [9]


@pytest.mark.parametrize(
    ("share", "basis"),
    [(0.60, BASIS), (0.66, None), (1.0, None), (3.0, "its own history and the movement of its peers")],
)
def test_count_that_is_back_at_its_level_is_no_fault(share: float, basis: str | None) -> None:
    actual = flags_of({7: 0.15, 8: 0.15, 9: share})
    assert {7, 8} <= set(actual)
    assert actual.get(9) == (None if basis is None else ("implausible", basis))


def test_low_rate_after_low_rates_is_compared_with_its_neighbours_only() -> None:
    assert 9 not in flags_of({7: 0.15, 8: 0.15, 9: 0.35}, kind="rate")


def test_place_that_varies_much_has_no_such_caveat() -> None:
    assert 9 not in flags_of({5: 0.02, 7: 0.02, 8: 0.02, 9: 0.55}, noise=0.5)
