"""A crosswalk between two place systems as a table: what each place became or lies in, how, and by whose numbers.

The rule that applies first is used: the same code; a new code for the same land; a merger; a larger place that
it lies in whole; else shares, by the people of the small areas that two places have in common, or by shares
that someone publishes. Never by area of land.
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
    "from_system": Column(TEXT, "Place system that the crosswalk leads from"),
    "from_code": Column(TEXT, "Code of a place of it; null for people of the place led to whom no place of it has"),
    "from_name": Column(TEXT, "Name of that place"),
    "to_system": Column(TEXT, "Place system that it leads to"),
    "to_code": Column(TEXT, "Code of the place there; null for the share that leads nowhere"),
    "to_name": Column(TEXT, "Name of the place there"),
    "kind": Column(
        TEXT,
        "observed (the same), recoded, moved_land, merged, aggregated (lies in it whole), apportioned (a share of it), "
        "split (cut, and no weights are held), lost (leads nowhere) or outside (people of no place led from)",
    ),
    "weight": Column(NUMBER, "Share of a count that moves along; null where weights would be needed and are not held"),
    "people": Column(
        NUMBER,
        "People of the weighing group who live in both, or whom a trust has there (its catchment population, by its "
        "share of the residents); null where no place of the system is cut, or where that is not known",
    ),
    "weighed_by": Column(TEXT, "Source, set, group and day of the weights; null where none were needed"),
    "authority": Column(TEXT, "Orders or notices that made the changes on the way; null where none was needed"),
    "source": Column(
        TEXT, "Small areas or shares the row was told by; null where the register and its changes tell it"
    ),
}


class Geography(NamedTuple):
    """All that is held about places: the register, small areas with their people, and published shares."""

    places: Places
    areas: tuple[Areas, ...] = ()
    shares: tuple[Shares, ...] = ()


def codes_of(geography: Geography, system: str) -> list[str]:
    """Give the codes of a place system in order: of the register, or of a table that has the system as a column."""
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
    """Give CROSSWALK between two place systems, one row for each pair, in order of code.

    Where places are cut, they are shared out by the people of `group`, of the set of weights nearest to `day`;
    a set that is too far from it, by its own declaration, is not used. `target` stands for the places of the
    second system where they are to be others: those of a map to come.
    Every place of the first system has at least one row, and the weights of each add to 1: one that leads
    nowhere has kind lost, and one that is cut without weights held has kind split. Raises UnknownNameError
    for an unknown system or group, or where nothing of the one leads to the other.
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
            f"no place of {from_system} is known to become or lie in one of {to_system}, and no table of areas or of "
            "shares that is held leads from the one to the other"
        )
    if found:
        # Whoever lives in no place led from is told by the links then: they are whole.
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
        raise UnknownNameError(f"no weights by {group!r} are held; {near(group, known)}")


_DRAWN = {**OVERLAY, "kind": pl.String, "weighed_by": pl.String, "authority": pl.String, "source": pl.String}


def weighed_by(source: str, weights: str, group: str | None, day: date) -> str:
    """Say by whose numbers a place was shared out."""
    return f"{source}: {weights}, {f'{group}, ' if group else ''}{day.isoformat()}"


def _linked(places: Places, found: dict[str, Reach]) -> pl.DataFrame:
    """Give the rows of the places that lead whole to one other."""
    changes = _by_start(places.changes)
    rows = [
        (code, reach.codes[0], reach.basis, 1.0, _authority(changes, code, reach.codes[0]))
        for code, reach in found.items()
        if len(reach.codes) == 1
    ]
    schema = {name: _DRAWN[name] for name in ("from_code", "to_code", "kind", "weight", "authority")}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _peopled(rows: pl.DataFrame, geography: Geography, trip: Trip) -> pl.DataFrame:
    """Add who lives in places that lead whole to one other where some are cut: all tell how uneven a figure is."""
    unknown = rows["people"].null_count() if (rows["kind"] == "apportioned").any() else 0
    living = _residents(geography, trip.from_system, trip) if unknown else None
    if living is None:
        return rows
    alone = pl.len().over("from_code") == 1
    told = rows.join(living, left_on="from_code", right_on="place_code", how="left", maintain_order="left")
    return told.with_columns(pl.coalesce("people", pl.when(alone).then("residents")).alias("people")).drop("residents")


def _ends(reach: Reach | None) -> list[tuple[str | None, str, float | None]]:
    """Give the rows of a place that is cut without weights, or leads nowhere at all."""
    return [(to, "split", None) for to in reach.codes] if reach else [(None, "lost", 1.0)]


def _shared_out(geography: Geography, codes: list[str], trip: Trip) -> pl.DataFrame:
    """Give the rows of places that are shared out, by the table that leads the most of them anywhere.

    People of small areas come first; shares that someone publishes are for places that have no area of their own.
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
    """Share places out by the people of one table of areas: the nearest set of them that knows a place's people."""
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
    """Lead places along published shares, and from where those lead on to the places wanted."""
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
    """Give OVERLAY of published shares: a trust's people in a district are as many as its share of the residents.

    That is a catchment population by proportionate flow (the Norris-Bailey method, as in Public Health England's NHS
    Acute Trust Catchment Populations). The share of residents is the table's own where it leads from where people live,
    else that of the table which leads the other way. Where neither is held, people are not known.
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
    """Give who lives in the places of a system, by the first small areas that know it: place_code, residents."""
    codes = codes_of(geography, system)
    within = trip._replace(from_system=system, to_system=system, target=None)
    found = (residents(areas, geography.places, codes, within) for areas in geography.areas)
    return next((each for each in found if each is not None), None)


def _drawn(rows: pl.DataFrame, source: str, said: str) -> pl.DataFrame:
    """Say of each pair of places how the one comes to the other, and by whose numbers where it is cut."""
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
"""The changes of each code: which one it is of all, the code it led to, and its authority."""


def _by_start(changes: pl.DataFrame) -> Changes:
    found: Changes = {}
    for number, (start, end, authority) in enumerate(changes.select("from_code", "to_code", "authority").iter_rows()):
        found.setdefault(start, []).append((number, end, authority))
    return found


def _authority(changes: Changes, code: str, to: str) -> str | None:
    """Name what changed a code on its way to another, first change first."""
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
