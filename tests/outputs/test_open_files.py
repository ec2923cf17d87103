"""Files that open anywhere: what they contain is what the page shows, and a gap stays a gap."""

import io
import json
import struct
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.declarations.project import Project
from pipelines.outputs.boundary_files import boundary_contents, boundary_table, encode_wkb
from pipelines.outputs.data_package import data_package_contents
from pipelines.outputs.dataset_metadata import encode_block
from pipelines.outputs.datasets import licence_address
from pipelines.outputs.open_files import MAP_ROW, TREND_ROW, has_geojson, map_csv, problem_geojson, trend_csv
from pipelines.outputs.report import find_page_charts
from pipelines.outputs.trend_chart import BandPoint, TrendBand, TrendPoint, TrendSeries
from tests.report_sample import FORMULA, NAMES, sample

NUMBERS = st.floats(-180, 180, allow_nan=False)
RINGS = st.lists(st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=4, max_size=6), min_size=1, max_size=3)


def features(content: bytes) -> dict[str, dict[str, Any]]:
    return {item["properties"]["place_code"]: item for item in json.loads(content)["features"]}


def test_table_of_the_map_has_every_place_and_no_zero_for_a_gap() -> None:
    report = sample()
    gap = report.cells["measure"].eq("claimant_rate") & report.cells["place_code"].eq("E06000002")
    cells = report.cells.with_columns(
        pl.when(gap).then(None).otherwise("value").alias("value"),
        pl.when(gap).then(pl.lit("suppressed")).otherwise("reason").alias("reason"),
    )
    answer = find_page_charts(report._replace(cells=cells)).answer
    assert answer
    table = pl.read_csv(map_csv(answer).encode())
    assert table.columns == list(MAP_ROW) and table["place_code"].to_list() == sorted(NAMES)
    row = table.filter(pl.col("place_code") == "E06000002").row(0, named=True)
    assert row["value"] is None and (row["state"], row["reason"]) == ("missing", "suppressed")
    others = table.filter(pl.col("place_code") != "E06000002").select("place_code", "value")
    assert dict(others.iter_rows()) == dict(answer.comparable.select("place_code", "value").iter_rows())
    assert f"'{FORMULA}" in table["place_name"].to_list()


def test_table_of_a_chart_has_its_points_gaps_and_marks() -> None:
    first, second = (date(2024, 1, 1), date(2024, 12, 31)), (date(2025, 1, 1), date(2025, 12, 31))
    line = TrendSeries("A", [TrendPoint(*first, 2.5), TrendPoint(*second, None)], "own")
    marked = TrendSeries("B", [TrendPoint(*second, 3.0, "break")], "region")
    table = pl.read_csv(trend_csv([line, marked], TrendBand("most", [BandPoint(*first, 1.0, 4.0)])).encode())
    assert table.columns == list(TREND_ROW)
    assert table.select("line", "value", "low", "mark").rows() == [
        ("A", 2.5, None, None), ("A", None, None, None), ("B", 3.0, None, "break"), ("most", None, 1.0, None),
    ]  # fmt: skip


@pytest.mark.parametrize("grain", ["latest", "month"])
def test_geojson_has_one_feature_a_place_with_the_row_of_its_view(grain: str) -> None:
    report = sample(grain)
    if grain == "month":
        rate = report.cells.filter(pl.col("measure") == "claimant_rate")
        report = report._replace(view=rate.select("place_code", "period_start", pl.col("value").alias("claimant_rate")))
    made = features(problem_geojson(report, find_page_charts(report).answer))
    assert set(made) == set(NAMES) and has_geojson(report)
    newest = report.view if grain == "latest" else report.view.filter(pl.col("period_start") == date(2025, 3, 1))
    values = dict(newest.select("place_code", "claimant_rate").iter_rows())
    assert {code: item["properties"]["claimant_rate"] for code, item in made.items()} == values
    assert all(item["geometry"]["type"] == "Polygon" for item in made.values())


def test_place_without_a_boundary_has_no_geometry_and_keeps_its_figure() -> None:
    report = sample()
    assert report.boundaries
    fewer = report._replace(boundaries={**report.boundaries, "features": report.boundaries["features"][1:]})
    item = features(problem_geojson(fewer, None))["E06000001"]
    assert item["geometry"] is None and item["properties"]["claimant_rate"] == 2.5
    assert not has_geojson(report._replace(boundaries=None))


def test_missing_figure_is_null_in_geojson() -> None:
    report = sample()
    view = report.view.with_columns(pl.lit(None, pl.Float64).alias("claimant_rate"))
    made = features(problem_geojson(report._replace(view=view), None))
    assert {item["properties"]["claimant_rate"] for item in made.values()} == {None}


@given(RINGS)
def test_well_known_binary_has_the_points_of_the_boundary(rings: list[list[list[float]]]) -> None:
    assert decode_polygon(encode_wkb({"type": "Polygon", "coordinates": rings}))[0] == rings
    content = encode_wkb({"type": "MultiPolygon", "coordinates": [rings, rings]})
    assert struct.unpack_from("<BII", content) == (1, 6, 2)
    first, end = decode_polygon(content[9:])
    assert first == decode_polygon(content[9 + end :])[0] == rings


def decode_polygon(content: bytes) -> tuple[list[list[list[float]]], int]:
    order, kind, count = struct.unpack_from("<BII", content)
    assert (order, kind) == (1, 3)
    at, rings = 9, []
    for _ in range(count):
        (points,) = struct.unpack_from("<I", content, at)
        numbers = struct.unpack_from(f"<{2 * points}d", content, at + 4)
        rings.append([list(numbers[n : n + 2]) for n in range(0, 2 * points, 2)])
        at += 4 + 16 * points
    return rings, at


def test_stored_boundaries_are_written_as_geojson_and_geoparquet(edition: Project) -> None:
    files = dict(boundary_contents(edition))
    assert set(files) == {
        f"boundaries/{name}.{form}" for name in ("lad_2024", "icb_2022") for form in ("geojson", "parquet")
    }
    table = boundary_table(edition)
    districts = table.filter(pl.col("geography") == "lad_2024")
    assert (
        districts.height == 361
        and dict(districts.select("place_code", "place_name").iter_rows())["E09000024"] == "Merton"
    )
    assert set(features(files["boundaries/lad_2024.geojson"])) == set(districts["place_code"])
    stored = files["boundaries/lad_2024.parquet"]
    assert pl.read_parquet(io.BytesIO(stored)).equals(districts)
    geo = json.loads(pl.read_parquet_metadata(io.BytesIO(stored))["geo"])
    west, south, east, north = geo["columns"]["geometry"]["bbox"]
    assert geo["primary_column"] == "geometry" and -9 < west < east < 2.5 and 49 < south < north < 61.5


def test_block_of_json_cannot_end_its_script() -> None:
    block = encode_block({"name": "</script><b>&"})
    assert "<" not in block and json.loads(block) == {"name": "</script><b>&"}


def test_presumed_licence_has_no_address() -> None:
    assert licence_address("Open Government Licence v3.0; contains OS data")
    assert licence_address("Open Government Licence v3.0, presumed (x)") is None


def test_package_without_problems_is_written() -> None:
    assert json.loads(dict(data_package_contents([]))["datapackage.json"])["resources"] == []
