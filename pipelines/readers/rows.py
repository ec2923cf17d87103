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
    texts = ColumnTexts(sheet.frame)
    remaining = select_rows(texts, source.filter)
    left = sheet.skipped_rows + sheet.frame.height - remaining.height
    return sheet._replace(
        frame=remaining,
        skipped_rows=left,
        unmatched_declarations=(
            *sheet.unmatched_declarations,
            *_list_unmatched_texts(texts, source.filter, "filter"),
        ),
    )


class ColumnTexts:
    """The distinct texts of the columns of a frame, each column read once: measures often share the column."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._texts: dict[str, list[str]] = {}

    def of_column(self, name: str) -> list[str]:
        """Return the distinct texts of a column, in any order."""
        if name not in self._texts:
            self._texts[name] = self.frame[name].unique().to_list()
        return self._texts[name]


def match_rows(frame: pl.DataFrame, where: RowFilter, texts: ColumnTexts | None = None) -> pl.Expr:
    """Return an expression that is true for rows with a declared text under every heading, or for all rows."""
    conditions = _list_conditions(texts or ColumnTexts(frame), where)
    return pl.all_horizontal(*conditions) if conditions else pl.lit(True)


def select_rows(texts: ColumnTexts, where: RowFilter) -> pl.DataFrame:
    """Select the rows with a declared text under every heading; the frame itself where all have one."""
    conditions = _list_conditions(texts, where)
    return texts.frame.filter(*conditions) if conditions else texts.frame


def _list_conditions(texts: ColumnTexts, where: RowFilter) -> list[pl.Expr]:
    """Return the conditions of a filter that some rows do not meet."""
    frame = texts.frame
    columns = [(name, find_heading(frame.columns, [name]), patterns) for name, patterns in where.items()]
    absent = [name for name, column, _ in columns if column is None]
    if absent:
        raise UnreadableError(f"filter: found no column {absent[0]}; {suggest_names(absent[0], frame.columns)}")
    matching = [(column, _matching_texts(texts, column, patterns)) for _, column, patterns in columns if column]
    return [pl.col(column).is_in(chosen) for column, chosen in matching if len(chosen) < len(texts.of_column(column))]


def _matching_texts(texts: ColumnTexts, column: str | None, patterns: Iterable[str]) -> list[str]:
    return match_texts(texts.of_column(column), patterns) if column else []


def _list_unmatched_texts(texts: ColumnTexts, where: RowFilter, key: str) -> list[str]:
    """List the texts of a `filter` that no row of the file has."""
    return [
        f"{key}: no row has {text!r} under {name}"
        for name, patterns in where.items()
        for text in patterns
        if not _matching_texts(texts, find_heading(texts.frame.columns, [name]), [text])
    ]


def count_unread_rows(sheet: Sheet, source: Source) -> Sheet:
    """Count the rows of a sheet from tidy() that no measure uses or that are not data; no row is removed."""
    frame, measures, texts = sheet.frame, source.measures, ColumnTexts(sheet.frame)
    vain = [
        message
        for name, measure in measures.items()
        for message in _list_unmatched_texts(texts, measure.filter, f"measure {name}")
    ]
    if not source.skip_rows and not any(measure.filter for measure in measures.values()):
        return sheet._replace(unmatched_declarations=(*sheet.unmatched_declarations, *vain))
    is_read = (
        pl.any_horizontal(match_rows(frame, measure.filter, texts) for measure in measures.values())
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
        ~pl.col(key).is_in(_matching_texts(ColumnTexts(frame), key, source.skip_rows))
        if key and source.skip_rows
        else pl.lit(True)
    )
