"""Places that seem to be published together although the source does not declare it."""

import polars as pl

from checks.doubt import build_flags

_SLICE_KEY = ["measure", "period_start", "period_end"]
FEWEST_SHARED_PERIODS = 5
"""Two places that have the very same figure in so many periods, and in all of them, have one figure between them."""
LEAST_STEPS = 100
"""Figures of fewer steps than this may be the same by chance."""


def flag_combined_areas(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find figures that several codes share: under one label in a period, or in every period there is."""
    return pl.concat([_find_shared_labels(fitted), _find_identical_series(fitted)]).unique(
        [*_SLICE_KEY, "place_code"], maintain_order=True
    )


def _find_shared_labels(fitted: pl.DataFrame) -> pl.DataFrame:
    key = [*_SLICE_KEY, "place_label", "value"]
    # Where all places have one label it names none of them.
    telling = pl.col("place_label").n_unique().over(_SLICE_KEY) > 1
    labelled = fitted.filter((pl.col("place_label") != "") & telling)
    figures = labelled.filter(pl.col("place_code").n_unique().over(key) > 1).with_columns(_join_codes(key))
    evidence = pl.format("{} carry the label {} and the same figure: published together?", "codes", "place_label")
    return _flag_areas(figures, evidence, "the other places of the period")


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
    return _flag_areas(figures, evidence, "the other places of all periods")


def _join_codes(key: list[str]) -> pl.Expr:
    return pl.col("place_code").unique().sort().str.join("+").over(key).alias("codes")


def _flag_areas(figures: pl.DataFrame, evidence: pl.Expr, compared: str) -> pl.DataFrame:
    return build_flags("combined_area", figures.drop("peers").with_columns(
        evidence.alias("evidence"), pl.lit(compared).alias("compared_with"),
        pl.col("codes").str.count_matches("+", literal=True).cast(pl.Int64).alias("others"),
    ))  # fmt: skip
