"""Errors of apportioned figures, estimated from back-tests with known true figures at both ends.

A back-test adds up published small-area figures to the source places, apportions them, and compares the result with
their sums at the target places. The errors, by share of the figure from places crossed by a boundary, give a 90 %
interval for figures without a known truth.

The error of an apportioned figure is proportional to the unevenness of the figure over people. So errors are in units
of unevenness: the variation of the figure per head among the source places.
"""

import math
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.apportionment.matrix import Vector
from pipelines.apportionment.vectors import FigureBlock, align_figures, index_slices
from pipelines.core.schema import NUMBER, TEXT, WHOLE, Column
from pipelines.core.slices import SLICE_KEY

ERROR_CLASS: dict[str, Column] = {
    "from_kind": Column(TEXT, "Kind of source place"),
    "to_kind": Column(TEXT, "Kind of target place"),
    "weighed_by": Column(TEXT, "Group of people used as the weight"),
    "share_from": Column(NUMBER, "Share of the figure from places crossed by a boundary: more than this"),
    "share_to": Column(NUMBER, "and at most this"),
    "trials": Column(WHOLE, "Number of figures apportioned and compared with the truth"),
    "low": Column(NUMBER, "Truth over estimate less 1, in units of unevenness: 5 % of the trials lie below"),
    "high": Column(NUMBER, "Truth over estimate less 1, in units of unevenness: 5 % of the trials lie above"),
    "mean_error": Column(NUMBER, "Mean of the errors, without sign, as a share of the estimate"),
    "p95_error": Column(NUMBER, "95th percentile of these errors"),
    "max_error": Column(NUMBER, "Largest of these errors"),
}
INTERVAL_ENDS: dict[str, Column] = {
    "interval_lower": Column(NUMBER, "Lower end of the 90 % interval of the true figure; null where the pair has none"),
    "interval_upper": Column(NUMBER, "Upper end of the 90 % interval"),
}
"""Columns that `add_interval` adds to the output of `apportion_counts`."""
ERROR_MODEL_PATH = Path(__file__).parent / "error_model.csv"
SHARE_EDGES = (0.0, 0.01, 0.03, 0.1, 0.2, 0.35, 0.6, 1.0)
"""Boundaries between the classes of split share."""
MIN_PLACES = 12
"""Minimum number of places in a class of shares. The errors of one place are alike in all its figures."""
INTERVAL_LEVEL = 0.9
MIN_SPREAD_PLACES = 4
"""Minimum number of places to measure how unevenly a figure is spread."""


def slice_unevenness(observation: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """Measure how unevenly the figures of each slice are spread over the people of the source places.

    Takes SLICE_KEY, place_code and value, and a crosswalk with the people of each place. Returns SLICE_KEY and
    `unevenness`: the standard deviation of the figure per head, weighted by people, over its mean. It is null
    with fewer than MIN_SPREAD_PLACES places, because one place alone would seem perfectly even.
    """
    people = crosswalk.drop_nulls("from_code").group_by(pl.col("from_code").alias("place_code")).agg(
        pl.when(pl.col("weight_population").is_not_null().all()).then(pl.col("weight_population").sum()).alias("weight_population")
    )  # fmt: skip
    table = index_slices(observation)
    figures = align_figures(table, people["place_code"], ignore_unknown=True)
    unevenness = measure_unevenness(figures, people["weight_population"].cast(pl.Float64).fill_null(np.nan).to_numpy())
    return table.slices.with_columns(pl.Series("unevenness", unevenness, nan_to_null=True))


def measure_unevenness(figures: FigureBlock, people: Vector) -> Vector:
    """Return the unevenness of each slice over the people of each origin; NaN where it cannot be measured."""
    is_used = figures.has_value & (people > 0)[:, None]
    weight = np.where(is_used, people[:, None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (figures.value * is_used).sum(axis=0) / weight.sum(axis=0)
        rate = np.where(is_used, figures.value / people[:, None], 0.0)
        spread = np.sqrt(((rate - mean) ** 2 * (weight / weight.sum(axis=0))).sum(axis=0))
    return conclude_unevenness(mean, spread, is_used.sum(axis=0))


def conclude_unevenness(mean: Vector, spread: Vector, places: Vector) -> Vector:
    """Return the unevenness of slices from the mean per head, the spread around it and the number of places."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((mean > 0) & (places >= MIN_SPREAD_PLACES), spread / mean, np.nan)


def errors_by_share(trials: pl.DataFrame) -> pl.DataFrame:
    """Return the errors of trials by split share: ERROR_CLASS without the kinds.

    Takes place_code, apportioned_share (0 to 1), estimate, truth and unevenness. Trials without a split are exact and
    are left out. The interval ends at the ranks that include 90 % of further trials of the same kind. Of n trials
    these are the ceil((n + 1) x 0.95)-th from either end, or the last (split conformal prediction, Vovk and
    others 2005). The interval always includes the estimate.
    """
    error = pl.col("truth") / pl.col("estimate") - 1
    errors = trials.filter(pl.col("apportioned_share") > 0, pl.col("estimate") > 0, pl.col("unevenness") > 0).select(
        "place_code", "apportioned_share", error.alias("error"), (error / pl.col("unevenness")).alias("units")
    )
    rows = [_class_row(errors, start, end) for start, end in _share_classes(errors)]
    schema = {name: column.dtype for name, column in ERROR_CLASS.items() if name not in _KEY}
    return pl.DataFrame(rows, schema=schema, orient="row")


_KEY = ("from_kind", "to_kind", "weighed_by")


def _share_classes(errors: pl.DataFrame) -> list[tuple[float, float]]:
    """Divide the shares into classes that each have figures of enough places."""
    classes: list[tuple[float, float]] = []
    start = SHARE_EDGES[0]
    for end in SHARE_EDGES[1:]:
        if _errors_in_class(errors, start, end)["place_code"].n_unique() >= MIN_PLACES:
            classes.append((start, end))
            start = end
    if not classes:
        return [(SHARE_EDGES[0], SHARE_EDGES[-1])] if errors.height else []
    return [*classes[:-1], (classes[-1][0], SHARE_EDGES[-1])]


def _errors_in_class(errors: pl.DataFrame, start: float, end: float) -> pl.DataFrame:
    return errors.filter(pl.col("apportioned_share") > start, pl.col("apportioned_share") <= end)


def _class_row(errors: pl.DataFrame, start: float, end: float) -> tuple[float | int, ...]:
    selected = _errors_in_class(errors, start, end)
    units = selected["units"].sort().to_numpy()
    rank = min(math.ceil((len(units) + 1) * (1 + INTERVAL_LEVEL) / 2), len(units))
    apart = selected["error"].abs().to_numpy()
    return (
        start,
        end,
        len(units),
        min(float(units[len(units) - rank]), 0.0),
        max(float(units[rank - 1]), 0.0),
        float(apart.mean()),
        float(np.quantile(apart, 0.95)),
        float(apart.max()),
    )


@cache
def load_error_model() -> pl.DataFrame:
    """Return the errors that are bundled with the project: ERROR_CLASS."""
    return pl.read_csv(ERROR_MODEL_PATH, schema={name: column.dtype for name, column in ERROR_CLASS.items()})


def add_interval(
    apportioned: pl.DataFrame, spread: pl.DataFrame, kinds: tuple[str, str], group: str, error_model: pl.DataFrame
) -> pl.DataFrame:
    """Add INTERVAL_ENDS to the output of `apportion_counts`: the ends of a 90 % interval for the true figure.

    `spread` is the unevenness of each slice. A figure without a split is its own interval. A figure has no
    interval where its pair of kinds has no trial, by that group or by people of all ages, or where its unevenness
    is unknown. The interval lies within the bounds and includes the figure.
    """
    joined = apportioned.join(spread, on=SLICE_KEY, how="left", maintain_order="left")
    names = ("value", "apportioned_share", "lower_bound", "upper_bound", "unevenness")
    columns = [joined[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names]
    ends = estimate_intervals(select_error_classes(kinds, group, error_model), *columns)
    return joined.drop("unevenness").with_columns(
        pl.Series(name, end, nan_to_null=True) for name, end in zip(INTERVAL_ENDS, ends, strict=True)
    )


def select_error_classes(kinds: tuple[str, str], group: str, error_model: pl.DataFrame) -> pl.DataFrame:
    """Select the errors of a pair of kinds, by a group or else by people of all ages, in order of their shares."""
    trials = error_model.filter(pl.col("from_kind") == kinds[0], pl.col("to_kind") == kinds[1])
    return trials.filter(pl.col("weighed_by") == (group if group in trials["weighed_by"] else "all_ages")).sort(
        "share_to"
    )


def estimate_intervals(
    classes: pl.DataFrame, value: Vector, share: Vector, low: Vector, high: Vector, unevenness: Vector
) -> tuple[Vector, Vector]:
    """Return the ends of the interval of each figure, NaN where it has none; see `add_interval`."""
    place = np.searchsorted(classes["share_to"].to_numpy(), share)
    below, above = (np.append(classes[name].to_numpy(), np.nan)[place] for name in ("low", "high"))
    ends = (np.fmax(value * (1 + below * unevenness), low), np.fmin(value * (1 + above * unevenness), high))
    has_interval = ~np.isnan(value) & ~np.isnan(below) & ~np.isnan(unevenness)
    return (
        np.where(share == 0, value, np.where(has_interval, ends[0], np.nan)),
        np.where(share == 0, value, np.where(has_interval, ends[1], np.nan)),
    )
