"""Accessible spreadsheet of the answer to a problem.

The spreadsheet follows the guidance of the Government Analysis Function: "Making spreadsheets accessible" and "Using
symbols and shorthand in spreadsheets". It has a cover, a list of contents, notes, and one marked table on each sheet.
There are no merged or blank cells. Missing figures have shorthand in square brackets. `workbook` writes the layout.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

import polars as pl

from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.core.table_cache import clear_between_steps
from pipelines.declarations.measure import Measure
from pipelines.gaps import PERIOD_SUFFIX, VERDICT_WORDS
from pipelines.outputs.report_changes import describe_causes
from pipelines.outputs.report_model import Report
from pipelines.outputs.report_summary import (
    count_gaps_by_reason,
    list_requests,
    newest_release_day,
    source_attribution,
)
from pipelines.outputs.report_tables import describe_uncertainty
from pipelines.outputs.workbook import WITH_NOTES, Cover, SheetTable, write_workbook

SHORTHAND = {"suppressed": "[c]", "not_applicable": "[z]"}
"""Shorthand for a missing figure, by gap reason. The default is not available, [x]."""
CODE_WIDTH, NAME_WIDTH, FIGURE_WIDTH = 14, 40, 18
"""Widths in characters of the columns of codes and names, and of a column of figures."""
NOT_KNOWN, NOTHING = "[x]", "[z]"
FIGURES_LEGEND = [
    "This table uses shorthand for missing figures: [c] suppressed to protect confidentiality; [x] not available, for "
    "a reason given in the Gaps sheet; [z] not applicable.",
    "A missing figure is never shown as zero.",
]
PARTNERSHIPS_LEGEND = (
    "A partnership has the sum of the counts of all its members, and the average of their rates by denominator. Its "
    "members are also in the Figures sheet."
)


def build_spreadsheet(report: Report) -> bytes:
    """Return the spreadsheet as bytes. The same report gives the same bytes."""
    title = escape_text(report.header.question)
    # The day of the newest release, so that the bytes depend on the content alone.
    created = datetime.combine(newest_release_day(report.cells) or _NO_RELEASE, time())
    return write_workbook(_make_cover(report, title), build_sheets(report), _measure_notes(report), title, created)


_NO_RELEASE = date(2000, 1, 1)
"""Time of creation of a spreadsheet without figures."""


def build_sheets(report: Report) -> list[SheetTable]:
    """Return the tables of the spreadsheet, one for each sheet."""
    figures = figures_table(report)
    notes = {
        figures.columns.index(measure_heading(measure)): number
        for number, measure in enumerate(report.measures.values(), 1)
    }
    widths = [CODE_WIDTH, NAME_WIDTH, *map(_choose_width, figures.get_columns()[2:])]
    lines = (WITH_NOTES, *FIGURES_LEGEND) if notes else (WITH_NOTES,)
    sheets = [
        SheetTable("Answers", "Where we can and cannot answer this, and why", answers_table(report)),
        SheetTable("Figures", "Figures, with shorthand for missing figures", figures, notes, lines, widths),
        *_partnership_sheets(report),
        SheetTable("Gaps", "Missing figures, reasons and data owners", gaps_table(report)),
        SheetTable("Reasons", "Meaning of the gap reasons", reason_counts_table(report)),
        SheetTable("Sources", "Sources of the figures", source_credits_table(report)),
    ]
    return [sheet._replace(table=_escape_texts(sheet.table)) for sheet in sheets]


def _partnership_sheets(report: Report) -> list[SheetTable]:
    """Return a sheet with the figures of the partnerships; none for a problem without partnerships."""
    if not report.header.groups:
        return []
    figures = figures_table(report.of_partnerships)
    widths = [CODE_WIDTH, NAME_WIDTH, *map(_choose_width, figures.get_columns()[2:])]
    lines = (*FIGURES_LEGEND, PARTNERSHIPS_LEGEND)
    return [SheetTable("Partnerships", "Figures of partnerships of places", figures, {}, lines, widths)]


def _choose_width(values: pl.Series) -> int:
    """Return the width of a column of figures, wide enough for its longest period."""
    texts = values.drop_nulls().unique().to_list() if values.dtype == pl.String else []
    return max(FIGURE_WIDTH, *(len(text) + 2 for text in texts), 0)


@lru_cache(maxsize=32_768)
def escape_text(text: str) -> str:
    """Remove characters that a spreadsheet does not allow or that look like a link or a note."""
    plain = text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"\]\s*\(", "] - (", plain).replace("$$", "$ $")[:32_000]


clear_between_steps(escape_text.cache_clear)


def _escape_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Escape every text column. Dates and booleans become text."""
    columns = []
    for values in frame.iter_columns():
        text = values.cast(pl.String) if values.dtype in (pl.Date, pl.Boolean) else values
        columns.append(_map_distinct(text, escape_text) if text.dtype == pl.String else text)
    return pl.DataFrame(columns)


def _map_distinct(values: pl.Series, change: Callable[[str], str]) -> pl.Series:
    """Change the texts of a column. Each distinct text is changed once."""
    texts = values.to_list()
    changed = {text: change(text) for text in set(texts) - {None}}
    if all(new == text for text, new in changed.items()):
        return values
    return pl.Series(values.name, [changed.get(text) for text in texts], dtype=pl.String)


def answers_table(report: Report) -> pl.DataFrame:
    """Return the verdict, its reason and the number of needs met for each place (and period)."""
    verdicts = report.history.verdicts
    return verdicts.select(
        pl.col("place_code").alias("Place code"), pl.col("place_name").alias("Place"),
        *_period_columns(report, verdicts),
        pl.col("verdict").replace_strict(VERDICT_WORDS, return_dtype=pl.String).alias("Verdict"),
        _map_distinct(verdicts["blocking_reasons"], lambda text: describe_causes(text, report.measures))
        .fill_null("nothing missing").alias("Reason"),
        pl.col("needs_met").alias("Needs met"), pl.col("needs_total").alias("Total needs"),
    )  # fmt: skip


def _format_periods(name: str, starts: pl.Series, ends: pl.Series) -> pl.Series:
    """Format the periods of a table. Each distinct period is formatted once."""
    spans = list(zip(starts, ends, strict=True))
    texts = {span: None if None in span else format_period(*span) for span in set(spans)}
    return pl.Series(name, [texts[span] for span in spans], dtype=pl.String)


_FIGURE_COLUMNS = ("place_code", "place_name", "period_start", "period_end", "measure", "value", "reason",
                   "reference_start", "reference_end", "interval_lower", "interval_upper")  # fmt: skip
"""Columns of cells in the table of figures: a copy of all would take more memory than the table."""


def figures_table(report: Report) -> pl.DataFrame:
    """Return a row for each place (and period), with a figure or shorthand for each measure.

    A measure has a second column with the reference period of each figure, unless all are of the period of their row.
    """
    key = ["place_code", "place_name", "period_start", "period_end"]
    cells = (
        report.cells.select(_FIGURE_COLUMNS)
        .sort("place_code", "period_start")
        .with_columns(
            pl.col("reason").replace_strict(SHORTHAND, default=NOT_KNOWN, return_dtype=pl.String).alias("short")
        )
    )
    by_measure, columns = cells.partition_by("measure", as_dict=True), list[pl.Series]()
    for name, measure in report.measures.items():
        mine = by_measure.get((name,), cells.clear())
        mixed = [short if value is None else value for value, short in zip(mine["value"], mine["short"], strict=True)]
        columns.append(pl.Series(name, mixed, dtype=pl.Object))
        if measure.interval:
            columns += [_limit_column(mine, name, side) for side in INTERVAL_SIDES]
        if _has_other_periods(mine):
            columns.append(_figure_periods(f"{name}{PERIOD_SUFFIX}", mine))
    wide = cells.select(key).unique(maintain_order=True).with_columns(columns)
    titles = [
        pl.col(column).alias(title)
        for name, measure in report.measures.items()
        for column, title in _measure_columns(name, measure).items()
        if column in wide.columns
    ]
    return wide.select(
        pl.col("place_code").alias("Place code"),
        pl.col("place_name").alias("Place"),
        *_period_columns(report, wide),
        *titles,
    )


def _has_other_periods(cells: pl.DataFrame) -> bool:
    """Return whether a figure is of another period than its row; the rows of grain latest have no period."""
    starts, ends = pl.col("reference_start") != pl.col("period_start"), pl.col("reference_end") != pl.col("period_end")
    return bool(cells.select((pl.col("value").is_not_null() & (starts | ends)).any()).item())


def _measure_columns(name: str, measure: Measure) -> dict[str, str]:
    """Return the headings of the possible columns of a measure: figure, interval and reference period."""
    own = {name: measure_heading(measure), **_limit_headings(name, measure)}
    return {**own, f"{name}{PERIOD_SUFFIX}": f"{measure_heading(measure)}: reference period"}


def _period_columns(report: Report, rows: pl.DataFrame) -> list[pl.Series]:
    """Return the column of periods, which a problem of grain latest does not have."""
    if report.header.grain == "latest":
        return []
    return [_format_periods("Period", rows["period_start"], rows["period_end"])]


def _figure_periods(name: str, cells: pl.DataFrame) -> pl.Series:
    """Return the reference period of each figure, or shorthand if the figure is missing."""
    periods = _format_periods(name, cells["reference_start"], cells["reference_end"])
    return periods.set(cells["value"].is_null(), NOT_KNOWN)


INTERVAL_SIDES = ("lower", "upper")
"""Ends of an interval, as column headings name them."""


def _limit_column(cells: pl.DataFrame, name: str, side: str) -> pl.Series:
    ends = [NOT_KNOWN if end is None else end for end in cells[f"interval_{side}"]]
    return pl.Series(f"{name} {side}", ends, dtype=pl.Object)


def _limit_headings(name: str, measure: Measure) -> dict[str, str]:
    """Return the headings of the interval columns of an estimate. A measure without an interval has none."""
    level = f"{measure.interval.level:g} % interval" if measure.interval else ""
    return {
        f"{name} {side}": escape_text(f"{measure.title}, {level}, {side} ({measure.unit})")
        for side in INTERVAL_SIDES
        if level
    }


def measure_heading(measure: Measure) -> str:
    """Return the column heading of a measure: title and unit."""
    return escape_text(f"{measure.title} ({measure.unit})")


def gaps_table(report: Report) -> pl.DataFrame:
    """Return the requests: measure, gap reason, data owner, remedy, and numbers of places, figures and people."""
    rows = [
        {"Measure": row["measure_title"], "Needed or wanted": row["need"], "Gap reason": row["title"],
         "Data owner": row["data_owner"], "Remedy": row["remedy"], "Places": row["places"], "Figures": row["cells"],
         "People": NOT_KNOWN if row["people"] is None else float(row["people"])}
        for row in list_requests(report)
    ]  # fmt: skip
    return _build_table(rows, ("Measure", "Needed or wanted", "Gap reason", "Data owner", "Remedy"),
                  ("Places", "Figures", "People"))  # fmt: skip


def _build_table(rows: list[dict[str, Any]], texts: tuple[str, ...], mixed: tuple[str, ...] = ()) -> pl.DataFrame:
    """Return a table of the rows, or one row of shorthand if empty. `mixed` columns have numbers and shorthand."""
    rows = rows or [dict.fromkeys((*texts, *mixed), NOTHING)]
    return pl.DataFrame(
        [pl.Series(name, [str(row[name] or NOTHING) for row in rows], dtype=pl.String) for name in texts]
        + [pl.Series(name, [row[name] for row in rows], dtype=pl.Object) for name in mixed]
    )


def reason_counts_table(report: Report) -> pl.DataFrame:
    """Return the gap reasons in use, with meaning, rule, shorthand and numbers of figures and places."""
    rows = [
        {"Reason": row["reason"], "Meaning": row["title"], "Rule": REASONS[row["reason"]].rule,
         "Shorthand": SHORTHAND.get(row["reason"], NOT_KNOWN), "Figures": row["cells"], "Places": row["places"]}
        for row in count_gaps_by_reason(report)
    ]  # fmt: skip
    return _build_table(rows, ("Reason", "Meaning", "Rule", "Shorthand"), ("Figures", "Places"))


def source_credits_table(report: Report) -> pl.DataFrame:
    """Return the sources with publisher, licence, page and attribution."""
    rows = [
        {"Source": source.title, "Publisher": source.publisher, "Licence": source.licence, "Page": source.page,
         "Attribution": source_attribution(source)}
        for source in report.sources.values()
    ]  # fmt: skip
    return _build_table(rows, ("Source", "Publisher", "Licence", "Page", "Attribution"))


def _measure_notes(report: Report) -> list[str]:
    """Return a note for each measure: title, unit, source, rounding, noise and interval."""
    return [escape_text(_measure_note(report, name, measure)) for name, measure in report.measures.items()]


def _measure_note(report: Report, name: str, measure: Measure) -> str:
    source = report.sources[report.measure_sources[name]]
    rounding_note = f" Rounded to {measure.rounding:,g}." if measure.rounding else ""
    noisy = " The publisher adds noise to protect confidentiality." if measure.perturbed else ""
    sure = f" This is an {describe_uncertainty(measure)}." if describe_uncertainty(measure) else ""
    want_note = " Wanted, but no known source publishes it." if name in report.header.unknowns else ""
    introduction = f"{measure.title}, in {measure.unit}. Source: {source.publisher}, {source.title}."
    return f"{introduction}{rounding_note}{noisy}{sure}{want_note}"


def _make_cover(report: Report, title: str) -> Cover:
    newest = newest_release_day(report.cells)
    released = f" The newest figures were released on {format_period(newest, newest)}." if newest else ""
    publishers = "; ".join(sorted({source.publisher for source in report.sources.values()}))
    return Cover(
        title,
        {
            "Introductory information": [
                "Figures by place, missing figures with their reasons, and the data owners who could supply them.",
                escape_text(f"Decision it supports: {report.header.decision}"),
            ],
            "About these data": [
                f"Produced by Commonground {report.version}.{released}",
                "Each sheet has one table, which starts in column A. Missing figures are shown as shorthand in square "
                "brackets.",
                escape_text(f"Publishers: {publishers}."),
            ],
            "Contact": [escape_text(f"Owner: {report.header.owner}")],
        },
    )
