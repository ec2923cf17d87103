"""The register of places and their successions: which codes are in use when, and what became of each.

A place system is a kind and a year: `lad_2023` is the set of districts whose codes were in use on
31 December 2023. This reproduces each register published by the ONS for 2016 to 2024 exactly.
"""

import re
from collections import defaultdict
from datetime import date
from typing import NamedTuple

import polars as pl

from pipelines.errors import UnknownNameError, UnreadableError, near
from pipelines.schema import CHANGE, PLACE, conformed

# Source of the meaning of the first three characters: ONS Register of Geographic Codes.
KINDS: dict[str, tuple[str, ...]] = {
    "lad": ("E06", "E07", "E08", "E09", "W06", "S12", "N09"),
    "utla": ("E06", "E08", "E09", "E10", "W06", "S12", "N09"),
    "county": ("E10", "E11", "E13"),
    "region": ("E12",),
    "nation": ("E92", "W92", "S92", "N92"),
    "above_nation": ("K02", "K03", "K04"),
    "combined_authority": ("E47",),
    "icb": ("E54",),
    "sub_icb": ("E38",),
    "nhs_region": ("E40",),
    "health_board": ("W11", "S08"),
    "pfa": ("E23", "W15", "S23", "N23"),
    "csp": ("E22", "W14"),
    "fra": ("E31", "W25", "S38", "N31"),
}
"""The kinds of place, and how their codes begin. A unitary council is a district and an upper tier at once."""

ENTITIES: dict[str, str] = {prefix: kind for kind, found in reversed(KINDS.items()) for prefix in found}
"""The first kind that codes with some beginning are of."""
NATION_OF = {"E": "England", "W": "Wales", "S": "Scotland", "N": "Northern Ireland"}


class Places(NamedTuple):
    """The register (schema.PLACE) and the successions between its codes (schema.CHANGE)."""

    register: pl.DataFrame
    changes: pl.DataFrame


class Reach(NamedTuple):
    """Where a code leads in a place system: the codes there, and how it came to them."""

    codes: tuple[str, ...]
    basis: str


_GSS = re.compile(r"[EWSNK]\d{8}")


def tier_of(code: str) -> str | None:
    """Tell a GSS code's kind of place by its first three characters; null where it is none that is known."""
    return ENTITIES.get(code[:3]) if _GSS.fullmatch(code) else None


def read_register(raw: pl.DataFrame, file: str) -> pl.DataFrame:
    """Type the rows of the ONS Code History Database as places; a malformed register is refused whole.

    Takes columns ENTITYCD, GEOGCD, GEOGNM, GEOGNMW, PARENTCD, OPER_DATE, TERM_DATE, all text. Returns
    schema.PLACE. Raises UnreadableError where a column is missing or a date is not one.
    """
    wanted = ["ENTITYCD", "GEOGCD", "GEOGNM", "GEOGNMW", "PARENTCD", "OPER_DATE", "TERM_DATE"]
    _expect(raw, wanted, file)
    regions = _regions(raw)
    nation = pl.col("GEOGCD").str.slice(0, 1).replace_strict(NATION_OF, default=None)
    typed = raw.with_columns(
        pl.col("GEOGCD").alias("place_code"),
        pl.col("GEOGNM").str.strip_chars().alias("place_name"),
        _blank_is_null("GEOGNMW").alias("place_name_welsh"),
        pl.col("ENTITYCD").replace_strict(ENTITIES, default=None).alias("kind"),
        nation.alias("nation"),
        _blank_is_null("PARENTCD").alias("parent_code"),
        _day("OPER_DATE").alias("valid_from"),
        _day("TERM_DATE").alias("valid_to"),
    ).join(regions, on="place_code", how="left")
    typed = typed.with_columns(pl.coalesce("region", "nation").alias("region"))
    return conformed(typed.filter(pl.col("kind").is_not_null()), PLACE).sort("place_code", "valid_from")


def _expect(raw: pl.DataFrame, wanted: list[str], file: str) -> None:
    missing = [name for name in wanted if name not in raw.columns]
    if missing:
        raise UnreadableError(
            f"{file}: found columns {', '.join(raw.columns[:12])}; expected {', '.join(missing)} as well"
        )


def _blank_is_null(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text)


def _day(name: str) -> pl.Expr:
    return _blank_is_null(name).str.to_date("%Y-%m-%d", strict=True)


def _regions(raw: pl.DataFrame) -> pl.DataFrame:
    """Give the region of each English code: its parent, or its county's parent."""
    parent = dict(raw.filter(pl.col("PARENTCD") != "").select("GEOGCD", "PARENTCD").iter_rows())
    names = dict(raw.filter(pl.col("ENTITYCD") == "E12").select("GEOGCD", "GEOGNM").iter_rows())
    codes = sorted(set(raw["GEOGCD"]))
    found = [next((up for up in _ancestors(code, parent) if up in names), None) for code in codes]
    return pl.DataFrame(
        {"place_code": codes, "region_code": found, "region": [names.get(up or "") for up in found]},
        schema={"place_code": pl.String, "region_code": pl.String, "region": pl.String},
    )


def _ancestors(code: str, parent: dict[str, str]) -> list[str]:
    chain = [code]
    while chain[-1] in parent and parent[chain[-1]] not in chain:
        chain.append(parent[chain[-1]])
    return chain


def read_changes(raw: pl.DataFrame, file: str) -> pl.DataFrame:
    """Type the rows of a table of code changes: from_code, to_code, kind, changed_on, authority.

    Raises UnreadableError where a column is missing, or a code succeeds itself in a circle.
    """
    _expect(raw, list(CHANGE), file)
    changes = conformed(raw.with_columns(_day("changed_on")), CHANGE).unique().sort("changed_on", "from_code")
    for code in changes["from_code"].unique().to_list():
        if code in _forward(code, _edges(changes, "from_code", "to_code"))[1:]:
            raise UnreadableError(f"{file}: {code} succeeds itself; a code's changes must not run in a circle")
    return changes


def day_of(system: str) -> date:
    """Give the day on which a place system's codes are read off the register: 31 December of its year."""
    return date(int(system.rsplit("_", 1)[1]), 12, 31)


def system_places(register: pl.DataFrame, system: str) -> pl.DataFrame:
    """Give the places of a place system, one row a code, in order of code.

    Takes schema.PLACE and a system such as lad_2023. Raises UnknownNameError for a system it can't give.
    """
    kind, day = system.rsplit("_", 1)[0], day_of(system)
    found = register.filter(
        pl.col("place_code").str.slice(0, 3).is_in(KINDS.get(kind, ())),
        pl.col("valid_from") <= day,
        pl.col("valid_to").is_null() | (pl.col("valid_to") >= day),
    )
    if found.is_empty():
        known = list(KINDS)
        years = register.select(pl.col("valid_from").dt.year().min()).item()
        raise UnknownNameError(
            f"unknown place system {system!r}: the register has kinds {', '.join(sorted(known))} "
            f"from {years} on; {near(kind, known)}"
        )
    return found.unique("place_code", keep="last", maintain_order=True).sort("place_code")


def links(places: Places, codes: list[str], target: set[str]) -> dict[str, Reach]:
    """Tell for each code what it is in a place system: what it became there, or the larger place it lies in.

    A code that has no successor in the system is followed upwards: to its county, its region, its nation
    (basis aggregated). A code that leads nowhere is left out.
    """
    found = reaches(places.changes, codes, target)
    parent = dict(places.register.drop_nulls("parent_code").select("place_code", "parent_code").iter_rows())
    for code in codes:
        up = next((each for each in (*_ancestors(code, parent), nation_code(code)) if each in target), None)
        if code not in found and up:
            found[code] = Reach((up,), "aggregated")
    return found


_NATION_CODES = {"E": "E92000001", "W": "W92000004", "S": "S92000003", "N": "N92000002"}


def nation_code(code: str) -> str:
    """Give the code of the nation that a GSS code is of, by its first letter; blank where it is of none."""
    return _NATION_CODES.get(code[:1], "")


Edges = dict[str, tuple[str, ...]]


def _edges(changes: pl.DataFrame, start: str, end: str) -> Edges:
    found: dict[str, list[str]] = defaultdict(list)
    for one, other in changes.select(start, end).iter_rows():
        found[one].append(other)
    return {code: tuple(dict.fromkeys(others)) for code, others in found.items()}


def _forward(code: str, edges: Edges) -> list[str]:
    """Follow a code's changes to every later code, nearest first, itself first; a circle ends the walk."""
    seen, queue = [code], [code]
    while queue:
        for after in edges.get(queue.pop(0), ()):
            if after == code and after not in seen[1:]:
                seen.append(after)
            elif after not in seen:
                seen.append(after)
                queue.append(after)
    return seen


def reaches(changes: pl.DataFrame, codes: list[str], target: set[str]) -> dict[str, Reach]:
    """Tell, for each code, the codes of a place system that it is, became, or was.

    A code of the system is itself (observed). An older one is followed forward through its changes
    (recoded or moved_land where one to one, merged where several old codes meet). A newer one is followed back only
    through one-to-one changes. A code that leads nowhere is left out.
    """
    forward = _edges(changes, "from_code", "to_code")
    backward = _edges(changes, "to_code", "from_code")
    moved = set(changes.filter(pl.col("kind") == "moved_land")["to_code"])
    found = {code: _reach(code, target, forward, backward, moved) for code in codes}
    return {code: reach for code, reach in found.items() if reach.codes}


def _reach(code: str, target: set[str], forward: Edges, backward: Edges, moved: set[str]) -> Reach:
    if code in target:
        return Reach((code,), "observed")
    ahead = tuple(found for found in _forward(code, forward) if found in target)
    if ahead:
        merged = any(len(backward[step]) > 1 for step in _forward(code, forward)[1:])
        return Reach(
            ahead, "merged" if merged else "moved_land" if moved & set(_forward(code, forward)[1:]) else "recoded"
        )
    back = _back(code, forward, backward)
    basis = "moved_land" if moved & set(back) else "recoded"
    return Reach(tuple(found for found in back if found in target)[:1], basis)


def _back(code: str, forward: Edges, backward: Edges) -> list[str]:
    """Follow a code back while each change was one to one."""
    chain = [code]
    while len(before := backward.get(chain[-1], ())) == 1 and len(forward[before[0]]) == 1:
        if before[0] in chain:
            break
        chain.append(before[0])
    return chain
