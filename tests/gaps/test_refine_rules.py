"""Cells looked at again: wider reasons for places without a row, and figures withheld where they are in doubt."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.apportionment import MAPPED_FIGURE
from pipelines.core.periods import ReferencePeriod, whole_months
from pipelines.core.schema import PLACE_COLUMNS, table_from_records
from pipelines.gaps.refine import (
    mark_absent_rows,
    mark_longer_periods,
    mark_places_outside,
    mark_places_outside_extracts,
    refine_gaps,
    withhold_implausible,
)
from pipelines.observations.totals import TOTAL
from tests.gaps.plain import measure_of

Y23, Y22 = whole_months(2023, 1, 12), whole_months(2022, 1, 12)
KEY = ["measure", "period_start", "to_code"]


def system_of(**places: tuple[str | None, str | None, str]) -> pl.DataFrame:
    """Make places, each with its county, its region and its nation."""
    return table_from_records(
        [{"place_code": code, "place_name": code, "kind": "lad", "parent_code": county, "region_code": region,
          "nation": nation} for code, (county, region, nation) in places.items()],
        PLACE_COLUMNS,
    )  # fmt: skip


E, W = "England", "Wales"
PLACES = system_of(
    E07000001=("E10000001", "E12000001", E), E07000002=("E10000001", "E12000001", E),
    E07000003=("E12000001", "E12000001", E), E07000004=("E12000002", "E12000002", E),
    W06000001=("W92000004", None, W), W06000002=("W92000004", None, W),
)  # fmt: skip
A, B, C, D, F, G = PLACES["place_code"]


def row(place: str, value: float | None = 5.0, reason: str | None = None, measure: str = "m", of: ReferencePeriod = Y23, **said: Any) -> dict[str, Any]:  # fmt: skip  # noqa: E501
    about = {"measure": measure, "period_start": of.start, "period_end": of.end, "to_code": place, "value": value,
             "reason": reason, "evidence": reason and "told", "source": "s", "release": "r", "unit": "things",
             "released_at": date(2024, 5, 1), "file": "f.csv"}  # fmt: skip
    return {**about, **said}


def none(place: str, reason: str = "not_returned", **said: Any) -> dict[str, Any]:
    return row(place, None, reason, **said)


def total(place: str, value: float | None = 77.0, of: ReferencePeriod = Y23, **said: Any) -> dict[str, Any]:
    about = {"role": "total", "measure": "m", "place_code": place, "place_label": f"The {place}", "value": value,
             "period_start": of.start, "period_end": of.end, "release": "r"}  # fmt: skip
    return {**about, **said}


def wider(
    placed: list[dict[str, Any]], totals: list[dict[str, Any]] | None = None, system: pl.DataFrame = PLACES
) -> pl.DataFrame:
    actual = refine_gaps(
        table_from_records(placed, MAPPED_FIGURE), table_from_records(totals or [], TOTAL), system, "lad_2019"
    )
    assert actual.columns == list(MAPPED_FIGURE)
    return actual


def reasons_by_code(*given: Any, **said: Any) -> dict[str, tuple[str | None, str | None]]:
    actual = wider(*given, **said)
    assert actual["to_code"].is_unique().all()
    return {code: (reason, why) for code, reason, why in actual.select("to_code", "reason", "evidence").iter_rows()}


EVERYONE = [row(code) for code in (A, B, C, D, F, G)]


def everyone(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    named = {item["to_code"] for item in changed}
    return [*changed, *(item for item in EVERYONE if item["to_code"] not in named)]


def test_places_that_have_a_row_stay_as_they_are() -> None:
    placed = table_from_records(
        everyone(none(A, "suppressed"), row(B, lower_bound=1.0, upper_bound=9.0, caveats="flagged")), MAPPED_FIGURE
    )
    actual = refine_gaps(
        placed, table_from_records([total("E10000001"), total("W92000004")], TOTAL), PLACES, "lad_2019"
    )
    assert_frame_equal(actual, placed)


def test_place_without_a_source_area_gets_a_row_in_each_slice() -> None:
    actual = wider([item for item in EVERYONE if item["to_code"] != C])
    lost = {**none(C, "membership_not_loaded"), "evidence": "no area of lad_2019 maps to this place"}
    assert_frame_equal(
        actual, table_from_records([*(item for item in EVERYONE if item["to_code"] != C), lost], MAPPED_FIGURE)
    )


def test_each_slice_is_completed_and_none_is_invented() -> None:
    other = [row(code, measure="n", of=Y22) for code in (A, B, C, D, F)]
    actual = wider([*EVERYONE, *other]).filter(pl.col("reason").is_not_null())
    assert actual.select(KEY).rows() == [("n", Y22.start, G)]
    assert wider([*EVERYONE, *other]).height == 12


LEFT_OUT = "no place in Wales has a row in any of the {} stored periods; other nations have rows"


@pytest.mark.parametrize("reason", ["not_returned", "membership_not_loaded"])
def test_nation_without_a_row_in_any_period_is_not_covered(reason: str) -> None:
    for order in (1, -1):
        actual = reasons_by_code(everyone(none(F, reason), none(G))[::order])
        assert actual[F] == actual[G] == ("nation_not_covered", LEFT_OUT.format(1))
        assert actual[A] == (None, None)


def test_row_of_another_measure_does_not_cover_a_nation() -> None:
    older = [row(code, of=Y22) for code in (A, B, C, D, F)]
    actual = wider([*everyone(none(F), none(G)), *older, none(G, of=Y22)])
    assert actual.filter(pl.col("to_code") == G)["reason"].to_list() == ["not_returned"] * 2
    empty = [none(F, of=Y22), none(G, of=Y22)]
    beside = [row(code, measure="n") for code in (A, B, C, D, F, G)]
    actual = wider([*everyone(none(F), none(G)), *older[:4], *empty, *beside])
    assert actual.filter(pl.col("reason").is_not_null()).select("measure", "reason", "evidence").unique().rows() == [
        ("m", "nation_not_covered", LEFT_OUT.format(2))
    ]


def test_nation_with_a_suppressed_figure_is_covered() -> None:
    assert reasons_by_code(everyone(none(F, "suppressed"), none(G)))[G] == ("not_returned", "told")
    assert reasons_by_code(everyone(none(F), none(A)))[A] == ("not_returned", "told")


def test_no_nation_is_uncovered_if_no_place_has_a_row() -> None:
    actual = reasons_by_code([none(code) for code in (A, B, C, D, F, G)])
    assert set(actual.values()) == {("not_returned", "told")}
    assert len(actual) == 6


def test_place_without_a_nation_is_not_marked_uncovered() -> None:
    places = PLACES.with_columns(pl.when(pl.col("nation") == E).then("nation").alias("nation"))
    assert reasons_by_code(everyone(none(F), none(G)), system=places)[F] == ("not_returned", "told")


GIVEN = "published for The {} as a whole (77), but for none of its {} places"


def test_county_figure_is_named_in_the_gap_of_each_district() -> None:
    actual = reasons_by_code(everyone(none(A), none(B, "membership_not_loaded")), [total("E10000001")])
    assert actual[A] == actual[B] == ("coarser_only", GIVEN.format("E10000001", 2))
    assert actual[C] == (None, None)


def test_smallest_larger_place_is_named_whatever_the_order() -> None:
    totals = [total("E12000001"), total("E10000001"), total("K02000001"), total("E92000001")]
    placed = everyone(none(A), none(B), none(C))
    for order in (1, -1):
        actual = reasons_by_code(placed[::order], totals[::order])
        assert actual[A] == ("coarser_only", GIVEN.format("E10000001", 2))
        assert actual[C] == ("coarser_only", GIVEN.format("E12000001", 3))


def test_national_figure_gives_coarser_only_and_not_uncovered() -> None:
    actual = reasons_by_code(everyone(none(F), none(G)), [total("W92000004", 77.256)])
    assert actual[F] == actual[G] == (
        "coarser_only", "published for The W92000004 as a whole (77.26), but for none of its 2 places",
    )  # fmt: skip


@pytest.mark.parametrize(
    "totals",
    [
        [total("E10000001", None)],  # it has no figure itself
        [total("E10000001", role="unallocated")],  # it is no total
        [total("E10000001", of=Y22)],  # of another year
        [total("E10000001", measure="n")],  # of another measure
        [total("E10000001", release="older")],  # of another release
        [total("E12000001")],  # its region, of which a place has a row
        [total("K02000001")],  # above the nations
        [],
    ],
)
def test_no_other_total_explains_a_place_without_a_row(totals: list[dict[str, Any]]) -> None:
    assert reasons_by_code(everyone(none(A), none(B)), totals)[A] == ("not_returned", "told")


@pytest.mark.parametrize("sister", [row(B), none(B, "suppressed")])
def test_where_a_sister_has_a_row_the_county_explains_nothing(sister: dict[str, Any]) -> None:
    assert reasons_by_code(everyone(none(A), sister), [total("E10000001")])[A] == ("not_returned", "told")


def test_county_figure_explains_only_its_own_years() -> None:
    older = [row(code, of=Y22) for code in (C, D, F, G)]
    actual = wider([*everyone(none(A), none(B)), *older, none(A, of=Y22), none(B, of=Y22)], [total("E10000001")])
    assert actual.filter(pl.col("to_code") == A).select("period_start", "reason").rows() == [
        (Y23.start, "coarser_only"), (Y22.start, "not_returned"),
    ]  # fmt: skip


MEASURES = {
    "m": measure_of("count"), "stock": measure_of(), "rate": measure_of("rate"),
    "signed": measure_of(range=(-9.0, 9.0)),
    "net": measure_of("count"),
}  # fmt: skip
INTERVAL = {"interval_lower": 4.0, "interval_upper": 6.0, "interval_level": 95.0, "interval_source": "published"}
GONE: dict[str, Any] = {
    **dict.fromkeys(INTERVAL),
    "value": None,
    "lower_bound": None,
    "upper_bound": None,
    "partial": None,
}


def doubted(caveats: str | None, **said: Any) -> dict[str, Any]:
    about = {
        "lower_bound": 4.5,
        "upper_bound": 5.5,
        "partial": 3.0,
        **INTERVAL,
        "caveats": caveats,
        "caveat_evidence": "doubt",
    }
    return row(A, **{**about, **said})


def taken_out(*placed: dict[str, Any]) -> list[dict[str, Any]]:
    actual = withhold_implausible(table_from_records(list(placed), MAPPED_FIGURE), MEASURES)
    return actual.select([name for name in MAPPED_FIGURE if name in {*placed[0], *GONE}]).to_dicts()


def expected(given: dict[str, Any], **changed: Any) -> list[dict[str, Any]]:
    return (
        table_from_records([{**given, **changed}], MAPPED_FIGURE)
        .select([n for n in MAPPED_FIGURE if n in {*given, *GONE}])
        .to_dicts()
    )


@pytest.mark.parametrize(
    ("doubt", "measure", "low", "high"),
    [
        *((doubt, measure, low, None) for doubt in ("suspected_zero", "near_zero_leak", "partial_return", "low_reach")
          for measure, low in (("m", 5.0), ("stock", 5.0), ("rate", None), ("signed", None))),
        ("combined_area", "m", None, 5.0), ("combined_area", "rate", None, None),
        ("combined_area", "signed", None, None),
        ("unit_change", "m", None, None),
    ],
)  # fmt: skip
def test_implausible_figure_is_withheld_and_a_count_keeps_its_bound(
    doubt: str, measure: str, low: float | None, high: float | None
) -> None:
    given = doubted(f"rounded,{doubt}", measure=measure)
    result = {"reason": doubt, "evidence": "5 withheld: doubt"}
    assert taken_out(given) == expected(given, **{**GONE, **result, "lower_bound": low, "upper_bound": high})


def test_measure_with_negative_figures_has_no_bounds() -> None:
    given = doubted("partial_return", measure="net")
    below = row(B, -1.0, measure="net")
    actual = taken_out(given, below)
    assert (actual[0]["reason"], actual[0]["lower_bound"], actual[0]["upper_bound"]) == ("partial_return", None, None)
    assert actual[1]["value"] == -1.0


@pytest.mark.parametrize(
    "caveats",
    [None, "", "rounded,conflict", "flagged,partial_return", "unit_change,corrected", "corrected,flagged,low_reach"],
)
def test_figure_with_a_minor_or_reviewed_flag_is_not_withheld(caveats: str | None) -> None:
    given = doubted(caveats)
    assert taken_out(given) == expected(given)


def test_most_serious_flag_is_the_reason_with_default_evidence() -> None:
    given = doubted("near_zero_leak,low_reach,unit_change", caveat_evidence=None, value=5.256)
    result = {"reason": "low_reach", "evidence": "5.26 withheld: flagged"}
    assert taken_out(given) == expected(given, **{**GONE, **result, "lower_bound": 5.256})


def test_gap_has_its_own_reason_and_bounds() -> None:
    given = doubted("low_reach", value=None, reason="suppressed", evidence="told")
    assert taken_out(given) == expected(given)


def test_only_the_flagged_row_changes() -> None:
    given = [doubted("rounded"), doubted("low_reach", to_code=B), doubted(None, to_code=C)]
    actual = taken_out(*given)
    assert [item["reason"] for item in actual] == [None, "low_reach", None]
    assert [actual[0], actual[2]] == [*expected(given[0]), *expected(given[2])]


def longer(*placed: dict[str, Any]) -> list[tuple[str, int, str | None, str | None]]:
    """Mark longer periods; return place, month of the start, reason and evidence."""
    frame = table_from_records(list(placed), MAPPED_FIGURE)
    actual = mark_longer_periods(frame)
    unchanged = [name for name in frame.columns if name not in ("reason", "evidence")]
    assert actual.columns == frame.columns and actual.select(unchanged).equals(frame.select(unchanged))
    return actual.select("to_code", pl.col("period_start").dt.month(), "reason", "evidence").rows()


APRIL, SPRING, HALF = whole_months(2023, 4, 1), whole_months(2023, 4, 3), whole_months(2023, 1, 6)
ABSENT = ("not_returned", "told")


def test_place_without_a_month_names_the_shortest_longer_period_with_a_figure() -> None:
    rows = [none(A, of=APRIL), none(B, of=APRIL), row(C, of=APRIL), row(A, 300.5, of=SPRING), row(A, 900.0, of=Y23),
            row(B, 600.0, of=HALF), row(B, 900.0, of=Y23), none(B, of=SPRING), row(C, 3.0, of=SPRING)]  # fmt: skip
    assert longer(*rows)[:3] == longer(*rows[:3], *rows[:2:-1])[:3]
    actual = {(code, month, reason): why for code, month, reason, why in longer(*rows)}
    assert actual[A, 4, "coarser_period"].startswith("published for ")
    assert actual[A, 4, "coarser_period"].endswith("(300.5), for a longer period")
    assert actual[B, 4, "coarser_period"].endswith("(600), for a longer period")
    assert (C, 4, None) in actual


@pytest.mark.parametrize("order", [1, -1])
def test_of_rolling_quarters_with_the_month_the_first_is_named(order: int) -> None:
    quarters = [row(A, float(month), of=whole_months(2023, month, 3)) for month in (1, 2, 3, 4, 5)]
    (_, _, reason, why), *_ = longer(none(A, of=APRIL), *quarters[::order])
    assert (reason, why) == (
        "coarser_period", "published for February 2023 to April 2023 (2), for a longer period"
    )  # fmt: skip


def test_longer_period_has_the_same_days_measure_and_place() -> None:
    others = [row(A, of=Y22), row(B, of=Y23), row(A, of=Y23, measure="n"), none(A, of=Y23),
              row(A, of=APRIL, measure="n"), row(A, of=whole_months(2023, 5, 3))]  # fmt: skip
    for other in others:
        assert longer(none(A, of=APRIL), other)[0] == (A, 4, *ABSENT)
    for span in (whole_months(2023, 4, 2), whole_months(2023, 3, 2), Y23):
        assert longer(none(A, of=APRIL), row(A, of=span))[0][2] == "coarser_period"


def test_other_gaps_are_not_explained_by_a_longer_period() -> None:
    assert longer(none(A, "suppressed", of=APRIL), row(A, of=Y23))[0] == (A, 4, "suppressed", "told")
    assert longer(none(A, of=APRIL))[0] == (A, 4, *ABSENT)


def test_place_without_a_row_in_an_extract_is_not_loaded() -> None:
    rows = [none(A), none(B, file="whole.csv"), none(C, "suppressed"), row(D)]
    actual = mark_places_outside_extracts(table_from_records(rows, MAPPED_FIGURE), ["f.csv", "g.csv"])
    assert actual.select("to_code", "reason", "evidence").rows() == [
        (A, "not_loaded", "f.csv is an extract with some of the publisher's places, without this one"),
        (B, *ABSENT), (C, "suppressed", "told"), (D, None, None),
    ]  # fmt: skip


def test_place_without_a_row_in_any_slice_is_outside_the_source() -> None:
    rows = [none(A), none(A, of=Y22), none(B), row(B, of=Y22), none(C), none(C, "suppressed", of=Y22), row(D)]
    actual = mark_places_outside(table_from_records(rows, MAPPED_FIGURE))
    text = "no row in any of 2 stored periods; the places of the source are those in its files"
    assert actual.columns == list(MAPPED_FIGURE)
    assert actual.select("to_code", "reason", "evidence").rows() == [
        (A, "outside_source", text), (A, "outside_source", text), (B, *ABSENT), (B, None, None), (C, *ABSENT),
        (C, "suppressed", "told"), (D, None, None),
    ]  # fmt: skip


def test_absent_row_has_the_declared_meaning_and_other_gaps_stay() -> None:
    rows = [none(A), none(B, "suppressed"), row(C)]
    actual = mark_absent_rows(table_from_records(rows, MAPPED_FIGURE), "none_or_not_reported")
    assert actual.select("to_code", "reason", "evidence").rows() == [
        (A, "none_or_not_reported", "told; the file has no row for a place with none"),
        (B, "suppressed", "told"), (C, None, None),
    ]  # fmt: skip


def test_row_is_added_only_in_slices_with_fewer_rows_than_places() -> None:
    whole = [row(code) for code in (A, B, C, D, F, G)]
    assert len(wider(whole)) == 6
    assert len(wider([*whole, row(A, of=Y22)])) == 12
