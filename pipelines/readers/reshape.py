"""From a table in its publisher's layout to one row for each cell, still as text."""

import re
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.declarations.file_format import FileColumns, describe_period_kind, parse_source_period
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import IntervalColumns
from pipelines.readers.header import ROW, Sheet, find_heading, match_texts, normalise_heading, strip_footnote_mark
from pipelines.readers.rows import ColumnTexts, select_rows

_HEADER_MARKER = re.compile(r"^(.*?)\s*\((\w+)\)$")


def melt_sheet(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Return one row for each cell: code_text, place_label, status_text, period_text, measure, text and position.

    Raises UnreadableError where a declared column is missing or a heading of a wide file is not recognised.
    """
    layouts = {"wide": _melt_wide, "by_place": _melt_by_place, "long": _melt_long}
    return layouts[source.layout](sheet, source)


INTERVAL_COLUMNS = ("first_limit", "second_limit")
"""Columns for the texts of an interval's declared columns, in declared order; null where none is declared."""


def _select_interval(frame: pl.DataFrame, interval: IntervalColumns | None) -> list[pl.Expr]:
    names = interval.column_headings if interval else ()
    columns = [
        _select_column(frame, spellings).cast(pl.String).alias(name)
        for name, spellings in zip(INTERVAL_COLUMNS, names, strict=False)
    ]
    return columns + [pl.lit(None, pl.String).alias(name) for name in INTERVAL_COLUMNS[len(names) :]]


def _select_column(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.Expr:
    column = find_heading(frame.columns, names)
    return pl.col(column) if column else pl.lit("")


def _select_keys(frame: pl.DataFrame, source: Source) -> list[pl.Expr]:
    columns = source.columns or FileColumns()
    return [
        (pl.lit(source.place) if source.place else _select_column(frame, columns.place)).alias("code_text"),
        _select_column(frame, columns.label).alias("place_label"),
        _select_column(frame, columns.status).alias("status_text"),
        pl.col(ROW).alias("file_row"),
    ]


def _melt_long(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Return one row for each row and measure of a file with measures in columns or in rows (`filter`)."""
    names = source.columns.period if source.columns else ()
    uncertain = any(measure.interval for measure in source.measures.values())
    texts = ColumnTexts(sheet.frame)
    parts = []
    for key, measure in source.measures.items():
        frame = select_rows(texts, measure.filter)
        shared = [
            *_select_keys(frame, source),
            _select_column(frame, names).alias("period_text"),
            pl.lit(key).alias("measure"),
        ]
        shared += _select_interval(frame, measure.interval) if uncertain else []
        if measure.counts_rows:
            parts.append(_count_rows(frame.select(shared), source, sheet.ragged_rows))
            continue
        column = find_heading(frame.columns, measure.column)
        if column is None:
            raise UnreadableError(f"{sheet.file}: found no column {' or '.join(measure.column)} of measure {key}")
        parts.append(
            frame.select(*shared, pl.col(column).cast(pl.String).alias("text"), pl.lit(column).alias("file_column"))
        )
    return pl.concat(parts)


def _count_rows(keys: pl.DataFrame, source: Source, ragged: tuple[int, ...]) -> pl.DataFrame:
    """Count the rows of each area and period; an area without rows has no figure, because the list may omit it.

    A count has the position of its first row, or of an unreadable row, which makes the count unreadable.
    """
    labelled = bool(source.columns and source.columns.label)
    by = ["code_text", *(["place_label"] if labelled else []), "period_text"]
    rest = [pl.col(name).first() for name in keys.columns if name not in (*by, "file_row")]
    row = pl.coalesce(
        pl.col("file_row").filter(pl.col("file_row").is_in(list(ragged))).first(), pl.col("file_row").min()
    )
    counts = keys.group_by(by, maintain_order=True).agg(
        *rest, row.alias("file_row"), pl.len().cast(pl.String).alias("text"), pl.lit("rows").alias("file_column")
    )
    return counts.select(*keys.columns, "text", "file_column")


def _melt_by_place(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Return one row for each row and area of a file with areas in headings; an unknown heading is an unknown area."""
    frame, columns = sheet.frame, source.columns or FileColumns()
    declared = {normalise_heading(name) for name in (*columns.period, *columns.status, *source.filter, ROW)}
    others = [name for name in frame.columns if normalise_heading(name) not in declared]
    ignored = set(match_texts(others, source.skip_columns))
    places = [name for name in others if name not in ignored]
    if not places:
        raise UnreadableError(f"{sheet.file}: found only declared headings, expected one for each area")
    keys = frame.select(
        _select_column(frame, columns.status).alias("status_text"),
        pl.col(ROW).alias("file_row"),
        _select_column(frame, columns.period).alias("period_text"),
        pl.lit(next(iter(source.measures))).alias("measure"),
    )
    # Columns are stacked by position: a heading may be * or equal a column name used here.
    text = pl.concat([frame[name].alias("text") for name in places])
    headings = pl.concat([pl.Series("file_column", [name]).new_from_index(0, frame.height) for name in places])
    long = pl.concat([keys] * len(places)).with_columns(text, headings)
    key_columns = {"code_text": columns.place, "place_label": columns.label}
    return long.with_columns(
        (headings if spellings else pl.lit("")).alias(name) for name, spellings in key_columns.items()
    )


class HeadingMeaning(NamedTuple):
    """The content of a wide file's heading: the measure and period of its column, and its marker."""

    measure: str
    period: str
    marker: str


def _melt_wide(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Return one row for each area, period and measure of a file with these in its headings; refuse other headings."""
    frame = sheet.frame
    meanings = _read_headings(sheet, source)
    absent = sorted(set(source.measures) - {entry.measure for entry in meanings.values()})
    if absent:
        raise UnreadableError(
            f"{sheet.file}: found no heading with measure {absent[0]} and a {describe_period_kind(source)}"
        )
    long = frame.select(*_select_keys(frame, source), *meanings).unpivot(
        on=list(meanings),
        index=["code_text", "place_label", "status_text", "file_row"],
        variable_name="file_column",
        value_name="text",
    )
    by_heading = {
        "measure": {name: entry.measure for name, entry in meanings.items()},
        "period_text": {name: entry.period for name, entry in meanings.items()},
        "published_marker": {name: entry.marker for name, entry in meanings.items()},
    }
    marked = long.with_columns(pl.col("file_column").replace_strict(entry).alias(n) for n, entry in by_heading.items())
    return marked.select(
        "code_text",
        "place_label",
        _select_worse_marker("status_text", "published_marker", source).alias("status_text"),
        "file_row",
        "period_text",
        "measure",
        "text",
        "file_column",
    )


def _select_worse_marker(one: str, other: str, source: Source) -> pl.Expr:
    """Return the worse of two markers. An undeclared marker is the worst, because its figure can't be used."""
    order = {text: OBSERVATION_STATUSES.index(marker.status) for text, marker in source.markers.items()} | {"": -1}
    rank = [
        pl.col(name).replace_strict(order, default=len(OBSERVATION_STATUSES), return_dtype=pl.Int64)
        for name in (one, other)
    ]
    return pl.when(rank[0] > rank[1]).then(one).otherwise(other)


def _read_headings(sheet: Sheet, source: Source) -> dict[str, HeadingMeaning]:
    """Read the headings of a wide file; refuse headings that are neither recognised, declared nor ignored."""
    columns = source.columns.model_dump().values() if source.columns else ()
    declared = (
        {normalise_heading(name) for names in columns for name in names}
        | {ROW}
        | {normalise_heading(name) for name in source.filter}
    )
    others = [name for name in sheet.frame.columns if normalise_heading(name) not in declared]
    meanings = {name: _read_heading(name, source) for name in others}
    ignored = set(match_texts(others, source.skip_columns))
    # A heading that matches the pattern is read even where `skip_columns` matches it; a plain period is ignored.
    readable = {
        name: meaning
        for name, meaning in meanings.items()
        if meaning and (source.heading_pattern or name not in ignored)
    }
    strange = [name for name in others if name not in readable and name not in ignored]
    if strange or not readable:
        expected = (
            f"to match heading_pattern {source.heading_pattern}"
            if source.heading_pattern
            else f"to be a {describe_period_kind(source)}"
        )
        raise UnreadableError(
            f"{sheet.file}: found headings {', '.join(repr(name) for name in strange[:6]) or 'without a period'}; "
            f"expected each {expected}, or listed under skip_columns"
        )
    return readable


def _read_heading(name: str, source: Source) -> HeadingMeaning | None:
    """Read one heading; None where it has no period or no declared measure."""
    text, marker = split_marker(strip_footnote_mark(normalise_heading(name), source.footnotes))
    if not source.heading_pattern:
        return HeadingMeaning(next(iter(source.measures)), text, marker) if parse_source_period(text, source) else None
    whole = re.fullmatch(source.heading_pattern, normalise_heading(name))
    match = whole or re.fullmatch(source.heading_pattern, text)
    if not match:
        return None
    period, period_marker = split_marker(match["period"] or "")
    measure = _measure_of_heading(match.groupdict().get("measure"), source)
    mark = period_marker or ("" if whole else marker)
    return HeadingMeaning(measure, period, mark) if measure and parse_source_period(period, source) else None


def _measure_of_heading(text: str | None, source: Source) -> str | None:
    """Return the measure that a heading names; a pattern without a measure refers to the only one."""
    if text is None:
        return next(iter(source.measures))
    names = {normalise_heading(column): key for key, measure in source.measures.items() for column in measure.column}
    return names.get(normalise_heading(text))


def split_marker(heading: str) -> tuple[str, str]:
    """Split a heading such as `November 2023 (p)` into its period and its marker."""
    match = _HEADER_MARKER.match(heading)
    return (match[1], match[2]) if match else (heading, "")
