"""Every check of a source, by name: add a function and its name here, and it runs on every release."""

import polars as pl

from checks import places, releases, rows
from checks.finding import Check, Read
from pipelines.core.schema import FINDING, empty

SOURCE_CHECKS: tuple[Check, ...] = (
    rows.unknown_places,
    rows.retired_codes,
    rows.unallocated_rows,
    rows.unreadable_cells,
    rows.implausible_values,
    rows.duplicate_keys,
    rows.repeated_rows,
    rows.dropped_cells,
    rows.corrected_cells,
    rows.expired_corrections,
    rows.contradicted_limits,
    places.missing_places,
    places.hidden_cells,
    places.rounded_measures,
    places.combined_areas,
    places.skipped_periods,
    releases.recalled_release,
    releases.rows_asked_in_vain,
)


def check_source(read: Read) -> pl.DataFrame:
    """Run every check on one release of a source; give all findings."""
    return pl.concat([empty(FINDING), *(check(read) for check in SOURCE_CHECKS)])
