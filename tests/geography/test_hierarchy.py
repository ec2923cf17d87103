"""Larger areas by kind, wholly or by share, without shares of unknown residents."""

from datetime import date

import polars as pl
import pytest

from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.declarations.project import Project
from pipelines.geography.access import load_area_hierarchy
from pipelines.geography.hierarchy import AREA_HIERARCHY, build_hierarchy
from pipelines.geography.register import Places
from pipelines.geography.small_areas import Areas, WeightSet

REGISTER = table_from_records(
    [
        {"place_code": "E92000001", "place_name": "England", "kind": "nation", "nation": "England"},
        {"place_code": "S92000003", "place_name": "Scotland", "kind": "nation", "nation": "Scotland"},
        {"place_code": "E12000009", "place_name": "South West", "kind": "region", "nation": "England",
         "parent_code": "E92000001"},
        {"place_code": "E06000001", "place_name": "One", "kind": "lad", "nation": "England",
         "parent_code": "E12000009"},
        {"place_code": "E06000002", "place_name": "Two", "kind": "lad", "nation": "England"},
        {"place_code": "E06000003", "place_name": "Three", "kind": "lad", "nation": "England"},
        {"place_code": "S12000001", "place_name": "Four", "kind": "lad", "nation": "Scotland"},
        {"place_code": "E54000001", "place_name": "A board", "kind": "icb", "nation": "England"},
    ],
    PLACE_COLUMNS,
)  # fmt: skip
PLACES = Places(REGISTER, empty_table(CODE_CHANGE_COLUMNS))
ONE, TWO, THREE, FOUR = "E06000001", "E06000002", "E06000003", "S12000001"


def table(source: str, *rows: tuple[str, str | None, str | None, float | None]) -> Areas:
    """Build a table of small areas: code, district, board, residents."""
    columns = {"area_code": pl.String, "lad_2024": pl.String, "icb_2022": pl.String, "mid__all_ages": pl.Float64}
    weights = (WeightSet("mid", date(2022, 6, 30), ("all_ages",)),)
    frame = pl.DataFrame(rows, columns, orient="row")
    return Areas(source, date(2024, 1, 1), "", ("lad_2024", "icb_2022"), frozenset(), weights, frame)


AREAS = table(
    "areas",
    ("a", ONE, "E54000001", 30.0), ("b", ONE, "E54000001", 10.0), ("c", TWO, "E54000001", 30.0),
    ("d", TWO, "E54000002", 10.0), ("e", THREE, "E54000002", None), ("f", THREE, None, 5.0), ("g", FOUR, None, 5.0),
)  # fmt: skip


def select_rows(actual: pl.DataFrame, code: str) -> list[tuple[object, ...]]:
    return actual.filter(pl.col("place_code") == code).select("kind", "parent_code", "share", "share_of").rows()


def test_area_is_in_a_board_wholly_or_by_share_of_residents() -> None:
    actual = build_hierarchy(PLACES, [AREAS], {ONE, TWO, THREE, FOUR})
    assert select_rows(actual, ONE) == [
        ("icb", "E54000001", 1.0, "people"), ("nation", "E92000001", 1.0, None), ("region", "E12000009", 1.0, None),
    ]  # fmt: skip
    assert select_rows(actual, TWO)[:2] == [("icb", "E54000001", 0.75, "people"), ("icb", "E54000002", 0.25, "people")]
    assert actual.filter(pl.col("parent_code") == "E54000001")["parent_name"].unique().to_list() == ["A board"]


def test_small_areas_are_counted_where_residents_are_unknown() -> None:
    actual = build_hierarchy(PLACES, [AREAS], {THREE, FOUR})
    boards = [row for row in select_rows(actual, THREE) if row[0] == "icb"]
    assert sorted(boards, key=str) == [("icb", "E54000002", 0.5, "small areas"), ("icb", None, 0.5, "small areas")]
    # The table has no boards of Scotland; the register defines its nation.
    assert select_rows(actual, FOUR) == [("nation", "S92000003", 1.0, None)]


def test_first_of_two_tables_with_a_geography_is_used() -> None:
    other = table("other", ("a", ONE, "E54000002", 1.0), ("b", TWO, "E54000002", 1.0))
    actual = build_hierarchy(PLACES, [AREAS, other], {ONE})
    assert actual.filter(pl.col("kind") == "icb").select("parent_code", "source").rows() == [("E54000001", "areas")]


@pytest.mark.parametrize("system", ["lad_2024", "icb_2022"])
def test_best_fit_geographies_are_marked(system: str) -> None:
    fitted = build_hierarchy(PLACES, [AREAS._replace(best_fit=frozenset({system}))], {ONE})
    assert dict(fitted.select("kind", "best_fit").iter_rows()) == {"icb": True, "nation": False, "region": False}
    assert not build_hierarchy(PLACES, [AREAS], {ONE})["best_fit"].any()


def test_geography_with_more_areas_contains_none() -> None:
    assert build_hierarchy(PLACES, [AREAS], {"E54000001"}).filter(pl.col("kind") == "lad").is_empty()


def test_register_without_tables_gives_its_own_hierarchy() -> None:
    assert select_rows(build_hierarchy(PLACES, [], {TWO}), TWO) == [("nation", "E92000001", 1.0, None)]
    assert build_hierarchy(PLACES, [AREAS], set()).equals(empty_table(AREA_HIERARCHY))


def test_shares_of_the_starter_edition_sum_to_one(starter: Project) -> None:
    every = load_area_hierarchy(starter)
    actual = every.filter(pl.col("parent_geography").fill_null("") != "icb_2026")
    sums = every.group_by("place_code", "kind", "parent_geography").agg(pl.col("share").sum())
    assert sums["share"].to_list() == pytest.approx([1.0] * sums.height)
    hastings = actual.filter(
        pl.col("place_code") == "E07000062", pl.col("kind").is_in(["pfa", "icb", "utla", "region"])
    )
    assert dict(hastings.select("kind", "parent_name").iter_rows()) == {
        "pfa": "Sussex", "icb": "NHS Sussex Integrated Care Board", "utla": "East Sussex", "region": "South East",
    }  # fmt: skip
    cumberland = actual.filter(pl.col("place_code") == "E06000063", pl.col("kind") == "icb")
    assert cumberland["parent_code"].to_list() == ["E54000050", "E54000048"]
    assert cumberland["share"].to_list() == pytest.approx([0.9688, 0.0312], abs=1e-4)
