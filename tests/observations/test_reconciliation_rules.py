"""Rules of reconciliation: which part explains how much of a difference, in which order, and for which release."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.schema import CODE_CHANGE_COLUMNS, OBSERVATION_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.declarations.source import Source
from pipelines.geography.register import Places
from pipelines.observations.reconciliation import DIFFERENCE_PARTS, RECONCILIATION, reconcile_totals
from pipelines.observations.totals import TOTAL

ENGLAND, UNITED_KINGDOM = "E92000001", "K02000001"
R, S = "E12000001", "E12000002"
MEMBER = {R: "ab", S: "cd", ENGLAND: "abcd", UNITED_KINGDOM: "abcdw", "W92000004": "w"}
TIERS = {"E12": "region", "E92": "nation", "W92": "nation", "K02": "above_nation", "E10": "county"}
Row = dict[str, Any]


def declared(measure: dict[str, Any] | None = None, names: tuple[str, ...] = ("m",), **given: Any) -> Source:
    one = {"title": "t", "unit": "u", "kind": "count", "column": "c", **(measure or {})}
    return Source.model_validate(
        {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
         "columns": {"place": "p", "period": "d"}, "coverage": ["England"],
         "measures": dict.fromkeys(names, one), **given},
        strict=False,
    )  # fmt: skip


def slice_of(row: Row) -> Row:
    year = row.pop("year", 2023)
    return {"measure": "m", "order": 0, "period_start": date(year, 1, 1), "period_end": date(year, 12, 31), **row}


def seen(code: str, value: float | None, low: float | None = None, high: float | None = None, **more: Any) -> Row:
    status = "normal" if value is not None else "confidential"
    return slice_of(
        {"place_code": code, "value": value, "lower_bound": low, "upper_bound": high, "obs_status": status, **more}
    )


def total(code: str | None, value: float | None, **more: Any) -> Row:
    tier = TIERS.get((code or "")[:3])
    return slice_of({"role": "total", "tier": tier, "place_code": code, "value": value, "unit": "u", **more})


def ordered(actual: list[Row], columns: Any) -> pl.DataFrame:
    return table_from_records(actual, columns).with_columns(
        pl.Series("order", [item["order"] for item in actual], pl.Int64)
    )


def apart(
    observed: list[Row],
    totals: list[Row],
    source: Source | None = None,
    register: list[Row] | None = None,
    change: list[Row] | None = None,
    member: dict[str, str] | None = None,
) -> list[Row]:
    pairs = [(larger, place) for larger, places in (member or MEMBER).items() for place in places]
    actual = reconcile_totals(
        ordered([dict(item) for item in observed], OBSERVATION_COLUMNS),
        ordered([dict(item) for item in totals], TOTAL),
        source or declared(),
        pl.DataFrame(pairs, schema=["total_code", "place_code"], orient="row"),
        Places(
            table_from_records(register or [], PLACE_COLUMNS), table_from_records(change or [], CODE_CHANGE_COLUMNS)
        ),
    ).to_dicts()
    for row in actual:
        assert row["total"] == pytest.approx(
            row["sum_of_places"] + sum(row[part] for part in DIFFERENCE_PARTS), abs=1e-9
        )
    return actual


def parts(row: Row) -> Row:
    return {part: row[part] for part in DIFFERENCE_PARTS if row[part]}


FOUR = [seen("a", 10.0), seen("b", 20.0), seen("c", 30.0), seen("d", 40.0)]


def test_total_equal_to_the_sum_has_every_column_and_no_remainder() -> None:
    released = {"source": "s", "release": "x", "released_at": date(2024, 5, 1), "place_label": "North"}
    (row,) = apart(FOUR, [total(R, 30.0, **released)])
    assert row == {
        "source": "s", "release": "x", "released_at": date(2024, 5, 1), "measure": "m", "place_code": R,
        "place_name": "North", "tier": "region", "period_start": date(2023, 1, 1), "period_end": date(2023, 12, 31),
        "unit": "u", "total": 30.0, "sum_of_places": 30.0, **dict.fromkeys(DIFFERENCE_PARTS, 0.0),
        "suppressed_lower_bound": 0.0,
        "suppressed_upper_bound": 0.0, "rounding_bound": 0.0, "places_due": 2, "places_given": 2, "places_hidden": 0,
        "places_without": 0, "evidence": "2 of 2 places have a figure",
    }  # fmt: skip
    assert list(row) == list(RECONCILIATION)
    assert [str(row[part]) for part in DIFFERENCE_PARTS] == ["0.0"] * 6


def test_unexplained_difference_is_the_remainder_of_either_sign() -> None:
    assert [parts(row) for row in apart(FOUR, [total(R, 33.0), total(S, 69.0)])] == [
        {"remainder": 3.0}, {"remainder": -1.0}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        # Suppressed between 1 and 4: a difference below, at both bounds, between, and above.
        (10.0, 1.0, 4.0, {"suppressed": 1.0, "remainder": -1.0}), (11.0, 1.0, 4.0, {"suppressed": 1.0}),
        (12.5, 1.0, 4.0, {"suppressed": 2.5}), (14.0, 1.0, 4.0, {"suppressed": 4.0}),
        (15.0, 1.0, 4.0, {"suppressed": 4.0, "remainder": 1.0}),
        # Without an upper bound it explains the whole difference, and never less than its lower bound.
        (99.0, 1.0, None, {"suppressed": 89.0}), (8.0, None, None, {"remainder": -2.0}),
        (8.0, 1.0, None, {"suppressed": 1.0, "remainder": -3.0}),
    ],
)  # fmt: skip
def test_suppressed_figure_explains_what_its_bounds_allow(value: float, low: Any, high: Any, expected: Row) -> None:
    (row,) = apart([seen("a", 10.0), seen("b", None, low, high)], [total(R, value)])
    assert parts(row) == expected
    assert (row["places_given"], row["places_hidden"], row["places_without"]) == (1, 1, 0)
    assert (row["suppressed_lower_bound"], row["suppressed_upper_bound"]) == (low or 0.0, high)


def test_suppressed_figures_are_combined_with_evidence() -> None:
    (row,) = apart([seen("a", None, 1.0, 4.0), seen("b", None, 2.0, 5.0)], [total(R, 8.0)])
    assert (parts(row), row["sum_of_places"]) == ({"suppressed": 8.0}, 0.0)
    assert row["evidence"] == "0 of 2 places have a figure; 2 are suppressed, 3 to 9 together"
    (row,) = apart([seen("a", None, 1.0, 4.0), seen("b", None, 2.0)], [total(R, 8.0)])
    assert row["evidence"] == "0 of 2 places have a figure; 2 are suppressed, 3 to an unknown upper bound together"


def test_evidence_describes_only_the_parts_that_apply() -> None:
    (row,) = apart([seen("a", 10.0), seen("b", None, 1.0, 4.0)], [total(R, 12.0)], declared({"rounding": 0.5}))
    assert row["evidence"] == (
        "1 of 2 places have a figure; 1 are suppressed, 1 to 4 together; rounding explains 0.5 either way"
    )
    for value, result in ((0.0, ""), (0.5, "; rows without a place: 0.5")):
        (row,) = apart(FOUR, [total(ENGLAND, 100.0), total(None, value, role="unallocated")])
        assert row["evidence"] == f"4 of 4 places have a figure{result}"


@pytest.mark.parametrize(
    ("value", "expected"), [(10.0, {}), (13.0, {"missing_places": 3.0}), (8.0, {"remainder": -2.0})]
)
def test_place_without_a_figure_explains_the_rest_but_never_less_than_zero(value: float, expected: Row) -> None:
    for absent in ([], [seen("b", None, obs_status="not_available")]):
        (row,) = apart([seen("a", 10.0), *absent], [total(R, value)])
        assert parts(row) == expected
        assert (row["places_due"], row["places_given"], row["places_without"]) == (2, 1, 1)
        assert row["evidence"] == "1 of 2 places have a figure; 1 have no figure"


def test_suppressed_figures_precede_missing_places_and_rounding() -> None:
    source = declared({"rounding": 5})
    (row,) = apart([seen("a", None, 1.0, 4.0)], [total(R, 10.0)], source)
    assert parts(row) == {"suppressed": 4.0, "missing_places": 6.0}
    (row,) = apart([seen("a", None, 1.0, 4.0), seen("b", 5.0)], [total(R, 10.0)], source)
    assert parts(row) == {"suppressed": 4.0, "rounding": 1.0}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(37.5, {"rounding": 7.5}), (38.0, {"rounding": 7.5, "remainder": 0.5}), (22.5, {"rounding": -7.5}),
     (22.0, {"rounding": -7.5, "remainder": -0.5}), (31.0, {"rounding": 1.0})],
)  # fmt: skip
def test_rounding_explains_half_a_base_for_each_figure_and_the_total(value: float, expected: Row) -> None:
    (row,) = apart(FOUR, [total(R, value)], declared({"rounding": 5}))
    assert (parts(row), row["rounding_bound"]) == (expected, 7.5)
    assert row["evidence"] == "2 of 2 places have a figure; rounding explains 7.5 either way"


def test_each_measure_uses_its_own_rounding_base() -> None:
    source = declared({"rounding": 5}, ("n", "m"))
    plain = source.measures["n"].model_copy(update={"rounding": None})
    source = source.model_copy(update={"measures": {**source.measures, "n": plain}})
    both = [*FOUR, *({**item, "measure": "n"} for item in FOUR)]
    actual = apart(both, [total(R, 31.0, measure="n"), total(R, 31.0)], source)
    assert [(row["measure"], parts(row)) for row in actual] == [("m", {"rounding": 1.0}), ("n", {"remainder": 1.0})]


@pytest.mark.parametrize("kind", ["count", "stock", "index", "median"])
def test_only_counts_and_stocks_are_reconciled(kind: str) -> None:
    assert len(apart(FOUR, [total(R, 30.0)], declared({"kind": kind}))) == (kind in ("count", "stock"))


@pytest.mark.parametrize(
    ("adding", "value", "expected"),
    [("more", 33.0, {"unallocated": 3.0}), ("more", 28.0, {"remainder": -2.0}), ("more", 30.0, {}),
     ("places", 33.0, {"remainder": 3.0})],
)  # fmt: skip
def test_rest_of_an_inclusive_total_is_unallocated(adding: str, value: float, expected: Row) -> None:
    assert parts(apart(FOUR, [total(R, value)], declared(additivity={"totals": adding}))[0]) == expected


def test_noise_is_evidence_only_for_measures_that_have_it() -> None:
    source = declared({"uncertainty": "perturbed"}, ("n", "m"))
    exact = source.measures["n"].model_copy(update={"uncertainty": None})
    source = source.model_copy(update={"measures": {**source.measures, "n": exact}})
    actual = apart([*FOUR, *({**item, "measure": "n"} for item in FOUR)], [total(R, 30.0), total(R, 30.0, measure="n")],
                  source)  # fmt: skip
    assert [row["evidence"] for row in actual] == [
        "2 of 2 places have a figure; the publisher adds noise and does not state its size",
        "2 of 2 places have a figure",
    ]


def test_combined_places_count_once_and_only_within_one_total() -> None:
    joined = [seen("a+b", 30.0), seen("c", 30.0), seen("d", 40.0)]
    actual = {row["place_code"]: row for row in apart(joined, [total(R, 30.0), total(ENGLAND, 100.0)])}
    assert [(actual[code]["sum_of_places"], actual[code]["places_given"], parts(actual[code])) for code in (R,
                                                                                                         ENGLAND)] == [
        (30.0, 2, {}), (100.0, 4, {})
    ]  # fmt: skip
    across = [seen("b+c", 50.0), seen("a", 10.0), seen("d", 40.0)]
    (row,) = apart(across, [total(R, 30.0)])
    assert (row["sum_of_places"], row["places_given"], parts(row)) == (10.0, 1, {"missing_places": 20.0})


def test_only_the_newest_release_of_each_slice_is_reconciled() -> None:
    older = [{**item, "value": 1.0} for item in FOUR]
    newer = [{**item, "order": 1} for item in FOUR]
    totals = [total(R, 2.0), total(R, 31.0, order=1), total(R, 2.0, year=2022)]
    last_year = [{**item, "period_start": date(2022, 1, 1), "period_end": date(2022, 12, 31)} for item in older]
    for observed in (older + newer + last_year, last_year + newer + older):
        actual = apart(observed, totals)
        assert [(row["period_start"].year, row["sum_of_places"], parts(row)) for row in actual] == [
            (2022, 2.0, {}), (2023, 30.0, {"remainder": 1.0})
        ]  # fmt: skip
    # A total absent from the newest release is not used.
    assert apart([*older, *newer], [total(R, 2.0)]) == []


@pytest.mark.parametrize(
    "more", [{"role": "unallocated"}, {"tier": None}, {"value": None}, {"place_code": "E12000009"}]
)
def test_only_totals_with_a_figure_and_known_places_are_reconciled(more: Row) -> None:
    assert apart(FOUR, [{**total(R, 30.0), **more}]) == []
    assert [row["place_code"] for row in apart(FOUR, [{**total(R, 30.0), **more}, total(S, 70.0)])] == [S]


def test_totals_are_ordered_by_measure_period_tier_and_place() -> None:
    totals = [total(S, 70.0), total(R, 30.0), total(ENGLAND, 100.0), total(R, 30.0, year=2022)]
    observed = [*FOUR, *({**item, "period_start": date(2022, 1, 1), "period_end": date(2022, 12, 31)} for item in FOUR)]
    for item in (totals, totals[::-1]):
        actual = apart(observed, item)
        assert [(row["period_start"].year, row["place_code"]) for row in actual] == [
            (2022, R), (2023, ENGLAND), (2023, R), (2023, S)
        ]  # fmt: skip


def test_figures_are_rounded_to_a_billionth() -> None:
    tenths = [seen("a", 0.1), seen("b", 0.2)]
    (row,) = apart(tenths, [total(R, 0.3)])
    assert [str(row[part]) for part in DIFFERENCE_PARTS] == ["0.0"] * 6
    (row,) = apart([seen("a", 10.0), seen("b", None, 0.0, 9.0)], [total(R, 10.0000000003)])
    assert [str(row[part]) for part in DIFFERENCE_PARTS] == ["0.0"] * 6
    (row,) = apart(FOUR, [total(R, 30.0000000003)])
    assert row["remainder"] == 0
    (row,) = apart(FOUR, [total(R, 30.000000002)])
    assert row["remainder"] == pytest.approx(2e-9, rel=1e-3)


@pytest.mark.parametrize(
    ("code", "coverage", "known"),
    [
        (ENGLAND, ["England"], True), (UNITED_KINGDOM, ["England"], False), (R, ["England"], False),
        (UNITED_KINGDOM, ["Northern Ireland", "England", "Wales", "Scotland"], True),
        (ENGLAND, ["England", "Wales"], False), ("K03000001", ["England", "Scotland", "Wales"], True),
        ("K04000001", ["Wales", "England"], True),
    ],
)  # fmt: skip
def test_rows_without_a_place_count_in_the_total_of_full_coverage(code: str, coverage: list[str], known: bool) -> None:
    member = {**MEMBER, "K03000001": "abcd", "K04000001": "abcd", UNITED_KINGDOM: "abcd", R: "abcd"}
    tier = {"tier": "nation" if code[0] == "E" else "above_nation"}
    astray = [total(None, 3.0, role="unallocated"), total("E09000099", 4.0, role="unmatched_place"),
              total(None, None, role="unallocated"), total("E07000026", None, role="retired_code")]  # fmt: skip
    (row,) = apart(FOUR, [total(code, 107.0, **tier), *astray], declared(coverage=coverage), member=member)
    assert parts(row) == ({"unallocated": 7.0} if known else {"remainder": 7.0})
    assert row["evidence"] == "4 of 4 places have a figure" + ("; rows without a place: 7" if known else "")


def test_rows_without_a_place_belong_to_their_period_and_can_exceed_the_difference() -> None:
    (row,) = apart(FOUR, [total(ENGLAND, 107.0), total(None, 3.0, role="unallocated", year=2022)])
    assert parts(row) == {"remainder": 7.0}
    (row,) = apart(FOUR, [total(ENGLAND, 107.0), total(None, 9.0, role="unallocated")])
    assert parts(row) == {"unallocated": 9.0, "remainder": -2.0}


REGIONS = [total(R, 30.0), total(S, 70.0)]


def of_england(observed: list[Row], totals: list[Row], *rest: Any, **more: Any) -> Row:
    (row,) = (row for row in apart(observed, totals, *rest, **more) if row["place_code"] == ENGLAND)
    return row


def test_difference_between_tiers_is_unallocated() -> None:
    row = of_england(FOUR, [total(ENGLAND, 104.0), *REGIONS])
    assert (parts(row), row["places_without"]) == ({"unallocated": 4.0}, 0)
    assert row["evidence"] == "4 of 4 places have a figure; its 2 region totals add to 100"
    # It precedes rows without a place, which the evidence still names.
    row = of_england(FOUR, [total(ENGLAND, 104.0), *REGIONS, total(None, 3.0, role="unallocated")])
    assert parts(row) == {"unallocated": 4.0}
    assert row["evidence"].endswith("; its 2 region totals add to 100; rows without a place: 3")


def test_incomplete_tiers_are_not_evidence_of_unallocated_figures() -> None:
    assert parts(of_england(FOUR, [total(ENGLAND, 104.0), REGIONS[0]])) == {"remainder": 4.0}
    assert parts(of_england(FOUR[:3], [total(ENGLAND, 104.0), *REGIONS])) == {"missing_places": 44.0}
    other = [{**REGIONS[0], "period_start": date(2022, 1, 1)}, REGIONS[1]]
    assert parts(of_england(FOUR, [total(ENGLAND, 104.0), *other])) == {"remainder": 4.0}
    # Regions that add to the total or more leave nothing unallocated.
    assert parts(of_england(FOUR, [total(ENGLAND, 100.0), *REGIONS])) == {}
    row = of_england(FOUR, [total(ENGLAND, 98.0), *REGIONS])
    assert (parts(row), row["evidence"]) == ({"remainder": -2.0}, "4 of 4 places have a figure")


@pytest.mark.parametrize(
    ("value", "expected"), [(107.5, {"rounding": 7.5}), (108.0, {"unallocated": 8.0}), (100.0, {})]
)
def test_difference_within_rounding_is_not_unallocated(value: float, expected: Row) -> None:
    # Two regions and their total, 2.5 each.
    assert parts(of_england(FOUR, [total(ENGLAND, value), *REGIONS], declared({"rounding": 5}))) == expected


def test_next_tier_is_the_complete_one_with_the_largest_places() -> None:
    counties = {f"E1000000{n}": place for n, place in enumerate("abcd")}
    totals = [total(code, 10.0 * (n + 1)) for n, code in enumerate(counties)]
    member = {**MEMBER, **counties}
    for given in ([*REGIONS, *totals], [*totals, *REGIONS]):
        row = of_england(FOUR, [total(ENGLAND, 104.0), *given], member=member)
        assert (parts(row), row["evidence"].split("; ")[1]) == (
            {"unallocated": 4.0},
            "its 2 region totals add to 100",
        )
    row = of_england(FOUR, [total(ENGLAND, 105.0), REGIONS[0], *totals], member=member)
    assert (parts(row), row["evidence"].split("; ")[1]) == ({"unallocated": 5.0}, "its 4 county totals add to 100")


def test_totals_of_the_same_places_are_compared_with_each_other() -> None:
    actual = apart(
        [*FOUR, seen("w", 5.0)], [total(UNITED_KINGDOM, 107.0), total(ENGLAND, 101.0), total("W92000004", 5.0)]
    )
    # 107 in the United Kingdom, 106 in its nations, 105 in their places.
    assert {row["place_code"]: parts(row) for row in actual} == {
        UNITED_KINGDOM: {"unallocated": 1.0, "remainder": 1.0}, ENGLAND: {"remainder": 1.0}, "W92000004": {},
    }  # fmt: skip


OLD = "E07000099"
REGISTER = [{"place_code": OLD, "nation": "England", "region_code": R}, {"place_code": "a", "nation": "England"}]


def became(*codes: str) -> list[Row]:
    return [{"from_code": OLD, "to_code": code, "kind": "recoded", "changed_on": date(2020, 4, 1)} for code in codes]


def old(value: float | None = 7.0, **more: Any) -> Row:
    return total(OLD, value, role="retired_code", **{"tier": "lad", **more})


@pytest.mark.parametrize(
    ("observed", "change", "counted"),
    [
        # The successor has a row, none, a suppressed one, one in another period, or one a year before, or is absent.
        ([seen("a", 10.0)], became("a"), False), ([seen("b", 3.0)], became("a"), True),
        ([seen("a", None, 1.0, 4.0), seen("b", 3.0)], became("a"), True),
        ([seen("a", 10.0, year=2022), seen("b", 3.0)], became("a"), True),
        ([seen("a+b", 10.0)], became("a"), False), ([seen("b", 3.0)], [], True),
        # Both, one or none of two successors has a figure.
        ([seen("a", 5.0), seen("b", 5.0)], became("a", "b"), False), ([seen("b", 3.0)], became("a", "b"), True),
        ([seen("c", 3.0), seen("a", None)], became("a", "b"), True),
    ],
)  # fmt: skip
def test_old_code_counts_unless_every_successor_has_a_figure(
    observed: list[Row], change: list[Row], counted: bool
) -> None:
    totals = [total(R, 20.0), total(ENGLAND, 20.0), old()]
    actual = apart([*observed, seen("d", 0.0)], totals, None, REGISTER, change)
    result = {row["place_code"]: row["retired_codes"] for row in actual if row["period_start"].year == 2023}
    assert result[ENGLAND] == (7.0 if counted else 0.0)
    assert result.get(R, result[ENGLAND]) == result[ENGLAND]


def test_old_codes_add_within_their_last_larger_places() -> None:
    other = "E07000098"
    register = [
        {"place_code": OLD, "nation": "England", "region_code": S}, *REGISTER,
        {"place_code": other, "nation": "England", "region_code": S},
    ]  # fmt: skip
    totals = [total(R, 40.0), total(S, 73.0), total(ENGLAND, 110.0), old(), old(None), old(7.0, year=2022),
              total(other, 3.0, role="retired_code")]  # fmt: skip
    actual = {row["place_code"]: parts(row) for row in apart(FOUR, totals, None, register)}
    assert actual == {
        R: {"retired_codes": 7.0, "remainder": 3.0}, S: {"retired_codes": 3.0}, ENGLAND: {"retired_codes": 10.0}
    }  # fmt: skip


def test_unrelated_measures_and_order_of_rows_are_irrelevant() -> None:
    observed = [seen("a", 10.0), seen("b", None, 1.0, 4.0), seen("c", 30.0), seen("d", 40.0)]
    totals = [total(ENGLAND, 90.0), total(R, 12.0), total(S, 71.0), total(None, 2.0, role="unallocated")]
    source = declared(None, ("m", "n"))
    expected = apart(observed, totals, source)
    assert [parts(row) for row in expected] == [
        {"suppressed": 3.0, "unallocated": 7.0}, {"suppressed": 2.0}, {"remainder": 1.0}
    ]  # fmt: skip
    more = [*observed[::-1], seen("a", 1.0, measure="n"), seen("b", 1.0, measure="n")]
    actual = apart(more, [*totals[::-1], total(R, 9.0, measure="n")], source)
    assert [row for row in actual if row["measure"] == "m"] == expected
    assert len(actual) == 4
