"""Outlines of areas: from their districts where no boundary of the area is stored."""

from typing import Any

import pytest

from pipelines.core.store import state_path
from pipelines.declarations.project import Project
from pipelines.geography import load_groupings, load_outlines, read_boundaries
from pipelines.geography.outlines import group_outlines


def square(code: str, x: float) -> dict[str, Any]:
    ring = [[x, 0.0], [x + 1, 0.0], [x + 1, 1.0], [x, 0.0]]
    return {"properties": {"code": code}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def test_area_has_the_outlines_of_all_its_districts() -> None:
    empty = {"properties": {"code": "D"}, "geometry": None}
    districts = {"features": [square("A", 0), square("B", 1), square("C", 5), empty]}
    made = group_outlines(districts, (("A", "F"), ("B", "F")))
    by_code = {feature["properties"]["code"]: feature["geometry"] for feature in made["features"]}
    assert set(by_code) == {"F", "C", "D"} and by_code["D"] is None
    drawn = [square(code, x)["geometry"]["coordinates"] for code, x in (("A", 0), ("B", 1))]
    assert by_code["F"] == {"type": "MultiPolygon", "coordinates": drawn}


@pytest.mark.parametrize(("system", "code", "areas"), [
    ("pfa_2023", "E23000001", 45), ("health_board_2019", "S08000031", 21), ("nation_2020", "W92000004", 4),
    ("utla_2023", "E10000016", 218),
])  # fmt: skip
def test_areas_that_districts_are_nested_in_have_outlines(edition: Project, system: str, code: str, areas: int) -> None:
    made = load_outlines(edition, system)
    assert made and made["from_districts"]
    features = {feature["properties"]["code"]: feature["geometry"] for feature in made["features"]}
    assert features[code]["coordinates"]
    districts = read_boundaries(edition)
    assert districts
    whole = {feature["properties"]["code"] for feature in districts["features"]}
    assert len(set(features) - whole) <= areas <= len(features)


def test_former_county_has_the_outlines_of_the_districts_that_replaced_its_own(edition: Project) -> None:
    made, districts = load_outlines(edition, "utla_2019"), read_boundaries(edition)
    assert made and districts
    polygons = {}
    for collection in (made, districts):
        for feature in collection["features"]:
            drawn = feature["geometry"]
            polygons[feature["properties"]["code"]] = (
                drawn["coordinates"] if drawn["type"] == "MultiPolygon" else [drawn["coordinates"]]
            )
    cumbria, *parts = (polygons[code] for code in ("E10000006", "E06000063", "E06000064"))
    assert len(cumbria) == sum(map(len, parts)) and all(ring in cumbria for part in parts for ring in part)
    assert "E06000063" not in {feature["properties"]["code"] for feature in made["features"]}


@pytest.mark.parametrize("system", ["pcon_2024", "trust_2020"])
def test_areas_across_districts_have_no_outlines_of_their_own(edition: Project, system: str) -> None:
    assert load_outlines(edition, system) is read_boundaries(edition)


def test_groupings_of_all_problems_are_built_before_their_reports(edition: Project) -> None:
    tables = [state_path(edition.home, "grouping", system) for system in ("pcon_2024", "utla_2019")]
    for table in tables:
        table.unlink(missing_ok=True)
    load_groupings(edition)
    assert all(table.is_file() for table in tables)
    built = [table.stat().st_mtime_ns for table in tables]
    load_outlines(edition, "utla_2019")
    assert built == [table.stat().st_mtime_ns for table in tables]
