"""Apportionment by matrices gives the same result as the rules applied place by place."""

import math
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.apportionment.counts import APPORTIONED_FIGURE, apportion_batches, apportion_counts
from pipelines.apportionment.matrix import build_matrix
from pipelines.core.errors import CrosswalkError
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.slices import SLICE_KEY

START, END = date(2020, 1, 1), date(2020, 12, 31)
PAIRS = {"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64, "weight_population": pl.Float64}
FIGURES = {
    "measure": pl.String, "period_start": pl.Date, "period_end": pl.Date, "place_code": pl.String,
    "value": pl.Float64, "lower_bound": pl.Float64, "upper_bound": pl.Float64, "obs_status": pl.String,
}  # fmt: skip


def plain(observed: pl.DataFrame, crosswalk: pl.DataFrame, signed: bool) -> list[dict[str, Any]]:
    """Apportion figures by the rules, slice by slice, place by place, part by part."""
    pairs = crosswalk.rows(named=True)
    ways = crosswalk.drop_nulls("from_code")["from_code"].to_list()
    actual = []
    for key in observed.select(SLICE_KEY).unique(maintain_order=True).rows():
        stored = {
            row["place_code"]: row for row in observed.rows(named=True) if key == tuple(row[n] for n in SLICE_KEY)
        }
        for to in sorted(crosswalk["to_code"].drop_nulls().unique()):
            there = [pair for pair in pairs if pair["to_code"] == to]
            moved = _place([(pair, stored.get(pair["from_code"])) for pair in there], ways, signed)
            actual.append({**dict(zip(SLICE_KEY, key, strict=True)), "place_code": to, **moved})
    return actual


def _place(there: list[tuple[dict[str, Any], dict[str, Any] | None]], ways: list[str], signed: bool) -> dict[str, Any]:
    parts = [(pair, row) for pair, row in there if pair["from_code"] is not None]
    outside = any(pair["from_code"] is None and pair["weight_population"] != 0 for pair, _ in there)
    known = [(pair, row) for pair, row in parts if row is not None and row["value"] is not None]
    whole = [pair["weight"] == 1 and ways.count(pair["from_code"]) == 1 for pair, _ in parts]
    missing = len(parts) - len(known)
    total = sum(row["value"] * (pair["weight"] or 0) for pair, row in known)
    cut = sum(row["value"] * (pair["weight"] or 0) for (pair, row), all_ in zip(parts, whole, strict=True)
              if row is not None and row["value"] is not None and not all_)  # fmt: skip
    given = missing == 0 and not outside and all(pair["weight"] is not None for pair, _ in parts)
    people = [pair["weight_population"] for pair, _ in there]
    covered = None
    if None not in people and sum(people):
        covered = sum(pair["weight_population"] for pair, _ in known) / sum(people)
    lows = [_bound(row, "lower_bound") for (_, row), all_ in zip(parts, whole, strict=True) if all_]
    highs = [_bound(row, "upper_bound") for _, row in parts]
    # Nothing is known where no part has a figure or a bound.
    unsure = (signed and (outside or not all(whole))) or highs.count(None) == len(highs)
    statuses = [OBSERVATION_STATUSES.index(row["obs_status"]) for _, row in parts if row is not None]
    return {
        "value": total if given else None,
        "partial": total,
        "lower_bound": None if unsure or (signed and None in lows) else sum(n or 0 for n in lows),
        "upper_bound": None if unsure or outside or None in highs else sum(highs),
        "coverage": 1.0 if missing == 0 and not outside else 0.0 if missing == len(parts) else covered,
        "apportioned_share": (cut / total if total else 0.0) if given else None,
        "parts": len(parts),
        "missing": missing,
        "obs_status": OBSERVATION_STATUSES[max(statuses)] if statuses else None,
    }


def _bound(row: dict[str, Any] | None, name: str) -> float | None:
    return None if row is None else row["value"] if row[name] is None else row[name]


@st.composite
def crosswalks(draw: st.DrawFn) -> pl.DataFrame:
    """Draw a crosswalk: whole places, split places, places without weights, and partly unallocated places."""
    rows: list[tuple[str | None, str | None, float | None, float | None]] = []
    targets = ["X", "Y", "Z"]
    for code in draw(st.lists(st.sampled_from("ABCDEF"), min_size=1, unique=True)):
        legs = draw(st.lists(st.sampled_from([*targets, None]), min_size=1, max_size=3, unique=True))
        weights = {1: [1.0], 2: [0.25, 0.75], 3: [0.5, 0.25, 0.25]}[len(legs)]
        unknown = len(legs) > 1 and draw(st.booleans()) and None not in legs
        for leg, weight in zip(legs, weights, strict=True):
            people = draw(st.none() | st.integers(0, 9).map(float))
            rows.append((code, leg, None if unknown else weight, people))
    rows += [(None, leg, None, draw(st.none() | st.integers(0, 5).map(float)))
             for leg in draw(st.lists(st.sampled_from(targets), max_size=1))]  # fmt: skip
    if all(leg is None for _, leg, _, _ in rows):
        rows.append(("G", "X", 1.0, 1.0))
    return pl.DataFrame(rows, schema=PAIRS, orient="row")


@st.composite
def slices(draw: st.DrawFn, codes: list[str], lowest: int) -> pl.DataFrame:
    """Draw slices of figures, in any order of places, with some suppressed within bounds and some without a row."""
    rows = []
    for measure in draw(st.lists(st.sampled_from(["one", "other"]), min_size=1, unique=True)):
        for code in draw(st.lists(st.sampled_from(codes), min_size=1, unique=True)):
            value = draw(st.none() | st.integers(lowest, 50).map(float))
            around = draw(st.none() | st.just(2.0))
            low, high = (None, None) if around is None else ((value or 3) - around, (value or 3) + around)
            status = draw(st.sampled_from(["normal", "estimated", "confidential"]))
            rows.append((measure, START, END, code, value, low, high, status))
    return pl.DataFrame(rows, schema=FIGURES, orient="row")


@given(st.data(), st.booleans())
def test_matrices_apportion_figures_as_the_rules_do(data: st.DataObject, signed: bool) -> None:
    crosswalk = data.draw(crosswalks())
    codes = sorted(crosswalk["from_code"].drop_nulls().unique())
    observed = data.draw(slices(codes, -20 if signed else 5))
    expected, actual = (
        plain(observed, crosswalk, signed),
        apportion_counts(observed, crosswalk, signed=signed).rows(named=True),
    )
    assert [row["place_code"] for row in actual] == [row["place_code"] for row in expected]
    for one, other in zip(actual, expected, strict=True):
        for name in (*SLICE_KEY, *APPORTIONED_FIGURE):
            assert one[name] == other[name] or math.isclose(one[name], other[name], abs_tol=1e-9), (name, one, other)


@given(st.data(), st.integers(1, 4))
def test_batches_of_any_size_give_the_same_result(data: st.DataObject, size: int) -> None:
    crosswalk = data.draw(crosswalks())
    observed = data.draw(slices(sorted(crosswalk["from_code"].drop_nulls().unique()), 5))
    batches = [observed.slice(start, size) for start in range(0, observed.height, size)]
    actual = pl.concat(apportion_batches(batches, build_matrix(crosswalk)))
    assert actual.equals(apportion_counts(observed, crosswalk))


def test_slices_of_a_batch_keep_their_order() -> None:
    crosswalk = pl.DataFrame([("A", "X", 1.0, 1.0)], PAIRS, orient="row")
    rows = [
        (measure, START, END, "A", value, None, None, "normal")
        for measure, value in zip("cab", (3.0, 1.0, 2.0), strict=True)
    ]
    actual = apportion_counts(pl.DataFrame(rows, FIGURES, orient="row"), crosswalk)
    assert actual.select("measure", "value").rows() == [("c", 3.0), ("a", 1.0), ("b", 2.0)]


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["B", "A", "C"])])
def test_codes_can_be_text_or_enum_in_any_order(dtype: pl.DataType) -> None:
    crosswalk = pl.DataFrame([("A", "X", 1.0, 1.0), ("B", "X", 1.0, 1.0), ("C", "Y", 1.0, 1.0)], PAIRS, orient="row")
    rows = [
        ("one", START, END, code, value, None, None, "normal") for code, value in (("C", 4.0), ("A", 1.0), ("B", 2.0))
    ]
    observed = pl.DataFrame(rows, FIGURES, orient="row").with_columns(pl.col("place_code").cast(dtype))
    assert apportion_counts(observed, crosswalk)["value"].to_list() == [3.0, 4.0]


def test_bounds_and_status_are_optional() -> None:
    crosswalk = pl.DataFrame([("A", "X", 1.0, 1.0)], PAIRS, orient="row")
    observed = pl.DataFrame([("one", START, END, "A", 7)], [*FIGURES][:5], orient="row")
    assert apportion_counts(observed, crosswalk).select("value", "lower_bound", "upper_bound", "obs_status").rows() == [
        (7.0, 7.0, 7.0, "normal")
    ]


@pytest.mark.parametrize(
    ("codes", "complaint"),
    [(["A", "A"], "A has two figures"), (["A", "Q"], "1 codes are not in the crosswalk.s source geography, such as Q")],
)
def test_duplicate_figures_and_unknown_places_are_rejected(codes: list[str], complaint: str) -> None:
    crosswalk = pl.DataFrame([("A", "X", 1.0, 1.0), ("B", "X", 1.0, 1.0)], PAIRS, orient="row")
    rows = [("one", START, END, code, 1.0, None, None, "normal") for code in codes]
    with pytest.raises(CrosswalkError, match=complaint):
        apportion_counts(pl.DataFrame(rows, FIGURES, orient="row"), crosswalk)


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [([0.5, 0.4], "do not add to 1"), ([1.5, -0.5], "expected a share from 0 to 1"), ([0.5, math.nan], "0 to 1")],
)
def test_weights_that_do_not_preserve_totals_are_rejected(weights: list[float], complaint: str) -> None:
    pairs = pl.DataFrame(
        [("A", to, weight, 1.0) for to, weight in zip("XY", weights, strict=True)], PAIRS, orient="row"
    )
    with pytest.raises(CrosswalkError, match=complaint):
        build_matrix(pairs)
