"""Places that seem to be published together although the source does not declare it."""

import polars as pl

from checks.doubt import build_flags

_SLICE_KEY = ["measure", "period_start", "period_end"]
FEWEST_SHARED_PERIODS = 5
"""Fewest periods, all with the same figure in both, at which two places are taken to share one figure."""
LEAST_STEPS = 100
"""Least figure, in steps: smaller figures may be equal by chance."""


def flag_combined_areas(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find figures shared by several codes: under one label in a period, or in every period."""
    return pl.concat([_find_shared_labels(fitted), _find_identical_series(fitted)]).unique(
        [*_SLICE_KEY, "place_code"], maintain_order=True
    )


def _find_shared_labels(fitted: pl.DataFrame) -> pl.DataFrame:
    key = [*_SLICE_KEY, "place_label", "value"]
    # A label common to all places identifies none of them.
    telling = pl.col("place_label").n_unique().over(_SLICE_KEY) > 1
    labelled = fitted.filter((pl.col("place_label") != "") & telling)
    figures = labelled.filter(pl.col("place_code").n_unique().over(key) > 1).with_columns(_join_codes(key))
    evidence = pl.format("{} share the label {} and the same figure: published together?", "codes", "place_label")
    return _flag_areas(figures, evidence, "the other places in the period")


def _find_identical_series(fitted: pl.DataFrame) -> pl.DataFrame:
    large = fitted.filter((pl.col("value") >= LEAST_STEPS * pl.col("step")).all().over("measure", "place_code"))
    series = large.group_by("measure", "place_code").agg(
        pl.col("period_start", "value").sort_by("period_start").cast(pl.String).str.join(" ")
    )
    key = ["measure", "period_start", "value"]
    twins = (
        series.filter(pl.len().over(key) > 1).with_columns(_join_codes(key)).select("measure", "place_code", "codes")
    )
    figures = large.filter(pl.col("periods") >= FEWEST_SHARED_PERIODS).join(twins, on=["measure", "place_code"])
    evidence = pl.format("{} have the same figure in all {} periods: published together?", "codes", "periods")
    return _flag_areas(figures, evidence, "the other places in all periods")


def _join_codes(key: list[str]) -> pl.Expr:
    return pl.col("place_code").unique().sort().str.join("+").over(key).alias("codes")


def _flag_areas(figures: pl.DataFrame, evidence: pl.Expr, compared: str) -> pl.DataFrame:
    return build_flags("combined_area", figures.drop("peers").with_columns(
        evidence.alias("evidence"), pl.lit(compared).alias("compared_with"),
        pl.col("codes").str.count_matches("+", literal=True).cast(pl.Int64).alias("others"),
    ))  # fmt: skip
