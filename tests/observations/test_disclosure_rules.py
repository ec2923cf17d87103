"""Rules of suppressed figures with bounds from totals and other measures."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import OBSERVATION_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.declarations.source import Source
from pipelines.observations.disclosure import NarrowingResult, narrow_hidden_bounds
from pipelines.observations.totals import TOTAL

LONDON, ENGLAND = "E12000007", "E92000001"
A, B, C, D = "E09000001", "E09000002", "E09000003", "E06000036"
OWN = table_from_records(
    [{"place_code": code, "nation": "England", "region_code": LONDON if code != D else "E12000008"}
     for code in (A, B, C, D)], PLACE_COLUMNS,
)  # fmt: skip
PLACES: dict[str, Any] = {"totals": "places"}
Ends = tuple[float | None, float | None]


def declared(adding: dict[str, Any] | None, *names: str, **of: Any) -> Source:
    plain = {"title": "t", "unit": "u", "kind": "count", "column": "c"}
    return Source.model_validate(
        {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
         "columns": {"place": "p", "period": "d"}, "additivity": adding,
         "measures": {name: {**plain, **of} for name in names or ("m",)}},
        strict=False,
    )  # fmt: skip


def period(year: int) -> dict[str, date]:
    return {"period_start": date(year, 1, 1), "period_end": date(year, 12, 31)}


def seen(code: str, value: float | None, low: float | None = None, high: float | None = None, **more: Any) -> Any:
    """Build an observation: a figure is its own bound, and a suppressed one has the given bounds."""
    year, order = more.pop("year", 2023), more.pop("order", 0)
    ends = (low, high) if value is None or low is not None else (value, value)
    return {"source": "s", "measure": "m", "place_code": code, "geography": "lad_2023", **period(year),
            "value": value, "lower_bound": ends[0], "upper_bound": ends[1], "order": order,
            "obs_status": "confidential" if value is None else "normal", **more}  # fmt: skip


def total(code: str | None, value: float | None, **more: Any) -> Any:
    year, order = more.pop("year", 2023), more.pop("order", 0)
    return {"role": "total", "tier": "region", "measure": "m", "place_code": code, **period(year), "value": value,
            "lower_bound": value, "upper_bound": value, "order": order, **more}  # fmt: skip


def ordered(actual: list[Any], columns: Any) -> pl.DataFrame:
    return table_from_records(actual, columns).with_columns(
        pl.Series("order", [item["order"] for item in actual], pl.Int64)
    )


def narrow(observed: list[Any], totals: list[Any], source: Source | None = None) -> NarrowingResult:
    observation = ordered(observed, OBSERVATION_COLUMNS)
    actual = narrow_hidden_bounds(observation, ordered(totals, TOTAL), source or declared(PLACES), OWN)
    assert_frame_equal(
        actual.observation.drop("lower_bound", "upper_bound"), observation.drop("lower_bound", "upper_bound")
    )
    return actual


def ends(observed: list[Any], totals: list[Any], source: Source | None = None) -> list[Ends]:
    """Return the bounds of all suppressed figures, in their order."""
    actual = narrow(observed, totals, source).observation
    return actual.filter(pl.col("value").is_null()).select("lower_bound", "upper_bound").rows()


HIDDEN = [seen(A, None, 1.0, 4.0), seen(B, 5.0), seen(C, 2.0)]


def test_only_suppressed_figure_is_the_rest_of_the_total() -> None:
    actual = narrow(HIDDEN, [total(LONDON, 10.0)])
    assert actual.observation.select("place_code", "value", "lower_bound", "upper_bound").rows() == [
        (A, None, 3.0, 3.0), (B, 5.0, 5.0, 5.0), (C, 2.0, 2.0, 2.0)
    ]  # fmt: skip
    assert actual.summary.to_dicts() == [{"measure": "m", "order": 0, "figures": 1, "example": f"{A}: 3.0 to 3.0"}]


@pytest.mark.parametrize(
    ("adding", "expected"),
    [(PLACES, (3.0, 3.0)), ({"totals": "more"}, (1.0, 3.0)), ({}, (1.0, 4.0)), (None, (1.0, 4.0))],
)
def test_total_gives_only_the_bounds_that_are_declared(adding: dict[str, Any] | None, expected: Ends) -> None:
    assert ends(HIDDEN, [total(LONDON, 10.0)], declared(adding)) == [expected]


@pytest.mark.parametrize(
    ("of", "sure"),
    [({}, True), ({"kind": "stock"}, True), ({"kind": "index"}, False), ({"kind": "median"}, False),
     ({"uncertainty": "perturbed"}, False),
     ({"uncertainty": "estimate"}, False), ({"range": [0, 90]}, True), ({"range": [1, 90]}, True),
     ({"range": [-1, 90]}, False)],
)  # fmt: skip
def test_only_exact_non_negative_counts_and_stocks_are_narrowed(of: Any, sure: bool) -> None:
    assert ends(HIDDEN, [total(LONDON, 10.0)], declared(PLACES, **of)) == [(3.0, 3.0) if sure else (1.0, 4.0)]


@pytest.mark.parametrize(("value", "sure"), [(0.0, True), (-1.0, False)])
def test_measure_with_a_negative_figure_is_not_narrowed(value: float, sure: bool) -> None:
    other = [seen(B, value, year=2020, order=1)]
    assert ends([*HIDDEN, *other], [total(LONDON, 10.0)]) == [(3.0, 3.0) if sure else (1.0, 4.0)]
    # A total of another measure does not apply.
    source = declared(PLACES, "m", "n")
    assert ends([*HIDDEN, {**other[0], "measure": "n"}], [total(LONDON, 10.0)], source) == [(3.0, 3.0)]


def test_unknown_figures_are_zero_or_more() -> None:
    hidden = [seen(A, None), seen(B, None), seen(C, 2.0)]
    assert ends(hidden, [total(LONDON, 10.0)]) == [(0.0, 8.0), (0.0, 8.0)]
    actual = narrow(hidden, [total(LONDON, 10.0)])
    assert actual.summary.rows() == [("m", 0, 2, f"{A}: 0.0 to 8.0")]


def test_place_without_a_row_can_have_the_rest() -> None:
    assert ends(HIDDEN[:2], [total(LONDON, 8.0)]) == [(1.0, 3.0)]
    # A place in another region is not included, and a combined place has a row.
    assert ends([*HIDDEN, seen(D, 99.0)], [total(LONDON, 10.0)]) == [(3.0, 3.0)]
    assert ends([seen(A, None, 1.0, 4.0), seen(f"{B}+{C}", 7.0)], [total(LONDON, 10.0)]) == [(3.0, 3.0)]


def test_total_that_includes_part_of_combined_places_gives_no_bounds() -> None:
    joined = [seen(A, None, 1.0, 4.0), seen(B, 5.0), seen(f"{C}+{D}", 2.0)]
    assert ends(joined, [total(LONDON, 10.0)]) == [(1.0, 4.0)]
    # All four are in England.
    assert ends(joined, [total(LONDON, 10.0), total(ENGLAND, 10.0, tier="nation")]) == [(3.0, 3.0)]


def test_combined_places_can_be_a_whole_larger_place() -> None:
    assert ends([seen(f"{A}+{B}+{C}", None, 1.0, 4.0)], [total(LONDON, 3.0)]) == [(3.0, 3.0)]
    assert ends([seen(D, None, 1.0, 4.0)], [total("E12000008", 3.0)]) == [(3.0, 3.0)]


def test_rounded_figures_widen_the_rest_by_half_a_base() -> None:
    rounded = [seen(A, None, 0.0, 9.0), seen(B, 5.0, 2.5, 7.5), seen(C, 0.0, 0.0, 2.5)]
    assert ends(rounded, [total(LONDON, 15.0, lower_bound=12.5, upper_bound=17.5)]) == [(2.5, 9.0)]
    # A rounded figure can be narrowed too: at most 15, of which at most 9 are suppressed.
    actual = narrow([seen(A, 5.0, 2.5, 7.5), seen(B, 5.0, 2.5, 7.5), seen(C, None, 0.0, 1.0)], [total(LONDON, 14.0)])
    assert actual.observation.select("lower_bound", "upper_bound").rows() == [(5.5, 7.5), (5.5, 7.5), (0.0, 1.0)]
    assert actual.summary.rows() == [("m", 0, 2, f"{A}: 5.5 to 7.5")]


def test_total_without_a_figure_is_as_exact_as_its_bounds() -> None:
    assert ends(HIDDEN, [total(LONDON, None, lower_bound=9.0, upper_bound=10.0)]) == [(2.0, 3.0)]
    assert ends(HIDDEN, [total(LONDON, None)]) == [(1.0, 4.0)]
    # A figure without bounds is exact.
    assert ends(HIDDEN, [total(LONDON, 10.0, lower_bound=None, upper_bound=None)]) == [(3.0, 3.0)]


def test_contradictory_sums_narrow_nothing_and_affect_no_other_slice() -> None:
    other = [{**item, **period(2022)} for item in HIDDEN]
    actual = ends([*HIDDEN, *other], [total(LONDON, 99.0), total(LONDON, 9.0, year=2022)])
    assert actual == [(1.0, 4.0), (2.0, 2.0)]


def test_total_without_a_tier_or_place_gives_no_bounds() -> None:
    assert ends(HIDDEN, [total(LONDON, 10.0, tier=None)]) == [(1.0, 4.0)]
    assert ends(HIDDEN, [total(LONDON, 10.0, role="unmatched_place")]) == [(1.0, 4.0)]
    assert ends(HIDDEN, [total("E12000009", 10.0)]) == [(1.0, 4.0)]
    assert ends(HIDDEN, []) == [(1.0, 4.0)]


@pytest.mark.parametrize(
    ("astray", "expected"),
    [
        ({"role": "unallocated"}, (1.0, 3.0)), ({"role": "retired_code"}, (1.0, 3.0)),
        ({"role": "unmatched_place"}, (1.0, 3.0)), ({"role": "unallocated", "measure": "n"}, (3.0, 3.0)),
        ({"role": "unallocated", "year": 2022}, (3.0, 3.0)), ({"role": "unallocated", "order": 1}, (3.0, 3.0)),
    ],
)  # fmt: skip
def test_rows_without_a_place_make_the_total_inclusive_in_their_slice(astray: Any, expected: Ends) -> None:
    other = [seen(B, 1.0, year=2022), seen(B, 1.0, order=1)]
    totals = [total(LONDON, 10.0), total(None, 7.0, tier=None, **astray)]
    assert ends([*HIDDEN, *other], totals, declared(PLACES, "m", "n")) == [expected]


def test_each_release_and_period_has_its_own_total() -> None:
    slices = [(2022, 0, 9.0), (2023, 0, 10.0), (2022, 1, 8.0), (2023, 1, 11.0)]
    observed = [{**item, **period(year), "order": order} for item in HIDDEN for year, order, _ in slices]
    totals = [total(LONDON, value, year=year, order=order) for year, order, value in slices]
    expected = [(value - 7, value - 7) for _, _, value in slices]
    assert ends(observed, totals) == expected
    assert ends(observed, totals[::-1]) == expected
    result = narrow(observed, totals).summary.sort("order").select("order", "figures").rows()
    # A bound of at most 4 that becomes exactly 4 counts as narrowing.
    assert result == [(0, 2), (1, 2)]


def test_slice_without_suppression_does_not_change() -> None:
    shown = [seen(A, 3.0, 2.5, 3.5), seen(B, 5.0, 4.5, 5.5), seen(C, 2.0, 1.5, 2.5)]
    actual = narrow([*shown, seen(A, None, 1.0, 4.0, year=2022)], [total(LONDON, 11.5), total(LONDON, 99.0, year=2022)])
    assert actual.observation.select("lower_bound", "upper_bound").rows() == [
        (2.5, 3.5),
        (4.5, 5.5),
        (1.5, 2.5),
        (1.0, 4.0),
    ]
    assert actual.summary.is_empty()
    alone = narrow(shown, [total(LONDON, 11.5)])
    assert (alone.summary.height, list(alone.summary.schema)) == (0, ["measure", "order", "figures", "example"])


def test_totals_give_no_bounds_for_another_geography() -> None:
    earlier = [{**item, "geography": "lad_2022"} for item in HIDDEN]
    assert ends(earlier, [total(LONDON, 10.0)]) == [(1.0, 4.0)]
    assert ends([*earlier, *({**item, "order": 1} for item in HIDDEN)], [total(LONDON, 10.0, order=1)]) == [
        (1.0, 4.0), (3.0, 3.0)
    ]  # fmt: skip


def test_empty_observations_stay_empty() -> None:
    actual = narrow([], [])
    assert (actual.observation.height, actual.summary.height) == (0, 0)


def of(measure: str, code: str, value: float | None, low: float | None = None, high: float | None = None) -> Any:
    return seen(code, value, low, high, measure=measure)


SUM = {"measures": {"all": ["m", "n"]}}


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        ([of("all", A, 10.0), of("m", A, 7.0), of("n", A, None, 1.0, 4.0)], [(3.0, 3.0)]),
        ([of("all", A, None, 0.0, None), of("m", A, 7.0), of("n", A, 3.0)], [(10.0, 10.0)]),
        ([of("all", A, 10.0), of("m", A, None), of("n", A, None, 1.0, 4.0)], [(6.0, 9.0), (1.0, 4.0)]),
        # A lower bound of 7 without an upper bound is not reported.
        ([of("all", A, None), of("m", A, 7.0), of("n", A, None)], [(None, None)] * 2),
        # Each place has its own sum, and a part without a row is unbounded.
        ([of("all", A, 10.0), of("m", A, None, 1.0, 4.0), of("n", B, 7.0)], [(1.0, 4.0)]),
        ([of("all", B, 10.0), of("m", A, 7.0), of("n", A, None, 1.0, 4.0)], [(1.0, 4.0)]),
    ],
)
def test_measure_that_sums_others_bounds_them_by_place(hidden: Any, expected: list[Ends]) -> None:
    assert ends(hidden, [], declared(SUM, "all", "m", "n")) == expected
    assert sorted(ends(hidden[::-1], [], declared(SUM, "all", "m", "n")), key=str) == sorted(expected, key=str)


def test_sum_with_an_uncertain_measure_gives_no_bounds() -> None:
    source = declared(SUM, "all", "m", "n")
    noisy = source.measures["m"].model_copy(update={"uncertainty": "perturbed"})
    hidden = [of("all", A, 10.0), of("m", A, 7.0), of("n", A, None, 1.0, 4.0)]
    assert ends(hidden, [], source.model_copy(update={"measures": {**source.measures, "m": noisy}})) == [(1.0, 4.0)]
    # Undeclared parts give no bounds either.
    assert ends(hidden, [], declared({"measures": {"all": ["m"]}}, "all", "m", "n")) == [(1.0, 4.0)]


@pytest.mark.parametrize("turned", [False, True])
def test_sums_of_sums_are_narrowed_together(turned: bool) -> None:
    given = [("all", ["m", "n"]), ("n", ["o", "p"])]
    source = declared({"measures": dict(given[::-1] if turned else given)}, "all", "m", "n", "o", "p")
    hidden = [of("all", A, 10.0), of("m", A, 7.0), of("n", A, None), of("o", A, 1.0), of("p", A, None)]
    assert ends(hidden, [], source) == [(3.0, 3.0), (2.0, 2.0)]


def test_table_of_measures_and_places_is_narrowed_together() -> None:
    """One suppressed figure follows from its measure's total, and then the other from the sum of measures."""
    source = declared({"totals": "places", **SUM}, "all", "m", "n")
    hidden = [of("all", A, 10.0), of("m", A, None), of("n", A, None), of("m", B, 1.0), of("m", C, 2.0)]
    actual = narrow(hidden, [total(LONDON, 9.0)], source)
    assert actual.observation.filter(pl.col("value").is_null()).select("measure", "lower_bound",
                                                                      "upper_bound").rows() == [
        ("m", 6.0, 6.0), ("n", 4.0, 4.0)
    ]  # fmt: skip
    assert sorted(actual.summary.rows()) == [("m", 0, 1, f"{A}: 6.0 to 6.0"), ("n", 0, 1, f"{A}: 4.0 to 4.0")]
    # For measures that are sums, totals apply only where declared.
    assert ends(hidden, [total(LONDON, 9.0)], declared(SUM, "all", "m", "n")) == [(0.0, 10.0)] * 2


def test_each_measure_uses_its_own_totals() -> None:
    both = [*HIDDEN, *({**item, "measure": "n"} for item in HIDDEN)]
    totals = [total(LONDON, 10.0), total(LONDON, 9.0, measure="n")]
    source = declared(PLACES, "m", "n")
    assert ends(both, totals, source) == [(3.0, 3.0), (2.0, 2.0)]
    assert sorted(narrow(both, totals, source).summary["measure"]) == ["m", "n"]


def test_contradiction_in_one_measure_does_not_affect_others() -> None:
    source = declared({"totals": "places", **SUM}, "all", "m", "n", "x")
    hidden = [of("all", A, 10.0), of("m", A, 7.0), of("n", A, None), *({**item, "measure": "x"} for item in HIDDEN)]
    assert ends(hidden, [total(LONDON, 99.0, measure="x")], source) == [(3.0, 3.0), (1.0, 4.0)]
    assert ends(hidden[::-1], [total(LONDON, 99.0, measure="x")], source) == [(1.0, 4.0), (3.0, 3.0)]


def test_order_of_rows_and_unrelated_measures_change_no_bound() -> None:
    totals = [total(LONDON, 10.0), total(ENGLAND, 100.0, tier="nation")]
    observed = [*HIDDEN, seen(D, None)]
    expected = dict(zip((A, D), ends(observed, totals), strict=True))
    assert expected == {A: (3.0, 3.0), D: (90.0, 90.0)}
    turned = narrow([*observed[::-1], of("x", A, None, 0.0, 1.0)], totals[::-1], declared(PLACES, "m", "x"))
    hidden = turned.observation.filter(pl.col("value").is_null(), pl.col("measure") == "m")
    assert {
        code: (low, high) for code, low, high in hidden.select("place_code", "lower_bound", "upper_bound").iter_rows()
    } == expected
