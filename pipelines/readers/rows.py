"""Selection of the declared rows of a file. Other rows are counted and reported."""

from collections.abc import Iterable

import polars as pl

from pipelines.core.errors import UnreadableError, near
from pipelines.declarations.file_format import Where
from pipelines.declarations.source import Source
from pipelines.readers.header import Sheet, heading, matching


def chosen(sheet: Sheet, source: Source) -> Sheet:
    """Select the rows that the source's `filter` matches; count the others, and list texts that no row has."""
    if not source.filter:
        return sheet
    kept = sheet.frame.filter(meets(sheet.frame, source.filter))
    left = sheet.left_out + sheet.frame.height - kept.height
    return sheet._replace(frame=kept, left_out=left, vain=(*sheet.vain, *_vain(sheet.frame, source.filter, "filter")))


def meets(frame: pl.DataFrame, where: Where) -> pl.Expr:
    """Return an expression that is true for rows with a declared text under every heading, or for all rows."""
    found = [(name, heading(frame.columns, [name]), texts) for name, texts in where.items()]
    absent = [name for name, column, _ in found if column is None]
    if absent:
        raise UnreadableError(f"filter: found no column {absent[0]}; {near(absent[0], frame.columns)}")
    asked = [pl.col(column).is_in(_texts(frame, column, texts)) for _, column, texts in found if column]
    return pl.all_horizontal(*asked) if asked else pl.lit(True)


def _texts(frame: pl.DataFrame, column: str | None, asked: Iterable[str]) -> list[str]:
    return matching(frame[column].unique().to_list(), asked) if column else []


def _vain(frame: pl.DataFrame, where: Where, key: str) -> list[str]:
    """List the texts of a `filter` that no row of the file has."""
    return [
        f"{key}: no row has {text!r} under {name}"
        for name, texts in where.items()
        for text in texts
        if not _texts(frame, heading(frame.columns, [name]), [text])
    ]


def accounted(sheet: Sheet, source: Source) -> Sheet:
    """Count the rows of a sheet from tidy() that no measure uses or that are not data; no row is removed."""
    frame, measures = sheet.frame, source.measures
    vain = [told for name, each in measures.items() for told in _vain(frame, each.filter, f"measure {name}")]
    taken = pl.any_horizontal(meets(frame, each.filter) for each in measures.values()) if measures else pl.lit(True)
    left = frame.select((~taken | ~is_data(frame, source)).sum()).item()
    return sheet._replace(left_out=sheet.left_out + int(left), vain=(*sheet.vain, *vain))


def is_data(frame: pl.DataFrame, source: Source) -> pl.Expr:
    """Return an expression that is true for data rows, and false for headings and footnotes as declared."""
    key = heading(frame.columns, source.columns.place or source.columns.label) if source.columns else None
    return ~pl.col(key).is_in(_texts(frame, key, source.skip_rows)) if key and source.skip_rows else pl.lit(True)
