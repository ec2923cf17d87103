"""Bounds of suppressed figures, narrowed by the publisher's totals and by a source's other measures.

Narrowing applies only where the declaration states that figures add (`additivity`). It covers only counts and stocks
without noise that are never negative; for others no bound is certain. Places without a row are unknowns too, from
zero upwards.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.declarations.measure import ADDITIVE_KINDS
from pipelines.declarations.source import Source
from pipelines.observations.bounds import BoundVectors, SumConstraint, narrow_bounds
from pipelines.observations.totals import total_members

RELEASE_PERIOD = ["order", "period_start", "period_end"]
MeasurePlace = tuple[str, str]
"""A measure and a place."""


class NarrowingResult(NamedTuple):
    """Observations with narrowed bounds, and a summary of what changed: order, measure, figures, example."""

    observation: pl.DataFrame
    summary: pl.DataFrame


class _SliceUnknowns(NamedTuple):
    """Unknowns of one release and period, with their bounds."""

    keys: list[MeasurePlace]
    start: BoundVectors


def narrow_hidden_bounds(
    observation: pl.DataFrame, total: pl.DataFrame, source: Source, own: pl.DataFrame, negative: Collection[str] = ()
) -> NarrowingResult:
    """Narrow the bounds of observations, for each release and period.

    Takes schema.OBSERVATION_COLUMNS with `order`, totals.TOTAL, and the places of the source's geography
    (schema.PLACE_COLUMNS). A slice without suppressed figures does not change, nor does a slice with
    contradictory sums. Totals of a slice in another geography are ignored, because the source's own geography may
    lack some of its places. Measures in `negative`, like those with a negative figure, do not change.
    """
    nothing = pl.DataFrame(schema={"measure": pl.String, "order": pl.Int64, "figures": pl.UInt32, "example": pl.String})
    families = _measure_families(source, observation, negative)
    if not families:
        return NarrowingResult(observation, nothing)
    own_periods = observation.filter(pl.col("geography") == source.geography).select(RELEASE_PERIOD).unique()
    own_totals = total.join(own_periods, on=RELEASE_PERIOD, how="semi")
    changes = list(
        _narrow_slices(observation, own_totals, source, total_members(own), own["place_code"].to_list(), families)
    )
    if not changes:
        return NarrowingResult(observation, nothing)
    ends = pl.concat(changes)
    key = [*RELEASE_PERIOD, "measure", "place_code"]
    joined = observation.join(ends, on=key, how="left", maintain_order="left")
    example = pl.format("{}: {} to {}", "place_code", "new_lower_bound", "new_upper_bound").first().alias("example")
    narrower = joined.filter(pl.col("new_upper_bound").is_not_null())
    summary = narrower.group_by("order", "measure").agg(pl.len().alias("figures"), example)
    new = [pl.coalesce(f"new_{name}", name).alias(name) for name in ("lower_bound", "upper_bound")]
    return NarrowingResult(
        joined.with_columns(new).drop("new_lower_bound", "new_upper_bound"), summary.select(nothing.columns)
    )


def _measure_families(source: Source, observation: pl.DataFrame, other_negative: Collection[str]) -> list[list[str]]:
    """Group measures that add to each other; each measure that can be narrowed is in one family."""
    adding = source.additivity
    if not adding or observation.is_empty():
        return []
    negative = {*observation.filter(pl.col("value") < 0)["measure"].unique(), *other_negative}
    eligible = {
        name for name, item in source.measures.items()
        if item.kind in ADDITIVE_KINDS and not item.is_uncertain
        and name not in negative and (not item.range or item.range[0] >= 0)
    }  # fmt: skip
    families = [[name] for name in sorted(eligible)] if adding.totals else []
    for total, parts in adding.measures.items():
        if eligible >= {total, *parts}:
            overlapping = [item for item in families if {total, *parts} & set(item)]
            families = [item for item in families if item not in overlapping]
            families.append(sorted({total, *parts, *(name for item in overlapping for name in item)}))
    return families


def _narrow_slices(
    observation: pl.DataFrame, total: pl.DataFrame, source: Source, member: pl.DataFrame, own: list[str],
    families: list[list[str]],
) -> Iterator[pl.DataFrame]:  # fmt: skip
    """Yield the narrowed bounds of each slice with suppressed figures."""
    larger = total.filter(pl.col("role") == "total", pl.col("tier").is_not_null())
    belongs = {code: set(frame["place_code"]) for (code,), frame in member.group_by("total_code")}
    for family in families:
        mine = observation.filter(pl.col("measure").is_in(family))
        hidden = mine.filter(pl.col("value").is_null()).select(RELEASE_PERIOD).unique()
        above = larger.filter(pl.col("measure").is_in(family)).partition_by(RELEASE_PERIOD, as_dict=True)
        parts = mine.join(hidden, on=RELEASE_PERIOD, how="semi").partition_by(RELEASE_PERIOD, as_dict=True)
        for key, frame in parts.items():
            totals = above.get(key, larger.clear())
            table = _list_unknowns(frame, totals, _places_without_row(frame, own), family)
            exact = _exact_totals(source, total, family, key)
            sums = [*_place_sums(table, belongs, exact, totals), *_measure_sums(table, source)]
            yield _bound_changes(table, narrow_bounds(table.start, sums), frame, key)


def _places_without_row(frame: pl.DataFrame, own: list[str]) -> list[str]:
    """Return the places without a row in a slice, alone or combined with others."""
    there = set(frame["place_code"].str.split("+").explode())
    return [code for code in own if code not in there]


def _list_unknowns(frame: pl.DataFrame, totals: pl.DataFrame, missing: list[str], family: list[str]) -> _SliceUnknowns:
    """List the unknowns of a slice: all places, all totals, and places without a row, from zero upwards."""
    columns = ("measure", "place_code", "value", "lower_bound", "upper_bound")
    published = pl.concat([table.select(columns) for table in (frame, totals)]).unique(
        ["measure", "place_code"], keep="first", maintain_order=True
    )
    present = set(published.select("measure", "place_code").iter_rows())
    places = [*published["place_code"].unique(maintain_order=True), *missing]
    absent = [(measure, place) for measure in family for place in places if (measure, place) not in present]
    low, high = (
        published.select(pl.coalesce(name, "value")).to_series().cast(pl.Float64)
        for name in ("lower_bound", "upper_bound")
    )
    return _SliceUnknowns(
        [*published.select("measure", "place_code").iter_rows(), *absent],
        BoundVectors(
            np.append(low.fill_null(0.0).to_numpy(), np.zeros(len(absent))),
            np.append(high.fill_null(np.inf).to_numpy(), np.full(len(absent), np.inf)),
        ),
    )


def _exact_totals(source: Source, total: pl.DataFrame, family: list[str], key: tuple[object, ...]) -> dict[str, bool]:
    """Return for each measure of a slice whether its totals equal the sum of places; empty where totals give no bound.

    A total that also includes rows without a place, or under an old code, exceeds the sum of its places.
    """
    if not source.additivity or not source.additivity.totals:
        return {}
    in_slice = [pl.col(name) == value for name, value in zip(RELEASE_PERIOD, key, strict=True)]
    unplaced = set(total.filter(pl.col("role") != "total", *in_slice)["measure"])
    return {name: source.additivity.totals == "places" and name not in unplaced for name in family}


def _place_sums(
    table: _SliceUnknowns, belongs: dict[str, set[str]], exact: dict[str, bool], totals: pl.DataFrame
) -> Iterator[SumConstraint]:
    """Yield the sum of places for each total, unless it includes only some of the places published together."""
    larger = set(totals["place_code"])
    number = {key: n for n, key in enumerate(table.keys)}
    for measure, code in (
        totals.filter(pl.col("measure").is_in(list(exact))).select("measure", "place_code").iter_rows()
    ):
        inside = belongs.get(code, set())
        split = {key: set(key[1].split("+")) for key in table.keys if key[0] == measure and key[1] not in larger}
        cut = any(codes & inside and not codes <= inside for codes in split.values())
        parts = tuple(number[key] for key, codes in split.items() if codes <= inside)
        if parts and not cut:
            yield SumConstraint(number[measure, code], parts, whole=exact[measure])


def _measure_sums(table: _SliceUnknowns, source: Source) -> Iterator[SumConstraint]:
    """Yield the sum of measures for each measure that is a total of others, place by place."""
    number = {key: n for n, key in enumerate(table.keys)}
    for total, parts in (source.additivity.measures if source.additivity else {}).items():
        for measure, place in table.keys:
            if measure == total and all((part, place) in number for part in parts):
                yield SumConstraint(number[measure, place], tuple(number[part, place] for part in parts))


def _bound_changes(
    table: _SliceUnknowns, solution: BoundVectors | None, frame: pl.DataFrame, key: tuple[object, ...]
) -> pl.DataFrame:
    """Return the bounds that changed: order and period, measure, place_code, new_lower_bound, new_upper_bound."""
    ends = solution or table.start
    is_narrower = (ends.low > table.start.low) | (ends.high < table.start.high)
    rows = [
        (*unknown, float(ends.low[n]), float(ends.high[n]))
        for n, unknown in enumerate(table.keys)
        if is_narrower[n] and np.isfinite(ends.high[n])
    ]
    schema = {
        "measure": pl.String,
        "place_code": pl.String,
        "new_lower_bound": pl.Float64,
        "new_upper_bound": pl.Float64,
    }
    changes = pl.DataFrame(rows, schema=schema, orient="row")
    fixed = [
        pl.lit(value).cast(frame.schema[name]).alias(name) for name, value in zip(RELEASE_PERIOD, key, strict=True)
    ]
    return changes.with_columns(fixed)
