"""Checks of rows: rows set aside, and why. Each finding covers the rows with the same fault."""

from typing import Any

import polars as pl

from checks.finding import CheckInput, build_findings, no_findings

_FINDING_KEY = ["measure", "place_code", "place_label", "fault_evidence"]


def _gather_faults(release: CheckInput, fault: str, check: str, reason: str, **overrides: Any) -> pl.DataFrame:
    """Group the cells with one fault: a finding for each measure, place and evidence."""
    some = select_entries(release.cells, "fault")
    is_at_fault = some["fault"] == fault
    if not is_at_fault.any():
        return no_findings()
    rows = some.filter(is_at_fault)
    by_place = rows.group_by(_FINDING_KEY, maintain_order=True).agg(
        pl.col("period_start").min(),
        pl.col("period_end").max(),
        pl.len().alias("rows"),
        # The sum of no figures is null, not zero.
        pl.when(pl.col("value").is_not_null().any()).then(pl.col("value").sum()).alias("sum_of_values"),
        pl.format("{}, row {}, column {}", pl.col("file").first(), pl.col("file_row").first(),
                  pl.col("file_column").first()).alias("file"),
    )  # fmt: skip
    evidence = by_place.rename({"fault_evidence": "evidence"})
    return build_findings(release, check, reason, evidence, set_aside=True, **overrides)


def select_entries(cells: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the cells with an entry in a column. Most releases have few or none, and a copy of all takes long."""
    entries = cells[column]
    if not entries.null_count():
        return cells
    return cells.clear() if entries.null_count() == entries.len() else cells[entries.is_not_null().arg_true()]


def _cells_with_caveat(release: CheckInput, caveat: str) -> pl.DataFrame:
    some = select_entries(release.cells, "caveats")
    return (
        some if some.is_empty() else some.filter(pl.col("caveats").cast(pl.String).str.split(",").list.contains(caveat))
    )


def find_unknown_places(release: CheckInput) -> pl.DataFrame:
    """Find codes and names that are not in the register, with the sum of their figures."""
    return _gather_faults(release, "unmatched_place", "unknown_places", "unmatched_place")


def find_newer_codes(release: CheckInput) -> pl.DataFrame:
    """Find codes with a number above every code of their kind in the register."""
    return _gather_faults(release, "newer_than_register", "newer_codes", "newer_than_register")


def find_contradicting_labels(release: CheckInput) -> pl.DataFrame:
    """Find rows with the code of one place and the name of another."""
    return _gather_faults(release, "label_contradicts_code", "contradicting_labels", "label_contradicts_code")


def find_retired_codes(release: CheckInput) -> pl.DataFrame:
    """Find codes in the register that belong to another vintage than the source's place system."""
    return _gather_faults(release, "retired_code", "retired_codes", "retired_code")


def find_unallocated_rows(release: CheckInput) -> pl.DataFrame:
    """Find the publisher's rows for figures that belong to no place, with their sum."""
    return _gather_faults(release, "unallocated", "unallocated_rows", "unallocated")


def find_unreadable_cells(release: CheckInput) -> pl.DataFrame:
    """Find cells that are neither a figure nor a declared marker, and unreadable periods."""
    return _gather_faults(release, "unreadable", "unreadable_cells", "unreadable")


def find_implausible_values(release: CheckInput) -> pl.DataFrame:
    """Find figures outside the declared range of the measure."""
    return _gather_faults(release, "implausible", "implausible_values", "implausible")


def find_number_markers(release: CheckInput) -> pl.DataFrame:
    """Find numbers that a publisher prints in place of a figure, such as -99."""
    return _gather_faults(release, "numeric_marker", "number_markers", "numeric_marker")


def find_zero_denominators(release: CheckInput) -> pl.DataFrame:
    """Find rates with a denominator of 0."""
    return _gather_faults(release, "zero_denominator", "zero_denominators", "zero_denominator")


def find_mixed_fractions(release: CheckInput) -> pl.DataFrame:
    """Find fractions in a column of percentages."""
    return _gather_faults(release, "unit_change", "mixed_fractions", "unit_change")


def find_duplicate_keys(release: CheckInput) -> pl.DataFrame:
    """Find places with several different figures for a period; all of them are set aside."""
    return _gather_faults(release, "duplicate", "duplicate_keys", "duplicate")


def find_dropped_cells(release: CheckInput) -> pl.DataFrame:
    """Find cells that a reviewed correction removes."""
    return _gather_faults(release, "dropped", "dropped_cells", "dropped")


def find_corrected_cells(release: CheckInput) -> pl.DataFrame:
    """Find cells that a reviewed correction changes or flags."""
    return pl.concat([_gather_corrections(release, caveat) for caveat in ("corrected", "flagged")])


def find_contradicted_limits(release: CheckInput) -> pl.DataFrame:
    """Find figures outside the limits published beside them, and unreadable limits."""
    rows = _cells_with_caveat(release, "limits_contradict")
    if rows.is_empty():
        return no_findings()
    evidence = rows.with_columns(pl.col("caveat_evidence").alias("evidence"), pl.lit(1).alias("rows"))
    return build_findings(release, "contradicted_limits", "limits_contradict", evidence)


def _gather_corrections(release: CheckInput, caveat: str) -> pl.DataFrame:
    rows = _cells_with_caveat(release, caveat)
    if rows.is_empty():
        return no_findings()
    evidence = rows.with_columns(pl.col("caveat_evidence").alias("evidence"), pl.lit(1).alias("rows"))
    return build_findings(release, "corrected_cells", caveat, evidence)


def find_expired_corrections(release: CheckInput) -> pl.DataFrame:
    """Find cells with a correction where the published text has changed since."""
    rows = select_entries(release.cells, "expired")
    if rows.is_empty():
        return no_findings()
    evidence = rows.with_columns(pl.col("expired").alias("evidence"), pl.lit(1).alias("rows"))
    return build_findings(release, "expired_corrections", "correction_expired", evidence)


def find_repeated_rows(release: CheckInput) -> pl.DataFrame:
    """Find rows that repeat another row; one of them is kept."""
    return _gather_faults(release, "repeat", "repeated_rows", "duplicate", severity="info")
