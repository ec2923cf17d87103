"""How wrong a figure that was shared out may be: the errors of moving figures whose truth is known at both ends.

Figures that are published for small areas are added up to the places moved from, moved, and compared with
their own sums at the places moved to. The errors of such trials, by the share of the figure that rests on
places cut by a boundary, give a 90 % interval to figures whose truth nobody knows.

A figure that is spread unevenly over people goes further astray than one that is spread evenly, in proportion.
So errors are told in units of unevenness: of how far the figure per head varies among the places moved from.
"""

import math
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.core.schema import NUMBER, TEXT, WHOLE, Column
from pipelines.core.slices import SLICE_KEY

ERROR_CLASS: dict[str, Column] = {
    "from_kind": Column(TEXT, "Kind of place moved from"),
    "to_kind": Column(TEXT, "Kind of place moved to"),
    "weighed_by": Column(TEXT, "Group of people by whom places were shared out"),
    "share_from": Column(NUMBER, "Share of the figure that rests on places cut by a boundary: more than this"),
    "share_to": Column(NUMBER, "and at most this"),
    "trials": Column(WHOLE, "How many figures of places were moved and compared with their truth"),
    "low": Column(NUMBER, "Truth over estimate less 1, in units of unevenness: 5 % of the trials lie below"),
    "high": Column(NUMBER, "Truth over estimate less 1, in units of unevenness: 5 % of the trials lie above"),
    "mean_error": Column(NUMBER, "Mean of the errors, without sign, as a share of the estimate"),
    "p95_error": Column(NUMBER, "95th percentile of them"),
    "max_error": Column(NUMBER, "Largest of them"),
}
INTERVAL_ENDS: dict[str, Column] = {
    "likely_low": Column(
        NUMBER, "Lower end of the 90 % interval of the true figure; null where none is kept for the pair"
    ),
    "likely_high": Column(NUMBER, "Upper end of it"),
}
"""What `add_interval` adds to what `move` gives."""
ERROR_MODEL_PATH = Path(__file__).parent / "error_model.csv"
SHARE_EDGES = (0.0, 0.01, 0.03, 0.1, 0.2, 0.35, 0.6, 1.0)
"""Shares split at which the errors are told apart."""
MIN_PLACES = 12
"""A class of shares with figures of fewer places is joined to the one below: each place errs alike in every figure."""
INTERVAL_LEVEL = 0.9
MIN_SPREAD_PLACES = 4
"""Places that it takes to tell how unevenly a figure is spread."""


def slice_unevenness(observation: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """Tell how unevenly the figures of each slice are spread over the people of the places moved from.

    Takes SLICE, place_code and value, and a crosswalk with the people of each place. Gives SLICE and
    `slice_unevenness`: the standard deviation of the figure per head, weighted by people, over its mean; null where
    fewer than MIN_SPREAD_PLACES places have both, as one place alone would seem perfectly even.
    """
    people = crosswalk.drop_nulls("from_code").group_by(pl.col("from_code").alias("place_code")).agg(
        pl.when(pl.col("people").is_not_null().all()).then(pl.col("people").sum()).alias("people")
    )  # fmt: skip
    joined = observation.select(*SLICE_KEY, pl.col("place_code").cast(pl.String), "value").join(
        people.filter(pl.col("people") > 0), on="place_code"
    )
    rate, weight = pl.col("value") / pl.col("people"), pl.col("people") / pl.col("people").sum()
    spread = ((rate - pl.col("value").sum() / pl.col("people").sum()) ** 2 * weight).sum().sqrt()
    mean = pl.col("value").sum() / pl.col("people").sum()
    figures = joined.drop_nulls("value")
    is_measurable = (mean > 0) & (pl.len() >= MIN_SPREAD_PLACES)
    return figures.group_by(SLICE_KEY).agg(pl.when(is_measurable).then(spread / mean).alias("unevenness"))


def errors_by_share(trials: pl.DataFrame) -> pl.DataFrame:
    """Give the errors of trials by share split: ERROR_CLASS without the kinds.

    Takes place_code, split_share (0 to 1), estimate, truth and unevenness. Trials with nothing split are exact, and
    are left out. The ends of the interval are the ranks that hold 90 % of further trials of the same kind: of n
    trials the ceil((n + 1) x 0.95)-th from either end, or the last (split conformal prediction, Vovk and
    others 2005). They never leave the estimate itself out.
    """
    error = pl.col("truth") / pl.col("estimate") - 1
    errors = trials.filter(pl.col("split_share") > 0, pl.col("estimate") > 0, pl.col("unevenness") > 0).select(
        "place_code", "split_share", error.alias("error"), (error / pl.col("unevenness")).alias("units")
    )
    rows = [_class_row(errors, start, end) for start, end in _share_classes(errors)]
    schema = {name: column.dtype for name, column in ERROR_CLASS.items() if name not in _KEY}
    return pl.DataFrame(rows, schema=schema, orient="row")


_KEY = ("from_kind", "to_kind", "weighed_by")


def _share_classes(errors: pl.DataFrame) -> list[tuple[float, float]]:
    """Cut the shares into classes that each have figures of enough places."""
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
    return errors.filter(pl.col("split_share") > start, pl.col("split_share") <= end)


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
    """Give the errors that travel with the project: ERROR_CLASS."""
    return pl.read_csv(ERROR_MODEL_PATH, schema={name: column.dtype for name, column in ERROR_CLASS.items()})


def add_interval(
    apportioned: pl.DataFrame, spread: pl.DataFrame, kinds: tuple[str, str], group: str, error_model: pl.DataFrame
) -> pl.DataFrame:
    """Add INTERVAL_ENDS to what `move` gives: the ends of a 90 % interval of the true figure.

    `spread` is the unevenness of each slice. A figure with nothing split is its own interval. One of a pair of
    kinds that was never tried, by that group or by people of all ages, has none, nor one whose unevenness is
    not known. The interval lies within the sure bounds, and holds the figure.
    """
    trials = error_model.filter(pl.col("from_kind") == kinds[0], pl.col("to_kind") == kinds[1])
    trials = trials.filter(pl.col("weighed_by") == (group if group in trials["weighed_by"] else "all_ages"))
    classes = trials.sort("share_to").select("share_to", pl.col("low").alias("below"), pl.col("high").alias("above"))
    joined = (
        apportioned.join(spread, on=SLICE_KEY, how="left", maintain_order="left")
        .with_row_index("row")
        .sort("split_share", nulls_last=True)
        .join_asof(classes, left_on="split_share", right_on="share_to", strategy="forward", check_sortedness=False)
        .sort("row")
    )
    value = pl.col("value")
    ends = {
        "likely_low": pl.max_horizontal(value * (1 + pl.col("below") * pl.col("unevenness")), "low"),
        "likely_high": pl.min_horizontal(value * (1 + pl.col("above") * pl.col("unevenness")), "high"),
    }
    has_interval = value.is_not_null() & pl.col("below").is_not_null() & pl.col("unevenness").is_not_null()
    return joined.with_columns(
        pl.when(pl.col("split_share") == 0).then(value).when(has_interval).then(end).alias(name)
        for name, end in ends.items()
    ).drop("row", "share_to", "below", "above", "unevenness", strict=False)
