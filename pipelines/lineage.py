"""What a place is, what it was, and what it became: the register and the changes told for one place."""

from collections.abc import Iterator
from datetime import date

import polars as pl

from pipelines.errors import UnknownNameError, near
from pipelines.kinds import KINDS
from pipelines.names import folded
from pipelines.places import Places

Told = Iterator[tuple[str, str]]
FIRST_YEAR = 2011


def find(places: Places, text: str) -> list[str]:
    """Give the codes that a name or code stands for, at any time; an unknown one is refused with the near ones."""
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


def lineage(places: Places, code: str, until: date) -> Told:
    """Tell of one code: names and days of use, where it lies, its systems, what it was and what it became.

    Place systems are named up to the year of `until`.
    """
    rows = places.register.filter(pl.col("place_code") == code).sort("valid_from").to_dicts()
    for row in rows:
        welsh = f" / {row['place_name_welsh']}" if row["place_name_welsh"] else ""
        end = f"to {row['valid_to']}" if row["valid_to"] else "on"
        yield "place", f"{code} {row['place_name']}{welsh} ({row['kind']}), in use from {row['valid_from']} {end}"
    last = rows[-1]
    yield (
        "lies in",
        ", ".join(dict.fromkeys(part for part in (last["region"], last["nation"]) if part)) or "above nations",
    )
    if systems := _systems(code, rows, until.year):
        yield "systems", systems
    yield from _changes(places, code, "to_code", "from_code", "was")
    yield from _changes(places, code, "from_code", "to_code", "became")


def _systems(code: str, rows: list[dict[str, object]], last: int) -> str:
    """Say in which place systems the code is: the years at whose end it was in use."""
    years = [year for year in range(FIRST_YEAR, last + 1) if any(_in_use(row, year) for row in rows)]
    kinds = [kind for kind, prefixes in KINDS.items() if code[:3] in prefixes]
    if not years:
        return "none since " + str(FIRST_YEAR)
    span = f"_{years[0]}" if len(years) == 1 else f"_{years[0]} to _{years[-1]}"
    return ", ".join(f"{kind}{span}" for kind in kinds)


def _in_use(row: dict[str, object], year: int) -> bool:
    day = date(year, 12, 31)
    start, end = row["valid_from"], row["valid_to"]
    return isinstance(start, date) and start <= day and (not isinstance(end, date) or end >= day)


def _changes(places: Places, code: str, mine: str, other: str, word: str) -> Told:
    names = dict(places.register.select("place_code", "place_name").iter_rows())
    found = places.changes.filter(pl.col(mine) == code).sort("changed_on", other)
    for (day, kind, authority), rows in found.group_by(["changed_on", "kind", "authority"], maintain_order=True):
        others = ", ".join(f"{each} {names.get(each, '')}".strip() for each in rows[other])
        beside = [] if word == "was" else _others_merged(places, rows[other].to_list(), code)
        along = f", together with {', '.join(f'{each} {names[each]}' for each in beside)}" if beside else ""
        yield word, f"{others} on {day}: {_KINDS[str(kind)]}{along} ({authority})"


_KINDS = {
    "merged": "merged",
    "recoded": "recoded, the same land",
    "moved_land": "new code, because its boundary moved",
}


def _others_merged(places: Places, into: list[str], code: str) -> list[str]:
    """Give the other codes that went into the same place."""
    same = places.changes.filter(pl.col("to_code").is_in(into), pl.col("from_code") != code)
    return sorted(same["from_code"].unique())
