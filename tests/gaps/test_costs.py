"""Costs of requests: the first line that matches, or else the default."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from pipelines.core.errors import CommongroundError
from pipelines.gaps.costs import UNIT_COSTS, Cost, CostFile, Costs, add_costs

REQUESTS = pl.DataFrame(
    [("An office", "jobs", "late", 3), ("An office", "homes", "late", 2), ("A council", "jobs", "suppressed", 1)],
    ["data_owner", "measure", "reason", "cells"], orient="row",
)  # fmt: skip


def costs_of(*lines: dict[str, Any], default: float | None = None) -> CostFile:
    return CostFile(Costs(unit="days", costs=tuple(Cost(**line) for line in lines), default_cost=default), Path("c"))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (UNIT_COSTS, [1.0, 1.0, 1.0]),
        (costs_of({"cost": 0}), [0.0, 0.0, 0.0]),
        (costs_of({"measure": "jobs", "cost": 5}, {"cost": 2}), [5.0, 2.0, 5.0]),
        (costs_of({"cost": 2}, {"measure": "jobs", "cost": 5}), [2.0, 2.0, 2.0]),
        (costs_of({"data_owner": "An office", "measure": "jobs", "cost": 5}, default=9.0), [5.0, 9.0, 9.0]),
        (costs_of({"reason": "suppressed", "cost": 0}, default=9.0), [9.0, 9.0, 0.0]),
        (costs_of({"data_owner": "A council", "reason": "late", "cost": 4}, default=9.0), [9.0, 9.0, 9.0]),
    ],
)
def test_first_line_that_matches_a_request_is_its_cost(file: CostFile, expected: list[float]) -> None:
    actual = add_costs(REQUESTS, file)
    assert actual.drop("cost").equals(REQUESTS) and actual["cost"].to_list() == expected
    assert add_costs(REQUESTS.clear(), file)["cost"].to_list() == []


def test_request_without_a_cost_and_an_owner_without_a_request_are_refused() -> None:
    with pytest.raises(CommongroundError, match=r"^c: no line matches the request to An office for homes \(late\);"):
        add_costs(REQUESTS, costs_of({"measure": "jobs", "cost": 5}))
    with pytest.raises(CommongroundError, match=r"^c: no request goes to 'An ofice'; .*An office"):
        add_costs(REQUESTS, costs_of({"data_owner": "An ofice", "cost": 5}, default=1.0))


def test_cost_budget_and_default_are_0_or_more() -> None:
    given = Costs(unit="days", budget=0, costs=(Cost(cost=0),), default_cost=0)
    assert (given.budget, given.costs[0].cost, given.default_cost) == (0, 0, 0)
    for wrong in ({"budget": -0.5}, {"default_cost": -0.5}, {"costs": [{"cost": -0.5}]}):
        with pytest.raises(ValidationError, match="greater than or equal to 0"):
            Costs.model_validate({"unit": "days", **wrong})
