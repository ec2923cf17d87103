"""Apportionment by weights: figures of places crossed by a boundary, by the people on either side.

Counts and stocks are apportioned and summed. A rate is averaged by its apportioned denominator. An index, a median or
a rank stays with its own place. A figure derived mostly from a larger place is withheld, because only the larger
place's figure is known.
"""

from typing import NamedTuple

import polars as pl

from pipelines.apportionment.error_model import INTERVAL_LEVEL, add_interval, load_error_model, slice_unevenness
from pipelines.apportionment.part_bounds import measures_below_zero
from pipelines.apportionment.rates import rate_weights
from pipelines.apportionment.sparse import apportion_counts
from pipelines.apportionment.succession import (
    INTERVAL_COLUMNS,
    MAPPED_FIGURE,
    SLICE_PROVENANCE,
    TARGET_CELL,
    drop_uncertain_bounds,
    marker_text,
)
from pipelines.core.schema import NUMBER, OBSERVATION_STATUSES, TEXT, WHOLE, conform_table
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

MAX_PARTS_LISTED = 20
"""Maximum number of parts that are listed by code."""
MAJORITY_SHARE = 0.5


_APPORTIONED_SCHEMA = {
    **{name: column.dtype for name, column in MAPPED_FIGURE.items() if name in TARGET_CELL},
    **dict.fromkeys(
        (
            "value",
            "lower_bound",
            "upper_bound",
            "interval_lower",
            "interval_upper",
            "coverage",
            "apportioned_share",
            "partial",
        ),
        NUMBER,
    ),
    **dict.fromkeys(("parts_n", "missing"), WHOLE),
    **dict.fromkeys(("obs_status", "derivation", "weighed_by"), TEXT),
}
"""Columns from counts and from averages together."""


class WeightedCrosswalk(NamedTuple):
    """A crosswalk (crosswalks.CROSSWALK) and the group of people used as its weight."""

    crosswalk: pl.DataFrame
    group: str

    @property
    def kinds(self) -> tuple[str, str]:
        """Return the kinds of source and target place; planned councils count as upper tiers."""
        first = self.crosswalk.row(0, named=True)
        start, end = (first[f"{side}_geography"].rsplit("_", 1)[0] for side in ("from", "to"))
        return start, "utla" if end == "plan" else end


def apportion_observations(
    observation: pl.DataFrame,
    crosswalk: WeightedCrosswalk,
    measures: dict[str, Measure],
    denominators: pl.DataFrame,
    allowed: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """Apportion slices of observations by a crosswalk; return MAPPED_FIGURE, one row for each slice and target place.

    Takes observations of one geography (schema.OBSERVATION_COLUMNS), each slice from one release, and the
    denominators of their rates in the same geography. A figure mostly from places of which the target is the
    smaller part is withheld (`coarser_only`), except for the measures in `allowed`.
    """
    frames = [pl.DataFrame(schema=_APPORTIONED_SCHEMA)]
    for together, slices in _group_by_joint_codes(observation):
        own = crosswalk._replace(crosswalk=_merge_joint_places(crosswalk.crosswalk, together))
        frames += [
            _apportion_additive(slices, own, measures),
            _average_rates(slices, own.crosswalk, measures, denominators),
        ]
    apportioned = pl.concat([frame for frame in frames if frame.width], how="diagonal")
    apportioned = _add_interval_source(apportioned, observation, crosswalk.crosswalk, measures)
    cells = _add_sources(apportioned, observation, crosswalk.crosswalk)
    result = _assign_reasons(cells, _minor_shares(crosswalk.crosswalk), allowed)
    return conform_table(drop_uncertain_bounds(result, measures, pl.col("missing") < pl.col("parts_n")), MAPPED_FIGURE)


def _add_interval_source(
    apportioned: pl.DataFrame, observation: pl.DataFrame, crosswalk: pl.DataFrame, measures: dict[str, Measure]
) -> pl.DataFrame:
    """Add the source of each interval: the publisher, where the target is one whole source place, or the back-tests.

    Sums of whole places are exact where their parts are. Sums of estimates have no interval.
    """
    pairs = crosswalk.drop_nulls("to_code").filter(pl.len().over("to_code") == 1, pl.col("weight") == 1)
    alone = pairs.drop_nulls("from_code").select(pl.col("from_code").alias("place_code"), "to_code")
    published_intervals = observation.filter(pl.col("interval_source").is_not_null()).join(alone,
                                                                                           on="place_code").select(
        *TARGET_CELL, *(pl.col(name).alias(f"{name}_given") for name in INTERVAL_COLUMNS)
    )  # fmt: skip
    is_estimate = pl.col("measure").is_in(
        sorted(name for name, definition in measures.items() if definition.is_uncertain)
    )
    has_model_interval = pl.col("interval_lower").is_not_null() & ~(
        is_estimate & (pl.col("apportioned_share") == 0).fill_null(False)
    )
    back = {"interval_lower": pl.col("interval_lower"), "interval_upper": pl.col("interval_upper"),
            "interval_level": pl.lit(INTERVAL_LEVEL * 100), "interval_source": pl.lit("back-tests")}  # fmt: skip
    joined = apportioned.join(published_intervals, on=TARGET_CELL, how="left", maintain_order="left")
    is_published = pl.col("interval_source_given").is_not_null()
    return joined.with_columns(
        pl.when(is_published).then(f"{name}_given").when(has_model_interval).then(own).alias(name)
        for name, own in back.items()
    ).drop(f"{name}_given" for name in INTERVAL_COLUMNS)


def _group_by_joint_codes(observation: pl.DataFrame) -> list[tuple[list[str], pl.DataFrame]]:
    """Group slices that publish the same places together: the codes with a +, and the slices."""
    joint = observation.filter(pl.col("place_code").str.contains("+", literal=True))
    if joint.is_empty():
        return [([], observation)]
    key = joint.group_by(SLICE_KEY).agg(pl.col("place_code").unique().sort().str.join(",").alias("together"))
    marked = observation.join(key, on=SLICE_KEY, how="left").with_columns(pl.col("together").fill_null(""))
    groups = marked.partition_by("together", as_dict=True, include_key=False)
    return [([code for code in str(key[0]).split(",") if code], frame) for key, frame in groups.items()]


def _merge_joint_places(crosswalk: pl.DataFrame, together: list[str]) -> pl.DataFrame:
    """Combine the crosswalk rows of places published together, weighted by their people."""
    if not together:
        return crosswalk
    joint_codes = {part: code for code in together for part in code.split("+")}
    recoded = crosswalk.with_columns(pl.col("from_code").replace(joint_codes))
    summed = recoded.group_by("from_code", "to_code", maintain_order=True).agg(
        pl.when(pl.len() == 1).then(pl.col("weight").first()).alias("single"),
        pl.when(pl.col("weight_population").is_not_null().all())
        .then(pl.col("weight_population").sum())
        .alias("weight_population"),
        pl.exclude("weight_population", "weight").first(),
    )
    one = pl.len().over("from_code") == 1
    people = pl.col("weight_population").sum().over("from_code")
    has_people = pl.col("weight_population").is_not_null().all().over("from_code") & (people > 0)
    is_joint = pl.col("from_code").is_in(together)
    weight = (
        pl.when(~is_joint)
        .then("single")
        .when(one)
        .then(1.0)
        .when(has_people)
        .then(pl.col("weight_population") / people)
    )
    return summed.with_columns(weight.alias("weight")).select(crosswalk.columns)


def _select_kinds(observation: pl.DataFrame, measures: dict[str, Measure], kinds: frozenset[str]) -> pl.DataFrame:
    return observation.filter(
        pl.col("measure").is_in([name for name, definition in measures.items() if definition.kind in kinds])
    )


def _apportion_additive(
    slices: pl.DataFrame, crosswalk: WeightedCrosswalk, measures: dict[str, Measure]
) -> pl.DataFrame:
    """Apportion counts and stocks; where a boundary crosses a place, a measure that can be negative has no bound."""
    counts = _select_kinds(slices, measures, ADDITIVE_KINDS)
    below = measures_below_zero(counts, measures)
    frames = []
    for signed in (False, True):
        own = counts.filter(pl.col("measure").is_in(below) == signed)
        if own.height:
            apportioned = apportion_counts(own, crosswalk.crosswalk, signed=signed)
            spread = slice_unevenness(own, crosswalk.crosswalk)
            frames.append(
                add_interval(apportioned, spread, crosswalk.kinds, crosswalk.group, load_error_model()).drop("partial")
            )
    column_names = {"place_code": "to_code", "parts": "parts_n"}
    return pl.concat(frames).rename(column_names) if frames else pl.DataFrame()


def _average_rates(
    slices: pl.DataFrame, crosswalk: pl.DataFrame, measures: dict[str, Measure], denominators: pl.DataFrame
) -> pl.DataFrame:
    """Average rates by their apportioned denominators; leave a gap where a rate cannot be averaged.

    A target place that is one whole source place keeps its figure, whatever the measure.
    """
    non_additive = _select_kinds(slices, measures, frozenset({"rate", "index", "median", "rank"}))
    if non_additive.is_empty():
        return pl.DataFrame()
    rates = _select_kinds(non_additive, measures, frozenset({"rate"}))
    figures = non_additive.join(
        rate_weights(rates, denominators, measures).rename({"from_code": "place_code", "weight": "of"}),
        on=[*SLICE_KEY, "place_code"], how="left",
    )  # fmt: skip
    alone = (pl.len().over("from_code") == 1).alias("alone")
    pairs = crosswalk.select(pl.col("from_code").alias("place_code"), "to_code", "weight", alone).drop_nulls("to_code")
    pieces = non_additive.select(SLICE_KEY).unique(maintain_order=True).join(pairs, how="cross").join(
        figures, on=[*SLICE_KEY, "place_code"], how="left", maintain_order="left"
    )  # fmt: skip
    mass = pl.col("weight") * pl.col("of")
    has_value = pl.col("value").is_not_null()
    single = (pl.len() == 1) & (pl.col("weight").first() == 1)
    mean = (pl.col("value") * mass).sum() / mass.filter(has_value).sum()
    has_weights = mass.is_not_null().all() & (mass.filter(has_value).sum() > 0)
    # The rate of part of a place is unbounded, and a rank refers to the places of its own geography.
    ranks = [name for name, definition in measures.items() if definition.kind == "rank"]
    within = has_value.all() & pl.col("alone").all() & (single | ~pl.col("measure").is_in(ranks).first())
    rank = pl.col("obs_status").replace_strict(
        {s: n for n, s in enumerate(OBSERVATION_STATUSES)}, return_dtype=pl.Int64
    )
    return pieces.group_by(TARGET_CELL, maintain_order=True).agg(
        pl.when(single).then(pl.col("value").first()).when(has_weights & has_value.all()).then(mean).alias("value"),
        pl.when(~single & has_weights).then(mean).alias("partial"),
        pl.when(has_value.all())
        .then(1.0)
        .when(has_weights)
        .then(mass.filter(has_value).sum() / mass.sum())
        .alias("coverage"),
        pl.when(within).then(pl.coalesce("lower_bound", "value").min()).alias("lower_bound"),
        pl.when(within).then(pl.coalesce("upper_bound", "value").max()).alias("upper_bound"),
        pl.len().cast(pl.Int64).alias("parts_n"),
        (~has_value).sum().cast(pl.Int64).alias("missing"),
        pl.when(single)
        .then(rank.first())
        .otherwise(OBSERVATION_STATUSES.index("estimated"))
        .replace_strict(dict(enumerate(OBSERVATION_STATUSES)), return_dtype=pl.String, default=None)
        .alias("obs_status"),
        pl.when(single).then(pl.lit("aggregated")).otherwise(pl.lit("rate_averaged")).alias("derivation"),
        pl.col("weighed_by").drop_nulls().first(),
    )


def _add_sources(apportioned: pl.DataFrame, observation: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """Add the provenance of each place's figures, their markers, and the missing parts."""
    pairs = crosswalk.drop_nulls(["from_code", "to_code"]).select("from_code", "to_code")
    few = pairs.filter(pl.len().over("to_code") <= MAX_PARTS_LISTED)
    rows = observation.with_columns(pl.col("place_code").str.split("+").alias("from_code")).explode("from_code")
    has_caution = pl.any_horizontal(pl.col("published_marker", "caveats").is_not_null())
    cited = rows.filter(has_caution | pl.col("from_code").is_in(few["from_code"].implode()))
    provenance = cited.join(pairs, on="from_code").group_by(TARGET_CELL, maintain_order=True).agg(
        pl.col("published_marker").drop_nulls().unique(maintain_order=True).str.join(", ").alias("published_marker"),
        pl.col("caveats").drop_nulls().unique(maintain_order=True).str.join(","),
        pl.col("caveat_evidence").drop_nulls().unique(maintain_order=True).str.join(". "),
        pl.col("file_row").unique(maintain_order=True).cast(pl.String).str.join(",").alias("file_rows"),
        pl.col("from_code").filter(pl.col("value").is_not_null()).alias("having"),
    )  # fmt: skip
    needed = few.group_by("to_code", maintain_order=True).agg(pl.col("from_code").alias("needed"))
    counts = pairs.group_by("to_code").len("needed_n")
    slice_columns = observation.group_by(SLICE_KEY).agg(
        pl.col(name).first() for name in (*SLICE_PROVENANCE, "file_column", "unit")
    )
    joined = (
        apportioned.join(provenance, on=TARGET_CELL, how="left")
        .join(needed, on="to_code", how="left")
        .join(counts, on="to_code")
    )
    lacking = pl.col("needed").list.set_difference(pl.coalesce("having", pl.lit([], pl.List(pl.String))))
    by_name = pl.col("needed").is_not_null()
    return joined.join(slice_columns, on=SLICE_KEY).sort(TARGET_CELL).with_columns(
        pl.when(pl.col("published_marker") != "").then("published_marker").alias("published_marker"),
        pl.when(by_name).then("file_rows").alias("file_rows"),
        pl.when(by_name).then(pl.col("needed").list.join(",")).otherwise(pl.format("{} places", "needed_n"))
        .alias("source_areas"),
        pl.when(by_name).then(lacking.list.sort().list.join(", ")).otherwise(pl.format("{} places", "missing"))
        .alias("lacking"),
    )  # fmt: skip


def _minor_shares(crosswalk: pl.DataFrame) -> pl.DataFrame:
    """Return for each target place its share in source places that are mostly elsewhere: to_code, elsewhere.

    The share is of people, or of weights where people are unknown. Also returns whether weights are missing, and
    the share of the target's people who are in no source place.
    """
    there = crosswalk.drop_nulls("to_code")
    by = pl.when(pl.col("weight_population").is_not_null().all()).then("weight_population").otherwise(pl.col("weight"))
    minor = (pl.col("weight") < MAJORITY_SHARE).fill_null(False)
    outside = pl.col("from_code").is_null()
    return there.group_by("to_code", maintain_order=True).agg(
        (by.filter(minor & ~outside).sum() / by.filter(~outside).sum()).alias("elsewhere"),
        (pl.col("weight").is_null() & ~outside).any().alias("unweighed"),
        pl.when(outside.any())
        .then(pl.col("weight_population").filter(outside).sum() / pl.col("weight_population").sum())
        .alias("outside"),
    )


def _assign_reasons(figures: pl.DataFrame, parts: pl.DataFrame, allowed: frozenset[str]) -> pl.DataFrame:
    """Add for each figure whether it has a value, the reason if not, and its basis."""
    cells = figures.join(parts, on="to_code", how="left", maintain_order="left")
    downwards = (pl.col("elsewhere") > MAJORITY_SHARE) & ~pl.col("measure").is_in(sorted(allowed))
    none = pl.col("missing") == pl.col("parts_n")
    hidden = pl.col("obs_status").is_in(["low", "confidential"])
    reason = (
        pl.when(downwards.fill_null(False)).then(pl.lit("coarser_only"))
        .when(pl.col("unweighed")).then(pl.lit("split"))
        .when(pl.col("outside").is_not_null()).then(pl.lit("low_reach"))
        .when(none & hidden).then(pl.lit("suppressed"))
        .when(none & (pl.col("obs_status") == "not_available")).then(pl.lit("not_available"))
        .when(none & (pl.col("obs_status") == "not_applicable")).then(pl.lit("not_applicable"))
        .when(none).then(pl.lit("not_returned"))
        .when(pl.col("missing") > 0).then(pl.lit("children_incomplete"))
        .when(pl.col("value").is_null()).then(pl.lit("needs_parts"))
    )  # fmt: skip
    result = cells.with_columns(reason.alias("reason"))
    has_value = pl.col("reason").is_null()
    cut = pl.col("apportioned_share") > 0
    basis = pl.coalesce("derivation", pl.when(cut).then(pl.lit("apportioned")).otherwise(pl.lit("aggregated")))
    return result.with_columns(
        pl.when(has_value).then("value").alias("value"),
        pl.when(has_value).then(basis).alias("derivation"),
        pl.when(has_value & cut).then(pl.lit("estimated")).otherwise("obs_status").alias("obs_status"),
        *(pl.when(has_value).then(name).alias(name) for name in INTERVAL_COLUMNS),
        _apportionment_evidence().alias("evidence"),
    )


def _apportionment_evidence() -> pl.Expr:
    reason, cut = pl.col("reason"), pl.col("apportioned_share") > 0
    percent = (pl.col("apportioned_share") * 100).round(1)
    return (
        pl.when(reason == "coarser_only").then(pl.format("known only for {}, and this is a smaller part",
                                                         "source_areas"))
        .when(reason == "split").then(pl.format("{} crossed by a boundary, and no weights are stored", "source_areas"))
        .when(reason == "low_reach")
        .then(pl.format("{} % of its residents are outside the source's geography", (pl.col("outside") * 100).round(1)))
        .when(reason == "children_incomplete")
        .then(pl.format("{} of {} parts have no figure: {}", "missing", "parts_n", "lacking"))
        .when(reason == "needs_parts")
        .then(pl.format("{} cannot be averaged: their denominators are not stored", "source_areas"))
        .when(reason == "not_returned")
        .then(pl.format("other places have a figure in this release, but there is no row for {}", "source_areas"))
        .when(reason.is_not_null())
        .then(pl.format("{} has the marker {}", "source_areas", marker_text()))
        .when(pl.col("derivation") == "rate_averaged")
        .then(pl.format("average of the rates of {} places, weighted by {}", "parts_n", "weighed_by"))
        .when(cut).then(pl.format("{} % from places crossed by a boundary, apportioned by people", percent))
    )  # fmt: skip
