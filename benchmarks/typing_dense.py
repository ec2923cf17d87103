"""Reasons for large grids: every cell that is due ends as known or with a reason, slice by slice.

A slice becomes a vector in the order of the places. No joins: every cell starts as `not_returned` and is overwritten
by its row. Only gaps are returned; all other cells are known. `cells` gives the same reasons for the small grids of
problems, with plain joins and all evidence; this module is for grids of small areas by month. Time grows with the
number of cells; memory does not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.core.errors import CrosswalkError, suggest_names
from pipelines.core.schema import OBSERVATION_STATUSES, TEXT, Column
from pipelines.core.slices import SLICE_KEY, RowNumbers, split_slices

GAP: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the place without a figure"),
    "reason": Column(TEXT, "Why it has none"),
}
"""Output columns, after the columns of the slice; both are of type Enum."""
KNOWN = "known"
REASONS: tuple[str, ...] = (
    KNOWN, "not_applicable", "nation_not_covered", "late", "not_returned", "suppressed", "not_available"
)  # fmt: skip
"""Reasons by number. A row's own reason takes precedence, then its nation's, then a missing row."""
REASON_OF_STATUS = {
    "confidential": "suppressed",
    "low": "suppressed",
    "not_available": "not_available",
    "not_applicable": "not_applicable",
}
_NUMBER = {reason: number for number, reason in enumerate(REASONS)}
_BY_STATUS = np.array(
    [_NUMBER[REASON_OF_STATUS.get(status, "not_available")] for status in OBSERVATION_STATUSES], np.uint8
)


class Grid(NamedTuple):
    """The cells that are due: places in order with the nation of each, slices, and the nations that a measure covers.

    A measure that is not in `coverage` covers all nations.
    """

    places: Sequence[str]
    nations: Sequence[str]
    slices: pl.DataFrame
    coverage: Mapping[str, Sequence[str]]


def type_gaps(batches: Iterable[pl.DataFrame], grid: Grid) -> Iterator[pl.DataFrame]:
    """Yield the gaps of a grid, batch by batch: SLICE_KEY and GAP; all other cells of the grid are known.

    Takes measure, period_start, period_end, place_code, value and status (schema.OBSERVATION_STATUSES). The rows
    of one slice must be consecutive, as in a slice-ordered file. Slices that are not due are ignored. Raises
    CrosswalkError for a code that is not in the grid.
    """
    order = pl.Enum(grid.places)
    outside = {name: ~np.isin(np.array(grid.nations), covered) for name, covered in grid.coverage.items()}
    due = dict.fromkeys(grid.slices.select(SLICE_KEY).iter_rows(), False)
    for frame, starts in split_slices(batches):
        place, reason = _position_and_reason(frame, order)
        ends = [*starts[1:], frame.height]
        typed_slices = []
        for key, start, end in zip(frame.select(SLICE_KEY)[starts].iter_rows(), starts, ends, strict=True):
            if key in due:
                due[key] = True
                typed_slices.append(
                    (key, _type_slice(place[start:end], reason[start:end], len(grid.places), outside.get(key[0])))
                )
        yield _gap_frame(typed_slices, order, frame.schema)
    absent = [key for key, there in due.items() if not there]
    nothing = np.array([], np.int64)
    late = [(key, _type_slice(nothing, nothing, len(grid.places), outside.get(key[0]), "late")) for key in absent]
    yield _gap_frame(late, order, grid.slices.schema)


def _position_and_reason(frame: pl.DataFrame, order: pl.Enum) -> tuple[RowNumbers, RowNumbers]:
    """Return for each row the number of its place and of its reason, known where there is a figure."""
    codes = frame["place_code"]
    positions = codes if codes.dtype == order else codes.cast(pl.String).cast(order, strict=False)
    if positions.null_count():
        unknown = codes.filter(positions.is_null())
        raise CrosswalkError(
            f"{unknown[0]} is not a place of the grid; {suggest_names(str(unknown[0]), order.categories.to_list())}"
        )
    status = frame["obs_status"]
    plain = (
        status
        if status.dtype == pl.Enum(OBSERVATION_STATUSES)
        else status.cast(pl.String).cast(pl.Enum(OBSERVATION_STATUSES))
    )
    reason = _BY_STATUS[plain.fill_null("not_available").to_physical().to_numpy()]
    reason[frame["value"].is_not_null().to_numpy()] = _NUMBER[KNOWN]
    return positions.to_physical().to_numpy(), reason


def _type_slice(
    place: RowNumbers, reason: RowNumbers, size: int, outside: RowNumbers | None, absent: str = "not_returned"
) -> RowNumbers:
    """Return each place's reason in one slice: its own row's, otherwise its nation's, otherwise a missing row."""
    typed = np.full(size, _NUMBER[absent], np.uint8)
    if outside is not None:
        typed[outside] = _NUMBER["nation_not_covered"]
    typed[place] = reason
    return typed


def _gap_frame(
    typed_slices: list[tuple[tuple[object, ...], RowNumbers]], order: pl.Enum, schema: pl.Schema
) -> pl.DataFrame:
    """Format the gaps of some slices as rows."""
    where = [np.flatnonzero(typed) for _, typed in typed_slices]
    counts = [len(positions_of_slice) for positions_of_slice in where]
    keys = pl.DataFrame(
        [key for key, _ in typed_slices], schema={name: schema[name] for name in SLICE_KEY}, orient="row"
    )
    at = np.repeat(np.arange(len(typed_slices)), counts)
    places = np.concatenate(where) if where else np.array([], np.int64)
    reasons = np.concatenate([typed[gaps_] for (_, typed), gaps_ in zip(typed_slices, where, strict=True)] or [places])
    return keys[at].with_columns(
        order.categories.cast(order).gather(places).alias("place_code"),
        pl.Series(REASONS, dtype=pl.Enum(REASONS)).gather(reasons).alias("reason"),
    )
