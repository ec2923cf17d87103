"""Checks of places and periods: missing places, suppressed figures, rounding, and skipped periods."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from checks.finding import CheckInput, build_findings, no_findings
from checks.series import Numbers, Slices, number_slices, split_measures
from pipelines.core.distinct import number_entries
from pipelines.core.periods import format_period
from pipelines.core.slices import slice_starts
from pipelines.core.table_cache import keep_results
from pipelines.declarations.source import Source

_SLICE_KEY = ["measure", "period_start", "period_end"]
_ABSENCE = {"measure": pl.String, "place_code": pl.String, "place_label": pl.String, "period_start": pl.Date,
            "period_end": pl.Date, "rows": pl.UInt32}  # fmt: skip
_HIDDEN_STATUSES = {
    "suppressed": ["confidential", "low"],
    "not_available": ["not_available"],
    "not_applicable": ["not_applicable"],
}


def _usable_cells(release: CheckInput, *columns: str) -> pl.DataFrame:
    """Return some columns of the cells without a fault: a copy of all columns would take most of the time."""
    wanted, fault = release.cells[list(columns)], release.cells["fault"]
    return wanted.filter(fault.is_null()) if fault.null_count() < wanted.height else wanted


def find_missing_places(release: CheckInput) -> pl.DataFrame:
    """Find places in covered nations without a row in a period that has rows for other places."""
    covered, own = _list_covered(release.places, release.source.coverage)
    sound = _usable_cells(release, *_SLICE_KEY, "place_code").with_columns(pl.lit(0).alias("order"))
    lists = [_list_absences(number_slices(cells), covered, own) for _, cells in split_measures(sound)]
    missing = [absences for absences in lists if absences is not None]
    if not missing:
        return no_findings()
    with_evidence = pl.concat(missing).with_columns(
        pl.format("no row in {} periods that have rows for other places", "rows").alias("evidence")
    )
    returns = release.source.returns
    reason = (returns.absent_row if returns else None) or "not_returned"
    return build_findings(release, "missing_places", reason, with_evidence)


@keep_results(16)
def _list_covered(places: pl.DataFrame, coverage: tuple[str, ...]) -> tuple[pl.DataFrame, Numbers]:
    """Return the places in covered nations by code, and the numbers of their codes as categories.

    Codes of rows are categories of the same pool, so equal codes have equal numbers. Many sources have one geography.
    """
    covered = places.filter(pl.col("nation").is_in(list(coverage))).sort("place_code")
    return covered, covered["place_code"].cast(pl.Categorical).to_physical().to_numpy()


def _list_absences(slices: Slices, covered: pl.DataFrame, own: Numbers) -> pl.DataFrame | None:
    """Return the covered places without a row in some reference periods of one measure (_ABSENCE), by code.

    None if all have one. `own` has the numbers of the covered codes as categories. Marks rows in a matrix of places and
    periods, because nearly every pair has one.
    """
    given, column = _list_given_places(slices)
    row_of = np.full(max(own.max(initial=0), given.max(initial=0)) + 1, -1)
    row_of[own] = np.arange(len(own))
    row = row_of[given]
    is_covered = row >= 0
    is_missing = np.ones((len(own), int(slices.slice.max()) + 1), dtype=bool)
    is_missing[row[is_covered], column[is_covered]] = False
    if not is_missing.any():
        return None
    some_row = np.zeros(is_missing.shape[1], dtype=np.intp)
    some_row[slices.slice] = np.arange(len(slices.slice))
    spans = slices.rows.select(_SLICE_KEY)[some_row]
    place, span = np.nonzero(is_missing)
    named = covered.select("place_code", pl.col("place_name").alias("place_label"))[place]
    by_place = pl.concat([named, spans[span]], how="horizontal").group_by(
        "measure", "place_code", "place_label", maintain_order=True
    ).agg(pl.col("period_start").min(), pl.col("period_end").max(), pl.len().alias("rows"))  # fmt: skip
    return by_place.select(pl.col(name).cast(dtype) for name, dtype in _ABSENCE.items())


def _list_given_places(slices: Slices) -> tuple[Numbers, Numbers]:
    """Return the numbers of the places with a row, as categories, and of their slices; a joint code is its parts."""
    places = slices.rows["place_code"].cast(pl.Categorical)
    given = places.to_physical().to_numpy()
    by_code, every_code = number_entries(places)
    codes = [code or "" for code in every_code.cast(pl.String).to_list()]
    if "+" not in "".join(codes):
        return given, slices.slice
    joint = np.array(["+" in code for code in codes], bool)
    in_joint = np.flatnonzero(joint[by_code])
    parts = pl.DataFrame({"place_code": places.gather(in_joint).cast(pl.String), "slice": slices.slice[in_joint]})
    parts = parts.with_columns(pl.col("place_code").str.split("+")).explode("place_code")
    numbers = parts["place_code"].cast(pl.Categorical).to_physical().to_numpy()
    return np.concatenate([given, numbers]), np.concatenate([slices.slice, parts["slice"].to_numpy()])


def count_hidden_cells(release: CheckInput) -> pl.DataFrame:
    """Count the cells that are suppressed or not available, by measure, marker and period."""
    columns = (*_SLICE_KEY, "obs_status", "published_marker", "place_code")
    every = [status for statuses in _HIDDEN_STATUSES.values() for status in statuses]
    present = number_entries(release.cells["obs_status"]).entries.cast(pl.String).to_list()
    if set(every).isdisjoint(present):
        return no_findings()
    hidden = _usable_cells(release, *columns).filter(pl.col("obs_status").is_in(every))
    counts = [
        _count_by_marker(release, reason, hidden.filter(pl.col("obs_status").is_in(statuses)))
        for reason, statuses in _HIDDEN_STATUSES.items()
    ]
    return pl.concat(counts)


def _count_by_marker(release: CheckInput, reason: str, rows: pl.DataFrame) -> pl.DataFrame:
    if rows.is_empty():
        return no_findings()
    marker = pl.col("published_marker").cast(pl.String).fill_null("(blank)")
    by_marker = rows.group_by(*_SLICE_KEY, marker, maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("place_code").cast(pl.String).sort().head(5).str.join(", ").alias("some")
    )
    with_evidence = by_marker.with_columns(
        pl.format("{} cells with marker {}: {} ...", "rows", "published_marker", "some").alias("evidence")
    )
    return build_findings(release, "hidden_cells", reason, with_evidence)


def note_rounding(release: CheckInput) -> pl.DataFrame:
    """Note each measure with rounding or noise, and whether its figures agree with the declared rounding."""
    inexact = {name: item for name, item in release.source.measures.items() if item.rounding or item.perturbed}
    if not inexact:
        return no_findings()
    cells = _usable_cells(release, "measure", "value")
    known = cells.filter(cells["value"].is_not_null())
    return pl.concat(_note_measure(release, name, known["value"].filter(known["measure"] == name)) for name in inexact)


def _note_measure(release: CheckInput, name: str, figures: pl.Series) -> pl.DataFrame:
    measure = release.source.measures[name]
    if measure.rounding:
        base, steps = measure.rounding, figures / measure.rounding
        off = int(((steps - steps.round()).abs() > 1e-6).sum())
        evidence = f"rounded to {base:g} {measure.unit}; {off} figures are not multiples of {base:g}"
    else:
        evidence = "the publisher adds noise; totals may differ from the sum of their parts"
    row = pl.DataFrame([{"measure": name, "rows": figures.len(), "evidence": evidence}])
    return build_findings(release, "rounded_measures", "rounded" if measure.rounding else "perturbed", row)


def list_combined_areas(release: CheckInput) -> pl.DataFrame:
    """List places published together, as declared; undeclared ones are flagged (together)."""
    codes = number_entries(release.cells["place_code"]).entries.cast(pl.String).to_list()
    if not any("+" in (code or "") for code in codes):
        return no_findings()
    cells = _usable_cells(release, *_SLICE_KEY, "place_code", "place_label", "value")
    rows = cells.filter(pl.col("place_code").cast(pl.String).str.contains("+", literal=True))
    with_evidence = rows.select(
        *_SLICE_KEY, "place_code", "place_label", pl.col("value").alias("sum_of_values"), pl.lit(1).alias("rows"),
        pl.lit("one figure for several places together, counted once").alias("evidence"),
    )  # fmt: skip
    return build_findings(release, "combined_areas", "combined_area", with_evidence)


def find_skipped_periods(release: CheckInput) -> pl.DataFrame:
    """Find months, quarters or years that are missing between the periods of a release."""
    if not _is_regular(release.source):
        return no_findings()
    spans: dict[str, list[tuple[date, date]]] = {name: [] for name in release.source.measures}
    keys = _usable_cells(release, *_SLICE_KEY)
    # Few rows begin a slice, in a file by period; each slice is there again and again in others.
    for measure, start, end in keys[slice_starts(keys)].unique().sort("period_start").iter_rows():
        if measure in spans:
            spans[measure].append((start, end))
    rows = [
        (measure, before[1] + timedelta(days=1), after[0] - timedelta(days=1),
         f"the release has no period between {format_period(*before)} and {format_period(*after)}")
        for measure, ordered in spans.items()
        for before, after in pairwise(ordered)
        if after[0] > before[1] + timedelta(days=1)
    ]  # fmt: skip
    if not rows:
        return no_findings()
    schema = {"measure": pl.String, "period_start": pl.Date, "period_end": pl.Date, "evidence": pl.String}
    return build_findings(
        release, "skipped_periods", "no_figure_for_period", pl.DataFrame(rows, schema=schema, orient="row")
    )


def _is_regular(source: Source) -> bool:
    return source.period is None and len(source.period_kind) == 1 and source.period_kind != ("day",)
