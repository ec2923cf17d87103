"""Brief of a place: whole lines of each kind, in order of rank, and both sides of each limit."""

from datetime import date
from typing import Any

import pytest

from pipelines.core.reasons import REASONS
from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.gaps.discontinuities import BOUNDARY_DISCONTINUITY
from pipelines.observations.revisions import REVISION
from pipelines.outputs.place_brief import (
    LEAST_CHANGE,
    LEAST_COUNT,
    BriefFacts,
    _is_small_or_unsure,
    _year_before,
    build_place_brief,
    collect_brief_facts,
)
from pipelines.outputs.place_context import NO_CONTEXT, PlaceContext
from pipelines.outputs.place_figures import Compared
from pipelines.outputs.place_pages import KnownGroup, PlacePage
from pipelines.outputs.trend_chart import Mark, TrendPoint
from tests.gaps.plain import catalogue_of, measure_of, source_of

DAY = date(2025, 12, 31)
CATALOGUE = catalogue_of(
    survey=source_of(measures={
        **{name: measure_of("rate", title=name.title(), unit="%")
           for name in ("rate", "share", "index", "level", "pace")},
        "guess": measure_of("rate", title="Guess", unit="%", uncertainty="estimate"),
        "homes": measure_of("stock", title="Homes", unit="homes", rounding=5),
    }),
    forms=source_of("crimes", "stops", "fires", returns={"providers": "forces"}),
)  # fmt: skip
YEARS = {year: (date(year, 1, 1), date(year, 12, 31)) for year in (2023, 2024, 2025)}


def page_of(known: list[dict[str, Any]] | None = None, missing: list[dict[str, Any]] | None = None) -> PlacePage:
    groups = [KnownGroup("p", "q", known or [])]
    return PlacePage("A", "A", "", "", "", "Wales", "", [], groups, [("all", missing or [])], [], [], [], [], "", [])


def lines_of(
    page: PlacePage, facts: BriefFacts | None = None, context: PlaceContext = NO_CONTEXT, section: int = 0
) -> list[str]:
    sections = build_place_brief(page, CATALOGUE, context, facts or BriefFacts({}, {})).sections
    return [line.text for line in sections[section].lines] if len(sections) > section else []


def figure(measure: str, value: float, nation: float | None = None, **said: Any) -> dict[str, Any]:
    own = CATALOGUE.measures[measure]
    return {
        "measure": measure, "title": own.title, "kind": own.kind, "value": value, "is_doubted": False, "when": "2025",
        "text": f"{value:g}", "unit": own.unit, "starts": YEARS[2025][0], "ends": YEARS[2025][1],
        "nation_value": nation, "nation": Compared(f"{nation:g}" if nation else "", ()), **said,
    }  # fmt: skip


def test_rates_furthest_from_the_nation_by_ratio_come_first() -> None:
    rows = [figure("pace", 5.0, 4.0), figure("rate", 2.0, 4.0), figure("share", 8.0, 4.0), figure("index", 30.0, 2.0),
            figure("level", 3.0, 1.0, unit="points")]  # fmt: skip
    assert lines_of(page_of(rows)) == [
        "Index, 2025: 30 % here, 2 % in Wales.", "Level, 2025: 3 points here, 1 in Wales.",
        "Rate, 2025: 2 % here, 4 % in Wales.", "Share, 2025: 8 % here, 4 % in Wales.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [figure("homes", 30.0, 2.0), figure("rate", 0.0, 2.0), figure("rate", -1.0, 2.0), figure("rate", 1.0, 0.0),
     figure("rate", 1.0, -1.0), figure("rate", 1.0, None), figure("rate", 1.0, 2.0, is_doubted=True)],
)  # fmt: skip
def test_counts_doubts_and_figures_without_a_ratio_are_not_compared(row: dict[str, Any]) -> None:
    assert lines_of(page_of([row])) == []
    assert lines_of(page_of([row, figure("share", 0.5, 0.25)])) == ["Share, 2025: 0.5 % here, 0.25 % in Wales."]


def context_of(earlier: dict[str, float], marks: tuple[Mark, Mark, Mark] = ("", "", "")) -> PlaceContext:
    """Return the context with figures of the year before, and lines of three years with some marks."""
    figures = {(name, *YEARS[2024]): {"A": value, "B": 99.0} for name, value in earlier.items()}
    points = tuple(TrendPoint(*YEARS[year], 1.0, mark) for year, mark in zip(YEARS, marks, strict=True))
    lines = {(name, "A"): points for name in earlier}
    return NO_CONTEXT._replace(figures=figures, lines=lines)  # type: ignore[arg-type]


def test_largest_changes_over_a_year_are_stated_with_both_figures() -> None:
    rows = [figure("rate", 2.2), figure("share", 4.0), figure("pace", 2.0), figure("level", 3.0), figure("index", 9.0)]
    earlier = {"rate": 2.0, "share": 2.0, "pace": 4.0, "level": 1.0}
    assert lines_of(page_of(rows), context=context_of(earlier)) == [
        "Level: 3 % in 2025, 1 a year before.", "Pace: 2 % in 2025, 4 a year before.",
        "Share: 4 % in 2025, 2 a year before.",
    ]  # fmt: skip
    homes = lines_of(page_of([figure("homes", 30.0)]), context=context_of({"homes": 20.0}))
    assert homes == ["Homes: 30 homes in 2025, 20 a year before."]


@pytest.mark.parametrize(
    ("value", "earlier", "marks", "is_stated"),
    [(1.1, 1.0, ("", "", ""), True), (1.0999, 1.0, ("", "", ""), False), (0.9, 1.0, ("", "", ""), True),
     (0.91, 1.0, ("", "", ""), False), (2.0, 1.0, ("", "", "break"), False), (2.0, 1.0, ("", "break", ""), True),
     (2.0, 1.0, ("break", "", "revised"), True), (2.0, 0.0, ("", "", ""), False), (2.0, -1.0, ("", "", ""), False)],
)  # fmt: skip
def test_change_of_a_tenth_without_a_break_is_stated(
    value: float, earlier: float, marks: tuple[Mark, Mark, Mark], is_stated: bool
) -> None:
    context = context_of({"rate": earlier}, marks)
    assert bool(lines_of(page_of([figure("rate", value)]), context=context)) == is_stated


def test_break_of_a_shorter_period_between_both_figures_counts() -> None:
    points = (TrendPoint(date(2024, 7, 1), date(2024, 7, 31), 1.0, "break"),)
    context = context_of({"rate": 1.0})._replace(lines={("rate", "A"): points})  # type: ignore[arg-type]
    assert lines_of(page_of([figure("rate", 2.0)]), context=context) == []
    none = context_of({"rate": 1.0})._replace(lines={})  # type: ignore[arg-type]
    assert lines_of(page_of([figure("rate", 2.0)]), context=none) == ["Rate: 2 % in 2025, 1 a year before."]
    assert lines_of(page_of([figure("rate", 2.0, starts=date(2024, 2, 29))]), context=none) == []


@pytest.mark.parametrize(
    ("start", "end", "before"),
    [(*YEARS[2025], YEARS[2024]), (date(2024, 2, 1), date(2024, 2, 29), (date(2023, 2, 1), date(2023, 2, 28))),
     (date(2025, 2, 1), date(2025, 2, 28), (date(2024, 2, 1), date(2024, 2, 29))), (date(2024, 2, 29), DAY, None),
     (date(2023, 6, 1), date(2024, 2, 28), None), (date(2024, 3, 29), date(2024, 3, 30), (date(2023, 3, 29),
      date(2023, 3, 30))), (date(2024, 2, 28), date(2024, 3, 29), (date(2023, 2, 28), date(2023, 3, 29))),
     (date(2024, 1, 29), date(2024, 2, 1), (date(2023, 1, 29), date(2023, 2, 1)))],
)  # fmt: skip
def test_same_period_a_year_before(start: date, end: date, before: tuple[date, date] | None) -> None:
    assert _year_before(start, end) == before


@pytest.mark.parametrize(
    ("row", "earlier", "expected"),
    [(figure("homes", 20.0), 30.0, False), (figure("homes", 19.0), 30.0, True), (figure("homes", 30.0), 19.0, True),
     (figure("rate", 1.0), 2.0, False), (figure("guess", 1.0), 2.0, True), (figure("rate", 0.0), 2.0, True),
     (figure("rate", 1.0), -2.0, True), (figure("rate", 1.0, is_doubted=True), 2.0, True)],
)  # fmt: skip
def test_change_of_small_counts_estimates_and_doubts_may_be_chance(
    row: dict[str, Any], earlier: float, expected: bool
) -> None:
    assert _is_small_or_unsure(row, earlier, CATALOGUE) is expected
    assert (LEAST_CHANGE, LEAST_COUNT) == (1.1, 20)


def facts_of(cells: list[dict[str, Any]], revisions: list[dict[str, Any]], borders: list[dict[str, Any]]) -> BriefFacts:
    tables = [table_from_records(cells, CELL_COLUMNS), table_from_records(revisions, REVISION),
              table_from_records(borders, BOUNDARY_DISCONTINUITY)]  # fmt: skip
    return collect_brief_facts(*(table.sample(fraction=1, shuffle=True, seed=2) for table in tables))


def revision(measure: str, old: float | None, new: float | None, **said: Any) -> dict[str, Any]:
    return {"measure": measure, "place_code": "A", "period_start": date(2025, 1, 1), "period_end": DAY, "old": old,
            "new": new, "new_released_at": date(2026, 1, 5), **said}  # fmt: skip


def test_largest_revisions_of_the_newest_release_by_relative_size() -> None:
    early = {"period_start": date(2024, 1, 1), "period_end": date(2024, 12, 31)}
    rows = [
        revision("rate", 1.0, 2.0), revision("rate", 4.0, 5.0, **early), revision("share", -2.0, 3.0),
        revision("homes", 100.0, 40.0), revision("homes", 10.0, 90.0, new_released_at=date(2025, 1, 5)),
        revision("pace", 4.0, 5.0), revision("level", None, 5.0), revision("index", 1.0, 2.0, place_code="B"),
        revision("level", 5.0, None, **early),
    ]  # fmt: skip
    facts = facts_of([{"measure": "pace", "place_code": "B", "caveats": "flagged"}], rows, [])
    assert lines_of(page_of(), facts) == [
        "Share: 1 figure was revised on 5 January 2026; 2025 changed from -2 to 3.",
        "Homes: 1 figure was revised on 5 January 2026; 2025 changed from 100 to 40.",
        "Rate: 2 figures were revised on 5 January 2026; 2025 changed from 1 to 2.",
    ]
    assert [(row["size"], row["changes"]) for row in facts.revisions["B"]] == [(0.5, 1)]
    doubted = facts_of([{"measure": "rate", "place_code": "A", "caveats": "rounded,flagged"}], rows[:1], [])
    assert lines_of(page_of(), doubted) == [] and facts_of([], [], []) == BriefFacts({}, {})
    # Of changes of the same size, the latest period is stated, and a change that no reader sees is not.
    same = facts_of([], [revision("rate", 1.0, 2.0, **early), revision("rate", 2.0, 4.0)], [])
    assert lines_of(page_of(), same) == ["Rate: 2 figures were revised on 5 January 2026; 2025 changed from 2 to 4."]
    assert lines_of(page_of(), facts_of([], [revision("homes", 100.1, 100.2)], [])) == []


def border(measure: str, a: str, b: str, kind: str = "known_unknown", **said: Any) -> dict[str, Any]:
    return {"problem": "p", "measure": measure, "period_start": date(2025, 1, 1), "period_end": DAY, "kind": kind,
            "place_a": a, "place_b": b, "value_a": 9.0, "value_b": None, "reason_b": "suppressed", **said}  # fmt: skip


def test_borders_have_jumps_of_rates_first_and_then_gaps_by_number_of_neighbours() -> None:
    context = NO_CONTEXT._replace(names={"B": "Bow", "C": "Cam"})
    suppressed = REASONS["suppressed"].title
    reason = suppressed[0].lower() + suppressed[1:]
    edges = [border("share", "A", other) for other in "FEDCB"]
    rows = [
        border("pace", "B", "A"), *edges, border("rate", "A", "B", "jump", value_b=1.5, reason_b=None),
        border("homes", "A", "B", "jump", value_b=1.0, reason_b=None), border("level", "C", "D"),
        border("share", "A", "G", period_end=date(2024, 1, 1)), border("rate", "A", "B", "low_reach"),
    ]  # fmt: skip
    assert lines_of(page_of(), facts_of([], [], rows), context) == [
        "Rate: 9 here and 1.5 in neighbouring Bow; few neighbours differ as much.",
        f"Share: known here, and not in neighbouring Bow, Cam, D and 2 more ({reason}).",
        f"Pace: not known here ({reason}), and known in neighbouring Bow.",
    ]
    other = build_place_brief(page_of()._replace(code="B"), CATALOGUE, context, facts_of([], [], rows))
    assert [line.text for line in other.sections[0].lines] == [
        "Rate: 1.5 here and 9 in neighbouring A; few neighbours differ as much.",
        f"Pace: known here, and not in neighbouring A ({reason}).",
        f"Share: not known here ({reason}), and known in neighbouring A.",
    ]
    three = facts_of([], [], edges[2:])
    assert lines_of(page_of(), three, context) == [
        f"Share: known here, and not in neighbouring Bow, Cam, D ({reason})."
    ]


@pytest.mark.parametrize("code", ["A", "B"])
def test_border_with_a_doubted_figure_on_either_side_is_left_out(code: str) -> None:
    rows = [border("share", "A", "B", "jump", value_b=1.0), border("rate", "A", "B", "nation_edge", problem="q")]
    facts = facts_of([{"measure": "share", "place_code": code, "caveats": "flagged"}], [], [*rows, *rows])
    assert [(row["measure"], row["number"]) for row in facts.borders["A"]] == [("rate", 1)]
    assert [row["has_figure"] for row in facts.borders["B"]] == [False]


def gap(measure: str, **said: Any) -> dict[str, Any]:
    return {"measure": measure, "title": measure.title(), "need": "needed", "why": "Late", "data_owner": "the ONS",
            "remedy": "Ask `it`.", "problems": ["p"], "cells": 1, "bounds": "", "opened": None, "since": "",
            "reason": "late", **said}  # fmt: skip


def test_missing_returns_of_sources_with_returns_are_counted_by_period() -> None:
    rows = [gap("crimes", reason="not_returned", why="Not returned", cells=1),
            gap("stops", reason="withdrawn", cells=3), gap("fires", reason="partial_return", cells=2000),
            gap("rate", reason="not_returned", cells=9),
            gap("crimes", reason="late", cells=9)]  # fmt: skip
    assert lines_of(page_of(missing=rows)) == ["Fires: late, in 2,000 periods.", "Stops: late, in 3 periods."]
    assert lines_of(page_of(missing=rows[:1])) == ["Crimes: not returned, in 1 period."]


def test_newest_gaps_are_named_unless_all_are_as_old() -> None:
    days = [date(2025, month, 1) for month in (3, 1, 2, 3, 1)]
    rows = [gap(name, opened=day, since=f"month {day.month}")
            for name, day in zip(("rate", "share", "pace", "level", "homes"), days, strict=True)]  # fmt: skip
    assert lines_of(page_of(missing=[*rows, gap("index")])) == [
        "Rate: missing since month 3 (late).", "Level: missing since month 3 (late).",
    ]  # fmt: skip
    same = [row for row in rows if row["since"] == "month 1"]
    # Only the requests remain.
    assert lines_of(page_of(missing=same)) == ["Homes; Share: late. The ONS: Ask it."]
    assert lines_of(page_of(missing=rows[1:3])) == ["Pace: missing since month 2 (late)."]


def test_requests_are_by_number_of_questions_and_share_a_line() -> None:
    rows = [gap("rate"), gap("share", problems=["p", "q"], why="NHS late"), gap("pace", cells=5),
            gap("level", need="wanted"),
            gap("index", bounds="between 1 and 4", data_owner="", remedy="Wait.")]  # fmt: skip
    assert lines_of(page_of(missing=rows)) == [
        "Share: NHS late. The ONS: Ask it.", "Level: late. The ONS: Ask it.", "Pace; Rate: late. The ONS: Ask it.",
        "Index: late; it is between 1 and 4. : Wait.",
    ]  # fmt: skip
    twice = [gap("rate", bounds="between 1 and 4"), gap("rate", bounds="between 1 and 4")]
    assert lines_of(page_of(missing=twice)) == ["Rate: late. The ONS: Ask it."]


def test_kinds_of_lines_come_in_turn() -> None:
    rows = [gap("stops", reason="withdrawn", cells=3, opened=DAY, since="now"), gap("rate", opened=date(2025, 1, 1))]
    page = page_of([figure("rate", 2.0, 4.0), figure("share", 2.0, 5.0)], rows)
    facts = facts_of([], [revision("rate", 1.0, 2.0)], [border("pace", "A", "B")])
    assert [line.split(":")[0].split(",")[0] for line in lines_of(page, facts, context_of({"share": 1.0}))] == [
        "Share", "Share", "Pace", "Rate", "Stops", "Stops", "Rate",
    ]  # fmt: skip
    assert lines_of(page, facts, section=1) == ["Stops; Rate: late. The ONS: Ask it."]
