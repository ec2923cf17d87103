"""Required grid: every place, period and measure that a problem requests, and the slice that answers it."""

from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from checks import CARRIED_FORWARD, COARSER_PERIOD
from pipelines.core.errors import DeclarationError, suggest_names
from pipelines.core.periods import ReferencePeriod, format_period, list_problem_periods
from pipelines.core.vocabulary import Grain
from pipelines.declarations.base import CADENCE_DAYS, MeasureKind, age_in_days
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.problem import LongerPeriod, Need
from pipelines.declarations.release_schedule import due_day
from pipelines.declarations.source import Source
from pipelines.gaps.reference_periods import (
    choose_carried_figure,
    choose_figure,
    choose_longer_figure,
    choose_nearest,
    find_longer_period,
    has_overlap,
    instant_measures,
    is_regular_series,
)

_STEPS = {"daily": "days", "weekly": "weeks", "monthly": "months", "quarterly": "quarters", "annual": "years",
          "once": "years"}  # fmt: skip


_GRAINS: dict[LongerPeriod, Grain] = {"quarter": "quarter", "half_year": "quarter", "year": "year"}
"""Grain of a series that gives figures for an accepted longer period."""


class PeriodChoice(NamedTuple):
    """Period with the figures for one measure in one requested period, or the reason why there is none.

    `time_caveat` is the caveat of a figure for another period that the problem allows: `carried_forward` for an older
    one, `coarser_period` for a longer one. Where there is no figure, `near_start` and `near_end` give the period of the
    nearest one.
    """

    measure: str
    period_start: date
    period_end: date
    reference_start: date | None = None
    reference_end: date | None = None
    reason: str | None = None
    evidence: str | None = None
    time_caveat: str | None = None
    near_start: date | None = None
    near_end: date | None = None


def select_places(problem: Problem, places: pl.DataFrame) -> pl.DataFrame:
    """Select the problem's places (schema.PLACE_COLUMNS): all areas of its geography, or its nations and codes."""
    only = problem.header.place_codes
    codes = places["place_code"].to_list()
    strange = [code for code in only if code not in codes]
    if strange:
        raise DeclarationError(
            f"{problem.path}: place_codes: {strange[0]} is not a place in {problem.header.geography}; "
            f"{suggest_names(strange[0], codes)}"
        )
    if problem.header.nations:
        places = places.filter(pl.col("nation").is_in(list(problem.header.nations)))
    return places.filter(pl.col("place_code").is_in(list(only))) if only else places


def list_periods(problem: Problem, as_of: date) -> list[ReferencePeriod]:
    """List the periods that a problem requests; for grain latest the day of the build, or of a past decision."""
    span = problem.header.periods
    as_of = min(as_of, problem.header.decision_date or as_of)
    return list_problem_periods(problem.header.grain, span.start if span else "", span.end if span else None, as_of)


def build_grid(problem: Problem, places: pl.DataFrame, periods: list[ReferencePeriod]) -> pl.DataFrame:
    """Build one row for every requested place, period and measure."""
    measures = pl.DataFrame(
        {
            "measure": list(problem.measures),
            "need": ["needed"] * len(problem.header.measure_needs) + ["wanted"] * len(problem.header.unknowns),
        }
    )
    spans = pl.DataFrame(periods, schema={"period_start": pl.Date, "period_end": pl.Date}, orient="row")
    place_columns = places.select("place_code", "place_name", "nation", "valid_to")
    return (
        measures.join(place_columns, how="cross")
        .join(spans, how="cross")
        .with_columns(pl.lit(problem.name).alias("problem"))
    )


class MeasureSeries(NamedTuple):
    """Need of a problem for one measure, and the periods for which its source has figures."""

    measure: str
    name: str
    source: Source
    need: Need
    kind: MeasureKind
    instant: bool
    stored_periods: list[ReferencePeriod]
    release_spans: list[ReferencePeriod]

    @property
    def has_extracts(self) -> bool:
        """Return whether a release has only some of the publisher's places or periods."""
        return any(release.extract for release in self.source.releases)


def choose_periods(
    problem: Problem,
    catalogue: Catalogue,
    slices: dict[str, list[ReferencePeriod]],
    periods: list[ReferencePeriod],
    as_of: date,
    release_spans: dict[str, list[ReferencePeriod]] | None = None,
) -> list[PeriodChoice]:
    """Choose for each measure and period the slice that answers it; no slice that ends after the period.

    `release_spans` has the first and last day of each release of a measure; without it, all slices are of one release.
    """
    all_series = [
        _measure_series(measure, problem, catalogue, slices.get(measure, []), (release_spans or {}).get(measure, []))
        for measure in problem.measures
    ]
    return [_choose_period(series, problem.header.grain, period, as_of) for series in all_series for period in periods]


def _measure_series(
    measure: str, problem: Problem, catalogue: Catalogue, stored_periods: list[ReferencePeriod],
    release_spans: list[ReferencePeriod],
) -> MeasureSeries:  # fmt: skip
    name, need = catalogue.measure_source[measure], problem.header.measure_needs.get(measure, Need())
    kind, instant = catalogue.measures[measure].kind, bool(instant_measures(catalogue, [measure]))
    return MeasureSeries(measure, name, catalogue.sources[name], need, kind, instant, stored_periods, release_spans)


def _choose_period(series: MeasureSeries, grain: Grain, period: ReferencePeriod, as_of: date) -> PeriodChoice:
    reason, evidence = _explain_unavailable(series.source, series.name, series.stored_periods)
    if reason:
        return PeriodChoice(series.measure, *period, reason=reason, evidence=evidence)
    if grain == "latest":
        return _choose_newest(series, period)
    own_period = choose_figure(period, series.stored_periods, series.instant)
    if own_period:
        return PeriodChoice(series.measure, *period, *own_period)
    if longer := choose_longer_figure(period, series.stored_periods, series.need.accept):
        accept_evidence = (
            f"figure for {format_period(*longer)}, of which {format_period(*period)} is a part; the problem accepts "
            f"a figure for a {(series.need.accept or '').replace('_', ' ')}"
        )
        return PeriodChoice(series.measure, *period, *longer, evidence=accept_evidence, time_caveat=COARSER_PERIOD)
    carry = series.need.carry
    older = (
        choose_carried_figure(period, grain, series.stored_periods, carry, series.kind, series.instant)
        if carry
        else None
    )
    if older:
        carry_evidence = (
            f"figure for {format_period(*older)}, carried forward to "
            f"{format_period(*period)}; the problem allows {carry}"
        )
        return PeriodChoice(series.measure, *period, *older, evidence=carry_evidence, time_caveat=CARRIED_FORWARD)
    return _explain_absent_figure(series, grain, period, as_of)


def _choose_newest(series: MeasureSeries, day: ReferencePeriod) -> PeriodChoice:
    """Choose the newest figure that ends by the day of the build, and within the time of the need."""
    first, last = series.need.span
    in_time = [span for span in series.stored_periods if first <= span.end <= min(last, day.end)]
    newest = max(in_time, key=lambda span: span.end, default=None)
    if newest is None:
        return _choice_before_series(series, day)
    if series.need.until:
        return PeriodChoice(series.measure, *day, *newest)
    reason, evidence = _explain_age(series.need, series.source, newest, day)
    return PeriodChoice(series.measure, *day, *newest, reason, evidence)


def _explain_unavailable(
    source: Source, name: str, stored_periods: list[ReferencePeriod]
) -> tuple[str | None, str | None]:
    """Explain why a measure can have no figure at all, or return no reason."""
    if source.access in ("not_collected", "not_open"):
        return source.access, f"{name} is declared as {source.access.replace('_', ' ')}"
    if not source.is_public:
        return "not_open", f"{name} is private; its data owner has not released its figures"
    if source.access == "not_held":
        return "not_loaded", f"{name} is published; the columns of its file are not declared"
    if not stored_periods:
        key_needed = f"; fetching one needs a key in {source.key_variable}" if source.key_variable else ""
        return "not_loaded", f"no release of {name} is stored{key_needed}"
    return None, None


def _explain_absent_figure(series: MeasureSeries, grain: Grain, period: ReferencePeriod, as_of: date) -> PeriodChoice:
    """Explain why there is no figure for a period."""
    stored_periods, last = series.stored_periods, max(series.stored_periods, key=lambda span: span.end)
    if period.end < min(stored_periods).start:
        return _choice_before_series(series, period)
    if period.start > last.end and series.source.cadence == "once":
        return _choice_after_series(series, period, last)
    accept = series.need.accept
    if (
        accept
        and period.start > last.end
        and is_regular_series(_GRAINS[accept], stored_periods, series.instant, series.source.cadence)
    ):
        reason, text = _explain_missing_period(series, find_longer_period(period, accept), as_of)
        return PeriodChoice(series.measure, *period, reason=reason, evidence=text)
    regular = is_regular_series(grain, stored_periods, series.instant, series.source.cadence)
    if not regular or any(has_overlap(period, span) for span in stored_periods):
        nearest_period = choose_nearest(period, stored_periods)
        text = (
            f"{series.name} has no figure for {format_period(*period)}; the nearest is for "
            f"{format_period(*nearest_period)}"
        )
        is_part = any(span.start <= period.start and period.end <= span.end for span in stored_periods)
        if is_part:
            return _choice_without_figure(series, period, COARSER_PERIOD, text, nearest_period)
        if series.has_extracts:
            text = f"{series.name} is an extract with some of the publisher's periods; {text.partition('; ')[2]}"
        reason = "not_loaded" if series.has_extracts else "no_figure_for_period"
        return _choice_without_figure(series, period, reason, text, nearest_period)
    reason, text = _explain_missing_period(series, period, as_of)
    return PeriodChoice(series.measure, *period, reason=reason, evidence=text)


def _choice_without_figure(
    series: MeasureSeries, period: ReferencePeriod, reason: str, evidence: str, nearest_period: ReferencePeriod
) -> PeriodChoice:
    return PeriodChoice(
        series.measure,
        *period,
        reason=reason,
        evidence=evidence,
        near_start=nearest_period.start,
        near_end=nearest_period.end,
    )


def _choice_before_series(series: MeasureSeries, period: ReferencePeriod) -> PeriodChoice:
    text = f"the first stored figure is for {format_period(*min(series.stored_periods))}"
    begins = series.source.begins
    if begins and period.end >= begins:
        text = f"the publisher's series begins on {format_period(begins, begins)}; {text}"
        return PeriodChoice(series.measure, *period, reason="not_loaded", evidence=text)
    return PeriodChoice(series.measure, *period, reason="before_series", evidence=text)


def _choice_after_series(series: MeasureSeries, period: ReferencePeriod, last: ReferencePeriod) -> PeriodChoice:
    """Choose no figure after the last of a series that has no further release, or of which extracts are stored."""
    if series.has_extracts:
        text = f"the stored file is an extract with some of the publisher's periods, to {format_period(*last)}"
        return _choice_without_figure(series, period, "not_loaded", text, last)
    only = len(series.stored_periods) == 1
    text = f"{'published once, for' if only else 'the last figure of the series is for'} {format_period(*last)}"
    return _choice_without_figure(series, period, "after_series", text, last)


def _explain_missing_period(series: MeasureSeries, period: ReferencePeriod, as_of: date) -> tuple[str, str]:
    """Explain why a regular series has no slice for a period: skipped, not due yet, or late.

    A period between two stored releases may be in a release that is not stored.
    """
    source, stored_periods = series.source, series.stored_periods
    last = max(stored_periods, key=lambda span: span.end)
    if period.end < last.end:
        before = max((span for span in stored_periods if span.end <= period.end), default=min(stored_periods))
        after = min(span for span in stored_periods if span.end > period.end)
        omitted = f"no figure between {format_period(*before)} and {format_period(*after)}"
        if series.has_extracts:
            return "not_loaded", f"the files are extracts with some of the publisher's periods; they have {omitted}"
        if source.compiled_by:
            return "not_loaded", f"the files, compiled by {source.compiled_by}, have {omitted}"
        spans = series.release_spans
        if source.cadence == "once" or not spans or any(span.start < period.start < span.end for span in spans):
            return "no_figure_for_period", f"the release has {omitted}"
        return "not_loaded", f"the stored releases have {omitted}"
    due = due_day(period.end, source.schedule)
    if due > as_of and source.schedule.citation:
        return "not_due", f"expected on {due.isoformat()}, by the publisher's calendar"
    if due > as_of:
        return "not_due", f"expected {source.lag or 'immediately'} after the period, on {due.isoformat()}"
    return "late", f"due on {due.isoformat()}; the newest stored figure is for {format_period(*last)}"


def _explain_age(
    need: Need, source: Source, newest: ReferencePeriod, day: ReferencePeriod
) -> tuple[str | None, str | None]:
    """Explain that a figure is too old for the problem on the day of the build, or return no reason."""
    most, limit = greatest_age(need, source)
    last_day = newest.end + timedelta(days=most)
    if day.end <= last_day:
        return None, None
    reason = "after_series" if source.cadence == "once" else "stale"
    return reason, (
        f"the newest figure is for {format_period(*newest)}; the problem allows {limit}, "
        f"until {format_period(last_day, last_day)}"
    )


def greatest_age(need: Need, source: Source) -> tuple[int, str]:
    """Return the greatest age of a figure for grain latest, in days and in words.

    Without `max_age` a need allows twice its source's cadence plus the usual lag; two years for a source published
    once.
    """
    if need.max_age:
        return age_in_days(need.max_age), need.max_age
    lag = f" plus the usual lag of {source.lag}" if source.lag else ""
    step = CADENCE_DAYS.get(source.cadence, CADENCE_DAYS["annual"])
    return 2 * step + (age_in_days(source.lag) if source.lag else 0), f"two {_STEPS[source.cadence]}{lag}"


def tabulate_choices(chosen: list[PeriodChoice]) -> pl.DataFrame:
    """Tabulate the choices."""
    schema = {
        "measure": pl.String,
        **dict.fromkeys(("period_start", "period_end", "reference_start", "reference_end"), pl.Date),
        "time_reason": pl.String,
        "time_evidence": pl.String,
        "time_caveat": pl.String,
        **dict.fromkeys(("near_start", "near_end"), pl.Date),
    }
    return pl.DataFrame(chosen, schema=schema, orient="row")
