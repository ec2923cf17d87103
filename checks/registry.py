"""All checks of a source: a function added here runs on every release."""

import polars as pl

from checks import places, releases, rows
from checks.finding import Check, CheckInput
from pipelines.core.schema import FINDING_COLUMNS, empty_table

FAULT_CHECKS: tuple[Check, ...] = (
    rows.find_unknown_places,
    rows.find_newer_codes,
    rows.find_contradicting_labels,
    rows.find_retired_codes,
    rows.find_unallocated_rows,
    rows.find_unreadable_cells,
    rows.find_implausible_values,
    rows.find_number_markers,
    rows.find_zero_denominators,
    rows.find_mixed_fractions,
    rows.find_duplicate_keys,
    rows.find_repeated_rows,
    rows.find_dropped_cells,
)
"""Checks that need only the cells with a fault."""
SOURCE_CHECKS: tuple[Check, ...] = (
    rows.find_corrected_cells,
    rows.find_expired_corrections,
    rows.find_contradicted_limits,
    places.find_missing_places,
    places.count_hidden_cells,
    places.note_rounding,
    places.list_combined_areas,
    places.find_skipped_periods,
    releases.find_recalled_release,
    releases.find_unmatched_texts,
)


def check_source(release: CheckInput) -> pl.DataFrame:
    """Run every check on one release of a source; return all findings."""
    faulty = release._replace(cells=rows.select_entries(release.cells, "fault"))
    of_faults = [check(faulty) for check in FAULT_CHECKS] if faulty.cells.height else []
    return pl.concat([empty_table(FINDING_COLUMNS), *of_faults, *(check(release) for check in SOURCE_CHECKS)])
