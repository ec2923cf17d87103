"""The answer over time: the band of most places, the leading places in front, their region and nation as context."""

from datetime import date
from textwrap import shorten
from typing import Any

import polars as pl

from pipelines.core.periods import ReferencePeriod, format_period
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure
from pipelines.declarations.problem import Need
from pipelines.outputs.answer import PageAnswer
from pipelines.outputs.answer_ranking import Ranking
from pipelines.outputs.answer_sentence import place_noun
from pipelines.outputs.report_model import DOUBTS, Report
from pipelines.outputs.report_tables import format_figure, name_places
from pipelines.outputs.trend_chart import (
    NO_BAND,
    BandPoint,
    Mark,
    Role,
    TrendBand,
    TrendPoint,
    TrendSeries,
    draw_trend_chart,
)

LEADERS = 2
"""Number of leading places with a line of their own."""
LENGTH_TOLERANCE = 0.12
"""Share by which periods of one kind differ in length at most: February has 28 days, other months up to 31."""
LONGEST_NAME = 36
"""Most characters of a place's name beside its line; a longer name ends with an ellipsis."""
_MARKS: tuple[Mark, ...] = ("break", "revised", "provisional")


def describe_answer_trend(report: Report, answer: PageAnswer, rankings: list[Ranking]) -> dict[str, Any]:
    """Return the chart of the answer over time with its caption, or the reason why there is none."""
    name = answer.inputs[0] if len(answer.inputs) == 1 else None
    if name is None:
        return _explain(_explain_no_series(report))
    history = _withhold_doubted(_same_length(_find_history(report, name), answer))
    periods = sorted({ReferencePeriod(*span) for span in history.select("period_start", "period_end").iter_rows()},
                     key=lambda period: (period.end, period.start))  # fmt: skip
    if len(periods) < 2:
        return _explain("Only one period of this figure is stored, so no change over time is known.")
    measure = report.measures[name]
    lines = _place_lines(history, rankings, answer, periods) + _context_lines(
        report, history, rankings, measure, periods
    )
    band = _find_band(history, periods, place_noun(report, 2))
    title = f"{answer.title}, {format_period(*periods[0])} to {format_period(*periods[-1])}"
    svg = draw_trend_chart(lines, title, lambda value: format_figure(value, measure), band)
    return {"svg": svg, "why": "", "revised": _state_revision(report, name), "lines": lines, "band": band}


def _explain(why: str) -> dict[str, Any]:
    """Return the reason why there is no chart."""
    return {"svg": "", "why": why, "lines": [], "band": NO_BAND}


def _explain_no_series(report: Report) -> str:
    if report.header.grain == "latest":
        return "The figure is computed from several measures, and its earlier values are not stored."
    return "The figure comes from several measures. The table has each of its periods."


def _find_history(report: Report, name: str) -> pl.DataFrame:
    """Return the figures of a measure over time; those made from shorter periods are in the cells alone."""
    if not report.header.measure_needs.get(name, Need()).over_time:
        return report.history_of(name)
    return report.asked_cells.filter(pl.col("measure") == name).with_columns(pl.lit("place").alias("level"))


def _same_length(history: pl.DataFrame, answer: PageAnswer) -> pl.DataFrame:
    """Select the periods about as long as the period of the answer: a year is never joined to a month."""
    first = answer.comparable.row(0, named=True)
    days = (first["reference_end"] - first["reference_start"]).days
    length = (pl.col("period_end") - pl.col("period_start")).dt.total_days()
    return history.filter((length - days).abs() <= days * LENGTH_TOLERANCE)


def _withhold_doubted(history: pl.DataFrame) -> pl.DataFrame:
    """Return the history with a gap for each doubted figure."""
    doubted = pl.col("caveats").str.split(",").list.set_intersection(sorted(DOUBTS)).list.len() > 0
    return history.with_columns(pl.when(~doubted.fill_null(False)).then("value").alias("value"))


def _points(history: pl.DataFrame, code: str, periods: list[ReferencePeriod]) -> list[TrendPoint]:
    """Return a point for each period; a period without a row is a gap."""
    own = history.filter(pl.col("place_code") == code)
    figures = {
        ReferencePeriod(start, end): (value, status)
        for start, end, value, status in own.select("period_start", "period_end", "value", "obs_status").iter_rows()
    }
    points = []
    for period in periods:
        value, status = figures.get(period, (None, None))
        points.append(TrendPoint(*period, value, status if value is not None and status in _MARKS else ""))
    return points


def _place_lines(
    history: pl.DataFrame, rankings: list[Ranking], answer: PageAnswer, periods: list[ReferencePeriod]
) -> list[TrendSeries]:
    """Return the lines of the leading places at the end of the order that the first sentence names."""
    roles: tuple[Role, ...] = ("own", "second")
    end = rankings[0].highest if answer.order == "highest" else rankings[0].lowest
    return [
        TrendSeries(shorten(row.name, LONGEST_NAME, placeholder=" …"), _points(history, row.code, periods), role)
        for row, role in zip(end.rows[:LEADERS], roles, strict=False)
    ]


def _context_lines(
    report: Report, history: pl.DataFrame, rankings: list[Ranking], measure: Measure, periods: list[ReferencePeriod]
) -> list[TrendSeries]:
    """Return the lines of the region and nation of the leading place; none for a count, which is of another size."""
    if measure.kind in ADDITIVE_KINDS:
        return []
    code = rankings[0].highest.rows[0].code
    place = report.places.filter(pl.col("place_code") == code).row(0, named=True)
    nations = {"England": "E92000001", "Wales": "W92000004", "Scotland": "S92000003", "Northern Ireland": "N92000002"}
    larger: list[tuple[str | None, str | None, Role]] = [
        (place["region_code"], place["region"], "region"), (nations.get(place["nation"]), place["nation"], "nation"),
    ]  # fmt: skip
    return [TrendSeries(name, _points(history, code, periods), role) for code, name, role in larger if code and name]


def _find_band(history: pl.DataFrame, periods: list[ReferencePeriod], noun: str) -> TrendBand:
    """Return the band of eight in ten places, in periods with figures for at least half as many places as any."""
    known = history.filter(pl.col("level") == "place", pl.col("value").is_not_null())
    by_period = {
        ReferencePeriod(*span): sorted(values)
        for *span, values in known.group_by("period_start", "period_end").agg("value").iter_rows()
    }
    most = max((len(values) for values in by_period.values()), default=0)
    points = []
    for period in periods:
        values = by_period.get(period, [])
        is_enough = 2 * len(values) >= most > 0
        ends = (values[len(values) // 10], values[-1 - len(values) // 10]) if is_enough else (None, None)
        points.append(BandPoint(*period, *ends))
    return TrendBand(f"eight in ten {noun}", points)


def _state_revision(report: Report, name: str) -> str:
    """Return a sentence on the figures that the newest release changed; blank where it changed none."""
    rows = report.history.revisions.filter(pl.col("measure") == name, pl.col("changed") > 0)
    if rows.is_empty():
        return ""
    row = rows.row(-1, named=True)
    day: date = row["new_released_at"]
    where = name_places(row["places_most_affected"] or "", report)
    said = f"The release of {format_period(day, day)} revised {row['changed']:,} of {row['cells_in_both']:,} earlier"
    return f"{said} figures{', most in ' + where if where else ''}."
