"""Areas that share a border, derived from boundaries on one grid, where shared borders have the same points."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import polars as pl

from pipelines.core.schema import TEXT, WHOLE, Column
from pipelines.core.table_cache import keep_results

NEIGHBOUR: dict[str, Column] = {
    "geography": Column(TEXT, "Geography of both areas"),
    "place_code": Column(TEXT, "Area code"),
    "neighbour_code": Column(TEXT, "Code of an area that shares a border with it; each pair occurs in both directions"),
    "segments": Column(WHOLE, "Number of border segments that the two areas share in the stored boundaries"),
    "boundary_source": Column(TEXT, "Boundaries that the pair is derived from: its own, or aggregated districts"),
}
PAIR = {name: NEIGHBOUR[name].dtype for name in ("place_code", "neighbour_code", "segments")}
Segment = tuple[tuple[float, float], tuple[float, float]]


def find_neighbours(boundaries: dict[str, Any] | None) -> pl.DataFrame:
    """Return every pair of areas that share a border segment (PAIR), in both directions; a common point is no border.

    Takes a GeoJSON FeatureCollection on a common grid, with the property `code` on every feature.
    """
    codes_by_segment = _codes_by_segment(boundaries)
    shared: dict[tuple[str, str], int] = defaultdict(int)
    for codes in codes_by_segment.values():
        for pair in combinations(sorted(codes), 2):
            shared[pair] += 1
    rows = [(*pair, count) for (a, b), count in shared.items() for pair in ((a, b), (b, a))]
    return pl.DataFrame(rows, schema=PAIR, orient="row").sort("place_code", "neighbour_code")


def merge_neighbours(pairs: pl.DataFrame, within: dict[str, str]) -> pl.DataFrame:
    """Return the larger areas that share a border (PAIR), aggregated from pairs of areas nested in them.

    An area outside every larger area is excluded, with its borders.
    """
    ends = (pl.col(name).replace_strict(within, default=None, return_dtype=pl.String).alias(name)
            for name in ("place_code", "neighbour_code"))  # fmt: skip
    mapped = pairs.select(*ends, "segments").drop_nulls().filter(pl.col("place_code") != pl.col("neighbour_code"))
    summed = mapped.group_by("place_code", "neighbour_code").agg(pl.col("segments").sum())
    return summed.select(list(PAIR)).sort("place_code", "neighbour_code")


def find_border_segments(
    boundaries: dict[str, Any] | None, pairs: set[tuple[str, str]]
) -> dict[tuple[str, str], list[Segment]]:
    """Return the border segments that pairs of areas share, as in the boundaries; see `find_neighbours`.

    A pair without a common border is excluded.
    """
    segments = _list_segments(boundaries)
    sides = {pair: (min(pair), max(pair)) for pair in pairs}
    return {pair: segments[side] for pair, side in sides.items() if side in segments}


@keep_results(1)
def _list_segments(boundaries: dict[str, Any] | None) -> dict[tuple[str, str], list[Segment]]:
    """Return the segments of every common border, by the pair of codes in order."""
    segments: dict[tuple[str, str], list[Segment]] = defaultdict(list)
    for segment, codes in _codes_by_segment(boundaries).items():
        for pair in combinations(sorted(codes), 2):
            segments[pair].append(segment)
    return dict(segments)


def _codes_by_segment(boundaries: dict[str, Any] | None) -> dict[Segment, set[str]]:
    """Return the areas along each border segment."""
    codes_by_segment: dict[Segment, set[str]] = defaultdict(set)
    for feature in boundaries["features"] if boundaries else []:
        for segment in _iterate_segments(feature["geometry"]):
            codes_by_segment[segment].add(str(feature["properties"]["code"]))
    return codes_by_segment


def _iterate_segments(geometry: dict[str, Any]) -> Iterator[Segment]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    for polygon in polygons:
        for ring in polygon:
            for one, other in pairwise((float(x), float(y)) for x, y in ring):
                yield (one, other) if one < other else (other, one)
