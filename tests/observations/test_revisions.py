"""Two time axes in the analyst's file: figures as known on a day, and revisions between releases."""

import csv
import io
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.core.store import output_path
from tests.command import run


@pytest.fixture(scope="module")
def warehouse(built_small: Path) -> Path:
    """The analyst's file of the small project."""
    return output_path(built_small / "store", "commonground.duckdb")


def asked(warehouse: Path, query: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return con.sql(query).pl().to_dicts()


MERTON_2020 = "place_code = 'E09000024' and measure = 'claimant_rate' and period_start = date '2020-01-01'"


@pytest.mark.parametrize(
    ("day", "value"),
    [("2024-11-14", None), ("2024-11-15", 2.6), ("2025-01-23", 2.6), ("2025-01-24", 5.8), ("2026-11-24", 5.4)],
)
def test_figure_is_as_known_on_the_day(warehouse: Path, day: str, value: float | None) -> None:
    actual = asked(warehouse, f"select value from as_known_at(date '{day}') where {MERTON_2020}")
    assert [row["value"] for row in actual] == ([] if value is None else [value])


def test_figures_as_known_on_a_day_have_each_cell_once(warehouse: Path) -> None:
    key = "measure, place_code, period_start, period_end"
    for day in ("2025-01-01", "2026-11-24"):
        counted = f"select count(*) as n, count(distinct ({key})) as m from as_known_at('{day}')"
        row = asked(warehouse, counted)[0]
        assert row["n"] == row["m"] > 4_000


def test_macro_and_tables_have_comments(warehouse: Path) -> None:
    result = asked(warehouse, "select comment from duckdb_functions() where function_name = 'as_known_at'")
    assert "Figures as known on a day" in result[0]["comment"]
    bare = "select count(*) as n from duckdb_columns() where table_name like 'revision%' and comment is null"
    assert asked(warehouse, bare) == [{"n": 0}]


def test_revision_of_the_claimant_rate_is_reported_with_a_suspicion(warehouse: Path) -> None:
    actual = asked(
        warehouse, "select * from revision_summary where source = 'ons_claimant_rate' order by new_released_at"
    )
    first, second = actual
    assert (first["cells_in_both"], first["changed"], first["appeared"]) == (4_693, 3_948, 361)
    assert first["suspicion"].startswith("in 8 of 13 periods most figures changed")
    assert first["suspicion"].endswith("furthest from 1 in January 2020: 1.93")
    assert (second["changed"], second["suspicion"]) == (1_590, "the heading changed from Observation to observation")
    by_kind = "select kind, whole_period, count(*) as n from revisions where source = 'ons_claimant_rate'"
    counted = asked(warehouse, f"{by_kind} group by all order by all")
    assert [tuple(row.values()) for row in counted] == [("appeared", True, 722), ("changed", False, 5_538)]


def test_command_prints_the_same_revisions(built_small: Path) -> None:
    on = {"store": built_small / "store", "project": built_small / "project"}
    done = run("revisions", "ons_claimant_rate", "--format", "csv", **on)
    result = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["changed"] for row in result] == ["3948", "1590"]
    assert "84.1%" in run("revisions", **on).stdout
    assert run("revisions", "ons_lad_register", **on).returncode == 2
