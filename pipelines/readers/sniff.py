"""Inspection of an undeclared file: its format, its encoding, its table and the position of its headings."""

import io
import re
import zipfile
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.declarations.file_format import FileLayout
from pipelines.readers.archive import decode_text, unpack_file
from pipelines.readers.csv import find_delimiter, split_text
from pipelines.readers.header import ROW, Sheet, merge_headings
from pipelines.readers.parquet import PARQUET_START
from pipelines.readers.read import read_shape
from pipelines.readers.values import looks_like_figure
from pipelines.readers.workbook import read_grids

HEADING_ROWS = 60
"""Number of rows at the top of a sheet that are searched for headings."""
ROWS_BELOW = 30
"""Number of rows below a row that are checked to decide whether it contains headings."""
_YEAR = re.compile(r"(19|20)\d\d(-01-01 00:00:00)?")
_DATA = (".csv", ".xlsx", ".xls", ".ods", ".json", ".parquet", ".txt", ".tsv")
AREA_CODE_PATTERN = re.compile(r"[EWSNK]\d{8}|95[A-Z]{2}\d\d[A-Z]\d|R[A-Z0-9]{2}")
"""Area codes: GSS codes, super output areas of Northern Ireland, and NHS trusts."""


class SniffedFile(NamedTuple):
    """Result of inspecting a file: the keys that read it, the reason for each key, and its table."""

    keys: dict[str, Any]
    why: dict[str, str]
    sheet: Sheet


def sniff_file(content: bytes, file: str) -> SniffedFile:
    """Find the keys that read a file; raise UnreadableError where nothing in it resembles a table."""
    member, inner = _largest_member(content, file)
    kind = _detect_format(inner)
    why = {"member": "the largest data file in the archive"} if member else {}
    keys: dict[str, Any] = {"member": member} if member else {}
    keys |= {"format": kind} if kind != "csv" else {}
    inner, _ = unpack_file(content, member, file, kind)
    if kind in ("excel", "ods"):
        table = _sniff_workbook(inner, kind, file)
    elif kind == "csv":
        table = _sniff_text(inner, file)
    else:
        table = _sniff_records(inner, kind, file)
    return SniffedFile(keys | table.keys, why | table.why, table.sheet)


def _largest_member(content: bytes, file: str) -> tuple[str | None, bytes]:
    """Return the largest data file of an archive and its first bytes; None where the file is no archive."""
    if content[:2] == b"\x1f\x8b":
        return None, unpack_file(content, None, file, "csv")[0]
    if content[:4] != b"PK\x03\x04":
        return None, content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = [info for info in archive.infolist() if PurePosixPath(info.filename).suffix.lower() in _DATA]
            if not infos or any(name in archive.namelist() for name in ("[Content_Types].xml", "content.xml")):
                return None, content
            largest = max(infos, key=lambda info: info.file_size)
            with archive.open(largest) as stream:
                return largest.filename, stream.read(4_096)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UnreadableError(f"{file}: found a truncated or damaged zip ({error}); fetch it again") from error


def _detect_format(content: bytes) -> str:
    """Return the format of a file by its first bytes."""
    head = content[:4_096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if content[:4] == b"PK\x03\x04":
        return "ods" if b"opendocument" in content[:200] else "excel"
    if content[:4] == b"\xd0\xcf\x11\xe0":
        return "excel"
    if content.startswith(PARQUET_START):
        return "parquet"
    if head[:1] in (b"{", b"["):
        return "jsonstat" if re.search(rb'"class"\s*:\s*"dataset"', content[:20_000]) else "json"
    return "csv"


def _sniff_records(content: bytes, kind: str, file: str) -> SniffedFile:
    return SniffedFile({}, {}, read_shape(content, FileLayout.model_validate({"format": kind}), [], file))


def _sniff_text(content: bytes, file: str) -> SniffedFile:
    text = decode_text(content, file)
    grid, _ = split_text(text, FileLayout(), file, find_delimiter(text, FileLayout(), ()))
    header = _guess_header(grid, "csv", file)
    shape = FileLayout.model_validate(header.keys)
    return SniffedFile(header.keys, header.why, read_shape(content, shape, header.required, file))


class HeaderGuess(NamedTuple):
    """Headings of a sheet: the keys that describe them, the reasons, the headings and the number of data rows."""

    keys: dict[str, Any]
    why: dict[str, str]
    required: list[tuple[str, ...]]
    rows: int


def _sniff_workbook(content: bytes, kind: str, file: str) -> SniffedFile:
    """Select the sheet with the most data rows, and name it where other sheets also have a table."""
    headers: dict[str, HeaderGuess] = {}
    for name, grid in read_grids(content, kind, file):
        try:
            headers[name] = _guess_header(grid, kind, f"{file}[{name}]")
        except UnreadableError:
            continue
    if not headers:
        raise UnreadableError(
            f"{file}: found no sheet with headings above rows of figures, expected a table; check the file"
        )
    name = max(headers, key=lambda other: headers[other].rows)
    keys = {"sheet": name, **headers[name].keys} if len(headers) > 1 else headers[name].keys
    others = ", ".join(other for other in headers if other != name)[:100]
    why = (
        {"sheet": f"it has the most rows of data ({headers[name].rows:,}); tables also in: {others}"} if others else {}
    )
    shape = FileLayout.model_validate({"format": kind, **keys, "sheet": name})
    return SniffedFile(keys, why | headers[name].why, read_shape(content, shape, headers[name].required, file))


def _guess_header(grid: pl.DataFrame, kind: str, file: str) -> HeaderGuess:
    """Find the headings of a sheet: the top row with words and years above the most columns of data."""
    rows = [list(row[:-1]) for row in grid.head(HEADING_ROWS + ROWS_BELOW).iter_rows()]
    scores = {
        n: _count_data_columns(row, rows[n + 1 : n + 1 + ROWS_BELOW]) for n, row in enumerate(rows[:HEADING_ROWS])
    }
    best = max(scores, key=lambda n: (scores[n], -n), default=0)
    if scores and scores[best] > 0:
        return _describe_header(rows, best, grid, kind)
    if not any(any(map(_is_data_cell, row)) and any(not _is_data_cell(cell) for cell in row if cell) for row in rows):
        raise UnreadableError(
            f"{file}: found no headings above figures or area codes, expected a table; check the file"
        )
    names = [f"column_{n}" for n in range(1, grid.width)]
    why = {
        "headings": 'TODO name the columns, because the file has no headings; use "" for a column that is not needed'
    }
    return HeaderGuess({"headings": names}, why, [], grid.height)


def _count_data_columns(row: list[str], below: list[list[str]]) -> int:
    """Count the columns in which a row has a heading above mostly figures or codes."""
    if any(AREA_CODE_PATTERN.fullmatch(cell) for cell in row) or sum(1 for cell in row if cell) < 2:
        return 0
    columns = [[cells[n] for cells in below if cells[n]] for n in range(len(row))]
    fit = [bool(cell) and (not _is_data_cell(cell) or bool(_YEAR.fullmatch(cell))) for cell in row]
    return sum(ok and bool(c) and sum(map(_is_data_cell, c)) * 2 > len(c) for ok, c in zip(fit, columns, strict=True))


def _describe_header(rows: list[list[str]], head: int, grid: pl.DataFrame, kind: str) -> HeaderGuess:
    """Return the keys that read the headings, over two rows where a second row makes them unique."""
    keys: dict[str, Any] = {}
    why: dict[str, str] = {}
    names = [name for name in rows[head] if name]
    above = rows[head - 1] if head else []
    if len(set(names)) < len(names) and sum(1 for cell in above if cell) >= 2 and kind in ("csv", "excel", "ods"):
        keys["header_rows"], why["header_rows"] = 2, "headings occur twice, and the row above distinguishes them"
        names = [name for name in merge_headings(rows[head - 1 : head + 1]) if name]
    below = rows[head + 1] if head + 1 < len(rows) else []
    years = sum(bool(_YEAR.fullmatch(cell)) for cell in below)
    if len(set(names)) < len(names) and not keys and years * 2 > len([cell for cell in below if cell]):
        keys["header_rows"], why["header_rows"] = 2, "headings occur twice, and the row below distinguishes them"
        names = [name for name in merge_headings(rows[head : head + 2]) if name]
    once = [name for name in names if names.count(name) == 1 and name != ROW]
    # A column of codes or figures without a heading is named after its number.
    top = [list(row[:-1]) for row in first_body_rows(grid, head).iter_rows()]
    once += [f"column {n + 1}" for n, name in enumerate(rows[head]) if not name and _is_mostly_filled(top, n)]
    body = grid.slice(head + 1)
    blank = body.select(pl.all_horizontal(pl.col(body.columns[:-1]) == "").alias("blank"))["blank"].arg_true()
    filled = body.select(pl.sum_horizontal(pl.col(body.columns[:-1]) != "").alias("filled"))["filled"]
    wide = (filled >= min(len(names), max(3, len(names) // 2 + 1))).arg_true()
    start = (filled > 0).arg_max() or 0
    inside = [n for n in blank if wide.len() and start < n < wide[-1]]
    if inside:
        row = body[ROW][inside[0]]
        keys["blank_rows"], why["blank_rows"] = True, f"row {row} is blank, and data continue below"
    return HeaderGuess(keys, why, [(name,) for name in once], int(wide.len()))


def first_body_rows(grid: pl.DataFrame, head: int) -> pl.DataFrame:
    """Return the first rows below the headings."""
    return grid.slice(head + 1, ROWS_BELOW)


def _is_mostly_filled(rows: list[list[str]], column: int) -> bool:
    """Return whether a column has codes or words in most rows."""
    return sum(bool(row[column]) for row in rows) * 2 > len(rows)


def _is_data_cell(cell: str) -> bool:
    return bool(AREA_CODE_PATTERN.fullmatch(cell)) or looks_like_figure(cell)
