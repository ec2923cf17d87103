"""Inspection of an undeclared file: its format, its encoding, its table and the position of its headings."""

import io
import re
import zipfile
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.declarations.file_format import DELIMITERS, FileShape
from pipelines.readers.archive import decoded, unpacked
from pipelines.readers.csv import split
from pipelines.readers.header import ROW, Sheet, merged
from pipelines.readers.json import read_json
from pipelines.readers.read import read_shape
from pipelines.readers.values import looks_like_figure
from pipelines.readers.workbook import grids

LOOKED_AT = 60
"""Number of rows at the top of a sheet that are searched for headings."""
BELOW = 30
"""Number of rows below a row that are checked to decide whether it contains headings."""
_YEAR = re.compile(r"(19|20)\d\d(-01-01 00:00:00)?")
_DATA = (".csv", ".xlsx", ".xls", ".ods", ".json", ".parquet", ".txt", ".tsv")
CODE = re.compile(r"[EWSNK]\d{8}|95[A-Z]{2}\d\d[A-Z]\d|R[A-Z0-9]{2}")
"""Area codes: GSS codes, super output areas of Northern Ireland, and NHS trusts."""


class Looked(NamedTuple):
    """Result of inspecting a file: the keys that read it, the reason for each key, and its table."""

    keys: dict[str, Any]
    why: dict[str, str]
    sheet: Sheet


def look(content: bytes, file: str) -> Looked:
    """Find the keys that read a file; raise UnreadableError where nothing in it resembles a table."""
    member, inner = _member(content, file)
    kind = _format(inner)
    why = {"member": "the largest data file in the archive"} if member else {}
    keys: dict[str, Any] = {"member": member} if member else {}
    keys |= {"format": kind} if kind != "csv" else {}
    inner, _ = unpacked(content, member, file, kind)
    if kind in ("excel", "ods"):
        found = _in_workbook(inner, kind, file)
    elif kind == "csv":
        found = _in_text(inner, file)
    else:
        found = _in_records(inner, kind, file)
    return Looked(keys | found.keys, why | found.why, found.sheet)


def _member(content: bytes, file: str) -> tuple[str | None, bytes]:
    """Return the largest data file of an archive and its first bytes; None where the file is no archive."""
    if content[:2] == b"\x1f\x8b":
        return None, unpacked(content, None, file, "csv")[0]
    if content[:4] != b"PK\x03\x04":
        return None, content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = [info for info in archive.infolist() if PurePosixPath(info.filename).suffix.lower() in _DATA]
            if not infos or any(name in archive.namelist() for name in ("[Content_Types].xml", "content.xml")):
                return None, content
            largest = max(infos, key=lambda info: info.file_size)
            with archive.open(largest) as opened:
                return largest.filename, opened.read(4_096)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UnreadableError(f"{file}: found a truncated or damaged zip ({error}); fetch it again") from error


def _format(content: bytes) -> str:
    """Return the format of a file by its first bytes."""
    head = content[:4_096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if content[:4] == b"PK\x03\x04":
        return "ods" if b"opendocument" in content[:200] else "excel"
    if content[:4] == b"\xd0\xcf\x11\xe0":
        return "excel"
    if content[:4] == b"PAR1":
        return "parquet"
    if head[:1] in (b"{", b"["):
        return "jsonstat" if re.search(rb'"class"\s*:\s*"dataset"', content[:20_000]) else "json"
    return "csv"


def _in_records(content: bytes, kind: str, file: str) -> Looked:
    keys: dict[str, Any] = {}
    if kind == "json" and content.lstrip()[:1] == b"{":
        path = _list_in(content, file)
        keys = {"records": path} if path else {}
    shape = FileShape.model_validate({"format": kind, **keys})
    why = {"records": "the longest list in the file"} if keys else {}
    return Looked(keys, why, read_shape(content, shape, [], file))


def _list_in(content: bytes, file: str) -> str:
    """Return the path of the longest list in a JSON file."""
    data = read_json(content, file)
    found = [(len(data[key]), key) for key in data if isinstance(data[key], list)]
    found += [
        (len(inner), f"{key}.{name}")
        for key, value in data.items()
        if isinstance(value, dict)
        for name, inner in value.items()
        if isinstance(inner, list)
    ]
    return max(found, default=(0, ""))[1]


def _in_text(content: bytes, file: str) -> Looked:
    keys: dict[str, Any] = {}
    why: dict[str, str] = {}
    encoding = _encoding(content)
    if encoding != "utf-8":
        keys["encoding"], why["encoding"] = encoding, "the bytes are not UTF-8; check that names read correctly"
    text = decoded(content, encoding, file)
    delimiter = _delimiter(text)
    if delimiter != "comma":
        keys["delimiter"], why["delimiter"] = delimiter, "it is the most frequent in the first lines"
    grid, _ = split(text, FileShape.model_validate(keys), file)
    found = _headed(grid, "csv", file)
    shape = FileShape.model_validate({**keys, **found.keys})
    return Looked(keys | found.keys, why | found.why, read_shape(content, shape, found.wanted, file))


def _encoding(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _delimiter(text: bytes) -> str:
    head = text[:20_000].decode("utf-8", "replace")
    return max(DELIMITERS, key=lambda name: (head.count(DELIMITERS[name]), name == "comma"))


class Headed(NamedTuple):
    """Headings of a sheet: the keys that describe them, the reasons, the headings and the number of data rows."""

    keys: dict[str, Any]
    why: dict[str, str]
    wanted: list[tuple[str, ...]]
    rows: int


def _in_workbook(content: bytes, kind: str, file: str) -> Looked:
    """Select the sheet with the most data rows, and name it where other sheets also have a table."""
    found: dict[str, Headed] = {}
    for name, grid in grids(content, kind, file):
        try:
            found[name] = _headed(grid, kind, f"{file}[{name}]")
        except UnreadableError:
            continue
    if not found:
        raise UnreadableError(
            f"{file}: found no sheet with headings above rows of figures, expected a table; check the file"
        )
    name = max(found, key=lambda each: found[each].rows)
    keys = {"sheet": name, **found[name].keys} if len(found) > 1 else found[name].keys
    others = ", ".join(each for each in found if each != name)[:100]
    why = {"sheet": f"it has the most rows of data ({found[name].rows:,}); tables also in: {others}"} if others else {}
    shape = FileShape.model_validate({"format": kind, **keys, "sheet": name})
    return Looked(keys, why | found[name].why, read_shape(content, shape, found[name].wanted, file))


def _headed(grid: pl.DataFrame, kind: str, file: str) -> Headed:
    """Find the headings of a sheet: the top row whose words and years are above the most columns of data."""
    rows = [list(row[:-1]) for row in grid.head(LOOKED_AT + BELOW).iter_rows()]
    scores = {n: _over_data(row, rows[n + 1 : n + 1 + BELOW]) for n, row in enumerate(rows[:LOOKED_AT])}
    best = max(scores, key=lambda n: (scores[n], -n), default=0)
    if scores and scores[best] > 0:
        return _with(rows, best, grid, kind)
    if not any(any(map(_is_data, row)) and any(not _is_data(cell) for cell in row if cell) for row in rows):
        raise UnreadableError(
            f"{file}: found no headings above figures or area codes, expected a table; check the file"
        )
    names = [f"column_{n}" for n in range(1, grid.width)]
    why = {
        "headings": 'TODO name the columns, because the file has no headings; use "" for a column that is not needed'
    }
    return Headed({"headings": names}, why, [], grid.height)


def _over_data(row: list[str], below: list[list[str]]) -> int:
    """Count the columns in which a row has a heading above mostly figures or codes."""
    if any(CODE.fullmatch(cell) for cell in row) or sum(1 for cell in row if cell) < 2:
        return 0
    columns = [[cells[n] for cells in below if cells[n]] for n in range(len(row))]
    fit = [bool(cell) and (not _is_data(cell) or bool(_YEAR.fullmatch(cell))) for cell in row]
    return sum(ok and bool(c) and sum(map(_is_data, c)) * 2 > len(c) for ok, c in zip(fit, columns, strict=True))


def _with(rows: list[list[str]], head: int, grid: pl.DataFrame, kind: str) -> Headed:
    """Return the keys that read the headings, over two rows where a second row makes them unique."""
    keys: dict[str, Any] = {}
    why: dict[str, str] = {}
    names = [name for name in rows[head] if name]
    above = rows[head - 1] if head else []
    if len(set(names)) < len(names) and sum(1 for cell in above if cell) >= 2 and kind in ("csv", "excel", "ods"):
        keys["header_rows"], why["header_rows"] = 2, "headings occur twice, and the row above distinguishes them"
        names = [name for name in merged(rows[head - 1 : head + 1]) if name]
    below = rows[head + 1] if head + 1 < len(rows) else []
    years = sum(bool(_YEAR.fullmatch(cell)) for cell in below)
    if len(set(names)) < len(names) and not keys and years * 2 > len([cell for cell in below if cell]):
        keys["header_rows"], why["header_rows"] = 2, "headings occur twice, and the row below distinguishes them"
        names = [name for name in merged(rows[head : head + 2]) if name]
    once = [name for name in names if names.count(name) == 1]
    # A column of codes or figures without a heading is named after its number.
    top = [list(row[:-1]) for row in body_head(grid, head).iter_rows()]
    once += [f"column {n + 1}" for n, name in enumerate(rows[head]) if not name and _filled(top, n)]
    body = grid.slice(head + 1)
    blank = body.select(pl.all_horizontal(pl.col(body.columns[:-1]) == "").alias("blank"))["blank"].arg_true()
    filled = body.select(pl.sum_horizontal(pl.col(body.columns[:-1]) != "").alias("filled"))["filled"]
    wide = (filled >= min(len(names), max(3, len(names) // 2 + 1))).arg_true()
    start = (filled > 0).arg_max() or 0
    inside = [n for n in blank if wide.len() and start < n < wide[-1]]
    if inside:
        row = body[ROW][inside[0]]
        keys["blank_rows"], why["blank_rows"] = True, f"row {row} is blank, and data continue below"
    return Headed(keys, why, [(name,) for name in once], int(wide.len()))


def body_head(grid: pl.DataFrame, head: int) -> pl.DataFrame:
    """Return the first rows below the headings."""
    return grid.slice(head + 1, BELOW)


def _filled(rows: list[list[str]], column: int) -> bool:
    """Return whether a column has codes or words in most rows."""
    return sum(bool(row[column]) for row in rows) * 2 > len(rows)


def _is_data(cell: str) -> bool:
    return bool(CODE.fullmatch(cell)) or looks_like_figure(cell)
