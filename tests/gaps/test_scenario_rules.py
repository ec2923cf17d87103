"""Sides of a scenario, the councils of a district, and the measures that a reorganisation ends."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from pipelines.core.schema import CELL_COLUMNS, NOT_NEEDED, PLACE_COLUMNS, table_from_records
from pipelines.declarations.project import Project
from pipelines.gaps import scenario as module
from pipelines.gaps.scenario import list_lost_measures, run_scenario
from pipelines.geography import PlaceData, Scenario
from pipelines.geography.register import Places
from tests.gaps.plain import measure_of, problem_of

SURREY = Scenario.model_validate({
    "title": "Two councils", "plan": "https://example.org/plan", "day": "2027-04-01", "geography": "lad_2023",
    "replaces": "E10000030", "new": [
        {"code": "PLAN-A", "name": "East", "districts": ["E07000001"]},
        {"code": "PLAN-B", "name": "West", "districts": ["E07000002"]},
    ],
}, strict=False)  # fmt: skip
MEASURES = {
    "rate": measure_of("rate", numerator="claimants"), "share": measure_of("rate"), "people": measure_of("stock"),
}  # fmt: skip
START = {2024: date(2024, 1, 1), 2025: date(2025, 1, 1)}


def cell(side: str, code: str, council: str, value: float | None, year: int = 2024, **more: Any) -> dict[str, Any]:
    reason = None if value is not None else "needs_parts"
    return {
        "problem": "jobs", "measure": "rate", "place_code": code, "period_start": START[year], "value": value,
        "reason": reason, "data_owner": "ONS", "remedy": "ask", "need": "needed",
        "council": council, "side": side, **more,
    }  # fmt: skip


def lost(*cells: dict[str, Any]) -> list[dict[str, Any]]:
    schema = {**table_from_records([], CELL_COLUMNS).schema, "council": pl.String, "side": pl.String}
    table = pl.DataFrame(list(cells), schema=schema)
    both = list_lost_measures(table, MEASURES)
    assert both.equals(list_lost_measures(table.reverse(), MEASURES)), "the order of rows does not matter"
    return both.to_dicts()


NOW = (cell("now", "E1", "East", 1.0), cell("now", "E2", "East", 2.0), cell("now", "E3", "East; West", 3.0))
THEN = (cell("then", "PLAN-A", "East", None), cell("then", "PLAN-B", "West", None))


def test_measure_is_lost_where_every_district_has_it_and_the_council_has_not() -> None:
    assert [(row["council"], row["cells"], row["reason"]) for row in lost(*NOW, *THEN)] == [
        ("East", 1, "needs_parts"), ("West", 1, "needs_parts")
    ]  # fmt: skip


def test_measure_that_a_district_lacks_or_the_council_has_is_not_lost() -> None:
    lacking = (cell("now", "E1", "East", 1.0), cell("now", "E2", "East", None), cell("now", "E3", "East; West", 3.0))
    assert [row["council"] for row in lost(*lacking, *THEN)] == ["West"]
    cut = (cell("now", "E1", "East", 1.0), cell("now", "E3", "East; West", None))
    assert lost(*cut, *THEN) == []
    assert [row["council"] for row in lost(*NOW, THEN[0], cell("then", "PLAN-B", "West", 5.0))] == ["East"]


def test_gap_where_the_problem_needs_no_figure_is_not_lost() -> None:
    outside = cell("then", "PLAN-A", "East", None, need=NOT_NEEDED, reason="not_applicable")
    assert [row["council"] for row in lost(*NOW, outside, THEN[1])] == ["West"]


def test_losses_for_two_reasons_have_one_order() -> None:
    then = [cell("then", "PLAN-A", "East", None, year, reason=reason)
            for year, reason in zip(START, ("withdrawn", "late"), strict=True)]  # fmt: skip
    now = [cell("now", "E1", "East", 1.0, year) for year in START]
    for _ in range(5):
        assert [row["reason"] for row in lost(*now, *then)] == ["late", "withdrawn"]


def test_request_names_the_parts_of_a_rate_alone() -> None:
    rows = [
        {**item, "measure": measure} for measure in ("people", "rate", "share") for item in (*NOW, *THEN)
        if item["council"] != "West"
    ]  # fmt: skip
    assert [(row["measure"], row["ask_for"]) for row in lost(*rows)] == [
        ("people", None), ("rate", "claimants and people, by district"), ("share", "people, by district"),
    ]  # fmt: skip


def test_bounds_are_those_of_one_lost_period_and_of_no_other() -> None:
    now = [cell("now", "E1", "East", 1.0, year) for year in START]
    then = [
        cell("then", "PLAN-A", "East", None, year, lower_bound=bound, upper_bound=bound + 5)
        for year, bound in zip(START, (2.0, 30.0), strict=True)
    ]
    one = lost(*now, then[1])
    assert [(row["cells"], row["lower_bound"], row["upper_bound"]) for row in one] == [(1, 30.0, 35.0)]
    both = lost(*now, *then)
    assert [(row["cells"], row["lower_bound"], row["upper_bound"]) for row in both] == [(2, None, None)]


def test_sides_have_their_own_places_and_the_councils_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut district has the names of its councils; a place outside the plan is on neither side."""
    register = table_from_records(
        [{"place_code": code, "place_name": code, "kind": kind, "valid_from": date(2020, 1, 1)} for code, kind in (
            ("E07000002", "lad"), ("E07000001", "lad"), ("E07000009", "lad"), ("PLAN-A", "plan"), ("PLAN-B", "plan"))],
        PLACE_COLUMNS,
    )  # fmt: skip
    data = PlaceData(Places(register, pl.DataFrame()))
    pairs = pl.DataFrame({
        "from_code": ["E07000002", "E07000001", "E07000002", None, "E07000009"],
        "to_code": ["PLAN-B", "PLAN-A", "PLAN-A", "PLAN-A", None],
    })  # fmt: skip
    problem = problem_of(needs={"people": {}}, place_codes=("E07000009",))
    sides: list[tuple[str, set[str]]] = []

    def place(_: Project, asked: Any, target: frozenset[str], given: PlaceData) -> tuple[str, ...]:
        assert given is data and asked.header.place_codes == ()
        sides.append((asked.header.geography, set(target)))
        return ("placed",)

    def build(block: Any, *_: Any) -> pl.DataFrame:
        # Cells are of the current problem, on the places of the side, in another order.
        assert block.problem.header.geography == "lad_2023"
        rows = [cell("", code, "", 1.0, year) for code in reversed(block.places["place_code"]) for year in (2025, 2024)]
        return table_from_records(rows, CELL_COLUMNS)

    def select(_: Any, places: pl.DataFrame, cells: list[pl.LazyFrame], placed: str) -> pl.DataFrame:
        assert placed == "figures" and cells[0].collect().height == 2 * places.height
        return places.select("place_code").reverse()

    monkeypatch.setattr(module, "load_places", lambda _: None)
    monkeypatch.setattr(module, "load_place_data", lambda *_: None)
    monkeypatch.setattr(module, "add_scenario", lambda *_: data)
    monkeypatch.setattr(module, "build_crosswalk", lambda *_, **__: pairs)
    monkeypatch.setattr(module, "place_sources", place)
    monkeypatch.setattr(module, "stack_sources", lambda *_: ("figures", None, None))
    monkeypatch.setattr(module, "build_cells", build)
    monkeypatch.setattr(module, "run_problem_select", select)
    project = cast(Project, SimpleNamespace(catalogue=None, as_of=date(2026, 1, 1)))
    result = run_scenario(project, problem, SURREY, Path("plan.yaml"))
    assert sides == [("lad_2023", {"E07000001", "E07000002"}), (SURREY.system, {"PLAN-A", "PLAN-B"})]
    expected = [
        ("East", "now", "E07000001"), ("East", "then", "PLAN-A"), ("East; West", "now", "E07000002"),
        ("West", "then", "PLAN-B"),
    ]  # fmt: skip
    assert result.view.select("council", "side", "place_code").rows() == expected
    assert result.cells.select("period_start", "council", "side", "place_code").rows() == [
        (start, *row) for start in START.values() for row in expected
    ]
    assert set(result.cells["scenario"]) == set(result.view["scenario"]) == {"Two councils"}
