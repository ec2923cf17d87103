"""Scope of needs: nations, places, time, and one measure of several."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import DeclarationError
from pipelines.core.schema import CELL_COLUMNS, conform_table
from pipelines.declarations.problem import Need
from pipelines.gaps.need_scope import mark_unneeded_cells
from tests.gaps.plain import problem_of


def cells_of(*rows: dict[str, Any]) -> pl.DataFrame:
    plain = {"problem": "p", "need": "needed", "period_start": date(2021, 1, 1), "period_end": date(2021, 1, 31)}
    full = [{**plain, "cell_id": f"{n}", "place_name": row["place_code"], **row} for n, row in enumerate(rows)]
    return conform_table(pl.DataFrame(full), CELL_COLUMNS)


def test_cell_of_another_nation_is_not_needed_and_no_figure() -> None:
    problem = problem_of(needs={"a": {}, "b": {"nations": ["Wales"]}})
    cells = cells_of(
        {"measure": "a", "place_code": "E1", "nation": "England", "value": 1.0},
        {"measure": "b", "place_code": "E1", "nation": "England", "value": 2.0},
    )
    marked = mark_unneeded_cells(cells, problem)
    assert marked.select("need", "value", "reason").rows() == [
        ("needed", 1.0, None),
        ("not_needed", None, "not_applicable"),
    ]


def test_first_alternative_with_a_figure_answers() -> None:
    problem = problem_of(needs={"either": {"one_of": ["a", "b"]}})
    cells = cells_of(
        {"measure": "a", "place_code": "E1", "nation": "England", "reason": "nation_not_covered"},
        {"measure": "b", "place_code": "E1", "nation": "England", "value": 2.0},
    )
    assert mark_unneeded_cells(cells, problem)["need"].to_list() == ["not_needed", "needed"]


def test_alternatives_without_a_figure_leave_one_gap() -> None:
    problem = problem_of(needs={"either": {"one_of": ["a", "b"]}})
    cells = cells_of(
        {"measure": "a", "place_code": "E1", "nation": "England", "reason": "nation_not_covered"},
        {"measure": "b", "place_code": "E1", "nation": "England", "reason": "suppressed"},
    )
    marked = mark_unneeded_cells(cells, problem)
    assert marked.filter(pl.col("need") == "needed")["reason"].to_list() == ["suppressed"]


def test_place_without_any_need_is_refused() -> None:
    problem = problem_of(needs={"a": {"nations": ["Wales"]}})
    cells = cells_of({"measure": "a", "place_code": "E1", "nation": "England", "value": 1.0})
    with pytest.raises(DeclarationError, match="no need applies to E1"):
        mark_unneeded_cells(cells, problem)


def test_place_with_unknowns_alone_is_refused() -> None:
    problem = problem_of(needs={"a": {"nations": ["Wales"]}}, unknowns=("u",))
    cells = cells_of(
        {"measure": "a", "place_code": "E1", "nation": "England", "value": 1.0},
        {"measure": "u", "need": "wanted", "place_code": "E1", "nation": "England", "reason": "not_collected"},
    )
    with pytest.raises(DeclarationError, match="no need applies to E1"):
        mark_unneeded_cells(cells, problem)


def test_time_of_a_need_covers_whole_months() -> None:
    need = Need.model_validate({"from": "2020-03", "until": "2021-09"})
    assert need.span == (date(2020, 3, 1), date(2021, 9, 30))
