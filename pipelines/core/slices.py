"""Slices: the observations of one measure and reference period, and the newest release of each."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

SLICE = ["measure", "period_start", "period_end"]
"""Columns that identify a slice."""
RELEASED = "released_at"
"""Column that identifies a release of a slice."""
Rows = np.ndarray[Any, np.dtype[Any]]


def whole_slices(batches: Iterable[pl.DataFrame], key: Sequence[str] = SLICE) -> Iterator[tuple[pl.DataFrame, Rows]]:
    """Regroup batches of observations into frames of whole slices; yield each with the first row of each slice."""
    rest: pl.DataFrame | None = None
    for batch in batches:
        whole = batch if rest is None else rest.vstack(batch)
        starts = slice_starts(whole, key)
        if len(starts) > 1:
            yield whole.head(starts[-1]), starts[:-1]
        rest = whole.slice(starts[-1]) if len(starts) else whole
    if rest is not None and rest.height:
        yield rest, np.array([0])


def slice_starts(observed: pl.DataFrame, key: Sequence[str] = SLICE) -> Rows:
    """Return the row at which each slice starts."""
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in key)
    return observed.select((changed | (pl.int_range(pl.len()) == 0)).arg_true()).to_series().to_numpy()


def in_slices(observed: pl.DataFrame) -> bool:
    """Return whether the rows of each slice are contiguous."""
    return bool(len(slice_starts(observed)) == observed.select(pl.struct(SLICE).n_unique()).item())


def newest(observation: pl.DataFrame) -> pl.DataFrame:
    """Return, for each measure and period, the cells of the newest release that has that period.

    `order` numbers a source's releases by the day they were released.
    """
    latest = observation.group_by(SLICE).agg(pl.col("order").max())
    return observation.join(latest, on=[*SLICE, "order"], how="semi")


SLICE_OF_TOTAL = [*SLICE, "total_code"]


def sums_of_places(current: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Sum for each published total the figures of its places; a figure of places published together counts once.

    Returns, by slice and total_code: `local`, the sum; `figures` and `places_given`, the number of figures and places
    in it; `places_hidden`, the number of suppressed places; and the bounds of their sum.
    """
    numbered = current.with_row_index("cell").with_columns(pl.col("place_code").str.split("+").alias("part"))
    numbered = numbered.with_columns(pl.col("part").list.len().alias("parts"))
    inside = numbered.explode("part").join(member.rename({"place_code": "part"}), on="part")
    whole = inside.group_by(*SLICE_OF_TOTAL, "cell", maintain_order=True).agg(
        pl.len().alias("inside"), *(pl.col(name).first() for name in ("parts", "value", "low", "high", "status"))
    )
    cells = whole.filter(pl.col("inside") == pl.col("parts"))
    hidden = pl.col("value").is_null() & pl.col("status").is_in(["confidential", "low"])
    nothing = pl.col("status") == "not_applicable"
    sure = pl.col("high").filter(hidden).is_not_null().all()
    return cells.group_by(SLICE_OF_TOTAL).agg(
        pl.col("value").sum().alias("local"),
        pl.col("parts").filter(pl.col("value").is_not_null() | nothing).sum().cast(pl.Int64).alias("places_given"),
        pl.col("value").is_not_null().sum().cast(pl.Int64).alias("figures"),
        pl.col("parts").filter(hidden).sum().cast(pl.Int64).alias("places_hidden"),
        pl.col("low").filter(hidden).fill_null(0.0).sum().alias("suppressed_low"),
        pl.when(sure).then(pl.col("high").filter(hidden).sum()).alias("suppressed_high"),
    )
