"""A crosswalk between two geographies as a table: the target areas of each area, the method and the weights.

The first rule that applies is used: the same code; a code change without a boundary change; a merger; nesting in a
larger area; else apportionment, by the residents of the small areas that two areas have in common, or by published
shares. Land area is never used.
"""

from datetime import date
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError, near
from pipelines.core.schema import NUMBER, TEXT, Column
from pipelines.geography.catchments import Shares
from pipelines.geography.overlay import (
    OVERLAY,
    SMALL,
    Trip,
    composed,
    made_of,
    overlay,
    residents,
    weighings,
    without_shares,
)
from pipelines.geography.register import Places, Reach, links, system_places
from pipelines.geography.small_areas import Areas

CROSSWALK: dict[str, Column] = {
    "from_system": Column(TEXT, "Source geography"),
    "from_code": Column(TEXT, "Source area code; null where part of the target area lies outside the source geography"),
    "from_name": Column(TEXT, "Source area name"),
    "to_system": Column(TEXT, "Target geography"),
    "to_code": Column(TEXT, "Target area code; null for the share outside the target geography"),
    "to_name": Column(TEXT, "Target area name"),
    "kind": Column(
        TEXT,
        "observed (same code), recoded, moved_land, merged, aggregated (nested in the target), apportioned (a share), "
        "split (no weights are stored), lost (no target area) or outside (residents outside the source geography)",
    ),
    "weight": Column(
        NUMBER, "Share of a count that is assigned to the target; null where weights are needed and not stored"
    ),
    "people": Column(
        NUMBER,
        "Residents of the weighting group in both areas, or for a trust its catchment population in the target area; "
        "null where no area of the geography is apportioned, or where unknown",
    ),
    "weighed_by": Column(TEXT, "Source, set, group and day of the weights; null where no weights were needed"),
    "authority": Column(TEXT, "Orders or notices for the code changes; null where no change applies"),
    "source": Column(
        TEXT, "Small areas or shares that define the row; null where the register and its code changes define it"
    ),
}


class Geography(NamedTuple):
    """All stored geography data: the register, small areas with their residents, and published shares."""

    places: Places
    areas: tuple[Areas, ...] = ()
    shares: tuple[Shares, ...] = ()


def codes_of(geography: Geography, system: str) -> list[str]:
    """Return the codes of a geography in order: from the register, and from tables with the geography as a column."""
    tables = [each.table[system] for each in geography.areas if system in each.systems]
    tables += [each.table["from_code"] for each in geography.shares if each.from_system == system]
    if tables:
        each = [column.drop_nulls().unique().alias("code") for column in tables]
        of_register = pl.Series("code", sorted(_registered(geography, system)), pl.String)
        return pl.concat([*each, of_register]).unique().sort().to_list()
    return system_places(geography.places.register, system)["place_code"].to_list()


def _registered(geography: Geography, system: str) -> set[str]:
    try:
        return set(system_places(geography.places.register, system)["place_code"])
    except UnknownNameError:
        return set()


def build_crosswalk(
    geography: Geography,
    from_system: str,
    to_system: str,
    group: str = "all_ages",
    day: date | None = None,
    target: frozenset[str] | None = None,
) -> pl.DataFrame:
    """Build CROSSWALK between two geographies, one row for each pair of areas, in order of code.

    Areas that fit no single target are apportioned by the residents in `group`, from the set of weights nearest to
    `day`; a set further away than its declaration allows is not used. `target` replaces the codes of the target
    geography, for a scenario. Every source area has at least one row, and its weights sum to 1. An area without a
    target has kind lost; one that needs weights that are not stored has kind split. Raises UnknownNameError for an
    unknown geography or group, or where nothing links the two geographies.
    """
    _refuse_group(geography.areas, group)
    trip = Trip(from_system, to_system, group, day, target)
    codes = codes_of(geography, from_system)
    goal = set(target or codes_of(geography, to_system))
    small = from_system.rsplit("_", 1)[0] in SMALL and any(from_system in each.systems for each in geography.areas)
    found = {} if small else links(geography.places, codes, goal)
    linked = _linked(geography.places, found)
    rest = [code for code in codes if code not in found or len(found[code].codes) > 1]
    shared = _shared_out(geography, rest, trip)
    if not found and shared.is_empty():
        raise UnknownNameError(
            f"no area of {from_system} has a successor or a larger area in {to_system}, and no stored table of small "
            "areas or shares links the two; check both names, or add such a table"
        )
    if found:
        # Residents outside the source geography need no rows here: the links are complete.
        shared = shared.drop_nulls("from_code")
    known = set(shared["from_code"])
    nowhere = pl.DataFrame(
        [(code, *leg) for code in rest if code not in known for leg in _ends(found.get(code))],
        schema={name: _DRAWN[name] for name in ("from_code", "to_code", "kind", "weight")}, orient="row",
    )  # fmt: skip
    rows = pl.concat([linked, shared, nowhere], how="diagonal").sort("from_code", "to_code", nulls_last=True)
    return _named(_peopled(rows, geography, trip), geography.places, from_system, to_system)


def _refuse_group(held: tuple[Areas, ...], group: str) -> None:
    known = {name for areas in held for each in areas.weights for name in each.groups}
    if held and group not in known:
        raise UnknownNameError(f"no stored weights have the group {group!r}; {near(group, known)}")


_DRAWN = {**OVERLAY, "kind": pl.String, "weighed_by": pl.String, "authority": pl.String, "source": pl.String}


def weighed_by(source: str, weights: str, group: str | None, day: date) -> str:
    """Format the source, set, group and day of weights."""
    return f"{source}: {weights}, {f'{group}, ' if group else ''}{day.isoformat()}"


def _linked(places: Places, found: dict[str, Reach]) -> pl.DataFrame:
    """Return the rows of areas with exactly one target."""
    changes = _by_start(places.changes)
    rows = [
        (code, reach.codes[0], reach.basis, 1.0, _authority(changes, code, reach.codes[0]))
        for code, reach in found.items()
        if len(reach.codes) == 1
    ]
    schema = {name: _DRAWN[name] for name in ("from_code", "to_code", "kind", "weight", "authority")}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _peopled(rows: pl.DataFrame, geography: Geography, trip: Trip) -> pl.DataFrame:
    """Add the residents of areas with one target where others are apportioned, because all affect the interval."""
    unknown = rows["people"].null_count() if (rows["kind"] == "apportioned").any() else 0
    living = _residents(geography, trip.from_system, trip) if unknown else None
    if living is None:
        return rows
    alone = pl.len().over("from_code") == 1
    told = rows.join(living, left_on="from_code", right_on="place_code", how="left", maintain_order="left")
    return told.with_columns(pl.coalesce("people", pl.when(alone).then("residents")).alias("people")).drop("residents")


def _ends(reach: Reach | None) -> list[tuple[str | None, str, float | None]]:
    """Return the rows of an area that needs weights that are not stored, or that has no target."""
    return [(to, "split", None) for to in reach.codes] if reach else [(None, "lost", 1.0)]


def _shared_out(geography: Geography, codes: list[str], trip: Trip) -> pl.DataFrame:
    """Return the rows of apportioned areas, from the table that covers the most of them.

    Residents of small areas take precedence; published shares are for areas without small areas, such as trusts.
    """
    if not codes:
        return pl.DataFrame(schema=_DRAWN)
    found = _widest([_by_people(geography.places, areas, codes, trip) for areas in geography.areas])
    if found.drop_nulls(["from_code", "to_code"]).height:
        return found
    kind = trip.from_system.rsplit("_", 1)[0]
    alike = (shares for shares in geography.shares if shares.from_system.rsplit("_", 1)[0] == kind)
    return _widest([found, *(_by_shares(geography, shares, codes, trip) for shares in alike)])


def _widest(found: list[pl.DataFrame]) -> pl.DataFrame:
    led = [rows.drop_nulls(["from_code", "to_code"])["from_code"].n_unique() for rows in found]
    return found[led.index(max(led))] if found else pl.DataFrame(schema=_DRAWN)


def _by_people(places: Places, areas: Areas, codes: list[str], trip: Trip) -> pl.DataFrame:
    """Apportion areas by one table of small areas, from the nearest set of weights with the area's residents."""
    found = [pl.DataFrame(schema=_DRAWN)]
    left = codes
    for by in (sets := weighings(areas, trip.group, trip.day)):
        drawn = overlay(areas, places, left, trip, by)
        if drawn is None:
            break
        if not by.good_for(trip.day):
            drawn = without_shares(drawn)
        unknown = drawn.filter(pl.col("weight").is_null())["from_code"].drop_nulls().unique().sort()
        if by != sets[-1]:
            drawn = drawn.filter(~pl.col("from_code").is_in(unknown.implode()).fill_null(False))
        if by != sets[0]:
            drawn = drawn.drop_nulls("from_code")
        said = weighed_by(areas.source, by.weights.name, trip.group, by.weights.day)
        found.append(_drawn(drawn, areas.source, said))
        left = unknown.to_list()
    return pl.concat(found)


def _by_shares(geography: Geography, shares: Shares, codes: list[str], trip: Trip) -> pl.DataFrame:
    """Link areas by published shares, and from the areas of these shares to the target geography."""
    published = _caught(geography, shares, trip)
    drawn = composed(made_of(geography.places, codes, published), published)
    if shares.to_system != trip.to_system:
        held = geography._replace(shares=())
        try:
            onward = build_crosswalk(held, shares.to_system, trip.to_system, trip.group, trip.day, trip.target)
        except UnknownNameError:
            return pl.DataFrame(schema=_DRAWN)
        drawn = composed(drawn, onward.select(list(OVERLAY)))
    return _drawn(drawn, shares.source, weighed_by(shares.source, shares.what, None, shares.day))


def _caught(geography: Geography, shares: Shares, trip: Trip) -> pl.DataFrame:
    """Return OVERLAY of published shares: a trust's population in a district is its share of the residents.

    This is a catchment population by proportionate flow (the Norris-Bailey method, as in Public Health England's NHS
    Acute Trust Catchment Populations). The share of residents is the table's own where it starts from the areas of
    residence, else from the table in the opposite direction. Where neither is stored, the population is unknown.
    """
    pairs = shares.table.select("from_code", "to_code", pl.col("share").alias("weight"), "share")
    ends = (shares.to_system, shares.from_system)
    back = next((each for each in geography.shares if (each.from_system, each.to_system) == ends), None)
    living = _residents(geography, shares.from_system, trip)
    at = "from_code"
    if living is None and back is not None:
        living, at = _residents(geography, shares.to_system, trip), "to_code"
        other = back.table.select(pl.col("from_code").alias("to_code"), pl.col("to_code").alias("from_code"), "share")
        pairs = pairs.drop("share").join(other, on=["from_code", "to_code"], how="left")
    if living is None:
        return pairs.select("from_code", "to_code", "weight", pl.lit(None, pl.Float64).alias("people"))
    told = pairs.join(living, left_on=at, right_on="place_code", how="left")
    return told.select("from_code", "to_code", "weight", (pl.col("share") * pl.col("residents")).alias("people"))


def _residents(geography: Geography, system: str, trip: Trip) -> pl.DataFrame | None:
    """Return the residents of a geography's areas from the first suitable table: place_code, residents."""
    codes = codes_of(geography, system)
    within = trip._replace(from_system=system, to_system=system, target=None)
    found = (residents(areas, geography.places, codes, within) for areas in geography.areas)
    return next((each for each in found if each is not None), None)


def _drawn(rows: pl.DataFrame, source: str, said: str) -> pl.DataFrame:
    """Add the kind of each pair, and the weights used where the area is apportioned."""
    alone = pl.len().over("from_code") == 1
    kind = (
        pl.when(pl.col("from_code").is_null()).then(pl.lit("outside"))
        .when(pl.col("to_code").is_null()).then(pl.lit("lost"))
        .when(pl.col("weight").is_null()).then(pl.lit("split"))
        .when(~alone).then(pl.lit("apportioned"))
        .when(pl.col("from_code") == pl.col("to_code")).then(pl.lit("observed"))
        .otherwise(pl.lit("aggregated"))
    )  # fmt: skip
    weighed = kind.is_in(["apportioned", "lost"]) & ~alone
    return rows.with_columns(
        kind.alias("kind"),
        pl.when(weighed).then(pl.lit(said)).alias("weighed_by"),
        pl.lit(None, pl.String).alias("authority"),
        pl.lit(source).alias("source"),
    ).select(list(_DRAWN))


def _named(rows: pl.DataFrame, places: Places, from_system: str, to_system: str) -> pl.DataFrame:
    names = dict(places.register.sort("valid_from").select("place_code", "place_name").iter_rows())
    told = rows.with_columns(
        pl.lit(from_system).alias("from_system"),
        pl.lit(to_system).alias("to_system"),
        *(
            pl.col(f"{end}_code").replace_strict(names, default=None, return_dtype=pl.String).alias(f"{end}_name")
            for end in ("from", "to")
        ),
    )
    return told.select(list(CROSSWALK))


Changes = dict[str, list[tuple[int, str, str]]]
"""The changes of each code: its number among all changes, the new code and the authority."""


def _by_start(changes: pl.DataFrame) -> Changes:
    found: Changes = {}
    for number, (start, end, authority) in enumerate(changes.select("from_code", "to_code", "authority").iter_rows()):
        found.setdefault(start, []).append((number, end, authority))
    return found


def _authority(changes: Changes, code: str, to: str) -> str | None:
    """List the authorities of the changes from one code to another, earliest first."""
    if code == to:
        return None
    met: dict[int, str] = {}
    onwards, queue = {code}, [code]
    while queue:
        for number, end, authority in changes.get(queue.pop(), ()):
            met[number] = authority
            if end not in onwards:
                onwards.add(end)
                queue.append(end)
    return "; ".join(dict.fromkeys(met[number] for number in sorted(met))) or None
