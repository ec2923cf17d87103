"""The area register and its code changes: which codes are in use when, and their successors.

A geography is a kind and a year: `lad_2023` is the set of districts with codes in use on 31 December 2023. This
reproduces each register published by the ONS for 2016 to 2024 exactly.
"""

from collections import defaultdict
from datetime import date
from functools import cached_property
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError, UnreadableError, suggest_names
from pipelines.core.geocodes import (
    KIND_BY_PREFIX,
    KIND_PREFIXES,
    NATION_BY_LETTER,
    UNAVAILABLE_KIND_ADVICE,
    geography_date,
    nation_letter,
)
from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, conform_table
from pipelines.core.table_cache import keep_results
from pipelines.geography.names import write_organisation_name
from pipelines.geography.reach import describe_reach, is_past_reach, select_kind

Edges = dict[str, tuple[str, ...]]


class ChangeGraph(NamedTuple):
    """The code changes in both directions, and the codes after a boundary change or a merger."""

    forward: Edges
    backward: Edges
    moved: frozenset[str]
    merged: frozenset[str]


class _Tables(NamedTuple):
    register: pl.DataFrame
    changes: pl.DataFrame


class Places(_Tables):
    """The register (schema.PLACE_COLUMNS) and its code changes (schema.CODE_CHANGE_COLUMNS)."""

    @cached_property
    def graph(self) -> ChangeGraph:
        """The code changes as a graph."""
        return _build_graph(self.changes)

    @cached_property
    def parents(self) -> dict[str, str]:
        """The parent of each code."""
        return _parent_by_code(self.register)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each code."""
        return dict(self.register.select("place_code", "kind").iter_rows())

    @cached_property
    def days_in_use(self) -> dict[str, list[tuple[date, date]]]:
        """The first and last days of use of each code; the last possible day for a code in use."""
        days: dict[str, list[tuple[date, date]]] = defaultdict(list)
        for code, first, last in self.register.select("place_code", "valid_from", "valid_to").iter_rows():
            days[code].append((first, last or date.max))
        return dict(days)

    @cached_property
    def names(self) -> dict[str, str]:
        """The newest name of each code."""
        return dict(self.register.sort("valid_from").select("place_code", "place_name").iter_rows())


class Successor(NamedTuple):
    """The codes that correspond to a code in a geography, and how they were derived."""

    codes: tuple[str, ...]
    derivation: str


def read_register(raw: pl.DataFrame, file: str) -> pl.DataFrame:
    """Convert the rows of the ONS Code History Database to typed columns; refuse a malformed register.

    Takes columns ENTITYCD, GEOGCD, GEOGNM, GEOGNMW, PARENTCD, OPER_DATE, TERM_DATE, all text. Returns
    schema.PLACE_COLUMNS. Raises UnreadableError where a column is missing or a date is invalid.
    """
    columns = ["ENTITYCD", "GEOGCD", "GEOGNM", "GEOGNMW", "PARENTCD", "OPER_DATE", "TERM_DATE"]
    _require_columns(raw, columns, file)
    _refuse_days(raw, ["OPER_DATE", "TERM_DATE"], file)
    kind = pl.when(pl.col("ENTITYCD").is_in(sorted(KIND_PREFIXES))).then("ENTITYCD")
    typed = raw.select(
        pl.col("GEOGCD").alias("place_code"),
        _write_names(raw).alias("place_name"),
        _blank_is_null("GEOGNMW").alias("place_name_welsh"),
        pl.col("ENTITYCD").replace_strict(KIND_BY_PREFIX, default=kind, return_dtype=pl.String).alias("kind"),
        _blank_is_null("PARENTCD").alias("parent_code"),
        _parse_day("OPER_DATE").alias("valid_from"),
        _parse_day("TERM_DATE").alias("valid_to"),
    )
    known = conform_table(typed.filter(pl.col("kind").is_not_null()), PLACE_COLUMNS)
    return sort_register(add_regions(known))


_ORGANISATIONS = ("trust", "border_practice")
"""Kinds of places with names of the Organisation Data Service."""


def _write_names(raw: pl.DataFrame) -> pl.Series:
    """Return the names of a register; those of organisations of the NHS as in a sentence."""
    names, kinds = raw["GEOGNM"].str.strip_chars(), raw["ENTITYCD"]
    if not kinds.is_in(_ORGANISATIONS).any():
        return names
    written = [
        write_organisation_name(name) if name and kind in _ORGANISATIONS else name
        for name, kind in zip(names, kinds, strict=True)
    ]
    return pl.Series(names.name, written, pl.String)


def sort_register(register: pl.DataFrame) -> pl.DataFrame:
    """Sort a register by code and by first and last day of use, so that its order is always the same."""
    return register.sort("place_code", "valid_from", "valid_to", nulls_last=True)


def _require_columns(raw: pl.DataFrame, columns: list[str], file: str) -> None:
    missing = [name for name in columns if name not in raw.columns]
    if missing:
        raise UnreadableError(
            f"{file}: found columns {', '.join(raw.columns[:12])}, expected also {', '.join(missing)}"
        )


def _refuse_days(raw: pl.DataFrame, columns: list[str], file: str) -> None:
    """Refuse a table with an invalid date."""
    for name in columns:
        text = _blank_is_null(name)
        odd = raw.filter(text.is_not_null(), text.str.to_date("%Y-%m-%d", strict=False).is_null())
        if odd.height:
            raise UnreadableError(f"{file}: found {odd[name][0][:40]!r} in {name}, expected a day such as 2023-04-01")


def _blank_is_null(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text)


def _parse_day(name: str) -> pl.Expr:
    return _blank_is_null(name).str.to_date("%Y-%m-%d", strict=True)


def add_regions(register: pl.DataFrame) -> pl.DataFrame:
    """Add nation and region to a register (schema.PLACE_COLUMNS); outside England, the region is the nation."""
    parent = _parent_by_code(register)
    regions = register.filter(pl.col("kind") == "region")
    names = dict(regions.select("place_code", "place_name").iter_rows())
    chains = [list_ancestors(code, parent) for code in register["place_code"]]
    region = [next((up for up in chain if up in names), None) for chain in chains]
    letters = {code: nation_letter(code) for code in set().union(*chains)}
    nation = [NATION_BY_LETTER.get(next((letters[up] for up in chain if letters[up]), "")) for chain in chains]
    region_names = [names.get(up or "", within) for up, within in zip(region, nation, strict=True)]
    columns = {"nation": nation, "region_code": region, "region": region_names}
    return register.with_columns(pl.Series(name, column, pl.String) for name, column in columns.items())


def find_overlapping_codes(register: pl.DataFrame) -> list[str]:
    """Return the codes of a register (schema.PLACE_COLUMNS) with two overlapping periods, which make them unusable."""
    # A ward that changed district in its first year has a period of no days in the first district.
    some_day = pl.col("valid_to").is_null() | (pl.col("valid_to") >= pl.col("valid_from"))
    spans = sort_register(register.filter(some_day)).with_columns(
        pl.col("valid_to").shift(1).over("place_code").alias("before"),
        pl.col("valid_from").shift(1).over("place_code").alias("had"),
    )
    twice = pl.col("had").is_not_null() & (pl.col("before").fill_null(date.max) >= pl.col("valid_from"))
    return spans.filter(twice)["place_code"].to_list()


def _parent_by_code(register: pl.DataFrame) -> dict[str, str]:
    return dict(register.drop_nulls("parent_code").select("place_code", "parent_code").iter_rows())


def list_ancestors(code: str, parent: dict[str, str]) -> list[str]:
    """Return a code and its larger areas, nearest first; a cycle ends the list."""
    chain = [code]
    while chain[-1] in parent and parent[chain[-1]] not in chain:
        chain.append(parent[chain[-1]])
    return chain


def read_changes(raw: pl.DataFrame, file: str) -> pl.DataFrame:
    """Convert a table of code changes to typed columns: from_code, to_code, kind, changed_on, authority.

    Raises UnreadableError where a column is missing, a date is invalid, or a code is its own successor in a cycle.
    """
    _require_columns(raw, list(CODE_CHANGE_COLUMNS), file)
    _refuse_days(raw, ["changed_on"], file)
    changes = conform_table(raw.with_columns(_parse_day("changed_on")), CODE_CHANGE_COLUMNS).unique()
    changes = changes.sort("changed_on", "from_code", "to_code")
    edges = _build_edges(changes, "from_code", "to_code")
    for code in edges:
        if code in follow_changes(code, edges)[1:]:
            raise UnreadableError(f"{file}: found {code} as its own successor, expected code changes without a cycle")
    return changes


@keep_results(16)
def select_places(register: pl.DataFrame, system: str) -> pl.DataFrame:
    """Return the areas of a geography in the register, one row for each code, in order of code.

    None where the register has no such kind, or knows the kind only up to an earlier year.
    """
    day = geography_date(system)
    if is_past_reach(register, system):
        return register.clear()
    rows = register.filter(
        select_kind(system.rsplit("_", 1)[0]),
        pl.col("valid_from") <= day,
        pl.col("valid_to").is_null() | (pl.col("valid_to") >= day),
    )
    return rows.unique("place_code", keep="last", maintain_order=True).sort("place_code")


def require_places(register: pl.DataFrame, system: str) -> pl.DataFrame:
    """Return the areas of a geography, one row for each code, in order of code.

    Takes schema.PLACE_COLUMNS and a geography such as lad_2023. Raises UnknownNameError for an unknown geography.
    """
    rows = select_places(register, system)
    if rows.is_empty():
        kinds, kind = sorted(KIND_PREFIXES), system.rsplit("_", 1)[0]
        if is_past_reach(register, system):
            raise UnknownNameError(describe_reach(register, kind, system))
        years = register.select(pl.col("valid_from").dt.year().min()).item()
        raise UnknownNameError(
            f"unknown geography {system!r}: no area is stored; "
            f"{UNAVAILABLE_KIND_ADVICE.get(kind) or suggest_names(kind, kinds)}; "
            f"kinds are {', '.join(kinds)}, in the register from {years} on"
        )
    return rows


def find_successors(places: Places, codes: list[str], target: set[str]) -> dict[str, Successor]:
    """Return for each code its counterparts in a geography: successors, predecessors or a larger area.

    A code without a successor is matched through its larger areas: its district, county, region or nation. The only
    successor of such a larger area also counts (derivation aggregated). A code without any counterpart is excluded.
    """
    successors = trace_graph(places.graph, codes, target)
    # Tens of thousands of small areas have no larger area but their nation, which few geographies have.
    has_nations = bool(trace_graph(places.graph, list(_NATION_CODES.values()), target))
    above = {
        code: (*list_ancestors(code, places.parents)[1:], *([nation_code(code)] if has_nations else []))
        for code in codes
        if code not in successors and (has_nations or code in places.parents)
    }
    above_successors = trace_graph(places.graph, sorted({up for larger in above.values() for up in larger}), target)
    for code, larger in above.items():
        up = next(
            (
                above_successors[up].codes[0]
                for up in larger
                if up in above_successors and len(above_successors[up].codes) == 1
            ),
            None,
        )
        if up:
            successors[code] = Successor((up,), "aggregated")
    return successors


_NATION_CODES = {"E": "E92000001", "W": "W92000004", "S": "S92000003", "N": "N92000002"}


def nation_code(code: str) -> str:
    """Return the code of a code's nation; empty where the code does not define one."""
    return _NATION_CODES.get(nation_letter(code), "")


def _build_edges(changes: pl.DataFrame, start: str, end: str) -> Edges:
    edges: dict[str, list[str]] = defaultdict(list)
    for one, other in changes.select(start, end).iter_rows():
        edges[one].append(other)
    return {code: tuple(dict.fromkeys(others)) for code, others in edges.items()}


def _build_graph(changes: pl.DataFrame) -> ChangeGraph:
    backward = _build_edges(changes, "to_code", "from_code")
    several = {code for code, before in backward.items() if len(before) > 1}
    by_kind = {kind: set(changes.filter(pl.col("kind") == kind)["to_code"]) for kind in ("moved_land", "merged")}
    forward = _build_edges(changes, "from_code", "to_code")
    return ChangeGraph(forward, backward, frozenset(by_kind["moved_land"]), frozenset(several | by_kind["merged"]))


def follow_changes(code: str, edges: Edges) -> list[str]:
    """Return all later codes of a code by edges of ChangeGraph, nearest first, with the code itself first.

    A cycle ends the list.
    """
    codes, queue = [code], [code]
    while queue:
        for after in edges.get(queue.pop(0), ()):
            if after == code and after not in codes[1:]:
                codes.append(after)
            elif after not in codes:
                codes.append(after)
                queue.append(after)
    return codes


def trace_changes(changes: pl.DataFrame, codes: list[str], target: set[str]) -> dict[str, Successor]:
    """Return for each code its counterparts in a geography through code changes only.

    A code in the geography is itself (observed). An older code is followed to its successors (recoded or moved_land
    where one to one, merged where several codes merge). A newer code is followed back through one-to-one changes only.
    A code without a counterpart is excluded.
    """
    return trace_graph(_build_graph(changes), codes, target)


def trace_graph(graph: ChangeGraph, codes: list[str], target: set[str]) -> dict[str, Successor]:
    """Return the same as `trace_changes`, from an existing graph (Places.graph)."""
    linked = (code for code in codes if code in target or code in graph.forward or code in graph.backward)
    successors = {code: _trace_code(code, target, graph) for code in linked}
    return {code: successor for code, successor in successors.items() if successor.codes}


def _trace_code(code: str, target: set[str], graph: ChangeGraph) -> Successor:
    if code in target:
        return Successor((code,), "observed")
    onwards = follow_changes(code, graph.forward)
    if ahead := tuple(later for later in onwards if later in target):
        # Later changes of the found codes do not affect how they were reached.
        before = {earlier for later in ahead for earlier in follow_changes(later, graph.backward)}
        return Successor(ahead, _successor_basis(before.intersection(onwards[1:]), graph))
    back = _follow_back(code, graph.forward, graph.backward)
    goal = next((n for n, later in enumerate(back) if later in target), 0)
    basis = "moved_land" if graph.moved & set(back[:goal]) else "recoded"
    return Successor(tuple(back[goal : goal + 1]) if goal else (), basis)


def _successor_basis(codes: set[str], graph: ChangeGraph) -> str:
    """Return how codes changed, given the codes on the way."""
    return "merged" if codes & graph.merged else "moved_land" if codes & graph.moved else "recoded"


def _follow_back(code: str, forward: Edges, backward: Edges) -> list[str]:
    """Return the earlier codes of a code while each change is one to one."""
    chain = [code]
    while len(before := backward.get(chain[-1], ())) == 1 and len(forward[before[0]]) == 1:
        if before[0] in chain:
            break
        chain.append(before[0])
    return chain
