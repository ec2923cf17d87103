"""What Dagster is told of each table: asset checks from findings, with counts and a few rows.

Every check blocks. A finding in the data is a WARN: the build goes on and the gap report says it. An ERROR
means that a table breaks its own rules; nothing is built from it, and what was published stays.
"""

from collections.abc import Collection
from datetime import date, timedelta

import dagster as dg
import polars as pl

from checks import (
    CELL_TOLERANCE,
    TOTALS_TOLERANCE,
    all_reach,
    find_other_periods,
    problem_shares,
    return_shares,
    total_shares,
)
from pipelines.core.reasons import WITHHOLDING_REASONS
from pipelines.declarations.base import CADENCE_DAYS, age_in_days
from pipelines.declarations.source import Source
from pipelines.geography import find_overlapping_codes
from pipelines.observations import SourceTables, newest_periods

_CHECK_FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "readable": ("Every release held can be read and has the declared shape.", ("readable",)),
    "rows": (
        "No row had to be set aside.",
        ("unreadable_cells", "implausible_values", "duplicate_keys", "repeated_rows"),
    ),
    "corrections": (
        "Every correction applies: the publisher still prints what it was made for.",
        ("dropped_cells", "expired_corrections"),
    ),
    "places": (
        "Every row is of a known place, once, and every place covered has its rows.",
        ("unknown_places", "retired_codes", "missing_places", "combined_areas", "unused_names"),
    ),
    "figures": (
        "No figure is far from its own history and its peers, of another unit, or a repeat of the one before.",
        tuple(f"{code}_figures" for code in (*sorted(WITHHOLDING_REASONS), "implausible", "repeated_value", "rounded")),
    ),
    "releases": ("No release in use has been recalled by its publisher.", ("recalled_release",)),
    "periods": ("No period between the first and the last is left out.", ("skipped_periods",)),
}
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
CheckSpecs = list[dg.AssetCheckSpec]
CheckResults = list[dg.AssetCheckResult]


def source_specs(key: dg.AssetKey) -> CheckSpecs:
    """List the checks of a source's observations."""
    descriptions = {name: text for name, (text, _) in _CHECK_FAMILIES.items()} | {
        "contract": "Columns, types, keys, ranges and sets are as declared (judged by Great Expectations).",
        "age": "The newest period is no older than the publisher's cadence and usual lag allow.",
        "totals": "Every total is its places and what is known to lie between, to 1 %.",
        "returns": "Of what providers usually return 95 % came for the newest period.",
    }
    return [dg.AssetCheckSpec(name, asset=key, blocking=True, description=text) for name, text in descriptions.items()]


def source_results(key: dg.AssetKey, source: Source, tables: SourceTables, as_of: date) -> CheckResults:
    """Tell how a source's observations met each of its checks."""
    newest = tables.release.filter(pl.col("order") == pl.col("order").max())["release"].to_list()
    current = tables.finding.filter(pl.col("release").is_in(newest) | pl.col("release").is_null())
    results = [_findings_result(key, name, current, checks) for name, (_, checks) in _CHECK_FAMILIES.items()]
    return [*results, _contract_result(key, tables.contract), _age_result(key, source, tables.observation, as_of)]


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


def _contract_result(key: dg.AssetKey, contract: pl.DataFrame) -> dg.AssetCheckResult:
    broken = contract.filter(~pl.col("met"))
    lines = "\n".join(
        f"- {name} {measure}: {failing} of {cells} ({sample})"
        for name, measure, failing, cells, sample in broken.select(
            "expectation", "measure", "failing", "cells", "sample"
        ).iter_rows()
    )
    return dg.AssetCheckResult(
        passed=broken.is_empty(),
        asset_key=key,
        check_name="contract",
        severity=WARN,
        metadata={"expectations": contract.height, "not met": broken.height, "which": dg.MetadataValue.md(lines)},
    )


def totals_result(key: dg.AssetKey, reconciliation: pl.DataFrame) -> dg.AssetCheckResult:
    """Tell whether the totals of a source (reconciliation.RECONCILIATION) are what its places come to."""
    apart = reconciliation.filter(pl.col("remainder") != 0).sort(pl.col("remainder").abs(), descending=True)
    some = apart.select("measure", "place_name", "period_end", "total", "remainder").head(10).iter_rows()
    lines = "\n".join(
        f"- {measure}, {name}, {end}: {left:,.6g} of {total:,.6g} left" for measure, name, end, total, left in some
    )
    return _share_result(key, "totals", total_shares(reconciliation), TOTALS_TOLERANCE,
                   {"totals": reconciliation.height, "with a remainder": apart.height}, lines)  # fmt: skip


def returns_result(key: dg.AssetKey, reporting: pl.DataFrame) -> dg.AssetCheckResult:
    """Tell how much of what was due (returns.COMPLETENESS) came for the newest period, and from whom nothing did."""
    periods = newest_periods(reporting)
    some = periods.filter(pl.col("missing").is_not_null()).select("measure", "period_end", "missing").iter_rows()
    lines = "\n".join(f"- {measure}, {end}: {missing}" for measure, end, missing in some)
    due, came = (int(periods[name].sum()) for name in ("due", "returned"))
    return _share_result(
        key, "returns", return_shares(reporting), CELL_TOLERANCE, {"due": due, "came whole": came}, lines
    )


def _share_result(
    key: dg.AssetKey, name: str, shares: pl.DataFrame, least: float, counts: dict[str, int], some: str
) -> dg.AssetCheckResult:
    """Compare the least of some shares with the least allowed; where there are no shares, the check passes."""
    if not shares.height:
        return _make_result(key, name, True, WARN, dict(counts))
    share = round(float(shares.to_series().min()), 4)  # type: ignore[arg-type]
    return dg.AssetCheckResult(
        passed=all_reach(shares.to_series(), least), asset_key=key, check_name=name, severity=WARN,
        metadata={**counts, "least share": share, "some": dg.MetadataValue.md(some)},
    )  # fmt: skip


def _age_result(key: dg.AssetKey, source: Source, observation: pl.DataFrame, as_of: date) -> dg.AssetCheckResult:
    """Compare the newest period with the publisher's calendar; Dagster's own freshness tells only when we ran."""
    step = CADENCE_DAYS.get(source.cadence)
    newest = observation.select(pl.col("period_end").max()).item() if observation.height else None
    due = newest + timedelta(days=step + (age_in_days(source.lag) if source.lag else 0)) if newest and step else None
    return dg.AssetCheckResult(
        passed=newest is not None and (due is None or due >= as_of),
        asset_key=key,
        check_name="age",
        severity=WARN,
        metadata={"newest period ends": str(newest), "next was due": str(due or "never"), "as of": str(as_of)},
    )


def problem_specs(key: dg.AssetKey) -> CheckSpecs:
    """List the checks of a problem's answer."""
    descriptions = {
        "answered": "The SELECT ran on what the sources give now.",
        "value_or_reason": "Every cell has a value or a reason, never both and never neither.",
        "every_cell_once": "No cell stands twice.",
        "of_the_period": "Every figure is of the period asked about, or is said to be carried forward.",
        "explained": "Every gap has a reason that a check found.",
        "coverage": "Figures are known for the places where 95 % of people live.",
    }
    return [dg.AssetCheckSpec(name, asset=key, blocking=True, description=text) for name, text in descriptions.items()]


def problem_results(key: dg.AssetKey, cells: pl.DataFrame, fault: str) -> CheckResults:
    """Tell how a problem's cells met each of its checks."""
    both = cells.filter(pl.col("value").is_null() != pl.col("reason").is_not_null()).height
    twice = cells.height - cells["cell_id"].n_unique()
    unknown = cells.filter(pl.col("reason") == "unexplained").height
    return [
        _make_result(key, "answered", not fault, WARN, {"fault": fault or "none"}),
        _make_result(key, "value_or_reason", both == 0, ERROR, {"cells that break it": both}),
        _make_result(key, "every_cell_once", twice == 0, ERROR, {"cells that stand twice": twice}),
        _make_result(key, "explained", unknown == 0, WARN, {"unexplained": unknown}),
    ]


def period_result(key: dg.AssetKey, cells: pl.DataFrame, grain: str, instants: Collection[str]) -> dg.AssetCheckResult:
    """Tell whether any figure of a problem is of another period than the one asked about."""
    wrong = find_other_periods(cells, grain, instants)
    some = "\n".join(f"- {cell}: {start} to {end}" for cell, start, end in
                     wrong.select("cell_id", "value_start", "value_end").head(10).iter_rows())  # fmt: skip
    return dg.AssetCheckResult(
        passed=wrong.is_empty(), asset_key=key, check_name="of_the_period", severity=ERROR,
        metadata={"figures of another period": wrong.height, "some": dg.MetadataValue.md(some)},
    )  # fmt: skip


def coverage_result(key: dg.AssetKey, cells: pl.DataFrame, people: pl.DataFrame) -> dg.AssetCheckResult:
    """Tell for how many of the people a problem's figures are known, with the measures that lack most."""
    shares = problem_shares(cells, people)
    column = "coverage_by_population" if shares["coverage_by_population"].count() else "places_complete"
    lacking = cells.filter(pl.col("reason").is_not_null(), pl.col("need") == "needed")["measure"].value_counts(
        sort=True
    )
    some = "\n".join(f"- {measure}: {count} cells" for measure, count in lacking.head(10).iter_rows())
    share = float(shares[column].item())
    return dg.AssetCheckResult(
        passed=all_reach(shares[column], CELL_TOLERANCE), asset_key=key, check_name="coverage", severity=WARN,
        metadata={"share": round(share, 4), "by": column, "lacking": dg.MetadataValue.md(some)},
    )  # fmt: skip


def register_result(register: pl.DataFrame) -> dg.AssetCheckResult:
    """Tell whether any code has two spans that overlap: then a place system would count it twice."""
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
    """Count the rows, places and periods of a table, for the web page of its asset."""
    span = frame.select(pl.col("period_start").min().cast(pl.String), pl.col("period_end").max().cast(pl.String))
    first, last = span.row(0)
    return {
        "dagster/row_count": frame.height,
        "places": frame[place].n_unique(),
        "periods": frame["period_start"].n_unique(),
        "from": first or "none",
        "to": last or "none",
    }
