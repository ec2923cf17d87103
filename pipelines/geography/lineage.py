"""The history of an area code: its names, predecessors and successors; and the register as analysts see it."""

from collections.abc import Iterable, Iterator
from datetime import date

import polars as pl

from pipelines.core.errors import UnknownNameError, suggest_names
from pipelines.core.geocodes import ENTITY_NAMES, GSS_PATTERN, INSTRUMENT_PATTERN, KIND_PREFIXES, geography_date
from pipelines.core.schema import PLACE_COLUMNS, TEXT, WHOLE, Column
from pipelines.geography.names import fold_name, keep_similar
from pipelines.geography.register import Places, list_ancestors

LineageFacts = Iterator[tuple[str, str]]
FIRST_YEAR = 2011


def find_codes(places: Places, text: str) -> list[str]:
    """Return the codes of a name or code at any time; refuse an unknown one with close matches.

    Districts come first and parishes late, in the order of kinds; of one kind, codes in use come before former ones.
    """
    register = places.register
    if text.upper() in set(register["place_code"]):
        return [text.upper()]
    names = pl.concat([register["place_name"], register["place_name_welsh"]]).drop_nulls().unique()
    wanted = _comparable_name(text)
    meant = [name for name in keep_similar(names, wanted) if _comparable_name(name) == wanted]
    if not meant:
        raise UnknownNameError(f"unknown place {text!r}; {suggest_names(text, set(names))}")
    matches = pl.col("place_name").is_in(meant) | pl.col("place_name_welsh").is_in(meant)
    rows = register.filter(matches).select("place_code", "kind", pl.col("valid_to").is_null())
    ranked = sorted((_KIND_RANKS.get(kind, len(_KIND_RANKS)), not is_used, code) for code, kind, is_used in rows.rows())
    return list(dict.fromkeys(code for _, _, code in ranked))


_KIND_RANKS = {kind: rank for rank, kind in enumerate(KIND_PREFIXES)}


def _comparable_name(name: str) -> str:
    return fold_name(name).removesuffix(" (city)")


def describe_lineage(places: Places, code: str, until: date) -> LineageFacts:
    """Describe one code: names and days of use, larger areas, geographies, predecessors and successors.

    Geographies are listed up to the year of `until`.
    """
    rows = places.register.filter(pl.col("place_code") == code).sort("valid_from").to_dicts()
    for row in rows:
        welsh = f" / {row['place_name_welsh']}" if row["place_name_welsh"] else ""
        end = f"to {row['valid_to']}" if row["valid_to"] else "on"
        yield "place", f"{code} {row['place_name']}{welsh} ({row['kind']}), in use from {row['valid_from']} {end}"
    yield "within", _list_larger_places(places, code, rows[-1])
    if systems := _list_geographies(code, rows, until.year):
        yield "geographies", systems
    yield from _describe_changes(places, code, "to_code", "from_code", "was")
    yield from _describe_changes(places, code, "from_code", "to_code", "became")
    yield from _list_children(places, code, rows[-1]["valid_to"] or until)


MAX_CHILDREN_LISTED = 24
"""Number of areas within another that are listed; above it, only their number is given."""


def _list_children(places: Places, code: str, day: date) -> LineageFacts:
    """List the areas within an area on a day, from the register: districts of a county, sites of a trust."""
    inside = places.register.filter(
        pl.col("parent_code") == code, pl.col("kind") != "ward", pl.col("valid_from") <= day,
        pl.col("valid_to").is_null() | (pl.col("valid_to") >= day),
    ).unique("place_code", keep="last").sort("place_code")  # fmt: skip
    for (kind,), rows in inside.group_by("kind", maintain_order=True):
        children = ", ".join(f"{child} {name}" for child, name in rows.select("place_code", "place_name").iter_rows())
        yield "contains", f"{kind}: {children if rows.height <= MAX_CHILDREN_LISTED else f'{rows.height} areas'}"


def _list_larger_places(places: Places, code: str, row: dict[str, object]) -> str:
    """List the larger areas of an area: trust, county and others with their codes, then region and nation."""
    ancestors = list_ancestors(code, places.parents)[1:]
    names = _name_codes(places, ancestors, ~pl.col("kind").is_in(["region", "nation", "above_nation"]))
    larger = [f"{up} {names[up]}" for up in ancestors if up in names]
    return ", ".join(dict.fromkeys(str(part) for part in (*larger, row["region"], row["nation"]) if part)) or (
        "above nations"
    )


def _list_geographies(code: str, rows: list[dict[str, object]], last: int) -> str:
    """List the geographies with a code: the years in which it was in use on 31 December."""
    kinds = [kind for kind, prefixes in KIND_PREFIXES.items() if code[:3] in prefixes] or [str(rows[-1]["kind"])]
    reach = max((row["known_up_to"] for row in rows if isinstance(row["known_up_to"], date)), default=date.max)
    years = {kind: _years_in_use(kind, rows, min(last, reach.year)) for kind in kinds}
    if not any(years.values()):
        return "none since " + str(FIRST_YEAR)
    return ", ".join(f"{kind}_{years_text}" for kind in kinds for years_text in _format_year_spans(years[kind]))


def _years_in_use(kind: str, rows: list[dict[str, object]], last: int) -> list[int]:
    return [year for year in range(FIRST_YEAR, last + 1) if any(_is_in_use(row, f"{kind}_{year}") for row in rows)]


def _format_year_spans(years: list[int]) -> list[str]:
    """Format consecutive years as a span: 2011, or 2015 to _2026."""
    starts = [year for year in years if year - 1 not in years]
    ends = [year for year in years if year + 1 not in years]
    return [str(a) if a == b else f"{a} to _{b}" for a, b in zip(starts, ends, strict=True)]


def _is_in_use(row: dict[str, object], system: str) -> bool:
    day = geography_date(system)
    start, end = row["valid_from"], row["valid_to"]
    return isinstance(start, date) and start <= day and (not isinstance(end, date) or end >= day)


def _describe_changes(places: Places, code: str, mine: str, other: str, word: str) -> LineageFacts:
    changes = places.changes.filter(pl.col(mine) == code).sort("changed_on", other)
    names = _name_codes(places, changes[other])
    for (day, kind, authority), rows in changes.group_by(["changed_on", "kind", "authority"], maintain_order=True):
        others = ", ".join(f"{other_code} {names.get(other_code, '')}".strip() for other_code in rows[other])
        is_merger = kind == "merged" and word != "was"
        beside = _name_codes_merged_with(places, rows, code) if is_merger else {}
        along = (
            f", together with {', '.join(f'{other_code} {name}' for other_code, name in beside.items())}"
            if beside
            else ""
        )
        beyond = _describe_land(places, rows, mine) if kind == "moved_land" else ""
        yield word, f"{others} on {day}: {_CHANGE_WORDS[str(kind)]}{along}{beyond} ({authority})"


MAX_CODES_LISTED = 6
"""Maximum number of codes with a change on the same day that are listed; above it none, because they are unrelated."""


def _describe_land(places: Places, rows: pl.DataFrame, mine: str) -> str:
    """List the other codes with a boundary change by the same order, and state which data are missing."""
    day, authority = rows.select("changed_on", "authority").row(0)
    same = places.changes.filter(
        pl.col("kind") == "moved_land", pl.col("changed_on") == day, pl.col("authority") == authority,
        ~pl.col(mine).is_in(rows[mine].implode()), pl.col(mine).str.head(3) == rows[mine][0][:3],
    )  # fmt: skip
    codes = same[mine].unique().sort()
    names = _name_codes(places, codes)
    others = [f"{code} {names.get(code, '')}".strip() for code in codes]
    same_day = f", the same day as {', '.join(others)}" if 0 < len(others) <= MAX_CODES_LISTED else ""
    return f"{same_day}; no stored table has the land and the dwellings that moved"


_CHANGE_WORDS = {
    "merged": "merged",
    "recoded": "new code, unchanged area",
    "moved_land": "new code after a boundary change",
    "renamed": "new name, unchanged area",
    "split": "split among them",
}


def _name_codes(places: Places, codes: Iterable[str], also: pl.Expr | bool = True) -> dict[str, str]:
    """Return the name in the last row of the register, by code, of some codes and rows."""
    rows = places.register.filter(pl.col("place_code").is_in(list(codes)), also)
    return dict(rows.select("place_code", "place_name").iter_rows())


def _name_codes_merged_with(places: Places, rows: pl.DataFrame, code: str) -> dict[str, str]:
    """Return the other codes that merged into the same area on the same day, with their names."""
    into, day = rows["to_code"].implode(), rows["changed_on"][0]
    same = places.changes.filter(
        pl.col("to_code").is_in(into), pl.col("changed_on") == day, pl.col("from_code") != code
    )
    return dict(sorted(_name_codes(places, same["from_code"].unique()).items()))


GAZETTEER: dict[str, Column] = {
    **PLACE_COLUMNS,
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


def build_gazetteer(register: pl.DataFrame) -> pl.DataFrame:
    """Add entity type, first year and last year to a register (schema.PLACE_COLUMNS): GAZETTEER."""
    start, end = pl.col("valid_from").dt, pl.col("valid_to").dt
    year_end = (end.month() == 12) & (end.day() == 31)
    code = pl.col("place_code")
    entity_type = code.str.head(3).replace_strict(ENTITY_NAMES, default=None, return_dtype=pl.String)
    return register.with_columns(
        # Codes of practices and trusts may have the same prefix: only nine-character codes are GSS codes.
        pl.when(code.str.contains(f"{GSS_PATTERN}|{INSTRUMENT_PATTERN}")).then(entity_type).alias("entity_type"),
        start.year().cast(pl.Int64).alias("first_year"),
        (end.year() - (~year_end).cast(pl.Int32)).cast(pl.Int64).alias("last_year"),
    ).select(list(GAZETTEER))
