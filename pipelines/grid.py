"""The required grid: every place, period and measure that a problem asks for, and which slice answers it."""

from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from pipelines.catalogue import Catalogue, Problem
from pipelines.declared import days
from pipelines.errors import DeclarationError, near
from pipelines.model import Source
from pipelines.model_needs import Need
from pipelines.periods import Span, say, spine

_LONGEST = {"month": 31, "quarter": 92, "year": 366}


class Chosen(NamedTuple):
    """Which period's figures answer one measure in one period asked about, or why none does."""

    measure: str
    period_start: date
    period_end: date
    value_start: date | None
    value_end: date | None
    reason: str | None
    evidence: str | None


def asked_places(problem: Problem, places: pl.DataFrame) -> pl.DataFrame:
    """Give the problem's places (schema.PLACE), all of its system or the ones it names."""
    only = problem.header.only
    codes = places["place_code"].to_list()
    strange = [code for code in only if code not in codes]
    if strange:
        raise DeclarationError(
            f"{problem.path}: only: {strange[0]} is no place of {problem.header.places}; {near(strange[0], codes)}"
        )
    return places.filter(pl.col("place_code").is_in(list(only))) if only else places


def asked_periods(problem: Problem, as_of: date) -> list[Span]:
    """Give the periods a problem asks about; for grain latest the day of the build."""
    span = problem.header.periods
    return spine(problem.header.grain, span.start if span else "", span.end if span else None, as_of)


def grid(problem: Problem, places: pl.DataFrame, periods: list[Span]) -> pl.DataFrame:
    """Give one row for every place, period and measure asked for: the cells that must be accounted for."""
    measures = pl.DataFrame(
        {
            "measure": list(problem.measures),
            "need": ["needed"] * len(problem.header.needs) + ["wanted"] * len(problem.header.wants),
        }
    )
    spans = pl.DataFrame(periods, schema={"period_start": pl.Date, "period_end": pl.Date}, orient="row")
    where = places.select("place_code", "place_name", "nation")
    return (
        measures.join(where, how="cross").join(spans, how="cross").with_columns(pl.lit(problem.name).alias("problem"))
    )


def choose(
    problem: Problem, catalogue: Catalogue, slices: dict[str, list[Span]], periods: list[Span], as_of: date
) -> list[Chosen]:
    """Choose for each measure and period the slice that answers it; never one that ends after the period."""
    return [
        _choose(measure, problem, catalogue, slices.get(measure, []), period, as_of)
        for measure in problem.measures
        for period in periods
    ]


def _choose(
    measure: str, problem: Problem, catalogue: Catalogue, held: list[Span], period: Span, as_of: date
) -> Chosen:
    source = catalogue.sources[catalogue.measure_source[measure]]
    need = problem.header.needs.get(measure, Need())
    reason, evidence = _not_held(source, catalogue.measure_source[measure], held)
    if reason:
        return Chosen(measure, *period, None, None, reason, evidence)
    if _exact(need, source, problem):
        found = next((span for span in held if span == period), None)
    else:
        found = max((span for span in held if span.end <= period.end), key=lambda span: span.end, default=None)
    if found is None:
        return Chosen(measure, *period, None, None, *_absent(source, held, period, as_of))
    return Chosen(measure, *period, *found, *_aged(need, source, found, period))


def _exact(need: Need, source: Source, problem: Problem) -> bool:
    if need.align:
        return need.align == "exact"
    return source.period is None and source.period_kind == problem.header.grain


def _not_held(source: Source, name: str, held: list[Span]) -> tuple[str | None, str | None]:
    """Say why no figure of a measure can be there at all."""
    if source.access in ("not_collected", "not_open"):
        return source.access, f"{name} declares it as {source.access.replace('_', ' ')}"
    if not source.shown:
        return "not_open", f"{name} is private: what is held of it has not been released by its keeper"
    if source.access == "not_held":
        return "fetch_failed", f"{name} is declared as published and not held"
    if not held:
        wanting = f"; to fetch one needs a key in {source.key}" if source.key else ""
        return "fetch_failed", f"no release of {name} is held that can be read{wanting}"
    return None, None


def _absent(source: Source, held: list[Span], period: Span, as_of: date) -> tuple[str, str]:
    """Say why a period has no slice: before the first, between, or after the last one held."""
    first, last = min(held), max(held, key=lambda span: span.end)
    if period.end < min(span.end for span in held):
        return "period_mismatch", f"the first figure held is of {say(*first)}"
    if period.end < last.end:
        before = max((span for span in held if span.end <= period.end), default=first)
        after = min(span for span in held if span.end > period.end)
        return "period_mismatch", f"the release goes from {say(*before)} to {say(*after)}"
    if source.cadence == "once":
        return "discontinued", f"published once, for {say(*last)}"
    due = period.end + timedelta(days=days(source.lag) if source.lag else 0)
    if due > as_of:
        return "not_due", f"usually out {source.lag or 'at once'} after the period, on {due.isoformat()}"
    return "late", f"was due on {due.isoformat()}; the newest figure held is of {say(*last)}"


def _aged(need: Need, source: Source, found: Span, period: Span) -> tuple[str | None, str | None]:
    """Say that a figure is too old for the problem, by the end of the period asked about."""
    age = (period.end - found.end).days
    if need.max_age is None or age <= days(need.max_age):
        return None, None
    reason = "discontinued" if source.cadence == "once" else "stale"
    return reason, f"the newest figure is of {say(*found)}, {age:,} days before; the problem allows {need.max_age}"


def chosen_table(chosen: list[Chosen]) -> pl.DataFrame:
    """Give the choices as a table."""
    schema = {
        "measure": pl.String,
        **dict.fromkeys(("period_start", "period_end", "value_start", "value_end"), pl.Date),
        "time_reason": pl.String,
        "time_evidence": pl.String,
    }
    return pl.DataFrame(chosen, schema=schema, orient="row")
