"""Slices: the observations of one measure and reference period, and the newest release of each."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl

from pipelines.core.distinct import physical_numbers

SLICE_KEY = ["measure", "period_start", "period_end"]
"""Columns that identify a slice."""
RowNumbers = np.ndarray[Any, np.dtype[Any]]


def split_slices(batches: Iterable[pl.DataFrame]) -> Iterator[tuple[pl.DataFrame, RowNumbers]]:
    """Regroup batches of observations into frames of whole slices; yield each with the first row of each slice."""
    rest: pl.DataFrame | None = None
    for batch in batches:
        whole = batch if rest is None else rest.vstack(batch)
        starts = slice_starts(whole)
        if len(starts) > 1:
            yield whole.head(starts[-1]), starts[:-1]
        rest = whole.slice(starts[-1]) if len(starts) else whole
    if rest is not None and rest.height:
        yield rest, np.array([0])


def slice_starts(observations: pl.DataFrame) -> RowNumbers:
    """Return the row at which each slice starts."""
    if observations.is_empty():
        return np.empty(0, np.int64)
    is_new = np.zeros(observations.height - 1, bool)
    for name in SLICE_KEY:
        column = observations.get_column(name)
        if column.dtype == pl.String or column.null_count():
            is_new |= column.slice(1).ne_missing(column.head(-1)).to_numpy()
        else:
            entries = physical_numbers(column).to_numpy()
            is_new |= entries[1:] != entries[:-1]
    return np.concatenate([[0], np.flatnonzero(is_new) + 1])


def count_repeated_texts(texts: pl.Series, starts: RowNumbers) -> int | None:
    """Return the number of rows of a slice, if every slice has the same texts in the same order; otherwise None.

    `starts` are the rows at which slices start. Most releases repeat one list of places, so that whatever depends on
    their codes alone is the same for every slice.
    """
    count = len(starts)
    if not count or texts.len() % count or texts.null_count():
        return None
    rows = texts.len() // count
    if (starts != np.arange(count) * rows).any():
        return None
    if texts.dtype == pl.String:
        first = texts.head(rows)
        return rows if all(texts.slice(start, rows).equals(first) for start in starts.tolist()) else None
    numbers = physical_numbers(texts).to_numpy().reshape(count, rows)
    return rows if bool((numbers == numbers[0]).all()) else None


def take_slices(observations: pl.DataFrame, starts: RowNumbers, is_chosen: RowNumbers) -> pl.DataFrame:
    """Take some slices of observations, by the rows at which slices start; adjacent ones are taken without a copy."""
    if is_chosen.all():
        return observations
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_chosen, [False]]).astype(np.int8)))
    rows = np.append(starts, observations.height)[edges].tolist()
    runs = [observations.slice(first, end - first) for first, end in zip(rows[::2], rows[1::2], strict=True)]
    return pl.concat([observations.clear(), *runs])


def has_contiguous_slices(observations: pl.DataFrame) -> bool:
    """Return whether the rows of each slice are contiguous."""
    return bool(len(slice_starts(observations)) == observations.select(pl.struct(SLICE_KEY).n_unique()).item())


def newest_slices(observation: pl.DataFrame) -> pl.DataFrame:
    """Return, for each measure and period, the cells of the newest release that has that period.

    `order` numbers a source's releases by the day they were released.
    """
    latest = observation.group_by(SLICE_KEY).agg(pl.col("order").max())
    return observation.join(latest, on=[*SLICE_KEY, "order"], how="semi")


TOTAL_SLICE_KEY = [*SLICE_KEY, "total_code"]


def sum_by_total(current: pl.DataFrame, member: pl.DataFrame) -> pl.DataFrame:
    """Sum for each published total the figures of its places; a figure of places published together counts once.

    Returns, by slice and total_code: `sum_of_places`; `figures` and `places_given`, the number of figures and places
    in it; `places_hidden`, the number of suppressed places; and the bounds of their sum.
    """
    numbered = current.with_row_index("cell").with_columns(pl.col("place_code").str.split("+").alias("part"))
    numbered = numbered.with_columns(pl.col("part").list.len().alias("parts"))
    inside = numbered.explode("part").join(member.rename({"place_code": "part"}), on="part")
    whole = inside.group_by(*TOTAL_SLICE_KEY, "cell", maintain_order=True).agg(
        pl.len().alias("inside"),
        *(pl.col(name).first() for name in ("parts", "value", "lower_bound", "upper_bound", "obs_status")),
    )
    cells = whole.filter(pl.col("inside") == pl.col("parts"))
    hidden = pl.col("value").is_null() & pl.col("obs_status").is_in(["confidential", "low"])
    nothing = pl.col("obs_status") == "not_applicable"
    sure = pl.col("upper_bound").filter(hidden).is_not_null().all()
    return cells.group_by(TOTAL_SLICE_KEY).agg(
        pl.col("value").sum().alias("sum_of_places"),
        pl.col("parts").filter(pl.col("value").is_not_null() | nothing).sum().cast(pl.Int64).alias("places_given"),
        pl.col("value").is_not_null().sum().cast(pl.Int64).alias("figures"),
        pl.col("parts").filter(hidden).sum().cast(pl.Int64).alias("places_hidden"),
        pl.col("lower_bound").filter(hidden).fill_null(0.0).sum().alias("suppressed_lower_bound"),
        pl.when(sure).then(pl.col("upper_bound").filter(hidden).sum()).alias("suppressed_upper_bound"),
    )
