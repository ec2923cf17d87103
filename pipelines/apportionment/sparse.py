"""Apportionment of figures by a crosswalk, with sparse matrices, one slice at a time.

A slice is one measure in one period. It becomes a vector in the order of the crosswalk's places. The same matrix
gives its values, bounds, coverage and missing parts. Time grows with the number of figures; memory does not grow with
the number of slices.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy import sparse

from pipelines.core.errors import CrosswalkError, suggest_names
from pipelines.core.renames import refuse_old_columns
from pipelines.core.schema import NUMBER, OBSERVATION_STATUSES, TEXT, WHOLE, Column
from pipelines.core.slices import SLICE_KEY, has_contiguous_slices, split_slices

APPORTIONED_FIGURE: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the target place"),
    "value": Column(NUMBER, "Apportioned figure; null unless every part has a figure and a known weight"),
    "partial": Column(NUMBER, "Sum of the parts with a figure"),
    "lower_bound": Column(
        NUMBER, "Lower bound of the true figure: sum of the lower bounds of whole parts; null where unknown"
    ),
    "upper_bound": Column(
        NUMBER, "Upper bound of the true figure: sum of the upper bounds of all parts; null where unknown"
    ),
    "coverage": Column(NUMBER, "Share of the place's residents in parts with a figure; null where unknown"),
    "apportioned_share": Column(
        NUMBER, "Share of the value from parts crossed by a boundary; null where there is no value"
    ),
    "parts": Column(WHOLE, "Number of source places needed"),
    "missing": Column(WHOLE, "Number of these places without a figure"),
    "obs_status": Column(TEXT, "Worst status among the parts"),
}
"""Output of `apportion_counts`, after the columns of the slice."""

WEIGHT_TOLERANCE = 1e-9
"""Tolerance of the sum of a place's weights, and of a weight that is whole."""
Vector = np.ndarray[Any, np.dtype[Any]]
_NUMBERS = ("value", "lower_bound", "upper_bound")
_STATUS_NAMES = dict(enumerate(OBSERVATION_STATUSES))


class CrosswalkMatrix(NamedTuple):
    """A crosswalk as matrices of target places by source places, and vectors of target places.

    `touching` lists the source places that overlap each target place, one target after another.
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
    """Figures of one slice in the order of a crosswalk's origins, 0 where missing, and whether each is present."""

    value: Vector
    has_value: Vector
    low: Vector
    has_low: Vector
    high: Vector
    has_high: Vector
    status: Vector


def build_matrix(crosswalk: pl.DataFrame) -> CrosswalkMatrix:
    """Build the matrices of a crosswalk.

    Takes from_code, to_code, weight (share of a count that goes to the target; null where unknown) and
    weight_population (residents of both; null where unknown). A row without to_code is an unallocated share. A row
    without from_code gives residents of the target place who are in no source place. Raises CrosswalkError where a
    weight is not between 0 and 1, or the weights of a place do not add to 1, so that totals are preserved.
    """
    refuse_old_columns(crosswalk.columns, ("weight_population",), "the crosswalk")
    validate_weights(crosswalk)
    pairs = crosswalk.drop_nulls(["from_code", "to_code"])
    origins, targets = (sorted(crosswalk[name].drop_nulls().unique()) for name in ("from_code", "to_code"))
    at = (_code_positions(pairs["to_code"], targets), _code_positions(pairs["from_code"], origins))
    weight, people = pairs["weight"].to_numpy(), pairs["weight_population"].to_numpy()
    known_weight = np.nan_to_num(weight)
    # A place that overlaps another is not whole, even if no one of the weight's group lives there.
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
        touch.indices.astype(np.intp),  # numpy's index type, which avoids a conversion for every slice
        touch @ np.ones(len(origins)),
        residents,
        outside > 0,
        unknown @ np.ones(len(origins)) > 0,
    )


def _single_target_codes(crosswalk: pl.DataFrame) -> pl.Series:
    """Return the source places with a single target place."""
    return crosswalk.group_by("from_code").len().filter(pl.col("len") == 1)["from_code"]


def _code_positions(codes: pl.Series, order: list[str]) -> Vector:
    return codes.cast(pl.Enum(order)).to_physical().to_numpy()


def validate_weights(crosswalk: pl.DataFrame) -> None:
    """Reject a crosswalk that does not preserve totals: weights outside 0 to 1, or that do not add to 1."""
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
            "for the unallocated share"
        )


def _target_residents(crosswalk: pl.DataFrame, targets: list[str]) -> tuple[Vector, Vector]:
    """Return the residents of each target place (NaN where unknown), and its number of rows without a source place."""
    order = pl.DataFrame({"to_code": targets}, schema={"to_code": pl.String})
    sums = crosswalk.group_by("to_code").agg(
        pl.when(pl.col("weight_population").is_not_null().all())
        .then(pl.col("weight_population").sum())
        .alias("weight_population"),
        (pl.col("from_code").is_null() & (pl.col("weight_population").fill_null(1.0) > 0)).sum().alias("strangers"),
    )
    joined = order.join(sums, on="to_code", how="left", maintain_order="left")
    return joined["weight_population"].cast(pl.Float64).fill_null(np.nan).to_numpy(), joined["strangers"].to_numpy()


def apportion_counts(
    observation: pl.DataFrame, crosswalk: pl.DataFrame | CrosswalkMatrix, *, signed: bool = False
) -> pl.DataFrame:
    """Apportion counts or stocks by a crosswalk; return APPORTIONED_FIGURE for every slice and target place.

    Takes measure, period_start, period_end, place_code and value, and lower_bound, upper_bound and obs_status where
    known, in any order. A null figure, or a place without a row in a slice, is missing. Its target place then has no
    value, but keeps the bounds from the other parts. `signed` states that figures can be negative, so that a part's
    share has no bound. Raises CrosswalkError for a code that is not in the crosswalk, or for a place with two figures
    in one slice. Never use this for rates, indices, medians or ranks.
    """
    ordered = observation if has_contiguous_slices(observation) else observation.sort(SLICE_KEY, maintain_order=True)
    frames = list(apportion_batches([ordered], crosswalk, signed=signed))
    return pl.concat(frames) if frames else assemble_frame(ordered.select(SLICE_KEY), [], [])


def apportion_batches(
    batches: Iterable[pl.DataFrame], crosswalk: pl.DataFrame | CrosswalkMatrix, *, signed: bool = False
) -> Iterator[pl.DataFrame]:
    """Apportion figures that come in batches, such as from a file larger than memory; see `apportion_counts`.

    The rows of a slice must be consecutive; a slice can continue into the next batch.
    """
    matrix = crosswalk if isinstance(crosswalk, CrosswalkMatrix) else build_matrix(crosswalk)
    return (_apportion_batch(batch, starts, matrix, signed) for batch, starts in split_slices(batches))


def _apportion_batch(observation: pl.DataFrame, starts: Vector, matrix: CrosswalkMatrix, signed: bool) -> pl.DataFrame:
    refuse_old_columns(observation.columns, (*_NUMBERS, "obs_status"), "the figures")
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
    """Return the position of each code among a crosswalk's origins; None where the order is the same."""
    codes = codes.cast(pl.String) if codes.dtype != pl.String else codes
    if codes.equals(matrix.order):
        return None
    positions = codes.cast(pl.Enum(matrix.origins), strict=False).to_physical()
    if positions.null_count():
        unknown = codes.filter(positions.is_null())
        raise CrosswalkError(
            f"{unknown.n_unique()} codes are not in the crosswalk's source geography, such as {unknown[0]}; "
            f"{suggest_names(str(unknown[0]), matrix.origins)}"
        )
    return positions.to_numpy()


def _series_vector(figures: pl.Series) -> tuple[Vector, Vector]:
    """Return figures, 0 where missing, and whether each is present."""
    numbers = figures.cast(pl.Float64).fill_nan(None)
    return numbers.fill_null(0.0).to_numpy(), numbers.is_not_null().to_numpy()


def make_slice(numbers: Sequence[tuple[Vector, Vector]], status: Vector) -> Slice:
    """Build a slice of value, low and high, each with whether it is present; a missing bound is the value."""
    (value, has_value), *bounds = numbers
    figures = np.where(has_value, value, 0.0)
    low, high = ((np.where(has, bound, figures), has | has_value) for bound, has in bounds)
    return Slice(figures, has_value, *low, *high, status)


def _status_ranks(observation: pl.DataFrame) -> Vector:
    """Return the number of each row's status, best first; the best where there is no status."""
    if "obs_status" not in observation.columns:
        return np.zeros(observation.height, np.uint8)
    return observation["obs_status"].cast(pl.Enum(OBSERVATION_STATUSES)).to_physical().fill_null(0).to_numpy()


def _align_slice(place: Vector | None, figures: Slice, matrix: CrosswalkMatrix) -> Slice:
    """Put the figures of one slice in the order of the crosswalk, unless they already are."""
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
    """Return the columns of APPORTIONED_FIGURE after place_code, in the order of the target places."""
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
    """Return the lower and upper bound of each target place, whatever the weights are.

    A split part adds between zero and all of itself, and a missing part at least zero. Where figures can be
    negative, only whole and known parts give a bound.
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
    """Return the worst status of the parts of each place; the best for a place without parts."""
    # A last row without parts would start beyond the end, so one more status is appended.
    part_status = np.append(status.take(matrix.touching), status.dtype.type(0))
    return np.maximum.reduceat(part_status, matrix.touch.indptr[:-1]) * (matrix.parts > 0)


def assemble_frame(slices: pl.DataFrame, results: list[tuple[Vector, ...]], targets: list[str]) -> pl.DataFrame:
    """Combine the results of some slices (one row each, SLICE_KEY) into one frame: SLICE_KEY and APPORTIONED_FIGURE."""
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
        pl.col("obs_status").cast(pl.UInt32).replace_strict(_STATUS_NAMES, default=None, return_dtype=pl.String),
    )
