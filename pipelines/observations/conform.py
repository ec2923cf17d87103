"""Conversion of a table of text to observations: one row for each published cell, with code, period, value and bounds.

No row is dropped. A cell that cannot be used keeps its row, with a fault: the reason and what was found. Checks turn
faults into findings. Observations are the rows without a fault.
"""

from typing import NamedTuple

import polars as pl

from pipelines.core.geocodes import gss_code_kind, is_code_of_kind, is_pseudo_code
from pipelines.core.schema import OBSERVATION_COLUMNS, STATUSES_WITHOUT_VALUE, Column, conform_table
from pipelines.core.store import Snapshot
from pipelines.declarations.corrections import Correction, apply_corrections
from pipelines.declarations.measure import Measure
from pipelines.declarations.source import Source
from pipelines.geography import fold_name
from pipelines.observations.published_limits import add_published_limits
from pipelines.observations.reference_period import add_period
from pipelines.readers import Sheet, match_texts, melt_sheet, parse_values, strip_footnote_mark

CELLS: dict[str, Column] = {
    **OBSERVATION_COLUMNS,
    "text": Column(pl.String, "The cell as printed"),
    "expired": Column(pl.String, "Correction that no longer applies because the printed text changed, or null"),
    "fault": Column(pl.String, "Reason why the cell cannot be used; null where it can"),
    "fault_evidence": Column(pl.String, "What was found"),
}
"""An observation, its printed text and, where it cannot be used, its fault."""


class Codes(NamedTuple):
    """Codes and names for reading a source: codes of its geography, every code in the register, and names."""

    system: frozenset[str]
    ever: dict[str, str]
    names: dict[str, str]


def conform_release(
    sheet: Sheet, name: str, source: Source, snapshot: Snapshot, codes: Codes, corrections: tuple[Correction, ...] = ()
) -> pl.DataFrame:
    """Convert one release of a source to cells (CELLS), one for each cell of every measure, with corrections applied.

    Values are in the measure's unit. lower_bound and upper_bound are the bounds from rounding or from a suppression
    rule. Raises UnreadableError where a declared column is missing or a heading has an unknown form.
    """
    cells = melt_sheet(sheet, source)
    cells = _fault_ragged_rows(add_period(cells, sheet, source, snapshot), sheet)
    cells = _assign_place_codes(cells, source, codes)
    cells = apply_corrections(cells, corrections, source)
    cells = parse_values(cells, source).with_columns(pl.col("printed").alias("text"))
    cells = pl.concat([_add_rounding_bounds(cells, key, measure) for key, measure in source.measures.items()])
    cells = add_published_limits(cells, source)
    cells = cells.with_columns(
        pl.lit(name).alias("source"),
        pl.lit(snapshot.sha256).alias("release"),
        pl.lit(snapshot.released).alias("released_at"),
        pl.lit(sheet.file).alias("file"),
    )
    return _fault_duplicates(_combine_codes(conform_table(cells, CELLS), source))


def _fault_ragged_rows(cells: pl.DataFrame, sheet: Sheet) -> pl.DataFrame:
    """Fault the cells of rows with more fields than headings, because their columns are ambiguous."""
    if not sheet.ragged_rows:
        return cells
    bad = pl.col("file_row").is_in(list(sheet.ragged_rows))
    evidence = pl.lit("its row has more fields than headings, so its columns are ambiguous")
    return cells.with_columns(
        pl.when(bad).then(pl.lit("unreadable")).otherwise("fault").alias("fault"),
        pl.when(bad).then(evidence).otherwise("fault_evidence").alias("fault_evidence"),
    )


def _assign_place_codes(cells: pl.DataFrame, source: Source, codes: Codes) -> pl.DataFrame:
    """Add the code of the place to every cell, and fault rows without a place or with an unknown one."""
    by_code = bool(source.place or (source.columns and source.columns.place))
    key = "code_text" if by_code else "place_label"
    texts = cells[key].unique().to_list()
    match = {text: _match_code(text, source, codes, by_code) for text in texts}
    cells = cells.filter(~pl.col(key).is_in(match_texts(texts, source.skip_rows)))
    code = pl.col(key).replace_strict({t: c for t, (c, _, _) in match.items()}, return_dtype=pl.String)
    fault = pl.col(key).replace_strict({t: f for t, (_, f, _) in match.items()}, return_dtype=pl.String)
    evidence = pl.col(key).replace_strict({t: e for t, (_, _, e) in match.items()}, return_dtype=pl.String)
    return cells.with_columns(
        code.alias("place_code"),
        pl.coalesce("fault", fault).alias("fault"),
        pl.coalesce("fault_evidence", evidence).alias("fault_evidence"),
        pl.lit(source.geography).alias("geography"),
    )


def _match_code(text: str, source: Source, codes: Codes, by_code: bool) -> tuple[str | None, str | None, str | None]:
    """Return the code for a published code or name, or the fault and what was found."""
    text = strip_footnote_mark(text, source.footnotes)
    if by_code:
        # A workbook marks text with a leading apostrophe, and some programs write it to the file.
        text = text.removeprefix("'").strip()
    if text in source.totals and text not in source.unallocated:
        return source.totals[text], "total", f"{text}: the publisher's total"
    if text in source.unallocated:
        return None, "unallocated", f"{text}: the publisher's row for figures without a place"
    code = text if by_code else codes.names.get(fold_name(text))
    if code in codes.system:
        return code, None, None
    if code and is_pseudo_code(code):
        return None, "unallocated", f"{code}: a pseudo code for no place"
    kind, registered_kind = (source.geography or "").rsplit("_", 1)[0], codes.ever.get(code or "")
    if code and registered_kind and is_code_of_kind(kind, code, registered_kind):
        return code, "retired_code", f"{code}: a code of another vintage than {source.geography}"
    tier = registered_kind or (gss_code_kind(code) if code else None)
    if code and tier and (registered_kind or not is_code_of_kind(kind, code, None)):
        return code, "total", f"{code}: a {tier}, another tier than {source.geography}"
    return (
        (text or None) if by_code else None,
        "unmatched_place",
        f"{text or 'blank'}: no {'code' if by_code else 'name'} of {source.geography}",
    )


def _add_rounding_bounds(cells: pl.DataFrame, key: str, measure: Measure) -> pl.DataFrame:
    """Add the bounds and unit of one measure's cells, and fault values outside its range."""
    half = (measure.rounding or 0.0) / 2
    floor, ceiling = measure.range or (0.0 if measure.kind != "index" else None, None)
    # Figures with noise, from a sample or a model, or marked as estimated give no bounds.
    is_certain = pl.lit(not measure.is_uncertain) & ~pl.col("obs_status").is_in(["estimated", "forecast"])
    exact = pl.when(is_certain).then("value")
    is_implausible = pl.lit(False)
    if measure.range:
        is_implausible = pl.col("value").is_not_null() & ~pl.col("value").is_between(*measure.range)
    evidence = pl.format("found {}, expected {} to {}", "value", pl.lit(floor), pl.lit(ceiling))
    lowest = pl.when(exact >= 0).then(pl.lit(floor, pl.Float64))
    highest = pl.when(exact.is_not_null()).then(pl.lit(ceiling, pl.Float64))
    return cells.filter(pl.col("measure") == key).with_columns(
        pl.max_horizontal(exact - half, lowest).alias("lower_bound"),
        pl.min_horizontal(exact + half, highest).alias("upper_bound"),
        pl.lit(measure.unit).alias("unit"),
        pl.coalesce("fault", pl.when(is_implausible).then(pl.lit("implausible"))).alias("fault"),
        pl.coalesce("fault_evidence", pl.when(is_implausible).then(evidence)).alias("fault_evidence"),
    )


def add_marker_bounds(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Add to suppressed cells the bounds that the rule of their marker gives."""
    low = {text: marker.lower_bound for text, marker in source.markers.items()}
    high = {text: marker.upper_bound for text, marker in source.markers.items()}
    hidden = pl.col("obs_status").is_in(sorted(STATUSES_WITHOUT_VALUE))
    return cells.with_columns(
        pl.when(hidden)
        .then(pl.col("published_marker").replace_strict(low, default=None, return_dtype=pl.Float64))
        .otherwise("lower_bound")
        .alias("lower_bound"),
        pl.when(hidden)
        .then(pl.col("published_marker").replace_strict(high, default=None, return_dtype=pl.Float64))
        .otherwise("upper_bound")
        .alias("upper_bound"),
    )


def _combine_codes(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Give places published together one code, so that their figure counts once."""
    combined_codes = {code: "+".join(group) for group in source.published_together for code in group}
    cells = add_marker_bounds(cells, source)
    return cells.with_columns(pl.col("place_code").replace(combined_codes)) if combined_codes else cells


def _fault_duplicates(cells: pl.DataFrame) -> pl.DataFrame:
    """Keep one of several identical rows for a place and period; fault rows that differ."""
    key = ["measure", "place_code", "period_start", "period_end"]
    sound = cells.filter(pl.col("fault").is_null())
    counted = sound.with_columns(
        pl.struct("value", "obs_status", "interval_lower", "interval_upper").n_unique().over(key).alias("_different"),
        pl.len().over(key).alias("_rows"),
    )
    evidence = pl.format("{} rows of the file, {} different figures", "_rows", "_different")
    faulted = counted.with_columns(
        pl.when(pl.col("_different") > 1).then(pl.lit("duplicate")).alias("fault"),
        pl.when(pl.col("_different") > 1).then(evidence).alias("fault_evidence"),
    ).drop("_different", "_rows")
    kept = faulted.filter(pl.col("fault").is_null()).unique(key, keep="first")
    repeats = faulted.filter(pl.col("fault").is_null()).join(
        kept, on=["measure", "file_row", "file_column"], how="anti"
    )
    repeats = repeats.with_columns(
        pl.lit("repeat").alias("fault"), pl.lit("repeats another row").alias("fault_evidence")
    )
    parts = [
        kept,
        faulted.filter(pl.col("fault").is_not_null()),
        repeats,
        cells.filter(pl.col("fault").is_not_null()),
    ]
    return pl.concat(parts).sort("measure", "file_row", "period_start", "file_column")
