"""The register of places and their successions: which codes are in use when, and what became of each.

A place system is a kind and a year: `lad_2023` is the set of districts whose codes were in use on
31 December 2023. This reproduces each register published by the ONS for 2016 to 2024 exactly.
"""

from collections import defaultdict
from datetime import date
from functools import cached_property
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError, UnreadableError, near
from pipelines.core.geocodes import ENTITIES, KINDS, NATION_OF, NOT_HELD, day_of, nation_letter
from pipelines.core.schema import CHANGE, PLACE, conformed

Edges = dict[str, tuple[str, ...]]


class Graph(NamedTuple):
    """The changes of codes both ways, and the codes that land was moved to, and that others were merged into."""

    forward: Edges
    backward: Edges
    moved: frozenset[str]
    merged: frozenset[str]


class _Tables(NamedTuple):
    register: pl.DataFrame
    changes: pl.DataFrame


class Places(_Tables):
    """The register (schema.PLACE) and the successions between its codes (schema.CHANGE)."""

    @cached_property
    def graph(self) -> Graph:
        """The changes of codes, to be walked along."""
        return _graph(self.changes)

    @cached_property
    def parents(self) -> dict[str, str]:
        """The place that each code is put in."""
        return _parents(self.register)


class Reach(NamedTuple):
    """Where a code leads in a place system: the codes there, and how it came to them."""

    codes: tuple[str, ...]
    basis: str


def read_register(raw: pl.DataFrame, file: str) -> pl.DataFrame:
    """Type the rows of the ONS Code History Database as places; a malformed register is refused whole.

    Takes columns ENTITYCD, GEOGCD, GEOGNM, GEOGNMW, PARENTCD, OPER_DATE, TERM_DATE, all text. Returns
    schema.PLACE. Raises UnreadableError where a column is missing or a date is not one.
    """
    wanted = ["ENTITYCD", "GEOGCD", "GEOGNM", "GEOGNMW", "PARENTCD", "OPER_DATE", "TERM_DATE"]
    _expect(raw, wanted, file)
    _refuse_days(raw, ["OPER_DATE", "TERM_DATE"], file)
    kind = pl.when(pl.col("ENTITYCD").is_in(sorted(KINDS))).then("ENTITYCD")
    typed = raw.select(
        pl.col("GEOGCD").alias("place_code"),
        pl.col("GEOGNM").str.strip_chars().alias("place_name"),
        _blank_is_null("GEOGNMW").alias("place_name_welsh"),
        pl.col("ENTITYCD").replace_strict(ENTITIES, default=kind, return_dtype=pl.String).alias("kind"),
        _blank_is_null("PARENTCD").alias("parent_code"),
        _day("OPER_DATE").alias("valid_from"),
        _day("TERM_DATE").alias("valid_to"),
    )
    known = conformed(typed.filter(pl.col("kind").is_not_null()), PLACE)
    return ordered(regioned(known))


def ordered(register: pl.DataFrame) -> pl.DataFrame:
    """Put a register in order of code, and of the first and last day of use: in one order, however it came."""
    return register.sort("place_code", "valid_from", "valid_to", nulls_last=True)


def _expect(raw: pl.DataFrame, wanted: list[str], file: str) -> None:
    missing = [name for name in wanted if name not in raw.columns]
    if missing:
        raise UnreadableError(
            f"{file}: found columns {', '.join(raw.columns[:12])}; expected {', '.join(missing)} as well"
        )


def _refuse_days(raw: pl.DataFrame, columns: list[str], file: str) -> None:
    """Refuse a table with a day that is none."""
    for name in columns:
        text = _blank_is_null(name)
        odd = raw.filter(text.is_not_null(), text.str.to_date("%Y-%m-%d", strict=False).is_null())
        if odd.height:
            raise UnreadableError(f"{file}: found {odd[name][0][:40]!r} in {name}, expected a day such as 2023-04-01")


def _blank_is_null(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text)


def _day(name: str) -> pl.Expr:
    return _blank_is_null(name).str.to_date("%Y-%m-%d", strict=True)


def regioned(register: pl.DataFrame) -> pl.DataFrame:
    """Give each place of a register (schema.PLACE) its nation, and its region: the region of England it lies in."""
    parent = _parents(register)
    regions = register.filter(pl.col("kind") == "region")
    names = dict(regions.select("place_code", "place_name").iter_rows())
    codes = register["place_code"].to_list()
    region = [next((up for up in ancestors(code, parent) if up in names), None) for code in codes]
    nation = [NATION_OF.get(_nation(code, parent)) for code in codes]
    told = [names.get(up or "", within) for up, within in zip(region, nation, strict=True)]
    found = {"nation": nation, "region_code": region, "region": told}
    return register.with_columns(pl.Series(name, column, pl.String) for name, column in found.items())


def overlapping(register: pl.DataFrame) -> list[str]:
    """Name the codes of a register (schema.PLACE) that have two spans which overlap: nothing may rest on such a one."""
    # A ward of two districts in its first year stands in the one for no day.
    some_day = pl.col("valid_to").is_null() | (pl.col("valid_to") >= pl.col("valid_from"))
    spans = ordered(register.filter(some_day)).with_columns(
        pl.col("valid_to").shift(1).over("place_code").alias("before"),
        pl.col("valid_from").shift(1).over("place_code").alias("had"),
    )
    twice = pl.col("had").is_not_null() & (pl.col("before").fill_null(date.max) >= pl.col("valid_from"))
    return spans.filter(twice)["place_code"].to_list()


def _nation(code: str, parent: dict[str, str]) -> str:
    """Give the letter of a code's nation: by the code, or by the first place above it whose code tells."""
    return next((letter for up in ancestors(code, parent) if (letter := nation_letter(up))), "")


def _parents(register: pl.DataFrame) -> dict[str, str]:
    return dict(register.drop_nulls("parent_code").select("place_code", "parent_code").iter_rows())


def ancestors(code: str, parent: dict[str, str]) -> list[str]:
    """Give a code and the places above it, nearest first; a circle ends the walk."""
    chain = [code]
    while chain[-1] in parent and parent[chain[-1]] not in chain:
        chain.append(parent[chain[-1]])
    return chain


def read_changes(raw: pl.DataFrame, file: str) -> pl.DataFrame:
    """Type the rows of a table of code changes: from_code, to_code, kind, changed_on, authority.

    Raises UnreadableError where a column is missing, a day is none, or a code succeeds itself in a circle.
    """
    _expect(raw, list(CHANGE), file)
    _refuse_days(raw, ["changed_on"], file)
    changes = conformed(raw.with_columns(_day("changed_on")), CHANGE).unique()
    changes = changes.sort("changed_on", "from_code", "to_code")
    edges = _edges(changes, "from_code", "to_code")
    for code in edges:
        if code in _forward(code, edges)[1:]:
            raise UnreadableError(f"{file}: {code} succeeds itself; a code's changes must not run in a circle")
    return changes


def places_in(register: pl.DataFrame, system: str) -> pl.DataFrame:
    """Give the places that the register has in a place system, one row a code, in order of code; none is no error."""
    kind, day = system.rsplit("_", 1)[0], day_of(system)
    found = register.filter(
        (pl.col("kind") == kind) | pl.col("place_code").str.slice(0, 3).is_in(KINDS.get(kind, ())),
        pl.col("valid_from") <= day,
        pl.col("valid_to").is_null() | (pl.col("valid_to") >= day),
    )
    return found.unique("place_code", keep="last", maintain_order=True).sort("place_code")


def system_places(register: pl.DataFrame, system: str) -> pl.DataFrame:
    """Give the places of a place system, one row a code, in order of code.

    Takes schema.PLACE and a system such as lad_2023. Raises UnknownNameError for a system it can't give.
    """
    found = places_in(register, system)
    if found.is_empty():
        known, kind = sorted(KINDS), system.rsplit("_", 1)[0]
        years = register.select(pl.col("valid_from").dt.year().min()).item()
        raise UnknownNameError(
            f"unknown place system {system!r}: no place of it is held; {NOT_HELD.get(kind) or near(kind, known)}; "
            f"kinds are {', '.join(known)}, in the register from {years} on"
        )
    return found


def links(places: Places, codes: list[str], target: set[str]) -> dict[str, Reach]:
    """Tell for each code what it is in a place system: what it became there, or the larger place it lies in.

    A code that has no successor in the system is followed upwards: to its district, its county, its region, its
    nation, or to the one place that such a larger place became (basis aggregated). One that leads nowhere is left out.
    """
    found = walked(places.graph, codes, target)
    above = {code: (*ancestors(code, places.parents)[1:], nation_code(code)) for code in codes if code not in found}
    led = walked(places.graph, sorted({up for each in above.values() for up in each}), target)
    for code, each in above.items():
        up = next((led[up].codes[0] for up in each if up in led and len(led[up].codes) == 1), None)
        if up:
            found[code] = Reach((up,), "aggregated")
    return found


_NATION_CODES = {"E": "E92000001", "W": "W92000004", "S": "S92000003", "N": "N92000002"}


def nation_code(code: str) -> str:
    """Give the code of the nation that a code is of; blank where it does not tell."""
    return _NATION_CODES.get(nation_letter(code), "")


def _edges(changes: pl.DataFrame, start: str, end: str) -> Edges:
    found: dict[str, list[str]] = defaultdict(list)
    for one, other in changes.select(start, end).iter_rows():
        found[one].append(other)
    return {code: tuple(dict.fromkeys(others)) for code, others in found.items()}


def _graph(changes: pl.DataFrame) -> Graph:
    backward = _edges(changes, "to_code", "from_code")
    several = {code for code, before in backward.items() if len(before) > 1}
    told = {kind: set(changes.filter(pl.col("kind") == kind)["to_code"]) for kind in ("moved_land", "merged")}
    forward = _edges(changes, "from_code", "to_code")
    return Graph(forward, backward, frozenset(told["moved_land"]), frozenset(several | told["merged"]))


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
    return walked(_graph(changes), codes, target)


def walked(graph: Graph, codes: list[str], target: set[str]) -> dict[str, Reach]:
    """Tell what `reaches` tells, of a graph made before (Places.graph)."""
    found = {code: _reach(code, target, graph) for code in codes}
    return {code: reach for code, reach in found.items() if reach.codes}


def _reach(code: str, target: set[str], graph: Graph) -> Reach:
    if code in target:
        return Reach((code,), "observed")
    if code not in graph.forward and code not in graph.backward:
        return Reach((), "recoded")  # as most are: small areas by the ten thousand
    onwards = _forward(code, graph.forward)
    if ahead := tuple(found for found in onwards if found in target):
        # What became of the code after it was in the system says nothing of the way there.
        before = {each for found in ahead for each in _forward(found, graph.backward)}
        return Reach(ahead, _how(before.intersection(onwards[1:]), graph))
    back = _back(code, graph.forward, graph.backward)
    goal = next((n for n, found in enumerate(back) if found in target), 0)
    basis = "moved_land" if graph.moved & set(back[:goal]) else "recoded"
    return Reach(tuple(back[goal : goal + 1]) if goal else (), basis)


def _how(met: set[str], graph: Graph) -> str:
    """Say how codes changed that met some others on their way."""
    return "merged" if met & graph.merged else "moved_land" if met & graph.moved else "recoded"


def _back(code: str, forward: Edges, backward: Edges) -> list[str]:
    """Follow a code back while each change was one to one."""
    chain = [code]
    while len(before := backward.get(chain[-1], ())) == 1 and len(forward[before[0]]) == 1:
        if before[0] in chain:
            break
        chain.append(before[0])
    return chain
