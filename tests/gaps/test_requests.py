"""Requests: which open gaps make one, what it unlocks alone, and what waits for several."""

from datetime import date
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from pipelines.gaps.requests import OpenGaps, bundle_answers, rank_requests, request_id

JAN, FEB = date(2024, 1, 1), date(2024, 2, 1)
PEOPLE = pl.DataFrame({"place_code": ["a", "b", "d"], "people": [100.0, 10.0, 7.0]})
OF_GAP = {"problem": pl.String, "measure": pl.String, "place_code": pl.String, "place_name": pl.String,
          "period_start": pl.Date, "data_owner": pl.String, "reason": pl.String, "remedy": pl.String,
          "evidence": pl.String, "request": pl.String, "blocks": pl.Boolean}  # fmt: skip
OF_ANSWER = {"problem": pl.String, "place_code": pl.String, "period_start": pl.Date, "share": pl.Float64,
             "people": pl.Float64}  # fmt: skip


def gap(request: str | None, place: str = "a", problem: str = "p", day: date = JAN, **said: Any) -> dict[str, Any]:
    about = {"problem": problem, "place_code": place, "place_name": place.upper(), "period_start": day,
             "request": request, "blocks": True, "evidence": f"{problem} {place} {day.month}"}  # fmt: skip
    named = {"data_owner": f"h {request}", "measure": f"m {request}", "reason": "late", "remedy": f"ask {place}"}
    return {**about, **named, **said}


def open_gaps(*gaps: dict[str, Any], share: float = 1.0) -> OpenGaps:
    """Hold gaps, and an answer for each place and period that one blocks."""
    frame = pl.DataFrame([{name: item[name] for name in OF_GAP} for item in gaps], schema=OF_GAP)
    answers = frame.filter("blocks").select("problem", "place_code", "period_start").unique()
    waiting = answers.with_columns(pl.lit(share).alias("share")).join(PEOPLE, on="place_code", how="left")
    return OpenGaps(frame, waiting.select(list(OF_ANSWER)).cast(pl.Schema(OF_ANSWER)), PEOPLE)


GAPS = [
    gap("x"), gap("x", "b"), gap("y", "b"), gap("y", "c"), gap("x", problem="q"), gap("z", "d", blocks=False),
    gap("x", day=FEB), gap(None, "d", reason="not_due"),
]  # fmt: skip


def test_answers_that_wait_for_the_same_requests_are_one_bundle() -> None:
    expected = pl.DataFrame(
        [(["x"], 3, 1, 300.0), (["x", "y"], 1, 1, 10.0), (["y"], 1, 1, 0.0)],
        schema={"requests": pl.List(pl.String), "answers": pl.UInt32, "places": pl.UInt32, "people": pl.Float64},
        orient="row",
    )
    assert_frame_equal(bundle_answers(open_gaps(*GAPS)), expected, check_dtypes=False)
    assert_frame_equal(bundle_answers(open_gaps(*GAPS[::-1])), expected, check_dtypes=False)


def test_people_of_a_place_count_once_over_the_periods_of_a_problem() -> None:
    actual = bundle_answers(open_gaps(gap("x"), gap("x", day=FEB), gap("x", "b"), share=0.5))
    assert actual.rows() == [(["x"], 3, 2, 105.0)]


def test_answer_blocked_by_a_gap_without_request_is_in_no_bundle() -> None:
    assert bundle_answers(open_gaps(gap("x"), gap(None), gap("y", "b"))).rows() == [(["y"], 1, 1, 10.0)]
    # Where that gap does not block, it keeps nothing back.
    assert bundle_answers(open_gaps(gap("x"), gap(None, blocks=False))).rows() == [(["x"], 1, 1, 100.0)]
    assert bundle_answers(open_gaps(gap("x", blocks=False))).is_empty()


def test_gap_blocks_only_its_own_problem_and_period() -> None:
    actual = bundle_answers(open_gaps(gap("x"), gap("y", problem="q"), gap("z", day=FEB)))
    assert actual.rows() == [(["x"], 1, 1, 100.0), (["y"], 1, 1, 100.0), (["z"], 1, 1, 100.0)]


def test_requests_are_ranked_by_the_answers_that_they_unlock() -> None:
    columns = ["request", "data_owner", "measure", "reason", "remedy", "evidence", "problems", "cells", "places",
               "names",
               "people", "answers_alone", "people_alone", "answers_waiting"]  # fmt: skip
    expected = [
        ("x", "h x", "m x", "late", "ask a", "p a 1", ["p", "q"], 4, 2, ["A", "B"], 110.0, 3, 300.0, 4),
        ("y", "h y", "m y", "late", "ask b", "p b 1", ["p"], 2, 2, ["B", "C"], 10.0, 1, 0.0, 2),
        ("z", "h z", "m z", "late", "ask d", "p d 1", ["p"], 1, 1, ["D"], 7.0, 0, 0.0, 0),
    ]
    for order in (1, -1):
        assert rank_requests(open_gaps(*GAPS[::order])).select(columns).rows() == expected
    assert set(rank_requests(open_gaps(*GAPS)).columns) == set(columns)


def test_unknown_population_is_not_zero() -> None:
    actual = rank_requests(open_gaps(gap("x", "c"), gap("y", "c"), gap("y", "d", blocks=False)))
    assert actual.select("request", "people", "people_alone", "answers_waiting").rows() == [
        ("y", 7.0, 0.0, 1), ("x", None, 0.0, 1),
    ]  # fmt: skip


def order_of(*gaps: dict[str, Any]) -> list[str]:
    actual = rank_requests(open_gaps(*gaps))["request"].to_list()
    assert rank_requests(open_gaps(*gaps[::-1]))["request"].to_list() == actual
    return actual


def test_requests_are_ordered_by_several_criteria_in_turn() -> None:
    # People unlocked alone, before more answers.
    assert order_of(gap("b"), gap("a", "b"), gap("a", "b", day=FEB)) == ["b", "a"]
    # Answers unlocked alone, of places of which people are not known, before more that wait.
    together = [gap(name, place) for place in ("f", "g", "i") for name in ("a", "c")]
    assert order_of(gap("b", "c"), *together) == ["b", "a", "c"]
    # Answers that wait.
    assert order_of(gap("b", "c"), gap("a", "c"), gap("b", "e"), gap("c", "e")) == ["b", "a", "c"]
    # People of its places.
    assert order_of(gap("a", "b", blocks=False), gap("b", blocks=False), gap("c", "c", blocks=False)) == ["b", "a", "c"]
    # Cells.
    twice = [gap("b", blocks=False), gap("b", day=FEB, blocks=False)]
    assert order_of(gap("a", blocks=False), *twice) == ["b", "a"]
    # And its name.
    assert order_of(gap("b", blocks=False), gap("a", blocks=False)) == ["a", "b"]


def test_without_gaps_there_is_nothing_to_ask() -> None:
    assert rank_requests(open_gaps()).is_empty() and bundle_answers(open_gaps()).is_empty()
    assert rank_requests(open_gaps(gap(None))).is_empty()


def test_request_identifiers_are_stable_and_unique() -> None:
    assert request_id("h", "m", "late") == "43dc7678"
    assert request_id("h", "m", "late") != request_id("h m", "", "late")
    assert len({request_id(h, m, "late") for h in "abcdefgh" for m in "abcdefgh"}) == 64
