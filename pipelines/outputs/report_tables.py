"""Table of results by place in a gap report, and the format of its figures."""

import math
import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from itertools import groupby
from typing import Any

import polars as pl

from checks import CARRIED_FORWARD
from pipelines.apportionment import INTERVAL_COLUMNS
from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.core.table_cache import keep_results
from pipelines.declarations.measure import Measure
from pipelines.gaps import NO_INTERVAL, VERDICT_WORDS, format_rank, greatest_age, rank_places, summarise_by_place
from pipelines.observations import PUBLISHED_SOURCE
from pipelines.outputs.report_model import Report, has_doubt
from pipelines.outputs.report_summary import count_needs_met

PERIOD_WIDTH = 4
"""Width of one period in a strip, in SVG units."""


@lru_cache(maxsize=65_536)
def decimal_places(value: float, rounding: float | None) -> int:
    """Return the number of decimals for a figure: those of its rounding, otherwise enough to show a small figure."""
    if rounding:
        return next((n for n in range(12) if round(rounding, n) == rounding), 12)
    if float(value).is_integer():
        return 0
    return 1 if abs(value) >= 1 else 1 - math.floor(math.log10(abs(value)))


def format_figure(value: float, measure: Measure | None) -> str:
    """Format a figure with thousands separators and the decimals of its rounding."""
    places = decimal_places(value, measure.rounding if measure else None)
    return f"{value:z,.{places}f}"


def format_bounds(row: dict[str, Any], measure: Measure) -> str:
    """Return the bounds of a missing figure in words, or an empty text if they are not known."""
    if row["lower_bound"] is None or row["upper_bound"] is None:
        return ""
    return f"between {format_figure(row['lower_bound'], measure)} and {format_figure(row['upper_bound'], measure)}"


def format_interval(row: dict[str, Any], measure: Measure) -> str:
    """Return the interval of a figure in words, or an empty text if it is not known or has no width."""
    low, high = row["interval_lower"], row["interval_upper"]
    if low is None or high is None or low == high:
        return ""
    source_note = "" if row["interval_source"] == PUBLISHED_SOURCE else " (from back-tests)"
    return (
        f"{row['interval_level']:g} % interval {format_figure(low, measure)} to "
        f"{format_figure(high, measure)}{source_note}"
    )


def describe_uncertainty(measure: Measure) -> str:
    """Describe the published interval of an estimate. Return an empty text for a measure that is not an estimate."""
    if measure.interval:
        return f"estimate with a {measure.interval.level:g} % interval"
    return f"estimate, {NO_INTERVAL}" if measure.estimate else ""


def _place_rows(report: Report) -> list[dict[str, Any]]:
    """Return each place with its name, location, number of needs met and verdict."""
    met = {code: f"{known:,} of {asked:,}" for code, known, asked in count_needs_met(report).iter_rows()}
    verdicts = dict(summarise_by_place(report.history.verdicts).select("place_code", "verdict").iter_rows())
    places = report.places.sort("place_name", "place_code").select(
        "place_code", "place_name", "place_name_welsh", "region", "nation"
    )  # fmt: skip
    return [
        {
            "place_code": code,
            "place_name": name,
            "welsh_name": welsh if welsh and welsh != name else "",
            "where": ", ".join(dict.fromkeys(part for part in (region or nation, code) if part)),
            "met": met.get(code, "no needs"),
            "verdict": VERDICT_WORDS.get(verdicts.get(code, ""), ""),
        }
        for code, name, welsh, region, nation in places.iter_rows()
    ]


_TABLE_COLUMNS = ("place_code", "measure", "value", "reason", "evidence", "lower_bound", "upper_bound", "caveats",
                  "reference_start", "reference_end", *INTERVAL_COLUMNS)  # fmt: skip
"""Columns of a cell that the table of places shows."""


def place_table(report: Report) -> list[dict[str, Any]]:
    """Return a row for each place, with a cell for each measure: a figure with its caveats, or a gap reason."""
    apart = {head["name"] for head in measure_headings(report) if not head["period"]}
    rows = report.asked_cells.select(_TABLE_COLUMNS).iter_rows(named=True)
    cells = {(row["place_code"], row["measure"]): row for row in rows}
    return [
        {**place, "cells": [_lay_out_cell(cells.get((place["place_code"], name)), measure, name in apart)
                            for name, measure in report.measures.items()]}
        for place in _place_rows(report)
    ]  # fmt: skip


def _lay_out_cell(row: dict[str, Any] | None, measure: Measure, has_period: bool) -> dict[str, Any]:
    """Return the content of one cell, with the reference period if the figures of the column differ in it.

    A cell outside the scope of its need is blank.
    """
    if row is None:
        return {"known": True, "text": "", "note": "", "evidence": "", "value": ""}
    if row["reason"] is not None:
        text, note = REASONS[row["reason"]].title, format_bounds(row, measure)
        return {"known": False, "text": text, "note": note, "evidence": row["evidence"] or "", "value": ""}
    notes = [note for note in (format_interval(row, measure),) if note]
    notes += [format_period(row["reference_start"], row["reference_end"])] if has_period else []
    # The column heading already states the rounding.
    codes = [
        code for code in (row["caveats"] or "").split(",") if code and not (code == "rounded" and measure.rounding)
    ]
    notes += [REASONS[code].title.lower() for code in codes]
    return {"known": True, "text": format_figure(row["value"], measure), "note": ", ".join(notes), "evidence": "",
            "value": repr(row["value"])}  # fmt: skip


def period_table(report: Report) -> list[dict[str, Any]]:
    """Return a row for each place, with the available periods of each measure as a strip and as a count."""
    columns = (
        "place_code",
        "measure",
        "value",
        "reason",
        "reference_start",
        "reference_end",
        "caveats",
        *INTERVAL_COLUMNS,
    )
    cells = report.asked_cells.sort("place_code", "measure", "period_start").select(columns)
    strips = {key: list(rows) for key, rows in groupby(cells.iter_rows(), key=lambda row: row[:2])}
    return [
        {**place, "cells": [_period_strip(strips.get((place["place_code"], name), []), measure)
                            for name, measure in report.measures.items()]}
        for place in _place_rows(report)
    ]  # fmt: skip


def _period_strip(rows: list[tuple[Any, ...]], measure: Measure) -> dict[str, Any]:
    known = [value is not None for _, _, value, *_ in rows]
    last = next((row for row in reversed(rows) if row[2] is not None), None)
    reasons: dict[str, int] = {}
    for _, _, _, reason, *_ in rows:
        if reason is not None:
            reasons[reason] = reasons.get(reason, 0) + 1
    return {
        "width": len(known) * PERIOD_WIDTH,
        "path": runs_path(known),
        "count": f"{sum(known):,} of {len(known):,}" if known else "",
        "last": _newest_figure(last, measure) if last else "",
        "value": repr(last[2]) if last else "",
        "reasons": [f"{REASONS[code].title} ({n:,})" for code, n in reasons.items()],
    }


def _newest_figure(row: tuple[Any, ...], measure: Measure) -> str:
    interval_text = format_interval(dict(zip(INTERVAL_COLUMNS, row[7:], strict=True)), measure)
    carried = ", carried forward" if CARRIED_FORWARD in (row[6] or "").split(",") else ""
    return f"{format_figure(row[2], measure)}, of {format_period(row[4], row[5])}{carried}" + (
        f", {interval_text}" if interval_text else ""
    )


def runs_path(known: list[bool]) -> str:
    """Return the runs of periods with a figure as one SVG path, with one bar for each run."""
    parts, start = [], 0
    for is_known, group in groupby(known):
        width = len(list(group))
        if is_known:
            parts.append(f"M{start * PERIOD_WIDTH} 0h{width * PERIOD_WIDTH}v10h-{width * PERIOD_WIDTH}z")
        start += width
    return "".join(parts)


def list_highest(report: Report, most: int = 5) -> list[dict[str, Any]]:
    """List the places with the highest figures, for each needed rate and each computed column of the view.

    Counts are excluded, because the largest places would always come first. So are columns of a need with `one_of`,
    because its measures can't be compared with each other. Only for grain latest. A list is numbered
    (`ordered`) only if every rank in it is certain. Otherwise each place states the uncertainty of its rank.
    """
    if report.header.grain != "latest":
        return []
    rates = [name for name in report.header.measure_needs if report.measures[name].kind == "rate"]
    mixed = [set(measures) for measures in report.header.alternatives.values()]
    inputs = report.select.inputs
    of_several = {name for name, names in inputs.items() if set(names) & set(report.header.alternatives)
                  or any(measures <= set(names) for measures in mixed)}  # fmt: skip
    numeric = [name for name, dtype in report.view.schema.items() if dtype.is_numeric()]
    computed = [name for name in numeric if f"{name}_status" in report.view.columns and name not in report.measures
                and name not in of_several]  # fmt: skip
    lists = [_highest_list(report, name, most) for name in [*rates, *computed] if name in numeric]
    return [ranking for ranking in lists if ranking["rows"]]


def _highest_list(report: Report, name: str, most: int) -> dict[str, Any]:
    trusted = report.view.join(_doubted_places(report, name), on="place_code", how="anti")
    known = trusted.filter(pl.col(name).is_not_null()).sort(name, "place_code", descending=[True, False])
    measure = report.measures.get(name)
    names = dict(report.places.select("place_code", "place_name").iter_rows())
    ranked = rank_places(report.cells.filter(pl.col("measure") == name), report.measures)
    rank_rows = {row["place_code"]: row for row in ranked.iter_rows(named=True)}
    top = known.head(most).select("place_code", name).rows()
    # A computed column has no interval: its order is as uncertain as its inputs.
    inputs = [report.measures[item] for item in report.select.inputs.get(name, ())]
    doubtful = not measure and any(item.is_uncertain for item in inputs)
    ordered = not doubtful and all(rank_rows[code]["rank"] is not None for code, _ in top if code in rank_rows)
    rows = [
        (
            names.get(code, code),
            format_figure(value, measure),
            "" if ordered or doubtful else format_rank(rank_rows[code]),
        )
        for code, value in top
    ]
    title = measure.title if measure else title_column(name, [item.title for item in inputs])
    return {"name": name, "title": title, "unit": measure.unit if measure else "", "rows": rows, "known": known.height,
            "ordered": ordered, "doubtful": doubtful}  # fmt: skip


def title_column(name: str, titles: Sequence[str]) -> str:
    """Return the name of a computed column as a title; names of several words are written as in the given titles.

    Numbers are written as in text: the words "per 1000 residents 16 64" become "per 1,000 residents 16 to 64".
    """
    text = re.sub(r"(?<=\d) (?=\d)", " to ", name.replace("_", " "))
    text = re.sub(r"(?<=per )\d{4,}", lambda number: f"{int(number[0]):,}", text)
    for phrase in re.findall(r"\b[A-Z][\w-]+(?: [A-Z][\w-]+)+|\b[A-Z]{2,}\b", ". ".join(titles)):
        text = re.sub(rf"\b{re.escape(phrase)}\b", phrase, text, flags=re.IGNORECASE)
    return text[0].upper() + text[1:]


def _doubted_places(report: Report, column: str) -> pl.DataFrame:
    """Return the places with a doubted figure behind a column of the view."""
    names = [column] if column in report.measures else report.select.inputs.get(column, ())
    return report.cells.filter(pl.col("measure").is_in(list(names)), has_doubt()).select("place_code").unique()


def name_places(codes: str, report: Report) -> str:
    """Replace the codes in a text by the names of places, where the geography has them."""
    names = all_place_names(report)
    return ", ".join(names.get(code, code) for code in codes.split(", ")) if codes else ""


def all_place_names(report: Report) -> dict[str, str]:
    """Return the names of the places of a report and of the others of their geography, by code."""
    return {**report.names, **dict(report.places.select("place_code", "place_name").iter_rows())}


def describe_age_limits(report: Report) -> dict[str, str]:
    """Describe the oldest figure allowed for each need: maximum age for grain latest, otherwise carry-forward limit."""
    if report.header.grain == "latest":
        return {
            name: "none" if need.until else greatest_age(need, report.sources[report.measure_sources[name]])[1]
            for name, need in report.header.measure_needs.items()
        }
    return {
        name: f"carried forward up to {need.carry}, with a caveat" if need.carry else "no older figure"
        for name, need in report.header.measure_needs.items()
    }


@keep_results(2)
def measure_headings(report: Report) -> list[dict[str, Any]]:
    """Return the column heading of each measure: title, unit, common reference period, rounding, and if only wanted."""
    heads = []
    dated = ("measure", "reference_start", "reference_end")
    known = report.cells.select(*dated, "value").filter(pl.col("value").is_not_null())
    spans_of: dict[str, list[tuple[date, date]]] = {}
    for name, *span in known.select(dated).unique().iter_rows():
        spans_of.setdefault(name, []).append(tuple(span))
    for name, measure in report.measures.items():
        spans = spans_of.get(name, [])
        notes = [measure.unit, format_period(*spans[0]) if len(spans) == 1 else ""]
        notes += [f"rounded to {measure.rounding:,g}" if measure.rounding else ""]
        notes += [describe_uncertainty(measure)]
        notes += ["no publisher reports it" if name in report.header.unknowns else ""]
        note_text = ", ".join(note for note in notes if note)
        heads.append({"name": name, "title": measure.title, "note": note_text, "period": notes[1]})
    return heads
