"""Format frames as a console table, CSV or JSON, with formulas and control characters in data made harmless."""

import json
import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.core.row_lists import RowLists, can_list
from pipelines.core.visible import escape_invisible

if TYPE_CHECKING:
    from rich.progress import Progress

FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
MAX_TABLE_ROWS = 60
"""Maximum rows of a console table; CSV and JSON contain all rows."""


def escape_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Prefix an apostrophe to text that a spreadsheet would evaluate as a formula."""
    text = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    pattern = f"^[{re.escape(''.join(FORMULA_PREFIXES))}]"
    risky = frame.select(pl.col(name).str.contains(pattern).any() for name in text) if text else pl.DataFrame()
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(pattern)).then(pl.concat_str(pl.lit("'"), name)).otherwise(name).alias(name)
        for name in text
        if risky[name][0]
    )


def format_csv(frame: pl.DataFrame) -> str:
    """Format a frame as CSV that is safe to open in a spreadsheet."""
    return escape_formulas(frame).write_csv()


def format_json(frame: pl.DataFrame) -> str:
    """Format a frame as a JSON array of rows, with ISO dates and null for missing values."""
    rows = [{k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()} for row in frame.to_dicts()]
    return json.dumps(rows, ensure_ascii=False, indent=1, default=_json_value) + "\n"


def _json_value(value: object) -> int | float | str:
    """Convert a decimal number to JSON's number, and any other value to text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


_MIN_COLUMN_WIDTH = 16
"""Narrowest column, in characters, that does not break most words."""


def format_table(frame: pl.DataFrame, width: int) -> Table | RowLists:
    """Format the first rows of a frame as a console table, or each row as a list where the columns do not fit."""
    more = frame.height - MAX_TABLE_ROWS
    note = (
        f"first {MAX_TABLE_ROWS} of {frame.height:,} rows; --format csv gives all"
        if more > 0
        else f"{frame.height:,} row{'s' * (frame.height != 1)}"
    )
    width = min(width, 240)
    # Text, not markup: a name from data may contain square brackets.
    rows = [[Text(_format_value(value)) for value in row] for row in frame.head(MAX_TABLE_ROWS).iter_rows()]
    is_wide = _required_width(frame.columns, rows) > width
    if is_wide and can_list(frame.columns, rows, width):
        return RowLists(frame.columns, rows, width, note)
    table = Table(caption=note, caption_justify="left", show_lines=False, width=width)
    if is_wide:
        return _add_rows_as_lists(table, frame.columns, rows)
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _required_width(names: list[str], rows: list[list[Text]]) -> int:
    """Return the table width, in characters, at which most words remain unbroken."""
    longest = [max([len(name), *(len(row[n]) for row in rows)]) for n, name in enumerate(names)]
    return sum(min(length, _MIN_COLUMN_WIDTH) + 3 for length in longest) + 1


def _add_rows_as_lists(table: Table, names: list[str], rows: list[list[Text]]) -> Table:
    """Add each row to the table as a list, one line per column."""
    table.show_header = False
    table.add_column(overflow="fold", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for row in rows:
        for name, value in zip(names, row, strict=True):
            table.add_row(name, value)
        table.add_section()
    return table


def _format_value(value: object) -> str:
    if value is None:
        return "·"
    if isinstance(value, float):
        if value.is_integer():
            return f"{value:,.0f}"
        # Small values keep significant digits: a weight of 0.003 must not print as 0.
        return f"{value:.3g}" if abs(value) < 1 else f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else escape_invisible(str(value))


def progress_bar(console: Console) -> "Progress":
    """Return a progress bar that disappears when the work is complete."""
    # Imported late: only commands that work for long show progress.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, refresh_per_second=4)
