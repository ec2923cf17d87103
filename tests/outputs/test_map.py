"""Map: each place once, a legible London, pale neighbours, and a list of absent places."""

import copy
import math
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.outputs.map import MAP_WIDTH, MapDrawing, draw_map, polygon_rings, project_point
from pipelines.outputs.report import render_html
from tests.report_sample import NAMES, sample

TEMPLATES = Path(__file__).resolve().parents[2] / "pipelines" / "outputs" / "templates"


def _boundaries() -> dict[str, Any]:
    actual = sample().boundaries
    assert actual is not None
    return copy.deepcopy(actual)


def _square(code: str, x: float, y: float, side: float) -> dict[str, Any]:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {"properties": {"code": code}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def _drawn(features: list[dict[str, Any]], codes: set[str], subset: bool = False) -> MapDrawing:
    drawn = draw_map({"features": features}, codes, subset=subset)
    assert drawn is not None
    return drawn


def _corners(path: str) -> list[tuple[float, float]]:
    """Return the corners of a path of rings: each has its first corner, then steps."""
    corners: list[tuple[float, float]] = []
    for ring in path.split("z")[:-1]:
        start, steps = ring.removeprefix("M").split("l")
        x, y = map(float, start.split())
        corners.append((x, y))
        numbers = [float(text) for text in re.findall(r"-?[\d.]+", steps)]
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            corners.append((x, y))
    return corners


def test_each_place_is_drawn_once_with_its_share_as_text() -> None:
    report = sample()
    drawn = _drawn(_boundaries()["features"], set(NAMES))
    assert sorted(shape.code for shape in drawn.shapes) == sorted(NAMES)
    html = render_html(report)
    assert "<title>Hartlepool: 2 of 2 needs met (100%)</title>" in html
    assert "needed figures available (50%)" in render_html(sample("month"))


def test_north_is_up_and_a_degree_of_longitude_is_shorter_than_one_of_latitude() -> None:
    east, north = project_point([1.0, 0.0]), project_point([0.0, 1.0])
    assert east[0] == pytest.approx(math.cos(math.radians(54.5)))
    assert north[1] == -1.0


def test_every_shape_is_inside_the_drawing() -> None:
    drawn = _drawn(_boundaries()["features"], set(NAMES))
    for shape in [*drawn.shapes, *drawn.inset]:
        assert all(
            -0.05 <= x <= drawn.width + 0.05 and -0.05 <= y <= drawn.height + 0.05 for x, y in _corners(shape.path)
        )


def test_map_of_a_subset_shows_neighbours_in_a_pale_colour() -> None:
    only = ("E06000001", "E06000002")
    drawn = _drawn(_boundaries()["features"], set(only), subset=True)
    assert {shape.code for shape in drawn.shapes} == set(only)
    assert {shape.code for shape in drawn.background} & set(NAMES) - set(only)
    assert 'class="around"' in render_html(sample(only=only))


def test_map_of_all_places_has_no_neighbours() -> None:
    assert _drawn(_boundaries()["features"], {"E06000001"}).background == []


def test_london_has_an_inset_if_it_is_too_small_to_read() -> None:
    tiny = [_square("E06000001", 0, 50, 8), _square("E09000001", 3, 51, 0.3)]
    drawn = _drawn(tiny, {"E06000001", "E09000001"})
    assert [shape.code for shape in drawn.inset] == ["E09000001"]
    within = max(x for x, _ in _corners(drawn.shapes[1].path)) - min(x for x, _ in _corners(drawn.shapes[1].path))
    larger = max(x for x, _ in _corners(drawn.inset[0].path)) - min(x for x, _ in _corners(drawn.inset[0].path))
    assert larger > 5 * within


def test_map_of_london_alone_has_no_inset() -> None:
    boroughs = [_square(f"E0900000{n}", n * 0.1, 51.5, 0.1) for n in range(4)]
    codes = {f"E0900000{n}" for n in range(4)}
    assert _drawn(boroughs, codes, subset=True).inset == []


def test_inset_never_covers_land() -> None:
    sea = [_square("E06000001", 0, 50, 1), _square("E06000002", 5, 58, 1), _square("E09000001", 5, 50, 0.3)]
    free = _drawn(sea, {"E06000001", "E06000002", "E09000001"})
    assert free.width == MAP_WIDTH
    land = [_square("E06000001", 0, 50, 8), _square("E09000001", 3, 51, 0.3)]
    beside = _drawn(land, {"E06000001", "E09000001"})
    assert beside.inset_box[0] > MAP_WIDTH and beside.width >= beside.inset_box[0] + beside.inset_box[2]


@pytest.mark.parametrize("geometry", [None, {"type": "Point", "coordinates": [0, 51]}])
def test_place_without_a_boundary_is_listed_as_absent(geometry: dict[str, Any] | None) -> None:
    boundaries = _boundaries()
    boundaries["features"][0]["geometry"] = geometry
    assert polygon_rings(geometry) == []
    assert _drawn(boundaries["features"], set(NAMES)).absent == ["E06000001"]
    html = render_html(sample()._replace(boundaries=boundaries))
    assert "Not on the map, because no boundary is available: 1 place (Hartlepool)." in html


def test_small_ring_is_kept() -> None:
    speck = [_square("E06000001", 0, 50, 8), _square("E06000002", 3, 51, 0.0001)]
    drawn = _drawn(speck, {"E06000001", "E06000002"})
    assert len(_corners(drawn.shapes[1].path)) == 4


def test_report_without_boundaries_is_complete_except_for_the_map() -> None:
    assert draw_map(None, set(NAMES), subset=False) is None
    assert draw_map({"features": [_square("E06000099", 0, 50, 1)]}, set(NAMES), subset=False) is None
    html = render_html(sample()._replace(boundaries=None))
    assert '<figure class="map values">' not in html and "Councils in order" in html and "Results by place" in html


def test_every_map_shade_has_a_colour_in_the_map_stylesheet() -> None:
    shades = ("all", "most", "half", "few", "none", "around")
    styles = (TEMPLATES / "map.css").read_text(encoding="utf-8").strip()
    page = render_html(sample())
    assert [shade for shade in shades if f".{shade} {{ fill:" in styles] == list(shades)
    assert styles in page
    assert not re.search(r"--(all|most|half|few):", page.replace(styles, ""))
