"""Workbooks, Excel and ODS: each sheet as rows of text, and selection of the declared sheet."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.visible import escape_invisible, escape_invisible_frame
from pipelines.declarations.file_format import FileLayout
from pipelines.readers.header import ROW, RequiredHeadings, Sheet, compile_pattern, extract_table, normalise_heading
from pipelines.readers.workbook_process import BrokenBookError, OpenWorkbook, open_workbook

SEARCH_ROWS = 10
"""Number of top rows in which a sheet may be identified by a text; titles change less than sheet names."""
_LINKED_SHEET_PREFIX = "'file:"
"""Prefix of sheet names that only store values from another workbook."""


def read_workbook(content: bytes, shape: FileLayout, required: RequiredHeadings, file: str) -> Sheet:
    """Read the declared sheet of a workbook; raise UnreadableError where there is none, or several."""
    with _open_workbook(content, shape.format, file) as book:
        meant = _select_sheets(book, _list_sheets(book), shape.sheet, file)
        return _pick_sheet(book, meant, shape, required, file)


def read_grids(content: bytes, kind: str, file: str) -> list[tuple[str, pl.DataFrame]]:
    """Return every sheet of a workbook by name, as text with `_row`, without copies of other workbooks."""
    with _open_workbook(content, kind, file) as book:
        return [(name, _read_grid(book, name)) for name in _list_sheets(book)]


@contextmanager
def _open_workbook(content: bytes, kind: str, file: str) -> Iterator[OpenWorkbook]:
    try:
        with open_workbook(content, file) as book:
            yield book
    except BrokenBookError as error:
        fault = f"not {'an Excel' if kind == 'excel' else 'an ODS'} file, or truncated"
        raise UnreadableError(f"{file}: {fault} ({error}); fetch it again") from error


def _list_sheets(book: OpenWorkbook) -> list[str]:
    return [name for name in book.sheet_names if not name.startswith(_LINKED_SHEET_PREFIX)]


def _select_sheets(book: OpenWorkbook, names: list[str], sheet: str | None, file: str) -> list[str]:
    """Return the sheets that the declaration matches: by name, else by a text in their top rows."""
    if sheet is None or sheet in names:
        return [sheet] if sheet else names
    pattern = compile_pattern(sheet)
    by_name = [name for name in names if pattern.fullmatch(name.strip())]
    matches = by_name or [name for name in names if any(map(pattern.fullmatch, _iterate_top_texts(book, name)))]
    if not matches:
        raise UnreadableError(
            f"{file}: found sheets {list_names(names)}; expected one named {sheet}, or with that text in its first "
            f"{SEARCH_ROWS} rows; correct sheet:"
        )
    return matches


def list_names(names: list[str]) -> str:
    """List up to 20 sheet names, with the number of further ones."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "") or "none"


def _iterate_top_texts(book: OpenWorkbook, name: str) -> Iterator[str]:
    for row in _read_grid(book, name, SEARCH_ROWS).iter_rows():
        yield from (normalise_heading(cell) for cell in row[:-1] if cell)


def _read_grid(book: OpenWorkbook, name: str, rows: int | None = None) -> pl.DataFrame:
    """Return a sheet as text, with blanks as "", and `_row`, counted from 1 at the first row of the sheet."""
    text = escape_invisible_frame(book.load_sheet(name, rows))
    return text.with_columns(pl.Series(ROW, range(1, text.height + 1), dtype=pl.Int64))


def _pick_sheet(
    book: OpenWorkbook, names: list[str], shape: FileLayout, required: RequiredHeadings, file: str
) -> Sheet:
    """Return the only sheet with the required headings."""
    sheets: list[Sheet] = []
    faults: list[str] = []
    for name in names:
        try:
            sheets.append(extract_table(_read_grid(book, name), shape, required, f"{file}[{escape_invisible(name)}]"))
        except UnreadableError as error:
            faults.append(str(error))
    if len(sheets) > 1:
        raise UnreadableError(
            f"{file}: found the headings in {len(sheets)} sheets: {list_names([sheet.file for sheet in sheets])}; "
            "expected one; name it with sheet:"
        )
    if not sheets:
        raise UnreadableError("\n".join(faults[:8]) or f"{file}: found no sheets; fetch it again")
    return sheets[0]
