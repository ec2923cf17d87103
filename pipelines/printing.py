"""Printing frames: for people as a table, for machines as CSV or JSON; text from data can do no harm in either."""

import json
from datetime import date

import polars as pl
from rich.table import Table
from rich.text import Text

FORMULA = ("=", "+", "-", "@", "\t", "\r")
SHOWN = 60
"""Rows that are shown to a person; CSV and JSON have them all."""


def defused(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    text = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    risky = {name: pl.any_horizontal(pl.col(name).str.starts_with(mark) for mark in FORMULA) for name in text}
    return frame.with_columns(
        pl.when(found).then(pl.concat_str(pl.lit("'"), name)).otherwise(name).alias(name)
        for name, found in risky.items()
    )


def as_csv(frame: pl.DataFrame) -> str:
    """Write a frame as CSV that is safe to open in a spreadsheet."""
    return defused(frame).write_csv()


def as_json(frame: pl.DataFrame) -> str:
    """Write a frame as a JSON array of rows; days in ISO form, missing as null."""
    rows = [{k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()} for row in frame.to_dicts()]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def as_table(frame: pl.DataFrame, width: int) -> Table:
    """Lay a frame out for a person; the first rows of a long one."""
    more = frame.height - SHOWN
    note = f"first {SHOWN} of {frame.height:,} rows; --format csv gives all" if more > 0 else f"{frame.height:,} rows"
    table = Table(caption=note, caption_justify="left", show_lines=False, width=min(width, 240))
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in frame.head(SHOWN).iter_rows():
        # Text, not markup: a name from data may hold square brackets.
        table.add_row(*(Text(_shown(value)) for value in row))
    return table


def _shown(value: object) -> str:
    if value is None:
        return "·"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}".rstrip("0")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value).replace("\x1b", "")
