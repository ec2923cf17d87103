"""Slices: figures of one measure in one period, and where one ends and the next begins."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

SLICE = ["measure", "period_start", "period_end"]
"""What tells one slice from another."""
RELEASED = "released_at"
"""What tells one release of a slice from another."""
Rows = np.ndarray[Any, np.dtype[Any]]


def whole_slices(batches: Iterable[pl.DataFrame], key: Sequence[str] = SLICE) -> Iterator[tuple[pl.DataFrame, Rows]]:
    """Cut figures that come in batches where a slice ends: frames of whole slices, and the row each slice starts at."""
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
    """Give the row at which each slice starts."""
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in key)
    return observed.select((changed | (pl.int_range(pl.len()) == 0)).arg_true()).to_series().to_numpy()


def in_slices(observed: pl.DataFrame) -> bool:
    """Tell whether the rows of each slice follow each other."""
    return bool(len(slice_starts(observed)) == observed.select(pl.struct(SLICE).n_unique()).item())
