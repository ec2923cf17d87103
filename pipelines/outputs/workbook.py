"""Workbook of marked tables, written by column with XlsxWriter.

The layout follows "Making spreadsheets accessible" (Government Analysis Function): a cover, a list of contents, notes,
and one table a sheet, which starts in column A. There are no merged cells and no gridlines. Every sheet prints one page
wide, across the page, with the headings of its table on each page.
"""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from textwrap import wrap
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.table_cache import clear_between_steps

ONE_TABLE = "This worksheet contains one table."
WITH_NOTES = f"{ONE_TABLE} Some cells may refer to notes, which can be found on the notes worksheet."
COVER_WIDTH = 85
"""Width of the cover in characters."""
WIDEST_TEXT = 60
"""Greatest width of a column in characters; a longer text wraps, and its row has the height of its lines."""
LINE_HEIGHT, TITLE_HEIGHT = 15.75, 21.0
"""Heights in points of a line of a cell, and of a line of a title."""
_PAPER_A4, _PAPER_A3 = 9, 8
_PAGE_CHARACTERS = 115
"""Characters of a cell across A4 paper at full size; a sheet of more than twice as many prints on A3."""
_FONT = {"font_name": "Arial", "font_size": 12, "font_color": "automatic"}
_WRAPPED = {**_FONT, "text_wrap": True}
_HEADING = {**_WRAPPED, "bold": True, "bottom": 1, "valign": "top"}
_FORMATS: dict[str, dict[str, Any]] = {
    "cover title": {**_WRAPPED, "bold": True, "font_size": 16, "valign": "top"},
    "cover heading": {**_WRAPPED, "bold": True, "font_size": 14, "valign": "bottom"},
    "cover text": {**_WRAPPED, "valign": "top"},
    "title": {**_FONT, "bold": True, "font_size": 16},
    "text": _FONT,
    "heading left": {**_HEADING, "align": "left", "indent": 1},
    "heading right": {**_HEADING, "align": "right"},
    "cell left": {**_WRAPPED, "align": "left", "valign": "top", "indent": 1},
    "cell right": {**_WRAPPED, "align": "right", "valign": "top"},
    "link": {**_WRAPPED, "align": "left", "valign": "top", "indent": 1, "underline": True, "font_color": "blue"},
}
_BLOCK_ROWS = 5_000
"""Rows that are text at one time."""
_SHORTHAND = re.compile(r"\[[\w\s]+\]")
"""Shorthand for a missing figure: it does not make a column one of text."""


class Cover(NamedTuple):
    """Text of the cover: title, and the paragraphs under each heading."""

    title: str
    sections: Mapping[str, Sequence[str]]


class SheetTable(NamedTuple):
    """One sheet: name, title, lines above the table, table, and widths in characters.

    `notes` has the number of the note of a column, by its position. A sheet without `widths` has columns as wide as
    their longest text, up to WIDEST_TEXT; otherwise `widths` has the width of each column.
    """

    name: str
    title: str
    table: pl.DataFrame
    notes: Mapping[int, int] = {}
    lines: Sequence[str] = (WITH_NOTES,)
    widths: Sequence[float] = ()


class _Column(NamedTuple):
    """A column of a table: its texts and numbers, and the format of its cells."""

    values: Sequence[Any]
    cell_format: Any


def write_workbook(
    cover: Cover, sheets: Sequence[SheetTable], notes: Sequence[str], title: str, created: datetime
) -> bytes:
    """Return a workbook with a cover, contents, notes and one sheet for each table. The same input has the same bytes.

    `created` is the time of creation in the properties of the file.
    """
    # Imported late: it takes a tenth of a second.
    import xlsxwriter

    content = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    book = xlsxwriter.Workbook(content, options)
    formats = {name: book.add_format(properties) for name, properties in _FORMATS.items()}
    _write_cover(_add_sheet(book, "Cover"), cover, formats)
    _write_contents(_add_sheet(book, "Contents"), sheets, formats)
    numbered = pl.DataFrame({"Note number": range(1, len(notes) + 1), "Note text": notes})
    for sheet in (*([SheetTable("Notes", "Notes", numbered, lines=(ONE_TABLE,))] if notes else ()), *sheets):
        _write_sheet(_add_sheet(book, sheet.name), sheet, formats, _add_rows)
    book.set_properties({"title": title, "author": "Commonground", "created": created})
    book.close()
    # A workbook and its sheets refer to each other: with all their texts, they would stay until cycles are collected.
    book.worksheets_objs.clear()
    book.sheetnames.clear()
    return content.getvalue()


def _add_sheet(book: Any, name: str) -> Any:
    """Add a sheet that prints across the page, one page wide, with its name and the number of the page below."""
    sheet = book.add_worksheet(name)
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(_PAPER_A4)
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
    sheet.set_footer("&L&A&RPage &P of &N")
    return sheet


def _write_cover(sheet: Any, cover: Cover, formats: Mapping[str, Any]) -> None:
    lines = [(cover.title, "cover title")]
    for heading, paragraphs in cover.sections.items():
        lines += [(heading, "cover heading"), *((paragraph, "cover text") for paragraph in paragraphs)]
    for row, (text, name) in enumerate(lines):
        sheet.write_string(row, 0, text, formats[name])
        size = _FORMATS[name]["font_size"]
        sheet.set_row(row, count_lines(text, COVER_WIDTH * 12 / size) * LINE_HEIGHT * size / 12)
    sheet.set_column(0, 0, COVER_WIDTH)


def _write_contents(sheet: Any, sheets: Sequence[SheetTable], formats: Mapping[str, Any]) -> None:
    table = pl.DataFrame(
        [(content.name, content.title) for content in sheets], schema=["Sheet name", "Table description"], orient="row"
    )
    contents = SheetTable("Contents", "Table of contents", table, lines=(ONE_TABLE,))
    first = _write_sheet(sheet, contents, formats, _write_cells)
    for row, content in enumerate(sheets, first):
        sheet.write_url(row, 0, f"internal:'{content.name}'!A1", formats["link"], content.name)


def _write_sheet(
    sheet: Any, content: SheetTable, formats: Mapping[str, Any],
    add_rows: Callable[[Any, int, list[_Column], Mapping[int, float]], None],
) -> int:  # fmt: skip
    """Write the title, the lines and the marked table of a sheet. Return the first row below the heading."""
    sheet.write_string(0, 0, content.title, formats["title"])
    for row, line in enumerate(content.lines, 1):
        sheet.write_string(row, 0, line, formats["text"])
    head = len(content.lines) + 1
    headings = [
        f"{name}\n[note {content.notes[number]}]" if number in content.notes else name
        for number, name in enumerate(content.table.columns)
    ]
    listed = [values.to_list() for values in content.table.iter_columns()]
    is_text = [dtype == pl.String for dtype in content.table.dtypes]
    sides = ["left" if text else _choose_side(values) for text, values in zip(is_text, listed, strict=True)]
    sides[:1] = ["left"]
    widths: Sequence[float] = content.widths or [
        min(_fit_width(heading, values), WIDEST_TEXT) for heading, values in zip(headings, listed, strict=True)
    ]
    for number, width in enumerate(widths):
        sheet.set_column(number, number, width)
    columns = [_Column(values, formats[f"cell {side}"]) for values, side in zip(listed, sides, strict=True)]
    add_rows(sheet, head + 1, columns, _find_heights(content.table, listed, widths))
    _set_up_print(sheet, head, headings, widths)
    marked = [
        {"header": heading, "header_format": formats[f"heading {side}"]}
        for heading, side in zip(headings, sides, strict=True)
    ]
    size = head + content.table.height, content.table.width - 1
    options = {"autofilter": False, "style": None, "name": f"{content.name.lower()}_table", "columns": marked}
    _mark_table(sheet, head, size, options)
    return head + 1


def _mark_table(sheet: Any, head: int, size: tuple[int, int], options: dict[str, Any]) -> None:
    """Mark the table of a sheet: only its first rows, and then its whole range.

    XlsxWriter records every cell of a table, to find tables that overlap. A sheet here has one table.
    """
    from xlsxwriter.utility import xl_range

    last_row, last_column = size
    sheet.add_table(head, 0, min(head + 1, last_row), last_column, options)
    sheet._check_dimensions(last_row, last_column)
    sheet.tables[-1]["range"] = sheet.tables[-1]["a_range"] = xl_range(head, 0, last_row, last_column)


def _choose_side(values: Sequence[object]) -> str:
    """Return right for a column of numbers, which may have shorthand."""
    texts = {value for value in values if isinstance(value, str)}
    figures = any(not isinstance(value, str) for value in values)
    return "right" if figures and all(map(_SHORTHAND.fullmatch, texts)) else "left"


def _write_cells(sheet: Any, first: int, columns: Sequence[_Column], heights: Mapping[int, float]) -> None:
    """Write the cells of a table one by one, so that links can replace some."""
    for row, height in heights.items():
        sheet.set_row(first + row, height)
    for number, column in enumerate(columns):
        for row, value in enumerate(column.values, first):
            sheet.write_string(row, number, value, column.cell_format)


def _add_rows(sheet: Any, first: int, columns: Sequence[_Column], heights: Mapping[int, float]) -> None:
    """Add the rows of a table as text by column, some with a height of their own.

    XlsxWriter keeps an object for each cell and writes it by itself, which takes ten times as long.
    """
    indices = [_index_texts(column.values, sheet.str_table) for column in columns]
    write_headings = sheet._write_rows

    def write_rows() -> None:
        write_headings()
        sizes = {first + 1 + row: f' ht="{height:g}" customHeight="1"' for row, height in heights.items()}
        for start in range(0, len(columns[0].values), _BLOCK_ROWS):
            cells = [
                _format_column(column, number, first + start, texts, slice(start, start + _BLOCK_ROWS))
                for number, (column, texts) in enumerate(zip(columns, indices, strict=True))
            ]
            rows = enumerate(zip(*cells, strict=True), first + start + 1)
            sheet.fh.writelines(f'<row r="{row}"{sizes.get(row, "")}>{"".join(texts)}</row>' for row, texts in rows)
        # The sheet and this function would keep each other in memory, with all texts of the table.
        del sheet._write_rows

    sheet._write_rows = write_rows


def _index_texts(values: Sequence[object], strings: Any) -> dict[str, int]:
    """Return the index of each distinct text in the workbook's table of strings, which gets the new ones."""
    texts = [value for value in values if isinstance(value, str)]
    indices = {text: strings._get_shared_string_index(text) for text in dict.fromkeys(texts)}
    strings.count += len(texts) - len(indices)
    return indices


def _format_column(column: _Column, number: int, first: int, indices: Mapping[str, int], block: slice) -> list[str]:
    """Return the cells of a block of rows of a column as XML; `first` is the row above the block."""
    from xlsxwriter.utility import xl_col_to_name

    letters, style = xl_col_to_name(number), f'" s="{column.cell_format._get_xf_index()}"'
    texts = {text: f'{style} t="s"><v>{index}</v></c>' for text, index in indices.items()}
    return [
        f'<c r="{letters}{row}{texts[value] if isinstance(value, str) else f"{style}><v>{value:.16G}</v></c>"}'
        for row, value in enumerate(column.values[block], first + 1)
    ]


def _find_heights(table: pl.DataFrame, columns: Sequence[list[Any]], widths: Sequence[float]) -> dict[int, float]:
    """Return the height of each row with a text of several lines, by its position in the table.

    `columns` has the values of each column of the table.
    """
    lines = [1] * table.height
    for dtype, values, width in zip(table.dtypes, columns, widths, strict=True):
        texts = set(values) - {None} if dtype == pl.String else set()
        if max(map(len, texts), default=0) > width * 0.8:
            # A text of capitals alone is the widest.
            most = int(width / _text_scale("A"))
            by_text = {
                text: count_lines(text, width) for text in texts if len(text) > most or "\n" in text or "\t" in text
            }
            if by_text:
                lines = [max(most, by_text.get(text, 1)) for most, text in zip(lines, values, strict=True)]
    return {row: number * LINE_HEIGHT for row, number in enumerate(lines) if number > 1}


def _set_up_print(sheet: Any, head: int, headings: Sequence[str], widths: Sequence[float]) -> None:
    """Set the heights of the title and the headings, which every page repeats, and larger paper for a wide sheet."""
    tallest = max(count_lines(heading, width * 0.92) for heading, width in zip(headings, widths, strict=True))
    sheet.set_row(0, TITLE_HEIGHT)
    # The line below the headings takes part of their row.
    sheet.set_row(head, tallest * LINE_HEIGHT + 3)
    sheet.repeat_rows(head)
    if sum(widths) > 2 * _PAGE_CHARACTERS:
        sheet.set_paper(_PAPER_A3)


def count_lines(text: str, width: float) -> int:
    """Return the number of lines of a text in a cell of some width in characters, with words unbroken."""
    at_most = int(width / _text_scale(text))
    return sum(max(len(wrap(line, at_most)), 1) for line in text.split("\n"))


def _text_scale(text: str) -> float:
    """Return the width of a character in 12 points, in units of a column's width, which are of 11 points."""
    return 1.0 + 0.15 * sum(map(str.isupper, text)) / max(len(text), 1)


def _fit_width(heading: str, values: Sequence[object]) -> float:
    """Return the width in characters of the longest line of a column, in the fonts of its heading and its cells."""
    cells = max((_text_width(text, "cell left") for text in set(map(str, values))), default=0)
    return max(_text_width(heading, "heading left"), cells) / 7


@lru_cache(maxsize=32_768)
def _text_width(text: str, format_name: str) -> int:
    """Return the width in pixels of the longest line of a text. Capitals are wider than other letters.

    The sheets of many problems have the same texts, such as names of places.
    """
    from xlsxwriter.utility import cell_autofit_width

    properties = _FORMATS[format_name]
    line = max(text.split("\n"), key=len)
    capitals = sum(map(str.isupper, line)) / len(line) if line else 0.0
    scale = properties["font_size"] / 11 * (1.1 if properties.get("bold") else 1.0) * (1.0 + 0.15 * capitals)
    width: int = math.ceil(cell_autofit_width(line) * scale)
    return width


clear_between_steps(_text_width.cache_clear)
