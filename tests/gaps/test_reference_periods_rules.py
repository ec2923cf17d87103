"""Published periods that answer a requested one: both sides of each threshold, in any order of publication."""

from datetime import date, timedelta
from itertools import permutations

import pytest

from pipelines.core.periods import ReferencePeriod, whole_months
from pipelines.core.vocabulary import Grain
from pipelines.declarations.base import Cadence, MeasureKind
from pipelines.declarations.problem import ACCEPTED_DAYS, LongerPeriod
from pipelines.gaps.reference_periods import (
    LONGEST_DAYS,
    SHORTEST_DAYS,
    choose_carried_figure,
    choose_figure,
    choose_longer_figure,
    choose_nearest,
    find_longer_period,
    has_overlap,
    instant_measures,
    is_regular_series,
)
from tests.gaps.plain import catalogue_of, measure_of, source_of

MARCH = whole_months(2024, 3, 1)


def day(text: str) -> ReferencePeriod:
    return ReferencePeriod(date.fromisoformat(text), date.fromisoformat(text))


def lasting(days: int, end: date) -> ReferencePeriod:
    return ReferencePeriod(end - timedelta(days=days - 1), end)


def test_mid_year_figures_stocks_and_their_rates_describe_an_instant() -> None:
    several = source_of(
        measures={
            "people": measure_of(), "births": measure_of("count"), "score": measure_of("index"),
            "of_stocks": measure_of("rate", numerator="people", denominator="people"),
            "of_a_count": measure_of("rate", numerator="births", denominator="people"),
            "over_a_count": measure_of("rate", numerator="people", denominator="births"),
            "of_nothing_said": measure_of("rate", denominator="people"),
        }
    )  # fmt: skip
    mid_year = source_of(measures={"median_age": measure_of("median")}, period_kind="mid_year")
    catalogue = catalogue_of(several=several, mid_year=mid_year)
    assert instant_measures(catalogue, list(catalogue.measures)) == {"people", "of_stocks", "median_age"}
    assert instant_measures(catalogue, ["births"]) == frozenset()


def test_last_instant_inside_a_period_answers_a_stock() -> None:
    published = [day("2024-02-29"), day("2024-03-01"), day("2024-03-31"), day("2024-04-01")]
    for order in permutations(published):
        assert choose_figure(MARCH, order, instant=True) == published[2]
        assert choose_figure(MARCH, order, instant=False) is None
    assert choose_figure(MARCH, published[:2], instant=True) == published[1]
    assert choose_figure(MARCH, [published[0], published[3]], instant=True) is None
    # Two days are no instant, though they lie inside.
    assert choose_figure(MARCH, [ReferencePeriod(date(2024, 3, 4), date(2024, 3, 5))], instant=True) is None
    assert choose_figure(MARCH, [published[1], MARCH], instant=False) == MARCH


@pytest.mark.parametrize(("grain", "least", "most"), [("month", 28, 31), ("quarter", 90, 92), ("year", 365, 366)])
def test_count_is_not_carried_from_a_longer_or_shorter_period(grain: Grain, least: int, most: int) -> None:
    assert (SHORTEST_DAYS[grain], LONGEST_DAYS[grain]) == (least, most)
    period = {"month": MARCH, "quarter": whole_months(2024, 1, 3), "year": whole_months(2023, 1, 12)}[grain]
    last = period.start - timedelta(days=1)

    def carried(days: int, kind: MeasureKind, instant: bool = False) -> bool:
        return choose_carried_figure(period, grain, [lasting(days, last)], "3 years", kind, instant) is not None

    for kind in ("count", "rate"):
        assert [carried(n, kind) for n in (least - 1, least, most)] == [False, True, True]
    assert (carried(most + 1, "count"), carried(most + 1, "rate")) == (False, True)
    assert (carried(1, "rate"), carried(1, "rate", instant=True)) == (False, True)
    assert not carried(2, "rate", instant=True)


def test_newest_fitting_figure_is_carried_forward() -> None:
    published = [
        whole_months(2023, 12, 1),
        whole_months(2024, 1, 1),
        whole_months(2023, 2, 12),
        whole_months(2024, 4, 1),
    ]
    for order in permutations(published):
        assert choose_carried_figure(MARCH, "month", order, "1 year", "rate", instant=False) == published[1]
        assert choose_carried_figure(MARCH, "month", order, "1 month", "rate", instant=False) is None
    assert choose_carried_figure(MARCH, "month", [], "1 year", "rate", instant=False) is None
    # What ends with the period is not carried at all, and may be.
    year = ReferencePeriod(date(2023, 4, 1), MARCH.end)
    assert (
        choose_carried_figure(MARCH, "month", [year, whole_months(2024, 2, 1)], "1 day", "rate", instant=False) == year
    )
    later = ReferencePeriod(year.start, MARCH.end + timedelta(days=1))
    assert choose_carried_figure(MARCH, "month", [later], "1 day", "rate", instant=False) is None


def test_carried_figure_expires_on_its_day() -> None:
    stored = [lasting(29, date(2024, 3, 21))]
    assert choose_carried_figure(MARCH, "month", stored, "10 days", "stock", instant=True) == stored[0]
    assert choose_carried_figure(MARCH, "month", stored, "9 days", "stock", instant=True) is None


def test_nearest_figure_is_fewest_days_away_and_later_among_equals() -> None:
    before, after = (
        ReferencePeriod(date(2024, 1, 1), date(2024, 2, 20)),
        ReferencePeriod(date(2024, 4, 9), date(2024, 4, 30)),
    )
    for order in permutations([before, after, whole_months(2022, 1, 12), whole_months(2025, 1, 12)]):
        assert choose_nearest(MARCH, order) == after
    assert choose_nearest(MARCH, [before, ReferencePeriod(date(2024, 4, 11), date(2024, 4, 30))]) == before
    assert choose_nearest(MARCH, [before, ReferencePeriod(date(2024, 4, 10), date(2024, 4, 30))]).start == date(
        2024, 4, 10
    )
    inside, around = day("2024-03-10"), whole_months(2024, 1, 12)
    assert choose_nearest(MARCH, [inside, around]) == choose_nearest(MARCH, [around, inside]) == around


def test_periods_overlap_from_one_day_in_common() -> None:
    for span, common in (
        (whole_months(2024, 2, 1), False),
        (whole_months(2024, 4, 1), False),
        (day("2024-03-01"), True),
        (day("2024-03-31"), True),
        (whole_months(2024, 1, 12), True),
        (ReferencePeriod(date(2024, 1, 1), MARCH.start), True),
        (ReferencePeriod(MARCH.end, MARCH.end), True),
    ):
        assert (has_overlap(MARCH, span), has_overlap(span, MARCH)) == (common, common)


WHOLE: list[tuple[Grain, ReferencePeriod, bool]] = [
    ("month", whole_months(2024, 2, 1), True),
    ("month", ReferencePeriod(date(2024, 2, 1), date(2024, 2, 28)), False),
    ("month", ReferencePeriod(date(2024, 2, 2), date(2024, 2, 29)), False),
    ("month", whole_months(2024, 1, 3), False),
    ("quarter", whole_months(2024, 1, 3), True),
    ("quarter", whole_months(2024, 10, 3), True),
    ("quarter", whole_months(2024, 2, 3), False),
    ("quarter", whole_months(2024, 3, 3), False),
    ("quarter", whole_months(2024, 4, 1), False),
    ("year", whole_months(2024, 1, 12), True),
    ("year", whole_months(2024, 4, 12), False),
    ("year", whole_months(2024, 2, 12), False),
    ("year", whole_months(2024, 1, 24), False),
    ("year", whole_months(2024, 1, 3), False),
]


@pytest.mark.parametrize(("grain", "span", "whole"), WHOLE)
def test_series_with_a_whole_period_of_a_grain_is_regular(grain: Grain, span: ReferencePeriod, whole: bool) -> None:
    for instant in (False, True):
        assert is_regular_series(grain, [span], instant, "once") is whole
        assert (
            is_regular_series(grain, [ReferencePeriod(date(2020, 1, 5), date(2020, 1, 9)), span], instant, "once")
            is whole
        )


@pytest.mark.parametrize(("grain", "days"), [("month", 31), ("quarter", 92), ("year", 366)])
def test_instants_are_regular_where_two_are_as_near_as_the_longest_period(grain: Grain, days: int) -> None:
    first = date(2020, 1, 5)
    near, far = ([ReferencePeriod(d, d) for d in (first, first + timedelta(days=n))] for n in (days, days + 1))
    rarely: Cadence = "once"
    assert is_regular_series(grain, near, True, rarely)
    assert is_regular_series(grain, near[::-1], True, rarely)
    assert not is_regular_series(grain, far, True, rarely)
    assert not is_regular_series(grain, near, False, rarely)
    assert not is_regular_series(grain, near[:1], True, rarely)
    later = first + timedelta(days=3 * days)
    assert is_regular_series(grain, [*near, ReferencePeriod(later, later)], True, rarely)
    # A span of several days is no instant, however near it ends.
    assert not is_regular_series(
        grain, [near[0], ReferencePeriod(first + timedelta(days=2), first + timedelta(days=5))], True, rarely
    )


@pytest.mark.parametrize(
    ("grain", "often"),
    [("month", {"daily", "weekly", "monthly"}), ("quarter", {"daily", "weekly", "monthly", "quarterly"}),
     ("year", {"daily", "weekly", "monthly", "quarterly", "annual"})],
)  # fmt: skip
def test_one_instant_of_a_source_that_publishes_often_enough_is_regular(grain: Grain, often: set[Cadence]) -> None:
    every: tuple[Cadence, ...] = ("daily", "weekly", "monthly", "quarterly", "annual", "once")
    one = [day("2024-03-10")]
    assert {item for item in every if is_regular_series(grain, one, True, item)} == often
    assert not any(is_regular_series(grain, one, False, item) for item in every)
    assert not any(is_regular_series(grain, [], True, item) for item in every)
    assert not any(
        is_regular_series(grain, [ReferencePeriod(date(2024, 3, 4), date(2024, 3, 9))], True, item) for item in every
    )


QUARTER, HALF, YEAR = whole_months(2024, 1, 3), whole_months(2024, 1, 6), whole_months(2024, 1, 12)


def test_figure_for_a_longer_period_is_the_shortest_one_around() -> None:
    published = [YEAR, QUARTER, HALF, whole_months(2024, 4, 3), whole_months(2023, 1, 12)]
    for order in permutations(published):
        assert choose_longer_figure(MARCH, order, "year") == QUARTER
        assert choose_longer_figure(whole_months(2024, 6, 1), order, "half_year") == whole_months(2024, 4, 3)
    assert choose_longer_figure(MARCH, [YEAR, HALF], "year") == HALF
    early, late = whole_months(2024, 1, 3), whole_months(2024, 2, 3)
    assert (
        choose_longer_figure(MARCH, [late._replace(end=late.start + (early.end - early.start)), early], "year") == early
    )


def test_figure_for_a_longer_period_contains_it_and_is_accepted() -> None:
    assert choose_longer_figure(MARCH, [YEAR], None) is None
    assert choose_longer_figure(MARCH, [YEAR], "half_year") is choose_longer_figure(MARCH, [], "year") is None
    assert choose_longer_figure(MARCH, [HALF], "quarter") is None
    assert choose_longer_figure(MARCH, [QUARTER], "quarter") == QUARTER
    assert choose_longer_figure(MARCH, [MARCH], "quarter") == MARCH
    for start, end in ((date(2024, 3, 2), date(2024, 3, 31)), (date(2024, 3, 1), date(2024, 3, 30))):
        assert choose_longer_figure(MARCH, [ReferencePeriod(start, end)], "year") is None


@pytest.mark.parametrize("accept", ["quarter", "half_year", "year"])
def test_longest_figure_accepted_is_shorter_than_the_limit(accept: LongerPeriod) -> None:
    most = ACCEPTED_DAYS[accept]
    spans = [ReferencePeriod(MARCH.start, MARCH.start + timedelta(days=days)) for days in (most - 1, most)]
    assert [choose_longer_figure(MARCH, [span], accept) for span in spans] == [spans[0], None]


@pytest.mark.parametrize(
    ("month", "starts"), [(1, (1, 1, 1)), (3, (1, 1, 1)), (4, (4, 1, 1)), (7, (7, 7, 1)), (12, (10, 7, 1))]
)
def test_longer_period_is_the_calendar_period_around_the_first_day(month: int, starts: tuple[int, int, int]) -> None:
    asked = whole_months(2024, month, 1)
    actual = (
        find_longer_period(asked, "quarter"),
        find_longer_period(asked, "half_year"),
        find_longer_period(asked, "year"),
    )
    assert actual == tuple(whole_months(2024, start, months) for start, months in zip(starts, (3, 6, 12), strict=True))
