"""Checks of rows: what was set aside, and why. Each finding stands for the rows that share a fault."""

import polars as pl

from checks.finding import Read, findings

_SHARED = ["measure", "place_code", "place_label", "fault_evidence"]


def _with_fault(read: Read, fault: str, check: str, reason: str, *, set_aside: bool = True) -> pl.DataFrame:
    """Gather the cells with one fault: a finding for each measure, place and kind of evidence."""
    rows = read.cells.filter(pl.col("fault") == fault)
    gathered = rows.group_by(_SHARED, maintain_order=True).agg(
        pl.col("period_start").min(),
        pl.col("period_end").max(),
        pl.len().alias("rows"),
        # A sum of no figures is no figure.
        pl.when(pl.col("value").is_not_null().any()).then(pl.col("value").sum()).alias("mass"),
        pl.format("{}, row {}, column {}", pl.col("file").first(), pl.col("file_row").first(),
                  pl.col("file_column").first()).alias("file"),
    )  # fmt: skip
    return findings(read, check, reason, gathered.rename({"fault_evidence": "evidence"}), set_aside=set_aside)


def unknown_places(read: Read) -> pl.DataFrame:
    """Find codes and names that the register does not know, with the mass they carry."""
    return _with_fault(read, "unmatched_place", "unknown_places", "unmatched_place")


def retired_codes(read: Read) -> pl.DataFrame:
    """Find codes that are in the register, but of another time than the source's place system."""
    return _with_fault(read, "retired_code", "retired_codes", "retired_code")


def unallocated_rows(read: Read) -> pl.DataFrame:
    """Find the publisher's own rows for what belongs to no place, with what they carry."""
    return _with_fault(read, "unallocated", "unallocated_rows", "unallocated")


def unreadable_cells(read: Read) -> pl.DataFrame:
    """Find cells that are neither a figure nor a declared marker, and periods that are none."""
    return _with_fault(read, "unreadable", "unreadable_cells", "unreadable")


def implausible_values(read: Read) -> pl.DataFrame:
    """Find figures outside the range that the measure declares."""
    return _with_fault(read, "implausible", "implausible_values", "implausible")


def duplicate_keys(read: Read) -> pl.DataFrame:
    """Find places given twice for a period with different figures; all of them are set aside."""
    return _with_fault(read, "duplicate", "duplicate_keys", "duplicate")


def dropped_cells(read: Read) -> pl.DataFrame:
    """Find cells that a reviewed correction takes out."""
    return _with_fault(read, "dropped", "dropped_cells", "dropped")


def corrected_cells(read: Read) -> pl.DataFrame:
    """Find cells that a reviewed correction changes, or flags."""
    return pl.concat([_by_correction(read, caveat) for caveat in ("corrected", "flagged")])


def contradicted_limits(read: Read) -> pl.DataFrame:
    """Find figures that lie outside the limits published beside them, and limits that can't be read."""
    rows = read.cells.filter(pl.col("caveats").str.split(",").list.contains("limits_contradict"))
    found = rows.with_columns(pl.col("caveat_evidence").alias("evidence"), pl.lit(1).alias("rows"))
    return findings(read, "contradicted_limits", "limits_contradict", found)


def _by_correction(read: Read, caveat: str) -> pl.DataFrame:
    rows = read.cells.filter(pl.col("caveats").str.split(",").list.contains(caveat))
    found = rows.with_columns(pl.col("caveat_evidence").alias("evidence"), pl.lit(1).alias("rows"))
    return findings(read, "corrected_cells", caveat, found)


def expired_corrections(read: Read) -> pl.DataFrame:
    """Find cells that a correction was made for, and whose published text has changed since."""
    rows = read.cells.filter(pl.col("expired").is_not_null())
    found = rows.with_columns(pl.col("expired").alias("evidence"), pl.lit(1).alias("rows"))
    return findings(read, "expired_corrections", "correction_expired", found)


def repeated_rows(read: Read) -> pl.DataFrame:
    """Find rows that say again what another row says; one is kept."""
    return _with_fault(read, "repeat", "repeated_rows", "duplicate").with_columns(pl.lit("info").alias("severity"))
