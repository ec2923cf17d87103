"""Overlays: the residents of each pair of areas of two geographies, summed from small areas.

A small area is in one area of each geography. The residents of two areas in common are those of the small areas in
both. The weight of a pair is the share of an area's residents who live in the other. Land area is never used, because
population density varies.
"""

from datetime import date
from functools import reduce
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError
from pipelines.core.table_cache import keep_results
from pipelines.geography.register import Places, find_successors, require_places, trace_graph
from pipelines.geography.small_areas import Areas, WeightSet, weight_column

OVERLAY = {"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64, "weight_population": pl.Float64}
"""A pair of areas, the share of the first area's residents who live in the second, and their number."""


SMALL_AREA_KINDS = frozenset({"oa", "lsoa", "msoa", "ward", "dz", "iz", "sdz"})
"""Kinds with nesting from tables of small areas only: the register has their parents on one day."""
ALL_AGES = "all_ages"
"""The group of all residents, used to apportion an area without residents of the requested group."""


class CrosswalkRequest(NamedTuple):
    """Source and target geography, weighting group and day of the figures."""

    from_system: str
    to_system: str
    group: str = ALL_AGES
    day: date | None = None
    target: frozenset[str] | None = None
    """The target codes, where they differ from the register's: those of a scenario."""


class WeightChoice(NamedTuple):
    """A set of weights and a group of residents in it."""

    weights: WeightSet
    group: str

    @property
    def column(self) -> str:
        """Return the column with these residents in a table of small areas."""
        return weight_column(self.weights.name, self.group)

    def is_valid_for(self, day: date | None) -> bool:
        """Return whether these weights may apportion figures of a day: not where the two are too far apart."""
        return day is None or abs((self.weights.day - day).days) <= self.weights.good_for

    @property
    def fallback(self) -> str:
        """Return the column of all residents in the same set, or the same column where the set has none."""
        return weight_column(self.weights.name, ALL_AGES if ALL_AGES in self.weights.groups else self.group)


def rank_weights(areas: Areas, group: str, day: date | None) -> list[WeightChoice]:
    """Return the sets of weights with a group: nearest to a day first, or newest first without a day."""
    having = [weight_set for weight_set in areas.weights if group in weight_set.groups]
    near_to = day or max((weight_set.day for weight_set in having), default=date.max)
    return [
        WeightChoice(weight_set, group)
        for weight_set in sorted(having, key=lambda weight_set: abs((weight_set.day - near_to).days))
    ]


@keep_results(8)
def find_membership(
    areas: Areas, places: Places, system: str, target: frozenset[str] | None = None
) -> tuple[pl.Series, str] | None:
    """Return the area of a geography that each small area is in, and the column it comes from; None without a column.

    A geography without a column is derived from another: by code changes, or by nesting in larger areas. Where a column
    is null for a small area, another column of the same kind may fill it. The 26 districts of Northern Ireland, for
    example, have a separate column. A code with several targets is left null. Crosswalks of several days share the
    result.
    """
    own = system in areas.systems and (
        target is None or target.issuperset(areas.table[system].drop_nulls().unique().to_list())
    )
    alike = [
        column for column in areas.systems if _kind_of_column(column) == _kind_of_column(system) and column != system
    ]
    if own and (not alike or _kind_of_column(system) in SMALL_AREA_KINDS or not areas.table[system].null_count()):
        return areas.table[system], system
    try:
        goal = set(target or require_places(places.register, system)["place_code"].to_list())
    except UnknownNameError:
        # Trusts, for example: they occur in tables of shares and in no register.
        return (areas.table[system], system) if own else None
    larger = [
        column
        for column in _order_by_nearness(areas.systems, system)
        if _kind_of_column(column) not in SMALL_AREA_KINDS
    ]
    by_column = {column: _map_codes(areas, places, column, goal) for column in (alike if own else larger)}
    chosen = system if own else min(by_column, key=lambda column: by_column[column].null_count(), default=system)
    series = (
        areas.table[system] if own else by_column.get(chosen, pl.Series([None] * areas.table.height, dtype=pl.String))
    )
    complete = reduce(
        _fill_nulls,
        (by_column[column] for column in by_column if _kind_of_column(column) == _kind_of_column(system)),
        series,
    )
    return (complete, chosen) if complete.null_count() < areas.table.height else None


def _fill_nulls(primary: pl.Series, secondary: pl.Series) -> pl.Series:
    return primary.zip_with(primary.is_not_null(), secondary)


def _kind_of_column(system: str) -> str:
    return system.rsplit("_", 1)[0]


def _order_by_nearness(systems: tuple[str, ...], system: str) -> list[str]:
    """Order geographies: of the same kind first, then by distance in years."""
    kind, year = system.rsplit("_", 1)

    def distance(other: str) -> tuple[bool, int]:
        its_kind, its_year = other.rsplit("_", 1)
        return its_kind != kind, abs(int(its_year) - int(year))

    return sorted(systems, key=distance)


def _map_codes(areas: Areas, places: Places, column: str, target: set[str]) -> pl.Series:
    codes = areas.table[column].drop_nulls().unique().sort().to_list()
    single = {
        code: successor.codes[0]
        for code, successor in find_successors(places, codes, target).items()
        if len(successor.codes) == 1
    }
    return areas.table[column].replace_strict(single, default=None, return_dtype=pl.String)


def build_overlay(
    areas: Areas, places: Places, codes: list[str], request: CrosswalkRequest, by: WeightChoice
) -> pl.DataFrame | None:
    """Return OVERLAY from some areas of a geography to another; None where the small areas do not cover both.

    Residents outside the target geography are in rows without to_code, with the share that is lost. Residents outside
    the source geography are in rows without from_code. An area with one target has weight 1, even where residents are
    unknown. Areas that have since been replaced are first aggregated to their successors and then apportioned.
    """
    to, own = (
        find_membership(areas, places, request.to_system, request.target),
        find_membership(areas, places, request.from_system),
    )
    start = own[0] if own else pl.Series([None] * areas.table.height, dtype=pl.String)
    former = sorted(set(codes).difference(start.unique().to_list()))
    column, since = _find_successor_column(areas, places, former, request.from_system)
    if to is None or (own is None and since.is_empty()):
        return None
    later = areas.table[column].set(~areas.table[column].is_in(since["to_code"].implode()), None) if column else start
    everyone = areas.table[by.fallback]
    pairs = pl.DataFrame(
        {
            "own": start,
            "later": later,
            "to_code": to[0],
            "weight_population": areas.table[by.column],
            "everyone": everyone,
        }
    )
    mine = pl.col("own").is_in(codes)
    direct = _sum_people(pairs.filter(mine), "own")
    via = _sum_people(pairs.filter(pl.col("own").is_null(), pl.col("later").is_not_null()), "later")
    strangers = _sum_people(
        pairs.filter(pl.all_horizontal(pl.col("own", "later").is_null()), pl.col("to_code").is_not_null()), "own"
    )
    return pl.concat(
        [compute_weights(direct), compose_overlays(since, compute_weights(via)), compute_weights(strangers)]
    ).sort("from_code", "to_code")


def _sum_people(pairs: pl.DataFrame, start: str) -> pl.DataFrame:
    """Sum the residents of pairs of areas; a sum with an unknown part is null."""
    return pairs.group_by(pl.col(start).alias("from_code"), "to_code", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name)
        for name in ("weight_population", "everyone")
    )


def _find_successor_column(
    areas: Areas, places: Places, codes: list[str], system: str
) -> tuple[str | None, pl.DataFrame]:
    """Return the column of small areas with the successors of most codes, and the OVERLAY to them."""
    kind = system.rsplit("_", 1)[0]
    columns = [column for column in _order_by_nearness(areas.systems, system) if column.rsplit("_", 1)[0] == kind]
    best: tuple[str | None, list[tuple[str, str, float, None]]] = (None, [])
    for column in columns if codes else []:
        successors = trace_graph(places.graph, codes, set(areas.table[column].drop_nulls().unique().to_list()))
        single = [
            (code, successor.codes[0], 1.0, None) for code, successor in successors.items() if len(successor.codes) == 1
        ]
        best = max(best, (column, single), key=lambda candidate: len(candidate[1]))
    return best[0], pl.DataFrame(best[1], schema=OVERLAY, orient="row")


def compute_weights(pairs: pl.DataFrame) -> pl.DataFrame:
    """Convert the residents of pairs of areas to weights that sum to 1 for each source area.

    An area with one target has weight 1. An area without residents of the weighting group is apportioned by all
    residents. Its weights are null where these are unknown or zero too.
    """
    shares = [
        pl.when(pl.col(name).is_not_null().all().over("from_code") & (pl.col(name).sum().over("from_code") > 0)).then(
            pl.col(name) / pl.col(name).sum().over("from_code")
        )
        for name in ("weight_population", "everyone")
    ]
    share = pl.when(pl.len().over("from_code") == 1).then(1.0).otherwise(pl.coalesce(shares))
    weight = pl.when(pl.col("from_code").is_not_null()).then(share)
    return pairs.with_columns(weight.alias("weight")).select(list(OVERLAY)).sort("from_code", "to_code")


def drop_weights(drawn: pl.DataFrame) -> pl.DataFrame:
    """Remove the weights of apportioned areas; areas with one target keep weight 1."""
    whole = pl.len().over("from_code") == 1
    return drawn.with_columns(pl.when(whole).then("weight").alias("weight"))


def compose_overlays(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Return the OVERLAY of two overlays in sequence: shares multiplied, then summed over the intermediate areas.

    The number of residents is known where an intermediate area has one source, which it contains entirely. It is also
    known where the first overlay has the number, which the second then apportions. Areas that the second overlay lacks
    have no target.
    """
    legs = first.select(
        "from_code", pl.col("to_code").alias("via"), "weight", pl.col("weight_population").alias("had")
    ).with_columns(((pl.len().over("via") == 1) & (pl.col("weight") == 1)).alias("same"))
    onward = second.drop_nulls("from_code").rename({"from_code": "via", "weight": "onward"})
    ways = (
        legs.join(onward, on="via", how="left")
        .with_columns(
            pl.when(pl.col("to_code").is_null() & pl.col("onward").is_null())
            .then(1.0)
            .otherwise("onward")
            .alias("onward"),
            pl.when("same").then("weight_population").alias("weight_population"),
        )
        .with_columns(pl.coalesce("weight_population", pl.col("had") * pl.col("onward")).alias("weight_population"))
    )
    onward = ways.with_columns(pl.col("weight") * pl.col("onward"))
    summed = onward.group_by("from_code", "to_code", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name) for name in ("weight",
                                                                                                    "weight_population")
    )  # fmt: skip
    strangers = second.filter(pl.col("from_code").is_null())
    return pl.concat([frame.select(list(OVERLAY)) for frame in (summed, strangers)]).sort("from_code", "to_code")


def count_residents(areas: Areas, places: Places, codes: list[str], request: CrosswalkRequest) -> pl.DataFrame | None:
    """Return the residents of each area in the requested group: place_code, residents; None without small areas."""
    by = rank_weights(areas, request.group, request.day)
    drawn = build_overlay(areas, places, codes, request, by[0]) if by else None
    if drawn is None:
        return None
    known = (
        pl.when(pl.col("weight_population").is_not_null().all())
        .then(pl.col("weight_population").sum())
        .alias("residents")
    )
    return drawn.drop_nulls("from_code").group_by(pl.col("from_code").alias("place_code")).agg(known)


def link_to_shares(places: Places, codes: list[str], published: pl.DataFrame) -> pl.DataFrame:
    """Link codes to those of a table of shares, by mergers and code changes: OVERLAY.

    A trust that others have merged into has the patients of all of them, weighted by their catchment populations. Where
    a trust acquired part of another, its weights are null.
    """
    people = dict(
        published.group_by("from_code", maintain_order=True).agg(
            pl.when(pl.col("weight_population").is_not_null().all()).then(pl.col("weight_population").sum())
        )
        .iter_rows()
    )  # fmt: skip
    became = find_successors(places, sorted(people), set(codes))
    parts = [
        (to, code, len(successor.codes) == 1, people[code])
        for code, successor in became.items()
        for to in successor.codes
    ]
    later = find_successors(places, sorted(set(codes) - {to for to, *_ in parts}), set(people))
    parts += [(code, successor.codes[0], True, None) for code, successor in later.items() if len(successor.codes) == 1]
    pairs = pl.DataFrame(
        parts,
        {"from_code": pl.String, "to_code": pl.String, "whole": pl.Boolean, "weight_population": pl.Float64},
        orient="row",
    )
    known = pl.all_horizontal("whole", pl.col("weight_population").is_not_null()).all().over("from_code")
    share = pl.col("weight_population") / pl.col("weight_population").sum().over("from_code")
    one = (pl.len().over("from_code") == 1) & pl.col("whole")
    return pairs.with_columns(
        pl.when(one).then(1.0).when(known).then(share).alias("weight"),
        pl.when("whole").then("weight_population").alias("weight_population"),
    ).select(list(OVERLAY))
