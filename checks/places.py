"""Checks of places and periods: missing places, suppressed figures, rounding, and skipped periods."""

from datetime import timedelta
from itertools import pairwise

import polars as pl

from checks.finding import CheckInput, build_findings
from pipelines.core.periods import format_period
from pipelines.core.schema import FINDING_COLUMNS, empty_table
from pipelines.declarations.source import Source

_SLICE_KEY = ["measure", "period_start", "period_end"]
_HIDDEN_STATUSES = {
    "suppressed": ["confidential", "low"],
    "not_available": ["not_available"],
    "not_applicable": ["not_applicable"],
}


def _usable_cells(release: CheckInput) -> pl.DataFrame:
    return release.cells.filter(pl.col("fault").is_null())


def find_missing_places(release: CheckInput) -> pl.DataFrame:
    """Find places in covered nations without a row in a period that has rows for other places."""
    covered = release.places.filter(pl.col("nation").is_in(list(release.source.coverage)))
    sound = (
        _usable_cells(release).with_columns(pl.col("place_code").cast(pl.String).str.split("+")).explode("place_code")
    )
    due = sound.select(_SLICE_KEY).unique().join(covered.select("place_code", "place_name"), how="cross")
    missing = due.join(sound, on=[*_SLICE_KEY, "place_code"], how="anti")
    by_place = missing.group_by("measure", "place_code", pl.col("place_name").alias("place_label")).agg(
        pl.col("period_start").min(), pl.col("period_end").max(), pl.len().alias("rows")
    )
    with_evidence = by_place.with_columns(
        pl.format("no row in {} periods that have rows for other places", "rows").alias("evidence")
    )
    return build_findings(release, "missing_places", "not_returned", with_evidence.sort("measure", "place_code"))


def count_hidden_cells(release: CheckInput) -> pl.DataFrame:
    """Count the cells that are suppressed or not available, by measure, marker and period."""
    return pl.concat([_count_by_marker(release, reason, statuses) for reason, statuses in _HIDDEN_STATUSES.items()])


def _count_by_marker(release: CheckInput, reason: str, statuses: list[str]) -> pl.DataFrame:
    rows = _usable_cells(release).filter(pl.col("obs_status").is_in(statuses))
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
    return _usable_cells(release).filter(pl.col("measure") == name, pl.col("value").is_not_null())


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
    rows = _usable_cells(release).filter(pl.col("place_code").cast(pl.String).str.contains("+", literal=True))
    with_evidence = rows.select(
        *_SLICE_KEY, "place_code", "place_label", pl.col("value").alias("sum_of_values"), pl.lit(1).alias("rows"),
        pl.lit("one figure for several places together, counted once").alias("evidence"),
    )  # fmt: skip
    return build_findings(release, "combined_areas", "combined_area", with_evidence)


def find_skipped_periods(release: CheckInput) -> pl.DataFrame:
    """Find months, quarters or years that are missing between the periods of a release."""
    rows = []
    for measure in release.source.measures:
        spans = (
            _usable_cells(release).filter(pl.col("measure") == measure).select("period_start", "period_end").unique()
        )
        ordered = spans.sort("period_start").rows()
        rows += [
            (measure, before[1] + timedelta(days=1), after[0] - timedelta(days=1),
             f"the release has no period between {format_period(*before)} and {format_period(*after)}")
            for before, after in pairwise(ordered)
            if _is_regular(release.source) and after[0] > before[1] + timedelta(days=1)
        ]  # fmt: skip
    schema = {"measure": pl.String, "period_start": pl.Date, "period_end": pl.Date, "evidence": pl.String}
    return build_findings(
        release, "skipped_periods", "period_mismatch", pl.DataFrame(rows, schema=schema, orient="row")
    )


def _is_regular(source: Source) -> bool:
    return source.period is None and len(source.period_kind) == 1 and source.period_kind != ("day",)
