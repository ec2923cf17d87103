"""Proxies: which gaps they fill, the columns of such cells, and which needs stay open."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.gaps.need_scope import is_open, open_reason
from pipelines.gaps.proxies import PROXY_COLUMNS, apply_proxies
from tests.gaps.plain import problem_of

YEARS = (date(2023, 1, 1), date(2024, 1, 1))
PROBLEM = problem_of(needs={"a": {"proxy": "b"}, "b": {}, "c": {}})
OF_VALUE: dict[str, Any] = {
    "value": 7.0, "lower_bound": 6.0, "upper_bound": 8.0, "interval_lower": 6.5, "interval_upper": 7.5,
    "interval_level": 95.0,
    "interval_source": "published", "obs_status": "provisional", "published_marker": "p", "derivation": "merged",
    "coverage": 0.5,
    "apportioned_share": 0.25, "source": "b_source", "release": "b", "released_at": date(2024, 5, 1),
    "reference_start": date(2022, 1, 1), "reference_end": date(2022, 12, 31), "source_areas": "E1", "file": "b.csv",
    "file_rows": "9",
    "file_column": "x",
}  # fmt: skip
OF_GAP: dict[str, Any] = {
    "reason": "suppressed", "lower_bound": 1.0, "upper_bound": 4.0, "obs_status": "confidential",
    "published_marker": "c", "source": "a_source",
    "data_owner": "A holder", "remedy": "Ask.", "severity": "info", "evidence": "marked c", "file": "a.csv",
}  # fmt: skip


def cell(measure: str, place: str = "E1", year: date = YEARS[0], **said: Any) -> dict[str, Any]:
    about = {"cell_id": f"p/{measure}/{place}/{year}", "problem": "p", "need": "needed", "measure": measure,
             "place_code": place, "place_name": place, "nation": "England", "period_start": year, "period_end": year,
             "unit": "things"}  # fmt: skip
    return {**dict.fromkeys(CELL_COLUMNS), **about, **said}


def known(measure: str, place: str = "E1", year: date = YEARS[0], **said: Any) -> dict[str, Any]:
    return cell(measure, place, year, **{**OF_VALUE, **said})


def gap(measure: str, place: str = "E1", year: date = YEARS[0], **said: Any) -> dict[str, Any]:
    return cell(measure, place, year, **{**OF_GAP, **said})


def filled(*cells: dict[str, Any]) -> list[dict[str, Any]]:
    return apply_proxies(table_from_records(list(cells), CELL_COLUMNS), PROBLEM).to_dicts()


def test_gap_with_a_proxy_shows_its_figure_and_the_reason() -> None:
    actual = filled(gap("a"), known("b", caveats="rounded"))
    assert actual[1] == known("b", caveats="rounded")
    assert set(OF_VALUE) == set(PROXY_COLUMNS)
    assert actual[0] == {
        **gap("a"), **OF_VALUE, "reason": None, "other_reasons": "suppressed", "caveats": "proxy_used,rounded",
        "severity": "warn", "proxy_measure": "b", "evidence": "proxy b; own figure: suppressed: marked c",
    }  # fmt: skip


def test_further_reasons_are_listed_and_missing_evidence_stays_missing() -> None:
    actual = filled(gap("a", reason="stale", other_reasons="late,suppressed", evidence=None), known("b"))[0]
    assert (actual["other_reasons"], actual["caveats"]) == ("stale,late,suppressed", "proxy_used")
    assert actual["evidence"] == "proxy b; own figure: stale: not stated"


@pytest.mark.parametrize(
    "cells",
    [
        [known("a"), known("b")],  # it has its own
        [gap("a"), gap("b")],  # the other has none either
        [gap("a"), known("b", "E2")],  # of another place
        [gap("a"), known("b", year=YEARS[1])],  # of another year
        [gap("a"), known("c")],  # of a measure that is not declared
        [gap("c"), known("b")],  # a measure without a proxy
        [gap("b"), known("a")],  # the other way round
        [gap("a")],
        [],
    ],
)
def test_other_gaps_are_not_filled(cells: list[dict[str, Any]]) -> None:
    assert filled(*cells) == cells


def test_proxy_is_never_itself_a_proxy() -> None:
    problem = problem_of(needs={"a": {"proxy": "b"}, "b": {"proxy": "c"}, "c": {}})
    cells = table_from_records([gap("a"), gap("b"), known("c")], CELL_COLUMNS)
    actual = apply_proxies(cells, problem)
    assert actual.select("measure", "value", "proxy_measure").rows() == [
        ("a", None, None),
        ("b", 7.0, "c"),
        ("c", 7.0, None),
    ]


def test_cells_without_declared_proxies_do_not_change() -> None:
    cells = table_from_records([gap("a"), known("b")], CELL_COLUMNS)
    assert apply_proxies(cells, problem_of(needs={"a": {}, "b": {}})) is cells


def test_order_and_other_places_and_years_change_no_cell() -> None:
    cells = [f(m, p, y) for f, m in ((gap, "a"), (known, "b")) for p in ("E1", "E2") for y in YEARS]
    cells.append(gap("c"))
    actual = filled(*cells)
    assert [item["proxy_measure"] for item in actual] == ["b"] * 4 + [None] * 5
    assert filled(*cells[::-1]) == actual[::-1]


def test_need_is_open_without_a_figure_or_with_a_proxy() -> None:
    schema = ["reason", "proxy_measure", "other_reasons"]
    needed = pl.lit("needed").alias("need")
    cells = pl.DataFrame(
        [("late", None, "stale"), (None, "b", "suppressed,stale"), (None, None, None), (None, "b", "late")],
        schema=schema, orient="row",
    ).with_columns(needed)  # fmt: skip
    actual = cells.select(is_open().alias("open"), open_reason().alias("why"))
    expected = pl.DataFrame({"open": [True, True, False, True], "why": ["late", "suppressed", None, "late"]})
    assert_frame_equal(actual, expected)
