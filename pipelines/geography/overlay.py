"""Overlays: the residents of each pair of areas of two geographies, summed from small areas.

A small area is in one area of each geography, so the residents of two areas in common are those of the small areas in
both. The weight of a pair is the share of an area's residents who live in the other. Land area is never used, because
population density varies.
"""

from datetime import date
from functools import reduce
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError
from pipelines.geography.register import Places, links, system_places, walked
from pipelines.geography.small_areas import Areas, WeightSet, weight_column

OVERLAY = {"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64, "people": pl.Float64}
"""A pair of areas, the share of the first area's residents who live in the second, and their number."""


SMALL = frozenset({"oa", "lsoa", "msoa", "ward"})
"""Kinds with nesting from tables of small areas only: the register has their parents on one day."""
EVERYONE = "all_ages"
"""The group of all residents, used to apportion an area without residents of the requested group."""


class Trip(NamedTuple):
    """Source and target geography, weighting group and day of the figures."""

    from_system: str
    to_system: str
    group: str = EVERYONE
    day: date | None = None
    target: frozenset[str] | None = None
    """The target codes, where they differ from the register's: those of a scenario."""


class Weighing(NamedTuple):
    """A set of weights and a group of residents in it."""

    weights: WeightSet
    group: str

    @property
    def column(self) -> str:
        """Return the column with these residents in a table of small areas."""
        return weight_column(self.weights.name, self.group)

    def good_for(self, day: date | None) -> bool:
        """Return whether these weights may apportion figures of a day: not where the two are too far apart."""
        return day is None or abs((self.weights.day - day).days) <= self.weights.good_for

    @property
    def fallback(self) -> str:
        """Return the column of all residents in the same set, or the same column where the set has none."""
        return weight_column(self.weights.name, EVERYONE if EVERYONE in self.weights.groups else self.group)


def weighings(areas: Areas, group: str, day: date | None) -> list[Weighing]:
    """Return the sets of weights with a group: nearest to a day first, or newest first without a day."""
    having = [each for each in areas.weights if group in each.groups]
    near_to = day or max((each.day for each in having), default=date.max)
    return [Weighing(each, group) for each in sorted(having, key=lambda each: abs((each.day - near_to).days))]


def membership(
    areas: Areas, places: Places, system: str, target: frozenset[str] | None = None
) -> tuple[pl.Series, str] | None:
    """Return the area of a geography that each small area is in, and the column it comes from; None without a column.

    A geography without a column is derived from one that has: by code changes, or by nesting in larger areas. Where a
    column is null for a small area, another column of the same kind may fill it: the 26 districts of Northern Ireland
    have a separate column. A code with several targets is left null.
    """
    own = system in areas.systems and (target is None or target >= set(areas.table[system].drop_nulls()))
    alike = [column for column in areas.systems if _kind(column) == _kind(system) and column != system]
    if own and (not alike or _kind(system) in SMALL or not areas.table[system].null_count()):
        return areas.table[system], system
    try:
        goal = set(target or system_places(places.register, system)["place_code"])
    except UnknownNameError:
        # Trusts, for example: they occur in tables of shares and in no register.
        return (areas.table[system], system) if own else None
    larger = [column for column in _by_nearness(areas.systems, system) if _kind(column) not in SMALL]
    found = {column: _led(areas, places, column, goal) for column in (alike if own else larger)}
    told = system if own else min(found, key=lambda column: found[column].null_count(), default=system)
    series = areas.table[system] if own else found.get(told, pl.Series([None] * areas.table.height, dtype=pl.String))
    known = reduce(_filled, (found[column] for column in found if _kind(column) == _kind(system)), series)
    return (known, told) if known.null_count() < areas.table.height else None


def _filled(known: pl.Series, led: pl.Series) -> pl.Series:
    return known.zip_with(known.is_not_null(), led)


def _kind(system: str) -> str:
    return system.rsplit("_", 1)[0]


def _by_nearness(systems: tuple[str, ...], system: str) -> list[str]:
    """Order geographies: of the same kind first, then by distance in years."""
    kind, year = system.rsplit("_", 1)

    def distance(other: str) -> tuple[bool, int]:
        its_kind, its_year = other.rsplit("_", 1)
        return its_kind != kind, abs(int(its_year) - int(year))

    return sorted(systems, key=distance)


def _led(areas: Areas, places: Places, column: str, target: set[str]) -> pl.Series:
    codes = areas.table[column].drop_nulls().unique().sort().to_list()
    single = {code: reach.codes[0] for code, reach in links(places, codes, target).items() if len(reach.codes) == 1}
    return areas.table[column].replace_strict(single, default=None, return_dtype=pl.String)


def overlay(areas: Areas, places: Places, codes: list[str], trip: Trip, by: Weighing) -> pl.DataFrame | None:
    """Return OVERLAY from some areas of a geography to another; None where the small areas do not cover both.

    Residents outside the target geography are in rows without to_code, with the share that is lost. Residents outside
    the source geography are in rows without from_code. An area with one target has weight 1, even where residents are
    unknown. Areas that have since been replaced are first aggregated to their successors and then apportioned.
    """
    to, own = membership(areas, places, trip.to_system, trip.target), membership(areas, places, trip.from_system)
    start = own[0] if own else pl.Series([None] * areas.table.height, dtype=pl.String)
    column, since = _became(areas, places, sorted(set(codes) - set(start)), trip.from_system)
    if to is None or (own is None and since.is_empty()):
        return None
    later = areas.table[column].set(~areas.table[column].is_in(since["to_code"].implode()), None) if column else start
    everyone = areas.table[by.fallback]
    pairs = pl.DataFrame(
        {"own": start, "later": later, "to_code": to[0], "people": areas.table[by.column], "everyone": everyone}
    )
    mine = pl.col("own").is_in(codes)
    direct = _summed(pairs.filter(mine), "own")
    via = _summed(pairs.filter(pl.col("own").is_null(), pl.col("later").is_not_null()), "later")
    strangers = _summed(
        pairs.filter(pl.all_horizontal(pl.col("own", "later").is_null()), pl.col("to_code").is_not_null()), "own"
    )
    return pl.concat([weighted(direct), composed(since, weighted(via)), weighted(strangers)]).sort(
        "from_code", "to_code"
    )


def _summed(pairs: pl.DataFrame, start: str) -> pl.DataFrame:
    """Sum the residents of pairs of areas; a sum with an unknown part is null."""
    return pairs.group_by(pl.col(start).alias("from_code"), "to_code", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name)
        for name in ("people", "everyone")
    )


def _became(areas: Areas, places: Places, codes: list[str], system: str) -> tuple[str | None, pl.DataFrame]:
    """Return the column of small areas with the successors of most codes, and the OVERLAY to them."""
    kind = system.rsplit("_", 1)[0]
    columns = [column for column in _by_nearness(areas.systems, system) if column.rsplit("_", 1)[0] == kind]
    best: tuple[str | None, list[tuple[str, str, float, None]]] = (None, [])
    for column in columns if codes else []:
        found = walked(places.graph, codes, set(areas.table[column].drop_nulls()))
        single = [(code, reach.codes[0], 1.0, None) for code, reach in found.items() if len(reach.codes) == 1]
        best = max(best, (column, single), key=lambda each: len(each[1]))
    return best[0], pl.DataFrame(best[1], schema=OVERLAY, orient="row")


def weighted(pairs: pl.DataFrame) -> pl.DataFrame:
    """Convert the residents of pairs of areas to weights that sum to 1 for each source area.

    An area with one target has weight 1. An area without residents of the weighting group is apportioned by all
    residents. Its weights are null where these are unknown or zero too.
    """
    shares = [
        pl.when(pl.col(name).is_not_null().all().over("from_code") & (pl.col(name).sum().over("from_code") > 0)).then(
            pl.col(name) / pl.col(name).sum().over("from_code")
        )
        for name in ("people", "everyone")
    ]
    share = pl.when(pl.len().over("from_code") == 1).then(1.0).otherwise(pl.coalesce(shares))
    weight = pl.when(pl.col("from_code").is_not_null()).then(share)
    return pairs.with_columns(weight.alias("weight")).select(list(OVERLAY)).sort("from_code", "to_code")


def without_shares(drawn: pl.DataFrame) -> pl.DataFrame:
    """Remove the weights of apportioned areas; areas with one target keep weight 1."""
    whole = pl.len().over("from_code") == 1
    return drawn.with_columns(pl.when(whole).then("weight").alias("weight"))


def composed(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Return the OVERLAY of two overlays in sequence: shares multiplied, then summed over the intermediate areas.

    The number of residents is known where an intermediate area has one source, entirely, or where the first overlay has
    the number: it is then apportioned by the second. Areas that the second overlay lacks have no target.
    """
    legs = first.select(
        "from_code", pl.col("to_code").alias("via"), "weight", pl.col("people").alias("had")
    ).with_columns(((pl.len().over("via") == 1) & (pl.col("weight") == 1)).alias("same"))
    onward = second.drop_nulls("from_code").rename({"from_code": "via", "weight": "onward"})
    ways = (
        legs.join(onward, on="via", how="left")
        .with_columns(
            pl.when(pl.col("to_code").is_null() & pl.col("onward").is_null())
            .then(1.0)
            .otherwise("onward")
            .alias("onward"),
            pl.when("same").then("people").alias("people"),
        )
        .with_columns(pl.coalesce("people", pl.col("had") * pl.col("onward")).alias("people"))
    )
    onward = ways.with_columns(pl.col("weight") * pl.col("onward"))
    summed = onward.group_by("from_code", "to_code", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name) for name in ("weight", "people")
    )  # fmt: skip
    strangers = second.filter(pl.col("from_code").is_null())
    return pl.concat([frame.select(list(OVERLAY)) for frame in (summed, strangers)]).sort("from_code", "to_code")


def residents(areas: Areas, places: Places, codes: list[str], trip: Trip) -> pl.DataFrame | None:
    """Return the residents of each area in the requested group: place_code, residents; None without small areas."""
    by = weighings(areas, trip.group, trip.day)
    drawn = overlay(areas, places, codes, trip, by[0]) if by else None
    if drawn is None:
        return None
    known = pl.when(pl.col("people").is_not_null().all()).then(pl.col("people").sum()).alias("residents")
    return drawn.drop_nulls("from_code").group_by(pl.col("from_code").alias("place_code")).agg(known)


def made_of(places: Places, codes: list[str], published: pl.DataFrame) -> pl.DataFrame:
    """Link codes to those of a table of shares, by mergers and code changes: OVERLAY.

    A trust that others have merged into has the patients of all of them, weighted by their catchment populations. Where
    a trust acquired part of another, its weights are null.
    """
    people = dict(
        published.group_by("from_code", maintain_order=True).agg(
            pl.when(pl.col("people").is_not_null().all()).then(pl.col("people").sum())
        )
        .iter_rows()
    )  # fmt: skip
    became = links(places, sorted(people), set(codes))
    parts = [(to, code, len(reach.codes) == 1, people[code]) for code, reach in became.items() for to in reach.codes]
    later = links(places, sorted(set(codes) - {to for to, *_ in parts}), set(people))
    parts += [(code, reach.codes[0], True, None) for code, reach in later.items() if len(reach.codes) == 1]
    made = pl.DataFrame(
        parts, {"from_code": pl.String, "to_code": pl.String, "whole": pl.Boolean, "people": pl.Float64}, orient="row"
    )
    known = pl.all_horizontal("whole", pl.col("people").is_not_null()).all().over("from_code")
    share = pl.col("people") / pl.col("people").sum().over("from_code")
    one = (pl.len().over("from_code") == 1) & pl.col("whole")
    return made.with_columns(
        pl.when(one).then(1.0).when(known).then(share).alias("weight"), pl.when("whole").then("people").alias("people")
    ).select(list(OVERLAY))
