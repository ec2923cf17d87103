"""Rules of completeness: which returns are due, their state, their volume, and their sums."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from checks.flags import PLAUSIBILITY_FLAG
from pipelines.core.schema import CODE_CHANGE_COLUMNS, OBSERVATION_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.declarations.source import Source
from pipelines.observations.returns import (
    COMPLETENESS,
    PROVIDER_RETURN,
    count_returns,
    newest_periods,
    summarise_completeness,
)

A, B, C = "E23000001", "E23000002", "E23000003"
Row = dict[str, Any]


def declared(names: tuple[str, ...] = ("m",), measure: Row | None = None, roll: str = "every", **given: Any) -> Source:
    one = {"title": "c", "unit": "crimes", "kind": "count", "column": "n", **(measure or {})}
    return Source.model_validate(
        {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "pfa_2023",
         "cadence": "monthly, 1 month later", "coverage": ["England"], "columns": {"place": "c", "period": "d"},
         "returns": {"providers": "forces", "expected": roll}, "measures": dict.fromkeys(names, one), **given},
        strict=False,
    )  # fmt: skip


def month(number: int) -> dict[str, date]:
    last = date(2023, number + 1, 1) - timedelta(days=1)
    return {"period_start": date(2023, number, 1), "period_end": last}


def row(code: str, number: int, value: float | None, **more: Any) -> Row:
    """Build a figure of a month, published on the 20th of the next month."""
    order = more.pop("order", 0)
    return {"source": "s", "measure": "m", "place_code": code, "value": value, "order": order,
            "released_at": date(2023, number + 1, 20), "obs_status": "normal" if value is not None else "confidential",
            **month(number), **more}  # fmt: skip


def force(code: str, **more: Any) -> Row:
    return {"place_code": code, "place_name": f"Force {code[-1]}", "nation": "England", "kind": "pfa", **more}


FORCES = [force(A), force(B), force(C)]


def tabulate_returns(
    cells: list[Row],
    doubted: list[Row] | None = None,
    people: dict[str, float] | None = None,
    roll: list[Row] | None = None,
    change: list[Row] | None = None,
    source: Source | None = None,
) -> pl.DataFrame:
    order = pl.Series("order", [item["order"] for item in cells], pl.Int64)
    return count_returns(
        table_from_records(cells, OBSERVATION_COLUMNS).with_columns(order),
        table_from_records([{"measure": "m", "withheld": True, **item} for item in doubted or []], PLAUSIBILITY_FLAG),
        source or declared(),
        table_from_records(roll or FORCES, PLACE_COLUMNS),
        pl.DataFrame(list((people or {}).items()), {"place_code": pl.String, "people": pl.Float64}, orient="row"),
        table_from_records(change or [], CODE_CHANGE_COLUMNS),
    )


def of(actual: pl.DataFrame, name: str, number: int | None = None, measure: str = "m") -> Row:
    mine = actual.filter(pl.col("measure") == measure)
    if number:
        mine = mine.filter(pl.col("period_start") == month(number)["period_start"])
    codes = mine["place_code"].to_list()
    assert len(codes) == len(set(codes)) or not number
    return dict(mine.select("place_code", name).iter_rows())


WHOLE = [row(code, n, value * n) for n in (1, 2, 3) for code, value in ((A, 900.0), (B, 90.0), (C, 10.0))]


def without(code: str, number: int) -> list[Row]:
    return [item for item in WHOLE if (item["place_code"], item["period_start"].month) != (code, number)]


def test_return_has_every_column_and_a_missing_one_has_a_row() -> None:
    actual = tabulate_returns([row(A, 1, 900.0), row(B, 1, 90.0)], people={A: 9000.0, B: 900.0, C: 100.0})
    first = {"source": "s", "measure": "m", "returned_by": "forces", "place_code": A, "place_name": "Force 1",
             **month(1), "due_on": date(2023, 3, 2), "state": "returned", "first_released": date(2023, 2, 20),
             "on_time": True, "value": 900.0, "volume_due": 900.0}  # fmt: skip
    last = {**first, "place_code": C, "place_name": "Force 3", "state": "not_returned", "first_released": None,
            "on_time": False, "value": None, "volume_due": 10.0}  # fmt: skip
    second = {**first, "place_code": B, "place_name": "Force 2", "value": 90.0, "volume_due": 90.0}
    assert actual.to_dicts() == [first, second, last]
    assert actual.columns == list(PROVIDER_RETURN)


def test_rows_are_ordered_by_measure_period_and_provider() -> None:
    source = declared(("n", "m"))
    cells = [*WHOLE, *({**item, "measure": "n"} for item in WHOLE)]
    actual = tabulate_returns(cells, source=source)
    key = ["measure", "period_start", "place_code"]
    assert_frame_equal(actual, actual.sort(key))
    assert actual.height == 18
    assert_frame_equal(tabulate_returns(cells[::-1], source=source, roll=FORCES[::-1]), actual)


@pytest.mark.parametrize(("kind", "height"), [("count", 9), ("stock", 9), ("index", 0), ("median", 0)])
def test_only_counts_and_stocks_have_a_volume_due(kind: str, height: int) -> None:
    assert tabulate_returns(WHOLE, source=declared(measure={"kind": kind})).height == height


def test_source_without_returns_or_figures_has_none() -> None:
    silent = declared().model_copy(update={"returns": None})
    for actual in (tabulate_returns(WHOLE, source=silent), tabulate_returns([])):
        assert (actual.height, actual.columns) == (0, list(PROVIDER_RETURN))
        assert (summarise_completeness(actual).height, summarise_completeness(actual).columns) == (
            0,
            list(COMPLETENESS),
        )


@pytest.mark.parametrize(
    ("status", "value", "state"),
    [("normal", 5.0, "returned"), ("provisional", 5.0, "returned"), ("confidential", None, "hidden"),
     ("low", None, "hidden"), ("not_available", None, "not_returned")],
)  # fmt: skip
def test_state_of_a_return(status: str, value: float | None, state: str) -> None:
    actual = tabulate_returns([*without(C, 1), row(C, 1, value, obs_status=status)])
    assert of(actual, "state", 1) == {A: "returned", B: "returned", C: state}
    assert of(actual, "value", 1)[C] == value


def test_figure_that_is_not_applicable_is_not_due_in_that_period() -> None:
    actual = tabulate_returns([*without(C, 1), row(C, 1, None, obs_status="not_applicable")])
    assert (set(of(actual, "state", 1)), set(of(actual, "state", 2))) == ({A, B}, {A, B, C})


def test_only_a_withheld_figure_is_a_partial_return() -> None:
    doubted = [{"place_code": A, **month(1)}, {"place_code": A, **month(1), "reason": "again"},
               {"place_code": B, **month(1), "withheld": False}, {"place_code": C, **month(1), "measure": "n"},
               {"place_code": C, **month(2)}]  # fmt: skip
    actual = tabulate_returns(WHOLE, doubted)
    assert of(actual, "state", 1) == {A: "partial", B: "returned", C: "returned"}
    assert of(actual, "state", 2) == {A: "returned", B: "returned", C: "partial"}
    # A missing return is not partial, even with a plausibility flag; a suppressed one with a flag is.
    assert of(tabulate_returns(without(C, 2), doubted), "state", 2)[C] == "not_returned"
    assert of(tabulate_returns([*without(C, 2), row(C, 2, None)], doubted), "state", 2)[C] == "partial"


def test_period_without_any_return_is_not_due() -> None:
    actual = tabulate_returns([*WHOLE, row(A, 4, None, obs_status="not_available")])
    assert actual["period_start"].dt.month().unique().sort().to_list() == [1, 2, 3]


def test_provider_with_two_rows_is_due_once() -> None:
    """Its own figure and a combined one, and two rows on the roll under two names."""
    cells = [row(A, 1, 900.0), row(f"{A}+{B}", 1, 990.0), row(C, 1, 10.0)]
    actual = tabulate_returns(cells, roll=[force(A, place_name="Old"), *FORCES])
    assert actual.select("place_code", "place_name", "state", "value").rows() == [
        (A, "Force 1", "returned", 900.0), (B, "Force 2", "returned", 990.0), (C, "Force 3", "returned", 10.0)
    ]  # fmt: skip
    period = summarise_completeness(actual).filter(pl.col("scope") == "period").row(0, named=True)
    assert (period["due"], period["returned"]) == (3, 3)


def test_newest_release_gives_figures_and_first_release_gives_timeliness() -> None:
    later = {"order": 1, "released_at": date(2023, 6, 20)}
    cells = [row(A, 1, 900.0), row(B, 1, 90.0), row(A, 1, 950.0, **later), row(C, 1, 10.0, **later)]
    for item in (cells, cells[::-1]):
        actual = tabulate_returns(item)
        assert of(actual, "value", 1) == {A: 950.0, B: None, C: 10.0}
        assert of(actual, "state", 1) == {A: "returned", B: "not_returned", C: "returned"}
        assert of(actual, "first_released", 1) == {A: date(2023, 2, 20), B: date(2023, 2, 20), C: date(2023, 6, 20)}
        assert of(actual, "on_time", 1) == {A: True, B: True, C: False}


@pytest.mark.parametrize(
    ("day", "in_time"), [(date(2023, 3, 1), True), (date(2023, 3, 2), True), (date(2023, 3, 3), None)]
)
def test_return_is_in_time_by_its_due_day_or_timeliness_is_unknown(day: date, in_time: bool | None) -> None:
    actual = tabulate_returns([row(A, 1, 900.0, released_at=day), row(B, 1, 9.0, released_at=day)])
    assert of(actual, "on_time", 1) == {A: in_time, B: in_time, C: False}
    assert of(actual, "due_on", 1)[A] == date(2023, 3, 2)
    unknown = tabulate_returns([row(A, 1, 900.0, released_at=day)], source=declared(cadence="monthly"))
    assert of(unknown, "on_time", 1) == {A: None, B: False, C: False}
    assert unknown["due_on"].to_list() == [None] * 3


def test_first_release_of_a_period_is_separate_for_each_measure() -> None:
    source = declared(("m", "n"))
    cells = [row(A, 1, 1.0), row(A, 2, 1.0), row(A, 1, 1.0, measure="n", released_at=date(2023, 2, 1))]
    actual = tabulate_returns(cells, source=source)
    assert [of(actual, "on_time", number, name)[A] for name, number in (("m", 1), ("m", 2), ("n", 1))] == [True] * 3


@pytest.mark.parametrize(
    ("given", "months"),
    [
        ({"valid_to": date(2023, 1, 31)}, [1]), ({"valid_to": date(2023, 1, 30)}, []),
        ({"valid_to": date(2023, 2, 28)}, [1, 2]), ({"valid_from": date(2023, 2, 28)}, [2, 3]),
        ({"valid_from": date(2023, 3, 1)}, [3]), ({"valid_from": date(2023, 2, 1), "valid_to": date(2023, 3, 1)}, [2]),
        ({}, [1, 2, 3]), ({"nation": None}, [1, 2, 3]), ({"nation": "Wales"}, []),
    ],
)  # fmt: skip
def test_provider_is_due_for_periods_that_end_while_its_code_is_in_use(given: Row, months: list[int]) -> None:
    actual = tabulate_returns(
        [item for item in WHOLE if item["place_code"] != C], roll=[force(A), force(B), force(C, **given)]
    )
    mine = actual.filter(pl.col("place_code") == C)
    assert mine["period_start"].dt.month().to_list() == months
    assert actual.filter(pl.col("place_code") == A).height == 3


def test_roll_of_seen_providers_starts_at_their_first_period() -> None:
    source = declared(("m", "n"), roll="seen")
    cells = [row(A, 1, 9.0), row(A, 2, 9.0), row(A, 3, 9.0), row(B, 2, 9.0), row(A, 1, 9.0, measure="n")]
    actual = tabulate_returns(cells, source=source)
    assert [of(actual, "state", number) for number in (1, 2, 3)] == [
        {A: "returned"}, {A: "returned", B: "returned"}, {A: "returned", B: "not_returned"}
    ]  # fmt: skip
    assert of(actual, "state", 1, "n") == {A: "returned"}
    ended = tabulate_returns(cells, source=source, roll=[force(A), force(B, valid_to=date(2023, 3, 1))])
    assert of(ended, "state", 3) == {A: "returned"}


@pytest.mark.parametrize(
    ("came", "end", "due"),
    [
        # The successor returned; neither did; the provider did; both did.
        ([B], 28, {B}), ([C], 28, {A, B, C}), ([A], 28, {A, B}), ([A, B], 28, {A, B}),
        # If it ended on another day, only that day matters.
        ([B], 27, {B}),
    ],
)  # fmt: skip
def test_provider_that_ended_with_the_period_is_exempt_if_its_successor_returned(
    came: list[str], end: int, due: set[str]
) -> None:
    roll = [
        force(A, valid_to=date(2023, 2, end)),
        force(B),
        force(C, valid_from=None if C in came else date(2024, 1, 1)),
    ]
    change = [{"from_code": A, "to_code": B}, {"from_code": A, "to_code": B, "kind": "merged"}]
    actual = tabulate_returns([row(code, 2, 9.0) for code in came], roll=roll, change=change)
    assert set(of(actual, "state", 2)) == due
    # Its later end does not exempt it in the month before.
    earlier = tabulate_returns([row(B, 1, 9.0), *(row(code, 2, 9.0) for code in came)], roll=roll, change=change)
    assert of(earlier, "state", 1) == {A: "not_returned", B: "returned", **({C: "not_returned"} if C in came else {})}


def test_volume_due_is_the_usual_volume_scaled_by_the_change_of_others() -> None:
    actual = tabulate_returns(without(A, 2))
    # The usual volume of A is the median of 900 and 2,700; the others' is their second month.
    assert of(actual, "volume_due", 2) == pytest.approx({A: 1800.0, B: 180.0, C: 20.0})
    # In January all returned half of the usual volume, and in March half as much again.
    assert of(actual, "volume_due", 1) == pytest.approx({A: 900.0, B: 90.0, C: 10.0})
    assert of(actual, "volume_due", 3) == pytest.approx({A: 2700.0, B: 270.0, C: 30.0})


def test_partial_return_affects_neither_usual_volume_nor_change() -> None:
    cells = [*WHOLE, row(A, 4, 1.0), row(B, 4, 360.0), row(C, 4, 40.0)]
    actual = tabulate_returns(cells, [{"place_code": A, **month(4)}])
    # Usual volumes are 1,800, 225 and 25, and the other two returned 400 instead of 250.
    assert of(actual, "volume_due", 4) == pytest.approx({A: 2880.0, B: 360.0, C: 40.0})


def test_volume_of_a_provider_without_returns_comes_from_residents() -> None:
    cells = [item for item in WHOLE if item["place_code"] != A]
    actual = tabulate_returns(cells, people={A: 600.0, B: 900.0, C: 300.0})
    # The others usually return 200 for 1,200 residents, so 100 for 600, halved in January.
    assert of(actual, "volume_due", 2) == pytest.approx({A: 100.0, B: 180.0, C: 20.0})
    assert of(actual, "volume_due", 1) == pytest.approx({A: 50.0, B: 90.0, C: 10.0})
    # Places with only residents or only returns do not affect the ratio.
    assert of(tabulate_returns(cells, people={A: 500.0, B: 900.0}), "volume_due", 2)[A] == pytest.approx(100.0)
    assert of(tabulate_returns(cells, people={B: 900.0}), "volume_due", 2) == {A: None, B: 180.0, C: 20.0}
    assert of(tabulate_returns(cells, people={A: 500.0}), "volume_due", 2)[A] is None
    assert of(tabulate_returns(cells, people={A: 500.0, B: 0.0}), "volume_due", 2)[A] is None


def test_change_is_the_ratio_of_sums_and_not_a_mean_of_ratios() -> None:
    actual = tabulate_returns([*WHOLE, row(B, 4, 90.0), row(C, 4, 120.0)])
    # The usual volume of B is the median of four months, 135, and of C 25, so the ratio is 210 to 160.
    assert of(actual, "volume_due", 4) == pytest.approx({A: 1800 * 210 / 160, B: 135 * 210 / 160, C: 25 * 210 / 160})


@pytest.mark.parametrize("factor", [0.0001, 1000.0])
def test_volumes_are_in_the_unit_of_the_figures(factor: float) -> None:
    people = {A: 600.0, B: 900.0, C: 300.0}
    plain = tabulate_returns(without(A, 2), people=people)
    scaled = [{**item, "value": item["value"] * factor} for item in without(A, 2)]
    fewer = {code: count * factor for code, count in people.items()}
    for actual in (tabulate_returns(scaled, people=people), tabulate_returns(scaled, people=fewer)):
        assert actual["volume_due"].to_list() == pytest.approx([item * factor for item in plain["volume_due"]])
        assert summarise_completeness(actual)["reporting_rate"].to_list() == pytest.approx(
            summarise_completeness(plain)["reporting_rate"].to_list()
        )
    never = [item for item in scaled if item["place_code"] != A]
    assert of(tabulate_returns(never, people=fewer), "volume_due", 2)[A] == pytest.approx(100.0 * factor)


def test_each_measure_has_its_own_usual_volume() -> None:
    source = declared(("m", "n"))
    cells = [*without(A, 2), *({**item, "measure": "n", "value": 5.0} for item in WHOLE)]
    actual = tabulate_returns(cells, source=source)
    assert of(actual, "volume_due", 2)[A] == pytest.approx(1800.0)
    assert of(actual, "volume_due", 2, "n") == {A: 5.0, B: 5.0, C: 5.0}


def test_volume_due_is_not_scaled_without_other_returns() -> None:
    cells = [row(A, 1, 8.0), row(B, 2, None), row(B, 1, 0.0)]
    actual = tabulate_returns(cells)
    assert of(actual, "volume_due", 2) == {A: 8.0, B: 0.0, C: None}
    nothing = tabulate_returns([row(A, 1, 0.0), row(B, 1, 0.0)])
    assert of(nothing, "volume_due", 1) == {A: 0.0, B: 0.0, C: None}


def returned(*given: Row) -> pl.DataFrame:
    """Build returns of January; by default complete and in time, with a volume of 10."""
    plain = {"source": "s", "measure": "m", "returned_by": "forces", "state": "returned", "on_time": True,
             "value": 10.0, "volume_due": 10.0, "place_code": A, **month(1)}  # fmt: skip
    return table_from_records(
        [{**plain, "place_name": f"Force {item.get('place_code', A)[-1]}", **item} for item in given], PROVIDER_RETURN
    )


ABSENT: Row = {"state": "not_returned", "on_time": False, "value": None}


def period(*given: Row) -> Row:
    actual = summarise_completeness(returned(*given)).filter(pl.col("scope") == "period")
    assert actual.height == 1
    return actual.row(0, named=True)


def test_summaries_by_period_and_provider_have_every_column() -> None:
    actual = summarise_completeness(
        returned({}, {"place_code": B, **ABSENT, "volume_due": 30.0}, {**month(2), "value": 12.0})
    )
    shared = {"source": "s", "measure": "m", "returned_by": "forces"}
    both = {**shared, "scope": "period", "place_code": None, "place_name": None, "size_unknown": 0}
    item = {**shared, "scope": "provider", "size_unknown": 0}
    assert actual.to_dicts() == [
        {**both, **month(1), "due": 2, "returned": 1, "volume_due": 40.0, "reporting_rate": 0.25,
         "on_time_rate": 0.25, "missing": f"{B} Force 2"},
        {**both, **month(2), "due": 1, "returned": 1, "volume_due": 10.0, "reporting_rate": 1.0,
         "on_time_rate": 1.0, "missing": None},
        {**item, "place_code": B, "place_name": "Force 2", **month(1), "due": 1, "returned": 0, "volume_due": 30.0,
         "reporting_rate": 0.0, "on_time_rate": 0.0, "missing": "2023-01-01"},
        {**item, "place_code": A, "place_name": "Force 1", "period_start": date(2023, 1, 1),
         "period_end": date(2023, 2, 28), "due": 2, "returned": 2, "volume_due": 20.0, "reporting_rate": 1.0,
         "on_time_rate": 1.0, "missing": None},
    ]  # fmt: skip
    assert [{name: row[name] for name in COMPLETENESS} for row in actual.to_dicts()] == actual.to_dicts()


@pytest.mark.parametrize(
    ("given", "rate", "whole"),
    [
        ({}, 1.0, 2), ({"state": "hidden", "value": None}, 1.0, 2), ({"state": "not_returned", "value": None}, 0.5, 1),
        # A partial return counts in part: zero, a quarter, or more than was due.
        ({"state": "partial", "value": 0.0}, 0.5, 1), ({"state": "partial", "value": 2.5}, 0.625, 1),
        ({"state": "partial", "value": 25.0}, 1.0, 2), ({"state": "partial", "value": -5.0}, 0.5, 1),
        ({"state": "partial", "value": 0.0, "volume_due": 0.0}, 1.0, 1),
        # A complete return counts as one, however small.
        ({"value": 1.0}, 1.0, 2),
    ],
)  # fmt: skip
def test_reporting_rate_is_the_share_of_the_volume_due(given: Row, rate: float, whole: int) -> None:
    actual = period({"place_code": B}, given)
    assert (actual["reporting_rate"], actual["returned"], actual["due"]) == (rate, whole, 2)


@pytest.mark.parametrize(("unknown", "known"), [(0, True), (1, True), (2, False)])
def test_rate_is_null_where_over_a_tenth_is_of_unknown_size(unknown: int, known: bool) -> None:
    given = [{"place_code": f"E2300001{n}", "volume_due": None if n < unknown else 10.0} for n in range(10)]
    actual = period(*given)
    assert (actual["reporting_rate"], actual["on_time_rate"]) == ((1.0, 1.0) if known else (None, None))
    assert (actual["size_unknown"], actual["volume_due"], actual["due"]) == (unknown, 10.0 * (10 - unknown), 10)


def test_returns_of_unknown_size_are_in_no_rate() -> None:
    given = [{"place_code": f"E2300001{n}", **({"volume_due": None, **ABSENT} if n == 0 else {})} for n in range(10)]
    actual = period(*given)
    assert (actual["reporting_rate"], actual["on_time_rate"], actual["returned"]) == (1.0, 1.0, 9)
    unsure = [{**item, **({"on_time": None} if n == 0 else {})} for n, item in enumerate(given)]
    assert period(*unsure)["on_time_rate"] == 1.0
    assert period(*unsure, {"on_time": None})["on_time_rate"] is None


def test_rate_is_null_without_a_volume_due() -> None:
    actual = period({"volume_due": 0.0}, {"place_code": B, "volume_due": 0.0})
    assert (actual["reporting_rate"], actual["on_time_rate"], actual["volume_due"]) == (None, None, 0.0)
    # A single return due is enough.
    assert period({"volume_due": 0.0}, {"place_code": B})["reporting_rate"] == 1.0
    assert period({"volume_due": 0.5}, {"place_code": B, "volume_due": 0.0})["reporting_rate"] == 1.0


@pytest.mark.parametrize(
    ("given", "rate"), [({"on_time": False}, 0.75), ({"on_time": None}, None), ({"on_time": True}, 1.0)]
)
def test_timeliness_is_weighted_by_volume_or_unknown(given: Row, rate: float | None) -> None:
    assert period({"volume_due": 30.0, "place_code": B}, given)["on_time_rate"] == rate


def test_up_to_eight_missing_providers_are_listed_largest_first() -> None:
    def missing(count: int) -> str:
        given = [{"place_code": f"E2300001{n}", **ABSENT, "volume_due": float(n + 1)} for n in range(count)]
        return str(period(*given, {})["missing"])

    named = [f"E2300001{n} Force {n}" for n in range(10)]
    assert missing(2) == ", ".join(named[1::-1])
    assert missing(8) == ", ".join(named[7::-1])
    assert missing(9) == ", ".join(named[8:0:-1]) + " and 1 more"
    assert missing(10) == ", ".join(named[9:1:-1]) + " and 2 more"
    # Equal sizes by code, unknown sizes last; suppressed and partial returns are not missing.
    equal = [{"place_code": B, **ABSENT}, {**ABSENT}, {"place_code": C, **ABSENT, "volume_due": None}]
    assert period(*equal)["missing"] == f"{A} Force 1, {B} Force 2, {C} Force 3"
    assert period({"state": "hidden"}, {"place_code": B, "state": "partial"})["missing"] is None


def test_missing_periods_are_listed_by_their_first_day() -> None:
    given = [{**month(n), **(ABSENT if n != 2 else {})} for n in (3, 1, 2)]
    actual = summarise_completeness(returned(*given)).filter(pl.col("scope") == "provider").row(0, named=True)
    assert (actual["missing"], actual["due"], actual["returned"]) == ("2023-01-01, 2023-03-01", 3, 1)
    assert (actual["period_start"], actual["period_end"]) == (date(2023, 1, 1), date(2023, 3, 31))


def test_summaries_list_the_least_complete_first_and_unknown_last() -> None:
    given = [{"place_code": A, **month(1)}, {"place_code": A, **month(2), **ABSENT}, {**month(3), "volume_due": None},
             {**month(4)}, {**month(1), "measure": "l"}]  # fmt: skip
    for item in (given, given[::-1]):
        actual = summarise_completeness(returned(*item)).filter(pl.col("scope") == "period")
        assert actual.select("measure", pl.col("period_start").dt.month(), "reporting_rate").rows() == [
            ("l", 1, 1.0), ("m", 2, 0.0), ("m", 1, 1.0), ("m", 4, 1.0), ("m", 3, None)
        ]  # fmt: skip


def rates(**given: float | None) -> pl.DataFrame:
    """Summarise months m1, m2 ... of a measure with the given rates, and a provider that never returned."""
    actual = [{"scope": "period", "measure": name[0], "reporting_rate": rate, **month(int(name[1:]))}
             for name, rate in given.items()]  # fmt: skip
    never = {"scope": "provider", "measure": "m", "reporting_rate": 0.0, "place_code": A, **month(9)}
    return table_from_records([*actual, never], COMPLETENESS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"m1": 0.5, "m2": 0.2, "m3": 1.0}, [("m", 3), ("m", 2)]),
        ({"m3": 0.1, "m2": 0.9, "m1": 0.95}, [("m", 3), ("m", 2)]),
        # The rest are complete, or unknown for all.
        ({"m1": 1.0, "m2": 1.0, "m3": 0.5}, [("m", 3)]), ({"m1": None, "m2": None, "m3": 0.5}, [("m", 3)]),
        ({"m1": None, "m2": 0.99, "m3": None}, [("m", 3), ("m", 2)]), ({"m1": 0.5}, [("m", 1)]), ({}, []),
        ({"m1": 0.5, "m2": 0.6, "n1": 0.9, "n2": 0.1, "n4": 1.0}, [("m", 2), ("m", 1), ("n", 4), ("n", 2)]),
    ],
)  # fmt: skip
def test_newest_and_least_complete_periods_are_selected(given: Any, expected: Any) -> None:
    actual = newest_periods(rates(**given))
    assert actual.select("measure", pl.col("period_start").dt.month()).rows() == expected
    assert actual["scope"].unique().to_list() == (["period"] if expected else [])
