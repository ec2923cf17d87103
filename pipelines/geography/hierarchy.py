"""The larger areas of each area, by kind, wholly or in part."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

import polars as pl

from pipelines.core.schema import NUMBER, TEXT, Column, conform_table, empty_table
from pipelines.geography.catchments import Shares
from pipelines.geography.overlay import ALL_AGES
from pipelines.geography.register import Places, list_ancestors
from pipelines.geography.small_areas import AREA_CODE, Areas, weight_column
from pipelines.geography.systems import geography_kind

PlaceFacts = Iterator[tuple[str, str]]
MAX_PARTS_LISTED = 6
"""Number of areas of one geography that are listed, largest first."""
_POSTCODE = re.compile(r"[A-Z]{1,2}(\d[A-Z\d]?( ?\d[A-Z]{2}| \d[A-Z]?)?)?")
_FULL_POSTCODE = re.compile(r"(.+?) ?(\d[A-Z]{2})")


def is_postcode(text: str) -> bool:
    """Return whether a text has the form of a postcode or the start of one: M, M33, M33 2, M33 2AB."""
    return bool(_POSTCODE.fullmatch(text.strip().upper()))


def describe_membership(
    tables: Iterable[Areas], shares: Iterable[Shares], code: str, names: dict[str, str]
) -> PlaceFacts:
    """Describe the areas of other geographies that an area is in, contains or overlaps, and its published shares.

    Proportions are of residents, or of small areas where residents are unknown.
    """
    for areas in tables:
        has_code = areas.table.select((pl.col(system) == code).any() for system in areas.systems).row(0)
        own = [system for system, is_own in zip(areas.systems, has_code, strict=True) if is_own]
        if own:
            yield "geographies", f"{', '.join(own)} ({areas.source})"
            mine = areas.table.filter(pl.any_horizontal(pl.col(system) == code for system in own))
            for system in areas.systems:
                if system not in own and mine[system].count():
                    yield _describe_relation(areas, mine, system, names)
    for share_set in shares:
        spread = share_set.table.filter(pl.col("from_code") == code).select(pl.col("to_code").alias("code"), "share")
        if spread.height:
            provenance = f"{share_set.description}, {share_set.day}; {share_set.source}"
            yield "shares", f"in {share_set.to_system}: {_list_parts(spread, names)} ({provenance})"


def _describe_relation(areas: Areas, mine: pl.DataFrame, system: str, names: dict[str, str]) -> tuple[str, str]:
    """Describe the relation of one area's small areas to the areas of a geography."""
    parts = _share_by_place(mine, system, find_people_column(areas))
    if parts.height == 1:
        return "within", f"{system}: {_list_parts(parts, names)}"
    around = areas.table.filter(pl.col(system).is_in(parts["code"].drop_nulls().implode()))
    if around.height > mine.height:
        return "overlaps", f"{system}: {_list_parts(parts, names)}"
    few = _list_parts(parts, names) if parts.height <= MAX_PARTS_LISTED else f"{parts.height} areas"
    return "contains", f"{system}: {few}"


def find_people_column(areas: Areas) -> str | None:
    """Return the column of all residents in the newest set of weights; None where no set has it."""
    having = [weight_set for weight_set in areas.weights if ALL_AGES in weight_set.groups]
    newest = max(having, key=lambda weight_set: weight_set.day, default=None)
    return weight_column(newest.name, ALL_AGES) if newest else None


def _share_by_place(mine: pl.DataFrame, system: str, people: str | None) -> pl.DataFrame:
    """Return the areas of a geography that some small areas are in, largest share first: code, share."""
    size = pl.col(people) if people and mine[people].null_count() == 0 and mine[people].sum() else pl.lit(1.0)
    sums = mine.with_columns(size.alias("size")).group_by(pl.col(system).alias("code")).agg(pl.col("size").sum())
    return sums.select("code", (pl.col("size") / pl.col("size").sum()).alias("share"))


def _list_parts(parts: pl.DataFrame, names: dict[str, str]) -> str:
    """List the largest parts with their shares, the number of further parts and the share outside all."""
    if parts.height == 1 and parts["code"][0] is not None:
        return _label_place(parts["code"][0], names)
    known = parts.drop_nulls("code").sort("share", "code", descending=[True, False])
    texts = [
        f"{_label_place(code, names)} {_format_percent(share)}"
        for code, share in known.head(MAX_PARTS_LISTED).iter_rows()
    ]
    more = [f"and {known.height - MAX_PARTS_LISTED} more"] if known.height > MAX_PARTS_LISTED else []
    nowhere = float(parts.filter(pl.col("code").is_null())["share"].sum())
    return ", ".join([*texts, *more, *([f"unknown {_format_percent(nowhere)}"] if nowhere else [])])


def _label_place(code: str, names: dict[str, str]) -> str:
    return f"{code} {names.get(code, '')}".strip()


def _format_percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "under 0.1%"


def describe_postcodes(tables: list[Areas], text: str, names: dict[str, str]) -> PlaceFacts:
    """Describe the location of the known postcodes with a given beginning, and the limits of that knowledge.

    A table has postcodes, without blanks, as its small areas or as a geography postcode_<year>. It covers only the
    postcodes in it: others with the same beginning may be elsewhere.
    """
    count = 0
    for areas in tables:
        column = next((name for name in areas.systems if name.startswith("postcode_")), AREA_CODE)
        mine = areas.table.filter(_postcode_starts_with(pl.col(column), text.strip().upper()))
        count += mine.height
        if mine.height:
            yield "postcode", f"{text}: {mine.height:,} rows of {areas.source}, {areas.label or areas.released}"
        for system in areas.systems if mine.height else ():
            if system != column and mine[system].count():
                yield "within", f"{system}: {_list_parts(_share_by_place(mine, system, None), names)}"
    sources = ", ".join(areas.source for areas in tables) or "no table of postcodes"
    if not count:
        yield "postcode", f"{text} is unknown; stored tables: {sources}"
    yield (
        "not stored",
        (
            "a postcode directory of the whole country: other postcodes with this beginning may be elsewhere. Use a "
            "council, ward or LSOA, or add a table: `commonground add ons_postcodes_trafford FILE`"
        ),
    )


def _postcode_starts_with(column: pl.Expr, text: str) -> pl.Expr:
    """Return an expression for postcodes in an area, a district or a sector: M3 is not the start of M33 2AB."""
    if text.isalpha():
        return column.str.contains(f"^{text}[0-9]")
    whole = _FULL_POSTCODE.fullmatch(text)
    outward, inward = (whole[1], whole[2]) if whole else (text.partition(" ")[0], text.partition(" ")[2])
    return (column.str.head(-3) == outward) & column.str.tail(3).str.starts_with(inward)


AREA_HIERARCHY: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of an area in a problem"),
    "kind": Column(TEXT, "Kind of the larger area, such as pfa, icb, ttwa or region"),
    "parent_geography": Column(TEXT, "Geography of the larger area; null where the register defines it"),
    "parent_code": Column(TEXT, "Code of the larger area; null for a part outside every known one"),
    "parent_name": Column(TEXT, "Name of the larger area, where the register has it"),
    "share": Column(NUMBER, "Share of the area within the larger area, 0 to 1; 1 where it is nested"),
    "share_of": Column(TEXT, "Base of the share: people or small areas; null where the register defines the row"),
    "best_fit": Column(
        pl.Boolean,
        "True where small areas are assigned whole by best fit (wards, constituencies): the share is approximate",
    ),
    "source": Column(TEXT, "Table that defines the row; null for the register"),
}
"""One area and a larger area that contains it, wholly or in part."""


def build_hierarchy(places: Places, tables: Sequence[Areas], codes: Collection[str]) -> pl.DataFrame:
    """Return the larger areas of given areas (AREA_HIERARCHY): areas of a geography with fewer areas.

    Where several tables have the same geography, the first is used.
    """
    register = places.register.sort("valid_from").unique("place_code", keep="last", maintain_order=True)
    area_rows = [rows for areas in tables for rows in _hierarchy_from_areas(areas, codes)]
    drawn = _keep_first_tables(pl.concat([empty_table(AREA_HIERARCHY), *area_rows]))
    hierarchy = pl.concat([conform_table(_hierarchy_from_register(places, register, codes), AREA_HIERARCHY), drawn])
    names = register.select(pl.col("place_code").alias("parent_code"), "place_name")
    with_names = hierarchy.join(names, on="parent_code", how="left", maintain_order="left")
    return conform_table(with_names.with_columns(pl.col("place_name").alias("parent_name")), AREA_HIERARCHY).sort(
        "place_code", "kind", "parent_geography", "share", "parent_code", descending=[False, False, False, True, False]
    )


def _keep_first_tables(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of each area and geography from the first table that has it; few geographies are in several."""
    tables = rows.group_by("parent_geography").agg(pl.col("source").n_unique())
    shared = tables.filter(pl.col("source") > 1)["parent_geography"].to_list()
    if not shared:
        return rows
    first = pl.col("source").first().over("place_code", "parent_geography") == pl.col("source")
    return rows.filter(~pl.col("parent_geography").is_in(shared) | first)


def _hierarchy_from_register(places: Places, register: pl.DataFrame, codes: Collection[str]) -> pl.DataFrame:
    """Return the larger areas of given areas in the register, and the nation of each."""
    kinds = dict(register.select("place_code", "kind").iter_rows())
    nation = dict(register.select("place_code", "nation").iter_rows())
    nations = dict(register.filter(pl.col("kind") == "nation").select("place_name", "place_code").iter_rows())
    above = {code: [*list_ancestors(code, places.parents), nations.get(nation.get(code))] for code in sorted(codes)}
    pairs = [(code, up) for code, larger in above.items() for up in dict.fromkeys(larger) if up and up != code]
    rows = pl.DataFrame(pairs, schema={"place_code": pl.String, "parent_code": pl.String}, orient="row")
    kind = pl.col("parent_code").replace_strict(kinds, default=None, return_dtype=pl.String)
    return rows.with_columns(kind.alias("kind"), pl.lit(1.0).alias("share"), pl.lit(False).alias("best_fit"))


def _hierarchy_from_areas(areas: Areas, codes: Collection[str]) -> Iterator[pl.DataFrame]:
    """Return the larger areas in a table of small areas, for each area by its newest geography."""
    left = set(codes)
    for system in sorted(areas.systems, key=lambda other_system: other_system.rpartition("_")[2], reverse=True):
        own = left.intersection(areas.table[system].unique().to_list())
        if not own:
            continue
        left -= own
        sized = _size_areas(areas.table.filter(pl.col(system).is_in(sorted(own))), system, areas)
        yield from (
            _build_share_rows(sized, system, other, areas)
            for other in areas.systems
            if geography_kind(other) != geography_kind(system) and _has_fewer_places(areas.table, other, system)
        )


def _has_fewer_places(table: pl.DataFrame, other: str, system: str) -> bool:
    """Return whether a geography has fewer areas than another, where both are known."""
    both = table.select(system, other).drop_nulls()
    return both[other].n_unique() < both[system].n_unique()


def _size_areas(mine: pl.DataFrame, system: str, areas: Areas) -> pl.DataFrame:
    """Add the size of each small area (`size`), and whether it is people (`known`); codes compare by number."""
    people = find_people_column(areas)
    count = pl.col(people) if people else pl.lit(None, pl.Float64)
    coded = mine.with_columns(pl.col(list(areas.systems)).cast(pl.Categorical))
    is_known = (count.is_not_null().all() & (count.sum() > 0)).over(system)
    return coded.with_columns(is_known.alias("known"), pl.when(is_known).then(count).otherwise(1.0).alias("size"))


def _build_share_rows(sized: pl.DataFrame, system: str, other: str, areas: Areas) -> pl.DataFrame:
    """Return the shares of areas in another geography; an area of which no part is known has no row."""
    # In file order, because the last digit of a sum of fractions depends on the order.
    sums = sized.group_by(system, other, "known", maintain_order=True).agg(pl.col("size").sum())
    known_sums = sums.filter(pl.col(other).is_not_null().any().over(system), pl.col("size") > 0)
    return conform_table(
        known_sums.select(
            pl.col(system).alias("place_code"), pl.col(other).alias("parent_code"),
            pl.lit(other).alias("parent_geography"), pl.lit(geography_kind(other)).alias("kind"),
            (pl.col("size") / pl.col("size").sum().over(system)).alias("share"),
            pl.when("known").then(pl.lit("people")).otherwise(pl.lit("small areas")).alias("share_of"),
            pl.lit(not areas.best_fit.isdisjoint((system, other))).alias("best_fit"),
            pl.lit(areas.source).alias("source"),
        ),
        AREA_HIERARCHY,
    )  # fmt: skip
