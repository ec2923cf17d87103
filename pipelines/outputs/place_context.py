"""What a place is compared with: its region and nation, its neighbours, the districts most like it, and its past."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.geocodes import NATION_BY_LETTER
from pipelines.core.schema import PLACE_COLUMNS, empty_table
from pipelines.declarations.partnership import Partnership
from pipelines.declarations.project import Project
from pipelines.gaps import HISTORY, list_partnership_places
from pipelines.geography import (
    MODELS,
    Places,
    load_geography,
    load_nearest_neighbours,
    load_neighbours,
    load_places,
    nation_code,
    trace_graph,
)
from pipelines.outputs.report_model import has_doubt
from pipelines.outputs.trend_chart import Points, TrendPoint
from pipelines.outputs.trend_marks import mark_of_point, may_break


class PlaceFacts(NamedTuple):
    """Facts about one place: names, kind, the larger places, and the places to compare it with, as codes.

    A partnership has its members with the reference for them; a place has the partnerships that it is a member of.
    """

    welsh_name: str
    kind: str
    region: str
    region_name: str
    nation: str
    neighbours: tuple[str, ...]
    similar: tuple[tuple[str, tuple[str, ...]], ...]
    members: tuple[str, ...] = ()
    membership: str = ""
    partnerships: tuple[str, ...] = ()


Line = tuple[TrendPoint, ...]
"""The figures of one measure and place over time."""


class Lines(Mapping[tuple[str, str], Line]):
    """Lines by measure and place. A line is made when it is first asked for: pages show a third of them."""

    def __init__(self, history: pl.DataFrame) -> None:
        """Take HISTORY, which is read when the first line is asked for."""
        self._history = history
        self._made: dict[tuple[str, str], Line] = {}
        self._begun: dict[tuple[str, str], Points] = {}

    @cached_property
    def broken(self) -> list[str]:
        """The measures with a break in the line of any place."""
        return self._history.filter(may_break())["measure"].unique().to_list()

    def select(self, codes: Collection[str], measures: Collection[str]) -> "Lines":
        """Return the lines of some places and measures."""
        own = pl.col("place_code").is_in(list(codes)), pl.col("measure").is_in(list(measures))
        return Lines(self._history.filter(*own))

    @cached_property
    def _parts(self) -> tuple[list[list[Any]], dict[tuple[str, str], tuple[int, int]]]:
        """Columns of the points, and the first and last row of each line."""
        # A nation that is also a place of a geography has two figures of a period, of which one may be missing.
        order = [*_KEY, "period_end", "period_start"]
        once = self._history.sort(*order, pl.col("value").is_null(), maintain_order=True).unique(
            order, keep="first", maintain_order=True
        )
        marked = once.with_columns(mark_of_point(_KEY).alias("mark"))
        grouped = marked.group_by(_KEY, maintain_order=True).len()
        columns = [marked[name].to_list() for name in ("period_start", "period_end", "value", "mark")]
        spans: dict[tuple[str, str], tuple[int, int]] = {}
        end = 0
        for measure, code, number in grouped.iter_rows():
            first, end = end, end + number
            spans[measure, code] = first, end
        return columns, spans

    def __getitem__(self, key: tuple[str, str]) -> Line:
        if key not in self._made:
            columns, spans = self._parts
            first, end = spans[key]
            self._made[key] = tuple(map(TrendPoint, *(values[first:end] for values in columns)))
        return self._made[key]

    def begin(self, key: tuple[str, str]) -> Points:
        """Return the points of a line from its first figure on."""
        if key not in self._begun:
            points = self[key]
            first = next((n for n, point in enumerate(points) if point.value is not None), len(points))
            self._begun[key] = Points(points[first:])
        return self._begun[key]

    def __contains__(self, key: object) -> bool:
        return key in self._parts[1]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._parts[1])

    def __len__(self) -> int:
        return len(self._parts[1])


_KEY = ["measure", "place_code"]
PeriodKey = tuple[str, date, date]
_PERIOD = ["measure", "period_start", "period_end"]


class OfPeriods(Mapping[PeriodKey, dict[str, Any]]):
    """A column of all places by measure and period: values by code. A period is read when it is first asked for."""

    def __init__(self, history: pl.DataFrame, column: str) -> None:
        """Take rows of HISTORY, and the name of the column."""
        grouped = history.group_by(_PERIOD, maintain_order=True).agg("place_code", column)
        self._columns = grouped["place_code"], grouped[column]
        self._rows = {key: row for row, key in enumerate(grouped.select(_PERIOD).iter_rows())}
        self._made: dict[PeriodKey, dict[str, Any]] = {}

    def __getitem__(self, key: PeriodKey) -> dict[str, Any]:
        if key not in self._made:
            codes, values = (column[self._rows[key]].to_list() for column in self._columns)
            self._made[key] = dict(zip(codes, values, strict=True))
        return self._made[key]

    def __iter__(self) -> Iterator[PeriodKey]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class PlaceContext(NamedTuple):
    """Facts by code of place, names by code, lines by measure and code, and figures by measure and period.

    `derivations` has how the figures of larger places were derived.
    """

    facts: dict[str, PlaceFacts]
    names: dict[str, str]
    lines: Lines
    figures: Mapping[PeriodKey, dict[str, float]]
    derivations: Mapping[PeriodKey, dict[str, str]]


NO_FACTS = PlaceFacts("", "", "", "", "", (), ())
NO_CONTEXT = PlaceContext({}, {}, Lines(empty_table(HISTORY)), {}, {})


def load_place_context(
    project: Project, systems: Iterable[str], history: pl.DataFrame, codes: set[str],
    partnerships: Mapping[str, Partnership] = MappingProxyType({}),
) -> PlaceContext:  # fmt: skip
    """Return the context of the places with a page, from the geographies of their problems and their HISTORY.

    `partnerships` are those with a page, by code.
    """
    places = load_places(project)
    listed = [load_geography(project, system).places for system in systems]
    register = pl.concat([empty_table(PLACE_COLUMNS), *listed]).unique("place_code", maintain_order=True)
    pairs = [load_neighbours(project, system).select("place_code", "neighbour_code") for system in systems]
    context = build_place_context(places, register, pl.concat(pairs) if pairs else NO_PAIRS, history, codes)
    return add_partnerships(context, partnerships, register)


def add_partnerships(
    context: PlaceContext, partnerships: Mapping[str, Partnership], register: pl.DataFrame
) -> PlaceContext:
    """Add the facts about partnerships to a context, and to the facts of their members."""
    facts, own = dict(context.facts), list_partnership_places(partnerships, register)
    for row in own.iter_rows(named=True):
        code, partnership = row["place_code"], partnerships[row["place_code"]]
        facts[code] = NO_FACTS._replace(
            kind=partnership.kind, region=row["region_code"] or "", nation=_NATION_CODES.get(row["nation"] or "", ""),
            region_name=row["region"] or "" if row["region_code"] else "",
            members=partnership.members, membership=partnership.membership,
        )  # fmt: skip
        for member in partnership.members:
            before = facts.get(member, NO_FACTS)
            facts[member] = before._replace(partnerships=(*before.partnerships, code))
    return context._replace(facts=facts, names=context.names | dict(own.select("place_code", "place_name").iter_rows()))


_NATION_CODES = {name: nation_code(f"{letter}92000001") for letter, name in NATION_BY_LETTER.items()}
NO_PAIRS = pl.DataFrame(schema={"place_code": pl.String, "neighbour_code": pl.String})


def build_place_context(
    places: Places, register: pl.DataFrame, neighbours: pl.DataFrame, history: pl.DataFrame, codes: set[str]
) -> PlaceContext:
    """Return the context of some places.

    Takes the register (schema.PLACE_COLUMNS), pairs of neighbours (place_code, neighbour_code), and HISTORY.
    """
    near: dict[str, list[str]] = {}
    for code, other in (
        neighbours.filter(pl.col("neighbour_code").is_in(list(codes))).unique().sort(pl.all()).iter_rows()
    ):
        near.setdefault(code, []).append(other)
    similar = _similar_districts(places, codes)
    columns = ("place_code", "place_name_welsh", "region_code", "region", "nation")
    facts = {
        code: PlaceFacts(welsh or "", places.kinds.get(code, ""), region or "", name or "" if region else "",
                         _NATION_CODES.get(nation or "", ""), tuple(near.get(code, ())), similar.get(code, ()))
        for code, welsh, region, name, nation in register.select(columns).iter_rows() if code in codes
    }  # fmt: skip
    names = {**places.names, **dict(register.select("place_code", "place_name").iter_rows())}
    return PlaceContext(facts, names, Lines(history.select(_LINE_COLUMNS)), *_collect_figures(history))


_LINE_COLUMNS = ("measure", "place_code", "period_start", "period_end", "value", "obs_status", "caveats")
"""Columns of HISTORY that lines are drawn from: the others take half of its memory."""


def _similar_districts(places: Places, codes: set[str]) -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Return by district the most similar districts of each model; code changes connect a code of 2025 to its page."""
    table = load_nearest_neighbours()
    pages = trace_graph(places.graph, table["place_code"].unique().to_list(), codes)
    own = {code: successor.codes[0] for code, successor in pages.items() if len(successor.codes) == 1}
    lists: dict[str, dict[str, tuple[str, ...]]] = {}
    for code, model, others in table.iter_rows():
        if code in own:
            near = tuple(own[other] for other in others.split() if other in own)
            lists.setdefault(own[code], {})[model] = near
    return {code: tuple((model, models[model]) for model in MODELS) for code, models in lists.items()}


def _collect_figures(history: pl.DataFrame) -> tuple[OfPeriods, OfPeriods]:
    """Return by measure and period the figures that may be compared, and how those of larger places were derived."""
    known = history.filter(pl.col("value").is_not_null(), ~has_doubt())
    return OfPeriods(known, "value"), OfPeriods(known.filter(pl.col("level") != "place"), "derivation")


def limit_lines(context: PlaceContext, codes: Collection[str], measures: Collection[str]) -> PlaceContext:
    """Return the context with the lines of some places and of their regions and nations.

    It has the lines of some measures, and those with a break.
    """
    facts = [context.facts[code] for code in codes if code in context.facts]
    larger = {code for fact in facts for code in (fact.region, fact.nation)}
    return context._replace(lines=context.lines.select({*codes, *larger}, {*measures, *context.lines.broken}))


def name_places(codes: Iterable[str], names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return codes with their names, in order of the codes given."""
    return [(code, names.get(code, code)) for code in codes]
