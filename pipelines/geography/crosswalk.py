"""A crosswalk between two geographies as a table: the target areas of each area, the method and the weights.

The first rule that applies is used: the same code; a code change without a boundary change; a merger; nesting in a
larger area. Other areas are apportioned by the residents of the small areas that two areas have in common, or by
published shares. Land area is never used.
"""

from datetime import date
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError, suggest_names
from pipelines.core.schema import NUMBER, TEXT, Column
from pipelines.geography.catchments import Shares
from pipelines.geography.overlay import (
    OVERLAY,
    SMALL_AREA_KINDS,
    CrosswalkRequest,
    build_overlay,
    compose_overlays,
    count_residents,
    drop_weights,
    link_to_shares,
    rank_weights,
)
from pipelines.geography.register import Places, Successor, find_successors, require_places
from pipelines.geography.small_areas import Areas

CROSSWALK: dict[str, Column] = {
    "from_geography": Column(TEXT, "Source geography"),
    "from_code": Column(TEXT, "Source area code; null where part of the target area lies outside the source geography"),
    "from_name": Column(TEXT, "Source area name"),
    "to_geography": Column(TEXT, "Target geography"),
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
    "weight_population": Column(
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


class PlaceData(NamedTuple):
    """All stored geography data: the register, small areas with their residents, and published shares."""

    places: Places
    areas: tuple[Areas, ...] = ()
    shares: tuple[Shares, ...] = ()


def list_geography_codes(place_data: PlaceData, system: str) -> list[str]:
    """Return the codes of a geography in order: from the register, and from tables with the geography as a column."""
    tables = [item.table[system] for item in place_data.areas if system in item.systems]
    tables += [item.table["from_code"] for item in place_data.shares if item.from_system == system]
    if tables:
        item = [column.drop_nulls().unique().alias("code") for column in tables]
        of_register = pl.Series("code", sorted(_codes_in_register(place_data, system)), pl.String)
        return pl.concat([*item, of_register]).unique().sort().to_list()
    return require_places(place_data.places.register, system)["place_code"].to_list()


def _codes_in_register(place_data: PlaceData, system: str) -> set[str]:
    try:
        return set(require_places(place_data.places.register, system)["place_code"].to_list())
    except UnknownNameError:
        return set()


def build_crosswalk(
    place_data: PlaceData,
    from_system: str,
    to_system: str,
    group: str = "all_ages",
    day: date | None = None,
    target: frozenset[str] | None = None,
) -> pl.DataFrame:
    """Build CROSSWALK between two geographies, one row for each pair of areas, in order of code.

    Areas that fit no single target are apportioned by the residents in `group`, from the set of weights nearest to
    `day`. A set further away than its declaration allows is not used. `target` replaces the codes of the target
    geography, for a scenario. Every source area has at least one row, and its weights sum to 1. Areas without a target
    have kind lost, and areas without the necessary weights kind split. Raises UnknownNameError for an unknown geography
    or group, or where nothing links the two geographies.
    """
    _refuse_group(place_data.areas, group)
    request = CrosswalkRequest(from_system, to_system, group, day, target)
    codes = list_geography_codes(place_data, from_system)
    goal = set(target or list_geography_codes(place_data, to_system))
    small = from_system.rsplit("_", 1)[0] in SMALL_AREA_KINDS and any(
        from_system in areas.systems for areas in place_data.areas
    )
    successors = {} if small else find_successors(place_data.places, codes, goal)
    link_rows = _build_link_rows(place_data.places, successors)
    rest = [code for code in codes if code not in successors or len(successors[code].codes) > 1]
    apportioned = _apportion_places(place_data, rest, request)
    if not successors and apportioned.is_empty():
        raise UnknownNameError(
            f"no area of {from_system} has a successor or a larger area in {to_system}, and no stored table "
            "links the two; check both names, or add a table of small areas or shares"
        )
    if successors:
        # Residents outside the source geography need no rows here: the links are complete.
        apportioned = apportioned.drop_nulls("from_code")
    covered = set(apportioned["from_code"].to_list())
    nowhere = pl.DataFrame(
        [(code, *leg) for code in rest if code not in covered for leg in _build_unresolved_rows(successors.get(code))],
        schema={name: _ROW_SCHEMA[name] for name in ("from_code", "to_code", "kind", "weight")}, orient="row",
    )  # fmt: skip
    rows = pl.concat([link_rows, apportioned, nowhere], how="diagonal").sort("from_code", "to_code", nulls_last=True)
    return _add_names(_add_residents(rows, place_data, request), place_data.places, from_system, to_system)


def _refuse_group(tables: tuple[Areas, ...], group: str) -> None:
    groups = {name for areas in tables for weight_set in areas.weights for name in weight_set.groups}
    if tables and group not in groups:
        raise UnknownNameError(f"no stored weights have the group {group!r}; {suggest_names(group, groups)}")


_ROW_SCHEMA = {**OVERLAY, "kind": pl.String, "weighed_by": pl.String, "authority": pl.String, "source": pl.String}


def describe_weights(source: str, weights: str, group: str | None, day: date) -> str:
    """Format the source, set, group and day of weights."""
    return f"{source}: {weights}, {f'{group}, ' if group else ''}{day.isoformat()}"


def _build_link_rows(places: Places, successors: dict[str, Successor]) -> pl.DataFrame:
    """Return the rows of areas with exactly one target."""
    changes = _group_changes(places.changes)
    rows = [
        (code, successor.codes[0], successor.derivation, 1.0, _list_authorities(changes, code, successor.codes[0]))
        for code, successor in successors.items()
        if len(successor.codes) == 1
    ]
    schema = {name: _ROW_SCHEMA[name] for name in ("from_code", "to_code", "kind", "weight", "authority")}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _add_residents(rows: pl.DataFrame, place_data: PlaceData, request: CrosswalkRequest) -> pl.DataFrame:
    """Add the residents of areas with one target where others are apportioned, because all affect the interval."""
    unknown = rows["weight_population"].null_count() if (rows["kind"] == "apportioned").any() else 0
    living = _find_residents(place_data, request.from_system, request) if unknown else None
    if living is None:
        return rows
    alone = pl.len().over("from_code") == 1
    joined = rows.join(living, left_on="from_code", right_on="place_code", how="left", maintain_order="left")
    return joined.with_columns(
        pl.coalesce("weight_population", pl.when(alone).then("residents")).alias("weight_population")
    ).drop("residents")


def _build_unresolved_rows(successor: Successor | None) -> list[tuple[str | None, str, float | None]]:
    """Return the rows of an area that needs weights that are not stored, or that has no target."""
    return [(to, "split", None) for to in successor.codes] if successor else [(None, "lost", 1.0)]


def _apportion_places(place_data: PlaceData, codes: list[str], request: CrosswalkRequest) -> pl.DataFrame:
    """Return the rows of apportioned areas, from the table that covers the most of them.

    Residents of small areas take precedence; published shares are for areas without small areas, such as trusts.
    """
    if not codes:
        return pl.DataFrame(schema=_ROW_SCHEMA)
    best = _select_widest(
        [_apportion_by_people(place_data.places, areas, codes, request) for areas in place_data.areas]
    )
    if best.drop_nulls(["from_code", "to_code"]).height:
        return best
    kind = request.from_system.rsplit("_", 1)[0]
    alike = (shares for shares in place_data.shares if shares.from_system.rsplit("_", 1)[0] == kind)
    return _select_widest([best, *(_apportion_by_shares(place_data, shares, codes, request) for shares in alike)])


def _select_widest(candidates: list[pl.DataFrame]) -> pl.DataFrame:
    coverage = [rows.drop_nulls(["from_code", "to_code"])["from_code"].n_unique() for rows in candidates]
    return candidates[coverage.index(max(coverage))] if candidates else pl.DataFrame(schema=_ROW_SCHEMA)


def _apportion_by_people(places: Places, areas: Areas, codes: list[str], request: CrosswalkRequest) -> pl.DataFrame:
    """Apportion areas by one table of small areas, from the nearest set of weights with the area's residents."""
    parts = [pl.DataFrame(schema=_ROW_SCHEMA)]
    left = codes
    for by in (sets := rank_weights(areas, request.group, request.day)):
        drawn = build_overlay(areas, places, left, request, by)
        if drawn is None:
            break
        if not by.is_valid_for(request.day):
            drawn = drop_weights(drawn)
        unknown = drawn.filter(pl.col("weight").is_null())["from_code"].drop_nulls().unique().sort()
        if by != sets[-1]:
            drawn = drawn.filter(~pl.col("from_code").is_in(unknown.implode()).fill_null(False))
        if by != sets[0]:
            drawn = drawn.drop_nulls("from_code")
        label = describe_weights(areas.source, by.weights.name, request.group, by.weights.day)
        parts.append(_complete_rows(drawn, areas.source, label))
        left = unknown.to_list()
    return pl.concat(parts)


def _apportion_by_shares(
    place_data: PlaceData, shares: Shares, codes: list[str], request: CrosswalkRequest
) -> pl.DataFrame:
    """Link areas by published shares, and from the areas of these shares to the target geography."""
    published = _estimate_catchment(place_data, shares, request)
    drawn = compose_overlays(link_to_shares(place_data.places, codes, published), published)
    if shares.to_system != request.to_system:
        without_shares = place_data._replace(shares=())
        try:
            onward = build_crosswalk(
                without_shares, shares.to_system, request.to_system, request.group, request.day, request.target
            )
        except UnknownNameError:
            return pl.DataFrame(schema=_ROW_SCHEMA)
        drawn = compose_overlays(drawn, onward.select(list(OVERLAY)))
    return _complete_rows(drawn, shares.source, describe_weights(shares.source, shares.description, None, shares.day))


def _estimate_catchment(place_data: PlaceData, shares: Shares, request: CrosswalkRequest) -> pl.DataFrame:
    """Return OVERLAY of published shares: a trust's population in a district is its share of the residents.

    This is a catchment population by proportionate flow (the Norris-Bailey method, as in Public Health England's NHS
    Acute Trust Catchment Populations). The share of residents is the table's own where it starts from the areas of
    residence, else from the table in the opposite direction. Where neither is stored, the population is unknown.
    """
    pairs = shares.table.select("from_code", "to_code", pl.col("share").alias("weight"), "share")
    ends = (shares.to_system, shares.from_system)
    back = next(
        (candidate for candidate in place_data.shares if (candidate.from_system, candidate.to_system) == ends), None
    )
    living = _find_residents(place_data, shares.from_system, request)
    at = "from_code"
    if living is None and back is not None:
        living, at = _find_residents(place_data, shares.to_system, request), "to_code"
        other = back.table.select(pl.col("from_code").alias("to_code"), pl.col("to_code").alias("from_code"), "share")
        pairs = pairs.drop("share").join(other, on=["from_code", "to_code"], how="left")
    if living is None:
        return pairs.select("from_code", "to_code", "weight", pl.lit(None, pl.Float64).alias("weight_population"))
    joined = pairs.join(living, left_on=at, right_on="place_code", how="left")
    return joined.select(
        "from_code", "to_code", "weight", (pl.col("share") * pl.col("residents")).alias("weight_population")
    )


def _find_residents(place_data: PlaceData, system: str, request: CrosswalkRequest) -> pl.DataFrame | None:
    """Return the residents of a geography's areas from the largest suitable table: place_code, residents."""
    codes = list_geography_codes(place_data, system)
    within = request._replace(from_system=system, to_system=system, target=None)
    largest_first = sorted(place_data.areas, key=lambda areas: -areas.table.height)
    estimates = (count_residents(areas, place_data.places, codes, within) for areas in largest_first)
    return next((estimate for estimate in estimates if estimate is not None), None)


def _complete_rows(rows: pl.DataFrame, source: str, label: str) -> pl.DataFrame:
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
        pl.when(weighed).then(pl.lit(label)).alias("weighed_by"),
        pl.lit(None, pl.String).alias("authority"),
        pl.lit(source).alias("source"),
    ).select(list(_ROW_SCHEMA))


def _add_names(rows: pl.DataFrame, places: Places, from_system: str, to_system: str) -> pl.DataFrame:
    names = places.names
    complete = rows.with_columns(
        pl.lit(from_system).alias("from_geography"),
        pl.lit(to_system).alias("to_geography"),
        *(
            pl.col(f"{end}_code").replace_strict(names, default=None, return_dtype=pl.String).alias(f"{end}_name")
            for end in ("from", "to")
        ),
    )
    return complete.select(list(CROSSWALK))


ChangesByCode = dict[str, list[tuple[int, str, str]]]
"""The changes of each code: its number among all changes, the new code and the authority."""


def _group_changes(changes: pl.DataFrame) -> ChangesByCode:
    groups: ChangesByCode = {}
    for number, (start, end, authority) in enumerate(changes.select("from_code", "to_code", "authority").iter_rows()):
        groups.setdefault(start, []).append((number, end, authority))
    return groups


def _list_authorities(changes: ChangesByCode, code: str, to: str) -> str | None:
    """List the authorities of the changes from one code to another, earliest first."""
    if code == to:
        return None
    authorities: dict[int, str] = {}
    onwards, queue = {code}, [code]
    while queue:
        for number, end, authority in changes.get(queue.pop(), ()):
            authorities[number] = authority
            if end not in onwards:
                onwards.add(end)
                queue.append(end)
    return "; ".join(dict.fromkeys(authorities[number] for number in sorted(authorities))) or None
