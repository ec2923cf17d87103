"""Partnerships in the files of a problem: one row of figures each, in files and a sheet of their own."""

import io
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.core.store import output_path, read_table, state_path
from pipelines.outputs.publish import PARTNERSHIP_ENDINGS

CODES = {"partnership-south-london", "partnership-greater-manchester-work"}


@pytest.fixture(scope="module")
def outputs(built_small: Path) -> Path:
    return output_path(built_small / "store", "")


def test_csv_and_parquet_files_of_partnerships_have_their_cells(outputs: Path, built_small: Path) -> None:
    stored = read_table(state_path(built_small / "store", "partnership_cell", "jobs_recovery"))
    cells = pl.read_parquet(outputs / "jobs_recovery.partnerships.cells.parquet")
    assert cells.select(stored.columns).equals(stored.sort("cell_id"))
    table = pl.read_csv(outputs / "jobs_recovery.partnerships.csv", infer_schema_length=None)
    assert table.columns == cells.columns and set(table["place_code"]) == CODES
    values = dict(zip(table["cell_id"], table["value"], strict=True))
    known = cells.filter(pl.col("value").is_not_null(), pl.col("cell_id").is_in(table["cell_id"].implode()))
    assert known.height > 0 and all(values[cell] == value for cell, value in known.select("cell_id", "value").rows())


def test_view_of_partnerships_has_one_row_each(outputs: Path) -> None:
    view = pl.read_parquet(outputs / "jobs_recovery.partnerships.view.parquet")
    assert set(view["place_code"]) == CODES and view.height == len(CODES)
    assert view.columns == pl.read_parquet(outputs / "jobs_recovery.view.parquet").columns


def test_files_of_places_leave_partnerships_out(outputs: Path) -> None:
    table = pl.read_csv(outputs / "jobs_recovery.csv", infer_schema_length=None)
    assert not table["place_code"].str.starts_with("partnership-").any()


def test_spreadsheet_has_a_sheet_of_partnerships_with_their_figures(outputs: Path) -> None:
    content = (outputs / "jobs_recovery.xlsx").read_bytes()
    sheets = pl.read_excel(io.BytesIO(content), sheet_id=0, has_header=False, infer_schema_length=0)
    rows = {row[0]: row for row in sheets["Partnerships"].iter_rows()}
    assert set(rows) >= CODES and "110764" in rows["partnership-south-london"]
    assert not CODES & {row[0] for row in sheets["Figures"].iter_rows()}


def test_page_links_the_files_of_partnerships(outputs: Path) -> None:
    page = (outputs / "jobs_south_london.html").read_text(encoding="utf-8")
    for ending in PARTNERSHIP_ENDINGS:
        assert ("metadata" in ending) != (f'href="jobs_south_london.{ending}"' in page)


def test_chart_of_partnerships_has_its_lines_in_the_table(outputs: Path) -> None:
    table = pl.read_csv(outputs / "jobs_south_london.trend.csv", infer_schema_length=None)
    line = table.filter(pl.col("role") == "partnership")
    assert set(line["line"]) == {"South London Partnership"}
    assert line.filter(pl.col("period_start") == "2025-05-01")["value"].item() == 110764


@pytest.mark.parametrize("name", ["jobs_recovery", "jobs_south_london"])
def test_parquet_files_have_the_types_and_keys_that_power_bi_relies_on(outputs: Path, name: str) -> None:
    keys = {"view": "place_code, period_start" if name == "jobs_south_london" else "place_code", "cells": "cell_id"}
    for kind, key in keys.items():
        for infix in ("", "partnerships."):
            path = outputs / f"{name}.{infix}{kind}.parquet"
            described = duckdb.sql(f"describe select * from read_parquet('{path}')").fetchall()
            types = {column[1] for column in described}
            assert types <= {"VARCHAR", "BIGINT", "INTEGER", "UINTEGER", "DOUBLE", "BOOLEAN", "DATE"}, types
            question = f"select count(*), count(distinct ({key})) from read_parquet('{path}')"
            ((rows, keys_found),) = duckdb.sql(question).fetchall()
            assert rows == keys_found > 0
