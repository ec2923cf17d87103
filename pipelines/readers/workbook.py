"""Workbooks, Excel and ODS: each sheet as rows of text, and selection of the declared sheet."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.visible import visible, visible_frame
from pipelines.declarations.file_format import FileShape
from pipelines.readers.header import ROW, Sheet, Wanted, like, plain, table
from pipelines.readers.workbook_process import Book, BrokenBookError, open_book

NAMED_WITHIN = 10
"""Number of top rows in which a sheet may be identified by a text; titles change less than sheet names."""
_LINK = "'file:"
"""Prefix of sheet names that only store values from another workbook."""


def read_workbook(content: bytes, shape: FileShape, wanted: Wanted, file: str) -> Sheet:
    """Read the declared sheet of a workbook; raise UnreadableError where there is none, or several."""
    with _opened(content, shape.format, file) as book:
        meant = _meant(book, _names(book), shape.sheet, file)
        return _one(book, meant, shape, wanted, file)


def grids(content: bytes, kind: str, file: str) -> list[tuple[str, pl.DataFrame]]:
    """Return every sheet of a workbook by name, as text with `_row`, without copies of other workbooks."""
    with _opened(content, kind, file) as book:
        return [(name, _grid(book, name)) for name in _names(book)]


@contextmanager
def _opened(content: bytes, kind: str, file: str) -> Iterator[Book]:
    try:
        with open_book(content, file) as book:
            yield book
    except BrokenBookError as error:
        told = f"not {'an Excel' if kind == 'excel' else 'an ODS'} file, or truncated"
        raise UnreadableError(f"{file}: {told} ({error}); fetch it again") from error


def _names(book: Book) -> list[str]:
    return [name for name in book.sheet_names if not name.startswith(_LINK)]


def _meant(book: Book, names: list[str], asked: str | None, file: str) -> list[str]:
    """Return the sheets that the declaration matches: by name, else by a text in their top rows."""
    if asked is None or asked in names:
        return [asked] if asked else names
    pattern = like(asked)
    named = [name for name in names if pattern.fullmatch(name.strip())]
    found = named or [name for name in names if any(map(pattern.fullmatch, _texts(book, name)))]
    if not found:
        raise UnreadableError(
            f"{file}: found sheets {listed(names)}; expected one named {asked}, or with that text in its first "
            f"{NAMED_WITHIN} rows; correct sheet:"
        )
    return found


def listed(names: list[str]) -> str:
    """List up to 20 sheet names, with the number of further ones."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "") or "none"


def _texts(book: Book, name: str) -> Iterator[str]:
    for row in _grid(book, name, NAMED_WITHIN).iter_rows():
        yield from (plain(cell) for cell in row[:-1] if cell)


def _grid(book: Book, name: str, rows: int | None = None) -> pl.DataFrame:
    """Return a sheet as text, with blanks as "", and `_row`, counted from 1 at the first row of the sheet."""
    text = visible_frame(book.sheet(name, rows))
    return text.with_columns(pl.Series(ROW, range(1, text.height + 1), dtype=pl.Int64))


def _one(book: Book, names: list[str], shape: FileShape, wanted: Wanted, file: str) -> Sheet:
    """Return the only sheet with the required headings."""
    found: list[Sheet] = []
    faults: list[str] = []
    for name in names:
        try:
            found.append(table(_grid(book, name), shape, wanted, f"{file}[{visible(name)}]"))
        except UnreadableError as error:
            faults.append(str(error))
    if len(found) > 1:
        raise UnreadableError(
            f"{file}: found the headings in {len(found)} sheets: {listed([each.file for each in found])}; "
            "expected one; name it with sheet:"
        )
    if not found:
        raise UnreadableError("\n".join(faults[:8]) or f"{file}: found no sheets; fetch it again")
    return found[0]
