"""Weights of rates: their own denominators, of the same period or else of the nearest earlier one.

The rate of several places together is the average of their rates, weighted by their denominators, and never by those
of a later period. The result is estimated, because the rates were rounded and the weights can refer to another day.
"""

from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.apportionment.matrix import CrosswalkMatrix, Vector
from pipelines.apportionment.vectors import NO_ROW, SliceTable, align_figures, index_slices, select_slices
from pipelines.declarations.measure import Measure


class Denominators(NamedTuple):
    """Denominators of some slices of rates, by origin and slice.

    `weight` is NaN where unknown, and `row` the row of their table. For each slice, `weighed_by` names the measure and
    its day, null where there is none, and `same_period` states whether that is the day of the rate.
    """

    weight: Vector
    row: Vector
    weighed_by: list[str | None]
    same_period: Vector


def index_denominators(denominators: pl.DataFrame) -> SliceTable:
    """Index the slices of denominators that have a figure above 0, each from one release and in one geography."""
    usable = denominators.filter(pl.col("value") > 0)
    return index_slices(usable)


def align_denominators(
    block: SliceTable, denominators: SliceTable, matrix: CrosswalkMatrix, measures: dict[str, Measure]
) -> Denominators:
    """Find the denominators of each slice: the newest ones of its measure's denominator that end no later."""
    names = denominators.slices.select("measure", "period_end").rows()
    days: dict[str, list[tuple[date, int]]] = {}
    for number, (name, day) in enumerate(names):
        days.setdefault(name, []).append((day, number))
    keys = block.slices.select("measure", "period_end").rows()
    chosen = [_newest_by(end, days.get(_denominator_of(measures[name]) or "", [])) for name, end in keys]
    used = sorted({number for number in chosen if number is not None})
    figures = align_figures(select_slices(denominators, np.array(used, np.int64)), matrix.order, ignore_unknown=True)
    at = np.array([used.index(number) if number is not None else NO_ROW for number in chosen], np.int64)
    weight, row = np.where(figures.has_value, figures.value, np.nan), figures.row
    nothing = np.full((len(matrix.origins), 1), np.nan)
    weight = np.concatenate([weight, nothing], axis=1)[:, at]
    row = np.concatenate([row, np.full((len(matrix.origins), 1), NO_ROW)], axis=1)[:, at]
    return Denominators(
        weight,
        row,
        [None if number is None else f"{names[number][0]} of {names[number][1]}" for number in chosen],
        np.array(
            [number is not None and names[number][1] == end for number, (_, end) in zip(chosen, keys, strict=True)]
        ),
    )


def _denominator_of(measure: Measure) -> str | None:
    return measure.denominator if measure.kind == "rate" else None


def _newest_by(end: date, days: list[tuple[date, int]]) -> int | None:
    """Return the number of the newest slice that ends by a day; None where there is none."""
    return max(((day, number) for day, number in days if day <= end), default=(None, None))[1]
