"""Figures over time: every placed figure, published totals first, and larger places only where all places are known."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.apportionment import MAPPED_FIGURE
from pipelines.core.schema import OBSERVATION_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.gaps.history import HISTORY_KEY, add_partnership_history, build_history
from pipelines.geography import nation_code
from pipelines.observations import TOTAL

YEARS = [(date(year, 1, 1), date(year, 12, 31)) for year in (2021, 2022)]
PLACES = table_from_records(
    [{"place_code": code, "region_code": "E12000007", "nation": "England"} for code in ("E09000024", "E09000029")],
    PLACE_COLUMNS,
)
MEASURES = {
    "homes": Measure(title="Homes", unit="homes", kind="count"),
    "people": Measure(title="People", unit="people", kind="stock"),
    "share": Measure(title="Share", unit="%", kind="rate", denominator="people"),
}


def figure(code: str, value: float | None, measure: str = "homes", year: int = 0) -> dict[str, Any]:
    start, end = YEARS[year]
    return {
        "measure": measure, "to_code": code, "place_code": code, "period_start": start, "period_end": end, "unit": "x",
        "value": value, "obs_status": "normal" if value is not None else None, "source": "ons_x", "release": "ab",
        "reason": None if value is not None else "not_returned", "derivation": "observed", "released_at": end,
        "geography": "lad_2023", "file": "x.csv", "file_row": 2, "order": 0,
    }  # fmt: skip


def history_of(figures: list[dict[str, Any]], totals: tuple[dict[str, Any], ...] = ()) -> dict[Any, Any]:
    """Return the value and the derivation by level, place and year."""
    placed = table_from_records(figures, MAPPED_FIGURE)
    people = table_from_records([row for row in figures if row["measure"] == "people"], OBSERVATION_COLUMNS)
    weights = people.with_columns(pl.lit(0, pl.Int64).alias("order"))
    history = build_history(placed, table_from_records(list(totals), TOTAL), PLACES, weights, MEASURES)
    return {
        (row["measure"], row["level"], row["place_code"], row["period_start"].year): (row["value"], row["derivation"])
        for row in history.iter_rows(named=True)
    }


def test_larger_place_is_the_sum_of_all_its_places() -> None:
    values = history_of([figure("E09000024", 3), figure("E09000029", 4)])
    assert values["homes", "place", "E09000024", 2021] == (3, "observed")
    assert values["homes", "region", "E12000007", 2021] == (7, "aggregated")
    assert values["homes", "nation", nation_code("E09000024"), 2021] == (7, "aggregated")


@pytest.mark.parametrize("rest", [[], [figure("E09000029", None)]])
def test_larger_place_without_one_place_is_a_gap(rest: list[dict[str, Any]]) -> None:
    values = history_of([figure("E09000024", 3), *rest])
    assert values["homes", "region", "E12000007", 2021] == (None, None)


def test_rate_of_a_larger_place_is_weighted_by_its_denominator() -> None:
    people = [figure("E09000024", 100, "people"), figure("E09000029", 300, "people")]
    values = history_of([*people, figure("E09000024", 10, "share"), figure("E09000029", 20, "share")])
    assert values["share", "region", "E12000007", 2021] == (17.5, "rate_averaged")


def test_rate_without_denominators_is_a_gap() -> None:
    values = history_of([figure("E09000024", 10, "share"), figure("E09000029", 20, "share")])
    assert values["share", "region", "E12000007", 2021] == (None, None)


def test_published_total_of_the_same_release_comes_first() -> None:
    figures = [figure("E09000024", 3), figure("E09000029", 4), figure("E09000024", 5, year=1),
               figure("E09000029", 5, year=1)]  # fmt: skip
    total = {**figure("E12000007", 8), "role": "total", "tier": "region"}
    older = {**figure("E12000007", 99, year=1), "role": "total", "tier": "region", "release": "earlier"}
    values = history_of(figures, (total, older))
    assert values["homes", "region", "E12000007", 2021] == (8, "published")
    assert values["homes", "region", "E12000007", 2022] == (10, "aggregated")


def test_problem_of_too_many_places_has_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = [figure("E09000024", 3), figure("E09000029", 4)]
    monkeypatch.setattr("pipelines.gaps.history.MAX_HISTORY_PLACES", 2)
    assert len(history_of(figures)) == 4
    monkeypatch.setattr("pipelines.gaps.history.MAX_HISTORY_PLACES", 1)
    assert history_of(figures) == {}


def test_gap_of_a_place_stays_and_rows_are_in_one_order() -> None:
    figures = [figure("E09000029", None, year=1), figure("E09000029", 4, year=1, measure="people"),
               figure("E09000024", 3)]  # fmt: skip
    placed = table_from_records(figures, MAPPED_FIGURE)
    nothing = table_from_records([], OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    history = build_history(placed, table_from_records([], TOTAL), PLACES, nothing, MEASURES)
    assert history.equals(history.sort(HISTORY_KEY))
    own = history.filter(pl.col("level") == "place")
    assert own.select("measure", "place_code", "value", "reason").rows() == [
        ("homes", "E09000024", 3.0, None), ("homes", "E09000029", None, "not_returned"),
        ("people", "E09000029", 4.0, None),
    ]  # fmt: skip


def test_figures_of_partnerships_are_a_level_of_their_own() -> None:
    placed = table_from_records([figure("E09000024", 3)], MAPPED_FIGURE)
    nothing = table_from_records([], OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    history = build_history(placed, table_from_records([], TOTAL), PLACES, nothing, MEASURES)
    more = add_partnership_history(history, table_from_records([figure("P1", 7)], MAPPED_FIGURE))
    assert more.filter(pl.col("level") != "partnership").equals(history)
    assert more.filter(pl.col("level") == "partnership").select("place_code", "value").rows() == [("P1", 7.0)]
    assert more.equals(more.sort(HISTORY_KEY))
