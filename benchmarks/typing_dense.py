"""Typing large grids: every place of every slice that is due ends as known or with a reason, slice by slice.

A slice becomes a vector in the order of the places. Nobody joins: a place's reason is first that it was not returned,
and each row that is there puts its own in its place. Only gaps come out; what does not come out is known. For the
grids of problems, which are small, `cells` says the same in plain joins with all evidence; this is for grids of small
areas by month. Cost grows with the number of cells, memory not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.core.errors import CrosswalkError, near
from pipelines.core.schema import STATUSES, TEXT, Column
from pipelines.core.slices import SLICE, Rows, whole_slices

GAP: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the place without a figure"),
    "reason": Column(TEXT, "Why it has none"),
}
"""What comes out, after the columns of the slice; both are of type Enum."""
KNOWN = "known"
REASONS: tuple[str, ...] = (
    KNOWN, "not_applicable", "nation_not_covered", "late", "not_returned", "suppressed", "not_available"
)  # fmt: skip
"""Reasons by number; what a row says goes before all, and what is said of a nation before that a row is missing."""
OF_STATUS = {
    "confidential": "suppressed",
    "low": "suppressed",
    "not_available": "not_available",
    "not_applicable": "not_applicable",
}
_NUMBER = {reason: number for number, reason in enumerate(REASONS)}
_BY_STATUS = np.array([_NUMBER[OF_STATUS.get(status, "not_available")] for status in STATUSES], np.uint8)


class Grid(NamedTuple):
    """What is due: places in their order with the nation of each, the slices, and which nations a measure covers.

    A measure that `coverage` does not name covers all.
    """

    places: Sequence[str]
    nations: Sequence[str]
    slices: pl.DataFrame
    coverage: Mapping[str, Sequence[str]]


def gaps(batches: Iterable[pl.DataFrame], grid: Grid) -> Iterator[pl.DataFrame]:
    """Give the gaps of a grid, batch by batch: SLICE and GAP; all cells of the grid that do not come out are known.

    Takes measure, period_start, period_end, place_code, value and status (schema.STATUSES), the rows of one slice
    following each other, as a slice-ordered file has them; slices that are not due are left out. Raises
    CrosswalkError for a code that is no place of the grid.
    """
    order = pl.Enum(grid.places)
    outside = {name: ~np.isin(np.array(grid.nations), covered) for name, covered in grid.coverage.items()}
    due = dict.fromkeys(grid.slices.select(SLICE).iter_rows(), False)
    for frame, starts in whole_slices(batches):
        place, reason = _numbers(frame, order)
        ends = [*starts[1:], frame.height]
        found = []
        for key, start, end in zip(frame.select(SLICE)[starts].iter_rows(), starts, ends, strict=True):
            if key in due:
                due[key] = True
                found.append((key, _typed(place[start:end], reason[start:end], len(grid.places), outside.get(key[0]))))
        yield _frame(found, order, frame.schema)
    absent = [key for key, there in due.items() if not there]
    nothing = np.array([], np.int64)
    late = [(key, _typed(nothing, nothing, len(grid.places), outside.get(key[0]), "late")) for key in absent]
    yield _frame(late, order, grid.slices.schema)


def _numbers(frame: pl.DataFrame, order: pl.Enum) -> tuple[Rows, Rows]:
    """Give for each row the number of its place and of its reason: known where there is a figure."""
    codes = frame["place_code"]
    known = codes if codes.dtype == order else codes.cast(pl.String).cast(order, strict=False)
    if known.null_count():
        strange = codes.filter(known.is_null())
        raise CrosswalkError(
            f"{strange[0]} is no place of the grid; {near(str(strange[0]), order.categories.to_list())}"
        )
    status = frame["status"]
    plain = status if status.dtype == pl.Enum(STATUSES) else status.cast(pl.String).cast(pl.Enum(STATUSES))
    reason = _BY_STATUS[plain.fill_null("not_available").to_physical().to_numpy()]
    reason[frame["value"].is_not_null().to_numpy()] = _NUMBER[KNOWN]
    return known.to_physical().to_numpy(), reason


def _typed(place: Rows, reason: Rows, size: int, outside: Rows | None, absent: str = "not_returned") -> Rows:
    """Give each place's reason in one slice: its own row's, else its nation's, else that it has no row."""
    typed = np.full(size, _NUMBER[absent], np.uint8)
    if outside is not None:
        typed[outside] = _NUMBER["nation_not_covered"]
    typed[place] = reason
    return typed


def _frame(found: list[tuple[tuple[object, ...], Rows]], order: pl.Enum, schema: pl.Schema) -> pl.DataFrame:
    """Lay the gaps of some slices out as rows."""
    where = [np.flatnonzero(typed) for _, typed in found]
    counts = [len(each) for each in where]
    keys = pl.DataFrame([key for key, _ in found], schema={name: schema[name] for name in SLICE}, orient="row")
    at = np.repeat(np.arange(len(found)), counts)
    places = np.concatenate(where) if where else np.array([], np.int64)
    reasons = np.concatenate([typed[gaps_] for (_, typed), gaps_ in zip(found, where, strict=True)] or [places])
    return keys[at].with_columns(
        order.categories.cast(order).gather(places).alias("place_code"),
        pl.Series(REASONS, dtype=pl.Enum(REASONS)).gather(reasons).alias("reason"),
    )
