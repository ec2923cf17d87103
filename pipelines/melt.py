"""From a table as laid out by its publisher to one row for each cell, all still text."""

import fnmatch
import re

import polars as pl

from pipelines.errors import UnreadableError
from pipelines.model import Source
from pipelines.periods import parse_period
from pipelines.reading import ROW, Sheet, heading

_HEADER_MARKER = re.compile(r"^(.*?)\s*\((\w+)\)$")


def melted(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Give one row for each cell: code_text, place_label, status_text, period_text, measure, text, and where it stood.

    Raises UnreadableError where a declared column is missing or a heading of a wide file is not understood.
    """
    return _wide(sheet, source) if source.layout == "wide" else _long(sheet, source)


def _column(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.Expr:
    found = heading(frame, names)
    return pl.col(found) if found else pl.lit("")


def _keys(frame: pl.DataFrame, source: Source) -> list[pl.Expr]:
    columns = source.columns
    if columns is None:
        raise UnreadableError("a source of observations needs columns")
    return [
        _column(frame, columns.place).alias("code_text"),
        _column(frame, columns.label).alias("place_label"),
        _column(frame, columns.status).alias("status_text"),
        pl.col(ROW).alias("file_row"),
    ]


def _long(sheet: Sheet, source: Source) -> pl.DataFrame:
    """One row per row and measure of a file whose measures are columns."""
    frame = sheet.frame
    names = source.columns.period if source.columns else ()
    parts = []
    for key, measure in source.measures.items():
        found = heading(frame, measure.column)
        if found is None:
            raise UnreadableError(f"{sheet.file}: measure {key}: no column {' or '.join(measure.column)}")
        own = [pl.lit(key).alias("measure"), pl.col(found).alias("text"), pl.lit(found).alias("file_column")]
        parts.append(frame.select(*_keys(frame, source), _column(frame, names).alias("period_text"), *own))
    return pl.concat(parts)


def _wide(sheet: Sheet, source: Source) -> pl.DataFrame:
    """One row per place and period of a file whose periods are columns; a strange heading is refused."""
    frame = sheet.frame
    declared = {name for names in (source.columns or ()) if isinstance(names[1], tuple) for name in names[1]}
    declared |= {ROW}
    periods: list[str] = []
    strange: list[str] = []
    for name in frame.columns:
        if name in declared or any(fnmatch.fnmatchcase(name, pattern) for pattern in source.ignore):
            continue
        text, _ = split_marker(name)
        (periods if parse_period(text, source.period_kind) else strange).append(name)
    if strange or not periods:
        raise UnreadableError(
            f"{sheet.file}: found headings {', '.join(repr(name) for name in strange[:6]) or 'without a period'}; "
            f"expected each to be a {source.period_kind}, or listed under ignore"
        )
    keys = frame.select(*_keys(frame, source), *periods)
    long = keys.unpivot(
        on=periods,
        index=["code_text", "place_label", "status_text", "file_row"],
        variable_name="file_column",
        value_name="text",
    )
    split = {name: split_marker(name) for name in periods}
    return long.with_columns(
        pl.lit(next(iter(source.measures))).alias("measure"),
        pl.col("file_column").replace_strict({n: text for n, (text, _) in split.items()}).alias("period_text"),
        pl.col("file_column").replace_strict({n: mark for n, (_, mark) in split.items()}).alias("status_text"),
    ).select("code_text", "place_label", "status_text", "file_row", "period_text", "measure", "text", "file_column")


def split_marker(heading: str) -> tuple[str, str]:
    """Part a heading such as `November 2023 (p)` into its period and its marker."""
    match = _HEADER_MARKER.match(heading)
    return (match[1], match[2]) if match else (heading, "")
