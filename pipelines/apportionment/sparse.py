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

from pipelines.core.errors import CrosswalkError, near
from pipelines.core.schema import NUMBER, STATUSES, TEXT, WHOLE, Column
from pipelines.core.slices import SLICE, in_slices, whole_slices

MOVED: dict[str, Column] = {
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
"""What comes out of `move`, after the columns of the slice."""

TOLERANCE = 1e-9
"""How far the weights of one place may be from adding to 1, and a weight from being whole."""
Vector = np.ndarray[Any, np.dtype[Any]]
_NUMBERS = ("value", "low", "high")
_NAMES = dict(enumerate(STATUSES))


class Road(NamedTuple):
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
    strangers: Vector
    unweighed: Vector


class Slice(NamedTuple):
    """The figures of one slice in the order of a road's origins: 0 where there is none, and where there is one."""

    value: Vector
    known: Vector
    low: Vector
    has_low: Vector
    high: Vector
    has_high: Vector
    status: Vector


def road(crosswalk: pl.DataFrame) -> Road:
    """Make the matrices of a crosswalk.

    Takes from_code, to_code, weight (share of a count that goes along; null where not known) and people (who
    live in both; null where not known). A row without to_code is a share that leads nowhere; one without
    from_code tells of people of the place moved to whom no place moved from has. Raises CrosswalkError where
    a weight is not between 0 and 1, or the weights of a place do not add to 1: nothing is made or lost.
    """
    refuse_unconserved(crosswalk)
    pairs = crosswalk.drop_nulls(["from_code", "to_code"])
    origins, targets = (sorted(crosswalk[name].drop_nulls().unique()) for name in ("from_code", "to_code"))
    at = (_places_in(pairs["to_code"], targets), _places_in(pairs["from_code"], origins))
    weight, people = pairs["weight"].to_numpy(), pairs["people"].to_numpy()
    known = np.nan_to_num(weight)
    # A place that touches another is not whole, even if nobody of the group that weighs lives there.
    whole = (known > 1 - TOLERANCE) & pairs.select(
        pl.col("from_code").is_in(_alone(crosswalk).implode())
    ).to_series().to_numpy()

    def matrix(entries: Vector) -> sparse.csr_array:
        made = sparse.csr_array((entries.astype(float), at), shape=(len(targets), len(origins)))
        made.eliminate_zeros()
        return made

    unknown, touch = matrix(np.isnan(weight)), matrix(np.ones(pairs.height))
    residents, strangers = _people_of(crosswalk, targets)
    return Road(
        origins,
        pl.Series("place_code", origins, pl.String),
        targets,
        matrix(whole),
        matrix(np.where(whole, 0.0, known)),
        touch,
        matrix(np.nan_to_num(people)),
        touch.indices.astype(np.intp),  # as numpy indexes: it would convert others again for every slice
        touch @ np.ones(len(origins)),
        residents,
        strangers > 0,
        unknown @ np.ones(len(origins)) > 0,
    )


def _alone(crosswalk: pl.DataFrame) -> pl.Series:
    """Give the places that go to one place only."""
    return crosswalk.group_by("from_code").len().filter(pl.col("len") == 1)["from_code"]


def _places_in(codes: pl.Series, order: list[str]) -> Vector:
    return codes.cast(pl.Enum(order)).to_physical().to_numpy()


def refuse_unconserved(crosswalk: pl.DataFrame) -> None:
    """Refuse a crosswalk that would make or lose something: weights not from 0 to 1, or that do not add to 1."""
    weights = crosswalk.drop_nulls("from_code")
    outside = weights.filter((pl.col("weight") < 0) | (pl.col("weight") > 1 + TOLERANCE) | pl.col("weight").is_nan())
    if outside.height:
        code, weight = outside.select("from_code", "weight").row(0)
        raise CrosswalkError(f"{code} has the weight {weight}; expected a share from 0 to 1")
    sums = weights.group_by("from_code", maintain_order=True).agg(
        pl.col("weight").sum(), pl.col("weight").null_count().alias("unknown")
    )
    off = sums.filter(pl.col("unknown") == 0, (pl.col("weight") - 1).abs() > TOLERANCE)
    if off.height:
        code, total, _ = off.row(0)
        raise CrosswalkError(
            f"the weights of {off.height} places do not add to 1 ({code}: {total:.6f}); add a row without to_code "
            "for the share that leads nowhere"
        )


def _people_of(crosswalk: pl.DataFrame, targets: list[str]) -> tuple[Vector, Vector]:
    """Give the people of each place moved to (not a number where not known), and how many rows are strangers."""
    order = pl.DataFrame({"to_code": targets}, schema={"to_code": pl.String})
    sums = crosswalk.group_by("to_code").agg(
        pl.when(pl.col("people").is_not_null().all()).then(pl.col("people").sum()).alias("people"),
        (pl.col("from_code").is_null() & (pl.col("people").fill_null(1.0) > 0)).sum().alias("strangers"),
    )
    found = order.join(sums, on="to_code", how="left", maintain_order="left")
    return found["people"].cast(pl.Float64).fill_null(np.nan).to_numpy(), found["strangers"].to_numpy()


def move(observed: pl.DataFrame, crosswalk: pl.DataFrame | Road, *, signed: bool = False) -> pl.DataFrame:
    """Move counts or stocks to the places of a crosswalk; give MOVED for every slice and every place there.

    Takes measure, period_start, period_end, place_code and value, and low, high and status where they are
    known, in any order. A figure that is null, and a place that has no row in a slice, is missing: the place
    it goes to has no value, but keeps the bounds that the other parts give. `signed` says that figures may be
    below zero, so that a part's share has no bound. Raises CrosswalkError for a code that the crosswalk does
    not have, or a place with two figures in one slice. Never for rates, indices, medians or ranks.
    """
    ordered = observed if in_slices(observed) else observed.sort(SLICE, maintain_order=True)
    found = list(move_batches([ordered], crosswalk, signed=signed))
    return pl.concat(found) if found else laid_out(ordered.select(SLICE), [], [])


def move_batches(
    batches: Iterable[pl.DataFrame], crosswalk: pl.DataFrame | Road, *, signed: bool = False
) -> Iterator[pl.DataFrame]:
    """Move figures that come in batches, as from a file larger than memory; see `move`.

    The rows of one slice must follow each other; a slice may run on into the next batch.
    """
    way = crosswalk if isinstance(crosswalk, Road) else road(crosswalk)
    return (_moved(batch, starts, way, signed) for batch, starts in whole_slices(batches))


def _moved(observed: pl.DataFrame, starts: Vector, way: Road, signed: bool) -> pl.DataFrame:
    status, results = _status(observed), []
    told = observed.with_columns(pl.col("value").alias(name) for name in _NUMBERS if name not in observed.columns)
    for start, end in zip(starts, [*starts[1:], observed.height], strict=True):
        part = told.slice(start, end - start)
        figures = sliced([_vector(part[name]) for name in _NUMBERS], status[start:end])
        results.append(move_slice(_aligned(_origin(part["place_code"], way), figures, way), way, signed))
    return laid_out(observed.select(SLICE)[starts], results, way.targets)


def _origin(codes: pl.Series, way: Road) -> Vector | None:
    """Give the number of each code among a road's origins; None where they are all of these in their order."""
    codes = codes.cast(pl.String) if codes.dtype != pl.String else codes
    if codes.equals(way.order):
        return None
    known = codes.cast(pl.Enum(way.origins), strict=False).to_physical()
    if known.null_count():
        strange = codes.filter(known.is_null())
        raise CrosswalkError(
            f"{strange.n_unique()} codes are not of the system the crosswalk leads from, {strange[0]} among them; "
            f"{near(str(strange[0]), way.origins)}"
        )
    return known.to_numpy()


def _vector(figures: pl.Series) -> tuple[Vector, Vector]:
    """Give figures, 0 where there is none, and where there is one."""
    told = figures.cast(pl.Float64).fill_nan(None)
    return told.fill_null(0.0).to_numpy(), told.is_not_null().to_numpy()


def sliced(numbers: Sequence[tuple[Vector, Vector]], status: Vector) -> Slice:
    """Make a slice of value, low and high, each with where there is one; a bound that is not told is the value."""
    (value, known), *bounds = numbers
    figures = np.where(known, value, 0.0)
    low, high = ((np.where(has, bound, figures), has | known) for bound, has in bounds)
    return Slice(figures, known, *low, *high, status)


def _status(observed: pl.DataFrame) -> Vector:
    """Give the number of each row's status, best first; the best where none is told."""
    if "status" not in observed.columns:
        return np.zeros(observed.height, np.uint8)
    return observed["status"].cast(pl.Enum(STATUSES)).to_physical().fill_null(0).to_numpy()


def _aligned(place: Vector | None, figures: Slice, way: Road) -> Slice:
    """Put the figures of one slice in the order of the road; as they come where that is their order already."""
    if place is None:
        return figures
    if len(np.unique(place)) != len(place):
        twice = way.origins[int(np.bincount(place).argmax())]
        raise CrosswalkError(f"{twice} has two figures in one measure and period; keep one")
    spread = [np.zeros(len(way.origins), each.dtype) for each in figures]
    for whole, part in zip(spread, figures, strict=True):
        whole[place] = part
    return Slice(*spread)


def move_slice(figures: Slice, way: Road, signed: bool) -> tuple[Vector, ...]:
    """Give the columns of MOVED after place_code, in the order of a road's places moved to."""
    known = figures.known.astype(float)
    missing = way.parts - way.touch @ known
    from_cut = way.cut @ figures.value
    total = way.whole @ figures.value + from_cut
    given = (missing == 0) & ~way.strangers & ~way.unweighed
    with np.errstate(divide="ignore", invalid="ignore"):
        covered = (way.people @ known) / way.residents
        share = np.where(total == 0, 0.0, from_cut / total)
    coverage = np.where((missing == 0) & ~way.strangers, 1.0, np.where(missing == way.parts, 0.0, covered))
    return (
        np.where(given, total, np.nan),
        total,
        *_bounds(figures, way, signed),
        coverage,
        np.where(given, share, np.nan),
        way.parts,
        missing,
        _worst(figures.status, way),
    )


def _bounds(figures: Slice, way: Road, signed: bool) -> tuple[Vector, Vector]:
    """Give the least and the most that the places can have, whatever the weights are.

    A part that is cut gives between nothing and all of itself, and one that is missing at least nothing.
    Where figures may be below zero that is not sure: then only parts that are whole and known give a bound.
    """
    open_top = (way.touch @ (~figures.has_high).astype(float) > 0) | way.strangers
    open_bottom = np.zeros(len(way.targets), bool)
    if signed:
        cut = (way.touch - way.whole) @ np.ones(len(way.origins)) > 0
        open_bottom = cut | way.strangers | (way.touch @ (~figures.has_low).astype(float) > 0)
        open_top |= cut
    low, high = way.whole @ figures.low, way.touch @ figures.high
    return np.where(open_bottom, np.nan, low), np.where(open_top, np.nan, high)


def _worst(status: Vector, way: Road) -> Vector:
    """Give the worst status of the parts of each place; the best for a place without parts."""
    # A last row without parts would start beyond the end, hence the one status more.
    of_parts = np.append(status.take(way.touching), status.dtype.type(0))
    return np.maximum.reduceat(of_parts, way.touch.indptr[:-1]) * (way.parts > 0)


def laid_out(slices: pl.DataFrame, results: list[tuple[Vector, ...]], targets: list[str]) -> pl.DataFrame:
    """Put what came of some slices (one row each, SLICE) into one frame: SLICE and MOVED."""
    spine = slices.join(pl.DataFrame({"place_code": targets}, schema={"place_code": pl.String}), how="cross")
    columns = [np.concatenate(column) for column in zip(*results, strict=True)] or [np.array([])] * (len(MOVED) - 1)
    names = [name for name in MOVED if name != "place_code"]
    made = [
        pl.Series(name, column, nan_to_null=column.dtype.kind == "f")
        for name, column in zip(names, columns, strict=True)
    ]
    typed = spine.with_columns(made)
    return typed.with_columns(
        pl.col("parts", "missing").cast(pl.Int64),
        pl.col("status").cast(pl.UInt32).replace_strict(_NAMES, default=None, return_dtype=pl.String),
    )
