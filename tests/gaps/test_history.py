"""Figures over time: every placed figure, published totals first, and larger places only where all places are known."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.apportionment import MAPPED_FIGURE
from pipelines.core.schema import OBSERVATION_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.core.store import read_table, state_path
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.gaps.history import build_history
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


def test_cells_of_the_bundled_problems_have_the_figures_of_the_history(starter: Project) -> None:
    for name in starter.catalogue.problems:
        cells = read_table(state_path(starter.home, "cell", name)).filter(
            pl.col("value").is_not_null(),
            pl.col("proxy_measure").is_null(),
            # A figure made from the days of a month is in no release.
            pl.col("derivation") != "aggregated_in_time",
        )
        history = read_table(state_path(starter.home, "history", name)).filter(pl.col("level") == "place")
        joined = cells.join(
            history, left_on=["measure", "place_code", "reference_start", "reference_end"],
            right_on=["measure", "place_code", "period_start", "period_end"], how="left",
        )  # fmt: skip
        assert joined.filter(pl.col("value") != pl.col("value_right")).is_empty()
        assert joined["value_right"].null_count() == 0, name
