"""Areas that share a border, derived from boundaries on one grid, where shared borders have the same points."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
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
    counted = _find_shared_segments(boundaries).group_by("place_code", "neighbour_code").len("segments")
    return counted.cast({"segments": PAIR["segments"]}).sort("place_code", "neighbour_code")


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
    one_way = _find_shared_segments(boundaries).filter(pl.col("place_code") < pl.col("neighbour_code"))
    for code, other_code, *ends in one_way.iter_rows():
        segments[code, other_code].append(((ends[0], ends[1]), (ends[2], ends[3])))
    return dict(segments)


def _find_shared_segments(boundaries: dict[str, Any] | None) -> pl.DataFrame:
    """Return each segment of a common border, in the order of the boundaries: both areas, and its ends in order.

    It has a row for each of its areas and each other one: place_code, neighbour_code, and the columns of _ENDS.
    """
    rings = list(_iterate_rings(boundaries))
    points = np.array([point[:2] for _, ring in rings for point in ring], dtype=float).reshape(-1, 2)
    ring = np.repeat(np.arange(len(rings)), [len(points) for _, points in rings])
    begins = np.flatnonzero(ring[1:] == ring[:-1])
    first, second = points[begins], points[begins + 1]
    is_turned = (first[:, 0] > second[:, 0]) | ((first[:, 0] == second[:, 0]) & (first[:, 1] > second[:, 1]))
    low, high = np.where(is_turned[:, None], second, first), np.where(is_turned[:, None], first, second)
    codes = pl.Series([code for code, _ in rings], dtype=pl.String).gather(ring[begins]).alias("place_code")
    ends = dict(zip(_ENDS, (low[:, 0], low[:, 1], high[:, 0], high[:, 1]), strict=True))
    along = pl.DataFrame({"place_code": codes, **ends}).unique(maintain_order=True).with_row_index("first")
    shared = along.filter(pl.len().over(_ENDS) > 1).with_columns(pl.col("first").min().over(_ENDS))
    others = shared.select(pl.col("place_code").alias("neighbour_code"), *_ENDS)
    pairs = shared.join(others, on=list(_ENDS), how="inner").filter(pl.col("place_code") != pl.col("neighbour_code"))
    return pairs.sort("first", "place_code", "neighbour_code").select("place_code", "neighbour_code", *_ENDS)


_ENDS = ("x", "y", "to_x", "to_y")
"""Ends of a segment: the first has the lower x, and the lower y where these are equal."""


def _iterate_rings(boundaries: dict[str, Any] | None) -> Iterator[tuple[str, list[list[float]]]]:
    """Yield each ring of the areas with the code of its area."""
    for feature in boundaries["features"] if boundaries else []:
        code, geometry = str(feature["properties"]["code"]), feature["geometry"]
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        for polygon in polygons:
            for ring in polygon:
                yield code, ring
