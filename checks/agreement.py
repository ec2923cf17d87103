"""Comparison of figures with another source's figure for the place and period, or with their components.

Each function takes observations of one place system, from the release in use, and returns plausibility flags of one
reason. Figures agree where their intervals, as rounding leaves them, overlap.
"""

import polars as pl

from checks.flags import build_flags
from pipelines.core.text import format_figure_column

PLACE_AND_PERIOD = ["place_code", "period_start", "period_end"]
LEAST_REACH = 0.5
"""Least share of a place's residents that a source must cover for its figure to be used."""
LEAST_AGREEING_SHARE = 0.8
"""Least share of a period's rates that another denominator must reproduce to count as the denominator that was used."""


def find_conflicts(mine: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Find figures that another measure, declared as the same quantity, contradicts.

    The evidence splits the difference into the part that both roundings explain and the rest.
    """
    pairs = (
        _fill_bounds(mine)
        .join(_rename_figures(other, "other"), on=PLACE_AND_PERIOD)
        .filter(_is_apart("other_low", "other_high"))
    )
    difference = (pl.col("value") - pl.col("other")).abs()
    rounding = (pl.col("upper_bound") - pl.col("lower_bound") + pl.col("other_high") - pl.col("other_low")) / 2
    with_difference = pairs.with_columns(difference.alias("_all"), rounding.alias("_rounding"))
    evidence = pl.format(
        "{} here, {} in measure {} of {}: difference {}, of which rounding explains up to {} and {} remains",
        format_figure_column("value"),
        format_figure_column("other"),
        "other_measure",
        "other_source",
        format_figure_column("_all"),
        format_figure_column("_rounding"),
        (pl.col("_all") - pl.col("_rounding")).round(2),
    )
    source = pl.concat_str(pl.col("other_measure"), pl.lit(" of "), pl.col("other_source"))
    return _build_flags("conflict", with_difference, pl.col("other"), source, evidence)


def find_inconsistent_rates(rates: pl.DataFrame, numerator: pl.DataFrame, denominator: pl.DataFrame) -> pl.DataFrame:
    """Find rates that differ from numerator over denominator by more than the rounding of all three.

    Where the denominator of another period reproduces most rates of a period, the reason is denominator_mismatch.
    """
    parts = _fill_bounds(rates).join(_rename_figures(numerator, "top"), on=PLACE_AND_PERIOD)
    own = parts.join(_rename_figures(denominator, "below"), on=PLACE_AND_PERIOD)
    wrong = _recompute_rates(own).filter(_is_apart("made_low", "made_high"))
    evidence = pl.format(
        "{}, but {} divided by {} is {}",
        format_figure_column("value"),
        format_figure_column("top"),
        format_figure_column("below"),
        format_figure_column("made"),
    )
    plain = _build_flags(
        "inconsistent_rate", wrong, pl.col("made"), pl.lit("numerator divided by denominator"), evidence
    )
    others = _find_denominator_mismatches(wrong.select(parts.columns), denominator)
    return pl.concat([others, plain.join(others, on=["measure", *PLACE_AND_PERIOD], how="anti")])


def _find_denominator_mismatches(parts: pl.DataFrame, denominator: pl.DataFrame) -> pl.DataFrame:
    side = _rename_figures(denominator, "below").rename({"period_start": "below_start", "period_end": "below_end"})
    recomputed = _recompute_rates(parts.join(side, on="place_code").filter(pl.col("below_end") != pl.col("period_end")))
    fits = ~_is_apart("made_low", "made_high")
    group = ["measure", "period_start", "period_end", "below_start"]
    matching = recomputed.filter(fits.mean().over(group) >= LEAST_AGREEING_SHARE, pl.len().over(group) > 1, fits)
    best = matching.sort((pl.col("below_end") - pl.col("period_end")).abs()).unique(
        ["measure", *PLACE_AND_PERIOD], keep="first"
    )
    evidence = pl.format(
        "{} is {} divided by {}, the denominator for {} and not for its own period",
        format_figure_column("value"),
        format_figure_column("top"),
        format_figure_column("below"),
        "below_end",
    )
    compared = pl.format("the denominator for {}", "below_end")
    return _build_flags("denominator_mismatch", best, pl.col("made"), compared, evidence)


def find_low_reach(counts: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Find counts of people by a source that covers less than half of a place's residents."""
    nearest = counts.sort("period_end").join_asof(
        _rename_figures(people, "people").drop("period_start").sort("period_end"), on="period_end", by="place_code",
        strategy="nearest", check_sortedness=False,
    )  # fmt: skip
    share = pl.col("value") / pl.col("people")
    partial = nearest.filter(pl.col("people") > 0, share < LEAST_REACH)
    evidence = pl.format(
        "{} counted of {} residents, {} %",
        format_figure_column("value"),
        format_figure_column("people"),
        (100 * share).round(2),
    )
    return _build_flags("low_reach", partial, pl.col("people"), pl.lit("residents"), evidence)


def _fill_bounds(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep rows with a figure; where bounds are unknown, as for an estimate, the figure is both."""
    bounds = [pl.coalesce(bound, "value").alias(bound) for bound in ("lower_bound", "upper_bound")]
    return frame.filter(pl.col("value").is_not_null()).with_columns(bounds)


def _rename_figures(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Select the figure and bounds of observations, under another name."""
    return _fill_bounds(frame).select(
        *PLACE_AND_PERIOD,
        pl.col("value").alias(name),
        pl.col("lower_bound").alias(f"{name}_low"),
        pl.col("upper_bound").alias(f"{name}_high"),
        pl.col("measure").alias(f"{name}_measure"),
        pl.col("source").alias(f"{name}_source"),
    )


def _recompute_rates(parts: pl.DataFrame) -> pl.DataFrame:
    """Recompute the rate from its components: `made`, with bounds; the scale is the best-fitting power of ten."""
    known = parts.filter(pl.col("below_low") > 0)
    plain = pl.col("top") / pl.col("below")
    power = (pl.col("value") / plain).filter((pl.col("value") > 0) & (plain > 0)).median().log10().round()
    scaled = known.with_columns(pl.lit(10.0).pow(power).over("measure").alias("scale"))
    return scaled.with_columns(
        (plain * pl.col("scale")).alias("made"),
        (pl.col("top_low") / pl.col("below_high") * pl.col("scale")).alias("made_low"),
        (pl.col("top_high") / pl.col("below_low") * pl.col("scale")).alias("made_high"),
    )


def _is_apart(other_low: str, other_high: str) -> pl.Expr:
    """Return whether the intervals of two figures have no point in common, apart from floating-point error."""
    dust = 1e-9 * (1 + pl.col("value").abs())
    return (pl.col("lower_bound") > pl.col(other_high) + dust) | (pl.col("upper_bound") < pl.col(other_low) - dust)


def _build_flags(
    reason: str, figures: pl.DataFrame, expected: pl.Expr, compared: pl.Expr, evidence: pl.Expr
) -> pl.DataFrame:
    return build_flags(reason, figures.with_columns(
        expected.alias("expected"), compared.alias("compared_with"), evidence.alias("evidence"),
        pl.lit(1, pl.Int64).alias("others"),
    ))  # fmt: skip
