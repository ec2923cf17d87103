"""Two time axes: what was known on a day, and what changed from one release to the next."""

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.core.schema import OBSERVATION, rows
from pipelines.observations.revisions import compared, revisions
from tests.app.test_cli import run

YEARS = {year: (date(year, 1, 1), date(year, 12, 31)) for year in (2020, 2021, 2022)}


def cell(place: str, year: int, value: float | None, heading: str = "figure", measure: str = "m") -> dict[str, Any]:
    start, end = YEARS[year]
    return {
        "source": "s", "measure": measure, "place_code": place, "period_start": start, "period_end": end,
        "value": value, "status": "normal" if value is not None else "confidential", "file_column": heading,
    }  # fmt: skip


def release(order: int, *cells: dict[str, Any]) -> pl.DataFrame:
    known = {"release": f"sha{order}", "released_at": date(2023, 1, 1 + order)}
    return rows([{**each, **known} for each in cells], OBSERVATION).with_columns(pl.lit(order, pl.Int64).alias("order"))


def told(*releases: pl.DataFrame) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    cells, summary = revisions(pl.concat(releases))
    return cells.select("place_code", "period_start", "kind", "old", "new", "whole_period").rows(), summary.row(
        0, named=True
    )


def test_each_cell_that_changed_appeared_or_disappeared_is_a_row() -> None:
    old = release(0, cell("A", 2020, 5.0), cell("B", 2020, 6.0), cell("C", 2020, 7.0), cell("D", 2020, None))
    new = release(1, cell("A", 2020, 5.0), cell("B", 2020, 9.0), cell("D", 2020, 4.0), cell("E", 2020, 1.0))
    cells, summary = told(old, new)
    start = date(2020, 1, 1)
    assert cells == [
        ("B", start, "changed", 6.0, 9.0, False),
        ("C", start, "disappeared", 7.0, None, False),
        ("D", start, "changed", None, 4.0, False),
        ("E", start, "appeared", None, 1.0, False),
    ]
    assert (summary["cells_in_both"], summary["changed"], summary["share_changed"]) == (3, 2, pytest.approx(2 / 3))
    assert (summary["appeared"], summary["disappeared"], summary["largest_change"]) == (1, 1, 3.0)
    assert (summary["places_most_affected"], summary["median_ratio"]) == ("B", 1.5)


def test_a_period_that_is_new_to_a_release_is_told_apart() -> None:
    cells, summary = told(release(0, cell("A", 2020, 5.0)), release(1, cell("A", 2020, 5.0), cell("A", 2021, 6.0)))
    assert cells == [("A", date(2021, 1, 1), "appeared", None, 6.0, True)]
    assert (summary["changed"], summary["suspicion"]) == (0, None)


def test_releases_are_compared_with_the_one_before_and_sources_never_with_another() -> None:
    three = [release(n, cell("A", 2020, float(n))) for n in range(3)]
    other = three[0].with_columns(pl.lit("t").alias("source"))
    cells, summary = revisions(pl.concat([*reversed(three), other]))
    assert cells.select("old", "new", "difference").rows() == [(0.0, 1.0, 1.0), (1.0, 2.0, 1.0)]
    assert summary.select("old_release", "new_release").rows() == [("sha0", "sha1"), ("sha1", "sha2")]


def test_one_release_and_none_give_nothing() -> None:
    for frame in (release(0, cell("A", 2020, 5.0)), release(0, cell("A", 2020, 5.0)).clear()):
        assert [table.height for table in revisions(frame)] == [0, 0]


@pytest.mark.parametrize("factor", [0.1, 0.8, 1.2, 10.0, 1000.0])
def test_most_figures_of_a_period_moved_one_way_is_suspected(factor: float) -> None:
    old = release(0, *(cell(place, year, 10.0) for place in "ABC" for year in YEARS))
    new = release(1, *(cell(place, year, 10.0 * (factor if year == 2021 else 1)) for place in "ABC" for year in YEARS))
    suspicion = told(old, new)[1]["suspicion"]
    assert suspicion.startswith("in 1 of 3 periods most figures changed") and suspicion.endswith(
        f"January 2021: {factor}"
    )


def test_small_or_scattered_changes_are_not_suspected() -> None:
    old = release(0, *(cell(place, 2020, 10.0) for place in "ABCDE"))
    small = release(1, *(cell(place, 2020, 10.4) for place in "ABCDE"))
    few = release(1, *(cell(place, 2020, 99.0 if place in "AB" else 10.0) for place in "ABCDE"))
    assert told(old, small)[1]["suspicion"] is None
    assert told(old, few)[1]["suspicion"] is None


def test_another_heading_is_suspected() -> None:
    found = told(release(0, cell("A", 2020, 5.0, "Figure")), release(1, cell("A", 2020, 5.0, "figure")))[1]
    assert found["suspicion"] == "the heading changed from Figure to figure"


def test_a_change_from_nought_has_no_factor() -> None:
    found = told(release(0, cell("A", 2020, 0.0)), release(1, cell("A", 2020, 5.0)))[1]
    assert (found["median_ratio"], found["changed"], found["suspicion"]) == (None, 1, None)


def asked(store: Path, query: str) -> list[dict[str, Any]]:
    done = run("sql", query, "--format", "json", store=store)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


MERTON_2020 = "place_code = 'E09000024' and measure = 'claimant_rate' and period_start = date '2020-01-01'"


@pytest.mark.parametrize(
    ("day", "value"),
    [("2024-11-14", None), ("2024-11-15", 2.6), ("2025-01-23", 2.6), ("2025-01-24", 5.8), ("2026-11-24", 5.4)],
)
def test_a_figure_is_what_was_known_on_the_day(store: Path, day: str, value: float | None) -> None:
    found = asked(store, f"select value from as_known_at(date '{day}') where {MERTON_2020}")
    assert [row["value"] for row in found] == ([] if value is None else [value])


def test_what_was_known_has_each_cell_once(store: Path) -> None:
    key = "measure, place_code, period_start, period_end"
    for day in ("2025-01-01", "2026-11-24"):
        counted = f"select count(*) as n, count(distinct ({key})) as m from as_known_at('{day}')"
        row = asked(store, counted)[0]
        assert row["n"] == row["m"] > 4_000


def test_the_macro_and_the_tables_carry_their_comments(store: Path) -> None:
    told = asked(store, "select comment from duckdb_functions() where function_name = 'as_known_at'")
    assert "figures known on a day" in told[0]["comment"]
    bare = "select count(*) as n from duckdb_columns() where table_name like 'revision%' and comment is null"
    assert asked(store, bare) == [{"n": 0}]


def test_the_revision_of_the_claimant_rate_is_told_with_what_is_suspected(store: Path) -> None:
    found = asked(store, "select * from revision_summary where source = 'ons_claimant_rate' order by new_released_at")
    first, second = found
    assert (first["cells_in_both"], first["changed"], first["appeared"]) == (4_693, 3_948, 361)
    assert first["suspicion"].startswith("in 8 of 13 periods most figures changed")
    assert first["suspicion"].endswith("furthest from 1 in January 2020: 1.93")
    assert (second["changed"], second["suspicion"]) == (1_590, "the heading changed from Observation to observation")
    by_kind = "select kind, whole_period, count(*) as n from revisions where source = 'ons_claimant_rate'"
    counted = asked(store, f"{by_kind} group by all order by all")
    assert [tuple(row.values()) for row in counted] == [("appeared", True, 722), ("changed", False, 5_538)]


def test_the_command_prints_the_same(store: Path) -> None:
    done = run("revisions", "ons_claimant_rate", "--format", "csv", store=store)
    told = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["changed"] for row in told] == ["3948", "1590"]
    assert "84.1%" in run("revisions", store=store).stdout
    assert run("revisions", "ons_lad_register", store=store).returncode == 2


def test_a_comparison_of_thousands_of_cells_loses_none() -> None:
    old = release(0, *(cell(str(n), 2020, float(n)) for n in range(3_000)))
    new = release(1, *(cell(str(n), 2020, float(n + (n % 2))) for n in range(1_000, 4_000)))
    both = compared(old, new)
    assert both.height == 4_000
    counted = dict(both.group_by("kind").len().iter_rows())
    assert counted == {None: 1_000, "changed": 1_000, "appeared": 1_000, "disappeared": 1_000}
