"""A place's own newest figure: for which cells, to which age, and with which evidence."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from pipelines.declarations.problem import Need
from pipelines.gaps.carried_places import NO_FIGURE_REASONS, carry_place_figures

YEAR = {year: (date(year, 1, 1), date(year, 12, 31)) for year in range(2019, 2025)}
SCHEMA = {"need": pl.String, "measure": pl.String, "place_code": pl.String, "reference_start": pl.Date,
          "reference_end": pl.Date, "value": pl.Float64, "placed_reason": pl.String, "time_reason": pl.String,
          "time_evidence": pl.String, "time_caveat": pl.String}  # fmt: skip
FIGURES = [name for name in SCHEMA if name not in ("need", "time_reason", "time_evidence", "time_caveat")]


def row(place: str, year: int, value: float | None, **more: Any) -> dict[str, Any]:
    start, end = YEAR[year]
    reason = None if value is not None else "not_returned"
    return {"need": "needed", "measure": "homes", "place_code": place, "reference_start": start, "reference_end": end,
            "value": value, "placed_reason": reason, **more}  # fmt: skip


def carry(
    cells: list[dict[str, Any]], figures: list[dict[str, Any]], age: str | None = "1 year", grain: str = "latest"
) -> list[tuple[Any, ...]]:
    """Return place, year, value, caveat and evidence of each cell, in their order."""
    needs = {"homes": Need(carry=age), "jobs": Need()}
    problem: Any = SimpleNamespace(header=SimpleNamespace(grain=grain, measure_needs=needs))
    joined = pl.DataFrame(cells, schema=SCHEMA)
    answers = pl.DataFrame(figures, schema=SCHEMA).select(FIGURES)
    actual = carry_place_figures(joined, answers, problem)
    assert actual.columns == list(SCHEMA) and actual["need"].unique().to_list() == ["needed"]
    years = pl.col("reference_end").dt.year()
    return actual.select("place_code", years, "value", "time_caveat", "time_evidence").rows()


KNOWN = row("a", 2024, 1.0)
OLDER = [row("b", 2023, 7.0), row("b", 2022, 5.0), row("b", 2020, 3.0), row("c", 2022, 9.0), row("d", 2023, None)]
EVIDENCE = "figure for 2023, the newest of the place; other places have one to 31 December 2024; the problem allows {}"


@pytest.mark.parametrize("reason", NO_FIGURE_REASONS)
def test_place_without_a_row_gets_its_own_newest_figure(reason: str) -> None:
    missing = row("b", 2024, None, placed_reason=reason)
    for figures in (OLDER, OLDER[::-1]):
        assert carry([missing, KNOWN], [KNOWN, missing, *figures]) == [
            ("a", 2024, 1.0, None, None), ("b", 2023, 7.0, "carried_forward", EVIDENCE.format("1 year")),
        ]  # fmt: skip


@pytest.mark.parametrize(("age", "is_carried"), [("366 days", True), ("365 days", False), ("1 year", True)])
def test_figure_is_carried_to_the_last_day_of_its_age(age: str, is_carried: bool) -> None:
    [*_, (_, year, value, caveat, evidence)] = carry([KNOWN, row("b", 2024, None)], [KNOWN, *OLDER], age)
    expected = (2023, 7.0, "carried_forward", EVIDENCE.format(age)) if is_carried else (2024, None, None, None)
    assert (year, value, caveat, evidence) == expected


@pytest.mark.parametrize(
    "missing",
    [
        row("b", 2024, None, placed_reason="suppressed"),
        row("b", 2024, None, placed_reason=None),
        row("b", 2024, None, time_reason="stale"),
        row("b", 2024, None, measure="jobs"),
        row("c", 2024, None),
        row("d", 2024, None),
        row("e", 2024, None),
    ],
    ids=["suppressed", "no reason", "stale", "another measure", "too old", "older gap", "no older row"],
)
def test_other_cells_stay_as_they_are(missing: dict[str, Any]) -> None:
    others = [row(place, 2023, 4.0, measure="jobs") for place in "bcde"]
    [first, second] = carry([KNOWN, missing], [KNOWN, *OLDER, *others])
    assert (first, second) == (("a", 2024, 1.0, None, None), (missing["place_code"], 2024, None, None, None))


def test_figure_of_the_newest_period_itself_is_not_carried() -> None:
    # A later figure of another measure's period, or the same period, is no older figure.
    assert carry([row("b", 2023, None)], [row("b", 2023, 7.0), row("b", 2024, 8.0)]) == [("b", 2023, None, None, None)]


def test_of_two_figures_to_one_day_the_one_with_the_later_start_is_carried() -> None:
    long = row("b", 2023, 6.0, reference_start=date(2022, 1, 1))
    for figures in ([long, *OLDER], [*OLDER, long]):
        assert carry([row("b", 2024, None)], figures)[0][:3] == ("b", 2023, 7.0)


@pytest.mark.parametrize(("age", "grain"), [(None, "latest"), ("1 year", "year")])
def test_nothing_is_carried_without_the_key_or_for_another_grain(age: str | None, grain: str) -> None:
    assert carry([row("b", 2024, None)], OLDER, age, grain) == [("b", 2024, None, None, None)]
