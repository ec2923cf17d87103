"""Which places share a border: read off boundaries drawn on one grid, where shared borders have the same points."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import polars as pl

from pipelines.core.schema import TEXT, WHOLE, Column

NEIGHBOUR: dict[str, Column] = {
    "place_system": Column(TEXT, "Place system of both places"),
    "place_code": Column(TEXT, "Code of a place"),
    "neighbour_code": Column(TEXT, "Code of a place that it shares a border with; each pair stands both ways"),
    "segments": Column(WHOLE, "How many pieces of border they share on the grid of the boundaries held"),
    "basis": Column(TEXT, "Boundaries that the pair is read off: its own, or those of districts put together"),
}
PAIR = {name: NEIGHBOUR[name].dtype for name in ("place_code", "neighbour_code", "segments")}
Segment = tuple[tuple[float, float], tuple[float, float]]


def neighbours(boundaries: dict[str, Any] | None) -> pl.DataFrame:
    """Give every pair of places that share a piece of border (PAIR), both ways; places that touch in a point do not.

    Takes a GeoJSON FeatureCollection whose features have the property `code`, on a common grid.
    """
    on = _sides(boundaries)
    shared: dict[tuple[str, str], int] = defaultdict(int)
    for codes in on.values():
        for pair in combinations(sorted(codes), 2):
            shared[pair] += 1
    rows = [(*pair, count) for (a, b), count in shared.items() for pair in ((a, b), (b, a))]
    return pl.DataFrame(rows, schema=PAIR, orient="row").sort("place_code", "neighbour_code")


def put_together(pairs: pl.DataFrame, within: dict[str, str]) -> pl.DataFrame:
    """Give the larger places that share a border (PAIR), from the pairs of places that each wholly lie in one of them.

    A place that lies in none is left out, with its borders.
    """
    ends = (pl.col(name).replace_strict(within, default=None, return_dtype=pl.String).alias(name)
            for name in ("place_code", "neighbour_code"))  # fmt: skip
    led = pairs.select(*ends, "segments").drop_nulls().filter(pl.col("place_code") != pl.col("neighbour_code"))
    summed = led.group_by("place_code", "neighbour_code").agg(pl.col("segments").sum())
    return summed.select(list(PAIR)).sort("place_code", "neighbour_code")


def shared_borders(
    boundaries: dict[str, Any] | None, pairs: set[tuple[str, str]]
) -> dict[tuple[str, str], list[Segment]]:
    """Give the pieces of border that some pairs of places share, as they stand in the boundaries; see `neighbours`.

    A pair without a common border is left out.
    """
    found: dict[tuple[str, str], list[Segment]] = defaultdict(list)
    for segment, codes in _sides(boundaries).items():
        for one, other in combinations(sorted(codes), 2):
            for pair in {(one, other), (other, one)} & pairs:
                found[pair].append(segment)
    return dict(found)


def _sides(boundaries: dict[str, Any] | None) -> dict[Segment, set[str]]:
    """Tell which places lie along each piece of border."""
    on: dict[Segment, set[str]] = defaultdict(set)
    for feature in boundaries["features"] if boundaries else []:
        for segment in _segments(feature["geometry"]):
            on[segment].add(str(feature["properties"]["code"]))
    return on


def _segments(geometry: dict[str, Any]) -> Iterator[Segment]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    for polygon in polygons:
        for ring in polygon:
            for one, other in pairwise((float(x), float(y)) for x, y in ring):
                yield (one, other) if one < other else (other, one)
