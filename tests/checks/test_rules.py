"""Rules of a contract: one verdict by Polars and by Great Expectations, for each kind, on seeded broken tables."""

from collections.abc import Sequence
from datetime import date
from itertools import product
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from checks.contract import ContractRunner, judge_cells, judge_releases
from checks.rules import Rule, Verdict, source_rules
from checks.runners import load_runner
from pipelines.core.schema import table_from_records
from pipelines.observations.conform import CELLS
from tests.breadth import cases
from tests.checks.releases_read import CELL, DECLARED, MEASURE, read_of

RANGED = {"measures": {"m": {**MEASURE, "range": (0.0, 10.0)}, "n": MEASURE}}
SOURCE = read_of([], **RANGED).source
RULES = source_rules(SOURCE)
NAMES = [rule.name for rule in RULES]


def failing(verdicts: Sequence[Verdict]) -> dict[str, int]:
    return {name: verdict.failing for name, verdict in zip(NAMES, verdicts, strict=True) if verdict.failing}


@pytest.mark.parametrize(
    ("cell", "failed"),
    [
        ({}, []), ({"measure": "n", "value": 99.0}, []), ({"measure": "x"}, ["measures_declared"]),
        ({"period_start": None}, ["dated"]),
        ({"fault": "unmatched_place"}, ["places_known"]), ({"fault": "unreadable"}, ["readable"]),
        ({"fault": "duplicate"}, ["given_once"]), ({"fault": "retired_code"}, ["no_retired_codes"]),
        ({"fault": "dropped"}, []), ({"value": 0.0}, []), ({"value": 10.0}, []), ({"value": 10.1}, ["in_range"]),
        ({"value": -0.1}, ["in_range"]), ({"value": None}, []), ({"measure": None}, []), ({"obs_status": None}, []),
    ],
)  # fmt: skip
def test_each_fault_fails_its_own_rule_and_no_other(cell: dict[str, Any], failed: list[str]) -> None:
    read = read_of([{}, cell], **RANGED)
    assert failing(judge_cells(read.cells, RULES)) == dict.fromkeys(failed, 1)


def test_status_outside_the_closed_set_fails_its_own_rule() -> None:
    cells = read_of([{}, {}], **RANGED).cells.with_columns(pl.Series("obs_status", ["normal", "odd"]))
    assert failing(judge_cells(cells, RULES)) == {"statuses_known": 1}


def test_verdict_counts_the_cells_that_a_rule_is_about() -> None:
    faults = [{"fault": "duplicate"}, {"fault": "duplicate"}, {}, {"value": 99.0}, {"measure": None}]
    read = read_of([*faults, *[{"measure": "n"}] * 5], **RANGED)
    verdicts = dict(zip(NAMES, judge_cells(read.cells, RULES), strict=True))
    assert verdicts["cells"] == Verdict(10, 0, (), True)
    assert verdicts["measures_declared"] == Verdict(9, 0, (), True)
    assert verdicts["given_once"] == Verdict(10, 2, (0, 1), False)
    assert verdicts["in_range"] == Verdict(4, 1, (3,), False)


def test_release_without_cells_fails_only_the_rule_of_rows() -> None:
    verdicts = judge_cells(read_of([], **RANGED).cells, RULES)
    assert [verdict.is_tolerated for verdict in verdicts] == [False] + [True] * (len(RULES) - 1)
    assert failing(verdicts) == {"cells": 1}


@pytest.mark.parametrize(("bad", "rule", "tolerated"), [
    (5, "duplicate", True), (6, "duplicate", False), (10, "retired_code", True), (11, "retired_code", False),
])  # fmt: skip
def test_tolerance_is_a_share_of_the_cells(bad: int, rule: str, tolerated: bool) -> None:
    read = read_of([{"fault": rule}] * bad + [{}] * (100 - bad), **RANGED)
    assert all(verdict.is_tolerated for verdict in judge_cells(read.cells, RULES)) is tolerated


def broken_table(choices: list[dict[str, Any]]) -> pl.DataFrame:
    return table_from_records([{**CELL, **choice} for choice in choices], CELLS)


BREAKS: list[dict[str, Any]] = [
    {}, {}, {}, {"measure": "n"}, {"measure": "x"}, {"measure": None}, {"obs_status": "odd"}, {"obs_status": None},
    {"period_start": None}, {"fault": "unmatched_place"}, {"fault": "unreadable"}, {"fault": "duplicate"},
    {"fault": "retired_code"}, {"fault": "dropped"}, {"value": None}, {"value": 10.0}, {"value": 10.5},
    {"value": -1.0}, {"value": float("inf")}, {"value": float("nan")}, {"measure": "n", "value": 99.0},
    {"place_label": None, "place_code": None, "fault": "unmatched_place"}, {"text": "7 [r]", "value": 70.0},
]  # fmt: skip


@pytest.fixture(scope="module")
def expectations() -> ContractRunner:
    """Great Expectations, imported by the first test that needs it: its import takes seconds in each worker."""
    return load_runner("great_expectations").judge_cells


@settings(max_examples=settings.default.max_examples // 6)  # type: ignore[union-attr]
@given(choices=st.lists(st.sampled_from(BREAKS), max_size=50))
def test_both_runners_give_one_verdict_on_any_table(
    expectations: ContractRunner, choices: list[dict[str, Any]]
) -> None:
    cells = broken_table(choices)
    assert expectations(cells, RULES) == judge_cells(cells, RULES)


@pytest.mark.parametrize(
    ("change", "share"),
    cases(
        [({}, 1.0), *product(BREAKS[3:], (0.94,)), *product(BREAKS[10:12], (0.95, 0.96))],
        wide=product(BREAKS[3:], (0.95, 0.96)),
    ),
    ids=str,
)
def test_both_runners_state_the_same_evidence_on_broken_tables(
    expectations: ContractRunner, change: dict[str, Any], share: float
) -> None:
    cells = broken_table([{} if number < 100 * share else change for number in range(100)])
    tables = [judge_releases(SOURCE, [cells], runner) for runner in (judge_cells, expectations)]
    assert_frame_equal(*tables)


def test_every_kind_of_rule_is_judged_by_both_runners() -> None:
    kinds = get_args(Rule.__annotations__["kind"])
    assert {rule.kind for rule in RULES} == set(kinds)


def test_texts_may_be_categories() -> None:
    cells = broken_table(BREAKS)
    coded = cells.with_columns(
        pl.col("measure", "obs_status", "fault", "place_code", "place_label").cast(pl.Categorical)
    )
    assert_frame_equal(judge_releases(SOURCE, [coded]), judge_releases(SOURCE, [cells]))


def test_measure_without_a_range_has_no_rule_of_one() -> None:
    source = read_of([]).source
    assert DECLARED["measures"].keys() == source.measures.keys()
    assert [rule.name for rule in source_rules(source)] == NAMES[:-1]
    assert date(2023, 1, 1) == CELL["period_start"]
