"""Results of the checks of sources and answers, as a build queues them and as Dagster shows them.

Contracts and shares are judged by one of two runners with the same verdict (checks.runners): a build from the command
line uses Polars, and a run from Dagster's web pages uses Great Expectations.

A finding in the data is no error: the build continues and the gap report shows the finding. An error means that a table
violates its schema rules. Nothing is built from that table, and earlier outputs stay in place.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import NamedTuple

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
from pipelines.core.ordering import count_repeats
from pipelines.core.reasons import WITHHOLDING_REASONS
from pipelines.declarations.source import Source
from pipelines.geography import find_overlapping_codes
from pipelines.observations import SourceTables, newest_periods

CHECK_FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
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
SOURCE_CHECKS = {name: text for name, (text, _) in CHECK_FAMILIES.items()} | {
    "contract": "Columns, types, keys, ranges and sets match the declaration.",
    "age": "The latest period is within the publisher's cadence and usual lag.",
    "totals": "Every published total equals its places plus known components, within 1 %.",
    "returns": "Returns for the latest period reach 95 % of the usual volume.",
}
PROBLEM_CHECKS = {
    "answered": "The SELECT runs on the current data of the sources.",
    "value_or_reason": "Every cell has either a value or a reason.",
    "every_cell_once": "No cell occurs twice.",
    "of_the_period": "Every figure is for the reference period, or is marked as carried forward.",
    "explained": "Every gap has a reason from a check.",
    "coverage": "Figures cover places with 95 % of the population.",
}
PLACE_CHECKS = {"sound": "No code has overlapping periods of use."}


class Markdown(str):
    """Text of several lines, which Dagster's pages show as a list."""

    __slots__ = ()


Metadata = Mapping[str, str | int | float | bool]


class CheckResult(NamedTuple):
    """Result of a check: its name, whether it passed, numbers and samples, and whether a failure stops the build."""

    check: str
    passed: bool
    metadata: Metadata
    is_error: bool = False


def source_results(
    source: Source, tables: SourceTables, contract: pl.DataFrame, runner: Runner, as_of: date
) -> list[CheckResult]:
    """Return the result of each check of a source's observations; `contract` is what the runner judged."""
    newest = tables.release.filter(pl.col("order") == pl.col("order").max())["release"].to_list()
    current = tables.finding.filter(pl.col("release").is_in(newest) | pl.col("release").is_null())
    results = [_findings_result(name, current, checks) for name, (_, checks) in CHECK_FAMILIES.items()]
    return [*results, _contract_result(contract, tables.contract, runner), _age_result(source, tables.slice, as_of)]


def _findings_result(name: str, finding: pl.DataFrame, checks: tuple[str, ...]) -> CheckResult:
    if finding.is_empty():
        return CheckResult(name, True, {"findings": 0, "to follow up": 0, "some": _list_lines(())})
    mine = finding.filter(pl.col("check").is_in(list(checks)))
    grave = mine.filter(pl.col("severity") != "info")
    rows = mine.select("reason", "evidence").head(10).iter_rows()
    sample = _list_lines(f"{reason}: {evidence}" for reason, evidence in rows)
    counts: Metadata = {"findings": mine.height, "to follow up": grave.height, "some": sample}
    return CheckResult(name, grave.is_empty(), counts)


def _contract_result(contract: pl.DataFrame, built: pl.DataFrame, runner: Runner) -> CheckResult:
    """Return the check of a contract. It fails where a rule is not met, or where the build's verdict was another."""
    broken, same = contract.filter(~pl.col("met")), contract.equals(built)
    rows = broken.select("expectation", "measure", "failing", "cells", "sample").iter_rows()
    metadata: Metadata = {
        "judged by": runner.title,
        "expectations": contract.height,
        "not met": broken.height,
        "as in the build": same,
        "which": _list_lines(
            f"{name} {measure}: {failing} of {cells} ({sample})" for name, measure, failing, cells, sample in rows
        ),
    }
    return CheckResult("contract", broken.is_empty() and same, metadata)


def totals_result(reconciliation: pl.DataFrame, runner: Runner = POLARS) -> CheckResult:
    """Return the check of published totals against the sum of their places (reconciliation.RECONCILIATION)."""
    apart = reconciliation.filter(pl.col("remainder") != 0).sort(pl.col("remainder").abs(), descending=True)
    rows = apart.select("measure", "place_name", "period_end", "total", "remainder").head(10).iter_rows()
    lines = _list_lines(
        f"{measure}, {name}, {end}: {rest:,.6g} of {total:,.6g} not explained"
        for measure, name, end, total, rest in rows
    )
    counts = {"totals": reconciliation.height, "with a remainder": apart.height}
    return _share_result("totals", total_shares(reconciliation), TOTALS_TOLERANCE, runner, counts, lines)


def returns_result(reporting: pl.DataFrame, runner: Runner = POLARS) -> CheckResult:
    """Return the check of completeness for the latest period (returns.COMPLETENESS), with the missing providers."""
    periods = newest_periods(reporting)
    rows = periods.filter(pl.col("missing").is_not_null()).select("measure", "period_end", "missing").iter_rows()
    lines = _list_lines(f"{measure}, {end}: {missing}" for measure, end, missing in rows)
    due, came = (int(periods[name].sum()) for name in ("due", "returned"))
    counts = {"due": due, "received complete": came}
    return _share_result("returns", return_shares(reporting), CELL_TOLERANCE, runner, counts, lines)


def _share_result(
    name: str, shares: pl.DataFrame, least: float, runner: Runner, counts: dict[str, int], some: Markdown
) -> CheckResult:
    """Return the check of the lowest share against the minimum. The check passes if there are no shares."""
    if not shares.height:
        return CheckResult(name, True, counts)
    share = round(float(shares.to_series().min()), 4)  # type: ignore[arg-type]
    metadata: Metadata = {**counts, "judged by": runner.title, "least share": share, "some": some}
    return CheckResult(name, runner.all_reach(shares.to_series(), least), metadata)


def _age_result(source: Source, slices: pl.DataFrame, as_of: date) -> CheckResult:
    """Return the check of the latest period against the publisher's cadence. Dagster freshness covers only runs."""
    newest = slices.filter(pl.col("known") > 0).select(pl.col("period_end").max()).item() if slices.height else None
    due = source.next_release_day(newest)
    metadata = {"newest period ends": str(newest), "next due": str(due or "never"), "as of": str(as_of)}
    return CheckResult("age", newest is not None and (due is None or due >= as_of), metadata)


def answered_result(fault: str) -> CheckResult:
    """Return the check that a problem has an answer; `fault` says why it has none."""
    return CheckResult("answered", not fault, {"fault": fault or "none"})


def problem_results(cells: pl.DataFrame) -> list[CheckResult]:
    """Return the result of each check of a problem's cells that decides whether its answer is recorded."""
    both = int((cells["value"].is_null() != cells["reason"].is_not_null()).sum())
    twice = count_repeats(cells["cell_id"])
    unknown = int((cells["reason"] == "unexplained").sum())
    return [
        CheckResult("value_or_reason", both == 0, {"cells at fault": both}, is_error=True),
        CheckResult("every_cell_once", twice == 0, {"duplicate cells": twice}, is_error=True),
        CheckResult("explained", unknown == 0, {"unexplained": unknown}),
    ]


def period_result(cells: pl.DataFrame, grain: str, instants: Collection[str]) -> CheckResult:
    """Return the check that every figure of a problem is for its reference period."""
    wrong = find_other_periods(cells, grain, instants)
    rows = wrong.select("cell_id", "reference_start", "reference_end").head(10).iter_rows()
    some = _list_lines(f"{cell}: {start} to {end}" for cell, start, end in rows)
    metadata: Metadata = {"figures of another period": wrong.height, "some": some}
    return CheckResult("of_the_period", wrong.is_empty(), metadata, is_error=True)


def coverage_result(cells: pl.DataFrame, people: pl.DataFrame, runner: Runner) -> CheckResult:
    """Return the check of population coverage of a problem, with the measures that have most gaps."""
    shares = problem_shares(cells, people)
    column = "coverage_by_population" if shares["coverage_by_population"].count() else "places_complete"
    lacking = cells.filter(pl.col("reason").is_not_null(), pl.col("need") == "needed")["measure"].value_counts(
        sort=True
    )
    some = _list_lines(f"{measure}: {count} cells" for measure, count in lacking.head(10).iter_rows())
    share = round(float(shares[column].item()), 4)
    metadata: Metadata = {"judged by": runner.title, "share": share, "by": column, "lacking": some}
    return CheckResult("coverage", runner.all_reach(shares[column], CELL_TOLERANCE), metadata)


def register_result(register: pl.DataFrame) -> CheckResult:
    """Return the check for overlapping periods of use of one code, which would count the place twice."""
    overlaps = find_overlapping_codes(register)
    return CheckResult("sound", not overlaps, {"overlapping": ", ".join(overlaps[:5]) or "none"}, is_error=True)


def _list_lines(lines: Iterable[str]) -> Markdown:
    return Markdown("\n".join(f"- {line}" for line in lines))


def count_slices(slices: pl.DataFrame, places: int) -> dict[str, int | str]:
    """Return the numbers of count_metadata for the observations of a source, from its slices (schema.SLICE_COLUMNS)."""
    first, last = slices["period_start"].min(), slices["period_end"].max()
    return {
        "dagster/row_count": int(slices["rows"].sum()),
        "places": places,
        "periods": slices["period_start"].n_unique(),
        "from": str(first or "none"),
        "to": str(last or "none"),
    }


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
