"""Moving figures across a crosswalk: frame in, frame out, one slice at a time, by sparse matrices.

A slice is one measure in one period. It becomes a vector in the order of the crosswalk's places, and the same
sparse matrix gives its values, bounds, coverage and what is missing. Cost grows with the number of figures;
memory does not grow with the number of slices.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy import sparse

from pipelines.core.errors import CrosswalkError, suggest_names
from pipelines.core.schema import NUMBER, OBSERVATION_STATUSES, TEXT, WHOLE, Column
from pipelines.core.slices import SLICE_KEY, has_contiguous_slices, split_slices

APPORTIONED_FIGURE: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the place moved to"),
    "value": Column(NUMBER, "The figure there; null unless every part has one and its weight is known"),
    "partial": Column(NUMBER, "What the parts that have a figure give together"),
    "low": Column(NUMBER, "Least the true figure can be: parts wholly inside, at their least; null where unknown"),
    "high": Column(NUMBER, "Most it can be: all of every part that touches the place, at its most; null likewise"),
    "coverage": Column(NUMBER, "Share of the place's people whose part has a figure; null where it can't be told"),
    "split_share": Column(NUMBER, "Share of the value from parts that a boundary cuts; null where there is no value"),
    "parts": Column(WHOLE, "How many places a figure is needed from"),
    "missing": Column(WHOLE, "How many of them have none"),
    "status": Column(TEXT, "Worst status among the parts"),
}
"""What comes out of `apportion_counts`, after the columns of the slice."""

WEIGHT_TOLERANCE = 1e-9
"""How far the weights of one place may be from adding to 1, and a weight from being whole."""
Vector = np.ndarray[Any, np.dtype[Any]]
_NUMBERS = ("value", "low", "high")
_STATUS_NAMES = dict(enumerate(OBSERVATION_STATUSES))


class CrosswalkMatrix(NamedTuple):
    """A crosswalk as matrices of places moved to by places moved from, and vectors of places moved to.

    `touching` are the places moved from that touch each place moved to, one place after another.
    """

    origins: list[str]
    order: pl.Series
    targets: list[str]
    whole: sparse.csr_array
    cut: sparse.csr_array
    touch: sparse.csr_array
    people: sparse.csr_array
    touching: Vector
    parts: Vector
    residents: Vector
    has_outside: Vector
    lacks_weight: Vector


class Slice(NamedTuple):
    """The figures of one slice in the order of a road's origins: 0 where there is none, and where there is one."""

    value: Vector
    has_value: Vector
    low: Vector
    has_low: Vector
    high: Vector
    has_high: Vector
    status: Vector


def build_matrix(crosswalk: pl.DataFrame) -> CrosswalkMatrix:
    """Make the matrices of a crosswalk.

    Takes from_code, to_code, weight (share of a count that goes along; null where not known) and people (who
    live in both; null where not known). A row without to_code is a share that leads nowhere; one without
    from_code tells of people of the place moved to whom no place moved from has. Raises CrosswalkError where
    a weight is not between 0 and 1, or the weights of a place do not add to 1: nothing is made or lost.
    """
    validate_weights(crosswalk)
    pairs = crosswalk.drop_nulls(["from_code", "to_code"])
    origins, targets = (sorted(crosswalk[name].drop_nulls().unique()) for name in ("from_code", "to_code"))
    at = (_code_positions(pairs["to_code"], targets), _code_positions(pairs["from_code"], origins))
    weight, people = pairs["weight"].to_numpy(), pairs["people"].to_numpy()
    known_weight = np.nan_to_num(weight)
    # A place that touches another is not whole, even if nobody of the group that weighs lives there.
    whole = (known_weight > 1 - WEIGHT_TOLERANCE) & pairs.select(
        pl.col("from_code").is_in(_single_target_codes(crosswalk).implode())
    ).to_series().to_numpy()

    def build_array(entries: Vector) -> sparse.csr_array:
        array = sparse.csr_array((entries.astype(float), at), shape=(len(targets), len(origins)))
        array.eliminate_zeros()
        return array

    unknown, touch = build_array(np.isnan(weight)), build_array(np.ones(pairs.height))
    residents, outside = _target_residents(crosswalk, targets)
    return CrosswalkMatrix(
        origins,
        pl.Series("place_code", origins, pl.String),
        targets,
        build_array(whole),
        build_array(np.where(whole, 0.0, known_weight)),
        touch,
        build_array(np.nan_to_num(people)),
        touch.indices.astype(np.intp),  # as numpy indexes: it would convert others again for every slice
        touch @ np.ones(len(origins)),
        residents,
        outside > 0,
        unknown @ np.ones(len(origins)) > 0,
    )


def _single_target_codes(crosswalk: pl.DataFrame) -> pl.Series:
    """Give the places that go to one place only."""
    return crosswalk.group_by("from_code").len().filter(pl.col("len") == 1)["from_code"]


def _code_positions(codes: pl.Series, order: list[str]) -> Vector:
    return codes.cast(pl.Enum(order)).to_physical().to_numpy()


def validate_weights(crosswalk: pl.DataFrame) -> None:
    """Refuse a crosswalk that would make or lose something: weights not from 0 to 1, or that do not add to 1."""
    weights = crosswalk.drop_nulls("from_code")
    outside = weights.filter(
        (pl.col("weight") < 0) | (pl.col("weight") > 1 + WEIGHT_TOLERANCE) | pl.col("weight").is_nan()
    )
    if outside.height:
        code, weight = outside.select("from_code", "weight").row(0)
        raise CrosswalkError(f"{code} has the weight {weight}; expected a share from 0 to 1")
    sums = weights.group_by("from_code", maintain_order=True).agg(
        pl.col("weight").sum(), pl.col("weight").null_count().alias("unknown")
    )
    unbalanced = sums.filter(pl.col("unknown") == 0, (pl.col("weight") - 1).abs() > WEIGHT_TOLERANCE)
    if unbalanced.height:
        code, total, _ = unbalanced.row(0)
        raise CrosswalkError(
            f"the weights of {unbalanced.height} places do not add to 1 ({code}: {total:.6f}); add a row "
            f"without to_code "
            "for the share that leads nowhere"
        )


def _target_residents(crosswalk: pl.DataFrame, targets: list[str]) -> tuple[Vector, Vector]:
    """Give the people of each place moved to (not a number where not known), and how many rows are strangers."""
    order = pl.DataFrame({"to_code": targets}, schema={"to_code": pl.String})
    sums = crosswalk.group_by("to_code").agg(
        pl.when(pl.col("people").is_not_null().all()).then(pl.col("people").sum()).alias("people"),
        (pl.col("from_code").is_null() & (pl.col("people").fill_null(1.0) > 0)).sum().alias("strangers"),
    )
    joined = order.join(sums, on="to_code", how="left", maintain_order="left")
    return joined["people"].cast(pl.Float64).fill_null(np.nan).to_numpy(), joined["strangers"].to_numpy()


def apportion_counts(
    observation: pl.DataFrame, crosswalk: pl.DataFrame | CrosswalkMatrix, *, signed: bool = False
) -> pl.DataFrame:
    """Move counts or stocks to the places of a crosswalk; give APPORTIONED_FIGURE for every slice and every
    place there.

    Takes measure, period_start, period_end, place_code and value, and low, high and status where they are
    known, in any order. A figure that is null, and a place that has no row in a slice, is missing: the place
    it goes to has no value, but keeps the bounds that the other parts give. `signed` says that figures may be
    below zero, so that a part's share has no bound. Raises CrosswalkError for a code that the crosswalk does
    not have, or a place with two figures in one slice. Never for rates, indices, medians or ranks.
    """
    ordered = observation if has_contiguous_slices(observation) else observation.sort(SLICE_KEY, maintain_order=True)
    frames = list(apportion_batches([ordered], crosswalk, signed=signed))
    return pl.concat(frames) if frames else assemble_frame(ordered.select(SLICE_KEY), [], [])


def apportion_batches(
    batches: Iterable[pl.DataFrame], crosswalk: pl.DataFrame | CrosswalkMatrix, *, signed: bool = False
) -> Iterator[pl.DataFrame]:
    """Move figures that come in batches, as from a file larger than memory; see `apportion_counts`.

    The rows of one slice must follow each other; a slice may run on into the next batch.
    """
    matrix = crosswalk if isinstance(crosswalk, CrosswalkMatrix) else build_matrix(crosswalk)
    return (_apportion_batch(batch, starts, matrix, signed) for batch, starts in split_slices(batches))


def _apportion_batch(observation: pl.DataFrame, starts: Vector, matrix: CrosswalkMatrix, signed: bool) -> pl.DataFrame:
    status, results = _status_ranks(observation), []
    filled = observation.with_columns(
        pl.col("value").alias(name) for name in _NUMBERS if name not in observation.columns
    )
    for start, end in zip(starts, [*starts[1:], observation.height], strict=True):
        part = filled.slice(start, end - start)
        figures = make_slice([_series_vector(part[name]) for name in _NUMBERS], status[start:end])
        results.append(
            apportion_vectors(
                _align_slice(_origin_positions(part["place_code"], matrix), figures, matrix), matrix, signed
            )
        )
    return assemble_frame(observation.select(SLICE_KEY)[starts], results, matrix.targets)


def _origin_positions(codes: pl.Series, matrix: CrosswalkMatrix) -> Vector | None:
    """Give the number of each code among a road's origins; None where they are all of these in their order."""
    codes = codes.cast(pl.String) if codes.dtype != pl.String else codes
    if codes.equals(matrix.order):
        return None
    positions = codes.cast(pl.Enum(matrix.origins), strict=False).to_physical()
    if positions.null_count():
        unknown = codes.filter(positions.is_null())
        raise CrosswalkError(
            f"{unknown.n_unique()} codes are not of the system the crosswalk leads from, {unknown[0]} among them; "
            f"{suggest_names(str(unknown[0]), matrix.origins)}"
        )
    return positions.to_numpy()


def _series_vector(figures: pl.Series) -> tuple[Vector, Vector]:
    """Give figures, 0 where there is none, and where there is one."""
    numbers = figures.cast(pl.Float64).fill_nan(None)
    return numbers.fill_null(0.0).to_numpy(), numbers.is_not_null().to_numpy()


def make_slice(numbers: Sequence[tuple[Vector, Vector]], status: Vector) -> Slice:
    """Make a slice of value, low and high, each with where there is one; a bound that is not told is the value."""
    (value, has_value), *bounds = numbers
    figures = np.where(has_value, value, 0.0)
    low, high = ((np.where(has, bound, figures), has | has_value) for bound, has in bounds)
    return Slice(figures, has_value, *low, *high, status)


def _status_ranks(observation: pl.DataFrame) -> Vector:
    """Give the number of each row's status, best first; the best where none is told."""
    if "status" not in observation.columns:
        return np.zeros(observation.height, np.uint8)
    return observation["status"].cast(pl.Enum(OBSERVATION_STATUSES)).to_physical().fill_null(0).to_numpy()


def _align_slice(place: Vector | None, figures: Slice, matrix: CrosswalkMatrix) -> Slice:
    """Put the figures of one slice in the order of the road; as they come where that is their order already."""
    if place is None:
        return figures
    if len(np.unique(place)) != len(place):
        twice = matrix.origins[int(np.bincount(place).argmax())]
        raise CrosswalkError(f"{twice} has two figures in one measure and period; keep one")
    spread = [np.zeros(len(matrix.origins), column.dtype) for column in figures]
    for whole, part in zip(spread, figures, strict=True):
        whole[place] = part
    return Slice(*spread)


def apportion_vectors(figures: Slice, matrix: CrosswalkMatrix, signed: bool) -> tuple[Vector, ...]:
    """Give the columns of APPORTIONED_FIGURE after place_code, in the order of a road's places moved to."""
    has_value = figures.has_value.astype(float)
    missing = matrix.parts - matrix.touch @ has_value
    from_cut = matrix.cut @ figures.value
    total = matrix.whole @ figures.value + from_cut
    is_complete = (missing == 0) & ~matrix.has_outside & ~matrix.lacks_weight
    with np.errstate(divide="ignore", invalid="ignore"):
        covered = (matrix.people @ has_value) / matrix.residents
        share = np.where(total == 0, 0.0, from_cut / total)
    coverage = np.where((missing == 0) & ~matrix.has_outside, 1.0, np.where(missing == matrix.parts, 0.0, covered))
    return (
        np.where(is_complete, total, np.nan),
        total,
        *_vector_bounds(figures, matrix, signed),
        coverage,
        np.where(is_complete, share, np.nan),
        matrix.parts,
        missing,
        _worst_status(figures.status, matrix),
    )


def _vector_bounds(figures: Slice, matrix: CrosswalkMatrix, signed: bool) -> tuple[Vector, Vector]:
    """Give the least and the most that the places can have, whatever the weights are.

    A part that is cut gives between nothing and all of itself, and one that is missing at least nothing.
    Where figures may be below zero that is not sure: then only parts that are whole and known give a bound.
    """
    open_top = (matrix.touch @ (~figures.has_high).astype(float) > 0) | matrix.has_outside
    open_bottom = np.zeros(len(matrix.targets), bool)
    if signed:
        cut = (matrix.touch - matrix.whole) @ np.ones(len(matrix.origins)) > 0
        open_bottom = cut | matrix.has_outside | (matrix.touch @ (~figures.has_low).astype(float) > 0)
        open_top |= cut
    low, high = matrix.whole @ figures.low, matrix.touch @ figures.high
    return np.where(open_bottom, np.nan, low), np.where(open_top, np.nan, high)


def _worst_status(status: Vector, matrix: CrosswalkMatrix) -> Vector:
    """Give the worst status of the parts of each place; the best for a place without parts."""
    # A last row without parts would start beyond the end, hence the one status more.
    part_status = np.append(status.take(matrix.touching), status.dtype.type(0))
    return np.maximum.reduceat(part_status, matrix.touch.indptr[:-1]) * (matrix.parts > 0)


def assemble_frame(slices: pl.DataFrame, results: list[tuple[Vector, ...]], targets: list[str]) -> pl.DataFrame:
    """Put what came of some slices (one row each, SLICE) into one frame: SLICE and APPORTIONED_FIGURE."""
    spine = slices.join(pl.DataFrame({"place_code": targets}, schema={"place_code": pl.String}), how="cross")
    columns = [np.concatenate(column) for column in zip(*results, strict=True)] or [np.array([])] * (
        len(APPORTIONED_FIGURE) - 1
    )
    names = [name for name in APPORTIONED_FIGURE if name != "place_code"]
    series = [
        pl.Series(name, column, nan_to_null=column.dtype.kind == "f")
        for name, column in zip(names, columns, strict=True)
    ]
    frame = spine.with_columns(series)
    return frame.with_columns(
        pl.col("parts", "missing").cast(pl.Int64),
        pl.col("status").cast(pl.UInt32).replace_strict(_STATUS_NAMES, default=None, return_dtype=pl.String),
    )
