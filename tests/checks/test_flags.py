"""Figures that are there and may not be what they seem: each doubt on purpose, and none of sound figures."""

from collections.abc import Callable
from datetime import date
from math import sin
from pathlib import Path

import polars as pl
import pytest

from checks.figures import flag_figures
from checks.flags import add_caveats, convert_flags
from pipelines.core.reasons import REASONS, WITHHOLDING_REASONS
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.declarations.measure import Measure
from tests.gaps.test_cells import EVERYONE, MERTON, MONTH, Case, cell_of

MONTHS = [date(2022 + n // 12, n % 12 + 1, 1) for n in range(24)]
COUNT = Measure(title="t", unit="things", kind="count", column=("figure",))
RATE = Measure(title="t", unit="%", kind="rate", denominator="people", rounding=0.1, column=("figure",))
Wrong = Callable[[int, int, float], float]


def sound(place: int, month: int, level: float = 400.0) -> float:
    """Give a figure that rises and falls with the season, more in some places than in others."""
    wave = 1 + 0.1 * sin(month / 2) + 0.02 * sin(7.0 * place + 3.1 * month)
    return level * (1 + place / 5) * wave


def series(wrong: Wrong, level: float = 400.0, digits: int = 0, order: int = 0) -> pl.DataFrame:
    """Make one release of monthly figures of 33 boroughs, changed where `wrong` changes them."""
    rows = [
        {"measure": "figure", "place_code": code, "period_start": month, "period_end": month,
         "value": round(wrong(place, number, round(sound(place, number, level), digits)), 6),
         "release": f"r{order}", "released_at": date(2024, 1 + order, 1), "source": "s"}
        for place, code in enumerate(EVERYONE) for number, month in enumerate(MONTHS)
    ]  # fmt: skip
    return conform_table(pl.DataFrame(rows), OBSERVATION_COLUMNS).with_columns(pl.lit(order, pl.Int64).alias("order"))


def unchanged(_place: int, _month: int, value: float) -> float:
    return value


def at(places: range, months: range, change: Callable[[float], float]) -> Wrong:
    """Change the figures of some places in some months."""
    return lambda place, month, value: change(value) if place in places and month in months else value


def becomes(figure: float) -> Callable[[float], float]:
    return lambda _: figure


ONE, TENTH = range(4, 5), range(10, 11)
FAULTS: dict[str, tuple[str, Wrong, int]] = {
    "a nought among hundreds": ("suspected_zero", at(ONE, TENTH, becomes(0.0)), 1),
    "a force silent for most of a year": ("suspected_zero", at(ONE, range(12, 22), becomes(0.0)), 10),
    "a force that stopped sending nearly all": (
        "near_zero_leak", at(ONE, range(8, 24), lambda value: round(value / 40)), 16,
    ),
    "half a return": ("partial_return", at(ONE, TENTH, lambda value: round(value / 2)), 1),
    "half a return in the newest month": ("partial_return", at(ONE, range(23, 24), lambda value: round(value / 2)), 1),
    "half returns for two months": ("partial_return", at(ONE, range(10, 12), lambda value: round(value / 2)), 2),
    "twice the figure": ("implausible", at(ONE, TENTH, lambda value: 2 * value), 1),
    "one return in thousands": ("unit_change", at(ONE, TENTH, lambda value: 1000 * value), 1),
    "a month of all in thousands": ("unit_change", at(range(33), TENTH, lambda value: value / 1000), 33),
    "a month of all ten times": ("unit_change", at(range(33), TENTH, lambda value: 10 * value), 33),
    "the same figure for five months": ("repeated_value", at(ONE, range(10, 15), becomes(700.0)), 4),
    "a month rounded to hundreds": ("rounded", at(range(33), TENTH, lambda value: round(value, -2)), 33),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_only_the_faulty_figure_is_flagged(name: str) -> None:
    reason, wrong, cells = FAULTS[name]
    changed = series(wrong)
    actual = flag_figures(changed, {"figure": COUNT})
    assert actual["reason"].unique().to_list() == [reason]
    assert actual.height == cells
    sound_ones = series(unchanged).select("place_code", "period_start", pl.col("value").alias("was"))
    both = changed.join(sound_ones, on=["place_code", "period_start"]).filter(pl.col("value") != pl.col("was"))
    if reason not in ("repeated_value", "rounded"):
        key = ["place_code", "period_start"]
        assert actual.select(key).sort(key).rows() == both.select(key).sort(key).rows()
    assert actual["evidence"].null_count() == 0 and actual["compared_with"].null_count() == 0
    assert actual["withheld"].unique().to_list() == [reason in WITHHOLDING_REASONS]


@pytest.mark.parametrize("measure", [COUNT, RATE])
def test_sound_figures_are_not_flagged(measure: Measure) -> None:
    level, digits = (400.0, 0) if measure is COUNT else (4.0, 1)
    assert flag_figures(series(unchanged, level, digits), {"figure": measure}).is_empty()


def test_fall_in_all_places_is_not_flagged() -> None:
    lockdown = series(at(range(33), range(10, 13), lambda value: round(value / 3)))
    assert flag_figures(lockdown, {"figure": COUNT}).is_empty()


def test_zero_is_plausible_where_zeros_are_common() -> None:
    rare = series(lambda place, month, _: float((place * 7 + month * 5) % 3))
    assert flag_figures(rare, {"figure": COUNT}).is_empty()


def test_place_that_is_always_small_is_not_flagged() -> None:
    small = series(at(ONE, range(24), lambda value: round(value / 100)))
    assert flag_figures(small, {"figure": COUNT}).is_empty()


def test_zero_rate_is_judged_by_its_rounding() -> None:
    actual = flag_figures(series(at(ONE, TENTH, becomes(0.0)), 4.0, 1), {"figure": RATE})
    assert actual.select("reason", "value").rows() == [("suspected_zero", 0.0)]


def test_halved_rate_is_implausible_and_not_a_partial_return() -> None:
    actual = flag_figures(series(at(ONE, TENTH, lambda value: round(value / 2, 1)), 8.0, 1), {"figure": RATE})
    assert actual["reason"].to_list() == ["implausible"]


def test_release_in_another_unit_is_flagged() -> None:
    both = pl.concat([series(unchanged), series(at(range(33), range(24), lambda value: value * 1000), order=1)])
    actual = flag_figures(both, {"figure": COUNT})
    assert actual.select("reason", "compared_with").unique().rows() == [("unit_change", "the previous release")]
    assert (actual.height, actual["release"].unique().to_list()) == (33 * 24, ["r1"])


def test_flag_is_a_caveat_and_a_finding_and_changes_no_figure() -> None:
    observed = series(at(ONE, TENTH, becomes(0.0)))
    actual = flag_figures(observed, {"figure": COUNT})
    result = add_caveats(observed, actual)
    assert result.drop("caveats", "caveat_evidence").equals(observed.drop("caveats", "caveat_evidence"))
    assert result.filter(pl.col("caveats").is_not_null()).select("caveats", "value").rows() == [("suspected_zero", 0.0)]
    row = convert_flags(actual).row(0, named=True)
    assert (row["check"], row["severity"], row["set_aside"]) == ("suspected_zero_figures", "error", False)
    assert "0, where" in row["evidence"] and row["data_owner"] == REASONS["suspected_zero"].data_owner


def monthly(wrong: Wrong) -> list[str]:
    return [
        f"{code},x,{month:%Y-%m},{wrong(place, number, round(sound(place, number) / 20)):g}"
        for place, code in enumerate(EVERYONE)
        for number, month in enumerate(MONTHS)
    ]


MERTON_AT = range(EVERYONE.index(MERTON), EVERYONE.index(MERTON) + 1)
LAST = "grain: month\nperiods: {start: 2023-12, end: 2023-12}"
NEWEST = range(23, 24)


@pytest.mark.parametrize(
    ("reason", "wrong", "low"),
    [
        ("suspected_zero", at(MERTON_AT, NEWEST, becomes(0.0)), 0.0),
        ("near_zero_leak", at(MERTON_AT, NEWEST, becomes(2.0)), 2.0),
        ("partial_return", at(MERTON_AT, NEWEST, becomes(30.0)), 30.0),
        ("unit_change", at(range(33), NEWEST, lambda value: value / 100), None),
    ],
)
def test_withheld_figure_is_a_gap_that_states_the_published_figure(
    tmp_path: Path, reason: str, wrong: Wrong, low: float | None
) -> None:
    cell = cell_of(Case(reason, MERTON, monthly(wrong), source=MONTH, grain=LAST), tmp_path)
    assert (cell["reason"], cell["value"], cell["lower_bound"], cell["upper_bound"]) == (reason, None, low, None)
    assert " withheld: " in str(cell["evidence"]) and cell["severity"] == "error"


def test_an_implausible_figure_stays_with_its_caveat(tmp_path: Path) -> None:
    wrong = at(MERTON_AT, TENTH, lambda value: 3 * value)
    grain = "grain: month\nperiods: {start: 2022-11, end: 2022-11}"
    cell = cell_of(Case(None, MERTON, monthly(wrong), source=MONTH, grain=grain), tmp_path)
    assert (cell["reason"], cell["caveats"]) == (None, "implausible")
    assert "spreads away by its" in str(cell["evidence"])
