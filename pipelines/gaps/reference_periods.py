"""Published period that answers a requested period: the same, an instant inside it, a longer or an older one."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

from pipelines.core.periods import GRAIN_MONTHS, ReferencePeriod, whole_months
from pipelines.core.vocabulary import Grain
from pipelines.declarations.base import CADENCE_DAYS, Cadence, MeasureKind, add_age
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.problem import ACCEPTED_DAYS, LongerPeriod

SHORTEST_DAYS = {"month": 28, "quarter": 90, "year": 365}
LONGEST_DAYS = {"month": 31, "quarter": 92, "year": 366}
"""Fewest and most days of a requested period, by grain."""


def instant_measures(catalogue: Catalogue, measures: Sequence[str]) -> frozenset[str]:
    """Return the measures that describe an instant, so that one day's figure answers a month or a year.

    These are stocks, rates of one stock over another, and measures of sources declared `mid_year`. A count for one day,
    or a rate of such counts, describes that day only.
    """
    return frozenset(name for name in measures if _describes_instant(catalogue, name))


def _describes_instant(catalogue: Catalogue, name: str) -> bool:
    measure = catalogue.measures[name]
    if catalogue.sources[catalogue.measure_source[name]].period_kind == ("mid_year",):
        return True
    parts = [catalogue.measures[part].kind for part in (measure.numerator, measure.denominator) if part]
    return measure.kind == "stock" or (measure.kind == "rate" and parts == ["stock", "stock"])


def choose_figure(
    period: ReferencePeriod, published: Sequence[ReferencePeriod], instant: bool
) -> ReferencePeriod | None:
    """Choose the figure for a period: the same period, else the last instant inside it; else None."""
    if period in published:
        return period
    inside = [span for span in published if span.start == span.end and period.start <= span.end <= period.end]
    return max(inside, default=None) if instant else None


def choose_carried_figure(
    period: ReferencePeriod,
    grain: Grain,
    published: Sequence[ReferencePeriod],
    carry: str,
    kind: MeasureKind,
    instant: bool,
) -> ReferencePeriod | None:
    """Choose the newest figure that may be carried forward to a period, by its age and its length.

    A figure for a shorter period is never carried, nor is a count for a longer one, which would be several times as
    high.
    """
    most = LONGEST_DAYS[grain] if kind == "count" else None
    fitting = [
        span
        for span in published
        if span.end <= period.end and _has_fitting_length(span, SHORTEST_DAYS[grain], most, instant)
    ]
    newest = max(fitting, key=lambda span: (span.end, span.start), default=None)
    return newest if newest and period.end <= add_age(newest.end, carry) else None


def _has_fitting_length(span: ReferencePeriod, least: int, most: int | None, instant: bool) -> bool:
    length = (span.end - span.start).days + 1
    return (instant and length == 1) or (length >= least and (most is None or length <= most))


def choose_longer_figure(
    period: ReferencePeriod, published: Sequence[ReferencePeriod], accept: LongerPeriod | None
) -> ReferencePeriod | None:
    """Choose the shortest figure for a longer period of which a period is a part, up to the length accepted."""
    if accept is None:
        return None
    fitting = [
        span
        for span in published
        if span.start <= period.start
        and period.end <= span.end
        and (span.end - span.start).days < ACCEPTED_DAYS[accept]
    ]
    return min(fitting, key=lambda span: (span.end - span.start, span.start), default=None)


def find_longer_period(period: ReferencePeriod, accept: LongerPeriod) -> ReferencePeriod:
    """Find the calendar quarter, half-year or year that contains the first day of a period."""
    months = {"quarter": 3, "half_year": 6, "year": 12}[accept]
    return whole_months(period.start.year, (period.start.month - 1) // months * months + 1, months)


def choose_nearest(period: ReferencePeriod, published: Sequence[ReferencePeriod]) -> ReferencePeriod:
    """Choose the figure nearest in time to a period; of equally near figures, the last to end."""
    return min(published, key=lambda span: (_time_apart(period, span), -span.end.toordinal()))


def _time_apart(one: ReferencePeriod, other: ReferencePeriod) -> timedelta:
    return max(one.start - other.end, other.start - one.end, timedelta())


def has_overlap(period: ReferencePeriod, span: ReferencePeriod) -> bool:
    """Return whether two periods have a day in common."""
    return not _time_apart(period, span)


def is_regular_series(grain: Grain, published: Sequence[ReferencePeriod], instant: bool, cadence: Cadence) -> bool:
    """Return whether a series has a figure for each period of a grain, judged by its figures and cadence."""
    if any(_is_whole_period(span, grain) for span in published):
        return True
    days = sorted({span.end for span in published if span.start == span.end}) if instant else []
    often = CADENCE_DAYS.get(cadence)
    frequent = often is not None and often <= LONGEST_DAYS[grain]
    return bool(days) and (frequent or _least_step(days) <= LONGEST_DAYS[grain])


def _least_step(days: list[date]) -> float:
    return min(((later - day).days for day, later in pairwise(days)), default=float("inf"))


def _is_whole_period(span: ReferencePeriod, grain: Grain) -> bool:
    long = GRAIN_MONTHS[grain]
    return (span.start.month - 1) % long == 0 and span == whole_months(span.start.year, span.start.month, long)
