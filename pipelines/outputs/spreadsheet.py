"""Accessible spreadsheet of the answer to a problem.

The spreadsheet follows the guidance of the Government Analysis Function: "Making spreadsheets accessible" and "Using
symbols and shorthand in spreadsheets". It has a cover, a list of contents, notes, and one marked table on each sheet.
There are no merged or blank cells. Missing figures have shorthand in square brackets. The layout uses gptables (ONS).
"""

import io
import re
import warnings
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from checks import is_carried_forward
from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.declarations.measure import Measure
from pipelines.gaps import PERIOD_SUFFIX, VERDICT_WORDS
from pipelines.outputs.report_model import Report
from pipelines.outputs.report_summary import count_gaps_by_reason, list_requests, source_attribution
from pipelines.outputs.report_tables import describe_uncertainty

SHORTHAND = {"suppressed": "[c]", "not_applicable": "[z]"}
"""Shorthand for a missing figure, by gap reason. The default is not available, [x]."""
FIGURE_WIDTH, NAME_WIDTH = 24, 44
"""Widths in characters of a column of figures, with a wrapped heading, and of the column of names."""
NOT_KNOWN, NOTHING = "[x]", "[z]"
FIGURES_LEGEND = [
    "This table uses shorthand for missing figures: [c] suppressed to protect confidentiality; [x] not available, for "
    "a reason given in the Gaps sheet; [z] not applicable.",
    "A missing figure is never shown as zero.",
]


class SheetTable(NamedTuple):
    """One sheet: name, title, table, and the note references by column position."""

    name: str
    title: str
    table: pl.DataFrame
    notes: dict[int, str]


def build_spreadsheet(report: Report) -> bytes:
    """Return the spreadsheet as bytes. The same report gives the same bytes."""
    # Imported late: gptables imports pandas, which takes a second.
    import gptables

    notes = _measure_notes(report)
    sheets = {sheet.name: _make_sheet(gptables, sheet) for sheet in build_sheets(report)}
    content = io.BytesIO()
    with warnings.catch_warnings():
        # gptables warns about every note without a reference.
        warnings.simplefilter("ignore")
        book = gptables.produce_workbook(
            filename=content, sheets=sheets, cover=_make_cover(gptables, report),
            notes_table=_to_pandas(notes) if notes.height else None, auto_width={"Figures": False},
            workbook_options={"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True},
        )  # fmt: skip
    # Automatic widths of figures take a tenth of the time. Figures are not wider than their headings.
    figures = book.get_worksheet_by_name("Figures")
    figures.set_column(0, sheets["Figures"].table.shape[1] - 1, FIGURE_WIDTH)
    figures.set_column(1, 1, NAME_WIDTH)
    created = datetime(report.as_of.year, report.as_of.month, report.as_of.day, tzinfo=UTC).replace(tzinfo=None)
    book.set_properties({"title": escape_text(report.header.question), "author": "Commonground", "created": created})
    book.close()
    return content.getvalue()


def build_sheets(report: Report) -> list[SheetTable]:
    """Return the tables of the spreadsheet, one for each sheet."""
    notes = {name: f"$$note {number}$$" for number, name in enumerate(report.measures, 1)}
    figures = figures_table(report)
    places = {figures.columns.index(measure_heading(measure)): notes[name] for name, measure in report.measures.items()}
    return [
        SheetTable("Answers", "Where we can and cannot answer this, and why", answers_table(report), {}),
        SheetTable("Figures", "Figures, with shorthand for missing figures", figures, places),
        SheetTable("Gaps", "Missing figures, reasons and data owners", gaps_table(report), {}),
        SheetTable("Reasons", "Meaning of the gap reasons", reason_counts_table(report), {}),
        SheetTable("Sources", "Sources of the figures", source_credits_table(report), {}),
    ]


def escape_text(text: str) -> str:
    """Remove characters that gptables reads as a link or a note, or that a spreadsheet does not allow."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"\]\s*\(", "] - (", plain).replace("$$", "$ $")[:32_000]


def _escape_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Escape every text column. Dates and booleans become text."""
    columns = []
    for name, dtype in frame.schema.items():
        text = pl.col(name).cast(pl.String) if dtype in (pl.Date, pl.Boolean) else pl.col(name)
        columns.append(text.map_elements(escape_text, return_dtype=pl.String) if dtype == pl.String else text)
    return frame.select(columns)


def answers_table(report: Report) -> pl.DataFrame:
    """Return the verdict, its reason and the number of needs met for each place (and period)."""
    verdicts = report.history.verdicts
    return verdicts.select(
        pl.col("place_code").alias("Place code"), pl.col("place_name").alias("Place"),
        *([] if report.header.grain == "latest" else [_period_expression().alias("Period")]),
        pl.col("verdict").replace_strict(VERDICT_WORDS, return_dtype=pl.String).alias("Verdict"),
        pl.col("blocking_reasons").fill_null("nothing missing").alias("Reason"),
        pl.col("needs_met").alias("Needs met"), pl.col("needs_total").alias("Total needs"),
    )  # fmt: skip


def _period_expression() -> pl.Expr:
    return pl.struct("period_start", "period_end").map_elements(
        lambda row: format_period(row["period_start"], row["period_end"]), return_dtype=pl.String
    )


def figures_table(report: Report) -> pl.DataFrame:
    """Return a row for each place (and period), with a figure or shorthand for each measure.

    A measure with figures carried forward has a second column with the reference period of each figure.
    """
    key = ["place_code", "place_name", "period_start", "period_end"]
    cells = report.cells.sort("place_code", "period_start").with_columns(
        pl.col("reason").replace_strict(SHORTHAND, default=NOT_KNOWN, return_dtype=pl.String).alias("short")
    )
    wide = cells.select(key).unique(maintain_order=True)
    for name, measure in report.measures.items():
        mine = cells.filter(pl.col("measure") == name)
        mixed = [short if value is None else value for value, short in mine.select("value", "short").iter_rows()]
        wide = wide.with_columns(pl.Series(name, mixed, dtype=pl.Object))
        if measure.interval:
            wide = wide.with_columns(_limit_column(mine, name, side) for side in INTERVAL_SIDES)
        if mine.select(is_carried_forward().any()).item():
            wide = wide.with_columns(mine.select(_figure_period().alias(f"{name}{PERIOD_SUFFIX}")).to_series())
    period = [] if report.header.grain == "latest" else [_period_expression().alias("Period")]
    titles = [
        pl.col(column).alias(title)
        for name, measure in report.measures.items()
        for column, title in _measure_columns(name, measure).items()
        if column in wide.columns
    ]
    return wide.select(pl.col("place_code").alias("Place code"), pl.col("place_name").alias("Place"), *period, *titles)


def _measure_columns(name: str, measure: Measure) -> dict[str, str]:
    """Return the headings of the possible columns of a measure: figure, interval and reference period."""
    own = {name: measure_heading(measure), **_limit_headings(name, measure)}
    return {**own, f"{name}{PERIOD_SUFFIX}": f"{measure_heading(measure)}: reference period"}


def _figure_period() -> pl.Expr:
    """Return the expression for the reference period of a figure, or for shorthand if the figure is missing."""
    period = pl.struct("reference_start", "reference_end").map_elements(
        lambda row: format_period(row["reference_start"], row["reference_end"]), return_dtype=pl.String
    )
    return pl.when(pl.col("value").is_not_null()).then(period).otherwise(pl.lit(NOT_KNOWN))


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


def _measure_notes(report: Report) -> pl.DataFrame:
    """Return a note for each measure: title, unit, source, rounding, noise and interval."""
    rows = []
    for number, (name, measure) in enumerate(report.measures.items(), 1):
        source = report.sources[report.measure_sources[name]]
        rounding_note = f" Rounded to {measure.rounding:,g}." if measure.rounding else ""
        noisy = " The publisher adds noise to protect confidentiality." if measure.perturbed else ""
        sure = f" This is an {describe_uncertainty(measure)}." if describe_uncertainty(measure) else ""
        want_note = " Wanted, but no known source publishes it." if name in report.header.unknowns else ""
        introduction = f"{measure.title}, in {measure.unit}. Source: {source.publisher}, {source.title}."
        text = f"{introduction}{rounding_note}{noisy}{sure}{want_note}"
        rows.append({"Note number": f"note {number}", "Note text": escape_text(text)})
    return pl.DataFrame(rows, schema={"Note number": pl.String, "Note text": pl.String})


def _to_pandas(frame: pl.DataFrame) -> Any:
    """Convert a frame to pandas for gptables. Columns can have both numbers and shorthand."""
    import pandas as pd

    ready = _escape_texts(frame)
    return pd.DataFrame({name: pd.Series(ready[name].to_list(), dtype=object) for name in ready.columns})


def _make_sheet(gptables: Any, sheet: SheetTable) -> Any:
    return gptables.GPTable(
        table=_to_pandas(sheet.table), table_name=f"{sheet.name.lower()}_table", title=sheet.title, subtitles=[],
        instructions="", scope=None, source=None, legend=FIGURES_LEGEND if sheet.notes else [], table_notes=sheet.notes,
        index_columns={},
    )  # fmt: skip


def _make_cover(gptables: Any, report: Report) -> Any:
    day = format_period(report.as_of, report.as_of)
    return gptables.Cover(
        cover_label="Cover",
        title=escape_text(report.header.question),
        intro=[
            "Figures by place, missing figures with their reasons, and the data owners who could supply them.",
            escape_text(f"Decision it supports: {report.header.decision}"),
        ],
        about=[
            f"Produced by Commonground {report.version} from data released by {day}.",
            "Each sheet has one table, which starts in column A. Missing figures are shown as shorthand in square "
            "brackets.",
            escape_text(
                "Publishers: " + "; ".join(sorted({source.publisher for source in report.sources.values()})) + "."
            ),
        ],
        contact=[escape_text(f"Owner: {report.header.owner}")],
    )
