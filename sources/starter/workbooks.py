"""Workbooks of the starter edition: read as text, and written reproducibly."""

import io
import re
import zipfile
from collections.abc import Iterator
from itertools import product
from string import ascii_uppercase
from xml.sax.saxutils import escape

Table = list[list[str]]
Sheets = dict[str, Table]

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?")
_LETTERS = ("", *ascii_uppercase)
COLUMNS = [one + two for one, two in product(_LETTERS, ascii_uppercase)]
"""Names of the first 702 columns of a sheet: A to ZZ."""


def sheets_of(content: bytes) -> Sheets:
    """Read every sheet of an Excel workbook, old or new, as rows of text; blank cells are blank text."""
    import fastexcel

    book = fastexcel.read_excel(content)
    read = {name: book.load_sheet(name, header_row=None, dtypes="string").to_polars() for name in book.sheet_names}
    return {name: [[cell or "" for cell in row] for row in frame.iter_rows()] for name, frame in read.items()}


def workbook(sheets: Sheets) -> bytes:
    """Write sheets as an .xlsx workbook without styles: figures as numbers, other cells as text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _parts(sheets):
            # A fixed day, because a zip stores the time of each part.
            part = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            part.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(part, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return buffer.getvalue()


def _parts(sheets: Sheets) -> Iterator[tuple[str, str]]:
    """Return each part of a workbook with its text, according to ECMA-376."""
    result = [(n, escape(name, {'"': "&quot;"})) for n, name in enumerate(sheets, 1)]
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kinds}.worksheet+xml"/>' for n, _ in result
    )
    yield (
        "[Content_Types].xml",
        (
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType='
            f'"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
            f'ContentType="{kinds}.sheet.main+xml"/>{overrides}</Types>'
        ),
    )
    yield "_rels/.rels", _links([("rId1", "officeDocument", "xl/workbook.xml")])
    listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in result)
    yield "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
    yield (
        "xl/_rels/workbook.xml.rels",
        _links([(f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml") for n, _ in result]),
    )
    for n, rows in enumerate(sheets.values(), 1):
        cells = "".join(map(_row, range(1, len(rows) + 1), rows))
        yield f"xl/worksheets/sheet{n}.xml", f'<worksheet xmlns="{_MAIN}"><sheetData>{cells}</sheetData></worksheet>'


def _links(relations: list[tuple[str, str, str]]) -> str:
    result = "".join(f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{to}"/>' for key, kind, to in relations)
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{result}</Relationships>'


def _row(number: int, cells: list[str]) -> str:
    """Format one row without blank cells."""
    result = (f"{_cell(f'{column}{number}', text)}" for column, text in zip(COLUMNS, cells, strict=False) if text)
    return f'<row r="{number}">{"".join(result)}</row>'


def _cell(reference: str, text: str) -> str:
    if _NUMBER.fullmatch(text):
        return f'<c r="{reference}"><v>{text}</v></c>'
    return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
