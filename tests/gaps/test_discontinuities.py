"""Discontinuities at borders: found in cells, marked as caveats, drawn as lines."""

import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.gaps.discontinuities import (
    BOUNDARY_DISCONTINUITY,
    FEWEST_PAIRS,
    add_discontinuity_caveats,
    find_discontinuities,
)
from pipelines.geography.contiguity import find_border_segments, find_neighbours
from pipelines.geography.contiguity_load import load_neighbours, read_boundaries
from pipelines.outputs.map import describe_breaks, draw_borders, draw_map, render_borders_table

ROOT = Path(__file__).resolve().parent.parent.parent
MEASURES = {
    "rate": Measure(title="Rate", unit="%", kind="rate", denominator="people", column=("x",)),
    "people": Measure(title="People", unit="people", kind="stock", column=("x",)),
}
SIDE = 6
"""Squares in a row and in a column: 60 pairs of neighbours."""


def square(n: int) -> dict[str, Any]:
    x, y = float(n % SIDE), 50.0 + n // SIDE
    ring = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]
    return {"properties": {"code": f"E{n:08}"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


BOARD = {"features": [square(n) for n in range(SIDE * SIDE)]}


def cell(n: int, value: float | None, measure: str = "rate", **more: Any) -> dict[str, Any]:
    result = {
        "problem": "p",
        "measure": measure,
        "place_code": f"E{n:08}",
        "place_name": f"Place {n}",
        "nation": "England",
        "value": value,
        "reason": None if value is not None else "suppressed",
        "period_start": date(2023, 1, 1),
        "period_end": date(2023, 12, 31),
    }
    return {**result, **more}


def board(values: dict[int, float | None], measure: str = "rate", **more: Any) -> pl.DataFrame:
    """Return a board of places with evenly rising figures, except the named ones."""
    usual = {n: 10 + n % 5 + n / 10 for n in range(SIDE * SIDE)}
    return table_from_records(
        [cell(n, value, measure, **more) for n, value in {**usual, **values}.items()], CELL_COLUMNS
    )


def list_jumps(cells: pl.DataFrame) -> list[tuple[str, str, str | None]]:
    result = find_discontinuities(cells, find_neighbours(BOARD), MEASURES)
    assert result.columns == list(BOUNDARY_DISCONTINUITY)
    return result.select("kind", "place_a", "place_b").rows()


def test_even_figures_have_no_jump() -> None:
    assert list_jumps(board({})) == []


def test_place_without_a_figure_is_listed_at_each_border() -> None:
    # The corner has two neighbours; the known place comes first.
    assert list_jumps(board({0: None})) == [
        ("known_unknown", "E00000001", "E00000000"),
        ("known_unknown", "E00000006", "E00000000"),
    ]


def test_two_unknown_neighbours_are_not_listed() -> None:
    result = list_jumps(board(dict.fromkeys(range(SIDE * SIDE), None)))
    assert result == []


def test_series_that_stops_at_a_national_border_is_distinguished() -> None:
    cells = board({0: None}).with_columns(
        pl.when(pl.col("place_code") == "E00000000").then(pl.lit("Wales")).otherwise("nation").alias("nation")
    )
    assert {kind for kind, *_ in list_jumps(cells)} == {"nation_edge"}


def test_figure_far_from_its_neighbours_is_a_jump_with_evidence() -> None:
    cells = board({14: 400.0})
    result = find_discontinuities(cells, find_neighbours(BOARD), MEASURES)
    assert result.select("kind", "place_a").unique().rows() == [("jump", "E00000014")]
    assert result.height == 4
    assert "the median of 60 pairs of neighbours" in result["evidence"][0]


def test_counts_are_compared_by_ratio_so_large_towns_are_no_jump() -> None:
    """Every second place is three times its neighbours: usual here, though the largest are thousands apart."""
    values = {n: 1000.0 * (3 if (n + n // SIDE) % 2 else 1) * (1 + n / 100) for n in range(SIDE * SIDE)}
    assert list_jumps(board(values, "people")) == []
    assert {kind for kind, *_ in list_jumps(board({**values, 14: 1.0}, "people"))} == {"jump"}


def test_few_pairs_give_no_usual_difference() -> None:
    few = {"features": BOARD["features"][:6]}
    assert find_neighbours(few).height / 2 < FEWEST_PAIRS
    assert find_discontinuities(board({1: 400.0}), find_neighbours(few), MEASURES).is_empty()


def test_published_area_in_several_requested_places_straddles() -> None:
    cells = table_from_records(
        [cell(0, None, source_areas="E54000001"), cell(1, None, source_areas="E54000001,E54000002")], CELL_COLUMNS
    )
    result = find_discontinuities(cells, find_neighbours(BOARD), MEASURES)
    assert result.select("kind", "place_a", "evidence").rows() == [
        ("straddles", "E54000001", "lies in 2 of the requested places: Place 0, Place 1")
    ]


def test_places_covered_in_part_are_listed() -> None:
    cells = table_from_records(
        [cell(0, None, reason="low_reach"), cell(30, 5.0, caveats="rounded,low_reach")], CELL_COLUMNS
    )
    result = find_discontinuities(cells, find_neighbours(BOARD), MEASURES)
    assert result.select("kind", "place_a").rows() == [("low_reach", "E00000000"), ("low_reach", "E00000030")]


def test_jump_is_a_caveat_on_both_sides_and_changes_no_figure() -> None:
    cells = board({14: 400.0}, caveats="rounded")
    marked = add_discontinuity_caveats(cells, find_discontinuities(cells, find_neighbours(BOARD), MEASURES))
    assert marked.drop("caveats", "evidence").equals(cells.drop("caveats", "evidence"))
    touched = marked.filter(pl.col("caveats") == "rounded,boundary_cliff")
    assert touched["place_code"].to_list() == [f"E{n:08}" for n in (8, 13, 14, 15, 20)]
    assert touched["evidence"].str.contains("deviations").all()


def test_missing_boundaries_give_no_border_rows() -> None:
    assert find_discontinuities(board({14: 400.0}), find_neighbours(None), MEASURES).is_empty()


def test_only_the_shared_border_is_drawn() -> None:
    pair = ("E00000001", "E00000000")
    assert find_border_segments(BOARD, {pair, ("E00000000", "E00000035")}) == {pair: [((1.0, 50.0), (1.0, 51.0))]}


def test_lines_are_drawn_once_for_each_kind_and_described() -> None:
    cells = board({0: None, 14: 400.0})
    result = find_discontinuities(cells, find_neighbours(BOARD), MEASURES).to_dicts()
    codes = {f"E{n:08}" for n in range(SIDE * SIDE)}
    picture = ET.fromstring(draw_borders(BOARD, result, draw_map(BOARD, codes, subset=False)))
    assert [path.get("class") for path in picture.findall("path")] == ["known_unknown", "jump"]
    assert picture.get("aria-label") == picture.findtext("title") == describe_breaks(result)
    assert "2 (figure on one side only)" in describe_breaks(result)
    assert "4 (unusually large difference between neighbours)" in describe_breaks(result)


def test_names_that_mean_harm_are_only_text_in_the_table() -> None:
    result = find_discontinuities(board({0: None}, place_name="<script>"), find_neighbours(BOARD), MEASURES).to_dicts()
    table = render_borders_table(result)
    assert "<script>" not in table
    assert len(ET.fromstring(table).findall("tbody/tr")) == 2


def test_missing_boundaries_draw_no_map_and_no_discontinuities_are_stated() -> None:
    assert draw_borders(None, [], None) == ""
    assert describe_breaks([]) == "No boundary has a discontinuity"


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


def test_furlough_table_breaks_around_the_districts_that_it_leaves_out(project: Project) -> None:
    cells = answering.answer_problem(project, "jobs_recovery")
    result = find_discontinuities(cells, load_neighbours(project, "lad_2023"), project.catalogue.measures)
    # HMRC's table has no row for Buckinghamshire, which is seen from each of its neighbours.
    around = result.filter(pl.col("place_b") == "E06000060", pl.col("measure") == "furloughed_employments")
    assert set(around["kind"]) == {"known_unknown"}
    assert around.height > 5
    jumps = result.filter(pl.col("kind") == "jump")
    assert 0 < jumps.height < 20
    boundaries = read_boundaries(project)
    ground = draw_map(boundaries, set(cells["place_code"]), subset=False)
    drawn = draw_borders(boundaries, result.to_dicts(), ground)
    assert len(ET.fromstring(drawn).findall("path")) == len({kind for kind in result["kind"] if kind != "straddles"})
