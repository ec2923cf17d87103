"""From a source's releases to its tables: what several releases decide together, from slices and findings."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from checks import (
    CONTRACT,
    JUDGED_COLUMNS,
    PLAUSIBILITY_FLAG,
    LargerAreas,
    build_unmatched_findings,
    convert_flags,
    flag_measures,
)
from pipelines.core.schema import FINDING_COLUMNS, SLICE_COLUMNS, WHOLE, empty_frame, empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.core.snapshots import Snapshot, release_name, source_snapshots, stored_releases
from pipelines.core.store import prune_release_tables
from pipelines.core.table_cache import forget_large_tables
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.corrections import list_unused_corrections
from pipelines.declarations.source import Source
from pipelines.geography import GeographyPlaces, Places
from pipelines.observations.caveats import unknown_recalls
from pipelines.observations.conform import CELLS
from pipelines.observations.ingest import ReadingContext, reading_context
from pipelines.observations.release_reading import (
    RELEASE,
    SET_ASIDE,
    UNUSED_CORRECTION,
    UNUSED_NAME,
    ReleaseReading,
    load_reading,
    unused_correction_findings,
)
from pipelines.observations.scan import read_slices
from pipelines.observations.totals import TOTAL, covered_members


class SourceTables(NamedTuple):
    """Tables of one source, stored one by one: slices of all usable releases, and what was found in them.

    The figures stay in a file a release; see scan.scan_slices for a view of them as observations.
    """

    slice: pl.DataFrame
    set_aside: pl.DataFrame
    finding: pl.DataFrame
    contract: pl.DataFrame
    release: pl.DataFrame
    total: pl.DataFrame
    doubt: pl.DataFrame


def build_source_tables(
    home: Path,
    catalogue: Catalogue,
    name: str,
    places: Places,
    systems: Sequence[GeographyPlaces],
    as_of: date,
    reading_key: str,
) -> SourceTables:
    """Read the releases of a source that have changed, and collect the tables of all its releases.

    An unusable release becomes a finding and the others remain. `systems` lists the source's own geography first, then
    those of releases with codes in another geography. `reading_key` is the key of all inputs except the files.
    """
    source = catalogue.sources[name]
    context = reading_context(catalogue, name, places, systems)
    readings, faults = _read_releases(home, context, stored_releases(home, name, as_of), reading_key)
    prune_release_tables(home, name, {release_name(entry) for entry in source_snapshots(home, name)})
    tables = _collect_tables(readings)
    finding = pl.concat([*faults, tables.finding, _unknown_recall_findings(home, name, source)])
    if not readings:
        messages = list_unused_corrections(context.corrections, source, empty_table(CELLS))
        finding = pl.concat([finding, unused_correction_findings(context, messages)])
    members = _members_by_system(context) if tables.total.height else {}
    flags = _flag_figures(home, tables, source, LargerAreas(tables.total, members))
    forget_large_tables()
    return tables._replace(finding=pl.concat([_sort_findings(finding), convert_flags(flags)]), doubt=flags)


def _flag_figures(home: Path, tables: SourceTables, source: Source, larger: LargerAreas) -> pl.DataFrame:
    """Flag implausible figures (checks.PLAUSIBILITY_FLAG); the figures of one measure are in memory at a time."""
    # A change of unit shows against the release before. A total is compared with the places of its own release.
    compared = tables.slice
    if tables.release.height > 2:
        newest = pl.col("order").rank("dense", descending=True).over(SLICE_KEY)
        has_total = pl.col("measure").is_in(larger.total["measure"].unique().implode())
        compared = compared.filter((newest <= 2) | has_total)
    by_measure = compared.partition_by("measure", maintain_order=True)
    rows = (
        (slices["measure"][0], read_slices(home, slices, JUDGED_COLUMNS, tables.doubt, encoded=True))
        for slices in by_measure
    )
    slices = tables.slice.select(*SLICE_KEY, "order", (pl.col("max") >= 0).fill_null(False).alias("has_figures"))
    return flag_measures(rows, slices, source.measures, larger)


def _read_releases(
    home: Path, context: ReadingContext, groups: list[list[Snapshot]], key: str
) -> tuple[list[ReleaseReading], list[pl.DataFrame]]:
    """Read the latest readable file of each release; also return the faults of later files.

    A measure that is negative in any release is not narrowed in any, so a first negative figure reads releases again.
    """
    chosen, faults = [], [empty_table(FINDING_COLUMNS)]
    for group in groups:
        for snapshot in group:
            reading = load_reading(home, context, snapshot, key)
            if reading.release.height:
                chosen.append((snapshot, reading))
                break
            faults.append(reading.finding)
    if not context.source.additivity:
        return [reading for _, reading in chosen], faults
    negative = {name for _, reading in chosen for name in reading.slices.filter(pl.col("min") < 0)["measure"]}
    return [load_reading(home, context, snapshot, key, negative) for snapshot, _ in chosen], faults


def _collect_tables(readings: list[ReleaseReading]) -> SourceTables:
    """Stack the tables of releases with their order, and select the findings that stay."""
    return SourceTables(
        _stack_ordered(empty_table(SLICE_COLUMNS), [reading.slices for reading in readings]),
        _stack_ordered(empty_frame(SET_ASIDE), [reading.set_aside for reading in readings]),
        _select_findings(readings),
        pl.concat([empty_frame(CONTRACT), *(reading.contract for reading in readings)]),
        _stack_ordered(empty_frame(RELEASE), [reading.release for reading in readings]),
        _stack_ordered(empty_table(TOTAL), [reading.total for reading in readings]),
        empty_table(PLAUSIBILITY_FLAG),
    )


def _stack_ordered(nothing: pl.DataFrame, tables: list[pl.DataFrame]) -> pl.DataFrame:
    ordered = [
        table.with_columns(pl.lit(order, WHOLE).alias("order")) for order, table in enumerate(tables) if table.height
    ]
    return pl.concat([nothing, *ordered]) if ordered else nothing


def _select_findings(readings: list[ReleaseReading]) -> pl.DataFrame:
    """Select the findings of releases that the other releases leave in place.

    A correction without a cell stays if no release has the cell. An unused name stays if the newest release lacks it.
    An expired correction stays if no later release has the period.
    """
    whole_source = pl.col("release").is_null()
    tables = [empty_table(FINDING_COLUMNS)]
    later = empty_table(SLICE_COLUMNS)
    for reading in reversed(readings):
        newest, standing = reading is readings[-1], reading.finding
        if standing.height and standing["check"].is_in([UNUSED_CORRECTION, UNUSED_NAME]).any():
            unused = (pl.col("check") == UNUSED_CORRECTION) & whole_source
            standing = standing.filter(~unused, pl.lit(newest) | (pl.col("check") != UNUSED_NAME))
            expired = standing.filter(pl.col("check") == UNUSED_CORRECTION)
            superseded = expired.join(later, on=["measure", "period_start"], how="semi")
            standing = standing.join(
                superseded, on=standing.columns, how="anti", nulls_equal=True, maintain_order="left"
            )
        tables.append(standing)
        later = later.vstack(reading.slices)
    return pl.concat([*reversed(tables), _corrections_without_cell(readings)])


def _corrections_without_cell(readings: list[ReleaseReading]) -> pl.DataFrame:
    """Return the findings for corrections of cells that no release has."""
    if any(reading.finding.is_empty() for reading in readings):
        return empty_table(FINDING_COLUMNS)
    unused = [
        reading.finding.filter(pl.col("check") == UNUSED_CORRECTION, pl.col("release").is_null())
        for reading in readings
    ]
    result = unused[0] if unused else empty_table(FINDING_COLUMNS)
    for other in unused[1:]:
        result = result.join(other, on="evidence", how="semi", maintain_order="left")
    return result


_FINDING_ORDER = {"readable": 0, UNUSED_CORRECTION: 1, "contract": 2, UNUSED_NAME: 3, "recalled_release": 4}


def _sort_findings(finding: pl.DataFrame) -> pl.DataFrame:
    """Sort findings: of files and declarations first, then of rows, with narrowed bounds last."""
    if finding.is_empty():
        return finding
    group = pl.col("check").replace_strict(_FINDING_ORDER, default=5, return_dtype=pl.Int64)
    of_release = pl.when(pl.col("release").is_not_null()).then(5).otherwise(group)
    last = pl.when(pl.col("check") == "narrowed_bounds").then(6).otherwise(of_release)
    return finding.sort(last, maintain_order=True)


def _members_by_system(context: ReadingContext) -> dict[str, pl.DataFrame]:
    """Return, for each geography of a source's releases, the covered places within each larger place."""
    coverage = context.source.coverage
    return {
        variant.source.geography or "": covered_members(variant.own, coverage)
        for variant in (context, *context.earlier)
    }


def _unknown_recall_findings(home: Path, name: str, source: Source) -> pl.DataFrame:
    """Return findings for declared recalls that match no stored file by sha256."""
    messages = unknown_recalls(source, [entry.sha256 for entry in source_snapshots(home, name)])
    remedy = "Correct the sha256 under withdrawn: `commonground snapshots` lists them."
    return build_unmatched_findings(name, "recalled_release", "recalled", messages, f"{name}.yaml", remedy)
