"""The history of an area code: its names, predecessors and successors; and the register as analysts see it."""

from collections.abc import Iterator
from datetime import date

import polars as pl

from pipelines.core.errors import UnknownNameError, near
from pipelines.core.geocodes import ENTITY_TYPES, GSS, KINDS, day_of
from pipelines.core.schema import PLACE, TEXT, WHOLE, Column
from pipelines.geography.names import folded
from pipelines.geography.register import Places, ancestors

Told = Iterator[tuple[str, str]]
FIRST_YEAR = 2011


def find(places: Places, text: str) -> list[str]:
    """Return the codes of a name or code at any time; refuse an unknown one with close matches."""
    register = places.register
    if text.upper() in set(register["place_code"]):
        return [text.upper()]
    names = {name for column in ("place_name", "place_name_welsh") for name in register[column].drop_nulls()}
    meant = [name for name in names if _plain(name) == _plain(text)]
    if not meant:
        raise UnknownNameError(f"unknown place {text!r}; {near(text, names)}")
    named = pl.col("place_name").is_in(meant) | pl.col("place_name_welsh").is_in(meant)
    return sorted(register.filter(named)["place_code"].unique())


def _plain(name: str) -> str:
    return folded(name).removesuffix(" (city)")


def describe_lineage(places: Places, code: str, until: date) -> Told:
    """Describe one code: names and days of use, larger areas, geographies, predecessors and successors.

    Geographies are listed up to the year of `until`.
    """
    rows = places.register.filter(pl.col("place_code") == code).sort("valid_from").to_dicts()
    for row in rows:
        welsh = f" / {row['place_name_welsh']}" if row["place_name_welsh"] else ""
        end = f"to {row['valid_to']}" if row["valid_to"] else "on"
        yield "place", f"{code} {row['place_name']}{welsh} ({row['kind']}), in use from {row['valid_from']} {end}"
    yield "within", _above(places, code, rows[-1])
    if systems := _systems(code, rows, until.year):
        yield "geographies", systems
    yield from _changes(places, code, "to_code", "from_code", "was")
    yield from _changes(places, code, "from_code", "to_code", "became")
    yield from _held(places, code, rows[-1]["valid_to"] or until)


NAMED = 24
"""Number of areas within another that are listed; above it, only their number is given."""


def _held(places: Places, code: str, day: date) -> Told:
    """List the areas within an area on a day, from the register: districts of a county, sites of a trust."""
    inside = places.register.filter(
        pl.col("parent_code") == code, pl.col("kind") != "ward", pl.col("valid_from") <= day,
        pl.col("valid_to").is_null() | (pl.col("valid_to") >= day),
    ).unique("place_code", keep="last").sort("place_code")  # fmt: skip
    for (kind,), rows in inside.group_by("kind", maintain_order=True):
        named = ", ".join(f"{child} {name}" for child, name in rows.select("place_code", "place_name").iter_rows())
        yield "contains", f"{kind}: {named if rows.height <= NAMED else f'{rows.height} areas'}"


def _above(places: Places, code: str, row: dict[str, object]) -> str:
    """List the larger areas of an area: trust, county and others with their codes, then region and nation."""
    wide = places.register["kind"].is_in(["region", "nation", "above_nation"])
    names = dict(places.register.filter(~wide).select("place_code", "place_name").iter_rows())
    told = [f"{up} {names[up]}" for up in ancestors(code, places.parents)[1:] if up in names]
    return ", ".join(dict.fromkeys(str(part) for part in (*told, row["region"], row["nation"]) if part)) or (
        "above nations"
    )


def _systems(code: str, rows: list[dict[str, object]], last: int) -> str:
    """List the geographies with a code: the years in which it was in use on 31 December."""
    kinds = [kind for kind, prefixes in KINDS.items() if code[:3] in prefixes] or [str(rows[-1]["kind"])]
    found = {kind: _years(kind, rows, last) for kind in kinds}
    if not any(found.values()):
        return "none since " + str(FIRST_YEAR)
    return ", ".join(f"{kind}_{span}" for kind in kinds for span in _spans(found[kind]))


def _years(kind: str, rows: list[dict[str, object]], last: int) -> list[int]:
    return [year for year in range(FIRST_YEAR, last + 1) if any(_in_use(row, f"{kind}_{year}") for row in rows)]


def _spans(years: list[int]) -> list[str]:
    """Format consecutive years as a span: 2011, or 2015 to _2026."""
    starts = [year for year in years if year - 1 not in years]
    ends = [year for year in years if year + 1 not in years]
    return [str(a) if a == b else f"{a} to _{b}" for a, b in zip(starts, ends, strict=True)]


def _in_use(row: dict[str, object], system: str) -> bool:
    day = day_of(system)
    start, end = row["valid_from"], row["valid_to"]
    return isinstance(start, date) and start <= day and (not isinstance(end, date) or end >= day)


def _changes(places: Places, code: str, mine: str, other: str, word: str) -> Told:
    names = dict(places.register.select("place_code", "place_name").iter_rows())
    found = places.changes.filter(pl.col(mine) == code).sort("changed_on", other)
    for (day, kind, authority), rows in found.group_by(["changed_on", "kind", "authority"], maintain_order=True):
        others = ", ".join(f"{each} {names.get(each, '')}".strip() for each in rows[other])
        merged = kind == "merged" and word != "was"
        beside = _others_merged(places, rows, code) if merged else []
        along = f", together with {', '.join(f'{each} {names[each]}' for each in beside)}" if beside else ""
        beyond = _land(places, rows, mine) if kind == "moved_land" else ""
        yield word, f"{others} on {day}: {_KINDS[str(kind)]}{along}{beyond} ({authority})"


MOST = 6
"""Maximum number of codes listed that changed on the same day; above it, they are probably unrelated."""


def _land(places: Places, rows: pl.DataFrame, mine: str) -> str:
    """List the other codes with a boundary change by the same order, and state what is unknown."""
    day, authority = rows.select("changed_on", "authority").row(0)
    same = places.changes.filter(
        pl.col("kind") == "moved_land", pl.col("changed_on") == day, pl.col("authority") == authority,
        ~pl.col(mine).is_in(rows[mine].implode()), pl.col(mine).str.head(3) == rows[mine][0][:3],
    )  # fmt: skip
    names = dict(places.register.select("place_code", "place_name").iter_rows())
    others = [f"{code} {names.get(code, '')}".strip() for code in same[mine].unique().sort()]
    told = f", the same day as {', '.join(others)}" if 0 < len(others) <= MOST else ""
    return f"{told}; no stored table has the land and the dwellings that moved"


_KINDS = {
    "merged": "merged",
    "recoded": "new code, same boundary",
    "moved_land": "new code after a boundary change",
    "renamed": "new name, same boundary",
    "split": "split among them",
}


def _others_merged(places: Places, rows: pl.DataFrame, code: str) -> list[str]:
    """Return the other codes that merged into the same area on the same day."""
    into, day = rows["to_code"].implode(), rows["changed_on"][0]
    same = places.changes.filter(
        pl.col("to_code").is_in(into), pl.col("changed_on") == day, pl.col("from_code") != code
    )
    return sorted(same["from_code"].unique())


GAZETTEER: dict[str, Column] = {
    **PLACE,
    "entity_type": Column(
        TEXT,
        "Type of area by the first three characters of the code, such as unitary authority, London borough or "
        "travel to work area; null where they do not define it",
    ),
    "first_year": Column(WHOLE, "First year of use on 31 December, such as 2023 for lad_2023"),
    "last_year": Column(
        WHOLE, "Last year of use on 31 December; null while in use. Before first_year where never in use on that day"
    ),
}
"""The columns of the table `places`."""


def gazetteer(register: pl.DataFrame) -> pl.DataFrame:
    """Add entity type, first year and last year to a register (schema.PLACE): GAZETTEER."""
    start, end = pl.col("valid_from").dt, pl.col("valid_to").dt
    year_end = (end.month() == 12) & (end.day() == 31)
    code = pl.col("place_code")
    named = code.str.head(3).replace_strict(ENTITY_TYPES, default=None, return_dtype=pl.String)
    return register.with_columns(
        # Codes of practices and trusts may have the same prefix: only nine-character codes are GSS codes.
        pl.when(code.str.contains(GSS)).then(named).alias("entity_type"),
        start.year().cast(pl.Int64).alias("first_year"),
        (end.year() - (~year_end).cast(pl.Int32)).cast(pl.Int64).alias("last_year"),
    ).select(list(GAZETTEER))
