"""Great Expectations as a runner: of a source's contract, and of shares of places, periods and totals.

It judges the rules that `checks.rules` declares, on the cells of a release, with the library's own kinds of
expectation. The other expectations each look at one column of shares between 0 and 1, one row a period or a problem,
and are usable in any suite; `checks.shares` builds such frames. A build judges the same in Polars. Only this module
imports Great Expectations, which takes seconds, so import it only where it judges something.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import great_expectations as gx
import polars as pl
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.core.expect_column_min_to_be_between import ExpectColumnMinToBeBetween
from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet
from great_expectations.expectations.core.expect_column_values_to_not_be_in_set import ExpectColumnValuesToNotBeInSet
from great_expectations.expectations.core.expect_column_values_to_not_be_null import ExpectColumnValuesToNotBeNull
from great_expectations.expectations.core.expect_table_row_count_to_be_between import ExpectTableRowCountToBeBetween
from great_expectations.expectations.row_conditions import Column

from checks.rules import MOST_EXAMPLES, Rule, Verdict


class ExpectPlacesComplete(ExpectColumnMinToBeBetween):
    """Expect a row for every place that the source covers, in every period that has rows."""

    column: str = "places_complete"
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


SHARE_EXPECTATIONS: dict[str, type[ExpectColumnMinToBeBetween]] = {
    "places_complete": ExpectPlacesComplete,
    "coverage_by_population": ExpectCoverageByPopulation,
    "totals_reconcile": ExpectTotalsReconcile,
    "returns_complete": ExpectReturnsComplete,
}


@cache
def _batch_definition() -> Any:
    """Return one context for the whole process: creating one for each file takes longer than the judgement."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("cells").add_dataframe_asset("cells")
    return asset.add_batch_definition_whole_dataframe("whole")


def _validate(frame: pl.DataFrame, expectations: list[Any], form: str) -> list[Any]:
    batch = _batch_definition().get_batch({"dataframe": frame.to_pandas()})
    suite = gx.ExpectationSuite("contract", expectations=expectations)
    results = batch.validate(suite, result_format=form).results
    if faults := [result.exception_info for result in results if result.exception_info.get("raised_exception", False)]:
        raise RuntimeError(f"Great Expectations could not judge: {faults[0]}")
    return sorted(results, key=lambda result: int(result.expectation_config.meta["number"]))


def judge_shares(shares: pl.DataFrame, least: dict[str, float]) -> dict[str, bool]:
    """Judge a frame of shares: for each column in `least`, whether every row has at least that share."""
    expectations = [
        SHARE_EXPECTATIONS[name](column=name, min_value=share, meta={"number": number})
        for number, (name, share) in enumerate(least.items())
    ]
    results = _validate(shares.select(list(least)), expectations, "BASIC")
    return {name: bool(result.success) for name, result in zip(least, results, strict=True)}


def shares_reach(shares: pl.Series, least: float) -> bool:
    """Return whether the smallest share is at least `least`; the name of the series is the name of the expectation."""
    return judge_shares(shares.cast(pl.Float64).to_frame(), {shares.name: least})[shares.name]


def judge_with_expectations(cells: pl.DataFrame, rules: Sequence[Rule]) -> list[Verdict]:
    """Judge the cells of a release (conform.CELLS) with Great Expectations; return one verdict for each rule.

    Takes memory and time for about a million cells at most, since the library reads pandas only.
    """
    columns = {"measure", *(rule.column for rule in rules)}
    texts = [pl.col(name).cast(pl.String) for name in sorted(columns) if not cells.schema[name].is_numeric()]
    # A cell without a fault passes: Great Expectations would leave it out of the share.
    blanks = [pl.col(name).fill_null("") for name in sorted({r.column for r in rules if r.kind == "not_in_set"})]
    frame = cells.select(sorted(columns)).with_columns(texts).with_columns(blanks)
    expectations = [_build_expectation(rule, number) for number, rule in enumerate(rules)]
    results = _validate(frame, expectations, "COMPLETE")
    return [_read_verdict(rule, result, cells.height) for rule, result in zip(rules, results, strict=True)]


def _build_expectation(rule: Rule, number: int) -> Any:
    meta = {"number": number}
    if rule.kind == "has_rows":
        return ExpectTableRowCountToBeBetween(min_value=1, meta=meta)
    shared: dict[str, Any] = {"column": rule.column, "mostly": rule.least, "meta": meta}
    if rule.measure:
        shared["row_condition"] = Column("measure") == rule.measure
    if rule.kind == "not_null":
        return ExpectColumnValuesToNotBeNull(**shared)
    if rule.kind == "between":
        return ExpectColumnValuesToBeBetween(min_value=rule.limits[0], max_value=rule.limits[1], **shared)
    kind = ExpectColumnValuesToBeInSet if rule.kind == "in_set" else ExpectColumnValuesToNotBeInSet
    return kind(value_set=list(rule.texts), **shared)


def _read_verdict(rule: Rule, result: Any, height: int) -> Verdict:
    if rule.kind == "has_rows":
        return Verdict(height, int(not result.success), (), bool(result.success))
    counts = result.result
    missing = 0 if rule.kind == "not_null" else counts.get("missing_count", 0)
    examples = tuple(counts.get("unexpected_index_list") or ())[:MOST_EXAMPLES]
    return Verdict(counts["element_count"] - missing, counts["unexpected_count"], examples, bool(result.success))
