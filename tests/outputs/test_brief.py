"""Briefs: at most 350 words, each line with its rule, and no withheld or doubted figure."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.declarations.catalogue import load_catalogue
from pipelines.gaps.discontinuities import BOUNDARY_DISCONTINUITY
from pipelines.observations.revisions import REVISION
from pipelines.outputs.answer import find_answer
from pipelines.outputs.answer_ranking import rank_answer
from pipelines.outputs.brief import HEADING_WORDS, MAX_WORDS, BriefLine, BriefSection, fit_brief, interleave
from pipelines.outputs.place_brief import NO_BRIEF_FACTS, build_place_brief, collect_brief_facts
from pipelines.outputs.place_context import NO_CONTEXT
from pipelines.outputs.place_pages import KnownGroup, PlacePage
from pipelines.outputs.report import render_html
from pipelines.outputs.report_brief import BORDER_RULE, REVISION_RULE, build_report_brief
from pipelines.outputs.report_model import DOUBTS, Report
from pipelines.outputs.trend_chart import Mark, TrendPoint
from tests.report_sample import HARM, sample
from tests.small import ROOT

LINES = st.lists(
    st.builds(BriefLine, st.text(st.sampled_from("ab "), max_size=900), st.sampled_from("xyz")), max_size=9
)
DAY = date(2025, 12, 31)
NO_PAGE = PlacePage("E06000001", "A", "", "", "", "England", "", [], [], [], [], [], [], [], "", [])


@given(st.lists(LINES, min_size=1, max_size=3))
def test_brief_never_has_more_words_than_allowed(kinds: list[list[BriefLine]]) -> None:
    brief = fit_brief([BriefSection(str(number), tuple(lines)) for number, lines in enumerate(kinds)])
    assert brief.words <= MAX_WORDS - HEADING_WORDS
    assert {line.rule for section in brief.sections for line in section.lines} == set(brief.rules)


def test_first_line_of_each_kind_comes_before_a_second() -> None:
    kinds = [[BriefLine(f"{kind}{number}", "r") for number in (1, 2)] for kind in "ab"]
    assert [line.text for line in interleave(*kinds)] == ["a1", "b1", "a2", "b2"]
    assert len(fit_brief([BriefSection("A", tuple(kinds[0])), BriefSection("B", tuple(kinds[1]))], 6).sections) == 2


def brief_lines(report: Report) -> list[BriefLine]:
    answer = find_answer(report)
    brief = build_report_brief(report, "The answer.", answer, rank_answer(report, answer) if answer else [])
    return [line for section in brief.sections for line in section.lines]


def test_problem_brief_has_answer_revision_and_request() -> None:
    lines = brief_lines(sample())
    texts = [line.text for line in lines]
    assert texts[0] == "The answer."
    assert any(line.rule == REVISION_RULE and "revised 2 of 5 earlier figures" in line.text for line in lines)
    assert any("Unfilled vacancies: not known to be collected (5 places" in text for text in texts)


def jump(measure: str = "claimant_rate", **more: Any) -> dict[str, Any]:
    return {
        "problem": "sample", "measure": measure, "period_start": DAY, "period_end": DAY, "kind": "jump",
        "place_a": "E06000001", "place_b": "E07000008", "value_a": 9.0, "value_b": 1.0, "evidence": "far apart", **more,
    }  # fmt: skip


@pytest.mark.parametrize("caveat", [None, "rounded", *sorted(DOUBTS)])
def test_jump_of_a_doubted_figure_is_left_out(caveat: str | None) -> None:
    report = sample()
    is_doubted = (pl.col("measure") == "claimant_rate") & (pl.col("place_code") == "E06000001")
    cells = report.cells.with_columns(pl.when(is_doubted).then(pl.lit(caveat)).otherwise("caveats").alias("caveats"))
    breaks = report.breaks._replace(lines=table_from_records([jump()], BOUNDARY_DISCONTINUITY))
    lines = brief_lines(report._replace(cells=cells, breaks=breaks))
    assert any(line.rule == BORDER_RULE for line in lines) == (caveat in (None, "rounded"))


def test_place_facts_leave_out_doubted_measures() -> None:
    cell = {"measure": "homes", "place_code": "E06000001", "value": 3.0, "caveats": "implausible"}
    own = {"measure": "homes", "place_code": "E06000001", "period_start": DAY, "period_end": DAY}
    revision = {**own, "kind": "changed", "old": 1.0, "new": 3.0, "new_released_at": DAY}
    other = {**revision, "place_code": "E07000008"}
    facts = collect_brief_facts(
        table_from_records([cell], CELL_COLUMNS), table_from_records([revision, other], REVISION),
        table_from_records([jump("homes"), jump("rent")], BOUNDARY_DISCONTINUITY),
    )  # fmt: skip
    assert set(facts.revisions) == {"E07000008"}
    assert {row["measure"] for rows in facts.borders.values() for row in rows} == {"rent"}


def test_largest_revision_of_the_newest_release_is_taken() -> None:
    base = {"measure": "homes", "place_code": "E06000001", "period_start": DAY, "kind": "changed"}
    rows = [
        {**base, "period_end": date(2025, n, 1), "old": 10.0, "new": 10.0 + n, "new_released_at": date(2025, 6, day)}
        for n, day in ((1, 2), (5, 2), (9, 1))
    ]
    facts = collect_brief_facts(
        table_from_records([], CELL_COLUMNS), table_from_records(rows, REVISION),
        table_from_records([], BOUNDARY_DISCONTINUITY),
    )  # fmt: skip
    (row,) = facts.revisions["E06000001"]
    assert (row["changes"], row["new"]) == (2, 15.0)


def gap(measure: str, need: str = "needed", owner: str = "ONS") -> dict[str, Any]:
    return {
        "measure": measure, "title": measure, "need": need, "why": "Late", "data_owner": owner, "remedy": "Ask.",
        "problems": ["p"], "cells": 1, "bounds": "", "opened": None, "reason": "late",
    }  # fmt: skip


def test_requests_share_a_line_and_unknowns_come_in_turn() -> None:
    rows = [gap("a"), gap("b"), gap("c", owner="HMRC"), gap("d", need="wanted")]
    page = NO_PAGE._replace(missing=[("all", rows)])
    (section,) = build_place_brief(page, load_catalogue(ROOT), NO_CONTEXT, NO_BRIEF_FACTS).sections
    assert [line.text for line in section.lines] == [
        "a; b: late. ONS: Ask.",
        "d: late. ONS: Ask.",
        "c: late. HMRC: Ask.",
    ]


def figure(value: float, kind: str = "rate") -> dict[str, Any]:
    return {
        "measure": "claimant_rate", "title": "Rate", "kind": kind, "value": value, "is_doubted": False,
        "text": f"{value:.1f}", "unit": "%", "starts": date(2025, 1, 1), "ends": date(2025, 12, 31), "when": "2025",
        "nation_value": None,
    }  # fmt: skip


def lines_of_year(row: dict[str, Any], earlier: float, mark: Mark = "") -> list[str]:
    """Return the lines of the brief of a place with the figures of two years."""
    days = [(date(year, 1, 1), date(year, 12, 31)) for year in (2024, 2025)]
    points = (TrendPoint(*days[0], earlier), TrendPoint(*days[1], row["value"], mark))
    context = NO_CONTEXT._replace(
        figures={("claimant_rate", *days[0]): {"E1": earlier}}, lines={("claimant_rate", "E1"): points}
    )
    page = NO_PAGE._replace(code="E1", known=[KnownGroup("p", "q", [row])])
    sections = build_place_brief(page, load_catalogue(ROOT), context, NO_BRIEF_FACTS).sections
    return [line.text for section in sections for line in section.lines]


def test_large_change_over_a_year_is_in_the_brief() -> None:
    assert lines_of_year(figure(6.0), 4.0) == ["Rate: 6.0 % in 2025, 4.0 a year before."]


@pytest.mark.parametrize(
    ("row", "earlier", "mark"),
    [(figure(4.2), 4.0, ""), (figure(6.0), 4.0, "break"), (figure(6.0, "count"), 4.0, ""),
     ({**figure(6.0), "is_doubted": True}, 4.0, "")],
    ids=["small change", "break", "small count", "doubted"],
)  # fmt: skip
def test_uncertain_change_over_a_year_is_not(row: dict[str, Any], earlier: float, mark: Mark) -> None:
    assert lines_of_year(row, earlier, mark) == []


def test_brief_is_on_the_page_with_its_rules_escaped() -> None:
    html = render_html(sample())
    assert 'id="brief"' in html and "[a]" in html and HARM not in html


def test_withheld_returns_and_shortfalls_of_providers_are_in_the_brief() -> None:
    report = sample()
    first, second, *_ = report.places["place_code"].to_list()
    rate = pl.col("measure") == "claimant_rate"
    evidence = "East: 120.5 in 12 places, 67 % of the 180 expected from the periods before and after"
    report = report._replace(cells=report.cells.with_columns(
        pl.when(rate & (pl.col("place_code") == first)).then(pl.lit("near_zero_leak")).otherwise("reason")
        .alias("reason"),
        pl.when(rate & (pl.col("place_code") == second)).then(pl.lit("provider_shortfall")).otherwise("caveats")
        .alias("caveats"),
        pl.when(rate & (pl.col("place_code") == second)).then(pl.lit(evidence)).otherwise("evidence").alias("evidence"),
    ))  # fmt: skip
    texts = [line.text for section in build_report_brief(report, "x", None, []).sections for line in section.lines]
    assert any("figures of 1 place for the newest period are withheld" in text for text in texts)
    assert any("East sent 67 % of the expected sum for 12 of its places" in text for text in texts)
    untouched = build_report_brief(sample(), "x", None, [])
    assert not any("withheld" in line.text for section in untouched.sections for line in section.lines)
