"""Figures that answer a period: rows of requested periods, published periods, and the cell."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from checks.periods import find_other_periods
from pipelines.app.check_results import period_result
from pipelines.core.errors import CommongroundError
from pipelines.core.periods import ReferencePeriod
from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.core.vocabulary import Grain
from pipelines.declarations.base import add_age
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.problem import Need, ProblemHeader
from pipelines.gaps.cells import refuse_other_periods
from pipelines.gaps.grid import greatest_age
from pipelines.gaps.reference_periods import (
    choose_carried_figure,
    choose_figure,
    choose_nearest,
    instant_measures,
    is_regular_series,
)

ROOT = Path(__file__).resolve().parent.parent.parent


def span(text: str) -> ReferencePeriod:
    """Read `2020`, `2020-04`, `2020-04-30` or two of them with a slash between as a period."""
    parts = [_one(part) for part in text.split("/")]
    return ReferencePeriod(parts[0].start, parts[-1].end)


def _one(text: str) -> ReferencePeriod:
    year, *rest = (int(part) for part in text.split("-"))
    if not rest:
        return ReferencePeriod(date(year, 1, 1), date(year, 12, 31))
    if len(rest) == 2:
        return ReferencePeriod(date(year, *rest), date(year, *rest))
    first = date(year, rest[0], 1)
    return ReferencePeriod(first, add_age(first, "1 month") - (date(2020, 1, 2) - date(2020, 1, 1)))


WEEKS = "2020-08-10/2020-08-16 2020-08-17/2020-08-23"
ASKED = [
    # asked, published, is it of an instant?, what the cell gets
    ("2020-04", "2020-03 2020-04", False, "2020-04"),
    ("2020-04", "2020-03 2020-05", False, None),  # an earlier one and a later one
    ("2020-04", "2019", False, None),  # the annual rate of the year before
    ("2020-12", "2020", False, None),  # a year that ends with the month
    ("2020-07/2020-09", WEEKS, False, None),  # a week is no quarter
    ("2020-07/2020-09", "2020-07 2020-08 2020-09", False, None),  # nor are three months, unless a need sums them
    ("2020-04", "2020-04-01 2020-04-30 2020-05-01", True, "2020-04-30"),  # the last instant inside
    ("2020-04", "2020-04-01 2020-04-30", False, None),  # a count of one day
    ("2020-04", "2020-03-31 2020-05-01", True, None),
    ("2022", "2022-06-30", True, "2022-06-30"),  # mid-year residents by year
    ("2022-07", "2022-06-30", True, None),
    ("2020-04", "2020-04 2020-04-30", True, "2020-04"),  # what the publisher says of the whole month
    ("2023", "2022-04/2023-03 2023-04/2024-03", False, None),  # a financial year is no calendar year
    ("2020-07", "2020-03/2020-07", False, None),
]


@pytest.mark.parametrize(("asked", "published", "instant", "gets"), ASKED)
def test_period_uses_only_a_figure_for_that_period(asked: str, published: str, instant: bool, gets: str | None) -> None:
    actual = choose_figure(span(asked), [span(item) for item in published.split()], instant)
    assert actual == (span(gets) if gets else None)


CARRIED = [
    # asked, published, how long it may be carried, kind, is it of an instant?, what the cell gets
    ("2020-07", "2020-05 2020-06", "1 month", "stock", True, "2020-06"),
    ("2020-08", "2020-05 2020-06", "1 month", "stock", True, None),  # two months on
    ("2020-09", "2020-06-30", "3 months", "stock", True, "2020-06-30"),
    ("2023-12", "2011-06-30 2022-06-30", "18 months", "stock", True, "2022-06-30"),
    ("2024-01", "2011-06-30 2022-06-30", "18 months", "stock", True, None),
    ("2020-04", "2019", "10 years", "index", False, "2019"),  # deprivation of a whole year
    ("2020-04", "2019", "10 years", "rate", False, "2019"),
    ("2020-04", "2019", "10 years", "count", False, None),  # twelve months' births are no month's
    ("2020-04", "2020-03", "1 month", "count", False, "2020-03"),
    ("2020-10/2020-12", WEEKS, "1 year", "count", False, None),  # never of a shorter time
    ("2020-10/2020-12", WEEKS, "1 year", "rate", False, None),
    ("2020-10/2020-12", "2020-09-30", "1 year", "rate", False, None),
    ("2020-04", "2020-05 2020-06", "1 year", "stock", True, None),  # never of a later time
    ("2020-12", "2020", "1 year", "rate", False, "2020"),
]


@pytest.mark.parametrize(("asked", "published", "carry", "kind", "instant", "gets"), CARRIED)
def test_older_figure_is_carried_forward_as_long_as_the_need_allows(
    asked: str, published: str, carry: str, kind: str, instant: bool, gets: str | None
) -> None:
    period, stored = span(asked), [span(item) for item in published.split()]
    days = (period.end - period.start).days
    grain: Grain = "month" if days < 31 else "quarter" if days < 92 else "year"
    assert choose_carried_figure(period, grain, stored, carry, kind, instant) == (span(gets) if gets else None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "published", "near"),
    [("2020-04", "2018 2019 2020", "2020"), ("2020-04", "2018 2019", "2019"), ("2020-04", "2019-06 2020-06", "2020-06"),
     ("2020-07/2020-09", WEEKS, "2020-08-17/2020-08-23")],
)  # fmt: skip
def test_nearest_figure_overlaps_the_period_or_is_the_least_days_away(asked: str, published: str, near: str) -> None:
    assert choose_nearest(span(asked), [span(item) for item in published.split()]) == span(near)


@pytest.mark.parametrize(
    ("grain", "published", "instant", "cadence", "regular"),
    [("month", "2020-01 2020-02", False, "annual", True), ("month", "2019 2020", False, "annual", False),
     ("year", "2019-04/2020-03", False, "annual", False), ("quarter", WEEKS, False, "weekly", False),
     ("month", "2020-01-31 2020-02-29", True, "once", True), ("month", "2021-06-30 2022-06-30", True, "annual", False),
     ("year", "2011-06-30 2022-06-30", True, "annual", True), ("month", "2020-01-31", True, "monthly", True),
     ("month", "2020-01-31", False, "daily", False)],
)  # fmt: skip
def test_series_is_regular_if_each_period_should_have_a_figure(
    grain: Grain, published: str, instant: bool, cadence: str, regular: bool
) -> None:
    stored = [span(item) for item in published.split()]
    assert is_regular_series(grain, stored, instant, cadence) is regular  # type: ignore[arg-type]


def test_only_stocks_and_rates_of_stocks_describe_an_instant() -> None:
    catalogue = load_catalogue(ROOT)
    actual = instant_measures(catalogue, list(catalogue.measures))
    assert {"residents_16_64", "covid_patients_on_mechanical_ventilation", "claimant_rate"} <= actual
    kinds = {catalogue.measures[name].kind for name in catalogue.measures}
    assert kinds >= {"count", "stock", "rate", "index"}
    assert not {"aprons_issued", "furlough_take_up", "homicide_rate", "business_rates_publication_score"} & actual


@pytest.mark.parametrize(
    ("day", "age", "later"),
    [("2022-06-30", "3 months", "2022-09-30"), ("2020-01-31", "1 month", "2020-02-29"), ("2020-02-29", "1 year",
     "2021-02-28"), ("2020-02-15", "2 years", "2022-02-15"), ("2020-12-31", "2 weeks", "2021-01-14")],
)  # fmt: skip
def test_age_is_added_by_the_calendar(day: str, age: str, later: str) -> None:
    assert add_age(date.fromisoformat(day), age) == date.fromisoformat(later)


def test_default_age_limit_is_two_cadences_plus_the_lag() -> None:
    sources = load_catalogue(ROOT).sources
    assert greatest_age(Need(), sources["ons_claimant_rate"]) == (
        2 * 366 + 91,
        "two years plus the usual lag of 3 months",
    )
    assert greatest_age(Need(), sources["hmrc_furlough"]) == (2 * 366, "two years")
    assert greatest_age(Need(max_age="3 years"), sources["hmrc_furlough"]) == (1096, "3 years")


ABOUT = {"question": "q", "decision": "d", "owner": "o", "geography": "lad_2023"}
MONTHS = {"grain": "month", "periods": {"start": "2020-04"}}
REFUSED = [
    (MONTHS, {"align": "latest"}, "align is no longer a key.*carry: 3 months"),
    (MONTHS, {"max_age": "2 years"}, "max_age is for grain latest.*carry: 3 months"),
]


@pytest.mark.parametrize(("asked", "need", "message"), REFUSED)
def test_key_without_effect_is_refused_with_the_right_key(
    asked: dict[str, object], need: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ProblemHeader(**ABOUT, **asked, needs={"a": need})  # type: ignore[arg-type]


APRIL = span("2020-04")


def cell(figure: str, caveats: str | None = None, measure: str = "a", value: float | None = 2.3) -> dict[str, object]:
    of = span(figure)
    return {"cell_id": f"p/{measure}/E1/2020-04-01", "problem": "p", "measure": measure, "place_code": "E1",
            "period_start": APRIL.start, "period_end": APRIL.end, "value": value, "caveats": caveats,
            "reference_start": of.start, "reference_end": of.end}  # fmt: skip


STORED = [
    (cell("2020-04"), True),
    (cell("2019"), False),
    (cell("2019", "rounded,carried_forward"), True),
    (cell("2020", "carried_forward"), False),  # it ends after the period
    (cell("2019", value=None), True),  # a gap
    (cell("2020-04-30", measure="stock"), True),
    (cell("2020-04-30"), False),
    (cell("2020-03-31", measure="stock"), False),
    ({**cell("2020-04-30"), "proxy_measure": "stock"}, True),
    ({**cell("2020-04"), "reference_start": None, "reference_end": None}, False),
]


@pytest.mark.parametrize(("row", "allowed"), STORED)
def test_figure_for_another_period_is_detected_in_cells(row: dict[str, object], allowed: bool) -> None:
    actual = find_other_periods(table_from_records([row], CELL_COLUMNS), "month", {"stock"})
    assert actual.height == (0 if allowed else 1)
    result = period_result(table_from_records([row], CELL_COLUMNS), "month", {"stock"})
    assert (result.passed, result.is_error) == (allowed, True)


def test_for_grain_latest_a_figure_only_must_have_ended() -> None:
    cells = table_from_records([cell("2019"), cell("2020")], CELL_COLUMNS)
    assert find_other_periods(cells, "latest", ()).select("reference_end").rows() == [(date(2020, 12, 31),)]


def test_table_with_a_figure_for_another_period_is_refused() -> None:
    catalogue = load_catalogue(ROOT)
    problem = catalogue.problems["jobs_south_london"]
    wrong = table_from_records([cell("2019", measure="claimant_rate")], CELL_COLUMNS)
    with pytest.raises(
        CommongroundError, match=r"jobs_south_london: claimant_rate of E1: .*2019, expected one for April 2020"
    ):
        refuse_other_periods(problem, catalogue, wrong)
    refuse_other_periods(
        problem, catalogue, table_from_records([cell("2020-04", measure="claimant_rate")], CELL_COLUMNS)
    )


def test_figure_carried_forward_is_answerable_with_caveats_at_most() -> None:
    from pipelines.gaps.verdicts import build_verdicts

    header = ProblemHeader(**ABOUT, **MONTHS, needs={"a": {"carry": "2 years"}})  # type: ignore[arg-type]
    people = pl.DataFrame({"place_code": ["E1"], "people": [1.0]})
    actual = build_verdicts(
        table_from_records([{**cell("2019", "rounded,carried_forward"), "need": "needed"}], CELL_COLUMNS),
        header,
        people,
    )
    assert actual.select("verdict", "blocking_reasons").rows() == [("with_caveats", "a: carried_forward")]
