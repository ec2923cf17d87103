"""Figures under the codes of their own period: former places, where the successor has no figure in a slice.

A file of the newest codes may give an earlier period under the codes of that time. A trust formed in October 2020 has
no row for the quarter before, and the two trusts that merged have. The slice then has the places of its own period.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from typing import NamedTuple

import polars as pl

from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.core.slices import SLICE_KEY
from pipelines.geography import Places, follow_changes, trace_graph

_SLICE = [*SLICE_KEY, "order"]
_Days = dict[str, list[tuple[date, date]]]


class SlicesOfPlaces(NamedTuple):
    """Observations (schema.OBSERVATION_COLUMNS, with `order`) of slices that share the same places, and their codes."""

    codes: list[str]
    observation: pl.DataFrame


def split_by_codes_of_period(
    observation: pl.DataFrame, total: pl.DataFrame, codes: Collection[str], places: Places
) -> list[SlicesOfPlaces]:
    """Split observations of one geography by the codes in use in the period of each slice.

    `total` (totals.TOTAL) has the rows set aside as `retired_code`. Such a row takes the place of its only successor
    in `codes` where that has no figure in the slice, and its code was in use in the period. The other predecessors of
    that successor then belong to the slice as well, so that a sum over some of them is never taken for the whole.
    """
    former = _find_former_rows(observation, total, set(codes), places)
    if former.is_empty():
        return [SlicesOfPlaces(list(codes), observation)]
    by_slice = former.group_by(_SLICE).agg(pl.struct("to_code", "place_code").alias("pairs"))
    replaced = {row["slice"]: row for row in _list_replacements(by_slice, places)}
    groups = defaultdict(list)
    for slice_key, row in replaced.items():
        groups[row["removed"], row["added"]].append(slice_key)
    changed = pl.DataFrame(list(replaced), schema=former.select(_SLICE).schema, orient="row")
    result = [SlicesOfPlaces(list(codes), observation.join(changed, on=_SLICE, how="anti", maintain_order="left"))]
    for (removed, added), keys in groups.items():
        slices = pl.DataFrame(keys, schema=changed.schema, orient="row")
        own = observation.join(slices, on=_SLICE, how="semi", maintain_order="left")
        rows = former.join(slices, on=_SLICE, how="semi").filter(pl.col("to_code").is_in(list(removed)))
        ordered = pl.concat([own.filter(~pl.col("place_code").is_in(list(removed))), rows.select(own.columns)])
        present = [code for code in codes if code not in removed]
        result.append(SlicesOfPlaces([*present, *added], ordered.sort(*_SLICE, "place_code", maintain_order=True)))
    return [part for part in result if part.observation.height]


def _find_former_rows(observation: pl.DataFrame, total: pl.DataFrame, codes: set[str], places: Places) -> pl.DataFrame:
    """Find rows under retired codes of the slices in use where the only successor has no figure, with `to_code`."""
    nothing = observation.clear().with_columns(pl.lit(None, pl.String).alias("to_code"))
    retired = total.filter(pl.col("role") == "retired_code", pl.col("place_code").is_not_null())
    if retired.is_empty():
        return nothing
    retired = retired.join(observation.select(_SLICE).unique(), on=_SLICE, how="semi")
    successors = trace_graph(places.graph, retired["place_code"].unique().sort().to_list(), codes)
    only = {code: successor.codes[0] for code, successor in successors.items() if len(successor.codes) == 1}
    to_code = pl.col("place_code").replace_strict(only, default=None, return_dtype=pl.String).alias("to_code")
    candidates = retired.with_columns(to_code).drop_nulls("to_code")
    known = observation.filter(pl.col("value").is_not_null()).select(*_SLICE, pl.col("place_code").alias("to_code"))
    candidates = candidates.join(known, on=[*_SLICE, "to_code"], how="anti")
    if candidates.is_empty():
        return nothing
    geography = observation.select(*_SLICE, "geography").unique(_SLICE)
    rows = candidates.join(geography, on=_SLICE)
    return conform_table(rows, OBSERVATION_COLUMNS).with_columns(rows["order"], rows["to_code"])


def _list_replacements(by_slice: pl.DataFrame, places: Places) -> list[dict[str, tuple[str, ...]]]:
    """List for each slice the codes removed and added: `slice`, `removed`, `added`; without the slices unchanged."""
    before: dict[str, list[str]] = {}
    rows = []
    for row in by_slice.sort(_SLICE).iter_rows(named=True):
        by_successor = defaultdict(set)
        for pair in row["pairs"]:
            by_successor[pair["to_code"]].add(pair["place_code"])
        added = {}
        for code, present in by_successor.items():
            earlier = before.setdefault(code, follow_changes(code, places.graph.backward))
            added[code] = _choose_codes(earlier, present, (row["period_end"], row["period_start"]), places.days_in_use)
        removed = tuple(sorted(code for code, others in added.items() if others))
        if removed:
            others = tuple(sorted({other for code in removed for other in added[code]}))
            rows.append({"slice": tuple(row[name] for name in _SLICE), "removed": removed, "added": others})
    return rows


def _choose_codes(earlier: list[str], present: set[str], ends: tuple[date, date], days: _Days) -> list[str]:
    """Choose the predecessors in use on the last day of a period, or else on its first, that include those present."""
    for day in ends:
        in_use = [code for code in earlier if any(first <= day <= last for first, last in days.get(code, ()))]
        if present <= set(in_use):
            return in_use
    return []
