"""Dagster asset checks from findings, with counts and sample rows.

Contracts and shares are judged by one of two runners with the same verdict (checks.runners): a build from the command
line uses Polars, and a run from Dagster's web pages uses Great Expectations.

Every check is blocking. A finding in the data is a WARN: the build continues and the gap report shows the finding. An
ERROR means that a table violates its schema rules. Nothing is built from that table, and earlier outputs stay in place.
"""

from collections.abc import Collection
from datetime import date

import dagster as dg
import polars as pl

from checks import (
    CELL_TOLERANCE,
    POLARS,
    TOTALS_TOLERANCE,
    Runner,
    find_other_periods,
    problem_shares,
    return_shares,
    total_shares,
)
from pipelines.core.reasons import WITHHOLDING_REASONS
from pipelines.declarations.source import Source
from pipelines.geography import find_overlapping_codes
from pipelines.observations import SourceTables, newest_periods

_CHECK_FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "readable": ("Every stored release can be read and has the declared layout.", ("readable",)),
    "rows": (
        "Every row can be used.",
        ("unreadable_cells", "implausible_values", "duplicate_keys", "repeated_rows"),
    ),
    "corrections": (
        "Every correction applies: the published value is still the one to correct.",
        ("dropped_cells", "expired_corrections"),
    ),
    "places": (
        "Every row has a known place, without duplicates, and every covered place has rows.",
        (
            "unknown_places",
            "newer_codes",
            "contradicting_labels",
            "retired_codes",
            "missing_places",
            "combined_areas",
            "unused_names",
        ),
    ),
    "figures": (
        "No figure is implausible for its history and peers, in another unit, or a repeat of the previous figure.",
        tuple(f"{code}_figures" for code in (*sorted(WITHHOLDING_REASONS), "implausible", "repeated_value", "rounded")),
    ),
    "releases": ("The publisher has not withdrawn any release in use.", ("recalled_release",)),
    "periods": ("No period between the first and the last is missing.", ("skipped_periods",)),
}
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
CheckSpecs = list[dg.AssetCheckSpec]
CheckResults = list[dg.AssetCheckResult]


def source_specs(key: dg.AssetKey) -> CheckSpecs:
    """Return the checks of a source's observations."""
    descriptions = {name: text for name, (text, _) in _CHECK_FAMILIES.items()} | {
        "contract": "Columns, types, keys, ranges and sets match the declaration.",
        "age": "The latest period is within the publisher's cadence and usual lag.",
        "totals": "Every published total equals its places plus known components, within 1 %.",
        "returns": "Returns for the latest period reach 95 % of the usual volume.",
    }
    return [dg.AssetCheckSpec(name, asset=key, blocking=True, description=text) for name, text in descriptions.items()]


def source_results(
    key: dg.AssetKey, source: Source, tables: SourceTables, contract: pl.DataFrame, runner: Runner, as_of: date
) -> CheckResults:
    """Return the result of each check of a source's observations; `contract` is what the runner judged."""
    newest = tables.release.filter(pl.col("order") == pl.col("order").max())["release"].to_list()
    current = tables.finding.filter(pl.col("release").is_in(newest) | pl.col("release").is_null())
    results = [_findings_result(key, name, current, checks) for name, (_, checks) in _CHECK_FAMILIES.items()]
    return [
        *results,
        _contract_result(key, contract, tables.contract, runner),
        _age_result(key, source, tables.slice, as_of),
    ]


def _findings_result(
    key: dg.AssetKey, name: str, finding: pl.DataFrame, checks: tuple[str, ...]
) -> dg.AssetCheckResult:
    mine = finding.filter(pl.col("check").is_in(list(checks)))
    grave = mine.filter(pl.col("severity") != "info")
    sample = "\n".join(f"- {reason}: {evidence}" for reason, evidence in
                       mine.select("reason", "evidence").head(10).iter_rows())  # fmt: skip
    return dg.AssetCheckResult(
        passed=grave.is_empty(),
        asset_key=key,
        check_name=name,
        severity=WARN,
        metadata={"findings": mine.height, "to follow up": grave.height, "some": dg.MetadataValue.md(sample)},
    )


def _contract_result(
    key: dg.AssetKey, contract: pl.DataFrame, built: pl.DataFrame, runner: Runner
) -> dg.AssetCheckResult:
    """Return the check of a contract. It fails where a rule is not met, or where the build's verdict was another."""
    broken = contract.filter(~pl.col("met"))
    lines = "\n".join(
        f"- {name} {measure}: {failing} of {cells} ({sample})"
        for name, measure, failing, cells, sample in broken.select(
            "expectation", "measure", "failing", "cells", "sample"
        ).iter_rows()
    )
    return dg.AssetCheckResult(
        passed=broken.is_empty() and contract.equals(built),
        asset_key=key,
        check_name="contract",
        severity=WARN,
        metadata={
            "judged by": runner.title,
            "expectations": contract.height,
            "not met": broken.height,
            "as in the build": contract.equals(built),
            "which": dg.MetadataValue.md(lines),
        },
    )


def totals_result(key: dg.AssetKey, reconciliation: pl.DataFrame, runner: Runner = POLARS) -> dg.AssetCheckResult:
    """Return the check of published totals against the sum of their places (reconciliation.RECONCILIATION)."""
    apart = reconciliation.filter(pl.col("remainder") != 0).sort(pl.col("remainder").abs(), descending=True)
    some = apart.select("measure", "place_name", "period_end", "total", "remainder").head(10).iter_rows()
    lines = "\n".join(
        f"- {measure}, {name}, {end}: {rest:,.6g} of {total:,.6g} not explained"
        for measure, name, end, total, rest in some
    )
    return _share_result(key, "totals", total_shares(reconciliation), TOTALS_TOLERANCE, runner,
                   {"totals": reconciliation.height, "with a remainder": apart.height}, lines)  # fmt: skip


def returns_result(key: dg.AssetKey, reporting: pl.DataFrame, runner: Runner = POLARS) -> dg.AssetCheckResult:
    """Return the check of completeness for the latest period (returns.COMPLETENESS), with the missing providers."""
    periods = newest_periods(reporting)
    some = periods.filter(pl.col("missing").is_not_null()).select("measure", "period_end", "missing").iter_rows()
    lines = "\n".join(f"- {measure}, {end}: {missing}" for measure, end, missing in some)
    due, came = (int(periods[name].sum()) for name in ("due", "returned"))
    return _share_result(
        key, "returns", return_shares(reporting), CELL_TOLERANCE, runner, {"due": due, "received complete": came}, lines
    )


def _share_result(
    key: dg.AssetKey,
    name: str,
    shares: pl.DataFrame,
    least: float,
    runner: Runner,
    counts: dict[str, int],
    some: str,
) -> dg.AssetCheckResult:
    """Return the check of the lowest share against the minimum. The check passes if there are no shares."""
    if not shares.height:
        return _make_result(key, name, True, WARN, dict(counts))
    share = round(float(shares.to_series().min()), 4)  # type: ignore[arg-type]
    return dg.AssetCheckResult(
        passed=runner.all_reach(shares.to_series(), least), asset_key=key, check_name=name, severity=WARN,
        metadata={**counts, "judged by": runner.title, "least share": share, "some": dg.MetadataValue.md(some)},
    )  # fmt: skip


def _age_result(key: dg.AssetKey, source: Source, slices: pl.DataFrame, as_of: date) -> dg.AssetCheckResult:
    """Return the check of the latest period against the publisher's cadence. Dagster freshness covers only runs."""
    newest = slices.filter(pl.col("known") > 0).select(pl.col("period_end").max()).item() if slices.height else None
    due = source.next_release_day(newest)
    return dg.AssetCheckResult(
        passed=newest is not None and (due is None or due >= as_of),
        asset_key=key,
        check_name="age",
        severity=WARN,
        metadata={"newest period ends": str(newest), "next was due": str(due or "never"), "as of": str(as_of)},
    )


def problem_specs(key: dg.AssetKey) -> CheckSpecs:
    """Return the checks of a problem's answer."""
    descriptions = {
        "answered": "The SELECT runs on the current data of the sources.",
        "value_or_reason": "Every cell has either a value or a reason.",
        "every_cell_once": "No cell occurs twice.",
        "of_the_period": "Every figure is for the reference period, or is marked as carried forward.",
        "explained": "Every gap has a reason from a check.",
        "coverage": "Figures cover places with 95 % of the population.",
    }
    return [dg.AssetCheckSpec(name, asset=key, blocking=True, description=text) for name, text in descriptions.items()]


def problem_results(key: dg.AssetKey, cells: pl.DataFrame, fault: str) -> CheckResults:
    """Return the result of each check of a problem's cells."""
    both = cells.filter(pl.col("value").is_null() != pl.col("reason").is_not_null()).height
    twice = cells.height - cells["cell_id"].n_unique()
    unknown = cells.filter(pl.col("reason") == "unexplained").height
    return [
        _make_result(key, "answered", not fault, WARN, {"fault": fault or "none"}),
        _make_result(key, "value_or_reason", both == 0, ERROR, {"cells at fault": both}),
        _make_result(key, "every_cell_once", twice == 0, ERROR, {"duplicate cells": twice}),
        _make_result(key, "explained", unknown == 0, WARN, {"unexplained": unknown}),
    ]


def period_result(key: dg.AssetKey, cells: pl.DataFrame, grain: str, instants: Collection[str]) -> dg.AssetCheckResult:
    """Return the check that every figure of a problem is for its reference period."""
    wrong = find_other_periods(cells, grain, instants)
    some = "\n".join(f"- {cell}: {start} to {end}" for cell, start, end in
                     wrong.select("cell_id", "reference_start", "reference_end").head(10).iter_rows())  # fmt: skip
    return dg.AssetCheckResult(
        passed=wrong.is_empty(), asset_key=key, check_name="of_the_period", severity=ERROR,
        metadata={"figures of another period": wrong.height, "some": dg.MetadataValue.md(some)},
    )  # fmt: skip


def coverage_result(key: dg.AssetKey, cells: pl.DataFrame, people: pl.DataFrame, runner: Runner) -> dg.AssetCheckResult:
    """Return the check of population coverage of a problem, with the measures that have most gaps."""
    shares = problem_shares(cells, people)
    column = "coverage_by_population" if shares["coverage_by_population"].count() else "places_complete"
    lacking = cells.filter(pl.col("reason").is_not_null(), pl.col("need") == "needed")["measure"].value_counts(
        sort=True
    )
    some = "\n".join(f"- {measure}: {count} cells" for measure, count in lacking.head(10).iter_rows())
    share = float(shares[column].item())
    return dg.AssetCheckResult(
        passed=runner.all_reach(shares[column], CELL_TOLERANCE), asset_key=key, check_name="coverage", severity=WARN,
        metadata={"judged by": runner.title, "share": round(share, 4), "by": column,
                  "lacking": dg.MetadataValue.md(some)},
    )  # fmt: skip


def register_result(register: pl.DataFrame) -> dg.AssetCheckResult:
    """Return the check for overlapping periods of use of one code, which would count the place twice."""
    overlaps = find_overlapping_codes(register)
    return dg.AssetCheckResult(
        passed=not overlaps,
        check_name="sound",
        severity=ERROR,
        metadata={"overlapping": ", ".join(overlaps[:5]) or "none"},
    )


def _make_result(
    key: dg.AssetKey, name: str, passed: bool, severity: dg.AssetCheckSeverity, metadata: dict[str, str | int]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=passed, asset_key=key, check_name=name, severity=severity, metadata=metadata)


def count_metadata(frame: pl.DataFrame, place: str) -> dict[str, int | str]:
    """Return the numbers of rows, places and periods of a table, for the page of its asset."""
    span = frame.select(pl.col("period_start").min().cast(pl.String), pl.col("period_end").max().cast(pl.String))
    first, last = span.row(0)
    return {
        "dagster/row_count": frame.height,
        "places": frame[place].n_unique(),
        "periods": frame["period_start"].n_unique(),
        "from": first or "none",
        "to": last or "none",
    }
