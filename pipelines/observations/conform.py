"""Conversion of a table of text to observations: one row for each published cell, with code, period, value and bounds.

No row is dropped. A cell that cannot be used keeps its row, with a fault: the reason and what was found. Checks turn
faults into findings. Observations are the rows without a fault.
"""

from collections.abc import Collection
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from checks import find_impossible_figures
from pipelines.core.digits import drop_float_error
from pipelines.core.distinct import find_repeated, number_entries, number_rows, sort_rows
from pipelines.core.geocodes import gss_code_kind, is_code_of_kind, is_pseudo_code
from pipelines.core.schema import (
    CATEGORY,
    ENCODED_TEXTS,
    OBSERVATION_COLUMNS,
    PLACE_COLUMNS,
    STATUS,
    STATUSES_WITHOUT_VALUE,
    Column,
    conform_table,
    empty_table,
)
from pipelines.core.slices import SLICE_KEY, count_repeated_texts, slice_starts
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.corrections import Correction, apply_corrections
from pipelines.declarations.source import Source
from pipelines.geography import (
    KnownCodes,
    describe_unknown_code,
    describe_use,
    find_code,
    fold_name,
    split_combined_label,
    summarise_known_codes,
)
from pipelines.observations.published_limits import add_published_limits
from pipelines.observations.reference_period import add_period
from pipelines.readers import Sheet, match_texts, melt_sheet, parse_band, parse_values, set_fault, strip_footnote_mark

_SHARED = (*ENCODED_TEXTS, "source", "release", "geography", "unit", "file")
CELLS: dict[str, Column] = {
    **{
        name: column._replace(dtype=CATEGORY if name in _SHARED else column.dtype)
        for name, column in OBSERVATION_COLUMNS.items()
    },
    "obs_status": Column(STATUS, OBSERVATION_COLUMNS["obs_status"].meaning),
    "text": Column(pl.String, "The cell as printed"),
    "expired": Column(pl.String, "Correction that no longer applies because the printed text changed, or null"),
    "fault": Column(pl.String, "Reason why the cell cannot be used; null where it can"),
    "fault_evidence": Column(pl.String, "What was found"),
}
"""An observation, its printed text and, where it cannot be used, its fault. Texts that cells share are encoded."""


class _CodeTables(NamedTuple):
    system: frozenset[str]
    ever: dict[str, str]
    names: dict[str, str]
    register: pl.DataFrame = empty_table(PLACE_COLUMNS)


class Codes(_CodeTables):
    """Codes and names for reading a source: codes of its geography, every code of any time, names, and the register."""

    def own_names(self, codes: Collection[str]) -> dict[str, set[str]]:
        """Return every name that each code has had, in compared form."""
        rows = self.register.filter(pl.col("place_code").is_in(sorted(codes)))
        names: dict[str, set[str]] = {code: set() for code in codes}
        for code, *texts in rows.select("place_code", "place_name", "place_name_welsh").iter_rows():
            names[code] |= {fold_name(text) for text in texts if text}
        return names

    def add_names(self, reviewed: dict[str, str]) -> "Codes":
        """Return the same codes with the reviewed names of a source, which take precedence."""
        own = {fold_name(label): code for label, code in reviewed.items()}
        return Codes(self.system, self.ever, self.names | own, self.register)

    @cached_property
    def known(self) -> KnownCodes:
        """Facts about codes outside the geography; few files need them."""
        return summarise_known_codes(self.ever, self.register)


def conform_release(
    sheet: Sheet, name: str, source: Source, snapshot: Snapshot, codes: Codes, corrections: tuple[Correction, ...] = ()
) -> pl.DataFrame:
    """Convert one release of a source to cells (CELLS), one for each cell of every measure, with corrections applied.

    Values are in the measure's unit. lower_bound and upper_bound are the bounds from rounding or from a suppression
    rule. Raises UnreadableError where a declared column is missing or a heading has an unknown form.
    """
    cells = _encode_texts(melt_sheet(sheet, source))
    cells = _fault_ragged_rows(add_period(cells, sheet, source, snapshot), sheet)
    cells = _combine_labelled_places(_assign_place_codes(cells, source, codes), source, codes)
    cells = _fault_contradicting_labels(cells, source, codes)
    cells = apply_corrections(cells, corrections, source)
    cells = parse_values(cells, source).with_columns(pl.col("printed").alias("text"))
    cells = _fault_impossible_figures(cells, source)
    cells = _add_rounding_bounds(cells, source)
    cells = add_published_limits(cells, source)
    cells = _sort_cells(_fault_duplicates(_combine_codes(cells, source)))
    return conform_table(
        cells.with_columns(
            pl.lit(name).alias("source"),
            pl.lit(snapshot.sha256).alias("release"),
            pl.lit(snapshot.released).alias("released_at"),
            pl.lit(sheet.file).alias("file"),
            pl.lit(source.geography).alias("geography"),
        ),
        CELLS,
    )


_REPEATED_TEXTS = ("code_text", "place_label", "status_text", "period_text", "measure", "file_column")
"""Columns of cells with few distinct texts. Each text is read once, and rows have its number."""


def _encode_texts(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.with_columns(pl.col(name).cast(pl.Categorical) for name in _REPEATED_TEXTS if name in cells.columns)


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
    numbers, distinct = number_entries(cells[key])
    texts = distinct.cast(pl.String).to_list()
    skipped = match_texts(texts, source.skip_rows)
    if (
        by_code
        and not skipped
        and not source.footnotes
        and codes.system.issuperset(texts)
        and not (source.totals.keys() & texts)
    ):
        # Every code is of the geography, so it needs no reading.
        return cells.with_columns(pl.col(key).alias("place_code"))
    schema = {"place_code": pl.Categorical, "_fault": pl.String, "_evidence": pl.String}
    match = pl.DataFrame([_match_code(text, source, codes, by_code) for text in texts], schema, orient="row")
    placed = cells.with_columns(match[numbers].get_columns())
    if skipped:
        placed = placed.filter(pl.Series(np.array([text not in skipped for text in texts], bool)[numbers]))
    if placed["_fault"].null_count() == placed.height:
        return placed.drop("_fault", "_evidence")
    return placed.with_columns(
        pl.coalesce("fault", "_fault").alias("fault"),
        pl.coalesce("fault_evidence", "_evidence").alias("fault_evidence"),
    ).drop("_fault", "_evidence")


def _combine_labelled_places(cells: pl.DataFrame, source: Source, codes: Codes) -> pl.DataFrame:
    """Give the figures of a label that names several places, one of them by its code, a code for all of them.

    A file may add a neighbour to the label of a place, from one day on, and leave the code as it was.
    """
    if not (source.columns and source.columns.label):
        return cells
    key = ["place_code", "place_label"]
    pairs = cells.select(key).unique(maintain_order=True).rows()
    declared = {frozenset(group): group for group in source.published_together}
    combined = {}
    for code, label in pairs:
        named = split_combined_label(strip_footnote_mark(label or "", source.footnotes), codes.names)
        if named and (code is None or code in named):
            combined[f"{code or ''}\t{label}"] = "+".join(declared.get(frozenset(named), named))
    if not combined:
        return cells
    pair = pl.concat_str(pl.col("place_code").cast(pl.String).fill_null(""), pl.col("place_label").cast(pl.String),
                         separator="\t")  # fmt: skip
    code = pair.replace_strict(combined, default=None, return_dtype=pl.String)
    is_combined = code.is_not_null() & (pl.col("fault").is_null() | (pl.col("fault") == "unmatched_place"))
    return cells.with_columns(
        pl.when(is_combined).then(code).otherwise(pl.col("place_code").cast(pl.String)).cast(pl.Categorical)
        .alias("place_code"),
        *(pl.when(~is_combined).then(name).alias(name) for name in ("fault", "fault_evidence")),
    )  # fmt: skip


_ALIKE = 0.95
"""Least similarity of the letters and digits of two spellings of one name, 0 to 1: `St Johns` and `St John's`."""


def _fault_contradicting_labels(cells: pl.DataFrame, source: Source, codes: Codes) -> pl.DataFrame:
    """Fault cells with the code of one place of the geography and the name of another."""
    if not (source.columns and source.columns.place and source.columns.label):
        return cells
    key = ["place_code", "place_label"]
    pairs = cells.filter(pl.col("fault").is_null()).select(key).drop_nulls().unique(maintain_order=True).rows()
    others = {pair: other for pair in pairs if (other := _find_other_place(pair[0], pair[1], codes)) is not None}
    own = codes.own_names({code for code, _ in others})
    wrong = {
        (code, label): f"{code}: {label} is the name of {other}"
        for (code, label), other in others.items()
        if own[code] and not any(_are_alike(part, name) for part in _fold_parts(label) for name in own[code])
    }
    if not wrong:
        return cells
    pair = pl.concat_str(*(pl.col(name).cast(pl.String) for name in key), separator="\t")
    texts = {"\t".join(names): text for names, text in wrong.items()}
    evidence = pair.replace_strict(texts, default=None, return_dtype=pl.String)
    return set_fault(cells, pair.is_in(list(texts)), "label_contradicts_code", evidence)


def _find_other_place(code: str, label: str, codes: Codes) -> str | None:
    """Return the one place that a label names, in one language or two, if the code is of another."""
    named = {other for part in _fold_parts(label) if (other := codes.names.get(part))}
    return named.pop() if len(named) == 1 and code not in named else None


def _fold_parts(label: str) -> list[str]:
    return [fold_name(label), *(fold_name(part) for part in label.split(" / "))]


def _are_alike(one: str, other: str) -> bool:
    letters, others = ("".join(filter(str.isalnum, name)) for name in (one, other))
    return SequenceMatcher(None, letters, others).ratio() >= _ALIKE


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
    code = text if by_code else find_code(text, codes.names)
    if code in codes.system:
        return code, None, None
    if code and is_pseudo_code(code):
        return None, "unallocated", f"{code}: a pseudo code for no place"
    kind, registered_kind = (source.geography or "").rsplit("_", 1)[0], codes.ever.get(code or "")
    if code and registered_kind and is_code_of_kind(kind, code, registered_kind):
        evidence = f"{code}: a code of another vintage than {source.geography}"
        return code, "retired_code", evidence + describe_use(code, codes.known, source.geography or "")
    tier = registered_kind or (gss_code_kind(code) if code else None)
    if code and tier and (registered_kind or not is_code_of_kind(kind, code, None)):
        return code, "total", f"{code}: a {tier}, another tier than {source.geography}"
    if not by_code:
        return None, "unmatched_place", f"{text or 'blank'}: no name of {source.geography}"
    return text or None, *describe_unknown_code(text, codes.known, source.geography or "")


def _fault_impossible_figures(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Fault numbers that cannot be figures of their measure (checks.find_impossible_figures).

    A number used as a marker is no value of any row, and neither is a negative count of a larger place.
    """
    faults = find_impossible_figures(cells, source)
    if faults.is_empty():
        return cells
    row, fault = faults["_cell"], faults["fault"]
    # A printed division by 0 is more than unreadable text.
    before = cells["fault"][row]
    is_new = before.is_null() | ((before == "unreadable") & (fault == "zero_denominator")).fill_null(False)
    void = row.filter((fault == "numeric_marker") | ~is_new)
    new = faults.filter(is_new)
    return cells.with_columns(
        cells["value"].scatter(void, None),
        cells["fault"].scatter(new["_cell"], new["fault"]),
        cells["fault_evidence"].scatter(new["_cell"], new["evidence"]),
    )


def _by_measure(values: dict[str, Any], dtype: Any) -> pl.Expr:
    """Return the value that the declaration gives for the measure of a cell."""
    if len(set(values.values())) == 1:
        return pl.lit(next(iter(values.values())), dtype)
    return pl.col("measure").replace_strict(values, return_dtype=dtype)


def _add_half(exact: pl.Expr, half: pl.Expr) -> pl.Expr:
    """Add half a rounding base to figures; one without a base stays as published, to its last digit."""
    return pl.when(half == 0).then(exact).otherwise(drop_float_error(exact + half))


def _add_rounding_bounds(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Add the bounds and unit of cells, and fault values outside the range of their measure."""
    measures = source.measures
    is_rounded = any(measure.rounding for measure in measures.values())
    half = _by_measure({name: (measure.rounding or 0.0) / 2 for name, measure in measures.items()}, pl.Float64)
    limits = {
        name: measure.range or (0.0 if measure.kind != "index" else None, None) for name, measure in measures.items()
    }
    floor, ceiling = (_by_measure({name: pair[n] for name, pair in limits.items()}, pl.Float64) for n in (0, 1))
    # Figures with noise, from a sample or a model, or marked as estimated give no bounds.
    uncertain = _by_measure({name: measure.is_uncertain for name, measure in measures.items()}, pl.Boolean)
    exact = pl.when(~uncertain & ~pl.col("obs_status").is_in(["estimated", "forecast"])).then("value")
    bounded = cells.with_columns(
        pl.max_horizontal(_add_half(exact, -half) if is_rounded else exact, pl.when(exact >= 0).then(floor)).alias(
            "lower_bound"
        ),
        pl.min_horizontal(
            _add_half(exact, half) if is_rounded else exact, pl.when(exact.is_not_null()).then(ceiling)
        ).alias("upper_bound"),
        _by_measure({name: measure.unit for name, measure in measures.items()}, pl.String).alias("unit"),
    )
    ranged = [name for name, measure in measures.items() if measure.range]
    if not ranged:
        return bounded
    outside = pl.col("measure").is_in(ranged) & ~pl.col("value").is_between(floor, ceiling)
    return set_fault(bounded, outside, "implausible", pl.format("found {}, expected {} to {}", "value", floor, ceiling))


def add_marker_bounds(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Add to suppressed cells the bounds that the rule of their marker gives."""
    is_hidden = pl.col("obs_status").is_in(sorted(STATUSES_WITHOUT_VALUE))
    rows = cells.select(is_hidden.fill_null(False).arg_true()).to_series()
    if rows.is_empty():
        return cells
    hidden = cells.select("measure", "published_marker")[rows]
    scale = _by_measure({name: measure.scale for name, measure in source.measures.items()}, pl.Float64)
    declared = (
        {text: marker.lower_bound for text, marker in source.markers.items()},
        {text: marker.upper_bound for text, marker in source.markers.items()},
    )
    bounds = hidden.select(
        pl.coalesce(
            pl.col("published_marker").cast(pl.String).replace_strict(by_text, default=None, return_dtype=pl.Float64),
            parse_band(pl.col("published_marker").cast(pl.String), end) * scale,
        ).alias(name)
        for end, (name, by_text) in enumerate(zip(_BOUNDS, declared, strict=True), start=1)
    )
    return cells.with_columns(cells[name].scatter(rows, bounds[name]) for name in _BOUNDS)


_BOUNDS = ("lower_bound", "upper_bound")


def _combine_codes(cells: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Give places published together one code, so that their figure counts once."""
    combined_codes = {code: "+".join(group) for group in source.published_together for code in group}
    cells = add_marker_bounds(cells, source)
    return cells.with_columns(pl.col("place_code").replace(combined_codes)) if combined_codes else cells


_CELL_KEY = ["measure", "period_start", "period_end", "place_code"]


def _fault_duplicates(cells: pl.DataFrame) -> pl.DataFrame:
    """Keep one of several identical rows for a place and period; fault rows that differ."""
    keys = cells.select("fault", *_CELL_KEY)
    sound = None if not keys["fault"].null_count() < cells.height else keys["fault"].is_null().arg_true()
    if sound is None and _repeats_distinct_places(keys):
        return cells
    repeated = find_repeated(number_rows(keys if sound is None else keys[sound], _CELL_KEY))
    if not len(repeated):
        return cells
    rows = repeated if sound is None else sound.gather(repeated)
    again = cells.with_row_index("_cell")[rows]
    figure = pl.struct("value", "obs_status", "interval_lower", "interval_upper")
    counted = again.select(
        "_cell",
        figure.n_unique().over(_CELL_KEY).alias("different"),
        pl.len().over(_CELL_KEY).alias("rows"),
        (pl.col("_cell") == pl.col("_cell").min().over(_CELL_KEY)).alias("first"),
    )
    differing, same = pl.col("different") > 1, ~pl.col("first")
    evidence = pl.format("{} rows of the file, {} different figures", "rows", "different")
    faulted = counted.filter(differing | same).select(
        "_cell",
        pl.when(differing).then(pl.lit("duplicate")).otherwise(pl.lit("repeat")).alias("fault"),
        pl.when(differing).then(evidence).otherwise(pl.lit("repeats another row")).alias("evidence"),
    )
    return cells.with_columns(
        cells["fault"].scatter(faulted["_cell"], faulted["fault"]),
        cells["fault_evidence"].scatter(faulted["_cell"], faulted["evidence"]),
    )


def _repeats_distinct_places(cells: pl.DataFrame) -> bool:
    """Return whether all slices differ and each has the same places once, as in most files."""
    starts = slice_starts(cells)
    places = count_repeated_texts(cells["place_code"], starts)
    if places is None or cells.select(SLICE_KEY)[starts].is_duplicated().any():
        return False
    return cells["place_code"].head(places).n_unique() == places


def _sort_cells(cells: pl.DataFrame) -> pl.DataFrame:
    """Sort cells by measure and position in the file; most files are in this order already."""
    rows = cells["file_row"].to_numpy()
    if number_entries(cells["measure"]).entries.len() <= 1 and bool((rows[1:] > rows[:-1]).all()):
        return cells
    order = sort_rows(number_rows(cells, ["measure", "file_row", "period_start", "file_column"], ordered=True))
    return cells if order is None else cells[order]
