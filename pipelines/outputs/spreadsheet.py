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

from checks import is_carried
from pipelines.core.periods import say
from pipelines.core.reasons import REASONS
from pipelines.declarations.measure import Measure
from pipelines.gaps import OF_PERIOD, SAID
from pipelines.outputs.report_model import Report
from pipelines.outputs.report_summary import attribution, gaps_by_reason, shopping_list
from pipelines.outputs.report_tables import sureness

SHORTHAND = {"suppressed": "[c]", "not_applicable": "[z]"}
"""Shorthand of a figure that is missing, by reason; for every other reason it is not available, [x]."""
FIGURE_WIDTH, NAME_WIDTH = 24, 44
"""Characters that a column of figures, whose head is wrapped, and that of names have room for."""
NOT_KNOWN, NOTHING = "[x]", "[z]"
LEGEND = [
    "This table uses shorthand where there is no figure: [c] hidden to protect people; [x] not available, for the "
    "reason that the table of gaps gives; [z] not applicable.",
    "A figure that is missing is never shown as a nought.",
]


class Sheet(NamedTuple):
    """One sheet: its name, the title of its table, the table, and the note of some columns by their place."""

    name: str
    title: str
    table: pl.DataFrame
    notes: dict[int, str]


def spreadsheet(report: Report) -> bytes:
    """Write the spreadsheet; the same report gives the same bytes."""
    # Imported late: it brings pandas along, which takes a second.
    import gptables

    notes = _notes(report)
    sheets = {each.name: _sheet(gptables, each) for each in sheets_of(report)}
    content = io.BytesIO()
    with warnings.catch_warnings():
        # It warns of every note that no table refers to.
        warnings.simplefilter("ignore")
        book = gptables.produce_workbook(
            filename=content, sheets=sheets, cover=_cover(gptables, report),
            notes_table=_plain_pandas(notes) if notes.height else None, auto_width={"Figures": False},
            workbook_options={"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True},
        )  # fmt: skip
    # Measuring every figure takes a tenth of the time of a spreadsheet; they are no wider than the words above them.
    figures = book.get_worksheet_by_name("Figures")
    figures.set_column(0, sheets["Figures"].table.shape[1] - 1, FIGURE_WIDTH)
    figures.set_column(1, 1, NAME_WIDTH)
    made = datetime(report.as_of.year, report.as_of.month, report.as_of.day, tzinfo=UTC).replace(tzinfo=None)
    book.set_properties({"title": safe(report.header.question), "author": "Commonground", "created": made})
    book.close()
    return content.getvalue()


def sheets_of(report: Report) -> list[Sheet]:
    """Give the tables of the spreadsheet, each for a sheet of its own."""
    notes = {name: f"$$note {number}$$" for number, name in enumerate(report.measures, 1)}
    figures = figures_table(report)
    places = {figures.columns.index(heading(each)): notes[name] for name, each in report.measures.items()}
    return [
        Sheet("Answers", "Where the question can be answered", answers_table(report), {}),
        Sheet("Figures", "Figures, or shorthand where there are none", figures, places),
        Sheet("Gaps", "What is missing, why, and who could supply it", gaps_table(report), {}),
        Sheet("Reasons", "What the reasons mean", reasons_table(report), {}),
        Sheet("Sources", "Where the figures come from", sources_table(report), {}),
    ]


def safe(text: str) -> str:
    """Take from a text what the layout would read as a link or as a note, and what no spreadsheet can hold."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"\]\s*\(", "] - (", plain).replace("$$", "$ $")[:32_000]


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Make every text safe, and fill what is blank: a screen reader says nothing of an empty cell."""
    columns = []
    for name, dtype in frame.schema.items():
        text = pl.col(name).cast(pl.String) if dtype in (pl.Date, pl.Boolean) else pl.col(name)
        columns.append(text.map_elements(safe, return_dtype=pl.String) if dtype == pl.String else text)
    return frame.select(columns)


def answers_table(report: Report) -> pl.DataFrame:
    """Give for each place (and period) the verdict, what keeps it from a better one, and the needs met."""
    judged = report.followed.judged
    return judged.select(
        pl.col("place_code").alias("Place code"), pl.col("place_name").alias("Place"),
        *([] if report.header.grain == "latest" else [_period().alias("Period")]),
        pl.col("verdict").replace_strict(SAID, return_dtype=pl.String).alias("Here the question"),
        pl.col("because").fill_null("nothing that matters").alias("Because of"),
        pl.col("needs_met").alias("Needs met"), pl.col("needs_in_all").alias("Needs in all"),
    )  # fmt: skip


def _period() -> pl.Expr:
    return pl.struct("period_start", "period_end").map_elements(
        lambda row: say(row["period_start"], row["period_end"]), return_dtype=pl.String
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
            wide = wide.with_columns(_limit(mine, name, side) for side in SIDES)
        if mine.select(is_carried().any()).item():
            wide = wide.with_columns(mine.select(_figure_period().alias(f"{name}{OF_PERIOD}")).to_series())
    period = [] if report.header.grain == "latest" else [_period().alias("Period")]
    titles = [
        pl.col(column).alias(title)
        for name, measure in report.measures.items()
        for column, title in _headings(name, measure).items()
        if column in wide.columns
    ]
    return wide.select(pl.col("place_code").alias("Place code"), pl.col("place_name").alias("Place"), *period, *titles)


def _headings(name: str, measure: Measure) -> dict[str, str]:
    """Name the columns that a measure may have, and what they are headed: its figure, limits and periods."""
    own = {name: heading(measure), **_limit_headings(name, measure)}
    return {**own, f"{name}{OF_PERIOD}": f"{heading(measure)}: its period"}


def _figure_period() -> pl.Expr:
    """Say of what period a figure is; the shorthand for not known where there is none."""
    told = pl.struct("value_start", "value_end").map_elements(
        lambda row: say(row["value_start"], row["value_end"]), return_dtype=pl.String
    )
    return pl.when(pl.col("value").is_not_null()).then(told).otherwise(pl.lit(NOT_KNOWN))


SIDES = {"low": "lower", "high": "upper"}
"""Ends of an interval, and what their columns are called."""


def _limit(cells: pl.DataFrame, name: str, side: str) -> pl.Series:
    ends = [NOT_KNOWN if end is None else end for end in cells[f"likely_{side}"]]
    return pl.Series(f"{name} {side}", ends, dtype=pl.Object)


def _limit_headings(name: str, measure: Measure) -> dict[str, str]:
    """Name the columns with the limits of an estimate, and what they are headed; none where it has no limits."""
    level = f"{measure.interval.level:g} % limit" if measure.interval else ""
    return {f"{name} {side}": safe(f"{measure.title}, {word} {level} ({measure.unit})") for side, word in SIDES.items()
            if level}  # fmt: skip


def heading(measure: Measure) -> str:
    """Write the head of a measure's column: its title and unit."""
    return safe(f"{measure.title} ({measure.unit})")


def gaps_table(report: Report) -> pl.DataFrame:
    """Give the shopping list: what is missing, why, who could supply it, and what that would unlock."""
    rows = [
        {"Measure": row["measure_title"], "Needed or wanted": row["need"], "Why it is missing": row["title"],
         "Who could supply it": row["holder"], "How": row["remedy"], "Places": row["places"], "Figures": row["cells"],
         "People": NOT_KNOWN if row["people"] is None else float(row["people"])}
        for row in shopping_list(report)
    ]  # fmt: skip
    return _table(rows, ("Measure", "Needed or wanted", "Why it is missing", "Who could supply it", "How"),
                  ("Places", "Figures", "People"))  # fmt: skip


def _table(rows: list[dict[str, Any]], texts: tuple[str, ...], mixed: tuple[str, ...] = ()) -> pl.DataFrame:
    """Make a table of rows; `mixed` columns hold numbers and shorthand. One row of shorthand where there is none."""
    rows = rows or [dict.fromkeys((*texts, *mixed), NOTHING)]
    return pl.DataFrame(
        [pl.Series(name, [str(row[name] or NOTHING) for row in rows], dtype=pl.String) for name in texts]
        + [pl.Series(name, [row[name] for row in rows], dtype=pl.Object) for name in mixed]
    )


def reasons_table(report: Report) -> pl.DataFrame:
    """Give the reasons that occur: what each means, how often it holds, and the shorthand that stands for it."""
    rows = [
        {"Reason": row["reason"], "Meaning": row["title"], "How it is told": REASONS[row["reason"]].rule,
         "Shorthand": SHORTHAND.get(row["reason"], NOT_KNOWN), "Figures": row["cells"], "Places": row["places"]}
        for row in gaps_by_reason(report)
    ]  # fmt: skip
    return _table(rows, ("Reason", "Meaning", "How it is told", "Shorthand"), ("Figures", "Places"))


def sources_table(report: Report) -> pl.DataFrame:
    """Give the sources: publisher, licence, page and attribution."""
    rows = [
        {"Source": source.title, "Publisher": source.publisher, "Licence": source.licence, "Page": source.page,
         "Attribution": attribution(source)}
        for source in report.sources.values()
    ]  # fmt: skip
    return _table(rows, ("Source", "Publisher", "Licence", "Page", "Attribution"))


def _notes(report: Report) -> pl.DataFrame:
    """Give a note for each measure: where it comes from, of what it is, and how it is rounded."""
    rows = []
    for number, (name, measure) in enumerate(report.measures.items(), 1):
        source = report.sources[report.measure_sources[name]]
        rounded = f" Rounded to {measure.rounding:,g}." if measure.rounding else ""
        noisy = " Noise is added to protect people." if measure.perturbed else ""
        sure = f" It is an {sureness(measure)}." if sureness(measure) else ""
        wanted = " Asked for, although no source is known to publish it." if name in report.header.unknowns else ""
        said = f"{measure.title}, in {measure.unit}. Source: {source.publisher}, {source.title}."
        text = f"{said}{rounded}{noisy}{sure}{wanted}"
        rows.append({"Note number": f"note {number}", "Note text": safe(text)})
    return pl.DataFrame(rows, schema={"Note number": pl.String, "Note text": pl.String})


def _plain_pandas(frame: pl.DataFrame) -> Any:
    """Give a frame to gptables as it wants it; nothing is blank, and figures stay figures beside shorthand."""
    import pandas as pd

    ready = _texts(frame)
    return pd.DataFrame({name: pd.Series(ready[name].to_list(), dtype=object) for name in ready.columns})


def _sheet(gptables: Any, sheet: Sheet) -> Any:
    return gptables.GPTable(
        table=_plain_pandas(sheet.table), table_name=f"{sheet.name.lower()}_table", title=sheet.title, subtitles=[],
        instructions="", scope=None, source=None, legend=LEGEND if sheet.notes else [], table_notes=sheet.notes,
        index_columns={},
    )  # fmt: skip


def _cover(gptables: Any, report: Report) -> Any:
    day = say(report.as_of, report.as_of)
    return gptables.Cover(
        cover_label="Cover",
        title=safe(report.header.question),
        intro=["What is known place by place, what is missing, why, and who could supply it.",
               safe(f"The decision it serves: {report.header.decision}")],
        about=[f"Made by Commonground {report.version} as of {day}, from what had been released by then.",
               "Each sheet holds one table. Each table begins in column A. Figures that are missing are shown as "
               "shorthand in square brackets.",
               safe("Publishers: " + "; ".join(sorted({each.publisher for each in report.sources.values()})) + ".")],
        contact=[safe(f"Owner: {report.header.owner}")],
    )  # fmt: skip
