"""From a table in its publisher's layout to one row for each cell, still as text."""

import re
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.schema import STATUSES
from pipelines.declarations.file_format import Columns, period_of
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import Interval
from pipelines.readers.header import ROW, Sheet, heading, matching, plain, unmarked
from pipelines.readers.rows import meets

_HEADER_MARKER = re.compile(r"^(.*?)\s*\((\w+)\)$")


def melted(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Return one row for each cell: code_text, place_label, status_text, period_text, measure, text and position.

    Raises UnreadableError where a declared column is missing or a heading of a wide file is not recognised.
    """
    roads = {"wide": _wide, "by_place": _by_place, "long": _long}
    return roads[source.layout](sheet, source)


LIMITS = ("first_limit", "second_limit")
"""Columns for the texts of an interval's declared columns, in declared order; null where none is declared."""


def _limits(frame: pl.DataFrame, interval: Interval | None) -> list[pl.Expr]:
    names = interval.columns if interval else ()
    told = [_column(frame, each).alias(name) for name, each in zip(LIMITS, names, strict=False)]
    return told + [pl.lit(None, pl.String).alias(name) for name in LIMITS[len(names) :]]


def _column(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.Expr:
    found = heading(frame.columns, names)
    return pl.col(found) if found else pl.lit("")


def _keys(frame: pl.DataFrame, source: Source) -> list[pl.Expr]:
    columns = source.columns or Columns()
    return [
        (pl.lit(source.place) if source.place else _column(frame, columns.place)).alias("code_text"),
        _column(frame, columns.label).alias("place_label"),
        _column(frame, columns.status).alias("status_text"),
        pl.col(ROW).alias("file_row"),
    ]


def _long(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Return one row for each row and measure of a file with measures in columns or in rows (`filter`)."""
    names = source.columns.period if source.columns else ()
    uncertain = any(measure.interval for measure in source.measures.values())
    parts = []
    for key, measure in source.measures.items():
        frame = sheet.frame.filter(meets(sheet.frame, measure.filter)) if measure.filter else sheet.frame
        shared = [*_keys(frame, source), _column(frame, names).alias("period_text"), pl.lit(key).alias("measure")]
        shared += _limits(frame, measure.interval) if uncertain else []
        if measure.count_rows:
            parts.append(_rows_counted(frame.select(shared), source, sheet.ragged))
            continue
        found = heading(frame.columns, measure.column)
        if found is None:
            raise UnreadableError(f"{sheet.file}: found no column {' or '.join(measure.column)} of measure {key}")
        parts.append(frame.select(*shared, pl.col(found).alias("text"), pl.lit(found).alias("file_column")))
    return pl.concat(parts)


def _rows_counted(keys: pl.DataFrame, source: Source, ragged: tuple[int, ...]) -> pl.DataFrame:
    """Count the rows of each area and period; an area without rows has no figure, because the list may omit it.

    A count has the position of its first row, or of an unreadable row, which makes the count unreadable.
    """
    labelled = bool(source.columns and source.columns.label)
    by = ["code_text", *(["place_label"] if labelled else []), "period_text"]
    rest = [pl.col(name).first() for name in keys.columns if name not in (*by, "file_row")]
    row = pl.coalesce(
        pl.col("file_row").filter(pl.col("file_row").is_in(list(ragged))).first(), pl.col("file_row").min()
    )
    counted = keys.group_by(by, maintain_order=True).agg(
        *rest, row.alias("file_row"), pl.len().cast(pl.String).alias("text"), pl.lit("rows").alias("file_column")
    )
    return counted.select(*keys.columns, "text", "file_column")


def _by_place(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Return one row for each row and area of a file with areas in headings; an unknown heading is an unknown area."""
    frame, columns = sheet.frame, source.columns or Columns()
    declared = {plain(name) for name in (*columns.period, *columns.status, *source.filter, ROW)}
    others = [name for name in frame.columns if plain(name) not in declared]
    ignored = set(matching(others, source.skip_columns))
    places = [name for name in others if name not in ignored]
    if not places:
        raise UnreadableError(f"{sheet.file}: found only declared headings, expected one for each area")
    keys = frame.select(
        _column(frame, columns.status).alias("status_text"),
        pl.col(ROW).alias("file_row"),
        _column(frame, columns.period).alias("period_text"),
        pl.lit(next(iter(source.measures))).alias("measure"),
    )
    # Columns are stacked by position: a heading may be * or equal a column name used here.
    text = pl.concat([frame[name].alias("text") for name in places])
    of = pl.concat([pl.Series("file_column", [name]).new_from_index(0, frame.height) for name in places])
    long = pl.concat([keys] * len(places)).with_columns(text, of)
    named = {"code_text": columns.place, "place_label": columns.label}
    return long.with_columns((of if each else pl.lit("")).alias(name) for name, each in named.items())


class Series(NamedTuple):
    """The content of a wide file's heading: the measure and period of its column, and its marker."""

    measure: str
    period: str
    marker: str


def _wide(sheet: Sheet, source: Source) -> pl.DataFrame:
    """Return one row for each area, period and measure of a file with these in its headings; refuse other headings."""
    frame = sheet.frame
    told = _series(sheet, source)
    absent = sorted(set(source.measures) - {each.measure for each in told.values()})
    if absent:
        raise UnreadableError(f"{sheet.file}: found no heading with measure {absent[0]} and a {source.period_kind}")
    long = frame.select(*_keys(frame, source), *told).unpivot(
        on=list(told),
        index=["code_text", "place_label", "status_text", "file_row"],
        variable_name="file_column",
        value_name="text",
    )
    by_heading = {
        "measure": {name: each.measure for name, each in told.items()},
        "period_text": {name: each.period for name, each in told.items()},
        "marker": {name: each.marker for name, each in told.items()},
    }
    marked = long.with_columns(pl.col("file_column").replace_strict(each).alias(n) for n, each in by_heading.items())
    return marked.select(
        "code_text", "place_label", _worse("status_text", "marker", source).alias("status_text"), "file_row",
        "period_text", "measure", "text", "file_column",
    )  # fmt: skip


def _worse(one: str, other: str, source: Source) -> pl.Expr:
    """Return the worse of two markers. An undeclared marker is the worst, because its figure can't be used."""
    order = {text: STATUSES.index(marker.status) for text, marker in source.markers.items()} | {"": -1}
    rank = [pl.col(name).replace_strict(order, default=len(STATUSES), return_dtype=pl.Int64) for name in (one, other)]
    return pl.when(rank[0] > rank[1]).then(one).otherwise(other)


def _series(sheet: Sheet, source: Source) -> dict[str, Series]:
    """Read the headings of a wide file; refuse headings that are neither recognised, declared nor ignored."""
    columns = source.columns.model_dump().values() if source.columns else ()
    declared = {plain(name) for names in columns for name in names} | {ROW} | {plain(name) for name in source.filter}
    others = [name for name in sheet.frame.columns if plain(name) not in declared]
    found = {name: _told(name, source) for name in others}
    ignored = set(matching(others, source.skip_columns))
    # A heading that matches the pattern is read even where `skip_columns` matches it; a plain period is ignored.
    taken = {name: each for name, each in found.items() if each and (source.heading_pattern or name not in ignored)}
    strange = [name for name in others if name not in taken and name not in ignored]
    if strange or not taken:
        expected = (
            f"to match heading_pattern {source.heading_pattern}"
            if source.heading_pattern
            else f"to be a {source.period_kind}"
        )
        raise UnreadableError(
            f"{sheet.file}: found headings {', '.join(repr(name) for name in strange[:6]) or 'without a period'}; "
            f"expected each {expected}, or listed under skip_columns"
        )
    return taken


def _told(name: str, source: Source) -> Series | None:
    """Read one heading; None where it has no period or no declared measure."""
    text, marker = split_marker(unmarked(plain(name), source.footnotes))
    if not source.heading_pattern:
        return Series(next(iter(source.measures)), text, marker) if period_of(text, source) else None
    whole = re.fullmatch(source.heading_pattern, plain(name))
    match = whole or re.fullmatch(source.heading_pattern, text)
    if not match:
        return None
    period, of_period = split_marker(match["period"] or "")
    measure = _of_measure(match.groupdict().get("measure"), source)
    said = of_period or ("" if whole else marker)
    return Series(measure, period, said) if measure and period_of(period, source) else None


def _of_measure(text: str | None, source: Source) -> str | None:
    """Return the measure that a heading names; a pattern without a measure refers to the only one."""
    if text is None:
        return next(iter(source.measures))
    names = {plain(column): key for key, measure in source.measures.items() for column in measure.column}
    return names.get(plain(text))


def split_marker(heading: str) -> tuple[str, str]:
    """Split a heading such as `November 2023 (p)` into its period and its marker."""
    match = _HEADER_MARKER.match(heading)
    return (match[1], match[2]) if match else (heading, "")
