"""Bounds of places with several parts: every possible set of figures is within them, and none is wider than needed."""

from datetime import date
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.apportionment import (
    MAPPED_FIGURE,
    Crosswalk,
    build_matrix,
    list_parts,
    measures_below_zero,
    place_figures,
)
from pipelines.apportionment.part_bounds import reduce_parts
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.gaps.refine import withhold_implausible
from pipelines.geography import Successor

YEAR = (date(2020, 1, 1), date(2020, 12, 31))
MEASURES = {
    kind: Measure.model_validate({"title": "t", "unit": "u", "kind": kind, "column": "c", **more})
    for kind, more in {"count": {}, "rate": {"denominator": "count"}, "rank": {}, "index": {}}.items()
} | {"issued": Measure(title="t", unit="u", kind="count", column=("c",), range=(-100.0, 100.0))}
Figure = tuple[float | None, float | None, float | None]
"""A published figure with its lower and upper bound; None where unknown."""
Roll = dict[str, tuple[str, ...]]
"""Each published place with its target places."""


def placed(figures: dict[str, Figure], roll: Roll, measure: str = "count") -> dict[str, dict[str, Any]]:
    """Convert figures of some codes along a roll; return the row of each place."""
    cells = [
        {"source": "s", "release": "r", "released_at": date(2021, 1, 1), "measure": measure, "place_code": code,
         "geography": "trust_2020", "period_start": YEAR[0], "period_end": YEAR[1], "value": value, "lower_bound": low,
         "upper_bound": high, "obs_status": "normal" if value is not None else "low", "file": "f", "file_row": n,
         "file_column": "c"}
        for n, (code, (value, low, high)) in enumerate(figures.items())
    ]  # fmt: skip
    parts = list_parts({code: Successor(there, "merged") for code, there in roll.items()})
    table = table_from_records(cells, OBSERVATION_COLUMNS)
    actual = place_figures(table, Crosswalk(parts), MEASURES, table.clear())
    return {row["to_code"]: row for row in actual.iter_rows(named=True)}


def sure(figure: float) -> Figure:
    return figure, figure, figure


class Rule(NamedTuple):
    """Figures, a roll, and the expected result for place X: reason, low, high."""

    figures: dict[str, Figure]
    roll: Roll
    reason: str | None
    low: float | None
    high: float | None
    measure: str = "count"


X, BOTH = ("X",), ("X", "Y")
RULES = {
    "whole parts add": Rule({"A": sure(5), "B": sure(2)}, {"A": X, "B": X}, None, 7, 7),
    "a split part adds zero to all": Rule({"A": sure(40), "B": sure(5)}, {"A": X, "B": BOTH}, "split", 40, 45),
    "a missing part has no upper bound": Rule({"B": sure(5)}, {"A": X, "B": BOTH}, "split", 0, None),
    "a missing part beside a whole one": Rule({"B": sure(5)}, {"A": X, "B": X}, "children_incomplete", 5, None),
    "a suppressed part adds its bounds": Rule(
        {"A": sure(5), "B": (None, 1, 4)}, {"A": X, "B": X}, "children_incomplete", 6, 9
    ),
    "a suppressed part without bounds adds at least 0": Rule(
        {"A": sure(5), "B": (None, None, None)}, {"A": X, "B": X}, "children_incomplete", 5, None
    ),
    "a suppressed part with an upper bound alone": Rule({"A": (None, None, 4)}, {"A": X}, "suppressed", 0, 4),
    "a suppressed part with a lower bound alone": Rule({"A": (None, 3, None)}, {"A": X}, "suppressed", 3, None),
    "a figure without bounds": Rule({"A": (5, None, None)}, {"A": X}, None, None, None),
    "a figure without bounds beside one with": Rule(
        {"A": (5, None, None), "B": sure(2)}, {"A": X, "B": X}, None, None, None
    ),
    "a figure without a lower bound": Rule({"A": (5, None, 6), "B": sure(2)}, {"A": X, "B": X}, None, None, 8),
    "a figure without an upper bound": Rule({"A": (5, 4, None), "B": sure(2)}, {"A": X, "B": X}, None, 6, None),
    "no figures, no bounds": Rule({"A": (None, None, None)}, {"A": X}, "suppressed", None, None),
    "one of two combined places has zero to all": Rule({"A+C": sure(9)}, {"A": X, "C": ("Y",)}, "combined_area", 0, 9),
    "combined, beside a whole part": Rule(
        {"A+C": sure(9), "B": sure(3)}, {"A": X, "B": X, "C": ("Y",)}, "combined_area", 3, 12
    ),
    "combined, beside a missing part": Rule(
        {"A+C": sure(9)}, {"A": X, "B": X, "C": ("Y",)}, "combined_area", 0, None
    ),
    "together, both here": Rule({"A+C": sure(9)}, {"A": X, "C": X}, None, 9, 9),
    "combined with an unallocated place": Rule({"A+C": sure(9)}, {"A": X}, "combined_area", 0, 9),
    "split, where it can be negative": Rule(
        {"A": sure(4), "B": sure(5)}, {"A": X, "B": BOTH}, "split", None, None, "issued"
    ),
    "missing, where it can be negative": Rule(
        {"A": sure(4)}, {"A": X, "B": X}, "children_incomplete", None, None, "issued"
    ),
    "whole, where it can be negative": Rule({"A": sure(-4), "B": sure(5)}, {"A": X, "B": X}, None, 1, 1, "issued"),
    "suppressed, where it can be negative": Rule(
        {"A": sure(-4), "B": (None, -2, 2)}, {"A": X, "B": X}, "children_incomplete", -6, -2, "issued"
    ),
    "a rate is within its parts": Rule({"A": sure(2), "B": sure(8)}, {"A": X, "B": X}, "needs_parts", 2, 8, "rate"),
    "unless one is missing": Rule({"A": sure(2)}, {"A": X, "B": X}, "children_incomplete", None, None, "rate"),
    "or split": Rule({"A": sure(2), "B": sure(8)}, {"A": X, "B": BOTH}, "split", None, None, "rate"),
    "a rank of two places is undefined": Rule(
        {"A": sure(2), "B": sure(8)}, {"A": X, "B": X}, "needs_parts", None, None, "rank"
    ),
}  # fmt: skip


def test_target_without_a_part_has_nothing_beside_places_with_parts() -> None:
    legs = [("A", "X", 1.0, 1.0), (None, "Y", None, 1.0), ("B", "Z", 1.0, 1.0), (None, "ZZ", None, 1.0)]
    matrix = build_matrix(pl.DataFrame(legs, ["from_code", "to_code", "weight", "weight_population"], orient="row"))
    column = np.array([[1.0, 2.0], [5.0, 4.0]])
    highest = reduce_parts(np.maximum, column, matrix, -np.inf)
    assert highest.tolist() == [[1.0, 2.0], [-np.inf, -np.inf], [5.0, 4.0], [-np.inf, -np.inf]]


@pytest.mark.parametrize(
    ("least", "declared", "expected"),
    [(0.0, {}, []), (-0.5, {}, ["count"]), (0.0, {"range": (0.0, 9.0)}, []), (0.0, {"range": (-1.0, 9.0)}, ["count"]),
     (None, {}, []), (None, {"range": (-1.0, 9.0)}, ["count"])],
)  # fmt: skip
@pytest.mark.parametrize("column", ["value", "lower_bound"])
def test_measure_below_zero_is_declared_or_observed(
    least: float | None, declared: dict[str, Any], expected: list[str], column: str
) -> None:
    rows = pl.DataFrame({"measure": ["count", "count"], "value": [1.0, None], "lower_bound": [1.0, None]})
    last = pl.when(pl.int_range(pl.len()) == 1).then(pl.lit(least, pl.Float64)).otherwise(column)
    measure = Measure.model_validate({"title": "t", "unit": "u", "kind": "count", "column": "c", **declared})
    assert measures_below_zero(rows.with_columns(last.alias(column)), {"count": measure}) == expected


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_bounds_are_sums_over_parts(rule: Rule) -> None:
    actual = placed(rule.figures, rule.roll, rule.measure)["X"]
    assert (actual["reason"], actual["lower_bound"], actual["upper_bound"]) == (rule.reason, rule.low, rule.high)


def test_evidence_names_the_split_part_and_the_missing_one() -> None:
    actual = placed({"RW6": sure(5), "RM3": sure(40)}, {"RW6": ("R0A", "RM3"), "R0A": ("R0A",), "RM3": ("RM3",)})
    assert actual["RM3"]["evidence"] == "RW6 is split between several places"
    assert actual["R0A"]["evidence"] == "RW6 is split between several places; no figure for R0A"


def test_evidence_gives_the_combined_figure_and_not_a_sum() -> None:
    actual = placed({"A+C": sure(9), "B": sure(3)}, {"A": X, "B": X, "C": ("Y",)})["X"]
    assert actual["evidence"].startswith("9 published together for A+C")


@pytest.mark.parametrize(("before", "low"), [(12.0, 4.0), (-12.0, None)], ids=["issued only", "with returns"])
def test_partial_return_gives_no_bounds_where_figures_can_be_negative(before: float, low: float | None) -> None:
    figures = [("A", 2019, before, None), ("A", 2020, 4.0, "partial_return")]
    cells = pl.DataFrame(
        [{"measure": "count", "to_code": code, "period_start": date(year, 1, 1), "value": value, "lower_bound": value,
          "upper_bound": value, "caveats": caveat} for code, year, value, caveat in figures]
    )  # fmt: skip
    actual = withhold_implausible(conform_table(cells, MAPPED_FIGURE), MEASURES).row(1, named=True)
    assert (actual["reason"], actual["value"], actual["lower_bound"], actual["upper_bound"]) == (
        "partial_return",
        None,
        low,
        None,
    )


PARTS = ("A", "B", "C")
LEGS = st.sampled_from([X, BOTH, ("Y",)])
TRUTH = st.integers(0, 3)
HOW = st.sampled_from(["given", "bounded", "hidden", "absent"])


@given(
    true=st.fixed_dictionaries(dict.fromkeys(PARTS, TRUTH)), how=st.fixed_dictionaries(dict.fromkeys(PARTS, HOW)),
    roll=st.fixed_dictionaries(dict.fromkeys(PARTS, LEGS)), joined=st.booleans(), signed=st.booleans(),
)  # fmt: skip
def test_bounds_include_every_possible_figure_and_are_reached(
    true: dict[str, int], how: dict[str, str], roll: Roll, joined: bool, signed: bool
) -> None:
    """Enumerate every division of every figure that the file allows, with parts of -3 or of 0 to 9."""
    figures: dict[str, Figure] = {}
    possible: dict[str, range] = {}
    names = {"A": "A+B", "B": None} if joined else {}
    for part in PARTS:
        code = names.get(part, part)
        if code is None:
            continue
        figure = true[part] + (true["B"] if joined and part == "A" else 0)
        low, high = max(0 if not signed else -3, figure - 1), figure + 1
        possible[code] = {"given": range(figure, figure + 1), "bounded": range(low, high + 1)}.get(
            how[part], range(-3 if signed else 0, MOST + 1)
        )
        report: dict[str, Figure] = {"given": sure(figure), "bounded": (None, low, high), "hidden": (None, None, None)}
        if how[part] in report:
            figures[code] = report[how[part]]
    if not figures:
        return
    actual = placed(figures, roll, "issued" if signed else "count")
    for place, row in actual.items():
        totals = _totals(place, possible, roll, signed)
        low, high = row["lower_bound"], row["upper_bound"]
        assert low is None or low <= min(totals)
        assert high is None or high >= max(totals)
        if row["value"] is not None:
            assert totals == {row["value"]}
        if not signed:
            # Bounds are not wider than needed: a possible figure reaches each bound.
            assert low is None or low in totals
            assert high is None or high in totals


MOST = 9
"""Maximum of an unknown figure in the enumeration."""


def _totals(place: str, possible: dict[str, range], roll: Roll, signed: bool) -> set[int]:
    """Return every possible sum for a place."""
    by_code = [_pieces(place, code, figures, roll, signed) for code, figures in possible.items()]
    return {sum(pieces) for pieces in product(*by_code)}


def _pieces(place: str, code: str, figures: range, roll: Roll, signed: bool) -> set[int]:
    """Return every possible part of one published figure for a place."""
    there = {to for part in code.split("+") for to in roll[part]}
    if place not in there:
        return {0}
    if len(there) == 1:
        return set(figures)
    return {piece for figure in figures for piece in (range(-MOST, MOST + 1) if signed else range(figure + 1))}
