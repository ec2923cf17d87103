"""Which larger areas each place lies in, by kind, wholly or by what share."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

import polars as pl

from pipelines.core.schema import NUMBER, TEXT, Column, conformed, empty
from pipelines.geography.catchments import Shares
from pipelines.geography.overlay import EVERYONE
from pipelines.geography.register import Places, ancestors
from pipelines.geography.small_areas import AREA, Areas, weight_column
from pipelines.geography.systems import kind_of

Told = Iterator[tuple[str, str]]
MOST = 6
"""Places of one system that are named; of more, the largest are."""
_POSTCODE = re.compile(r"[A-Z]{1,2}(\d[A-Z\d]?( ?\d[A-Z]{2}| \d[A-Z]?)?)?")
_WHOLE = re.compile(r"(.+?) ?(\d[A-Z]{2})")


def is_postcode(text: str) -> bool:
    """Tell whether a text has the shape of a postcode, or of the start of one: M, M33, M33 2, M33 2AB."""
    return bool(_POSTCODE.fullmatch(text.strip().upper()))


def belongs(tables: Iterable[Areas], shares: Iterable[Shares], code: str, names: dict[str, str]) -> Told:
    """Tell of a code which places of other systems it lies in, holds or overlaps, and how its people are spread.

    How much is told in shares of its people, or where those are not known, of its small areas.
    """
    for areas in tables:
        own = [system for system in areas.systems if code in set(areas.table[system].drop_nulls())]
        if own:
            yield "is in", f"{', '.join(own)}, by {areas.source}"
            mine = areas.table.filter(pl.any_horizontal(pl.col(system) == code for system in own))
            for system in areas.systems:
                if system not in own and mine[system].count():
                    yield _related(areas, mine, system, names)
    for each in shares:
        spread = each.table.filter(pl.col("from_code") == code).select(pl.col("to_code").alias("code"), "share")
        if spread.height:
            said = f"{each.what}, {each.day}; {each.source}"
            yield "spread", f"over {each.to_system}: {_listed(spread, names)} ({said})"


def _related(areas: Areas, mine: pl.DataFrame, system: str, names: dict[str, str]) -> tuple[str, str]:
    """Tell how the small areas of one place stand to the places of a system."""
    parts = _parts(mine, system, people_column(areas))
    if parts.height == 1:
        return "lies in", f"{system}: {_listed(parts, names)}"
    around = areas.table.filter(pl.col(system).is_in(parts["code"].drop_nulls().implode()))
    if around.height > mine.height:
        return "overlaps", f"{system}: {_listed(parts, names)}"
    few = _listed(parts, names) if parts.height <= MOST else f"{parts.height} places, whole"
    return "holds", f"{system}: {few}"


def people_column(areas: Areas) -> str | None:
    """Give the column of all people of the newest set of weights; none where no set has them."""
    having = [each for each in areas.weights if EVERYONE in each.groups]
    newest = max(having, key=lambda each: each.day, default=None)
    return weight_column(newest.name, EVERYONE) if newest else None


def _parts(mine: pl.DataFrame, system: str, people: str | None) -> pl.DataFrame:
    """Give the places of a system that some small areas lie in, largest share first: code, share."""
    size = pl.col(people) if people and mine[people].null_count() == 0 and mine[people].sum() else pl.lit(1.0)
    sums = mine.with_columns(size.alias("size")).group_by(pl.col(system).alias("code")).agg(pl.col("size").sum())
    return sums.select("code", (pl.col("size") / pl.col("size").sum()).alias("share"))


def _listed(parts: pl.DataFrame, names: dict[str, str]) -> str:
    """Name the largest parts with their shares, say how many there are, and what lies in none."""
    known = parts.drop_nulls("code").sort("share", "code", descending=[True, False])
    if known.height == 1 and parts.height == 1:
        return _named(known["code"][0], names)
    shown = [f"{_named(code, names)} {_percent(share)}" for code, share in known.head(MOST).iter_rows()]
    more = [f"and {known.height - MOST} more"] if known.height > MOST else []
    nowhere = float(parts.filter(pl.col("code").is_null())["share"].sum())
    return ", ".join([*shown, *more, *([f"none known {_percent(nowhere)}"] if nowhere else [])])


def _named(code: str, names: dict[str, str]) -> str:
    return f"{code} {names.get(code, '')}".strip()


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "under 0.1%"


def postcodes(tables: list[Areas], text: str, names: dict[str, str]) -> Told:
    """Tell where the postcodes that begin with a text lie, of which some table knows, and what is not known.

    A table knows postcodes, without blanks, as its small areas, or as a system postcode_<year> that they lie in. It
    knows only those that it has: others with the same beginning may lie elsewhere.
    """
    found = 0
    for areas in tables:
        column = next((name for name in areas.systems if name.startswith("postcode_")), AREA)
        mine = areas.table.filter(_begins(pl.col(column), text.strip().upper()))
        found += mine.height
        if mine.height:
            yield "postcode", f"{text}: {mine.height:,} rows of {areas.source}, {areas.label or areas.released}"
        for system in areas.systems if mine.height else ():
            if system != column and mine[system].count():
                yield "lies in", f"{system}: {_listed(_parts(mine, system, None), names)}"
    held = ", ".join(areas.source for areas in tables) or "no table of postcodes"
    if not found:
        yield "postcode", f"{text} can't be told; held is {held}"
    yield (
        "not held",
        (
            "a postcode directory of the whole country: other postcodes that begin so may lie elsewhere. Name a "
            "council, ward or LSOA, or keep a table: `commonground add ons_postcodes_trafford FILE`"
        ),
    )


def _begins(column: pl.Expr, text: str) -> pl.Expr:
    """Tell which postcodes begin with an area, a district, or more: M3 is not the beginning of M33 2AB."""
    if text.isalpha():
        return column.str.contains(f"^{text}[0-9]")
    whole = _WHOLE.fullmatch(text)
    outward, inward = (whole[1], whole[2]) if whole else (text.partition(" ")[0], text.partition(" ")[2])
    return (column.str.head(-3) == outward) & column.str.tail(3).str.starts_with(inward)


PARENT: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of a place that a problem asks about"),
    "kind": Column(TEXT, "Kind of the larger place: pfa, icb, ttwa, region"),
    "parent_system": Column(TEXT, "Place system of the larger place; null where it is of the register's own line"),
    "parent_code": Column(TEXT, "Code of the larger place; null for a part that is not known to lie in any"),
    "parent_name": Column(TEXT, "Its name, where the register has it"),
    "share": Column(NUMBER, "Share of the place that lies in it, 0 to 1; 1 where it wholly does"),
    "share_of": Column(TEXT, "What the share is of: people or small areas; null where the register tells"),
    "best_fit": Column(
        pl.Boolean,
        "True where a ward or constituency has small areas whole of which it has most: a share is near, not exact",
    ),
    "source": Column(TEXT, "Table that tells it; null for the register"),
}
"""One place, and a larger one that it lies in, wholly or in part."""


def parents(places: Places, tables: Sequence[Areas], codes: Collection[str]) -> pl.DataFrame:
    """Give what some places lie in (PARENT): larger places are those of a system that has fewer.

    Where several tables tell of one system, the first does.
    """
    register = places.register.sort("valid_from").unique("place_code", keep="last", maintain_order=True)
    of_areas = [each for areas in tables for each in _told(areas, codes)]
    first = pl.col("source").first().over("place_code", "parent_system") == pl.col("source")
    drawn = pl.concat([empty(PARENT), *of_areas]).filter(first)
    told = pl.concat([conformed(_line(places, register, codes), PARENT), drawn])
    names = register.select(pl.col("place_code").alias("parent_code"), "place_name")
    named = told.join(names, on="parent_code", how="left", maintain_order="left")
    return conformed(named.with_columns(pl.col("place_name").alias("parent_name")), PARENT).sort(
        "place_code", "kind", "parent_system", "share", "parent_code", descending=[False, False, False, True, False]
    )


def _line(places: Places, register: pl.DataFrame, codes: Collection[str]) -> pl.DataFrame:
    """Give what the register puts some places in, and the nation of each."""
    kinds = dict(register.select("place_code", "kind").iter_rows())
    nation = dict(register.select("place_code", "nation").iter_rows())
    nations = dict(register.filter(pl.col("kind") == "nation").select("place_name", "place_code").iter_rows())
    above = {code: [*ancestors(code, places.parents), nations.get(nation.get(code))] for code in sorted(codes)}
    pairs = [(code, up) for code, found in above.items() for up in dict.fromkeys(found) if up and up != code]
    told = pl.DataFrame(pairs, schema={"place_code": pl.String, "parent_code": pl.String}, orient="row")
    kind = pl.col("parent_code").replace_strict(kinds, default=None, return_dtype=pl.String)
    return told.with_columns(kind.alias("kind"), pl.lit(1.0).alias("share"), pl.lit(False).alias("best_fit"))


def _told(areas: Areas, codes: Collection[str]) -> Iterator[pl.DataFrame]:
    """Give what a table of small areas tells, each place by the newest of the systems that it is of."""
    left = set(codes)
    for system in sorted(areas.systems, key=lambda each: each.rpartition("_")[2], reverse=True):
        mine = areas.table.filter(pl.col(system).is_in(sorted(left)))
        left -= set(mine[system])
        others = [other for other in areas.systems if kind_of(other) != kind_of(system)] if mine.height else []
        yield from (_shares(mine, system, other, areas) for other in others if _fewer(areas.table, other, system))


def _fewer(table: pl.DataFrame, other: str, system: str) -> bool:
    """Tell whether a system has fewer places than another, where there are both."""
    both = table.select(system, other).drop_nulls()
    return both[other].n_unique() < both[system].n_unique()


def _shares(mine: pl.DataFrame, system: str, other: str, areas: Areas) -> pl.DataFrame:
    """Give how some places lie in those of another system; a place of which that is not told at all has no row."""
    people = people_column(areas)
    counted = pl.col(people) if people else pl.lit(None, pl.Float64)
    known = (counted.is_not_null().all() & (counted.sum() > 0)).over(system)
    sized = mine.with_columns(known.alias("known"), pl.when(known).then(counted).otherwise(1.0).alias("size"))
    # In the order of the file: shares are sums of fractions, and their last digit depends on the order.
    sums = sized.group_by(system, other, "known", maintain_order=True).agg(pl.col("size").sum())
    told = sums.filter(pl.col(other).is_not_null().any().over(system), pl.col("size") > 0)
    return conformed(
        told.select(
            pl.col(system).alias("place_code"), pl.col(other).alias("parent_code"),
            pl.lit(other).alias("parent_system"), pl.lit(kind_of(other)).alias("kind"),
            (pl.col("size") / pl.col("size").sum().over(system)).alias("share"),
            pl.when("known").then(pl.lit("people")).otherwise(pl.lit("small areas")).alias("share_of"),
            pl.lit(not areas.best_fit.isdisjoint((system, other))).alias("best_fit"),
            pl.lit(areas.source).alias("source"),
        ),
        PARENT,
    )  # fmt: skip
