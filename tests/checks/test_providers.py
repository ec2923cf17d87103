"""Providers of several places: a shortfall marks all their places; chance or a new level marks none."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from checks.providers import FEWEST_PROVIDERS, find_provider_shortfalls
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table

FORCES, PLACES, YEARS = 40, 12, 9
PROVIDERS = pl.DataFrame(
    [(f"P{force:02}_{place:02}", f"F{force:02}", f"Force {force}") for force in range(FORCES)
     for place in range(PLACES)],
    schema=["place_code", "provider", "name"], orient="row",
)  # fmt: skip


def simulate(seed: int) -> np.ndarray:
    """Simulate counts by force, place and year: sizes, trends common to all, movement of each force and chance."""
    chance = np.random.default_rng(seed)
    size = chance.lognormal(8.5, 0.5, (FORCES, PLACES, 1))
    common = np.cumsum(chance.normal(0.03, 0.05, YEARS))
    own = np.cumsum(chance.normal(0, 0.03, (FORCES, 1, YEARS)), axis=2)
    return chance.poisson(size * np.exp(common + own + chance.normal(0, 0.04, (FORCES, PLACES, YEARS)))).astype(float)


def tabulate(value: np.ndarray, caveats: str | None = None) -> pl.DataFrame:
    rows = [
        {"measure": "crimes", "place_code": f"P{force:02}_{place:02}", "period_start": date(2016 + year, 1, 1),
         "period_end": date(2016 + year, 12, 31), "value": value[force, place, year], "caveats": caveats}
        for force in range(value.shape[0]) for place in range(value.shape[1]) for year in range(value.shape[2])
    ]  # fmt: skip
    return conform_table(pl.DataFrame(rows, schema_overrides={"caveats": pl.String}), OBSERVATION_COLUMNS)


def flagged(value: np.ndarray) -> set[tuple[str, int]]:
    flags = find_provider_shortfalls(tabulate(value), PROVIDERS, "police forces")
    pairs = flags.with_columns(pl.col("place_code").str.slice(1, 2), pl.col("period_start").dt.year())
    assert pairs.group_by("place_code", "period_start").len()["len"].unique().to_list() in ([], [PLACES])
    return {(force, year) for force, year in pairs.select("place_code", "period_start").unique().iter_rows()}


def test_two_thirds_of_a_year_are_found_and_nothing_else() -> None:
    seeded, hits, extra = 0, 0, 0
    for seed in range(12):
        chance, value = np.random.default_rng(seed), simulate(seed)
        forces, years = chance.choice(FORCES, 3, replace=False), chance.integers(1, YEARS - 1, 3)
        faults = {(int(force), int(year)) for force, year in zip(forces, years, strict=True)}
        for force, year in faults:
            value[force, :, year] *= 0.67
        actual, expected = flagged(value), {(f"{force:02}", 2016 + year) for force, year in faults}
        seeded, hits, extra = seeded + len(expected), hits + len(actual & expected), extra + len(actual - expected)
    assert seeded == 36
    assert (hits / seeded >= 0.95, hits / (hits + extra) >= 0.95) == (True, True), (hits, extra)


def test_new_level_of_a_force_is_no_shortfall() -> None:
    value = simulate(1)
    value[7, :, 4:] *= 0.67
    assert flagged(value) == set()


def test_three_neighbours_at_a_new_level_have_no_flag() -> None:
    value = simulate(2)
    value[7, :3, 4] *= 0.6
    assert flagged(value) == set()


def test_newest_year_needs_a_deeper_fall() -> None:
    value = simulate(3)
    value[7, :, -1] *= 0.3
    assert flagged(value) == {("07", 2016 + YEARS - 1)}


@pytest.mark.parametrize(
    ("share", "reason", "withheld"), [(0.6, "provider_shortfall", False), (0.4, "partial_return", True)]
)
def test_under_half_is_withheld_and_more_is_a_caveat(share: float, reason: str, withheld: bool) -> None:
    value = simulate(4)
    value[7, :, 4] *= share
    flags = find_provider_shortfalls(tabulate(value), PROVIDERS, "police forces")
    assert flags.select("reason", "withheld", "compared_with", "others").unique().rows() == [
        (reason, withheld, "the other figures of its provider", FORCES - 1)
    ]
    first = flags.row(0, named=True)
    assert first["evidence"].startswith("Force 7: ") and "in 12 places" in first["evidence"]
    assert "the periods before and after and the movement of 39 other police forces" in first["evidence"]
    assert share - 0.1 < first["value"] / first["expected"] < share + 0.1


def test_figures_already_withheld_are_left_out_of_the_sum() -> None:
    value = simulate(5)
    value[7, 0, 4] = 0
    table = tabulate(value).with_columns(
        pl.when(pl.col("value") == 0).then(pl.lit("suspected_zero")).otherwise("caveats").alias("caveats")
    )
    assert find_provider_shortfalls(table, PROVIDERS, "police forces").is_empty()


def test_periods_that_do_not_abut_are_not_compared() -> None:
    value = simulate(6)
    value[7, :, 4] *= 0.5
    table = tabulate(value).filter(pl.col("period_start").dt.year().is_in([2017, 2020, 2023]))
    assert find_provider_shortfalls(table, PROVIDERS, "police forces").is_empty()


def test_few_providers_are_not_compared() -> None:
    value = simulate(7)
    value[7, :, 4] *= 0.5
    few = PROVIDERS.filter(pl.col("provider") < "F09")
    assert find_provider_shortfalls(tabulate(value), few, "police forces").is_empty()
    enough = PROVIDERS.filter(pl.col("provider") < "F10")
    assert enough["provider"].n_unique() == FEWEST_PROVIDERS
    assert not find_provider_shortfalls(tabulate(value), enough, "police forces").is_empty()


@pytest.mark.parametrize(("year", "beside"), [(4, "periods before and after"), (YEARS - 1, "period before")])
def test_evidence_states_the_sum_the_share_and_what_was_expected(year: int, beside: str) -> None:
    value = np.full((FORCES, PLACES, YEARS), 1000.0)
    value[3, :, year] = 600.0
    flags = find_provider_shortfalls(tabulate(value), PROVIDERS, "police forces")
    assert flags.height == PLACES and set(flags["period_start"]) == {date(2016 + year, 1, 1)}
    assert set(flags["expected"].round(6)) == {1000.0} and set(flags["others"]) == {FORCES - 1}
    assert set(flags["evidence"]) == {
        f"Force 3: 7200 in 12 places, 60 % of the 12000 expected from the {beside} and the movement of 39 other "
        "police forces"
    }


@pytest.mark.parametrize("year", [3, 4, 5])
def test_place_without_a_figure_beside_is_in_no_sum(year: int) -> None:
    """Its figure would be missing from one side of the comparison only."""
    value = simulate(1)
    value[7, :, 4] *= 0.67
    value[7, :2, year] = np.nan
    table = tabulate(value).with_columns(pl.col("value").fill_nan(None))
    flags = find_provider_shortfalls(table, PROVIDERS, "police forces")
    assert set(flags["period_start"].dt.year()) == {2020}
    assert " in 10 places, " in flags["evidence"][0]
    assert flags["place_code"].n_unique() == (10 if year == 4 else 12)


def test_newest_year_is_compared_with_the_year_before_it() -> None:
    value = simulate(3)
    value[7, :, -2:] *= 0.3
    assert flagged(value) == set()


EVEN = np.full((FORCES, PLACES, YEARS), 1000.0)
"""Figures that never change: any fall of one force is far beyond chance."""


@pytest.mark.parametrize(
    ("shares", "years"),
    [({4: 0.84}, {2020}), ({4: 0.86}, set()), ({4: 0.79, 5: 0.88}, {2020}), ({4: 0.79, 5: 0.87}, set()),
     ({YEARS - 1: 0.84}, {2015 + YEARS}), ({YEARS - 1: 0.86}, set()), ({0: 0.5}, set()), ({4: 1.5}, set())],
)  # fmt: skip
def test_sum_is_short_below_a_share_of_the_expected_one_and_of_each_year_beside(
    shares: dict[int, float], years: set[int]
) -> None:
    value = EVEN.copy()
    for year, share in shares.items():
        value[7, :, year] *= share
    assert {year for _, year in flagged(value)} == years


@pytest.mark.parametrize(("size", "is_compared"), [(8.0, False), (9.0, True)])
def test_small_sums_are_not_compared(size: float, is_compared: bool) -> None:
    """Twelve places with 8 each make 96."""
    value = EVEN.copy()
    value[7] = size
    value[7, :, 4] *= 0.5
    assert bool(flagged(value)) is is_compared


@pytest.mark.parametrize(("places", "is_compared"), [(1, False), (2, True)])
def test_provider_of_one_place_is_not_compared(places: int, is_compared: bool) -> None:
    value = EVEN.copy()
    value[7, :, 4] *= 0.5
    few = PROVIDERS.filter((pl.col("provider") != "F07") | (pl.col("place_code") < f"P07_{places:02}"))
    flags = find_provider_shortfalls(tabulate(value), few, "police forces")
    assert flags.height == (places if is_compared else 0)
