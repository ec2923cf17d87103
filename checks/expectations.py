"""Expectations about places for Great Expectations, usable in any suite on a frame of shares.

Each looks at one column of shares between 0 and 1, one row a release, a period or a problem. `checks.shares` builds
such frames from cells of a file, from cells of a problem and from totals. Only this module imports Great Expectations,
which takes seconds, so import it only where something is judged.
"""

from functools import cache
from typing import Any

import great_expectations as gx
import polars as pl
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.core.expect_column_min_to_be_between import ExpectColumnMinToBeBetween


class ExpectPlacesComplete(ExpectColumnMinToBeBetween):
    """Expect a row for every place that the source covers, in every period that has rows."""

    column: str = "places_complete"
    min_value: float = 0.95


class ExpectNoRetiredCodes(ExpectColumnMinToBeBetween):
    """Expect every code to belong to the declared place system, and none to another vintage."""

    column: str = "no_retired_codes"
    min_value: float = 0.95


class ExpectPlacesKnown(ExpectColumnMinToBeBetween):
    """Expect every code or name to be in the register."""

    column: str = "places_known"
    min_value: float = 0.95


class ExpectCoverageByPopulation(ExpectColumnMinToBeBetween):
    """Expect figures for the places of most residents: coverage counts people, not places."""

    column: str = "coverage_by_population"
    min_value: float = 0.95


class ExpectTotalsReconcile(ExpectColumnMinToBeBetween):
    """Expect totals to equal places, suppressed figures, rounding and unallocated rows, nearly without remainder."""

    column: str = "totals_reconcile"
    min_value: float = 0.99


class ExpectReturnsComplete(ExpectColumnMinToBeBetween):
    """Expect all due returns, measured by the volume that each provider usually returns, not by the number of files."""

    column: str = "returns_complete"
    min_value: float = 0.95


class ExpectShareOfCells(ExpectColumnMinToBeBetween):
    """Expect a share of the cells to be as declared: readable, dated, in range, without duplicates."""

    min_value: float = 0.95


EXPECTATIONS: dict[str, type[ExpectColumnMinToBeBetween]] = {
    "places_complete": ExpectPlacesComplete,
    "no_retired_codes": ExpectNoRetiredCodes,
    "places_known": ExpectPlacesKnown,
    "coverage_by_population": ExpectCoverageByPopulation,
    "totals_reconcile": ExpectTotalsReconcile,
    "returns_complete": ExpectReturnsComplete,
}


@cache
def _batch_definition() -> Any:
    """Return one context for the whole process: creating one for each file takes longer than the judgement."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("shares").add_dataframe_asset("shares")
    return asset.add_batch_definition_whole_dataframe("whole")


def judge_shares(shares: pl.DataFrame, least: dict[str, float]) -> dict[str, bool]:
    """Judge a frame of shares: for each column in `least`, whether every row has at least that share."""
    expectations = [
        EXPECTATIONS.get(name, ExpectShareOfCells)(column=name, min_value=share, meta={"share": name})
        for name, share in least.items()
    ]
    batch = _batch_definition().get_batch({"dataframe": shares.select(list(least)).to_pandas()})
    suite = gx.ExpectationSuite("shares", expectations=expectations)
    results = batch.validate(suite, result_format="BASIC").results
    return {result.expectation_config.meta["share"]: bool(result.success) for result in results}
