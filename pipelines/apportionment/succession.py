"""Observations in a problem's geography, by the code changes and nesting of places and by kind of measure.

Counts and stocks add over merged places. A rate, index, median or rank does not, so it becomes a gap with that reason
and with the bounds of its parts. Figures of places published together stay together.
"""

import polars as pl

from pipelines.apportionment.part_bounds import (
    cell_bound,
    complete_sum,
    covers_several_places,
    has_several_codes,
    measures_below_zero,
    part_lower_bound,
    part_upper_bound,
)
from pipelines.core.schema import CELL_COLUMNS as CELL_COLUMNS
from pipelines.core.schema import (
    NUMBER,
    OBSERVATION_COLUMNS,
    OBSERVATION_STATUSES,
    STATUSES_WITHOUT_VALUE,
    TEXT,
    Column,
)
from pipelines.core.slices import SLICE_KEY
from pipelines.core.text import format_figure_column
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure
from pipelines.geography import Successor

TARGET_CELL = [*SLICE_KEY, "to_code"]
SLICE_PROVENANCE = ["source", "release", "released_at", "file"]
"""Columns with one value in a slice, because a slice comes from one release."""
_JOINT_COLUMNS = ("value", "place_code", "place_label")
"""Columns that the evidence quotes for a figure of several places together."""
INTERVAL_COLUMNS = ("interval_lower", "interval_upper", "interval_level", "interval_source")
"""Columns of the interval: its ends, its level and its source."""


MAPPED_FIGURE: dict[str, Column] = {
    **{name: OBSERVATION_COLUMNS[name] for name in SLICE_KEY},
    "to_code": Column(TEXT, "Code of the target place"),
    "value": Column(NUMBER, "Figure of the target place, in the measure's unit; null where there is a reason"),
    "lower_bound": Column(NUMBER, "Lower bound of the true figure, whatever the weights are"),
    "upper_bound": Column(NUMBER, "Upper bound of the true figure, whatever the weights are"),
    **{name: CELL_COLUMNS[name] for name in INTERVAL_COLUMNS},
    "unit": OBSERVATION_COLUMNS["unit"],
    "obs_status": Column(TEXT, "Worst status among the published figures used"),
    "published_marker": Column(TEXT, "Publisher's markers of the figures used"),
    "derivation": Column(TEXT, "How the figure was derived for the place"),
    "coverage": Column(NUMBER, "Share of the place's residents in parts with a figure; null where unknown"),
    "apportioned_share": Column(NUMBER, "Share of the figure from places crossed by a boundary"),
    "partial": Column(NUMBER, "For a rate with missing parts: the average of the others"),
    "reason": Column(TEXT, "Why there is no value"),
    "evidence": Column(TEXT, "Evidence for the value or for the reason"),
    "source_areas": Column(TEXT, "Codes of the published places used, or their number"),
    **{name: OBSERVATION_COLUMNS[name] for name in ("source", "release", "released_at", "file")},
    "file_rows": Column(TEXT, "Rows of that file, comma separated"),
    "file_column": OBSERVATION_COLUMNS["file_column"],
    "caveats": OBSERVATION_COLUMNS["caveats"],
    "caveat_evidence": OBSERVATION_COLUMNS["caveat_evidence"],
}
"""A figure for a target place, or the reason why there is none."""


def list_parts(successors: dict[str, Successor]) -> pl.DataFrame:
    """Return the parts of each target place: from_code, to_code, basis, and the number of targets of each code."""
    rows = [
        (code, to, successor.derivation, len(successor.codes))
        for code, successor in successors.items()
        for to in successor.codes
    ]
    schema = {"from_code": pl.String, "to_code": pl.String, "derivation": pl.String, "leads_to": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def map_slices(observation: pl.DataFrame, parts: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Convert slices of observations to target places: one row for each measure, period and place with a part.

    Takes observations of one geography (schema.OBSERVATION_COLUMNS), each slice from one release, and the roll of that
    geography. Returns TARGET_CELL with value, lower_bound, upper_bound, obs_status, published_marker, derivation,
    coverage, reason, evidence, source_areas, and the caveats, release, file, rows and column behind each. A place
    without any row in a slice has the reason `not_returned`.
    """
    kinds = {name: measure.kind for name, measure in measures.items()}
    pieces = _pair_parts(observation, parts)
    additive = pl.col("measure").replace_strict(kinds, return_dtype=pl.String).is_in(sorted(ADDITIVE_KINDS))
    signed = pl.col("measure").is_in(measures_below_zero(observation, measures))
    ranked = pl.col("measure").is_in([name for name, definition in measures.items() if definition.kind == "rank"])
    grouped = _sum_parts(pieces.with_columns(signed.alias("signed"))).with_columns(
        additive.alias("additive"), ranked.alias("ranked")
    )
    return drop_uncertain_bounds(_assign_reasons(grouped), measures, pl.col("reason") == "needs_parts")


def drop_uncertain_bounds(mapped: pl.DataFrame, measures: dict[str, Measure], by_parts: pl.Expr) -> pl.DataFrame:
    """Remove the bounds of estimates and of figures with noise, where `by_parts` states that they come from parts.

    The true figures of parts can lie outside such figures. Bounds from a marker of a suppressed figure remain.
    """
    is_estimate = pl.col("measure").is_in(
        sorted(name for name, definition in measures.items() if definition.is_uncertain)
    )
    is_uncertain = (is_estimate & by_parts).fill_null(False)
    return mapped.with_columns(pl.when(~is_uncertain).then(name).alias(name) for name in ("lower_bound", "upper_bound"))


def mark_withdrawn_figures(mapped: pl.DataFrame, observation: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Set the reason `withdrawn` for places with a figure in an earlier release but no row in the newest."""
    codes = observation.filter(pl.col("value").is_not_null()).with_columns(
        pl.col("place_code").str.split("+").alias("from_code")
    )
    figures = codes.explode("from_code").join(parts.select("from_code", "to_code"), on="from_code")
    before = figures.group_by(TARGET_CELL).agg(
        pl.col("released_at").max().alias("before"), pl.col("value").last().alias("was")
    )
    joined = mapped.join(before, on=TARGET_CELL, how="left", maintain_order="left")
    gone = (pl.col("reason") == "not_returned") & pl.col("before").is_not_null()
    evidence = pl.format("{} in the release of {}, gone from the newest", format_figure_column("was"), "before")
    return joined.with_columns(
        pl.when(gone).then(pl.lit("withdrawn")).otherwise("reason").alias("reason"),
        pl.when(gone).then(evidence).otherwise("evidence").alias("evidence"),
    ).drop("before", "was")


def slices_without_crosswalk(observation: pl.DataFrame, target: list[str], system: str) -> pl.DataFrame:
    """Return a gap for every slice and place, because no stored crosswalk connects the two geographies."""
    slices = observation.group_by(SLICE_KEY, maintain_order=True).agg(
        pl.col(name).first() for name in (*SLICE_PROVENANCE, "unit", "file_column")
    )
    evidence = f"published for {system}; no stored crosswalk from that geography"
    return slices.join(pl.DataFrame({"to_code": target}, schema={"to_code": pl.String}), how="cross").with_columns(
        pl.lit("crosswalk_loss").alias("reason"), pl.lit(evidence).alias("evidence")
    )


def _pair_parts(observation: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Pair the parts of each place with their observations, slice by slice; keep parts without an observation.

    A part without a row still names the release that has the slice.
    """
    numbered = observation.with_row_index("cell").with_columns(pl.col("place_code").str.split("+").alias("from_code"))
    exploded = numbered.explode("from_code")
    # A combined code without a target counts as one more place, because its part of the figure is elsewhere.
    targets = exploded.join(parts.select("from_code", "to_code"), on="from_code", how="left")
    spread = targets.group_by("cell").agg(pl.col("to_code").n_unique().alias("places_it_covers"))
    slices = observation.select(*SLICE_KEY, *SLICE_PROVENANCE).unique([*SLICE_KEY], maintain_order=True)
    expected = slices.join(parts, how="cross")
    published = exploded.join(spread, on="cell", how="left").drop(SLICE_PROVENANCE)
    return expected.join(published, on=[*SLICE_KEY, "from_code"], how="left", maintain_order="left")


def _sum_parts(pieces: pl.DataFrame) -> pl.DataFrame:
    """Sum the parts of each place; a figure shared by several parts counts once."""
    status = pl.col("obs_status").replace_strict(
        {s: n for n, s in enumerate(OBSERVATION_STATUSES)}, return_dtype=pl.Int64
    )
    hidden = pl.col("obs_status").is_in(sorted(STATUSES_WITHOUT_VALUE))
    keys = [*TARGET_CELL, "from_code"]
    lists = pieces.sort(keys).group_by(TARGET_CELL, maintain_order=True)
    parts = lists.agg(
        *(pl.col(name).first() for name in SLICE_PROVENANCE),
        pl.len().alias("parts_n"),
        pl.col("cell").is_not_null().sum().alias("rows_n"),
        pl.col("from_code").unique(maintain_order=True).str.join(",").alias("source_areas"),
        pl.col("from_code")
        .filter(pl.col("value").is_null())
        .unique(maintain_order=True)
        .str.join(", ")
        .alias("lacking"),
        pl.col("value").is_not_null().sum().alias("valued_n"),
        (covers_several_places() & has_several_codes()).any().alias("shared"),
        (pl.col("leads_to").max() > 1).alias("split"),
        pl.col("from_code").filter(pl.col("leads_to") > 1).unique(maintain_order=True).str.join(", ").alias("cut"),
        _derivation().alias("derivation"),
        status.max().alias("worst"),
        status.filter(~hidden).max().alias("worst_valued"),
    )
    once = (
        pieces.filter(pl.col("cell").is_not_null())
        .unique([*TARGET_CELL, "cell"], maintain_order=True)
        .sort([*TARGET_CELL, "cell"])
    )
    together = covers_several_places() & has_several_codes()
    sums = once.group_by(TARGET_CELL, maintain_order=True).agg(
        pl.col("value").sum().alias("total"),
        pl.col("value").min().alias("least"),
        pl.col("value").max().alias("most"),
        complete_sum(pl.col("lower_bound")).alias("lower_bound_total"),
        complete_sum(pl.col("upper_bound")).alias("upper_bound_total"),
        pl.col("lower_bound").min().alias("least_lower_bound"),
        pl.col("upper_bound").max().alias("most_upper_bound"),
        complete_sum(part_lower_bound()).alias("parts_lower_bound"),
        complete_sum(part_upper_bound()).alias("parts_upper_bound"),
        pl.any_horizontal(pl.col("lower_bound", "upper_bound").is_not_null()).any().alias("bounded"),
        pl.col("signed").first(),
        *(pl.col(name).filter(together).first().alias(f"joined_{name}") for name in _JOINT_COLUMNS),
        *(pl.col(name).first().alias(f"{name}_of_one") for name in INTERVAL_COLUMNS),
        pl.col("published_marker").drop_nulls().unique(maintain_order=True).str.join(", ").alias("published_marker"),
        pl.col("caveats").drop_nulls().unique(maintain_order=True).str.join(","),
        pl.col("caveat_evidence").drop_nulls().unique(maintain_order=True).str.join(". "),
        *(pl.col(name).first() for name in ("file_column", "unit")),
        pl.col("file_row").unique(maintain_order=True).cast(pl.String).str.join(",").alias("file_rows"),
    )
    return parts.join(sums, on=TARGET_CELL, how="left", maintain_order="left")


def _derivation() -> pl.Expr:
    """Return how several parts became one place: aggregated within a larger place, otherwise merged."""
    larger = (pl.col("derivation") == "aggregated").any()
    several = pl.when(larger).then(pl.lit("aggregated")).otherwise(pl.lit("merged"))
    return pl.when(pl.len() == 1).then(pl.col("derivation").first()).otherwise(several)


def _assign_reasons(grouped: pl.DataFrame) -> pl.DataFrame:
    """Add for each place the value of its parts, or the reason for a gap and the remaining bounds."""
    whole = (pl.col("parts_n") == pl.col("valued_n")) & ~pl.col("shared") & ~pl.col("split")
    single = pl.col("parts_n") == 1
    has_value = whole & (single | pl.col("additive"))
    names = dict(enumerate(OBSERVATION_STATUSES))
    hidden = pl.col("worst").replace_strict(names, return_dtype=pl.String)
    reason = (
        pl.when(has_value).then(None)
        .when(pl.col("shared") & (pl.col("valued_n") > 0)).then(pl.lit("combined_area"))
        .when(pl.col("split")).then(pl.lit("split"))
        .when(pl.col("rows_n") == 0).then(pl.lit("not_returned"))
        .when(single).then(hidden.replace_strict(_REASON_OF_STATUS, default="unexplained", return_dtype=pl.String))
        .when(pl.col("parts_n") != pl.col("valued_n")).then(pl.lit("children_incomplete"))
        .otherwise(pl.lit("needs_parts"))
    )  # fmt: skip
    cells = grouped.with_columns(reason.alias("reason"), pl.when(has_value).then("total").alias("value"))
    return cells.with_columns(
        cell_bound("lower_bound").alias("lower_bound"),
        cell_bound("upper_bound").alias("upper_bound"),
        # An interval of a sum needs independent errors, which no publisher states.
        *(pl.when(has_value & single).then(f"{name}_of_one").alias(name) for name in INTERVAL_COLUMNS),
        pl.when(has_value)
        .then(pl.coalesce("worst_valued", "worst"))
        .otherwise("worst")
        .replace_strict(names, default=None, return_dtype=pl.String)
        .alias("obs_status"),
        pl.when(has_value).then(pl.lit(1.0)).when(pl.col("valued_n") == 0).then(pl.lit(0.0)).alias("coverage"),
        pl.when(has_value).then("derivation").alias("derivation"),
        _gap_evidence().alias("evidence"),
    ).with_columns(pl.when(pl.col("published_marker") != "").then("published_marker").alias("published_marker"))


_REASON_OF_STATUS = {
    "confidential": "suppressed",
    "low": "suppressed",
    "not_available": "not_available",
    "not_applicable": "not_applicable",
}


def marker_text() -> pl.Expr:
    """Return a printable marker, `(blank)` where it is blank."""
    return pl.when(pl.col("published_marker") != "").then("published_marker").otherwise(pl.lit("(blank)"))


def _gap_evidence() -> pl.Expr:
    reason = pl.col("reason")
    return (
        pl.when(reason == "combined_area")
        .then(
            pl.format("{} published together for {}", format_figure_column("joined_value"), "joined_place_code")
            + _label_text()
        )
        .when(reason == "needs_parts")
        .then(
            pl.format(
                "{} parts ({}) have {} to {}; their denominators are not stored",
                "parts_n",
                "source_areas",
                format_figure_column("least"),
                format_figure_column("most"),
            )
        )
        .when(reason == "children_incomplete")
        .then(pl.format("{} of {} parts have a figure; no figure for {}", "valued_n", "parts_n", "lacking"))
        .when(reason.is_in(["suppressed", "not_available", "not_applicable"]))
        .then(pl.format("row {} of {} has the marker {}", "file_rows", "file", marker_text()))
        .when(reason == "not_returned")
        .then(pl.format("other places have a figure in this release, but there is no row for {}", "source_areas"))
        .when(reason == "split")
        .then(pl.format("{} is split between several places", "cut") + _lacking_text())
    )


def _lacking_text() -> pl.Expr:
    return pl.when(pl.col("lacking") != "").then(pl.format("; no figure for {}", "lacking")).otherwise(pl.lit(""))


def _label_text() -> pl.Expr:
    label = pl.col("joined_place_label").fill_null("")
    return pl.when(label != "").then(pl.format(" ({})", label)).otherwise(pl.lit(""))
