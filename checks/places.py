"""Checks of places and periods: who is missing from a release, what is hidden, rounded or skipped."""

from datetime import timedelta
from itertools import pairwise

import polars as pl

from checks.finding import Read, findings
from pipelines.core.periods import say
from pipelines.core.schema import FINDING, empty
from pipelines.declarations.source import Source

_SLICE = ["measure", "period_start", "period_end"]
_HIDDEN = {
    "suppressed": ["confidential", "low"],
    "not_available": ["not_available"],
    "not_applicable": ["not_applicable"],
}


def _sound(read: Read) -> pl.DataFrame:
    return read.cells.filter(pl.col("fault").is_null())


def missing_places(read: Read) -> pl.DataFrame:
    """Find places of the source's system, in a nation that it covers, with no row in a period others have."""
    covered = read.places.filter(pl.col("nation").is_in(list(read.source.coverage)))
    sound = _sound(read).with_columns(pl.col("place_code").str.split("+")).explode("place_code")
    due = sound.select(_SLICE).unique().join(covered.select("place_code", "place_name"), how="cross")
    missing = due.join(sound, on=[*_SLICE, "place_code"], how="anti")
    gathered = missing.group_by("measure", "place_code", pl.col("place_name").alias("place_label")).agg(
        pl.col("period_start").min(), pl.col("period_end").max(), pl.len().alias("rows")
    )
    told = gathered.with_columns(pl.format("no row in {} periods that other places have", "rows").alias("evidence"))
    return findings(read, "missing_places", "not_returned", told.sort("measure", "place_code"))


def hidden_cells(read: Read) -> pl.DataFrame:
    """Count the cells that the publisher hides or has not, by measure, marker and period."""
    return pl.concat([_hidden(read, reason, statuses) for reason, statuses in _HIDDEN.items()])


def _hidden(read: Read, reason: str, statuses: list[str]) -> pl.DataFrame:
    rows = _sound(read).filter(pl.col("status").is_in(statuses))
    marker = pl.col("marker").fill_null("(blank)")
    gathered = rows.group_by(*_SLICE, marker, maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("place_code").sort().head(5).str.join(", ").alias("some")
    )
    told = gathered.with_columns(
        pl.format("{} cells with the marker {}: {} ...", "rows", "marker", "some").alias("evidence")
    )
    return findings(read, "hidden_cells", reason, told)


def rounded_measures(read: Read) -> pl.DataFrame:
    """Note each measure whose figures are rounded or perturbed, and whether the figures agree with it."""
    noted = [
        _rounded(read, name, measure.rounding) if measure.rounding else _perturbed(read, name)
        for name, measure in read.source.measures.items()
        if measure.rounding or measure.perturbed
    ]
    return pl.concat([empty(FINDING), *noted])


def _figures(read: Read, name: str) -> pl.DataFrame:
    return _sound(read).filter(pl.col("measure") == name, pl.col("value").is_not_null())


def _perturbed(read: Read, name: str) -> pl.DataFrame:
    return _noted(read, name, "perturbed", "the publisher adds noise; totals need not add")


def _rounded(read: Read, name: str, base: float) -> pl.DataFrame:
    steps = pl.col("value") / base
    off = _figures(read, name).filter((steps - steps.round()).abs() > 1e-6)
    unit = read.source.measures[name].unit
    return _noted(read, name, "rounded", f"rounded to {base:g} {unit}; {off.height} figures are not")


def _noted(read: Read, name: str, reason: str, evidence: str) -> pl.DataFrame:
    row = {"measure": name, "rows": _figures(read, name).height, "evidence": evidence}
    return findings(read, "rounded_measures", reason, pl.DataFrame([row]))


def combined_areas(read: Read) -> pl.DataFrame:
    """Tell which places are published together, as declared; those that are not declared are doubts (together)."""
    rows = _sound(read).filter(pl.col("place_code").str.contains("+", literal=True))
    told = rows.select(
        *_SLICE, "place_code", "place_label", pl.col("value").alias("mass"), pl.lit(1).alias("rows"),
        pl.lit("one figure for several places, counted once").alias("evidence"),
    )  # fmt: skip
    return findings(read, "combined_areas", "combined_area", told)


def skipped_periods(read: Read) -> pl.DataFrame:
    """Find jumps between the periods of a release: a month, quarter or year that is not there."""
    rows = []
    for measure in read.source.measures:
        spans = _sound(read).filter(pl.col("measure") == measure).select("period_start", "period_end").unique()
        ordered = spans.sort("period_start").rows()
        rows += [
            (measure, before[1] + timedelta(days=1), after[0] - timedelta(days=1),
             f"the release goes from {say(*before)} to {say(*after)}")
            for before, after in pairwise(ordered)
            if _regular(read.source) and after[0] > before[1] + timedelta(days=1)
        ]  # fmt: skip
    schema = {"measure": pl.String, "period_start": pl.Date, "period_end": pl.Date, "evidence": pl.String}
    return findings(read, "skipped_periods", "period_mismatch", pl.DataFrame(rows, schema=schema, orient="row"))


def _regular(source: Source) -> bool:
    return source.period is None and source.period_kind != "day"
