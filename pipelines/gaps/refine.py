"""Refined gaps: cells explained by a larger area's figure, or withheld because their figure is implausible."""

from collections.abc import Collection

import numpy as np
import polars as pl

from pipelines.apportionment import INTERVAL_COLUMNS, MAPPED_FIGURE, measures_below_zero
from pipelines.core.periods import format_period
from pipelines.core.reasons import REASON_PRECEDENCE, WITHHOLDING_REASONS
from pipelines.core.schema import conform_table
from pipelines.core.slices import SLICE_KEY, slice_starts
from pipelines.core.text import format_figure_column
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure
from pipelines.observations import PLACES_ABOVE_NATIONS, total_members

NO_ROW_REASON, NO_SUCCESSOR = "not_returned", "membership_not_loaded"
_ROWLESS = [NO_ROW_REASON, NO_SUCCESSOR, "nation_not_covered"]
"""Reasons of places without a row, which a larger area or a nation may explain."""


def refine_gaps(placed: pl.DataFrame, total: pl.DataFrame, system: pl.DataFrame, own: str) -> pl.DataFrame:
    """Refine the reasons of places without a row, in placed slices (placing.MAPPED_FIGURE).

    Takes the totals of the source (totals.TOTAL), the places of the problem's system (schema.PLACE_COLUMNS) and the
    name of the source's own system. A place to which no source area maps gets a row with membership_not_loaded. Where
    only a larger area has a figure, the reason is coarser_only. Where a nation has no row in any stored slice and
    others have, it is nation_not_covered.
    """
    placed = _add_missing_rows(placed, system, own)
    if not placed["reason"].is_in(_ROWLESS).any():
        return placed
    return _mark_coarser_only(_mark_uncovered_nations(placed, system), total, system)


def _add_missing_rows(placed: pl.DataFrame, system: pl.DataFrame, own: str) -> pl.DataFrame:
    """Add a row to every slice for each place of the problem's system that has none."""
    slice_columns = [*SLICE_KEY, "source", "release", "released_at", "file", "unit"]
    starts = slice_starts(placed)
    sizes = pl.Series("places", np.diff(np.append(starts, placed.height)))
    runs = placed.select(SLICE_KEY)[starts].with_columns(sizes)
    counts = runs.group_by(SLICE_KEY).agg(pl.col("places").sum()).filter(pl.col("places") < system.height)
    if counts.is_empty():
        return placed
    some = placed.join(counts, on=SLICE_KEY, how="semi", maintain_order="left")
    slices = some.select(slice_columns).unique(SLICE_KEY, keep="first", maintain_order=True)
    every = slices.join(system.select(pl.col("place_code").alias("to_code")), how="cross")
    lost = every.join(some, on=[*SLICE_KEY, "to_code"], how="anti").with_columns(
        pl.lit(NO_SUCCESSOR).alias("reason"), pl.lit(f"no area of {own} maps to this place").alias("evidence")
    )
    return pl.concat([placed, conform_table(lost, MAPPED_FIGURE)]) if lost.height else placed


def _mark_uncovered_nations(placed: pl.DataFrame, system: pl.DataFrame) -> pl.DataFrame:
    rowless = pl.col("reason").is_in([NO_ROW_REASON, NO_SUCCESSOR]).fill_null(False)
    nations = system.select(pl.col("place_code").alias("to_code"), "nation")
    by_place = placed.group_by("measure", "to_code").agg(rowless.all().alias("rowless"))
    by_nation = by_place.join(nations, on="to_code", how="left").group_by("measure", "nation")
    empty = by_nation.agg(pl.col("rowless").all()).with_columns(pl.col("rowless").all().over("measure").alias("every"))
    periods = placed.select(SLICE_KEY).unique().group_by("measure").len("periods")
    left_out = empty.filter("rowless", ~pl.col("every"), pl.col("nation").is_not_null()).join(periods, on="measure")
    if left_out.is_empty():
        return placed
    evidence = pl.format(
        "no place in {} has a row in any of the {} stored periods; other nations have rows", "nation", "periods"
    )
    texts = left_out.select("measure", "nation", evidence.alias("left_out")).join(nations, on="nation")
    joined = placed.join(
        texts.select("measure", "to_code", "left_out"), on=["measure", "to_code"], how="left", maintain_order="left"
    )
    is_left_out = pl.col("left_out").is_not_null()
    return joined.with_columns(
        pl.when(is_left_out).then(pl.lit("nation_not_covered")).otherwise("reason").alias("reason"),
        pl.coalesce("left_out", "evidence").alias("evidence"),
    ).drop("left_out")


def _mark_coarser_only(placed: pl.DataFrame, total: pl.DataFrame, system: pl.DataFrame) -> pl.DataFrame:
    """Mark places without a row inside a larger area with a figure; the evidence names the smallest such area."""
    totals = total.filter(pl.col("role") == "total", pl.col("value").is_not_null()).select(
        *SLICE_KEY, "release", pl.col("place_code").alias("total_code"), pl.col("place_label").alias("larger"),
        pl.col("value").alias("larger_value"),
    )  # fmt: skip
    rowless = pl.col("reason").is_in(_ROWLESS)
    # Only slices with such a place and a total can have one.
    slices = placed.filter(rowless).select(*SLICE_KEY, "release").unique()
    totals = totals.join(slices, on=[*SLICE_KEY, "release"], how="semi")
    if totals.is_empty():
        return placed
    inside = total_members(system).filter(~pl.col("total_code").is_in(list(PLACES_ABOVE_NATIONS)))
    sized = inside.with_columns(pl.len().over("total_code").alias("size"), pl.col("place_code").alias("to_code"))
    pairs = (
        placed.join(totals, on=[*SLICE_KEY, "release"], how="semi")
        .select(*SLICE_KEY, "release", "to_code", rowless.fill_null(False).alias("rowless"))
        .join(sized, on="to_code")
    )
    alone = pairs.with_columns(pl.col("rowless").all().over(*SLICE_KEY, "total_code").alias("alone")).filter("alone")
    candidates = alone.join(totals, on=[*SLICE_KEY, "release", "total_code"]).sort("size", "total_code")
    first = candidates.unique([*SLICE_KEY, "to_code"], keep="first", maintain_order=True)
    with_larger = placed.join(
        first.select(*SLICE_KEY, "to_code", "larger", "larger_value", "size"),
        on=[*SLICE_KEY, "to_code"],
        how="left",
        maintain_order="left",
    )
    has_larger = pl.col("larger_value").is_not_null()
    evidence = pl.format(
        "published for {} as a whole ({}), but for none of its {} places",
        "larger",
        format_figure_column("larger_value"),
        "size",
    )
    return with_larger.with_columns(
        pl.when(has_larger).then(pl.lit("coarser_only")).otherwise("reason").alias("reason"),
        pl.when(has_larger).then(evidence).otherwise("evidence").alias("evidence"),
    ).drop("larger", "larger_value", "size")


def mark_longer_periods(placed: pl.DataFrame) -> pl.DataFrame:
    """Give places without a row the reason `coarser_period` where a longer period with the same days has a figure.

    A publisher may give one place by quarter or by year and the others by month.
    """
    slices = placed.select(SLICE_KEY).unique()
    pairs = slices.join(slices, on="measure", suffix="_longer").filter(
        pl.col("period_start_longer") <= pl.col("period_start"), pl.col("period_end_longer") >= pl.col("period_end"),
        (pl.col("period_start_longer") < pl.col("period_start")) | (pl.col("period_end_longer") > pl.col("period_end")),
    )  # fmt: skip
    if pairs.is_empty():
        return placed
    longer = placed.filter(pl.col("value").is_not_null()).select(
        "measure", "to_code", pl.col("period_start").alias("period_start_longer"),
        pl.col("period_end").alias("period_end_longer"), pl.col("value").alias("longer_value"),
    ).join(pairs, on=["measure", "period_start_longer", "period_end_longer"])  # fmt: skip
    # Of periods as long, such as those of a rolling quarter, the first is named.
    length = pl.col("period_end_longer") - pl.col("period_start_longer")
    shortest = longer.sort(length, "period_start_longer").unique(
        [*SLICE_KEY, "to_code"], keep="first", maintain_order=True
    )
    spans = shortest.select("period_start_longer", "period_end_longer").unique()
    texts = spans.with_columns(pl.Series("span", [format_period(*span) for span in spans.iter_rows()], pl.String))
    named = shortest.join(texts, on=["period_start_longer", "period_end_longer"])
    wide = placed.join(
        named.select(*SLICE_KEY, "to_code", "span", "longer_value"), on=[*SLICE_KEY, "to_code"], how="left",
        maintain_order="left",
    )  # fmt: skip
    is_longer = pl.col("span").is_not_null() & (pl.col("reason") == NO_ROW_REASON)
    evidence = pl.format("published for {} ({}), for a longer period", "span", format_figure_column("longer_value"))
    return wide.with_columns(
        pl.when(is_longer).then(pl.lit("coarser_period")).otherwise("reason").alias("reason"),
        pl.when(is_longer).then(evidence).otherwise("evidence").alias("evidence"),
    ).drop("span", "longer_value")


def mark_places_outside_extracts(placed: pl.DataFrame, extracts: Collection[str]) -> pl.DataFrame:
    """Give places without a row in an extract the reason `not_loaded`; `extracts` are names of files."""
    is_outside = (pl.col("reason") == NO_ROW_REASON) & pl.col("file").is_in(list(extracts))
    evidence = pl.format("{} is an extract with some of the publisher's places, without this one", "file")
    return placed.with_columns(
        pl.when(is_outside).then(pl.lit("not_loaded")).otherwise("reason").alias("reason"),
        pl.when(is_outside).then(evidence).otherwise("evidence").alias("evidence"),
    )


def mark_absent_rows(placed: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Give places without a row the reason that their source declares (absent_row)."""
    is_absent = pl.col("reason") == NO_ROW_REASON
    evidence = pl.format("{}; the file has no row for a place with none", "evidence")
    return placed.with_columns(
        pl.when(is_absent).then(pl.lit(reason)).otherwise("reason").alias("reason"),
        pl.when(is_absent).then(evidence).otherwise("evidence").alias("evidence"),
    )


def mark_places_outside(placed: pl.DataFrame) -> pl.DataFrame:
    """Give places without a row in any slice `outside_source`, for a source with the places seen in its files."""
    slices = placed.select(SLICE_KEY).n_unique()
    rowless = (pl.col("reason") == NO_ROW_REASON).fill_null(False)
    seen = placed.group_by("to_code").agg(rowless.all().alias("is_outside"))
    is_outside = pl.col("is_outside")
    return placed.join(seen, on="to_code", how="left", maintain_order="left").with_columns(
        pl.when(is_outside).then(pl.lit("outside_source")).otherwise("reason").alias("reason"),
        pl.when(is_outside)
        .then(pl.lit(f"no row in any of {slices} stored periods; the places of the source are those in its files"))
        .otherwise("evidence")
        .alias("evidence"),
    ).drop("is_outside")  # fmt: skip


REVIEWED_CAVEATS = ["flagged", "corrected"]
"""Caveats of figures that a person has reviewed and accepted."""
INCOMPLETE_DOUBTS = ["suspected_zero", "near_zero_leak", "partial_return", "low_reach"]
_WITHHELD_COLUMNS = ("value", "lower_bound", "upper_bound", *INTERVAL_COLUMNS, "partial")


def withhold_implausible(placed: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Withhold placed figures (placing.MAPPED_FIGURE, in and out) that rest on a withheld observation.

    The reason is the most serious flag, and the evidence states the published figure. A count that was not returned in
    full stays as a lower bound. Figures that a correction flags or changes are not withheld, since a person has
    reviewed them.
    """
    texts = placed["caveats"].drop_nulls().unique().to_list()
    doubts = {text: flag for text in texts if (flag := _gravest_doubt(text))}
    if not doubts:
        return placed
    doubt = pl.col("caveats").replace_strict(doubts, default=None, return_dtype=pl.String)
    with_doubt = placed.with_columns(pl.when(pl.col("value").is_not_null()).then(doubt).alias("_doubt"))
    is_doubted = pl.col("_doubt").is_not_null()
    bounds = _withheld_bounds(measures, measures_below_zero(placed, measures))
    evidence = pl.format(
        "{} withheld: {}", format_figure_column("value"), pl.col("caveat_evidence").fill_null("flagged")
    )
    return with_doubt.with_columns(
        pl.when(is_doubted).then("_doubt").otherwise("reason").alias("reason"),
        pl.when(is_doubted).then(evidence).otherwise("evidence").alias("evidence"),
        *(pl.when(~is_doubted).then(name).otherwise(bounds.get(name)).alias(name) for name in _WITHHELD_COLUMNS),
    ).drop("_doubt")  # fmt: skip


def _gravest_doubt(caveats: str) -> str | None:
    """Return the most serious flag among caveats that withholds a figure; None where a person has reviewed it."""
    codes = caveats.split(",")
    if set(codes) & set(REVIEWED_CAVEATS):
        return None
    return min(WITHHOLDING_REASONS & set(codes), key=lambda code: REASON_PRECEDENCE[code], default=None)


def _withheld_bounds(measures: dict[str, Measure], signed: list[str]) -> dict[str, pl.Expr]:
    """Return the bounds of withheld counts.

    A count not returned in full is a lower bound. A figure for several places together is an upper bound for each.
    Neither holds for a count that can be negative, since the missing part or the other places' part may be negative.
    """
    counts = sorted(name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS and name not in signed)
    count, doubt = pl.col("measure").is_in(counts), pl.col("_doubt")
    return {
        "lower_bound": pl.when(count & doubt.is_in(INCOMPLETE_DOUBTS)).then("value"),
        "upper_bound": pl.when(count & (doubt == "combined_area")).then("value"),
    }
