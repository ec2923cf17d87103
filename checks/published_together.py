"""Places that seem to be published together although the source does not declare it."""

from typing import Any

import numpy as np
import polars as pl

from checks.expected import Fit, describe_figures
from checks.flags import build_flags
from checks.series import Slices, renumber

Numbers = np.ndarray[Any, np.dtype[Any]]
_SLICE_KEY = ["measure", "period_start", "period_end"]
FEWEST_SHARED_PERIODS = 5
"""Fewest periods, all with the same figure in both, at which two places are taken to share one figure."""
LEAST_STEPS = 100
"""Least figure, in steps: smaller figures may be equal by chance."""


def describe_labels(fit: Fit, slices: Slices) -> pl.DataFrame:
    """Return the figures with a label that several codes have (expected.describe_figures).

    Adds `telling`: whether the reference period has other labels too. A label common to all places identifies none.
    """
    published = slices.rows["place_label"]
    if published.n_unique() <= 1:
        return slices.rows.clear()
    # Null is no label, and has the number 0.
    labels = (published.cast(pl.Categorical).to_physical() + 1).fill_null(0).to_numpy()
    if int(labels.min()) == int(labels.max()):
        return slices.rows.clear()
    label = renumber(labels)
    place_of_label = np.zeros(int(label.max(initial=0)) + 1, dtype=np.int32)
    place_of_label[label] = slices.place
    is_shared = np.zeros(len(place_of_label), dtype=bool)
    is_shared[label[place_of_label[label] != slices.place]] = True
    if len(is_shared) == 1 or not is_shared.any():
        return slices.rows.clear()
    numbered = pl.DataFrame({"label": label[fit.row], "slice": slices.slice[fit.row]})
    telling = numbered.select((pl.col("label").n_unique().over("slice") > 1).alias("telling"))
    chosen = np.flatnonzero(is_shared[label[fit.row]])
    return pl.concat([describe_figures(fit, slices.rows, chosen), telling[chosen]], how="horizontal")


def describe_alike(fit: Fit, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the figures of places with the extent and limits of another place's series (expected.describe_figures)."""
    place = np.flatnonzero(fit.by_place.sizes)
    sizes = fit.by_place.sizes[place]
    last = np.cumsum(sizes) - 1
    first = last - sizes + 1
    least, most = (extreme.reduceat(fit.value, first) for extreme in (np.minimum, np.maximum))
    may_match = (sizes >= FEWEST_SHARED_PERIODS) & (least >= LEAST_STEPS * fit.step)
    if not _has_equal_pair(least[may_match], most[may_match], fit.value[first[may_match]]):
        return rows.clear()
    extents = pl.DataFrame({
        "place": place, "size": sizes, "least": least, "most": most, "first": fit.value[first],
        "last": fit.value[last], "begin": fit.period[first], "end": fit.period[last],
    })  # fmt: skip
    large = extents.filter(pl.col("size") >= FEWEST_SHARED_PERIODS, pl.col("least") >= LEAST_STEPS * fit.step)
    twins = large.filter(pl.len().over(large.columns[1:]) > 1)["place"].to_numpy()
    return describe_figures(fit, rows, np.flatnonzero(np.isin(fit.place, twins)))


def _has_equal_pair(*figures: Numbers) -> bool:
    """Return whether any two places have equal figures."""
    order = np.lexsort(figures)
    is_equal = [figure[order[1:]] == figure[order[:-1]] for figure in figures]
    return bool(np.logical_and.reduce(is_equal).any())


def flag_shared_labels(labelled: pl.DataFrame) -> pl.DataFrame:
    """Find figures that several codes share under one label in a period (describe_labels)."""
    key = [*_SLICE_KEY, "place_label", "value"]
    named = labelled.filter("telling", pl.col("place_label") != "")
    figures = named.filter(pl.col("place_code").n_unique().over(key) > 1).with_columns(_join_codes(key))
    evidence = pl.format("{} share the label {} and the same figure: published together?", "codes", "place_label")
    return _flag_areas(figures, evidence, "the other places in the period")


def flag_identical_series(alike: pl.DataFrame) -> pl.DataFrame:
    """Find figures that several codes share in every period (describe_alike)."""
    large = alike.filter((pl.col("value") >= LEAST_STEPS * pl.col("step")).all().over("measure", "place_code"))
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
