"""Brief of a problem: whole lines of each kind, in order of rank, and lines left out."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.reasons import REASONS
from pipelines.core.schema import CELL_COLUMNS, NOT_NEEDED, PLACE_COLUMNS, table_from_records
from pipelines.declarations.problem import Answer
from pipelines.gaps import HISTORY
from pipelines.gaps.discontinuities import BOUNDARY_DISCONTINUITY
from pipelines.observations import COMPLETENESS
from pipelines.observations.revisions import REVISION_SUMMARY
from pipelines.outputs.answer import PageAnswer
from pipelines.outputs.answer_ranking import End, RankedPlace, Ranking
from pipelines.outputs.report_brief import (
    BORDER_RULE,
    CHANGE_RULE,
    NATION_RULE,
    REQUEST_RULE,
    RETURN_RULE,
    REVISION_RULE,
    WITHHELD_RULE,
    build_report_brief,
)
from pipelines.outputs.report_changes import NO_HISTORY
from pipelines.outputs.report_model import Report
from tests.gaps.plain import measure_of
from tests.outputs.test_answer_rules import Y2025, answer_of
from tests.report_sample import sample

DAY, YEAR = date(2025, 12, 31), (date(2025, 1, 1), date(2025, 12, 31))
CODES = ("E06000001", "E09000001", "W06000001")
NAMES = ("Ash", "Bow", "Cam")
MEASURES = {
    "pace": measure_of("rate", title="Pace", unit="%"), "area": measure_of("rate", title="Area", unit="ha"),
    "homes": measure_of("stock", title="Homes", unit="homes"), "lots": measure_of("stock", title="Lots", unit="lots"),
}  # fmt: skip


def cell(measure: str, place: int = 0, **said: Any) -> dict[str, Any]:
    return {"measure": measure, "place_code": CODES[place], "place_name": NAMES[place], "need": "needed", "value": 1.0,
            "period_start": YEAR[0], "period_end": DAY, "reference_start": YEAR[0], "reference_end": DAY,
            **said}  # fmt: skip


def report_of(*cells: dict[str, Any], **said: Any) -> Report:
    """Return a report of three places, with these cells in another order, and no history."""
    base = sample()
    rows = table_from_records(list(cells), CELL_COLUMNS)
    places = [{"place_code": code, "place_name": name} for code, name in zip(CODES, NAMES, strict=True)]
    return base._replace(
        cells=rows.sample(fraction=1, shuffle=True, seed=3), measures=MEASURES, history=NO_HISTORY,
        places=table_from_records(places, PLACE_COLUMNS), **said,
    )  # fmt: skip


def texts(
    report: Report, rule: str, answer: PageAnswer | None = None, rankings: list[Ranking] | None = None
) -> list[str]:
    brief = build_report_brief(report, "The answer.", answer, rankings or [])
    assert brief.sections[0].lines[0].text == "The answer."
    return [line.text for section in brief.sections for line in section.lines if line.rule == rule]


def end_of(order: str, place: int) -> End:
    rows = [RankedPlace(CODES[number], NAMES[number], 1.0, f"{number}.5", "") for number in (place, 1 - place)]
    return End(order, tuple(rows), 1, False, "")


def compare(kind: str = "pace", order: str = "highest", subject: str | None = None, **history: Any) -> list[str]:
    figures = [{"place_code": CODES[0], "place_name": "Ash", "nation": "England"},
               {"place_code": CODES[1], "place_name": "Bow", "nation": "England"}]  # fmt: skip
    answer = answer_of(*figures, measure=MEASURES[kind], column=kind, order=order, unit="u")
    own = {"measure": kind, "level": "nation", "place_code": "E92000001", "period_start": YEAR[0], "period_end": DAY,
           "value": 1234.0, **history}  # fmt: skip
    other = {**own, "value": 7.0}
    others = [{**other, "level": "place"}, {**other, "place_code": "W92000004"}, {**other, "period_end": YEAR[0]},
              {**other, "period_start": DAY}, {**other, "measure": "lots"}]  # fmt: skip
    report = report_of(cell(kind), over_time=table_from_records([*others, own], HISTORY))
    if subject:
        said = Answer(column=kind, subject=subject)
        report = report._replace(header=report.header.model_copy(update={"answer": said}))
    ranking = Ranking("", 2, end_of("highest", 0), end_of("lowest", 1))
    return texts(report, NATION_RULE, answer, [ranking])


def test_first_place_of_a_rate_is_compared_with_its_nation() -> None:
    assert compare() == ["Pace, 2025: 0.5 % in Ash, 1,234 % in England."]
    assert compare("area", "lowest") == ["Area, 2025: 1.5 in Bow, 1,234 in England."]
    assert compare(subject="Fast people") == ["Fast people, 2025: 0.5 % in Ash, 1,234 % in England."]
    assert compare("homes") == [] and compare(value=None) == [] and compare(level="region") == []
    report = report_of(cell("pace"))
    ranking = Ranking("", 2, end_of("highest", 0), end_of("lowest", 1))
    answer = answer_of({"place_code": CODES[0], **Y2025}, measure=MEASURES["pace"], column="pace")
    assert texts(report, NATION_RULE, answer, []) == texts(report, NATION_RULE, None, [ranking]) == []
    assert texts(report, NATION_RULE, answer._replace(measure=None), [ranking]) == []


def returns_of(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"returned_by": "forces", "scope": "period", "period_start": YEAR[0], "period_end": DAY, "due": 43,
             "returned": 40, "reporting_rate": 0.5, "measure": "pace"}  # fmt: skip
    return table_from_records([{**usual, **row} for row in rows], COMPLETENESS)


def test_newest_returns_are_listed_by_the_share_that_is_missing() -> None:
    early = {"period_start": date(2024, 1, 1), "period_end": date(2024, 12, 31)}
    rows = [{"measure": "lots", "reporting_rate": 0.904}, {"returned": 43},
            {"measure": "area", "reporting_rate": 0.4, **early},
            {"measure": "homes", "reporting_rate": None, "due": 2000, "returned": 1},
            {"reporting_rate": 0.1, **early}]  # fmt: skip
    for own in (rows, rows[::-1]):
        assert texts(report_of(cell("pace"), completeness=returns_of(*own)), RETURN_RULE) == [
            "Area: 3 of 43 forces sent no complete return for 2024; 40 % of the volume was returned.",
            "Lots: 3 of 43 forces sent no complete return for 2025; 90 % of the volume was returned.",
        ]
    assert texts(report_of(cell("pace"), completeness=returns_of(rows[3])), RETURN_RULE) == [
        "Homes: 1,999 of 2,000 forces sent no complete return for 2025."
    ]
    assert texts(report_of(cell("pace")), RETURN_RULE) == []


def test_withheld_returns_of_the_newest_period_are_counted_for_one_measure() -> None:
    gap = {"value": None, "reason": "suspected_zero"}
    early = {"period_start": date(2024, 1, 1), "period_end": date(2024, 12, 31)}
    cells = [
        cell("pace", 0, **gap), cell("lots", 0, **gap), cell("lots", 1, value=None, reason="near_zero_leak"),
        cell("pace", 1, **gap, **early), cell("pace", 2, **gap, **early), cell("pace", 1, value=None, reason="late"),
        cell("homes", 0, **gap, **early), cell("pace", 2, value=None, reason="partial_return", need=NOT_NEEDED),
    ]  # fmt: skip
    ending = "for the newest period are withheld, because their returns seem to be missing in part or whole."
    assert texts(report_of(*cells), WITHHELD_RULE) == [f"Lots: figures of 2 places {ending}"]
    assert texts(report_of(cells[0], cells[1]), WITHHELD_RULE) == [f"Lots: figures of 1 place {ending}"]
    assert texts(report_of(cells[5], cell("pace")), WITHHELD_RULE) == []


def test_shortfalls_of_providers_are_named_once_newest_first() -> None:
    def short(measure: str, place: int, provider: str, share: int, year: int = 2025, **said: Any) -> dict[str, Any]:
        evidence = f"{provider}: 120.5 in 12 places, {share} % of the 180 expected from the periods before and after"
        span = {"reference_start": date(year, 1, 1), "reference_end": date(year, 12, 31)}
        return cell(measure, place, **{"caveats": "rounded,provider_shortfall", "evidence": evidence, **span, **said})

    cells = [short("area", 0, "East", 50), short("pace", 0, "East", 67), short("pace", 1, "East", 67),
             short("pace", 0, "North", 70), short("pace", 2, "West", 10, 2024), cell("homes"),
             short("pace", 2, "South", 1, caveats="rounded"),
             short("pace", 2, "x", 1, evidence="No such text")]  # fmt: skip
    expected = [
        f"Pace, 2025: {who} sent {share} % of the expected sum for 12 of its places, so the figures of all its places "
        "are in doubt."
        for who, share in (("East", 67), ("North", 70))
    ]
    assert texts(report_of(*cells), WITHHELD_RULE) == expected
    tied = [short("pace", 0, "Wash", 70), short("pace", 1, "Aire", 70)]
    assert [text.partition(" sent")[0] for text in texts(report_of(*tied), WITHHELD_RULE)] == [
        "Pace, 2025: Aire", "Pace, 2025: Wash",
    ]  # fmt: skip
    with_rows_before = cell(
        "pace", 1, caveats="provider_shortfall", evidence="12 % of others. East: 1 in 12 places, 67 % of the 9"
    )
    assert texts(report_of(with_rows_before), WITHHELD_RULE) == expected[:1]
    assert texts(report_of(cell("homes", caveats=None)), WITHHELD_RULE) == []


def test_measures_with_the_largest_share_of_revised_figures_come_first() -> None:
    usual = {"source": "s", "old_released_at": DAY, "new_released_at": date(2026, 1, 5), "cells_in_both": 2000}
    rows = [{**usual, "measure": measure, "share_changed": share, "changed": changed, "places_most_affected": where}
            for measure, share, changed, where in (("lots", 0.1, 200, f"{CODES[2]}, X"), ("homes", 0.1, 1500, None),
                                                   ("pace", 0.5, 1, ""), ("area", 0.9, 0, ""))]  # fmt: skip
    report = report_of(cell("pace"))
    history = NO_HISTORY._replace(revisions=table_from_records(rows, REVISION_SUMMARY))
    assert texts(report._replace(history=history), REVISION_RULE) == [
        "Pace: the release of 5 January 2026 revised 1 of 2,000 earlier figures.",
        "Homes: the release of 5 January 2026 revised 1,500 of 2,000 earlier figures.",
    ]
    first = history._replace(revisions=table_from_records(rows[:1], REVISION_SUMMARY))
    assert texts(report._replace(history=first), REVISION_RULE) == [
        "Lots: the release of 5 January 2026 revised 200 of 2,000 earlier figures, most in Cam, X."
    ]
    assert texts(report, REVISION_RULE) == []


def line(measure: str, a: int, b: int, kind: str = "jump", **said: Any) -> dict[str, Any]:
    return {"problem": "p", "measure": measure, "period_start": YEAR[0], "period_end": DAY, "kind": kind,
            "place_a": CODES[a], "place_b": CODES[b], "value_a": 9.0, "value_b": 1.0, **said}  # fmt: skip


def borders(*rows: dict[str, Any], cells: tuple[dict[str, Any], ...] = (cell("pace"),)) -> list[str]:
    report = report_of(*cells)
    both = [texts(report._replace(breaks=report.breaks._replace(lines=table_from_records(own, BOUNDARY_DISCONTINUITY))),
                  BORDER_RULE) for own in (list(rows), list(rows)[::-1])]  # fmt: skip
    assert both[0] == both[1]
    return both[0]


def test_largest_jump_of_a_rate_and_measures_known_on_one_side_are_stated() -> None:
    edge = "known_unknown"
    rows = [
        line("pace", 0, 1, value_b=3.0), line("area", 1, 2, value_a=-1.0, value_b=-9.0),
        line("homes", 0, 1, value_b=-99.0),
        line("lots", 0, 1, edge), line("homes", 0, 1, edge), line("homes", 0, 2, "nation_edge"),
        line("pace", 0, 1, edge),
        line("pace", 1, 2, edge), line("area", 0, 2, "low_reach"), line("lots", 0, 2, edge, period_end=YEAR[0]),
        line("lots", 1, 2, edge, period_end=YEAR[0]), line("pace", 2, 1, value_b=-999.0, period_end=YEAR[0]),
    ]  # fmt: skip
    assert borders(*rows) == [
        "Area: -1 in Bow and -9 in Cam, its neighbour; few neighbours differ as much.",
        "Homes: at 2 borders one neighbour has a figure and the other has none.",
        "Pace: at 2 borders one neighbour has a figure and the other has none.",
    ]
    assert borders(rows[0], rows[3]) == [
        "Pace: 9 % in Ash and 3 % in Bow, its neighbour; few neighbours differ as much.",
        "Lots: at 1 border one neighbour has a figure and the other has none.",
    ]
    same = [line("pace", 1, 0), line("area", 1, 0), line("area", 0, 1)]
    assert borders(*same) == ["Area: 9 in Ash and 1 in Bow, its neighbour; few neighbours differ as much."]
    assert borders() == []


@pytest.mark.parametrize("place", [0, 1])
def test_border_of_a_doubted_figure_is_left_out(place: int) -> None:
    doubted = cell("pace", place, caveats="rounded,flagged")
    rows = [line("pace", 0, 1), line("area", 0, 1, value_b=8.0)]
    assert borders(*rows)[0].startswith("Pace: 9 %")
    assert borders(*rows, cells=(doubted, cell("area", caveats="rounded")))[0].startswith("Area: 9 in")


def test_changes_since_the_last_build_are_a_line_unless_nothing_changed() -> None:
    report = report_of(cell("pace"))
    history = sample().history._replace(revisions=NO_HISTORY.revisions)
    assert texts(report._replace(history=history), CHANGE_RULE) == [
        "Gaps since the build of 25 October 2026: 1 closed, 5 new; 7 open."
    ]
    ledger = history.ledger
    still = ledger.builds.with_columns(pl.lit(0, pl.Int64).alias(name) for name in ("closed", "opened"))
    for builds in (still, ledger.builds.tail(1), ledger.builds.clear()):
        own = history._replace(ledger=ledger._replace(builds=builds))
        assert texts(report._replace(history=own), CHANGE_RULE) == []


def test_requests_have_each_measure_once_with_places_and_people() -> None:
    gap = {"value": None, "data_owner": "the ONS", "remedy": "Ask."}
    cells = [
        cell("pace", 0, **gap, reason="suppressed"), cell("pace", 1, **gap, reason="late"),
        cell("pace", 2, **gap, reason="late"), cell("homes", 0, **gap, reason="late"),
        cell("area", 2, **gap, reason="late"),
    ]  # fmt: skip
    people = pl.DataFrame({"place_code": CODES[:2], "people": [1999.5, 1.6]})
    late, suppressed = (REASONS[code].title for code in ("late", "suppressed"))
    late, suppressed = late[0].lower() + late[1:], suppressed[0].lower() + suppressed[1:]
    assert texts(report_of(*cells, people=people), REQUEST_RULE) == [
        f"Homes: {late} (1 place, 2,000 people). The ONS: Ask.",
        f"Pace: {suppressed} (1 place, 2,000 people). The ONS: Ask.",
        f"Area: {late} (1 place). The ONS: Ask.",
    ]
    # The population of one of the places is not known.
    assert texts(report_of(*cells[1:3], people=people), REQUEST_RULE) == [
        f"Pace: {late} (2 places, at least 2 people). The ONS: Ask."
    ]
    assert texts(report_of(cell("pace")), REQUEST_RULE) == []
