"""Changes since the last build: rows of verdicts, causes, acceptances and totals, and both sides of limits."""

from datetime import date
from typing import Any

import polars as pl

from pipelines.core.reasons import REASONS
from pipelines.core.schema import table_from_records
from pipelines.gaps import CLOSING_REASONS, GAP_LEDGER, VERDICT
from pipelines.gaps.discontinuities import BOUNDARY_DISCONTINUITY
from pipelines.gaps.ledger import add_build, empty_ledger
from pipelines.observations import DIFFERENCE_PARTS, RECONCILIATION
from pipelines.outputs.report_changes import (
    DRAWN,
    LINES_SHOWN,
    MAX_ROWS,
    NO_BREAKS,
    NO_HISTORY,
    TOTALS_SHOWN,
    Breaks,
    acceptance_rows,
    count_causes,
    count_verdicts,
    describe_causes,
    describe_changes,
    lay_out_breaks,
    newest_totals,
    oldest_opening_day,
    write_days,
)
from tests.gaps.plain import measure_of
from tests.report_sample import sample

MEASURES = {"jobs": measure_of(title="Jobs"), "homes": measure_of(title="Homes")}
DAY = date(2025, 12, 31)


def verdicts_of(*rows: tuple[str, str, float | None, str | None]) -> pl.DataFrame:
    """Return the verdicts of some places: code, verdict, residents and blocking reasons."""
    return table_from_records(
        [{"problem": "p", "place_code": code, "place_name": f"Name {code}", "verdict": verdict, "residents": residents,
          "blocking_reasons": why, "needs_met": 0, "needs_total": 1} for code, verdict, residents, why in rows],
        VERDICT,
    )  # fmt: skip


def test_verdicts_are_counted_with_the_people_of_known_places() -> None:
    table = verdicts_of(("a", "answerable", 10.0, None), ("b", "not_answerable", 5.0, "x"),
                        ("c", "not_answerable", 7.0, "x"), ("d", "not_answerable", None, "x"),
                        ("e", "with_caveats", None, None))  # fmt: skip
    rows = {row["verdict"]: (row["places"], row["people"], row["people_known"]) for row in count_verdicts(table)}
    assert rows == {"answerable": (1, 10.0, 1), "with_caveats": (1, None, 0), "not_answerable": (3, 12.0, 2)}
    assert [row["places"] for row in count_verdicts(table.clear())] == [0, 0, 0]
    assert count_verdicts(table)[0]["said"] == "answerable"


def test_causes_are_counted_by_places_then_by_answers_then_by_name() -> None:
    one, two = "jobs: suppressed", "homes: tardy and not_returned"
    table = verdicts_of(
        ("b", "not_answerable", None, f"{two}; {one}"), ("a", "not_answerable", None, one),
        ("a", "not_answerable", None, one),
        ("c", "not_answerable", None, "rent: other"), ("c", "not_answerable", None, "zeal: other"),
        ("c", "not_answerable", None, "zeal: other"), ("d", "answerable", None, None),
    )  # fmt: skip
    rows = count_causes(table.reverse(), MEASURES)
    shown = [(row["title"], row["why"], row["places"], row["answers"], row["names"], row["said"]) for row in rows]
    suppressed, returned = REASONS["suppressed"].title, REASONS["not_returned"].title
    assert shown == [
        ("Jobs", suppressed, 2, 3, ["Name a", "Name b"], "not answerable"),
        ("zeal", "other", 1, 2, ["Name c"], "not answerable"),
        ("Homes", f"tardy; {returned}", 1, 1, ["Name b"], "not answerable"),
        ("rent", "other", 1, 1, ["Name c"], "not answerable"),
    ]
    assert count_causes(verdicts_of(("a", "answerable", None, None)), MEASURES) == []
    assert count_causes(table.clear(), MEASURES) == []


def test_causes_of_two_verdicts_and_acceptances_of_two_people_have_one_order() -> None:
    """A grouping has no order of its own."""
    table = verdicts_of(("a", "with_caveats", None, "x: y"), ("b", "not_answerable", None, "x: y"))
    people = [{"accepted_by": who, "acceptance_reason": why} for who in "BA" for why in "zy"]
    for seed in range(6):
        mixed = table.sample(fraction=1, shuffle=True, seed=seed)
        assert [row["verdict"] for row in count_causes(mixed, {})] == ["not_answerable", "with_caveats"]
        gaps = gaps_of(*people).sample(fraction=1, shuffle=True, seed=seed)
        shown = [(row["accepted_by"], row["acceptance_reason"]) for row in acceptance_rows(gaps, MEASURES)]
        assert shown == [("A", "y"), ("A", "z"), ("B", "y"), ("B", "z")]


def test_causes_in_words_have_titles_in_place_of_names() -> None:
    suppressed = REASONS["suppressed"].title
    assert describe_causes("jobs: suppressed; rent: Late", MEASURES) == (
        f"Jobs: {suppressed[0].lower()}{suppressed[1:]}; rent: late"
    )


def test_at_most_forty_causes_are_listed() -> None:
    table = verdicts_of(*((f"p{n:02}", "not_answerable", None, f"m{n:02}: x") for n in range(41)))
    assert [row["title"] for row in count_causes(table, {})] == [f"m{n:02}" for n in range(40)] and MAX_ROWS == 40


def test_changes_of_the_last_build_have_titles_and_reasons() -> None:
    report = sample()
    changes = describe_changes(report.history, report.measures)
    assert changes["line"] == "since the build of 25 October 2026: 1 closed, 5 new; 7 open"
    rows = [(row["what"], row["said"], row["title"], row["why"], row["cells"]) for row in changes["rows"]]
    assert rows == [
        ("closed", "Closed", "Claimant rate", CLOSING_REASONS["answered"], 1),
        ("opened", "New", "Unfilled vacancies", REASONS["not_collected"].title, 5),
    ]
    assert changes["trend"]["said"].startswith("from 70.0% on 25 October 2026")
    assert describe_changes(report.history, {})["rows"][1]["title"] == "vacancies"
    ledger = report.history.ledger
    first = report.history._replace(ledger=ledger._replace(builds=ledger.builds.tail(1)))
    assert describe_changes(first, report.measures)["rows"] == []
    assert describe_changes(NO_HISTORY, {}) == {"line": "no build recorded up to this day", "rows": [], "trend": None}


def test_gap_with_another_reason_has_both_and_most_changes_are_cut() -> None:
    report = sample()
    gap = report.cells.filter(pl.col("reason") == "suppressed").head(1)

    def rows_of(cells: pl.DataFrame) -> list[dict[str, Any]]:
        older = cells.with_columns(pl.lit("late").alias("reason"))
        ledger = add_build(add_build(empty_ledger(), older, date(2025, 1, 1), "a"), cells, date(2025, 2, 1), "b")
        return list(describe_changes(report.history._replace(ledger=ledger), report.measures)["rows"])

    (row,) = rows_of(gap)
    assert (row["said"], row["why"]) == (
        "Reason changed", f"Before: {REASONS['late'].title}. Now: {REASONS['suppressed'].title}",
    )  # fmt: skip
    many = pl.concat(
        gap.with_columns(pl.lit(f"m{number:02}").alias("measure"), pl.lit(f"cell {number}").alias("cell_id"))
        for number in range(41)
    )
    assert [row["title"] for row in rows_of(many)] == [f"m{number:02}" for number in range(40)]


def test_days_are_written_in_words() -> None:
    assert write_days("from 2026-10-25 to 2026-01-02, 12-34") == "from 25 October 2026 to 2 January 2026, 12-34"


def gaps_of(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"problem": "p", "measure": "jobs", "reason": "suppressed", "state": "accepted", "accepted_by": "A",
             "acceptance_reason": "w", "accepted_until": DAY, "place_code": "a"}  # fmt: skip
    return table_from_records([{**usual, **row} for row in rows], GAP_LEDGER)


def test_accepted_gaps_are_counted_by_their_acceptance() -> None:
    later = date(2026, 1, 31)
    gaps = gaps_of({}, {"place_code": "b"}, {"place_code": "b"}, {"state": "open"}, {"measure": "rent"},
                   {"measure": "homes", "accepted_until": later}, {"measure": "homes"}, {"accepted_by": "B",
                    "reason": "late"})  # fmt: skip
    rows = acceptance_rows(gaps.reverse(), MEASURES)
    shown = [(row["title"], row["why"], row["accepted_by"], row["until"], row["cells"], row["places"]) for row in rows]
    assert shown == [
        ("Homes", REASONS["suppressed"].title, "A", "31 December 2025", 1, 1),
        ("Homes", REASONS["suppressed"].title, "A", "31 January 2026", 1, 1),
        ("Jobs", REASONS["late"].title, "B", "31 December 2025", 1, 1),
        ("Jobs", REASONS["suppressed"].title, "A", "31 December 2025", 3, 2),
    ]  # fmt: skip
    assert acceptance_rows(gaps_of(), MEASURES) == []


def test_oldest_gap_that_is_not_closed_has_its_day() -> None:
    days = [{"state": "closed", "opened": date(2024, 1, 1)}, {"state": "open", "opened": date(2025, 2, 1)},
            {"state": "accepted", "opened": date(2025, 1, 1)}]  # fmt: skip
    assert oldest_opening_day(gaps_of(*days)) == date(2025, 1, 1)
    assert oldest_opening_day(gaps_of(days[0])) is None and oldest_opening_day(gaps_of()) is None


def totals_of(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"measure": "m", "place_code": "a", "place_name": "A", "period_start": DAY, "period_end": DAY, "unit": "x",
             "released_at": DAY, "total": 10.0, "sum_of_places": 9.0, "evidence": "e",
             **dict.fromkeys(DIFFERENCE_PARTS, 0.0)}  # fmt: skip
    return table_from_records([{**usual, **row} for row in rows], RECONCILIATION)


def test_totals_are_of_the_newest_period_and_release_of_each_measure() -> None:
    early = date(2024, 12, 31)
    rows = [
        {"measure": "z", "place_code": "b", "remainder": -1.0}, {"measure": "z", "place_code": "a", "suppressed": 1.0},
        {"measure": "y", "rounding": 1.0}, {"measure": "y", "rounding": 0.5, "suppressed": -0.75, "place_code": "c"},
        {"measure": "w"}, {"measure": "y", "rounding": 7.0, "period_end": early, "released_at": date(2026, 1, 1)},
        {"measure": "y", "rounding": 8.0, "released_at": early}, {"measure": "x", "rounding": 9.0, "period_end": early},
    ]  # fmt: skip
    for table in (totals_of(*rows), totals_of(*rows[::-1])):
        assert newest_totals(table).select("measure", "place_code").rows() == [
            ("x", "a"), ("y", "c"), ("y", "a"), ("z", "a"), ("z", "b"),
        ]  # fmt: skip
    assert newest_totals(totals_of()).is_empty()


def test_breaks_of_the_newest_period_are_listed_up_to_a_limit() -> None:
    usual = {
        "problem": "p",
        "measure": "jobs",
        "period_start": DAY,
        "kind": "known_unknown",
        "place_a": "a",
        "place_b": "b",
    }
    lines = [{**usual, "period_end": DAY, "evidence": f"e{n:02}"} for n in range(61)]
    old = [{**usual, "period_end": date(2024, 1, 1), "evidence": "old"}]
    totals = totals_of(*({"place_code": f"p{n:02}", "rounding": 1.0} for n in range(21)))
    laid = lay_out_breaks(Breaks(table_from_records([*old, *lines], BOUNDARY_DISCONTINUITY), totals), None, None, {},
                          str.upper)  # fmt: skip
    assert (laid["lines"], laid["totals"], len(laid["pictures"])) == (61, 21, 4)
    assert "E59" in laid["table"] and "E60" not in laid["table"] and "OLD" not in laid["table"]
    assert laid["totals_table"].count("<tr>") == 1 + 20
    assert (LINES_SHOWN, TOTALS_SHOWN, DRAWN) == (60, 20, 4)
    assert lay_out_breaks(NO_BREAKS, None, None, {}) == {
        "map": "", "table": "", "lines": 0, "pictures": [], "totals_table": "", "totals": 0,
    }  # fmt: skip
