"""Figures of larger places and of no place, stored beside the observations without repeats; and places within each."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import PLACE_COLUMNS, empty_table, table_from_records
from pipelines.observations.conform import CELLS
from pipelines.observations.totals import (
    PLACES_ABOVE_NATIONS,
    TOTAL,
    covered_members,
    keep_totals,
    nations_of_place,
    total_members,
)

YEAR = {"period_start": date(2023, 1, 1), "period_end": date(2023, 12, 31)}
LONDON = {
    "source": "s", "release": "x", "released_at": date(2024, 5, 1), "measure": "m", "place_code": "E12000007",
    "place_label": "London", **YEAR, "value": 9.0, "lower_bound": 8.5, "upper_bound": 9.5, "obs_status": "normal",
    "published_marker": None,
    "unit": "homes", "file": "a.csv", "file_row": 3, "order": 0, "fault": "total",
}  # fmt: skip


def cells(*rows: dict[str, Any]) -> pl.DataFrame:
    order = pl.Series("order", [item["order"] for item in rows], pl.Int64)
    return table_from_records(list(rows), CELLS).with_columns(order)


def kept(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    return keep_totals(cells(*({**LONDON, **item} for item in changed))).to_dicts()


def test_total_keeps_every_column_with_its_tier_and_release() -> None:
    expected = {**{name: LONDON.get(name) for name in TOTAL}, "role": "total", "tier": "region"}
    assert kept({}) == [expected]
    assert_frame_equal(keep_totals(cells(LONDON)), table_from_records([{**expected}], TOTAL), check_row_order=True)


@pytest.mark.parametrize(
    ("fault", "is_kept"),
    [("total", True), ("unallocated", True), ("retired_code", True), ("unmatched_place", True), ("repeat", False),
     ("duplicate", False), ("unreadable", False), ("implausible", False), ("dropped", False), (None, False)],
)  # fmt: skip
def test_only_figures_that_count_towards_a_total_are_selected(fault: str | None, is_kept: bool) -> None:
    assert [item["role"] for item in kept({"fault": fault})] == ([fault] if is_kept else [])


@pytest.mark.parametrize(
    ("code", "tier"),
    [("E12000007", "region"), ("E10000003", "utla"), ("E11000001", "county"), ("E92000001", "nation"),
     ("K02000001", "above_nation"), ("E09000024", "lad"), ("QMF", None), (None, None)],
)  # fmt: skip
def test_prefix_of_a_code_gives_its_tier(code: str | None, tier: str | None) -> None:
    assert [item["tier"] for item in kept({"place_code": code})] == [tier]


def test_first_of_repeated_totals_is_selected() -> None:
    again = {"value": 7.0, "file_row": 9}
    assert [item["value"] for item in kept({}, again)] == [9.0]
    assert [item["value"] for item in kept(again, {})] == [7.0]


@pytest.mark.parametrize(
    "other",
    [{"measure": "n"}, {"place_code": "E12000008"}, {"place_label": "LONDON"}, {"period_start": date(2022, 1, 1)},
     {"period_end": date(2024, 12, 31)}, {"order": 1}, {"fault": "retired_code"}],
)  # fmt: skip
def test_different_totals_are_all_selected_in_order(other: dict[str, Any]) -> None:
    actual = kept(other, {}, {**other, "value": 1.0})
    assert [item["value"] for item in actual] == [9.0, 9.0]
    assert actual == [*kept(other), *kept({})]


def test_no_cells_give_no_totals() -> None:
    assert_frame_equal(keep_totals(cells().with_columns(pl.lit(0, pl.Int64).alias("order"))), empty_table(TOTAL))


def place(code: str, nation: str, parent: str | None = None, region: str | None = None) -> dict[str, Any]:
    return {"place_code": code, "nation": nation, "parent_code": parent, "region_code": region}


def pairs(*places: dict[str, Any]) -> list[tuple[str, ...]]:
    return total_members(table_from_records(list(places), PLACE_COLUMNS)).rows()


def test_place_is_within_its_county_region_nation_and_all_above() -> None:
    assert pairs(place("E07000008", "England", "E10000003", "E12000006")) == [
        (total, "E07000008") for total in ("E10000003", "E12000006", "E92000001", "K02000001", "K03000001", "K04000001")
    ]


@pytest.mark.parametrize(
    ("code", "nation", "above"),
    [
        ("E06000001", "England", ["E92000001", "K02000001", "K03000001", "K04000001"]),
        ("W06000001", "Wales", ["K02000001", "K03000001", "K04000001", "W92000004"]),
        ("S12000033", "Scotland", ["K02000001", "K03000001", "S92000003"]),
        ("N09000003", "Northern Ireland", ["K02000001", "N92000002"]),
    ],
)
def test_each_nation_is_within_the_places_above_it(code: str, nation: str, above: list[str]) -> None:
    assert pairs(place(code, nation)) == [(total, code) for total in above]
    assert pairs(place(code, nation, "", "")) == [(total, code) for total in above]


def test_place_is_within_its_region_once_and_never_within_itself() -> None:
    actual = pairs(place("E06000001", "England", "E12000001", "E12000001"), place("E12000001", "England", "E92000001"))
    assert actual.count(("E12000001", "E06000001")) == 1
    assert ("E12000001", "E12000001") not in actual
    assert actual == sorted(set(actual)) and len(actual) == 9
    assert pairs(place("E92000001", "England")) == [(k, "E92000001") for k in ("K02000001", "K03000001", "K04000001")]


def test_no_places_have_no_larger_places() -> None:
    actual = total_members(empty_table(PLACE_COLUMNS))
    assert (actual.height, dict(actual.schema)) == (0, {"total_code": pl.String, "place_code": pl.String})


@pytest.mark.parametrize(
    ("code", "nations"),
    [("K02000001", ("England", "Wales", "Scotland", "Northern Ireland")),
     ("K03000001", ("England", "Wales", "Scotland")), ("K04000001", ("England", "Wales")),
     ("E12000007", ("England",)), ("W92000004", ("Wales",)), ("S92", ("Scotland",)),
     ("N92000002", ("Northern Ireland",)), ("K01000001", ()), ("QMF", ()), ("", ())],
)  # fmt: skip
def test_code_of_a_larger_place_gives_its_nations(code: str, nations: tuple[str, ...]) -> None:
    assert nations_of_place(code) == nations
    assert set(PLACES_ABOVE_NATIONS) == {"K02000001", "K03000001", "K04000001"}


def test_members_are_those_of_the_covered_nations_and_listed_again_for_another_table() -> None:
    rows = [{"place_code": code, "place_name": code, "nation": nation, "region_code": "R"}
            for code, nation in (("E07000001", "England"), ("W06000001", "Wales"))]  # fmt: skip
    own = table_from_records(rows, PLACE_COLUMNS)
    for places in (own, own.head(1), own):
        for coverage in (("England",), ("England", "Wales"), ("Scotland",)):
            covered = places.filter(pl.col("nation").is_in(list(coverage)))
            assert_frame_equal(covered_members(places, coverage), total_members(covered))
