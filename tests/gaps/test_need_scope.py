"""Scope of needs: nations, places, time, and one measure of several."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import DeclarationError
from pipelines.core.schema import CELL_COLUMNS, conform_table
from pipelines.declarations.problem import Need
from pipelines.gaps.need_scope import is_needed, is_open, mark_unneeded_cells, open_reason
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


@pytest.mark.parametrize(
    ("need", "reason", "proxy", "expected"),
    [
        ("needed", None, None, (True, False, None)),
        ("needed", "late", None, (True, True, "late")),
        ("needed", None, "other", (True, True, "stale")),
        ("wanted", "not_collected", None, (True, True, "not_collected")),
        ("not_needed", "not_applicable", None, (False, False, "not_applicable")),
        ("not_needed", None, "other", (False, False, "stale")),
    ],
)
def test_open_need_has_a_gap_or_a_proxy_within_its_scope(
    need: str, reason: str | None, proxy: str | None, expected: tuple[object, ...]
) -> None:
    others = "stale,late" if proxy else None
    cells = pl.DataFrame(
        [{"need": need, "reason": reason, "proxy_measure": proxy, "other_reasons": others}],
        schema=dict.fromkeys(("need", "reason", "proxy_measure", "other_reasons"), pl.String),
    )
    assert cells.select(is_needed().alias("a"), is_open().alias("b"), open_reason().alias("c")).row(0) == expected


@pytest.mark.parametrize(
    ("start", "end", "applies"),
    [
        (date(2020, 2, 1), date(2020, 2, 29), False),
        (date(2019, 3, 2), date(2020, 3, 1), True),
        (date(2020, 5, 31), date(2021, 5, 30), True),
        (date(2020, 6, 1), date(2020, 6, 30), False),
        (date(2020, 4, 1), date(2020, 4, 30), True),
    ],
)
def test_need_of_a_time_applies_from_its_first_to_its_last_day(start: date, end: date, applies: bool) -> None:
    periods = {"start": "2019-01", "end": "2021-12"}
    problem = problem_of("month", {"a": {"from": "2020-03", "until": "2020-05"}, "b": {}}, periods=periods)
    span = {"place_code": "E1", "nation": "England", "period_start": start, "period_end": end, "value": 1.0}
    [cell, other] = mark_unneeded_cells(
        cells_of({"measure": "a", **span}, {"measure": "b", **span}), problem
    ).to_dicts()
    assert (other["need"], other["value"]) == ("needed", 1.0)
    if applies:
        assert (cell["need"], cell["value"], cell["reason"]) == ("needed", 1.0, None)
    else:
        assert (cell["need"], cell["value"], cell["reason"]) == ("not_needed", None, "not_applicable")
        assert cell["evidence"] == "the problem needs it from 1 March 2020 until 31 May 2020"


def test_cell_that_is_not_needed_keeps_its_key_unit_and_source_alone() -> None:
    problem = problem_of(needs={"a": {"place_codes": ["E2"]}, "b": {}})
    row = {"place_code": "E1", "nation": "England", "value": 2.0, "unit": "homes", "source": "s", "caveats": "rounded",
           "lower_bound": 1.0, "upper_bound": 3.0, "data_owner": "The keeper", "remedy": "Ask."}  # fmt: skip
    cells = cells_of({"measure": "a", **row}, {"measure": "b", **row}, {"measure": "a", **row, "place_code": "E2"},
                     {"measure": "b", **row, "place_code": "E2"})  # fmt: skip
    marked = mark_unneeded_cells(cells, problem)
    assert marked["cell_id"].to_list() == ["0", "1", "2", "3"]
    assert marked.slice(1).equals(cells.slice(1))
    first = {name: value for name, value in marked.row(0, named=True).items() if value is not None}
    assert first == {
        "cell_id": "0", "problem": "p", "need": "not_needed", "measure": "a", "place_code": "E1", "place_name": "E1",
        "nation": "England", "period_start": date(2021, 1, 1), "period_end": date(2021, 1, 31), "unit": "homes",
        "source": "s", "reason": "not_applicable", "severity": "info",
        "evidence": "the problem needs it for 1 of its places",
    }  # fmt: skip


def test_cell_without_a_nation_is_outside_a_need_of_nations() -> None:
    problem = problem_of(needs={"a": {"nations": ["Wales", "England"]}, "b": {}})
    cells = cells_of(
        {"measure": "a", "place_code": "X", "value": 1.0}, {"measure": "b", "place_code": "X", "value": 1.0}
    )
    marked = mark_unneeded_cells(cells.with_columns(pl.lit(None, pl.String).alias("nation")), problem)
    assert marked.select("need", "evidence").rows() == [
        ("not_needed", "the problem needs it in Wales, England"), ("needed", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reasons", "answering"),
    [
        ({"a": None, "b": None, "c": None}, "a"),
        ({"a": "late", "b": None, "c": None}, "b"),
        ({"a": "nation_not_covered", "b": "late", "c": "stale"}, "b"),
        ({"a": "not_applicable", "b": "nation_not_covered", "c": "stale"}, "c"),
        ({"a": "nation_not_covered", "b": "nation_not_covered", "c": "not_applicable"}, "a"),
        ({"a": "late", "b": "nation_not_covered", "c": None}, "c"),
    ],
)
def test_one_alternative_answers_in_each_place_and_period(reasons: dict[str, str | None], answering: str) -> None:
    problem = problem_of(needs={"either": {"one_of": ["a", "b", "c"]}})
    cells = cells_of(
        *({"measure": name, "place_code": "E1", "nation": "England", "reason": reason, "value": None if reason else 1.0}
          for name, reason in reversed(reasons.items())),
        {"measure": "b", "place_code": "E1", "nation": "England", "value": 1.0, "period_start": date(2020, 1, 1)},
        {"measure": "c", "place_code": "E2", "nation": "England", "value": 1.0},
    )  # fmt: skip
    marked = mark_unneeded_cells(cells, problem)
    needed = marked.filter(pl.col("need") == "needed").select("place_code", "period_start", "measure").rows()
    january = date(2021, 1, 1)
    assert needed == [("E1", january, answering), ("E1", date(2020, 1, 1), "b"), ("E2", january, "c")]
    others = marked.filter(pl.col("need") == "not_needed")
    assert others["evidence"].unique().to_list() == [f"{answering} answers either here"] and others.height == 2


def test_time_of_a_need_limits_no_newest_figure() -> None:
    """With grain latest a cell has the newest figure, of whatever period."""
    problem = problem_of("latest", {"a": {"from": "2022-01"}, "b": {}})
    cells = cells_of(*({"measure": name, "place_code": "E1", "nation": "England", "value": 1.0} for name in "ab"))
    assert mark_unneeded_cells(cells, problem)["need"].to_list() == ["needed", "needed"]
