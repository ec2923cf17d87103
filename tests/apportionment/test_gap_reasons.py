"""Reasons of gaps in order of precedence, and the evidence in words."""

from typing import Any

import polars as pl
import pytest

from pipelines.apportionment.gap_reasons import word_gap_evidence, word_value_evidence
from tests.apportionment.oracle import Leg
from tests.apportionment.test_place import figure, place_rows

FACTS: dict[str, Any] = {
    "reason": "needs_parts", "file": "f.csv", "file_rows": "2,3", "source_areas": "A,B", "published_marker": "c",
    "parts_n": 3, "valued_n": 2, "lacking": "", "split_codes": "A", "outside": 0.25678, "least": 1.0, "most": 2.5,
    "joint_value": 9.0, "joint_code": "A+C", "joint_label": None,
}  # fmt: skip
SCHEMA = {"file_rows": pl.String, "joint_label": pl.String, "published_marker": pl.String}
WORDED = {
    "coarser_only": ({}, "known only for A,B, and this is a smaller part"),
    "combined_area": ({}, "9 published together for A+C"),
    "combined_area ": ({"joint_label": "Alpha and Gamma"}, "9 published together for A+C (Alpha and Gamma)"),
    "split": ({}, "A is split between several places"),
    "split ": ({"lacking": "B"}, "A is split between several places; no figure for B"),
    "low_reach": ({}, "25.7 % of its residents are outside the source's geography"),
    "not_returned": ({}, "other places have a figure in this release, but there is no row for A,B"),
    "children_incomplete": ({"lacking": "B"}, "2 of 3 parts have a figure; no figure for B"),
    "needs_parts": ({}, "3 parts (A,B) have 1 to 2.5; their denominators are not stored"),
    "needs_parts ": ({"file_rows": None}, "3 parts have 1 to 2.5; their denominators are not stored"),
    "suppressed": ({}, "rows 2,3 of f.csv have the marker c"),
    "suppressed ": ({"file_rows": "7"}, "row 7 of f.csv has the marker c"),
    "suppressed  ": ({"file_rows": None}, "A,B have the marker c"),
    "not_available": ({"published_marker": None}, "rows 2,3 of f.csv have the marker (blank)"),
    "not_applicable": ({"file_rows": "7"}, "row 7 of f.csv has the marker c"),
    "unexplained": ({}, None),
}


def test_evidence_of_each_reason_in_words() -> None:
    frame = pl.DataFrame([{**FACTS, **facts, "reason": reason.strip()} for reason, (facts, _) in WORDED.items()],
                         schema_overrides=SCHEMA)  # fmt: skip
    actual = frame.select(word_gap_evidence().alias("text"))["text"].to_list()
    assert dict(zip(WORDED, actual, strict=True)) == {reason: text for reason, (_, text) in WORDED.items()}


def test_evidence_of_an_average_and_of_an_apportioned_count() -> None:
    rows = [("rate_averaged", None, 2, "people of 2023-12-31"), ("apportioned", 0.12345, 2, None),
            ("apportioned", 0.0, 2, None), ("merged", None, 2, None)]  # fmt: skip
    frame = pl.DataFrame(rows, ["derivation", "apportioned_share", "parts_n", "weighed_by"], orient="row")
    assert frame.select(word_value_evidence().alias("text"))["text"].to_list() == [
        "average of the rates of 2 places, weighted by people of 2023-12-31",
        "12.3 % from places crossed by a boundary, apportioned by people",
        None,
        None,
    ]


OUTSIDE: Leg = (None, "X", None, 5.0)
SPLIT: list[Leg] = [("B", "X", None, 1.0), ("B", "Y", None, 1.0)]
SMALL: list[Leg] = [("A", "X", 0.25, 1.0), ("A", "Y", 0.75, 3.0)]
WHOLE: list[Leg] = [("A", "X", 1.0, 4.0)]
PRECEDENCE = {
    "a smaller part, beside all others": ([*SMALL, *SPLIT], {"A": None}, None, "split"),
    "mostly elsewhere": (SMALL, {}, None, "coarser_only"),
    "mostly elsewhere and outside": ([*SMALL, (None, "X", None, 0.0)], {"A": 1.0}, None, "coarser_only"),
    "split and outside": ([*WHOLE, *SPLIT, OUTSIDE], {"A": 1.0, "B": 1.0}, None, "split"),
    "outside without rows": ([*WHOLE, OUTSIDE], {}, None, "low_reach"),
    "outside with a figure": ([*WHOLE, OUTSIDE], {"A": 1.0}, None, "low_reach"),
    "no row": (WHOLE, {}, None, "not_returned"),
    "hidden": (WHOLE, {"A": None}, "confidential", "suppressed"),
    "low": (WHOLE, {"A": None}, "low", "suppressed"),
    "not available": (WHOLE, {"A": None}, "not_available", "not_available"),
    "not applicable": (WHOLE, {"A": None}, "not_applicable", "not_applicable"),
    "no marker": (WHOLE, {"A": None}, "normal", "unexplained"),
    "one of two hidden": ([*WHOLE, ("C", "X", 1.0, 1.0)], {"A": 1.0, "C": None}, "confidential", "children_incomplete"),
    "one of two absent": ([*WHOLE, ("C", "X", 1.0, 1.0)], {"A": 1.0}, None, "children_incomplete"),
    "complete": ([*WHOLE, ("C", "X", 1.0, 1.0)], {"A": 1.0, "C": 2.0}, None, None),
}  # fmt: skip


@pytest.mark.parametrize(("legs", "figures", "status", "reason"), PRECEDENCE.values(), ids=list(PRECEDENCE))
def test_first_reason_that_applies_is_given(
    legs: list[Leg], figures: dict[str, float | None], status: str | None, reason: str | None
) -> None:
    """Another place, Q, always has a figure."""
    rows = [figure(code, value, status=(status or "normal") if value is None else "normal")
            for code, value in figures.items()]  # fmt: skip
    placed = place_rows([*rows, figure("Q", 1.0)], [*legs, ("Q", "Z", 1.0, 1.0)], "all_ages")
    assert placed["X"]["reason"] == reason
    assert (placed["X"]["value"] is None) is (reason is not None)
    assert (placed["Z"]["value"], placed["Z"]["reason"]) == (1.0, None)
