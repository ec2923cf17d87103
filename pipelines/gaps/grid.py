"""Required grid: every place, period and measure that a problem requests, and the slice that answers it."""

from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import DeclarationError, near
from pipelines.core.periods import Span, say, spine
from pipelines.core.vocabulary import Grain
from pipelines.declarations.base import CADENCE_DAYS, Kind, days
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.problem import Need
from pipelines.declarations.source import Source
from pipelines.gaps.reference_periods import carried_to, figure_of, instants, nearest, overlaps, publishes_by

_STEPS = {"daily": "days", "weekly": "weeks", "monthly": "months", "quarterly": "quarters", "annual": "years",
          "once": "years"}  # fmt: skip


class Chosen(NamedTuple):
    """Period with the figures for one measure in one requested period, or the reason why there is none.

    `carried` marks an older figure that the problem lets be carried forward. Where there is no figure, `near_start` and
    `near_end` give the period of the nearest one.
    """

    measure: str
    period_start: date
    period_end: date
    value_start: date | None = None
    value_end: date | None = None
    reason: str | None = None
    evidence: str | None = None
    carried: bool = False
    near_start: date | None = None
    near_end: date | None = None


def asked_places(problem: Problem, places: pl.DataFrame) -> pl.DataFrame:
    """Select the problem's places (schema.PLACE): all of its system, or the ones it names."""
    only = problem.header.place_codes
    codes = places["place_code"].to_list()
    strange = [code for code in only if code not in codes]
    if strange:
        raise DeclarationError(
            f"{problem.path}: place_codes: {strange[0]} is not a place in {problem.header.geography}; "
            f"{near(strange[0], codes)}"
        )
    return places.filter(pl.col("place_code").is_in(list(only))) if only else places


def asked_periods(problem: Problem, as_of: date) -> list[Span]:
    """List the periods that a problem requests; for grain latest the day of the build."""
    span = problem.header.periods
    return spine(problem.header.grain, span.start if span else "", span.end if span else None, as_of)


def grid(problem: Problem, places: pl.DataFrame, periods: list[Span]) -> pl.DataFrame:
    """Build one row for every requested place, period and measure."""
    measures = pl.DataFrame(
        {
            "measure": list(problem.measures),
            "need": ["needed"] * len(problem.header.needs) + ["wanted"] * len(problem.header.unknowns),
        }
    )
    spans = pl.DataFrame(periods, schema={"period_start": pl.Date, "period_end": pl.Date}, orient="row")
    where = places.select("place_code", "place_name", "nation")
    return (
        measures.join(where, how="cross").join(spans, how="cross").with_columns(pl.lit(problem.name).alias("problem"))
    )


class Series(NamedTuple):
    """Need of a problem for one measure, and the periods for which its source has figures."""

    measure: str
    name: str
    source: Source
    need: Need
    kind: Kind
    instant: bool
    held: list[Span]


def choose(
    problem: Problem, catalogue: Catalogue, slices: dict[str, list[Span]], periods: list[Span], as_of: date
) -> list[Chosen]:
    """Choose for each measure and period the slice that answers it; never one that ends after the period."""
    asked = [_series(measure, problem, catalogue, slices.get(measure, [])) for measure in problem.measures]
    return [_choose(series, problem.header.grain, period, as_of) for series in asked for period in periods]


def _series(measure: str, problem: Problem, catalogue: Catalogue, held: list[Span]) -> Series:
    name, need = catalogue.measure_source[measure], problem.header.needs.get(measure, Need())
    kind, instant = catalogue.measures[measure].kind, bool(instants(catalogue, [measure]))
    return Series(measure, name, catalogue.sources[name], need, kind, instant, held)


def _choose(asked: Series, grain: Grain, period: Span, as_of: date) -> Chosen:
    reason, evidence = _not_held(asked.source, asked.name, asked.held)
    if reason:
        return Chosen(asked.measure, *period, reason=reason, evidence=evidence)
    if grain == "latest":
        return _newest(asked, period)
    found = figure_of(period, asked.held, asked.instant)
    if found:
        return Chosen(asked.measure, *period, *found)
    carry = asked.need.carry
    older = carried_to(period, grain, asked.held, carry, asked.kind, asked.instant) if carry else None
    if older:
        told = f"figure for {say(*older)}, carried forward to {say(*period)}; the problem allows {carry}"
        return Chosen(asked.measure, *period, *older, evidence=told, carried=True)
    return _absent(asked, grain, period, as_of)


def _newest(asked: Series, day: Span) -> Chosen:
    """Choose the newest figure that ends by the day of the build."""
    found = max((span for span in asked.held if span.end <= day.end), key=lambda span: span.end, default=None)
    if found is None:
        return Chosen(asked.measure, *day, reason="period_mismatch", evidence=_first(asked.held))
    reason, evidence = _aged(asked.need, asked.source, found, day)
    return Chosen(asked.measure, *day, *found, reason, evidence)


def _not_held(source: Source, name: str, held: list[Span]) -> tuple[str | None, str | None]:
    """Explain why a measure can have no figure at all, or return no reason."""
    if source.access in ("not_collected", "not_open"):
        return source.access, f"{name} is declared as {source.access.replace('_', ' ')}"
    if not source.shown:
        return "not_open", f"{name} is private; its data owner has not released its figures"
    if source.access == "not_held":
        return "fetch_failed", f"{name} is declared as published but not stored"
    if not held:
        key_needed = f"; fetching one needs a key in {source.key}" if source.key else ""
        return "fetch_failed", f"no readable release of {name} is stored{key_needed}"
    return None, None


def _absent(asked: Series, grain: Grain, period: Span, as_of: date) -> Chosen:
    """Explain why there is no figure for a period."""
    held, last = asked.held, max(asked.held, key=lambda span: span.end)
    if period.end < min(held).start:
        return Chosen(asked.measure, *period, reason="period_mismatch", evidence=_first(held))
    if period.start > last.end and asked.source.cadence == "once":
        return _without(asked, period, "discontinued", f"published once, for {say(*last)}", last)
    regular = publishes_by(grain, held, asked.instant, asked.source.cadence)
    if not regular or any(overlaps(period, span) for span in held):
        near = nearest(period, held)
        told = f"{asked.name} has no figure for {say(*period)}; the nearest is for {say(*near)}"
        return _without(asked, period, "no_figure_for_period", told, near)
    reason, told = _left_out(asked.source, held, period, as_of)
    return Chosen(asked.measure, *period, reason=reason, evidence=told)


def _without(asked: Series, period: Span, reason: str, evidence: str, near: Span) -> Chosen:
    return Chosen(asked.measure, *period, reason=reason, evidence=evidence, near_start=near.start, near_end=near.end)


def _first(held: list[Span]) -> str:
    return f"the first stored figure is for {say(*min(held))}"


def _left_out(source: Source, held: list[Span], period: Span, as_of: date) -> tuple[str, str]:
    """Explain why a regular series has no slice for a period: skipped, not due yet, or late."""
    last = max(held, key=lambda span: span.end)
    if period.end < last.end:
        before = max((span for span in held if span.end <= period.end), default=min(held))
        after = min(span for span in held if span.end > period.end)
        return "period_mismatch", f"the release has no period between {say(*before)} and {say(*after)}"
    due = period.end + timedelta(days=days(source.lag) if source.lag else 0)
    if due > as_of:
        return "not_due", f"expected {source.lag or 'immediately'} after the period, on {due.isoformat()}"
    return "late", f"due on {due.isoformat()}; the newest stored figure is for {say(*last)}"


def _aged(need: Need, source: Source, found: Span, day: Span) -> tuple[str | None, str | None]:
    """Explain that a figure is too old for the problem on the day of the build, or return no reason."""
    age = (day.end - found.end).days
    most, told = oldest(need, source)
    if age <= most:
        return None, None
    reason = "discontinued" if source.cadence == "once" else "stale"
    return reason, f"the newest figure is for {say(*found)}, {age:,} days ago; the problem allows {told}"


def oldest(need: Need, source: Source) -> tuple[int, str]:
    """Return the greatest age of a figure for grain latest, in days and in words.

    Without `max_age` a need allows twice its source's cadence plus the usual lag; two years for a source published
    once.
    """
    if need.max_age:
        return days(need.max_age), need.max_age
    lag = f" plus the usual lag of {source.lag}" if source.lag else ""
    step = CADENCE_DAYS.get(source.cadence, CADENCE_DAYS["annual"])
    return 2 * step + (days(source.lag) if source.lag else 0), f"two {_STEPS[source.cadence]}{lag}"


def chosen_table(chosen: list[Chosen]) -> pl.DataFrame:
    """Tabulate the choices."""
    schema = {
        "measure": pl.String,
        **dict.fromkeys(("period_start", "period_end", "value_start", "value_end"), pl.Date),
        "time_reason": pl.String,
        "time_evidence": pl.String,
        "carried": pl.Boolean,
        **dict.fromkeys(("near_start", "near_end"), pl.Date),
    }
    return pl.DataFrame(chosen, schema=schema, orient="row")
