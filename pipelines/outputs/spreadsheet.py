"""A problem's answer as a spreadsheet that everyone can read.

It follows the Government Analysis Function's guidance (Making spreadsheets accessible; Using symbols and shorthand in
spreadsheets): a cover, a list of contents, notes, one table a sheet, marked as a table, no merged and no blank cells,
and shorthand in square brackets where there is no figure. The layout is done by the ONS's gptables.
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
"""Shorthand of a figure that is missing, by reason; for every other reason it is not available, [x]."""
FIGURE_WIDTH, NAME_WIDTH = 24, 44
"""Characters that a column of figures, whose head is wrapped, and that of names have room for."""
NOT_KNOWN, NOTHING = "[x]", "[z]"
FIGURES_LEGEND = [
    "This table uses shorthand where there is no figure: [c] hidden to protect people; [x] not available, for the "
    "reason that the table of gaps gives; [z] not applicable.",
    "A figure that is missing is never shown as a nought.",
]


class SheetTable(NamedTuple):
    """One sheet: its name, the title of its table, the table, and the note of some columns by their place."""

    name: str
    title: str
    table: pl.DataFrame
    notes: dict[int, str]


def build_spreadsheet(report: Report) -> bytes:
    """Write the spreadsheet; the same report gives the same bytes."""
    # Imported late: it brings pandas along, which takes a second.
    import gptables

    notes = _measure_notes(report)
    sheets = {sheet.name: _make_sheet(gptables, sheet) for sheet in build_sheets(report)}
    content = io.BytesIO()
    with warnings.catch_warnings():
        # It warns of every note that no table refers to.
        warnings.simplefilter("ignore")
        book = gptables.produce_workbook(
            filename=content, sheets=sheets, cover=_make_cover(gptables, report),
            notes_table=_to_pandas(notes) if notes.height else None, auto_width={"Figures": False},
            workbook_options={"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True},
        )  # fmt: skip
    # Measuring every figure takes a tenth of the time of a spreadsheet; they are no wider than the words above them.
    figures = book.get_worksheet_by_name("Figures")
    figures.set_column(0, sheets["Figures"].table.shape[1] - 1, FIGURE_WIDTH)
    figures.set_column(1, 1, NAME_WIDTH)
    created = datetime(report.as_of.year, report.as_of.month, report.as_of.day, tzinfo=UTC).replace(tzinfo=None)
    book.set_properties({"title": escape_text(report.header.question), "author": "Commonground", "created": created})
    book.close()
    return content.getvalue()


def build_sheets(report: Report) -> list[SheetTable]:
    """Give the tables of the spreadsheet, each for a sheet of its own."""
    notes = {name: f"$$note {number}$$" for number, name in enumerate(report.measures, 1)}
    figures = figures_table(report)
    places = {figures.columns.index(measure_heading(measure)): notes[name] for name, measure in report.measures.items()}
    return [
        SheetTable("Answers", "Where the question can be answered", answers_table(report), {}),
        SheetTable("Figures", "Figures, or shorthand where there are none", figures, places),
        SheetTable("Gaps", "What is missing, why, and who could supply it", gaps_table(report), {}),
        SheetTable("Reasons", "What the reasons mean", reason_counts_table(report), {}),
        SheetTable("Sources", "Where the figures come from", source_credits_table(report), {}),
    ]


def escape_text(text: str) -> str:
    """Take from a text what the layout would read as a link or as a note, and what no spreadsheet can hold."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"\]\s*\(", "] - (", plain).replace("$$", "$ $")[:32_000]


def _escape_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Make every text safe, and fill what is blank: a screen reader says nothing of an empty cell."""
    columns = []
    for name, dtype in frame.schema.items():
        text = pl.col(name).cast(pl.String) if dtype in (pl.Date, pl.Boolean) else pl.col(name)
        columns.append(text.map_elements(escape_text, return_dtype=pl.String) if dtype == pl.String else text)
    return frame.select(columns)


def answers_table(report: Report) -> pl.DataFrame:
    """Give for each place (and period) the verdict, what keeps it from a better one, and the needs met."""
    verdicts = report.history.verdicts
    return verdicts.select(
        pl.col("place_code").alias("Place code"), pl.col("place_name").alias("Place"),
        *([] if report.header.grain == "latest" else [_period_expression().alias("Period")]),
        pl.col("verdict").replace_strict(VERDICT_WORDS, return_dtype=pl.String).alias("Here the question"),
        pl.col("because").fill_null("nothing that matters").alias("Because of"),
        pl.col("needs_met").alias("Needs met"), pl.col("needs_in_all").alias("Needs in all"),
    )  # fmt: skip


def _period_expression() -> pl.Expr:
    return pl.struct("period_start", "period_end").map_elements(
        lambda row: format_period(row["period_start"], row["period_end"]), return_dtype=pl.String
    )


def figures_table(report: Report) -> pl.DataFrame:
    """Give a row for each place (and period), with a figure or shorthand for each measure; columns hold both.

    Beside a measure of which a figure was carried forward from an earlier period stands the period of each figure.
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
    """Name the columns that a measure may have, and what they are headed: its figure, limits and periods."""
    own = {name: measure_heading(measure), **_limit_headings(name, measure)}
    return {**own, f"{name}{PERIOD_SUFFIX}": f"{measure_heading(measure)}: its period"}


def _figure_period() -> pl.Expr:
    """Say of what period a figure is; the shorthand for not known where there is none."""
    period = pl.struct("value_start", "value_end").map_elements(
        lambda row: format_period(row["value_start"], row["value_end"]), return_dtype=pl.String
    )
    return pl.when(pl.col("value").is_not_null()).then(period).otherwise(pl.lit(NOT_KNOWN))


INTERVAL_SIDES = {"low": "lower", "high": "upper"}
"""Ends of an interval, and what their columns are called."""


def _limit_column(cells: pl.DataFrame, name: str, side: str) -> pl.Series:
    ends = [NOT_KNOWN if end is None else end for end in cells[f"likely_{side}"]]
    return pl.Series(f"{name} {side}", ends, dtype=pl.Object)


def _limit_headings(name: str, measure: Measure) -> dict[str, str]:
    """Name the columns with the limits of an estimate, and what they are headed; none where it has no limits."""
    level = f"{measure.interval.level:g} % limit" if measure.interval else ""
    return {
        f"{name} {side}": escape_text(f"{measure.title}, {word} {level} ({measure.unit})")
        for side, word in INTERVAL_SIDES.items()
        if level
    }


def measure_heading(measure: Measure) -> str:
    """Write the head of a measure's column: its title and unit."""
    return escape_text(f"{measure.title} ({measure.unit})")


def gaps_table(report: Report) -> pl.DataFrame:
    """Give the shopping list: what is missing, why, who could supply it, and what that would unlock."""
    rows = [
        {"Measure": row["measure_title"], "Needed or wanted": row["need"], "Why it is missing": row["title"],
         "Who could supply it": row["holder"], "How": row["remedy"], "Places": row["places"], "Figures": row["cells"],
         "People": NOT_KNOWN if row["people"] is None else float(row["people"])}
        for row in list_requests(report)
    ]  # fmt: skip
    return _build_table(rows, ("Measure", "Needed or wanted", "Why it is missing", "Who could supply it", "How"),
                  ("Places", "Figures", "People"))  # fmt: skip


def _build_table(rows: list[dict[str, Any]], texts: tuple[str, ...], mixed: tuple[str, ...] = ()) -> pl.DataFrame:
    """Make a table of rows; `mixed` columns hold numbers and shorthand. One row of shorthand where there is none."""
    rows = rows or [dict.fromkeys((*texts, *mixed), NOTHING)]
    return pl.DataFrame(
        [pl.Series(name, [str(row[name] or NOTHING) for row in rows], dtype=pl.String) for name in texts]
        + [pl.Series(name, [row[name] for row in rows], dtype=pl.Object) for name in mixed]
    )


def reason_counts_table(report: Report) -> pl.DataFrame:
    """Give the reasons that occur: what each means, how often it holds, and the shorthand that stands for it."""
    rows = [
        {"Reason": row["reason"], "Meaning": row["title"], "How it is told": REASONS[row["reason"]].rule,
         "Shorthand": SHORTHAND.get(row["reason"], NOT_KNOWN), "Figures": row["cells"], "Places": row["places"]}
        for row in count_gaps_by_reason(report)
    ]  # fmt: skip
    return _build_table(rows, ("Reason", "Meaning", "How it is told", "Shorthand"), ("Figures", "Places"))


def source_credits_table(report: Report) -> pl.DataFrame:
    """Give the sources: publisher, licence, page and attribution."""
    rows = [
        {"Source": source.title, "Publisher": source.publisher, "Licence": source.licence, "Page": source.page,
         "Attribution": source_attribution(source)}
        for source in report.sources.values()
    ]  # fmt: skip
    return _build_table(rows, ("Source", "Publisher", "Licence", "Page", "Attribution"))


def _measure_notes(report: Report) -> pl.DataFrame:
    """Give a note for each measure: where it comes from, of what it is, and how it is rounded."""
    rows = []
    for number, (name, measure) in enumerate(report.measures.items(), 1):
        source = report.sources[report.measure_sources[name]]
        rounding_note = f" Rounded to {measure.rounding:,g}." if measure.rounding else ""
        noisy = " Noise is added to protect people." if measure.perturbed else ""
        sure = f" It is an {describe_uncertainty(measure)}." if describe_uncertainty(measure) else ""
        want_note = " Asked for, although no source is known to publish it." if name in report.header.unknowns else ""
        introduction = f"{measure.title}, in {measure.unit}. Source: {source.publisher}, {source.title}."
        text = f"{introduction}{rounding_note}{noisy}{sure}{want_note}"
        rows.append({"Note number": f"note {number}", "Note text": escape_text(text)})
    return pl.DataFrame(rows, schema={"Note number": pl.String, "Note text": pl.String})


def _to_pandas(frame: pl.DataFrame) -> Any:
    """Give a frame to gptables as it wants it; nothing is blank, and figures stay figures beside shorthand."""
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
            "What is known place by place, what is missing, why, and who could supply it.",
            escape_text(f"The decision it serves: {report.header.decision}"),
        ],
        about=[
            f"Made by Commonground {report.version} as of {day}, from what had been released by then.",
            "Each sheet holds one table. Each table begins in column A. Figures that are missing are shown as "
            "shorthand in square brackets.",
            escape_text(
                "Publishers: " + "; ".join(sorted({source.publisher for source in report.sources.values()})) + "."
            ),
        ],
        contact=[escape_text(f"Owner: {report.header.owner}")],
    )
