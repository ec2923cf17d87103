"""What a place belongs to beside its own line: which places of every other system it lies in, and by how much.

Told from the tables of small areas and of shares that are held, so that it also knows places that no register names:
LSOAs, wards, travel-to-work areas, trusts, and postcodes where a directory of them is held.
"""

import re
from collections.abc import Iterable, Iterator

import polars as pl

from pipelines.areas import AREA, Areas, weight_column
from pipelines.overlays import EVERYONE
from pipelines.shares import Shares

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
