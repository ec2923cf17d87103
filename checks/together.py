"""Places that seem to be published together although the source does not declare it."""

import polars as pl

from checks.doubt import doubts_of

_SLICE = ["measure", "period_start", "period_end"]
FEWEST_PERIODS = 5
"""Two places that have the very same figure in so many periods, and in all of them, have one figure between them."""
DIGITS = 100
"""Figures of fewer steps than this may be the same by chance."""


def combined_area(fitted: pl.DataFrame) -> pl.DataFrame:
    """Find figures that several codes share: under one label in a period, or in every period there is."""
    return pl.concat([_of_one_label(fitted), _always_the_same(fitted)]).unique(
        [*_SLICE, "place_code"], maintain_order=True
    )


def _of_one_label(fitted: pl.DataFrame) -> pl.DataFrame:
    of = [*_SLICE, "place_label", "value"]
    # Where all places have one label it names none of them.
    telling = pl.col("place_label").n_unique().over(_SLICE) > 1
    labelled = fitted.filter((pl.col("place_label") != "") & telling)
    found = labelled.filter(pl.col("place_code").n_unique().over(of) > 1).with_columns(_codes(of))
    evidence = pl.format("{} carry the label {} and the same figure: published together?", "codes", "place_label")
    return _told(found, evidence, "the other places of the period")


def _always_the_same(fitted: pl.DataFrame) -> pl.DataFrame:
    large = fitted.filter((pl.col("value") >= DIGITS * pl.col("step")).all().over("measure", "place_code"))
    series = large.group_by("measure", "place_code").agg(
        pl.col("period_start", "value").sort_by("period_start").cast(pl.String).str.join(" ")
    )
    of = ["measure", "period_start", "value"]
    twins = series.filter(pl.len().over(of) > 1).with_columns(_codes(of)).select("measure", "place_code", "codes")
    found = large.filter(pl.col("periods") >= FEWEST_PERIODS).join(twins, on=["measure", "place_code"])
    evidence = pl.format("{} have the same figure in all {} periods: published together?", "codes", "periods")
    return _told(found, evidence, "the other places of all periods")


def _codes(of: list[str]) -> pl.Expr:
    return pl.col("place_code").unique().sort().str.join("+").over(of).alias("codes")


def _told(found: pl.DataFrame, evidence: pl.Expr, compared: str) -> pl.DataFrame:
    return doubts_of("combined_area", found.drop("peers").with_columns(
        evidence.alias("evidence"), pl.lit(compared).alias("compared_with"),
        pl.col("codes").str.count_matches("+", literal=True).cast(pl.Int64).alias("others"),
    ))  # fmt: skip
