"""Checks of places and periods: missing places, suppressed figures, rounding, and skipped periods."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from checks.finding import CheckInput, build_findings, no_findings
from checks.series import Slices, number_slices, split_measures
from pipelines.core.distinct import number_entries
from pipelines.core.periods import format_period
from pipelines.core.schema import FINDING_COLUMNS, empty_table
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
    wanted = release.cells.select("fault", *columns)
    return wanted.drop("fault") if wanted["fault"].null_count() == wanted.height else wanted.filter(
        pl.col("fault").is_null()
    ).drop("fault")  # fmt: skip


def find_missing_places(release: CheckInput) -> pl.DataFrame:
    """Find places in covered nations without a row in a period that has rows for other places."""
    covered = release.places.filter(pl.col("nation").is_in(list(release.source.coverage))).sort("place_code")
    sound = _usable_cells(release, *_SLICE_KEY, "place_code").with_columns(pl.lit(0).alias("order"))
    missing = [_list_absences(number_slices(cells), covered) for _, cells in split_measures(sound)]
    with_evidence = pl.concat([pl.DataFrame(schema=_ABSENCE), *missing]).with_columns(
        pl.format("no row in {} periods that have rows for other places", "rows").alias("evidence")
    )
    returns = release.source.returns
    reason = (returns.absent_row if returns else None) or "not_returned"
    return build_findings(release, "missing_places", reason, with_evidence)


def _list_absences(slices: Slices, covered: pl.DataFrame) -> pl.DataFrame:
    """Return the covered places without a row in some reference periods of one measure (_ABSENCE), by code.

    Marks rows in a matrix of places and periods, because nearly every pair has one.
    """
    codes = covered["place_code"]
    # Both are categories of one pool, so equal codes have equal numbers.
    own, places = codes.cast(pl.Categorical), slices.rows["place_code"].cast(pl.Categorical)
    by_code, every_code = number_entries(places)
    joint = every_code.cast(pl.String).str.contains("+", literal=True).fill_null(False).to_numpy()
    in_joint = np.flatnonzero(joint[by_code]) if joint.any() else np.empty(0, np.int64)
    parts = pl.DataFrame({"place_code": places.gather(in_joint).cast(pl.String), "slice": slices.slice[in_joint]})
    parts = parts.with_columns(pl.col("place_code").str.split("+")).explode("place_code")
    every = pl.concat([own, places, parts["place_code"].cast(pl.Categorical)]).to_physical().to_numpy()
    given, column = every[len(codes) :], np.concatenate([slices.slice, parts["slice"].to_numpy()])
    row_of = np.full(every.max(initial=0) + 1, -1)
    row_of[every[: len(codes)]] = np.arange(len(codes))
    is_covered = row_of[given] >= 0
    some_row = np.zeros(int(slices.slice.max()) + 1, dtype=np.intp)
    some_row[slices.slice] = np.arange(len(slices.slice))
    spans = slices.rows.select(_SLICE_KEY)[some_row]
    is_missing = np.ones((len(codes), spans.height), dtype=bool)
    is_missing[row_of[given][is_covered], column[is_covered]] = False
    place, span = np.nonzero(is_missing)
    named = covered.select("place_code", pl.col("place_name").alias("place_label"))[place]
    by_place = pl.concat([named, spans[span]], how="horizontal").group_by(
        "measure", "place_code", "place_label", maintain_order=True
    ).agg(pl.col("period_start").min(), pl.col("period_end").max(), pl.len().alias("rows"))  # fmt: skip
    return by_place.select(pl.col(name).cast(dtype) for name, dtype in _ABSENCE.items())


def count_hidden_cells(release: CheckInput) -> pl.DataFrame:
    """Count the cells that are suppressed or not available, by measure, marker and period."""
    columns = (*_SLICE_KEY, "obs_status", "published_marker", "place_code")
    every = [status for statuses in _HIDDEN_STATUSES.values() for status in statuses]
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
    notes = [
        _note_base(release, name, measure.rounding) if measure.rounding else _note_noise(release, name)
        for name, measure in release.source.measures.items()
        if measure.rounding or measure.perturbed
    ]
    return pl.concat([empty_table(FINDING_COLUMNS), *notes])


def _measure_figures(release: CheckInput, name: str) -> pl.DataFrame:
    cells = _usable_cells(release, "measure", "value")
    return cells.filter(pl.col("measure") == name, pl.col("value").is_not_null())


def _note_noise(release: CheckInput, name: str) -> pl.DataFrame:
    return _measure_finding(
        release, name, "perturbed", "the publisher adds noise; totals may differ from the sum of their parts"
    )


def _note_base(release: CheckInput, name: str, base: float) -> pl.DataFrame:
    steps = pl.col("value") / base
    off = _measure_figures(release, name).filter((steps - steps.round()).abs() > 1e-6)
    unit = release.source.measures[name].unit
    return _measure_finding(
        release, name, "rounded", f"rounded to {base:g} {unit}; {off.height} figures are not multiples of {base:g}"
    )


def _measure_finding(release: CheckInput, name: str, reason: str, evidence: str) -> pl.DataFrame:
    row = {"measure": name, "rows": _measure_figures(release, name).height, "evidence": evidence}
    return build_findings(release, "rounded_measures", reason, pl.DataFrame([row]))


def list_combined_areas(release: CheckInput) -> pl.DataFrame:
    """List places published together, as declared; undeclared ones are flagged (together)."""
    codes = number_entries(release.cells["place_code"]).entries.cast(pl.String)
    if not codes.str.contains("+", literal=True).any():
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
    every = _usable_cells(release, *_SLICE_KEY).unique().sort("period_start")
    rows = []
    for measure in release.source.measures:
        ordered = every.filter(pl.col("measure") == measure).select("period_start", "period_end").rows()
        rows += [
            (measure, before[1] + timedelta(days=1), after[0] - timedelta(days=1),
             f"the release has no period between {format_period(*before)} and {format_period(*after)}")
            for before, after in pairwise(ordered)
            if _is_regular(release.source) and after[0] > before[1] + timedelta(days=1)
        ]  # fmt: skip
    schema = {"measure": pl.String, "period_start": pl.Date, "period_end": pl.Date, "evidence": pl.String}
    return build_findings(
        release, "skipped_periods", "no_figure_for_period", pl.DataFrame(rows, schema=schema, orient="row")
    )


def _is_regular(source: Source) -> bool:
    return source.period is None and len(source.period_kind) == 1 and source.period_kind != ("day",)
