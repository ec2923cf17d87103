"""The answer over time: the band of most places, the leading places in front, their region and nation as context."""

from datetime import date
from functools import partial
from textwrap import shorten
from typing import Any

import polars as pl

from pipelines.core.periods import ReferencePeriod, format_period
from pipelines.declarations.measure import ADDITIVE_KINDS, counts_residents
from pipelines.declarations.problem import Need
from pipelines.gaps import MAX_HISTORY_PLACES
from pipelines.outputs.answer import PageAnswer
from pipelines.outputs.answer_ranking import Ranking
from pipelines.outputs.answer_sentence import place_noun
from pipelines.outputs.report_model import Report, has_doubt
from pipelines.outputs.report_tables import format_figure, name_places
from pipelines.outputs.small_multiples import MAX_PANELS, draw_small_multiples
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
from pipelines.outputs.trend_marks import mark_of_point

LEADERS = 2
"""Number of leading places with a line of their own."""
LENGTH_TOLERANCE = 0.12
"""Share by which periods of one kind differ in length at most: February has 28 days, other months up to 31."""
LONGEST_NAME = 36
"""Most characters of a place's name beside its line; a longer name ends with an ellipsis."""
_ONE_PERIOD = "Only one period of this figure is stored, so no change over time is known."
_NOT_KEPT = (
    f"No figures over time are kept for this page. A geography of more than {MAX_HISTORY_PLACES:,} places has none. "
    "The file of cells has the figures of each period of the question."
)
_NATIONS = {"E92000001": "England", "W92000004": "Wales", "S92000003": "Scotland", "N92000002": "Northern Ireland"}


def describe_answer_trend(report: Report, answer: PageAnswer, rankings: list[Ranking]) -> dict[str, Any]:
    """Return the chart of the answer over time with its small multiples, or the reason why there is none.

    The chart of partnerships is apart. `table` has the lines of all charts.
    """
    trend, partnerships = _describe_places(report, answer, rankings), _partnership_lines(report, answer)
    say = partial(format_figure, measure=report.measures[answer.inputs[0]])
    svg = draw_trend_chart(partnerships, f"{answer.title}, by partnership", say) if partnerships else ""
    lines = [line._replace(role="partnership") for line in partnerships]
    return {**trend, "partnerships": svg, "table": [*trend["table"], *lines]}


def _describe_places(report: Report, answer: PageAnswer, rankings: list[Ranking]) -> dict[str, Any]:
    """Return the charts of places over time, or the reason why there are none."""
    name = answer.inputs[0] if len(answer.inputs) == 1 else None
    if name is None and report.header.grain == "latest":
        return _explain(_state_why_column_has_none(report, answer))
    figures = _find_history(report, name) if name else _view_history(report, answer)
    history = _withhold_doubted(_same_length(figures, answer))
    periods = sorted({ReferencePeriod(*span) for span in history.select("period_start", "period_end").iter_rows()},
                     key=lambda period: (period.end, period.start))  # fmt: skip
    if len(periods) < 2:
        return _explain(_NOT_KEPT if figures.is_empty() else _ONE_PERIOD)
    measure = report.measures[name] if name else None
    history = history.sort("place_code", "period_end").with_columns(mark_of_point(["place_code"]).alias("mark"))
    lines = _place_lines(history, rankings, answer, periods)
    is_count = measure is not None and measure.kind in ADDITIVE_KINDS
    if measure and not is_count:
        lines += _context_lines(report, history, rankings, periods)
    band = _find_band(history, periods, place_noun(report, 2))
    say = partial(format_figure, measure=measure) if measure else answer.format
    title = f"{answer.title}, {format_period(*periods[0])} to {format_period(*periods[-1])}"
    svg = draw_trend_chart(lines, title, say, band)
    parts = _find_parts(report, history, periods)
    panels = draw_small_multiples(parts, NO_BAND if is_count and not _are_places(report) else band, say)
    notes = (_state_newer(report, answer, lines), _state_gaps(lines), _state_revision(report, name) if name else "")
    return {"svg": svg, "why": "", "notes": [note for note in notes if note], "band": band, "panels": panels,
            "span": format_span(periods),
            "table": [*lines, *(parts[panel.code]._replace(role="panel") for panel in panels)],
            "unknown_parts": sorted(line.name for code, line in parts.items()
                                    if panels and code not in {panel.code for panel in panels}),
            "by": place_noun(report, 1) if _are_places(report) else "region or nation"}  # fmt: skip


def _are_places(report: Report) -> bool:
    """Return whether the small multiples are of the places themselves, because these are few."""
    return report.places.height <= MAX_PANELS


def _find_parts(report: Report, history: pl.DataFrame, periods: list[ReferencePeriod]) -> dict[str, TrendSeries]:
    """Return a line for each place where these are few, else for each region, and each nation without regions."""
    codes = {name: code for code, name in _NATIONS.items()}
    where = report.places.select(
        pl.col("region_code").replace("", None),
        pl.col("region").replace("", None),
        pl.col("nation").replace_strict(codes, default=None, return_dtype=pl.String).alias("nation_code"),
        "nation",
    ).select(pl.coalesce("region_code", "nation_code").alias("code"), pl.coalesce("region", "nation").alias("name"))
    parts = report.places.select("place_code", "place_name") if _are_places(report) else where.drop_nulls()
    named = sorted(parts.unique().iter_rows(), key=lambda part: (part[0][:1] != "E", part[1]))
    return {code: TrendSeries(name, _points(history, code, periods)) for code, name in named[:MAX_PANELS]}


def _view_history(report: Report, answer: PageAnswer) -> pl.DataFrame:
    """Return the figures of a computed column of the view over time; a doubted input leaves a gap."""
    spans = report.asked_cells.filter(pl.col("measure").is_in(list(answer.inputs))).group_by(
        "place_code", "period_start", "period_end"
    ).agg(pl.col("caveats").drop_nulls().str.join(",").replace("", None))  # fmt: skip
    status = f"{answer.column}_status"
    view = report.view.select(
        "place_code", "period_start", pl.col(answer.column).cast(pl.Float64).alias("value"),
        (pl.col(status) if status in report.view.columns else pl.lit(None, pl.String)).alias("obs_status"),
    )  # fmt: skip
    return view.join(spans, on=["place_code", "period_start"], how="inner").with_columns(pl.lit("place").alias("level"))


def _explain(why: str) -> dict[str, Any]:
    """Return the reason why there is no chart."""
    return {"svg": "", "why": why, "band": NO_BAND, "panels": [], "table": []}


def _state_why_column_has_none(report: Report, answer: PageAnswer) -> str:
    """Return why a computed column of the newest figures has no chart over time."""
    timed = [name for name in answer.inputs if not counts_residents(name, report.measures[name])]
    known = pl.concat([report.history_of(name) for name in timed or answer.inputs]).filter(
        pl.col("level") == "place", pl.col("value").is_not_null()
    )
    spans = known.select("measure", "period_start", "period_end").unique()
    if spans.is_empty():
        return _NOT_KEPT
    if spans.height == spans["measure"].n_unique():
        return "Only one period of each figure behind it is stored, so no change over time is known."
    days = sorted((end - start).days for _, start, end in spans.iter_rows())
    if days[-1] > days[0] * (1 + LENGTH_TOLERANCE):
        return "The stored figures are for periods of different lengths, so no change over time can be shown."
    return "The figure is computed from several measures for their newest period. Its earlier values are not computed."


def format_span(periods: list[ReferencePeriod]) -> str:
    """Return the time from the first to the last period in words: from day to day, or from month or year to another."""
    first, last = format_period(*periods[0]), format_period(*periods[-1])
    is_of_years = first.isdigit() and last.isdigit()
    return f"{first} to {last}" if is_of_years else format_period(periods[0].start, periods[-1].end)


def _state_newer(report: Report, answer: PageAnswer, lines: list[TrendSeries]) -> str:
    """Return a sentence where the chart goes on after the period of the sentence and the order, with the reason."""
    known = [point for point in lines[0].points if point.value is not None]
    first = answer.comparable.sort("reference_end", "reference_start").row(-1, named=True)
    if not known or known[-1].end <= first["reference_end"]:
        return ""
    own, newest = (format_period(*span) for span in ((first["reference_start"], first["reference_end"]), known[-1][:2]))
    if report.header.grain == "latest":
        which, until = "period", ""
    else:
        asked = report.cells.sort("period_end", "period_start").row(-1, named=True)
        last = format_period(asked["period_start"], asked["period_end"])
        which, until = f"{report.header.grain} of the question", f" The question ends with {last}."
    return (
        f"The first sentence and the order are of {own}, the newest {which} with enough figures to compare.{until} "
        f"The chart goes on to {newest}."
    )


def _state_gaps(lines: list[TrendSeries]) -> str:
    """Return a sentence where the first line has a figure in fewer than half of the periods."""
    known = sum(point.value is not None for point in lines[0].points)
    if not 0 < known * 2 < len(lines[0].points):
        return ""
    return f"{lines[0].name} has a figure in {known:,} of {len(lines[0].points):,} periods of this chart."


def _partnership_lines(report: Report, answer: PageAnswer) -> list[TrendSeries]:
    """Return a line over time for each partnership with a figure of the answer."""
    if len(answer.inputs) != 1 or report.partnerships.places.is_empty():
        return []
    name = answer.inputs[0]
    own = report.history_of(name).filter(pl.col("level") == "partnership")
    ordered = _withhold_doubted(_same_length(own, answer)).sort("place_code", "period_end")
    history = ordered.with_columns(mark_of_point(["place_code"]).alias("mark"))
    periods = sorted({ReferencePeriod(*span) for span in history.select("period_start", "period_end").iter_rows()},
                     key=lambda period: (period.end, period.start))  # fmt: skip
    places = report.partnerships.places.select("place_code", "place_name").iter_rows()
    roles: tuple[Role, ...] = ("own", "second", "region", "nation")
    lines = [
        TrendSeries(shorten(title, LONGEST_NAME, placeholder=" …"), _points(history, code, periods), role)
        for (code, title), role in zip(places, roles, strict=False)
    ]
    return [line for line in lines if any(point.value is not None for point in line.points)]


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
    return history.with_columns(pl.when(~has_doubt()).then("value").alias("value"))


def _points(history: pl.DataFrame, code: str, periods: list[ReferencePeriod]) -> list[TrendPoint]:
    """Return a point for each period; a period without a row is a gap."""
    own = history.filter(pl.col("place_code") == code)
    figures = {
        ReferencePeriod(start, end): (value, mark)
        for start, end, value, mark in own.select("period_start", "period_end", "value", "mark").iter_rows()
    }
    return [TrendPoint(*period, *figures.get(period, (None, ""))) for period in periods]


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
    report: Report, history: pl.DataFrame, rankings: list[Ranking], periods: list[ReferencePeriod]
) -> list[TrendSeries]:
    """Return the lines of the region and nation of the leading place; those of a count are of another size."""
    code = rankings[0].highest.rows[0].code
    place = report.places.filter(pl.col("place_code") == code).row(0, named=True)
    nations = {name: code for code, name in _NATIONS.items()}
    larger: list[tuple[str | None, str | None, Role]] = [
        (place["region_code"], place["region"], "region"), (nations.get(place["nation"]), place["nation"], "nation"),
    ]  # fmt: skip
    return [TrendSeries(name, _points(history, code, periods), role) for code, name, role in larger if code and name]


def _find_band(history: pl.DataFrame, periods: list[ReferencePeriod], noun: str) -> TrendBand:
    """Return the band of eight in ten places, in periods with figures for at least half as many places as any."""
    known = history.filter(pl.col("level") == "place", pl.col("value").is_not_null())
    by_period = {
        ReferencePeriod(start, end): (sorted(values), marks)
        for start, end, values, marks in known.group_by("period_start", "period_end").agg("value", "mark").iter_rows()
    }
    most = max((len(values) for values, _ in by_period.values()), default=0)
    points = []
    for period in periods:
        values, marks = by_period.get(period, ([], []))
        is_enough = 2 * len(values) >= most > 0
        ends = (values[len(values) // 10], values[-1 - len(values) // 10]) if is_enough else (None, None)
        mark: Mark = "break" if 2 * marks.count("break") > len(marks) else ""
        points.append(BandPoint(*period, ends[0], ends[1], mark))
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
