"""Averages of rates over merged places, weighted by their own denominators where every old place has one.

The rate of several places together is the average of their rates, weighted by their denominators. The weight is the
denominator of the same period, or else of the nearest earlier period, never of a later one. The result is estimated,
because the rates were rounded and the weights can refer to another day.
"""

import polars as pl

from pipelines.apportionment.succession import TARGET_CELL
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import Measure

RATE_WEIGHT = {
    "measure": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "from_code": pl.String,
    "weight": pl.Float64,
    "weighed_by": pl.String,
    "same_period": pl.Boolean,
    "weight_caveats": pl.String,
    "weight_caveat_evidence": pl.String,
}
"""The weight of one old place in the average of one rate in one period, with its source."""


def rate_weights(rates: pl.DataFrame, denominators: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Return the weights for slices of rates: the newest slice of each denominator that ends no later than the rate.

    Takes observations (schema.OBSERVATION_COLUMNS) of rates and of denominators, each slice from one release and in one
    geography. Returns RATE_WEIGHT; a slice without a usable denominator has none.
    """
    denominator_of = {name: measure.denominator for name, measure in measures.items() if measure.denominator}
    needed = (
        rates.select(SLICE_KEY)
        .unique()
        .with_columns(
            pl.col("measure").replace_strict(denominator_of, default=None, return_dtype=pl.String).alias("denominator")
        )
    )
    usable = denominators.filter(pl.col("value") > 0).select(
        pl.col("measure").alias("denominator"), pl.col("period_end").alias("of"), "place_code", "value",
        pl.col("caveats").alias("weight_caveats"), pl.col("caveat_evidence").alias("weight_caveat_evidence"),
    )  # fmt: skip
    slices = usable.select("denominator", "of").unique()
    by_then = needed.join(slices, on="denominator").filter(pl.col("of") <= pl.col("period_end"))
    nearest = by_then.group_by(*SLICE_KEY, "denominator").agg(pl.col("of").max())
    return nearest.join(usable, on=["denominator", "of"]).select(
        *SLICE_KEY,
        pl.col("place_code").alias("from_code"),
        pl.col("value").alias("weight"),
        pl.format("{} of {}", "denominator", "of").alias("weighed_by"),
        (pl.col("of") == pl.col("period_end")).alias("same_period"),
        "weight_caveats",
        "weight_caveat_evidence",
    )


def average_rates(
    mapped: pl.DataFrame, rates: pl.DataFrame, parts: pl.DataFrame, weights: pl.DataFrame
) -> pl.DataFrame:
    """Fill the rates that need their parts, where every part has a rate and a weight; leave other cells unchanged.

    Takes placed slices, the observations behind them, the roll of parts, and RATE_WEIGHT. A filled value has basis
    rate_averaged and status estimated. Its bounds are the averages of its parts' bounds where the weights are of
    the same period, and otherwise the range of its parts.
    """
    pieces = rates.rename({"place_code": "from_code"}).join(parts.select("from_code", "to_code"), on="from_code")
    weighted = pieces.join(weights, on=[*SLICE_KEY, "from_code"], how="left")
    means = weighted.group_by(TARGET_CELL, maintain_order=True).agg(
        *(_weighted_mean(name) for name in ("value", "lower_bound", "upper_bound")),
        pl.len().alias("mean_parts"),
        pl.col("weighed_by").first(),
        pl.col("same_period").first(),
        _partial_average(),
        *(
            pl.col(name).drop_nulls().unique(maintain_order=True).str.join(sign)
            for name, sign in _CAVEAT_SEPARATORS.items()
        ),
    )
    everyone = weights.join(parts.select("from_code", "to_code"), on="from_code").group_by(TARGET_CELL)
    whole = everyone.agg(pl.col("weight").sum().alias("all_weight"), pl.len().alias("weighed_parts"))
    joined = mapped.join(means, on=TARGET_CELL, how="left", maintain_order="left")
    joined = joined.join(whole, on=TARGET_CELL, how="left", maintain_order="left")
    is_averageable = (
        (pl.col("reason") == "needs_parts")
        & pl.col("mean_value").is_not_null()
        & (pl.col("mean_parts") == pl.col("parts_n"))
    )
    evidence = pl.format("average of the rates of {} places, weighted by {}", "parts_n", "weighed_by")
    filled = {
        "value": pl.col("mean_value"),
        # Weights of another period are not exact, so only the range of the parts, already present, is a valid bound.
        "lower_bound": pl.when("same_period").then("mean_lower_bound").otherwise("lower_bound"),
        "upper_bound": pl.when("same_period").then("mean_upper_bound").otherwise("upper_bound"),
        "obs_status": pl.lit("estimated"),
        "derivation": pl.lit("rate_averaged"),
        "coverage": pl.lit(1.0),
        "reason": pl.lit(None, pl.String),
        "evidence": evidence,
        **{name.removeprefix("weight_"): _merge_caveats(name, sign) for name, sign in _CAVEAT_SEPARATORS.items()},
    }
    overwritten = (pl.when(is_averageable).then(new).otherwise(name).alias(name) for name, new in filled.items())
    return _add_partial(joined.with_columns(overwritten)).select(*mapped.columns, "partial")


def _partial_average() -> pl.Expr:
    has_value = pl.col("value").is_not_null()
    weight, mass = pl.col("weight").filter(has_value), (pl.col("value") * pl.col("weight")).filter(has_value)
    return pl.struct(weight.sum().alias("known"), (mass.sum() / weight.sum()).alias("mean")).alias("some")


def _add_partial(cells: pl.DataFrame) -> pl.DataFrame:
    """Add the average over the parts that have a rate, and their share of the place, where some parts have none."""
    incomplete = (pl.col("reason") == "children_incomplete") & (pl.col("weighed_parts") == pl.col("parts_n"))
    average = pl.col("some").struct
    return cells.with_columns(
        pl.when(incomplete).then(average.field("mean")).alias("partial"),
        pl.when(incomplete).then(average.field("known") / pl.col("all_weight")).otherwise("coverage").alias("coverage"),
    )


_CAVEAT_SEPARATORS = {"weight_caveats": ",", "weight_caveat_evidence": ". "}


def _merge_caveats(name: str, separator: str) -> pl.Expr:
    """Combine the caveats of the weights with those of the rates."""
    both = [pl.when(pl.col(column) != "").then(column) for column in (name.removeprefix("weight_"), name)]
    return pl.concat_str(*both, separator=separator, ignore_nulls=True)


def _weighted_mean(column: str) -> pl.Expr:
    """Average a column by weight where every part has both; an average of some parts does not describe the whole."""
    whole = pl.col(column).is_not_null().all() & pl.col("weight").is_not_null().all()
    mean = (pl.col(column) * pl.col("weight")).sum() / pl.col("weight").sum()
    return pl.when(whole).then(mean).alias(f"mean_{column}")
