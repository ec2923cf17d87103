"""Selection of the declared rows of a file. Other rows are counted and reported."""

from collections.abc import Iterable

import polars as pl

from pipelines.core.errors import UnreadableError, suggest_names
from pipelines.declarations.file_format import RowFilter
from pipelines.declarations.source import Source
from pipelines.readers.header import Sheet, find_heading, match_texts


def filter_rows(sheet: Sheet, source: Source) -> Sheet:
    """Select the rows that the source's `filter` matches; count the others, and list texts that no row has."""
    if not source.filter:
        return sheet
    remaining = sheet.frame.filter(match_rows(sheet.frame, source.filter))
    left = sheet.skipped_rows + sheet.frame.height - remaining.height
    return sheet._replace(
        frame=remaining,
        skipped_rows=left,
        unmatched_declarations=(
            *sheet.unmatched_declarations,
            *_list_unmatched_texts(sheet.frame, source.filter, "filter"),
        ),
    )


def match_rows(frame: pl.DataFrame, where: RowFilter) -> pl.Expr:
    """Return an expression that is true for rows with a declared text under every heading, or for all rows."""
    columns = [(name, find_heading(frame.columns, [name]), texts) for name, texts in where.items()]
    absent = [name for name, column, _ in columns if column is None]
    if absent:
        raise UnreadableError(f"filter: found no column {absent[0]}; {suggest_names(absent[0], frame.columns)}")
    conditions = [pl.col(column).is_in(_matching_texts(frame, column, texts)) for _, column, texts in columns if column]
    return pl.all_horizontal(*conditions) if conditions else pl.lit(True)


def _matching_texts(frame: pl.DataFrame, column: str | None, patterns: Iterable[str]) -> list[str]:
    return match_texts(frame[column].unique().to_list(), patterns) if column else []


def _list_unmatched_texts(frame: pl.DataFrame, where: RowFilter, key: str) -> list[str]:
    """List the texts of a `filter` that no row of the file has."""
    return [
        f"{key}: no row has {text!r} under {name}"
        for name, texts in where.items()
        for text in texts
        if not _matching_texts(frame, find_heading(frame.columns, [name]), [text])
    ]


def count_unread_rows(sheet: Sheet, source: Source) -> Sheet:
    """Count the rows of a sheet from tidy() that no measure uses or that are not data; no row is removed."""
    frame, measures = sheet.frame, source.measures
    vain = [
        message
        for name, measure in measures.items()
        for message in _list_unmatched_texts(frame, measure.filter, f"measure {name}")
    ]
    is_read = (
        pl.any_horizontal(match_rows(frame, measure.filter) for measure in measures.values())
        if measures
        else pl.lit(True)
    )
    left = frame.select((~is_read | ~is_data_row(frame, source)).sum()).item()
    return sheet._replace(
        skipped_rows=sheet.skipped_rows + int(left), unmatched_declarations=(*sheet.unmatched_declarations, *vain)
    )


def is_data_row(frame: pl.DataFrame, source: Source) -> pl.Expr:
    """Return an expression that is true for data rows, and false for headings and footnotes as declared."""
    key = find_heading(frame.columns, source.columns.place or source.columns.label) if source.columns else None
    return (
        ~pl.col(key).is_in(_matching_texts(frame, key, source.skip_rows)) if key and source.skip_rows else pl.lit(True)
    )
